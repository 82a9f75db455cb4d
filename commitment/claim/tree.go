package claim

import (
	"fmt"

	"elenchus/commitment/merkle"
)

// MaxBatch is the most claims of one batch. SPEC 07 §5.
const MaxBatch = 8192

// Tree is a keccak tree: leaf keccak(00 | h), node keccak(01 | l | r), absent leaves 0^32. Batches
// of claims and the lists that moves post are such trees. SPEC 07 §5, 08 §2.
type Tree struct{ levels [][]Hash }

// NewTree builds the tree over hashes, of depth ceil(log2 len); no hashes are one absent leaf.
func NewTree(hashes []Hash) *Tree {
	depth := merkle.Depth(uint64(len(hashes)))
	t := &Tree{levels: make([][]Hash, depth+1)}
	t.levels[0] = make([]Hash, len(hashes), len(hashes)+1)
	for i, h := range hashes {
		t.levels[0][i] = treeLeaf(h)
	}
	if len(hashes) == 0 {
		t.levels[0] = []Hash{{}}
	}
	var zero Hash
	for d := range depth {
		t.levels[d+1] = parents(t.levels[d], zero)
		zero = treeNode(zero, zero)
	}
	return t
}

func treeLeaf(h Hash) Hash    { return Keccak([]byte{0}, h[:]) }
func treeNode(l, r Hash) Hash { return Keccak([]byte{1}, l[:], r[:]) }

func parents(level []Hash, zero Hash) []Hash {
	out := make([]Hash, (len(level)+1)/2)
	for i := range out {
		r := zero
		if 2*i+1 < len(level) {
			r = level[2*i+1]
		}
		out[i] = treeNode(level[2*i], r)
	}
	return out
}

// Root is the root hash.
func (t *Tree) Root() Hash { return t.levels[len(t.levels)-1][0] }

// Path are the siblings of leaf i from level 0 upward; it panics if there is no such leaf.
func (t *Tree) Path(i int) []Hash {
	if i < 0 || i >= len(t.levels[0]) {
		panic(fmt.Sprintf("claim: no leaf %d in a tree of %d", i, len(t.levels[0])))
	}
	var path []Hash
	var zero Hash
	for _, level := range t.levels[:len(t.levels)-1] {
		s := zero
		if i^1 < len(level) {
			s = level[i^1]
		}
		path = append(path, s)
		zero = treeNode(zero, zero)
		i /= 2
	}
	return path
}

// TreeRoot is the root of the tree over hashes.
func TreeRoot(hashes []Hash) Hash { return NewTree(hashes).Root() }

// VerifyLeaf checks that hash h is leaf index of the tree over count hashes under root, or says
// ErrInclusion.
func VerifyLeaf(root Hash, count, index uint32, h Hash, path []Hash) error {
	if index >= count {
		return fmt.Errorf("%w: index %d of %d", ErrInclusion, index, count)
	}
	if d := merkle.Depth(uint64(count)); len(path) != d {
		return fmt.Errorf("%w: %d siblings, want %d", ErrInclusion, len(path), d)
	}
	n := treeLeaf(h)
	for _, s := range path {
		if index&1 == 1 {
			n = treeNode(s, n)
		} else {
			n = treeNode(n, s)
		}
		index /= 2
	}
	if n != root {
		return fmt.Errorf("%w: path leads to %x, want %x", ErrInclusion, n[:8], root[:8])
	}
	return nil
}

// NewBatch builds the batch over claim digests, 1 to MaxBatch of them, or says ErrClaim.
func NewBatch(digests []Hash) (*Tree, error) {
	if len(digests) == 0 || len(digests) > MaxBatch {
		return nil, fmt.Errorf("%w: a batch of %d claims, want 1..%d", ErrClaim, len(digests), MaxBatch)
	}
	return NewTree(digests), nil
}
