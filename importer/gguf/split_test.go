package gguf_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// part is a file with a tensor of one number that says it is part i of n.
func part(i, n int, tensor string) []byte {
	var b ggufwrite.Builder
	b.Set("split.no", gguf.Uint16, binary.LittleEndian.AppendUint16(nil, uint16(i)))
	b.Set("split.count", gguf.Uint16, binary.LittleEndian.AppendUint16(nil, uint16(n)))
	if i == 0 {
		b.SetString("general.architecture", "llama")
	}
	b.AddF32(tensor, []uint64{1}, []float32{float32(i + 1)})
	return b.Bytes()
}

func TestSplitModelsAreReadFromTheirFirstPart(t *testing.T) {
	const first, second, third = "m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"
	good := map[string][]byte{first: part(0, 3, "a"), second: part(1, 3, "b"), third: part(2, 3, "c")}
	for _, c := range []struct {
		name, open string
		change     map[string][]byte // nil removes a file
		want       string
	}{
		{"good", first, nil, ""},
		{"another part", second, nil, "is part 2 of 3: give the first, whose name ends in -00001-of-00003.gguf"},
		{"missing part", first, map[string][]byte{second: nil}, "no such file"},
		{"parts exchanged", first, map[string][]byte{second: part(2, 3, "b")}, "says that it is part 3 of 3, its name 2 of 3"},
		{"part of another split", first, map[string][]byte{second: part(1, 4, "b")}, "says that it is part 2 of 4, its name 2 of 3"},
		{"tensor twice", first, map[string][]byte{third: part(2, 3, "a")}, `tensor "a" appears twice`},
		{"renamed", "x.gguf", map[string][]byte{"x.gguf": part(0, 3, "a")}, "whose name ends in -00001-of-00003.gguf"},
		{"too many", "x.gguf", map[string][]byte{"x.gguf": part(0, gguf.MaxParts+1, "a")}, "at most 1024"},
		{"number beyond", "x.gguf", map[string][]byte{"x.gguf": part(3, 3, "a")}, "part 3 of 3"},
		{"one of one", "x.gguf", map[string][]byte{"x.gguf": part(0, 1, "a")}, ""},
	} {
		dir := t.TempDir()
		for name, b := range good {
			writePart(t, filepath.Join(dir, name), b)
		}
		for name, b := range c.change {
			if b == nil {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
				continue
			}
			writePart(t, filepath.Join(dir, name), b)
		}
		f, err := gguf.Open(filepath.Join(dir, c.open))
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		checkParts(t, f)
	}
	b := good[first]
	if _, err := parse(b); err == nil || !strings.Contains(err.Error(), "part 1 of 3") {
		t.Errorf("a part in memory: %v", err)
	}
}

func writePart(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkParts reads the number of every tensor: a is 1, b is 2, c is 3.
func checkParts(t *testing.T, f *gguf.File) {
	t.Helper()
	for _, name := range f.Names() {
		got := []float32{0}
		if err := f.Rows(name, 0, got); err != nil || fmt.Sprint(got[0]) != fmt.Sprint(name[0]-'a'+1) {
			t.Errorf("tensor %s is %v (%v)", name, got, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
