// Package web is what browsers get: the page that checks receipts, and the modules that it loads.
//
// It stands beside app, which puts it behind a gateway, and imports nothing of ours. Invariants:
// every reply carries a policy under which the page runs its own files and nothing else; nothing of
// anybody else's is loaded; modules come from the binary, or are compiled from the sources that it
// was compiled from. ADR 0040.
//
//	mux.Handle("/check/", web.Handler(modules))
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:generate go run ./generate

//go:embed page
var pages embed.FS

// Root is the path below which the files of the page lie; the page itself is at Receipts.
const (
	Root     = "/check/"
	Receipts = "/receipts"
)

// policy lets the page load its own files, compile its own modules and speak to its gateway and to the
// chain that its user names.
const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; worker-src 'self'; " +
	"connect-src 'self' https: http://127.0.0.1:* http://localhost:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// kinds are the files that are served, by the ends of their names.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".wasm": "application/wasm",
}

// Handler serves the page at Receipts and below, and its files below Root.
func Handler(m *Modules) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-cache",
		} {
			h.Set(name, value)
		}
		name, ok := strings.CutPrefix(r.URL.Path, Root)
		if !ok {
			name = "page.html"
		}
		switch kinds[path.Ext(name)] {
		case "":
			http.NotFound(w, r)
		case kinds[".wasm"]:
			m.serve(w, r, name)
		default:
			servePage(w, r, m, name)
		}
	})
}

func servePage(w http.ResponseWriter, r *http.Request, m *Modules, name string) {
	if name == Support {
		m.serve(w, r, name)
		return
	}
	b, err := pages.ReadFile("page/" + name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	send(w, r, name, b, false)
}

// serve sends a module, or says why there is none.
func (m *Modules) serve(w http.ResponseWriter, r *http.Request, name string) {
	b, err := m.Get(r.Context(), name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	send(w, r, name, b, true)
}

// send writes a file, compressed if it is and the client can.
func send(w http.ResponseWriter, r *http.Request, name string, b []byte, zipped bool) {
	h := w.Header()
	h.Set("Content-Type", kinds[path.Ext(name)])
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if zipped {
		h.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
		} else if b = unzip(b); b == nil {
			http.Error(w, "the file is spoilt", http.StatusInternalServerError)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(b) // a client that left is no concern of ours
	}
}

// unzip is nil for what is not compressed.
func unzip(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out, err := io.ReadAll(z)
	if err != nil {
		return nil
	}
	return out
}
