package web_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"elenchus/web"
)

func get(path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	web.Handler(&web.Modules{}).ServeHTTP(w, r)
	return w
}

// Every reply carries the policy: own files alone, no inline script or style, in nobody's frame.
func TestEveryReplyCarriesThePolicy(t *testing.T) {
	for _, path := range []string{"/receipts", "/receipts/abc", "/check/page.js", "/check/worker.js", "/check/page.css", "/check/none.js", "/check/page.png"} {
		h := get(path).Header()
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self' 'wasm-unsafe-eval';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe-inline") || strings.Contains(policy, "'unsafe-eval'") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// The page's files name nothing but their own origin, hold no code in attributes or in line, and never
// make HTML out of text.
func TestPageIsSelfContainedAndTextStaysText(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(src|href|import|from|url\()\s*[=(]?\s*["'](https?:)?//`)
	code := regexp.MustCompile(`(?i)\son[a-z]+\s*=\s*["']|\sstyle\s*=\s*["']|<style|<script>|javascript:`)
	html := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|setHTML`)
	seen := 0
	err := fs.WalkDir(os.DirFS("page"), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		seen++
		b, err := os.ReadFile("page/" + path)
		if err != nil {
			return err
		}
		for _, bad := range []*regexp.Regexp{outside, code, html} {
			if m := bad.Find(b); m != nil && !(bad == code && strings.HasSuffix(path, ".js")) {
				t.Errorf("%s has %q", path, m)
			}
		}
		return nil
	})
	if err != nil || seen < 8 {
		t.Errorf("%d files, %v", seen, err)
	}
}

// Files of the page are found, others are not, and an unchanged one is not sent again.
func TestFilesOfThePage(t *testing.T) {
	for path, kind := range map[string]string{
		"/receipts": "text/html", "/receipts/x": "text/html", "/check/page.css": "text/css", "/check/page.js": "text/javascript", "/check/mark.svg": "image/svg+xml",
	} {
		w := get(path)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
		if again := get(path, "If-None-Match", w.Header().Get("Etag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s again: %d", path, again.Code)
		}
	}
	for _, path := range []string{"/check/", "/check/..%2fweb.go", "/check/web.go", "/check/x.html", "/check/page", "/check/README"} {
		if w := get(path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, w.Code)
		}
	}
}

// A module comes compressed to whoever takes that, and as it is to others.
func TestModulesOfTheBinary(t *testing.T) {
	if !web.Embedded() {
		t.Skip("no modules in this binary: go generate ./web")
	}
	for _, name := range []string{web.Receipt, web.Proof} {
		small, whole := get("/check/"+name, "Accept-Encoding", "gzip, br"), get("/check/"+name)
		if small.Header().Get("Content-Encoding") != "gzip" || whole.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %v, %v", name, small.Header(), whole.Header())
		}
		if !strings.HasPrefix(whole.Body.String(), "\x00asm") || small.Body.Len()*2 > whole.Body.Len() {
			t.Errorf("%s: %d and %d bytes", name, small.Body.Len(), whole.Body.Len())
		}
		if most := 3 << 20; small.Body.Len() > most {
			t.Errorf("%s has %d bytes, at most %d", name, small.Body.Len(), most)
		}
	}
}
