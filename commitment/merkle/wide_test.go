package merkle

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A wide tree is the tree over all its leaves, those of zeros too, and what it opens verifies.
func TestWideTreeIsThatOfAllLeaves(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 1))
	x := make([]int32, 1000+r.IntN(500))
	for i := range x {
		x[i] = int32(r.Uint32())
	}
	w := NewWide(x)
	all := make([]byte, 4*WideElements)
	copy(all, w.Leaves(0, uint64(len(x)+15)/16))
	if want := BytesTree(TableLeaf, all).Root(); w.Root() != want {
		t.Fatalf("root %x, want %x", w.Root(), want)
	}
	for _, a := range []uint64{0, 1, 5, uint64(len(x)) / 16, 1 << 17, 1<<WideDepth - 1} {
		leaf := w.Leaves(a, a+1)
		if err := Verify(w.Root(), WideDepth, a, TableLeaf, leaf, w.Siblings(a, a+1)); err != nil {
			t.Errorf("leaf %d: %v", a, err)
		}
		if !slices.Equal(leaf, all[a*TableLeaf:(a+1)*TableLeaf]) {
			t.Errorf("leaf %d has other bytes", a)
		}
	}
	if NewWide(nil).Root() != BytesTree(TableLeaf, make([]byte, 4*WideElements)).Root() {
		t.Error("the tree of nothing is not that of zeros")
	}
}
