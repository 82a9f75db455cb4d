package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// quickstart runs the programs of docs/guide/quickstart.md as they stand there, but for the address.
func (o *operated) quickstart(ctx context.Context, t *testing.T) {
	page, err := os.ReadFile("../../docs/guide/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	g := o.gateway(ctx, t)
	defer func() {
		_ = g.cmd.Process.Kill() // it has nothing left to do
		_ = g.cmd.Wait()
	}()
	page = bytes.ReplaceAll(page, []byte("http://127.0.0.1:8080"), []byte(g.url))
	packages, err := filepath.Abs("../../tools/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	python := os.Getenv("ELENCHUS_PYTHON")
	if python == "" {
		python = "python3"
	}
	for _, p := range []struct {
		language, file string
		probe, run     []string
		name           string // in ELENCHUS_REQUIRE
	}{
		{"sh", "main.sh", []string{"curl", "--version"}, []string{"sh", "-e", "main.sh"}, "curl"},
		{"go", "main.go", []string{"go", "mod", "download"}, []string{"go", "run", "."}, "openai-go"},
		{"python", "main.py", []string{python, "-c", "import openai"}, []string{python, "main.py"}, "openai-python"},
		{"ts", "main.mjs", []string{"node", "-e", "require.resolve('openai')"}, []string{"node", "main.mjs"}, "openai-node"},
	} {
		t.Run(p.language, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, p.file), block(t, page, p.language))
			for _, name := range []string{"go.mod", "go.sum"} {
				b, err := os.ReadFile(filepath.Join("../../tools/sdk", name))
				if err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, name), b)
			}
			if err := os.Symlink(packages, filepath.Join(dir, "node_modules")); err != nil && p.language == "ts" {
				t.Skip("this system has no symbolic links:", err)
			}
			if out, err := o.inside(ctx, dir, p.probe); err != nil {
				if slices.Contains(strings.Split(os.Getenv("ELENCHUS_REQUIRE"), ","), p.name) {
					t.Fatalf("%s is required: %v\n%s", p.name, err, out)
				}
				t.Skipf("%s is not installed: %v", p.name, err)
			}
			out, err := o.inside(ctx, dir, p.run)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			o.holds(ctx, t, dir, string(out))
		})
	}
}

// block is the one program of a language on a page.
func block(t *testing.T, page []byte, language string) []byte {
	t.Helper()
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(page, -1)
	if len(found) != 1 {
		t.Fatalf("%d blocks of %s", len(found), language)
	}
	return found[0][1]
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// inside runs a program in a folder, with our command in its path.
func (o *operated) inside(ctx context.Context, dir string, argv []string) ([]byte, error) {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(o.exe)+string(os.PathListSeparator)+os.Getenv("PATH"), "GOFLAGS=-mod=mod", "XDG_DATA_HOME="+dir)
	return c.CombinedOutput()
}

// holds: the program said something, and the receipt that it left is true.
func (o *operated) holds(ctx context.Context, t *testing.T, dir, said string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "response.json")); err == nil {
		if !strings.Contains(said, "\nholds\n") {
			t.Errorf("verify says:\n%s", said)
		}
		return
	}
	if len(strings.TrimSpace(said)) == 0 {
		t.Error("the program prints no answer")
	}
	if out, err := o.inside(ctx, dir, []string{o.exe, "verify", "receipt.txt"}); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
