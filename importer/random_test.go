package importer_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"elenchus/compute/decode"
	"elenchus/importer"
	"elenchus/importer/floatref"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"

	"pgregory.net/rapid"
)

// randomError bounds the logit error of 16-bit imports of small random models, relative to the
// largest logit. Random weights do not attract the residual stream as trained ones do.
const randomError = 0.004

// TestRandomLlamaEqualsFloat draws heads, KV heads, widths that are no multiple of 32, tied and
// untied heads and vocabularies, and compares logits with the float64 reference of the same file.
func TestRandomLlamaEqualsFloat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kv := rapid.IntRange(1, 3).Draw(t, "kv")
		heads := kv * rapid.IntRange(1, 3).Draw(t, "group")
		hd := 2 * rapid.IntRange(2, 20).Draw(t, "half head")
		l := ggufwrite.Llama{
			Dim: heads * hd, Hidden: rapid.IntRange(8, 150).Draw(t, "hidden"), Layers: rapid.IntRange(1, 3).Draw(t, "layers"),
			Heads: heads, KVHeads: kv, Context: 64, Pieces: rapid.IntRange(300, 1200).Draw(t, "pieces"),
			Type: rapid.SampledFrom([]gguf.Type{gguf.F32, gguf.F16}).Draw(t, "type"),
			Tied: rapid.Bool().Draw(t, "tied"), Seed: rapid.Uint64().Draw(t, "seed"),
		}
		checkAgainstFloat(t, l)
	})
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
