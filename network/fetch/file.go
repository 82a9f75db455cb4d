package fetch

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the names that git gives to files
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// File is a file to bring.
type File struct {
	URL    string
	Size   int64  // bytes; below 0: unknown
	SHA256 []byte // nil: unknown
	// GitSHA1 is the name of the file in git: SHA-1 of "blob SIZE", a zero byte and the contents; nil:
	// unknown. Hubs give it for small files. It guards against damage, not against malice.
	GitSHA1 []byte
}

// partExt ends the name of what has come so far, markExt that of what it is the beginning of.
const (
	partExt = ".part"
	markExt = ".part.json"
)

// mark says what a part is the beginning of.
type mark struct {
	URL   string `json:"url"`
	ETag  string `json:"etag"` // a strong validator; empty: none
	Total int64  `json:"total"`
}

// File brings f to path, whose folder exists. A file that is there already and is the same, as far
// as digest or size can tell, is kept.
func (c *Client) File(ctx context.Context, f File, path string) error {
	if same, err := c.have(&f, path); same || err != nil {
		return err
	}
	if (f.SHA256 != nil || f.GitSHA1 != nil) && f.check(path+partExt) == nil { // cut off before it got its name
		return settle(path)
	}
	for idle := 0; ; {
		before := sizeOf(path + partExt)
		err := c.attempt(ctx, &f, path)
		if err == nil {
			return nil
		}
		var again *passing
		if !errors.As(err, &again) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if idle++; sizeOf(path+partExt) > before {
			idle = 1
		}
		if idle == maxAttempts {
			return fmt.Errorf("gave up after %d attempts, run the same command again to go on: %w", maxAttempts, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.o.Wait(idle)):
		}
	}
}

func sizeOf(path string) int64 {
	if info, err := os.Stat(path); err == nil {
		return info.Size()
	}
	return 0
}

// have says whether path is f already. Without a digest only an equal size says so.
func (c *Client) have(f *File, path string) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%w: %s is not a plain file", ErrRefused, path)
	}
	if f.SHA256 == nil && f.GitSHA1 == nil {
		return f.Size >= 0 && info.Size() == f.Size, nil
	}
	return f.check(path) == nil, nil
}

// attempt is one request and what comes of it.
func (c *Client) attempt(ctx context.Context, f *File, path string) error {
	m, done := resumable(f, path)
	req, err := c.request(ctx, f.URL)
	if err != nil {
		return err
	}
	if done > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(done, 10)+"-")
		if m.ETag != "" {
			req.Header.Set("If-Range", m.ETag)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, ErrRefused) {
			return err
		}
		return &passing{err}
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	total := int64(-1)
	switch resp.StatusCode {
	case http.StatusOK:
		done, total = 0, resp.ContentLength // the server begins anew
	case http.StatusPartialContent:
		if total, err = rangeTotal(resp.Header.Get("Content-Range"), done); err != nil {
			return errors.Join(err, drop(path))
		}
	case http.StatusRequestedRangeNotSatisfiable: // what is here is not the beginning of what is there
		if err := drop(path); err != nil {
			return err
		}
		return &passing{fmt.Errorf("%s: the part on disk does not fit, beginning anew", resp.Request.URL.Redacted())}
	default:
		return statusError(resp)
	}
	return c.take(f, path, resp, done, total)
}

// take writes a body behind what is here, checks the whole and gives it its name.
func (c *Client) take(f *File, path string, resp *http.Response, done, total int64) error {
	if f.Size >= 0 && total >= 0 && f.Size != total {
		return errors.Join(fmt.Errorf("%w: %s has %d bytes, %d were announced", ErrChecksum, resp.Request.URL.Redacted(), total, f.Size), drop(path))
	}
	if total < 0 {
		total = f.Size
	}
	if c.o.Room != nil && total > done {
		if err := c.o.Room(total - done); err != nil {
			return err
		}
	}
	if err := writeMark(path, mark{f.URL, strong(resp.Header.Get("ETag")), total}); err != nil {
		return err
	}
	if err := c.pour(path, resp.Body, done, total); err != nil {
		return err
	}
	if err := f.check(path + partExt); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", resp.Request.URL.Redacted(), err), drop(path))
	}
	return settle(path)
}

// settle gives a complete part its name.
func settle(path string) error {
	if err := os.Rename(path+partExt, path); err != nil {
		return err
	}
	return errors.Join(drop(path), syncDir(filepath.Dir(path)))
}

// pour appends a body to the part that has done bytes.
func (c *Client) pour(path string, body io.Reader, done, total int64) error {
	out, err := os.OpenFile(path+partExt, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = out.Truncate(done)
	if err == nil {
		_, err = out.Seek(done, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, out.Close())
	}
	in := body
	if total >= 0 {
		in = io.LimitReader(body, total-done+1)
	}
	w := &counter{to: out, done: done, tell: func(n int64) {
		if c.o.Progress != nil {
			c.o.Progress(filepath.Base(path), n, total)
		}
	}}
	w.tell(done)
	_, err = io.Copy(w, in)
	closed := errors.Join(out.Sync(), out.Close())
	switch {
	case w.err != nil:
		return errors.Join(fmt.Errorf("write %s: %w", path+partExt, w.err), closed)
	case closed != nil:
		return closed
	case err != nil:
		return &passing{err}
	case total >= 0 && w.done < total:
		return &passing{fmt.Errorf("%s ended after %d of %d bytes", filepath.Base(path), w.done, total)}
	case total >= 0 && w.done > total:
		return errors.Join(fmt.Errorf("%w: more than the %d bytes that were announced", ErrChecksum, total), drop(path))
	}
	return nil
}

// counter tells what goes through it.
type counter struct {
	to   io.Writer
	done int64
	err  error // of the writer, apart from those of the reader
	tell func(int64)
}

// Write counts.
func (w *counter) Write(p []byte) (int, error) {
	n, err := w.to.Write(p)
	w.done += int64(n)
	w.err = err
	w.tell(w.done)
	return n, err
}

// resumable is the part on disk if it can go on: what it is the beginning of must be told by a
// validator of the server or be decided by a digest at the end.
func resumable(f *File, path string) (mark, int64) {
	var m mark
	done := sizeOf(path + partExt)
	b, err := os.ReadFile(path + markExt)
	if err != nil || json.Unmarshal(b, &m) != nil || done == 0 {
		return mark{}, 0
	}
	if m.ETag == "" && f.SHA256 == nil || m.ETag != "" && m.URL != f.URL && f.SHA256 == nil {
		return mark{}, 0
	}
	if m.URL != f.URL {
		m.ETag = "" // of another address; the digest decides
	}
	if m.Total >= 0 && done >= m.Total {
		return mark{}, 0
	}
	return m, done
}

// strong is an entity tag that promises equal bytes, or nothing.
func strong(etag string) string {
	if len(etag) > 256 || !strings.HasPrefix(etag, `"`) {
		return ""
	}
	return etag
}

// rangeTotal reads "bytes FIRST-LAST/TOTAL", which must begin at first and lead to the end.
func rangeTotal(header string, first int64) (int64, error) {
	var from, to, total int64
	if n, err := fmt.Sscanf(header, "bytes %d-%d/%d", &from, &to, &total); err != nil || n != 3 || from != first || to != total-1 || to < from {
		return 0, fmt.Errorf("%w: range %q in answer to bytes from %d", ErrRefused, header, first)
	}
	return total, nil
}

func writeMark(path string, m mark) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(path+markExt, b, 0o600)
}

// drop removes what has come so far.
func drop(path string) error {
	var errs error
	for _, p := range []string{path + partExt, path + markExt} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = errors.Join(errs, err)
		}
	}
	return errs
}

// check compares a file with what is known of it.
func (f *File) check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if f.Size >= 0 && info.Size() != f.Size {
		return fmt.Errorf("%w: %d bytes, want %d", ErrChecksum, info.Size(), f.Size)
	}
	if f.SHA256 != nil {
		return compare(path, "sha256", sha256.New(), f.SHA256)
	}
	if f.GitSHA1 != nil {
		h := sha1.New() //nolint:gosec // see File.GitSHA1
		fmt.Fprintf(h, "blob %d\x00", info.Size())
		return compare(path, "git sha1", h, f.GitSHA1)
	}
	return nil
}

func compare(path, name string, h hash.Hash, want []byte) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // read only
	if _, err := io.Copy(h, in); err != nil {
		return err
	}
	if got := h.Sum(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("%w: %s is %x, want %x", ErrChecksum, name, got, want)
	}
	return nil
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrInvalid) {
		err = nil // not every system syncs folders
	}
	return errors.Join(err, d.Close())
}
