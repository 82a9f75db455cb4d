package app

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/network/fetch"
	"elenchus/service/gateway"
)

// hub answers as Hugging Face does, over folders of files. What a file in cuts says is sent once, then
// the connection breaks.
type hub struct {
	files map[string]map[string][]byte // by repository and name
	cuts  map[string]int
	asked []string // files with their ranges
}

const hubCommit = "89abcdef0123456789abcdef0123456789abcdef"

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if repo, ok := strings.CutPrefix(r.URL.Path, "/api/models/"); ok {
		repo, _, _ = strings.Cut(repo, "/revision/")
		h.list(w, repo)
		return
	}
	repo, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/"+hubCommit+"/")
	b, found := h.files[repo][name]
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	h.asked = append(h.asked, name+" "+r.Header.Get("Range"))
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(b)))
	if n, ok := h.cuts[name]; ok {
		delete(h.cuts, name)
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		_, _ = w.Write(b[:n])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

func (h *hub) list(w http.ResponseWriter, repo string) {
	var siblings []any
	for name, b := range h.files[repo] {
		if strings.HasSuffix(name, ".gguf") {
			siblings = append(siblings, map[string]any{"rfilename": name, "size": len(b),
				"lfs": map[string]any{"sha256": fmt.Sprintf("%x", sha256.Sum256(b)), "size": len(b)}})
			continue
		}
		id := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(b)), b...))
		siblings = append(siblings, map[string]any{"rfilename": name, "size": len(b), "blobId": fmt.Sprintf("%x", id)})
	}
	if siblings == nil {
		http.Error(w, "Repository not found", http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"sha": hubCommit, "siblings": siblings})
}

func drawnBytes(t *testing.T, seed uint64) []byte {
	t.Helper()
	b, err := os.ReadFile(drawnFile(t, seed))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newHub(t *testing.T) (*hub, PullOptions) {
	t.Helper()
	h := &hub{files: map[string]map[string][]byte{
		"who/tiny": {"tiny-Q8_0.gguf": drawnBytes(t, 1), "tiny-F16.gguf": drawnBytes(t, 2), "README.md": []byte("# tiny")},
		"who/evil": {"../../evil.gguf": drawnBytes(t, 1)},
	}, cuts: map[string]int{}}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return h, PullOptions{Hub: s.URL, Wait: func(int) time.Duration { return 0 }}
}

// TestPullFromAHub: interrupted, resumed, checked, imported, with nothing left behind.
func TestPullFromAHub(t *testing.T) {
	h, o := newHub(t)
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h.cuts["tiny-Q8_0.gguf"] = 1000
	ctx, stop := context.WithCancel(t.Context())
	o.Wait = func(int) time.Duration { stop(); return time.Hour }
	if _, err := s.Pull(ctx, "who/tiny", o); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if all, _ := s.List(); len(all) != 0 {
		t.Errorf("half a model is listed: %v", all)
	}
	var last string
	o.Progress = func(file string, done, all int64) { last = fmt.Sprint(file, " ", done == all) }
	m, err := s.Pull(t.Context(), "who/tiny", o)
	if err != nil {
		t.Fatal(err)
	}
	if want := "tiny-Q8_0.gguf bytes=1000-"; h.asked[len(h.asked)-1] != want || last != "tiny-Q8_0.gguf true" {
		t.Errorf("asked %q, progress ends at %q", h.asked, last)
	}
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), ".downloads", "*", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	direct, err := s.Import(drawnFile(t, 1), ImportOptions{Name: "direct"})
	if err != nil || direct.ID != m.ID || m.Name != "tiny" {
		t.Errorf("%v: %s and %s", err, direct.ID, m.ID)
	}
}

// TestPullByWantedFileAndByAddress.
func TestPullByWantedFileAndByAddress(t *testing.T) {
	_, o := newHub(t)
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o.Import.Name = "sixteen"
	f16, err := s.Pull(t.Context(), "hf:who/tiny@main:f16", o)
	if err != nil {
		t.Fatal(err)
	}
	o.Import.Name = "by-address"
	o.SHA256 = fmt.Sprintf("%x", sha256.Sum256(drawnBytes(t, 2)))
	at := o.Hub + "/who/tiny/resolve/" + hubCommit + "/tiny-F16.gguf"
	m, err := s.Pull(t.Context(), at, o)
	if err != nil || m.ID != f16.ID {
		t.Errorf("%v: %s and %s", err, m.ID, f16.ID)
	}
	o.Import.Name, o.SHA256 = "other", strings.Repeat("00", 32)
	if _, err := s.Pull(t.Context(), at, o); !errors.Is(err, fetch.ErrChecksum) {
		t.Errorf("a wrong digest: %v", err)
	}
}

// TestPullRefuses what it cannot do, before anything is fetched.
func TestPullRefuses(t *testing.T) {
	h, o := newHub(t)
	root := t.TempDir()
	s, err := OpenStore(filepath.Join(root, "state"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(drawnFile(t, 3), ImportOptions{Name: "taken"}); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]error{
		"who/nobody": fetch.ErrMissing, "who/evil": fetch.ErrMissing, "who/tiny:Q5": fetch.ErrMissing, "no such file": fetch.ErrRefused,
		"http://example.org/m.gguf": fetch.ErrRefused, o.Hub + "/m.zip": fetch.ErrRefused, o.Hub + "/..%2f..%2fm.gguf": fetch.ErrMissing,
	} {
		if _, err := s.Pull(t.Context(), ref, o); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", ref, err, want)
		}
	}
	o.Import.Name = "taken"
	if _, err := s.Pull(t.Context(), "who/tiny", o); err == nil || !strings.Contains(err.Error(), "taken") {
		t.Errorf("a name that is taken: %v", err)
	}
	if len(h.asked) != 0 {
		t.Errorf("files were asked for: %q", h.asked)
	}
	if found, _ := filepath.Glob(filepath.Join(root, "*.gguf")); len(found) != 0 {
		t.Errorf("files outside: %v", found)
	}
}

// TestAliases name a model until it goes.
func TestAliases(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Import(drawnFile(t, 1), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := s.SetAlias("gpt-4", m.Name); err != nil || id != m.ID {
		t.Fatal(id, err)
	}
	if man, name, err := s.Load("gpt-4"); err != nil || name != "gpt-4" || man.ID().String() != m.ID {
		t.Error(name, err)
	}
	if all, err := s.List(); err != nil || len(all) != 1 || len(all[0].Aliases) != 1 || all[0].Memory <= all[0].Bytes {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := s.SetAlias("story", "default"); err != nil {
		t.Error(err)
	}
	if _, name, err := s.Load("story"); err != nil || name != "story" {
		t.Error(name, err)
	}
	for _, name := range []string{"default", m.Name, "../x", "a/b", ""} {
		if _, err := s.SetAlias(name, m.ID); err == nil {
			t.Errorf("%q is an alias", name)
		}
	}
	if _, err := s.Import(drawnFile(t, 2), ImportOptions{Name: "gpt-4"}); err == nil {
		t.Error("a model took the name of an alias")
	}
	if err := s.RemoveAlias("nobody"); !errors.Is(err, ErrNoModel) {
		t.Error(err)
	}
	if _, err := s.Remove("gpt-4"); err != nil {
		t.Error(err)
	}
	if a, err := s.Aliases(); err != nil || len(a) != 1 {
		t.Errorf("after rm: %v, %v", a, err)
	}
}

// TestModelInUseIsNotRemoved.
func TestModelInUseIsNotRemoved(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Import(drawnFile(t, 1), ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	one, err1 := s.Hold(m.ID)
	two, err2 := s.Hold(m.ID)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	one()
	if _, err := s.Remove(m.Name); !errors.Is(err, ErrInUse) {
		t.Errorf("removed under a program that holds it: %v", err)
	}
	two()
	if _, err := s.Remove(m.Name); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.Dir(), "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A client of a gateway has models of the hub fetched, with their digests, and nothing else that a pull can reach.
func TestClientsPullFromTheHubAlone(t *testing.T) {
	s, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h, o := newHub(t)
	var steps []gateway.PullStep
	report := func(p gateway.PullStep) { steps = append(steps, p) }
	m, err := s.pullFor(t.Context(), "who/tiny:Q8_0", o, report)
	if err != nil || m.Name != "tiny" {
		t.Fatalf("stored as %q: %v", m.Name, err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256(h.files["who/tiny"]["tiny-Q8_0.gguf"]))
	if !slices.ContainsFunc(steps, func(p gateway.PullStep) bool { return p.Digest == digest && p.All > 0 && p.Done == p.All }) {
		t.Errorf("no step says that the file came: %+v", steps)
	}
	if _, err := s.Find("tiny"); err != nil {
		t.Error(err)
	}
	before := len(h.asked)
	if _, err := s.pullFor(t.Context(), "who/tiny:Q8_0", o, report); err != nil || len(h.asked) != before {
		t.Errorf("again: %v, and %d requests", err, len(h.asked)-before)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, drawnBytes(t, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{
		path: gateway.ErrInvalid, "https://example.com/m.gguf": gateway.ErrInvalid, "llama3.2": gateway.ErrInvalid,
		"who/none": gateway.ErrModelNotFound, "who/evil": gateway.ErrModelNotFound,
	} {
		if _, err := s.pullFor(t.Context(), name, o, report); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
}
