package app

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"elenchus/proving/ceremony"
	"elenchus/proving/specimen"
	"elenchus/proving/step"
)

// opened is the ceremony of a small circuit in a folder, under the name of a larger one.
func opened(t *testing.T, dir string) *Ceremony {
	t.Helper()
	c, err := ceremony.New(specimen.Square())
	if err != nil {
		t.Fatal(err)
	}
	file, err := ceremonyUnit("relu", CircuitShapes()[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Ceremony{dir: dir, unit: file.Unit, c: c}
}

const someBeacon = "000102030405060708090a0b0c0d0e0f"

// A ceremony is played in a folder of any name, also one that is a pattern, and what each step reports is what
// whoever opens the folder after it finds. SPEC 10 §5.12.
func TestCeremonyInAFolderOfAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys[1]*")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	closing := func(c *Ceremony) (*CeremonyReport, error) { return c.Close(someBeacon) }
	finish := func(c *Ceremony) (*CeremonyReport, error) { return c.Finish(filepath.Join(dir, "made")) }
	var r *CeremonyReport
	for i, do := range []func(*Ceremony) (*CeremonyReport, error){(*Ceremony).Contribute, (*Ceremony).Contribute, closing,
		(*Ceremony).Contribute, closing, finish} {
		said, err := do(opened(t, dir))
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
		if r, err = opened(t, dir).Check(); err != nil || r.Transcript != said.Transcript || r.Phase != said.Phase ||
			!slices.Equal(r.Powers, said.Powers) || !slices.Equal(r.Keys, said.Keys) {
			t.Fatalf("step %d reports %+v; there is %+v, %v", i, said, r, err)
		}
	}
	if r.Phase != "done" || len(r.Powers) != 2 || len(r.Keys) != 1 {
		t.Errorf("the end is %+v", r)
	}
	if _, err := opened(t, dir).Finish(filepath.Join(dir, "made")); !errors.Is(err, ErrCannot) {
		t.Errorf("finished twice: %v", err)
	}
}

// Files of others are read one at a time, and no further than the circuit says that they go.
func TestCeremonyHoldsOneContribution(t *testing.T) {
	for name, c := range map[string]struct {
		sizes []int64 // of powers-0001 and up; below 0: a folder
		keys  bool
		want  string
	}{
		"long":               {sizes: []int64{1 << 30, 1 << 30}, want: "contribution 1 of 2 to the powers"},
		"the first is wrong": {sizes: []int64{0, -1}, want: "contribution 1 to the powers: 0 bytes"},
		"keys too early":     {keys: true, want: "there are keys before the powers are closed"},
	} {
		dir := t.TempDir()
		for i, size := range c.sizes {
			path := filepath.Join(dir, partName(ceremony.Powers, i+1))
			err := os.Mkdir(path, 0o755)
			if size >= 0 {
				err = errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o644), os.Truncate(path, size))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if c.keys {
			if err := os.WriteFile(filepath.Join(dir, partName(ceremony.Keys, 1)), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		y := opened(t, dir)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := y.Check()
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
			t.Errorf("%s: took %d bytes", name, took)
		}
	}
}

// A ceremony on a public file's powers wants that file at every step, and no powers of its own. SPEC 10 §5.12.
func TestCeremonyOnAPublicFile(t *testing.T) {
	file := filepath.Join("..", "proving", "step", "testdata", "powers4.ptau")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, digest := t.TempDir(), fmt.Sprintf("%x", sha256.Sum256(b))
	small := PowersFile{file, digest}
	if _, err := NewCeremony(filepath.Join(dir, "no"), "relu", CircuitShapes()[0], nil, small); !errors.Is(err, step.ErrReference) || !strings.Contains(err.Error(), "the circuit needs 2^11") {
		t.Errorf("a file that is too small: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "no")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused ceremony left a folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, srsFile), []byte(digest+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	on := func(path string) *Ceremony {
		c := opened(t, dir)
		c.srs = path
		return c
	}
	for _, do := range []func() (*CeremonyReport, error){on(file).Check, on(file).Contribute, func() (*CeremonyReport, error) { return on(file).Close(someBeacon) }} {
		r, err := do()
		if err != nil {
			t.Fatal(err)
		}
		if r.SRS != digest || len(r.Powers) != 0 {
			t.Errorf("reported as %+v", r)
		}
	}
	r, err := on(file).Finish(filepath.Join(dir, "made"))
	if err != nil || r.Phase != "done" || len(r.Keys) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	refused := func(what, path, want string) {
		t.Helper()
		if _, err := on(path).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	refused("without the file", "", "SHA-256 "+digest)
	refused("a file that is not there", file+"x", "no such file")
	other := filepath.Join(dir, "other.ptau")
	b[len(b)-1] ^= 1 // of what the ceremony before says of itself
	if err := os.WriteFile(other, b, 0o644); err != nil {
		t.Fatal(err)
	}
	refused("another file", other, "want "+digest)
	if err := os.WriteFile(filepath.Join(dir, partName(ceremony.Powers, 1)), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refused("powers beside the file's", file, "has those of a public file")
	own := opened(t, t.TempDir())
	own.srs = file
	if _, err := own.Check(); err == nil || !strings.Contains(err.Error(), "leave out --srs") {
		t.Errorf("a file that nobody asked for: %v", err)
	}
}
