package fetch

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// shop serves one file and can cut its answers short.
type shop struct {
	mu     sync.Mutex
	body   []byte
	etag   string
	cuts   []int // bytes of body after which the next answers end; none left: whole
	ranges []string
	tokens []string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	s.tokens = append(s.tokens, r.Header.Get("Authorization"))
	if s.etag != "" {
		w.Header().Set("ETag", s.etag)
	}
	if len(s.cuts) > 0 {
		w = &cut{w, s.cuts[0]}
		s.cuts = s.cuts[1:]
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.body))
}

// cut breaks the connection after some bytes.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) > c.left {
		_, _ = c.ResponseWriter.Write(p[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(p)
	return c.ResponseWriter.Write(p)
}

func soon(int) time.Duration { return 0 }

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func sum(b []byte) []byte { h := sha256.Sum256(b); return h[:] }

// TestInterruptedFileGoesOn: within one call and over several, from where it stopped.
func TestInterruptedFileGoesOn(t *testing.T) {
	body := content(100_000)
	s := &shop{body: body, etag: `"one"`, cuts: []int{30_000, 20_000}}
	at := serve(t, s)
	path := filepath.Join(t.TempDir(), "m.gguf")
	var last int64
	c := New(Options{Wait: soon, Progress: func(_ string, done, all int64) { last = done }})
	if err := c.File(t.Context(), File{URL: at, Size: -1}, path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, body) || last != int64(len(body)) {
		t.Fatalf("%v, %d bytes, progress ends at %d", err, len(got), last)
	}
	if len(s.ranges) != 3 || s.ranges[0] != "" || s.ranges[1] != "bytes=30000-" || s.ranges[2] != "bytes=50000-" {
		t.Errorf("ranges %q", s.ranges)
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}

	// Stopped by the user, then called again.
	s.cuts, s.ranges = []int{40_000}, nil
	path += "2"
	ctx, stop := context.WithCancel(t.Context())
	c = New(Options{Wait: func(int) time.Duration { stop(); return time.Hour }})
	if err := c.File(ctx, File{URL: at, SHA256: sum(body), Size: -1}, path); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an unfinished file has its name")
	}
	if err := New(Options{}).File(t.Context(), File{URL: at, SHA256: sum(body), Size: -1}, path); err != nil {
		t.Fatal(err)
	}
	if s.ranges[len(s.ranges)-1] != "bytes=40000-" {
		t.Errorf("ranges %q", s.ranges)
	}
}

// TestChangedFileBeginsAnew: its validator is another one.
func TestChangedFileBeginsAnew(t *testing.T) {
	s := &shop{body: content(5000), etag: `"one"`, cuts: []int{1000}}
	at := serve(t, s)
	path := filepath.Join(t.TempDir(), "m")
	c := New(Options{Wait: func(int) time.Duration {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.body, s.etag = append([]byte("other"), content(6000)...), `"two"`
		return 0
	}})
	if err := c.File(t.Context(), File{URL: at, Size: -1}, path); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, s.body) {
		t.Errorf("%d bytes, a mixture of two files", len(got))
	}
}

// TestWrongBytesAreNotKept: neither by digest, nor by size, nor by the name that git gives.
func TestWrongBytesAreNotKept(t *testing.T) {
	body := content(3000)
	at := serve(t, &shop{body: body})
	for name, f := range map[string]File{
		"sha256": {URL: at, Size: -1, SHA256: sum([]byte("else"))},
		"size":   {URL: at, Size: 2999},
		"git":    {URL: at, Size: -1, GitSHA1: make([]byte, 20)},
	} {
		path := filepath.Join(t.TempDir(), "m")
		if err := New(Options{Wait: soon}).File(t.Context(), f, path); !errors.Is(err, ErrChecksum) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := filepath.Glob(path + "*"); len(left) != 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
	git := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(body)), body...))
	if err := New(Options{}).File(t.Context(), File{URL: at, Size: 3000, GitSHA1: git[:]}, filepath.Join(t.TempDir(), "m")); err != nil {
		t.Error(err)
	}
}

// TestRoomIsAskedBeforeWriting.
func TestRoomIsAskedBeforeWriting(t *testing.T) {
	at := serve(t, &shop{body: content(3000)})
	full := errors.New("full")
	path := filepath.Join(t.TempDir(), "m")
	c := New(Options{Room: func(n int64) error {
		if n != 3000 {
			t.Errorf("asked for %d bytes", n)
		}
		return full
	}})
	if err := c.File(t.Context(), File{URL: at, Size: -1}, path); !errors.Is(err, full) {
		t.Error(err)
	}
	if sizeOf(path+partExt) != 0 {
		t.Error("something was written")
	}
}

// TestWholeFileIsNotFetchedAgain, and a foreign one is not overwritten.
func TestWholeFileIsNotFetchedAgain(t *testing.T) {
	body := content(3000)
	s := &shop{body: body}
	at := serve(t, s)
	path := filepath.Join(t.TempDir(), "m")
	for range 2 {
		if err := New(Options{}).File(t.Context(), File{URL: at, Size: -1, SHA256: sum(body)}, path); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.ranges) != 1 {
		t.Errorf("%d requests", len(s.ranges))
	}
	link := path + "link"
	if err := os.Symlink(path, link); err != nil {
		t.Skip("this system has no symbolic links:", err)
	}
	if err := New(Options{}).File(t.Context(), File{URL: at, Size: -1}, link); !errors.Is(err, ErrRefused) {
		t.Errorf("written through a link: %v", err)
	}
}

// TestRedirectsAreBounded, and lead to addresses that may be asked directly.
func TestRedirectsAreBounded(t *testing.T) {
	var count int
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		count++
		to := r.URL.Query().Get("to")
		if to == "" {
			to = r.URL.String()
		}
		http.Redirect(w, r, to, http.StatusFound)
	}))
	for _, q := range []string{"", "?to=" + url.QueryEscape("http://192.0.2.1/x"), "?to=" + url.QueryEscape("file:///etc/passwd")} {
		err := New(Options{Wait: soon}).File(t.Context(), File{URL: at + q, Size: -1}, filepath.Join(t.TempDir(), "m"))
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%q: %v", q, err)
		}
	}
	if count > maxRedirects+3 {
		t.Errorf("%d requests", count)
	}
	next, _ := http.NewRequest(http.MethodGet, "http://127.0.0.1/", nil)
	from, _ := http.NewRequest(http.MethodGet, "https://127.0.0.1/", nil)
	if err := checkRedirect(next, []*http.Request{from}); !errors.Is(err, ErrRefused) {
		t.Errorf("away from https: %v", err)
	}
}

// TestAddresses that are followed and that are not.
func TestAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"https://example.org/a": true, "http://127.0.0.1:1/a": true, "http://[::1]/a": true, "http://localhost/a": true,
		"http://example.org/a": false, "ftp://example.org/a": false, "file:///etc/passwd": false, "/a": false, "https://u:p@example.org/": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckURL(u); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		} else if err != nil && strings.Contains(err.Error(), ":p@") {
			t.Errorf("%s: the error tells the password", text)
		}
	}
}

// TestTokenGoesToItsHostAlone, and into no error.
func TestTokenGoesToItsHostAlone(t *testing.T) {
	cdn := &shop{body: content(10)}
	other := serve(t, cdn)
	var hub string
	seen := &shop{}
	hub = serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.tokens = append(seen.tokens, r.Header.Get("Authorization"))
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		http.Redirect(w, r, strings.Replace(other, "127.0.0.1", "localhost", 1), http.StatusFound)
	}))
	const token = "hf_verysecret"
	c := New(Options{Token: token, TokenHost: strings.TrimPrefix(hub, "http://"), Wait: soon})
	if err := c.File(t.Context(), File{URL: hub + "/yes", Size: -1}, filepath.Join(t.TempDir(), "m")); err != nil {
		t.Fatal(err)
	}
	err := c.File(t.Context(), File{URL: hub + "/no", Size: -1}, filepath.Join(t.TempDir(), "m"))
	if !errors.Is(err, ErrMissing) || strings.Contains(err.Error(), token) {
		t.Error(err)
	}
	if seen.tokens[0] != "Bearer "+token || cdn.tokens[0] != "" {
		t.Errorf("hub got %q, the other host %q", seen.tokens, cdn.tokens)
	}
}

// TestServerThatFailsIsAskedAFewTimes.
func TestServerThatFailsIsAskedAFewTimes(t *testing.T) {
	count := 0
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { count++; w.WriteHeader(503) }))
	err := New(Options{Wait: soon}).File(t.Context(), File{URL: at, Size: -1}, filepath.Join(t.TempDir(), "m"))
	if err == nil || count != maxAttempts || !strings.Contains(err.Error(), "run the same command again") {
		t.Errorf("%d attempts, %v", count, err)
	}
}

// TestRangesMustFit what was asked.
func TestRangesMustFit(t *testing.T) {
	for header, want := range map[string]int64{
		"bytes 5-9/10": 10, "bytes 4-9/10": -1, "bytes 5-8/10": -1, "bytes 5-9/*": -1, "": -1, "bytes 5-4/5": -1,
	} {
		got, err := rangeTotal(header, 5)
		if want < 0 != (err != nil) || err == nil && got != want {
			t.Errorf("%q: %d, %v", header, got, err)
		}
	}
}
