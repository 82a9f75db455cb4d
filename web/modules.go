package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// The modules, and the support file that hosts of JavaScript run before them.
const (
	Receipt = "receipt.wasm" // cmd/wasm: reads and checks receipts, computes answers again
	Proof   = "proof.wasm"   // proving/check/wasm: verifies answers by proof
	Support = "wasm_exec.js" // of the Go release that compiled them
)

// sources are the packages of the modules.
var sources = map[string]string{Receipt: "./cmd/wasm", Proof: "./proving/check/wasm"}

//go:embed dist
var dist embed.FS

// ErrNoModule says that a binary carries no modules and has no sources to compile them from.
var ErrNoModule = errors.New("this binary was built without its modules for browsers: run go generate ./web, then build it again")

// Modules are the files that a page loads on demand. The zero value is ready; it is safe for concurrent use.
type Modules struct {
	mu    sync.Mutex // guards built, and lets one build run at a time
	built map[string][]byte
}

// Embedded says whether the binary carries its modules.
func Embedded() bool {
	_, err := dist.ReadFile("dist/" + Receipt + ".gz")
	return err == nil
}

// Get is a module, compressed by gzip: the embedded one, else one that is compiled from the sources
// that this binary was compiled from, which takes a while once. The error is ctx's, ErrNoModule or the
// compiler's.
func (m *Modules) Get(ctx context.Context, name string) ([]byte, error) {
	if b, err := dist.ReadFile("dist/" + name + ".gz"); err == nil {
		return b, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.built[name]; ok {
		return b, nil
	}
	root := checkout()
	if root == "" {
		return nil, ErrNoModule
	}
	b, err := Compile(ctx, root, name)
	if err != nil {
		return nil, err
	}
	if m.built == nil {
		m.built = map[string][]byte{}
	}
	m.built[name] = b
	return b, nil
}

// checkout is the folder of the sources that this binary was compiled from, "" if it does not say or
// they are gone.
func checkout() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "" // -trimpath: a release
	}
	root := filepath.Dir(filepath.Dir(file))
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil || !strings.HasPrefix(string(text), "module elenchus\n") {
		return ""
	}
	return root
}

// Compile makes a module, or the support file, from the sources of a checkout, compressed by gzip. The
// same sources and the same Go release give the same bytes.
func Compile(ctx context.Context, root, name string) ([]byte, error) {
	if name == Support {
		return support(ctx, root)
	}
	dir, err := os.MkdirTemp("", "elenchus-wasm-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing to do about it
	out := filepath.Join(dir, name)
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out, sources[name]) //nolint:gosec // our own compiler
	c.Dir, c.Env = root, append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOWASM=", "GOFLAGS=", "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile %s: %w: %s", sources[name], err, bytes.TrimSpace(text))
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	return zip(b)
}

// support finds the support file of the Go release that is at hand.
func support(ctx context.Context, root string) ([]byte, error) {
	c := exec.CommandContext(ctx, "go", "env", "GOROOT")
	c.Dir = root
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(text)), "lib", "wasm", Support))
	if err != nil {
		return nil, err
	}
	return zip(b)
}

func zip(b []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(b); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
