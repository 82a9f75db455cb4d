package app

import (
	"crypto/sha256"
	"encoding/binary"

	"elenchus/commitment/merkle"
)

// sparse is a tree of which a few paths are true and every other present node is an arbitrary hash
// that is not zero. It is a dispute.Tree. Set before the root is used.
type sparse struct {
	name   string
	depth  int
	leaves uint64 // present ones; the others are zero subtrees
	nodes  map[spot]merkle.Hash
}

type spot struct {
	level int
	index uint64
}

func newSparse(name string, depth int, leaves uint64) *sparse {
	return &sparse{name: name, depth: depth, leaves: leaves, nodes: map[spot]merkle.Hash{}}
}

// arbitrary are n bytes that follow from name and number, none of them zero.
func arbitrary(name string, number uint64, n int) []byte {
	out := make([]byte, 0, n+sha256.Size)
	for k := uint64(0); len(out) < n; k++ {
		seed := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte(name), number), k)
		sum := sha256.Sum256(seed)
		out = append(out, sum[:]...)
	}
	for i := range out {
		if out[i] == 0 {
			out[i] = 0x5a
		}
	}
	return out[:n]
}

func arbitraryHash(name string, number uint64) merkle.Hash {
	return merkle.Hash(arbitrary(name, number, merkle.HashSize))
}

// Depth is the number of levels above level 0.
func (t *sparse) Depth() int { return t.depth }

// At is the node at a level and index.
func (t *sparse) At(level int, index uint64) merkle.Hash {
	if h, ok := t.nodes[spot{level, index}]; ok {
		return h
	}
	if index<<uint(level) >= t.leaves {
		return merkle.Zero(level)
	}
	return arbitraryHash(t.name, uint64(level)<<56|index)
}

func (t *sparse) root() merkle.Hash { return t.At(t.depth, 0) }

// SiblingsTo leads nodes [a, b) of a level to the node at level top above them.
func (t *sparse) SiblingsTo(level int, a, b uint64, top int) []merkle.Hash {
	var out []merkle.Hash
	for h := level; h < top; h++ {
		if a&1 == 1 {
			out = append(out, t.At(h, a-1))
		}
		if b&1 == 1 {
			out = append(out, t.At(h, b))
		}
		a, b = a/2, (b+1)/2
	}
	return out
}

// put sets nodes from index a of a level and makes all above them true.
func (t *sparse) put(level int, a uint64, hashes ...merkle.Hash) {
	b := a + uint64(len(hashes))
	for i, h := range hashes {
		t.nodes[spot{level, a + uint64(i)}] = h
	}
	t.climb(level, a, b, t.depth)
}

// climb computes the parents of nodes [a, b) of a level up to level top.
func (t *sparse) climb(level int, a, b uint64, top int) {
	for h := level; h < top; h++ {
		a, b = a/2, (b+1)/2
		for i := a; i < b; i++ {
			t.nodes[spot{h + 1, i}] = merkle.Node(t.At(h, 2*i), t.At(h, 2*i+1))
		}
	}
}

// putBytes sets the leaves that data covers from leaf a on.
func (t *sparse) putBytes(leaf int, a uint64, data []byte) {
	t.put(0, a, merkle.LeafHashes(leaf, data)...)
}

// shown makes true what a descent to leaf index shows: at every sixth level from the root, all 64
// nodes below the one in hand.
func (t *sparse) shown(index uint64) {
	const levels = 6
	cuts := []int{t.depth}
	for cuts[len(cuts)-1] > 0 {
		cuts = append(cuts, max(cuts[len(cuts)-1]-levels, 0))
	}
	for i := len(cuts) - 1; i > 0; i-- {
		low, k := cuts[i], cuts[i-1]-cuts[i]
		first := index >> uint(low+k) << uint(k)
		t.climb(low, first, first+1<<uint(k), low+k)
	}
}
