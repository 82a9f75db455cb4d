// Package merkle builds and opens the SHA-256 trees of tensors, states and KV rows.
//
// It stands at the bottom of the commitment floor: trace and claim build on it, the contract
// library Trees is its twin. Invariants: a leaf and a node never hash alike (domain bytes 00 and
// 01), depth follows from the number of leaves and never from a path, absent leaves are zero
// subtrees. SPEC 01 §2.
//
//	root := merkle.Root(64, tensorBytes)
//	o := merkle.Open(64, tensorBytes, depth, a, b)
//	err := merkle.Verify(root, depth, a, o.Leaves, o.Siblings)
package merkle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
)

// HashSize is the length of a Hash in bytes.
const HashSize = 32

// MaxDepth bounds every tree of the protocol.
const MaxDepth = 63

// Hash is a SHA-256 digest: a leaf, a node or a root.
type Hash [HashSize]byte

// ErrOpening says that leaves and siblings do not lead to the root.
var ErrOpening = errors.New("opening does not lead to the root")

// Depth is the depth of a tree over n leaves: ceil(log2 n), 0 for n <= 1. SPEC 01 §2.3.
func Depth(n uint64) int {
	if n <= 1 {
		return 0
	}
	return bits.Len64(n - 1)
}

// Leaves is the number of leaves of total bytes in pieces of leafBytes, at least 1.
func Leaves(total uint64, leafBytes int) uint64 {
	n := (total + uint64(leafBytes) - 1) / uint64(leafBytes)
	if n == 0 {
		return 1
	}
	return n
}

// Leaf hashes one whole leaf, H(00 | b). Short leaves must have been padded by the caller.
func Leaf(b []byte) Hash {
	var buf [1 + 512]byte
	if len(b) > 512 {
		h := sha256.New()
		h.Write(buf[:1])
		h.Write(b)
		var out Hash
		h.Sum(out[:0])
		return out
	}
	n := copy(buf[1:], b)
	return sha256.Sum256(buf[:1+n])
}

// Node hashes two children, H(01 | l | r).
func Node(l, r Hash) Hash {
	var buf [65]byte
	buf[0] = 1
	copy(buf[1:], l[:])
	copy(buf[33:], r[:])
	return sha256.Sum256(buf[:])
}

// Zero is Z_h, the hash of an absent subtree of height h, 0 <= h <= MaxDepth. SPEC 01 §2.2.
func Zero(h int) Hash { return zeros[h] }

var zeros = func() (z [MaxDepth + 1]Hash) {
	for h := 1; h <= MaxDepth; h++ {
		z[h] = Node(z[h-1], z[h-1])
	}
	return z
}()

// LeafHashes hashes the leaves of data, the last one padded with zero bytes.
func LeafHashes(leafBytes int, data []byte) []Hash { return Hasher(Leaf).Leaves(leafBytes, data) }

// Hasher hashes one whole leaf: Leaf, or that of another class of models. SPEC 10 §4.1.
type Hasher func(leaf []byte) Hash

// Leaves is LeafHashes by h.
func (h Hasher) Leaves(leafBytes int, data []byte) []Hash {
	out := make([]Hash, Leaves(uint64(len(data)), leafBytes))
	for i := range out {
		out[i] = h(padded(leafBytes, data, uint64(i)))
	}
	return out
}

// Tree is BytesTree by h.
func (h Hasher) Tree(leafBytes int, data []byte) *Tree {
	l := h.Leaves(leafBytes, data)
	return NewTree(l, Depth(uint64(len(l))), 0)
}

func padded(leafBytes int, data []byte, i uint64) []byte {
	lo := i * uint64(leafBytes)
	hi := lo + uint64(leafBytes)
	if hi <= uint64(len(data)) {
		return data[lo:hi]
	}
	p := make([]byte, leafBytes)
	if lo < uint64(len(data)) {
		copy(p, data[lo:])
	}
	return p
}

// Root is the root of the tree over data in leaves of leafBytes, of the depth its length gives.
func Root(leafBytes int, data []byte) Hash {
	l := LeafHashes(leafBytes, data)
	return RootOf(l, Depth(uint64(len(l))))
}

// RootOf is the root of the tree of the given depth whose level-0 nodes are hashes; it overwrites
// nothing. Absent nodes are zero subtrees. It panics if hashes do not fit into depth.
func RootOf(hashes []Hash, depth int) Hash { return RootAt(hashes, depth, 0) }

// RootAt is RootOf with nodes that stand at height base of a larger tree: absent ones are Z_base.
func RootAt(hashes []Hash, depth, base int) Hash {
	if depth < 63 && uint64(len(hashes)) > 1<<uint(depth) {
		panic(fmt.Sprintf("merkle: %d hashes in a tree of depth %d", len(hashes), depth))
	}
	level := append([]Hash(nil), hashes...)
	if len(level) == 0 {
		return Zero(base + depth)
	}
	for h := range depth {
		level = Parents(level, base+h)
	}
	return level[0]
}

// Parents is the next level above nodes of height h; an odd last node is joined with Z_h.
func Parents(nodes []Hash, h int) []Hash {
	out := make([]Hash, (len(nodes)+1)/2)
	for i := range out {
		r := Zero(h)
		if 2*i+1 < len(nodes) {
			r = nodes[2*i+1]
		}
		out[i] = Node(nodes[2*i], r)
	}
	return out
}

// Tree keeps every level of a tree over hashes, so that many openings cost one build.
// Level 0 are the given nodes, which stand at height Base (0 for leaves).
type Tree struct {
	Levels [][]Hash
	Base   int
}

// NewTree builds a tree of the given depth over hashes that stand at height base.
func NewTree(hashes []Hash, depth, base int) *Tree {
	t := &Tree{Levels: make([][]Hash, depth+1), Base: base}
	t.Levels[0] = hashes
	for h := range depth {
		t.Levels[h+1] = Parents(t.Levels[h], base+h)
	}
	return t
}

// BytesTree builds the tree over data in leaves of leafBytes.
func BytesTree(leafBytes int, data []byte) *Tree { return Hasher(Leaf).Tree(leafBytes, data) }

// Depth is the number of levels above level 0.
func (t *Tree) Depth() int { return len(t.Levels) - 1 }

// Root is the root hash.
func (t *Tree) Root() Hash { return t.At(t.Depth(), 0) }

// At is the node at a level and index; beyond what exists it is the zero subtree of that height.
func (t *Tree) At(level int, index uint64) Hash {
	if index < uint64(len(t.Levels[level])) {
		return t.Levels[level][index]
	}
	return Zero(t.Base + level)
}

// Siblings are the hashes that lead nodes [a, b) of the given level to the root, in the order of
// SPEC 01 §2.4. It panics on an empty or outside range.
func (t *Tree) Siblings(level int, a, b uint64) []Hash { return t.SiblingsTo(level, a, b, t.Depth()) }

// SiblingsTo is Siblings up to the subtree at level top that holds [a, b).
func (t *Tree) SiblingsTo(level int, a, b uint64, top int) []Hash {
	if a >= b || top > t.Depth() || level > top || (b-1)>>uint(top-level) != a>>uint(top-level) {
		panic(fmt.Sprintf("merkle: range [%d,%d) at level %d below level %d of depth %d", a, b, level, top, t.Depth()))
	}
	var out []Hash
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

// Verify checks that the leaf bytes (whole leaves, leafBytes each) starting at leaf index a open
// in the tree of the given depth under root. SPEC 01 §2.4. It returns ErrOpening if they do not.
func Verify(root Hash, depth int, a uint64, leafBytes int, leaves []byte, siblings []Hash) error {
	if leafBytes <= 0 || len(leaves) == 0 || len(leaves)%leafBytes != 0 {
		return fmt.Errorf("%w: %d bytes are not whole leaves of %d", ErrOpening, len(leaves), leafBytes)
	}
	nodes := make([]Hash, len(leaves)/leafBytes)
	for i := range nodes {
		nodes[i] = Leaf(leaves[i*leafBytes : (i+1)*leafBytes])
	}
	return VerifyNodes(root, depth, a, nodes, siblings)
}

// VerifyNodes checks that consecutive nodes starting at index a, depth levels below root, lead to
// root with exactly these siblings. SPEC 01 §2.5. nodes is overwritten.
func VerifyNodes(root Hash, depth int, a uint64, nodes, siblings []Hash) error {
	got, err := RootFrom(depth, a, nodes, siblings)
	if err != nil {
		return err
	}
	if got != root {
		return fmt.Errorf("%w: got %x, want %x", ErrOpening, got[:8], root[:8])
	}
	return nil
}

// RootFrom is the root to which consecutive nodes starting at index a, depth levels below it, lead with
// exactly these siblings. SPEC 01 §2.5. nodes is overwritten. It returns ErrOpening if there is none.
func RootFrom(depth int, a uint64, nodes, siblings []Hash) (Hash, error) {
	if depth < 0 || depth > MaxDepth || len(nodes) == 0 {
		return Hash{}, fmt.Errorf("%w: depth %d with %d nodes", ErrOpening, depth, len(nodes))
	}
	b := a + uint64(len(nodes))
	if b > 1<<uint(depth) || b < a {
		return Hash{}, fmt.Errorf("%w: range [%d,%d) outside depth %d", ErrOpening, a, b, depth)
	}
	s := 0
	for range depth {
		level := nodes[:0:0]
		if a&1 == 1 {
			if s >= len(siblings) {
				return Hash{}, fmt.Errorf("%w: %d siblings are too few", ErrOpening, len(siblings))
			}
			level = append(level, siblings[s])
			s++
		}
		level = append(level, nodes...)
		if b&1 == 1 {
			if s >= len(siblings) {
				return Hash{}, fmt.Errorf("%w: %d siblings are too few", ErrOpening, len(siblings))
			}
			level = append(level, siblings[s])
			s++
		}
		nodes = pairs(level)
		a, b = a/2, (b+1)/2
	}
	if s != len(siblings) {
		return Hash{}, fmt.Errorf("%w: %d siblings, %d used", ErrOpening, len(siblings), s)
	}
	return nodes[0], nil
}

func pairs(level []Hash) []Hash {
	out := make([]Hash, len(level)/2)
	for i := range out {
		out[i] = Node(level[2*i], level[2*i+1])
	}
	return out
}
