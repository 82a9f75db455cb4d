package importer_test

import (
	"bytes"
	"testing"

	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// TestAModelIsAsLargeAsMeasured: the estimate is at least the file that an import writes without its
// text, and at most a tenth more.
func TestAModelIsAsLargeAsMeasured(t *testing.T) {
	for _, c := range []struct {
		l ggufwrite.Llama
		o importer.Options
	}{
		{ggufwrite.Llama{Dim: 256, Hidden: 640, Layers: 3, Heads: 4, KVHeads: 2, Type: gguf.F16}, importer.Options{NoText: true}},
		{ggufwrite.Llama{Dim: 256, Hidden: 640, Layers: 3, Heads: 4, KVHeads: 4, Type: gguf.Q8_0, Tied: true}, importer.Options{NoText: true, Bits: 8, Context: 4096}},
	} {
		raw := ggufwrite.TinyLlama(c.l)
		f, err := gguf.New(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		s := importer.Measure(f, c.o)
		man, err := importer.Import(f, c.o)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := man.Encode(&b, "x"); err != nil {
			t.Fatal(err)
		}
		if have := int64(b.Len()); s.ModelBytes < have || s.ModelBytes > have+have/10 {
			t.Errorf("%+v: measured %d bytes, the file has %d", c.l, s.ModelBytes, have)
		}
		if s.Architecture != "llama" || s.Parameters < int64(len(raw))/5 || s.MemoryBytes <= s.ModelBytes {
			t.Errorf("%+v", s)
		}
	}
}
