package app

import (
	"context"
	"math"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

func compareModel(t *testing.T, seed uint64) *manifest.Manifest {
	t.Helper()
	shape := ggufwrite.Llama{Dim: 32, Hidden: 64, Layers: 1, Heads: 2, KVHeads: 1, Type: gguf.F32, Seed: seed, Tied: true}
	man, err := importer.Bytes(ggufwrite.TinyLlama(shape), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return man
}

func compareWith(t *testing.T, man *manifest.Manifest, texts ...string) *Comparison {
	t.Helper()
	var answers []HostAnswer
	for _, s := range texts {
		answers = append(answers, HostAnswer{"http://host", s})
	}
	r, err := Compare(context.Background(), man, CompareOptions{Prompt: "abc", MaxNew: 12, Threads: 1}, answers)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The exact run is equal to itself, and to what was cut at the same length or sent on beyond it.
func TestCompareEqual(t *testing.T) {
	man := compareModel(t, 1)
	text := compareWith(t, man).Text
	r := compareWith(t, man, text, text+" and more")
	if r.Finish != "length" || !r.Hosts[0].Equal || !r.Hosts[1].Equal {
		t.Fatalf("%+v", r)
	}
}

// A host that draws another token is found at that token, with the exact distance of the logits.
func TestCompareFindsTheToken(t *testing.T) {
	man := compareModel(t, 1)
	tok, err := textSide(man)
	if err != nil {
		t.Fatal(err)
	}
	c := &comparer{man: man, tok: tok}
	if err := c.run(context.Background(), CompareOptions{Prompt: "abc", MaxNew: 12}); err != nil {
		t.Fatal(err)
	}
	for at := range c.out {
		var all [][]int32
		if all, err = c.logits(at, at); err != nil {
			t.Fatal(err)
		}
		// The best token of which no other begins the text, so that there is one explanation.
		order := make([]int32, man.Vocab)
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return int(all[0][b]) - int(all[0][a]) })
		got := slices.IndexFunc(order, func(id int32) bool {
			p := c.piece(id)
			return id != c.out[at] && len(p) == 1 && p[0] != c.text[c.starts[at]]
		})
		if got < 0 {
			t.Fatal("no token of one letter")
		}
		id := order[got]
		d := compareWith(t, man, c.text[:c.starts[at]]+c.piece(id)).Hosts[0].Difference
		gap := float64(all[0][c.out[at]]-all[0][id]) / (1 << decode.LogitBits)
		if d == nil || d.GotID == nil || d.Gap == nil || *d.Gap > gap {
			t.Fatalf("token %d: %+v, want a gap of at most %v", at, d, gap)
		}
		if d.Token == at && (*d.GotID != id || math.Abs(*d.Gap-gap) > 0 || d.Rank != got+1) {
			t.Fatalf("token %d: %+v, want id %d, gap %v, rank %d", at, d, id, gap, got+1)
		}
	}
}

// An answer that stops early, and one that holds what no token begins, have a place too.
func TestCompareEnds(t *testing.T) {
	man := compareModel(t, 1)
	text := compareWith(t, man).Text
	r := compareWith(t, man, "", text[:1]+"\u2603")
	early, strange := r.Hosts[0].Difference, r.Hosts[1].Difference
	if early == nil || early.Token != 0 || early.Got != "" || early.GotID == nil || !slices.Contains(man.Model.EndIDs, *early.GotID) {
		t.Fatalf("early end: %+v", early)
	}
	if strange == nil || strange.Byte != 1 {
		t.Fatalf("strange letter: %+v", strange)
	}
}

// Another model's answer differs.
func TestCompareOtherModel(t *testing.T) {
	other := compareWith(t, compareModel(t, 2)).Text
	r := compareWith(t, compareModel(t, 1), other)
	if r.Hosts[0].Equal || r.Hosts[0].Summary() == "" {
		t.Fatalf("%+v", r)
	}
}
