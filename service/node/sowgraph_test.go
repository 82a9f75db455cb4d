package node

import (
	"slices"
	"testing"
)

// An input between those of two texts is one of a text again: pieces, then types 0, -1 behind both. Other inputs
// have two neighbours exchanged, and one that cannot be changed gives none.
func TestInputsArePlantedAsTexts(t *testing.T) {
	draw := func(n uint64) uint64 { return n / 2 }
	text := func(ids ...int32) []int32 {
		out := slices.Repeat([]int32{-1}, 16)
		copy(out, ids)
		copy(out[8:], make([]int32, len(ids)))
		return out
	}
	a, b := text(2, 9, 8, 7, 3), text(2, 5, 6, 3)
	for name, got := range map[string][]int32{"two": first(spliceInputs(a, b, draw)), "one": first(spliceInputs(a, a, draw)), "full": first(spliceInputs(text(1, 2, 3, 4, 5, 6, 7, 8), a, draw))} {
		ids, ok := pieces(got)
		if !ok || len(ids) < 2 || slices.Equal(got, a) || slices.Equal(got, b) {
			t.Errorf("%s: %v", name, got)
		}
	}
	odd := []int32{4, -9, 4}
	if got, _ := spliceInputs(odd, odd, draw); len(got) != 3 || slices.Equal(got, odd) {
		t.Errorf("no text: %v", got)
	}
	if got, _ := spliceInputs(text(4, 4), text(4, 4), draw); got != nil {
		t.Errorf("nothing to change: %v", got)
	}
	for _, in := range [][]int32{nil, {1}, {-1, -1}, {1, 2, 0, 1}, {1, -1, 2, -1, 0, -1}, {1, 2, 0, -1}, {5, 0, 0}} {
		if ids, ok := pieces(in); ok {
			t.Errorf("%v is no input of a text: %v", in, ids)
		}
	}
}

func first(x []int32, _ int) []int32 { return x }
