package importer_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// asGGUF writes what a source says, in float32, as a GGUF file.
func asGGUF(t *testing.T, f importer.Source) *gguf.File {
	t.Helper()
	var b ggufwrite.Builder
	for _, key := range f.Keys() {
		if n, err := f.Uint(key); err == nil {
			b.SetUint32(key, uint32(n))
		} else if x, err := f.Float(key); err == nil {
			b.SetFloat32(key, float32(x))
		} else if on, err := f.Bool(key); err == nil {
			b.SetBool(key, on)
		} else if s, err := f.String(key); err == nil {
			b.SetString(key, s)
		} else if _, err := f.Ints(key); err != nil { // end ids, which are text
			t.Fatalf("key %s is of no known type", key)
		}
	}
	for _, name := range f.Names() {
		rows, k, _ := f.Shape(name)
		v := make([]float32, rows*k)
		if err := f.Rows(name, 0, v); err != nil {
			t.Fatal(err)
		}
		b.AddF32(name, []uint64{uint64(k), uint64(rows)}, v)
	}
	out, err := gguf.New(bytes.NewReader(b.Bytes()), int64(len(b.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A model without its text has one header, whatever format its weights come in. SPEC 04 §2.1.
func TestFoldersAndGGUFGiveTheSameModel(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob("testdata/*/*")
	if err != nil || len(folders) < 18 {
		t.Fatalf("%d folders (%v)", len(folders), err)
	}
	for _, f := range folders {
		folder, err := importer.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		want, err1 := importer.Import(folder, importer.Options{NoText: true})
		got, err2 := importer.Import(asGGUF(t, folder), importer.Options{NoText: true})
		if err1 != nil || err2 != nil {
			t.Fatalf("%s: %v, %v", f, err1, err2)
		}
		if want.Header != got.Header {
			t.Errorf("%s: a folder and a file give different headers", f)
		}
		if err := folder.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
