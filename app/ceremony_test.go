package app

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"elenchus/proving/ceremony"
	"elenchus/proving/specimen"
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
	return &Ceremony{dir, file.Unit, c}
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
