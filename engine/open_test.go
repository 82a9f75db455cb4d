package engine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
)

// modelFile writes a drawn model to a file.
func modelFile(t *testing.T) (string, *manifest.Manifest) {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := man.Encode(&b, "drawn"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "drawn.elm")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, man
}

var openJob = decode.Job{Prompt: []int32{5, 17, 290, 4}, StopIDs: []int32{2}, MaxNew: 5}

// A mapped model is the model, with every set of kernels, also after its file was removed.
func TestOpenIsTheModel(t *testing.T) {
	path, man := modelFile(t)
	want, _, err := (&Computer{Manifest: man}).Generate(context.Background(), openJob, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, name, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if name != "drawn" || got.ID() != man.ID() || runtime.GOOS == "linux" && got.Backing == nil {
		t.Fatalf("%q %v, backing %v", name, got.ID(), got.Backing)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for _, set := range Kernels() {
		fast := Prepare(got, set, nil)
		a, _, err := (&Computer{Manifest: fast}).Generate(context.Background(), openJob, nil)
		if err != nil || !slices.Equal(a.Hashes, want.Hashes) {
			t.Fatalf("%s: %v, other states", set.Name(), err)
		}
		if fast.Backing != nil {
			fast.Backing.Release()
		}
	}
}

// Files that are no model, or a part of one, are refused with their name.
func TestOpenRefuses(t *testing.T) {
	path, _ := modelFile(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-40] ^= 1
	for name, content := range map[string][]byte{"empty": nil, "cut": b[:len(b)/2], "changed": b, "text": []byte("hello")} {
		p := filepath.Join(t.TempDir(), name+".elm")
		if err := os.WriteFile(p, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(p); err == nil || !bytes.Contains([]byte(err.Error()), []byte(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Open(filepath.Join(t.TempDir(), "none.elm")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// A file that is cut short under the program ends answers with an error, on every thread, and not
// the program.
func TestOpenSurvivesACutFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("mapped files behave so on Linux")
	}
	path, _ := modelFile(t)
	man, _, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1); err != nil {
		t.Fatal(err)
	}
	pool := NewPool(3)
	defer pool.Close()
	c := &Computer{Manifest: man, Split: pool.Split, Together: &Together{}}
	for range 3 {
		if _, _, err := c.Generate(context.Background(), openJob, nil); !errors.Is(err, ErrFault) {
			t.Fatalf("generate: %v", err)
		}
		if _, err := c.Step(openJob, 2, nil); !errors.Is(err, ErrFault) {
			t.Fatalf("step: %v", err)
		}
	}
}

// A panic on a thread of the pool reaches who called Split, and the pool goes on.
func TestPoolHandsPanicsOn(t *testing.T) {
	pool := NewPool(3)
	defer pool.Close()
	for i := range 50 {
		func() {
			defer func() {
				if recover() == nil {
					t.Fatal("the panic was lost")
				}
			}()
			pool.Split(100, func(lo, hi int) {
				if lo <= 2*i && 2*i < hi {
					panic("broken")
				}
			})
		}()
	}
	sum := make([]int, 100)
	pool.Split(100, func(lo, hi int) {
		for k := lo; k < hi; k++ {
			sum[k] = 1
		}
	})
	if slices.Contains(sum, 0) {
		t.Fatal("rows were left out")
	}
}
