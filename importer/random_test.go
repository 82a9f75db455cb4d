package importer_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"elenchus/compute/decode"
	"elenchus/importer"
	"elenchus/importer/floatref"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// randomError bounds the logit error of 16-bit imports of small random models, relative to the
// largest logit; at a width of 4 it comes to 0.0048. Random weights do not attract the residual stream as trained ones do.
const randomError = 0.005

// TestRandomLlamaEqualsFloat draws heads, KV heads, widths that are no multiple of 32, tied and
// untied heads and vocabularies, and compares logits with the float64 reference of the same file.
func TestRandomLlamaEqualsFloat(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 2)) // the bound is no theorem: other draws may come out above it
	for range 40 {
		kv := 1 + g.IntN(3)
		heads := kv * (1 + g.IntN(3))
		hd := 2 * (2 + g.IntN(19))
		checkAgainstFloat(t, ggufwrite.Llama{
			Dim: heads * hd, Hidden: 8 + g.IntN(143), Layers: 1 + g.IntN(3),
			Heads: heads, KVHeads: kv, Context: 64, Pieces: 300 + g.IntN(901),
			Type: []gguf.Type{gguf.F32, gguf.F16}[g.IntN(2)], Tied: g.IntN(2) == 0, Seed: g.Uint64(),
		})
	}
	// Of a model four wide, whose stream has few numbers to spread errors over.
	checkAgainstFloat(t, ggufwrite.Llama{Dim: 4, Hidden: 9, Layers: 3, Heads: 1, KVHeads: 1, Context: 64, Pieces: 517, Type: gguf.F32, Seed: 10693704})
}

// TestQ8AndLargeVocabularyEqualFloat covers Q8_0 rows and the largest vocabulary of the issue.
func TestQ8AndLargeVocabularyEqualFloat(t *testing.T) {
	for _, l := range []ggufwrite.Llama{
		{Dim: 64, Hidden: 96, Layers: 2, Heads: 4, KVHeads: 2, Context: 64, Pieces: 400, Type: gguf.Q8_0, Seed: 1},
		{Dim: 32, Hidden: 64, Layers: 1, Heads: 2, KVHeads: 1, Context: 64, Pieces: 40000, Type: gguf.F16, Tied: true, Seed: 2},
	} {
		t.Run(fmt.Sprintf("%s/%d", l.Type, l.Pieces), func(t *testing.T) { checkAgainstFloat(t, l) })
	}
}

type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func checkAgainstFloat(t fataler, l ggufwrite.Llama) {
	f, err := gguf.New(bytes.NewReader(ggufwrite.TinyLlama(l)), int64(len(ggufwrite.TinyLlama(l))))
	if err != nil {
		t.Fatal(err)
	}
	man, err := importer.Import(f, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := floatref.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	ids := []int32{1, 5, 299, 17, 260, 33, 1, 280}
	s := ref.NewState()
	err = decode.Teacher(man.Model, ids, nil, func(at int, logits []int32) {
		want := s.Step(int(ids[at]))
		top, worst := 1.0, 0.0
		for i, w := range want {
			top = max(top, math.Abs(w))
			worst = max(worst, math.Abs(float64(logits[i])/65536-w))
		}
		if worst > randomError*top {
			t.Fatalf("%+v: logit error %.5f at position %d, largest logit %.3f", l, worst, at, top)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
