package ggufwrite_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// What is written in a block format reads back near what it was made from.
func TestBlockFormatsReadBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 14))
	const rows, k = 4, 512
	v, square := make([]float32, rows*k), 0.0
	for i := range v {
		v[i] = float32(r.NormFloat64() / 16)
		square += float64(v[i]) * float64(v[i])
	}
	for typ, most := range map[gguf.Type]float64{2: 0.1, 3: 0.1, 6: 0.05, 7: 0.05, 8: 0.006, 10: 0.35, 11: 0.2, 12: 0.1, 13: 0.05, 14: 0.03} {
		var b ggufwrite.Builder
		if err := b.AddAs("w", typ, []uint64{k, rows}, v); err != nil {
			t.Fatal(err)
		}
		f, err := gguf.New(bytes.NewReader(b.Bytes()), int64(len(b.Bytes())))
		if err != nil {
			t.Fatal(err)
		}
		got, off := make([]float32, rows*k), 0.0
		if err := f.Rows("w", 0, got); err != nil {
			t.Fatal(err)
		}
		for i := range v {
			off += float64(got[i]-v[i]) * float64(got[i]-v[i])
		}
		if e := math.Sqrt(off / square); !(e > 0 && e < most) {
			t.Errorf("%s: relative error %.4f, want below %.3f", typ, e, most)
		} else {
			t.Logf("%s: relative error %.4f", typ, e)
		}
	}
}
