package merkle_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"testing"

	"elenchus/commitment/merkle"
)

type hash = merkle.Hash

// few leaves is every size up to this: more than two levels of odd and even ends.
const few = 40

// level0 are n leaf hashes, the definition spelled out. SPEC 01 §2.2.
func level0(leafBytes, n int) (leaves []byte, hashes []hash) {
	for i := range n {
		l := bytes.Repeat([]byte{byte(i + 1)}, leafBytes)
		leaves = append(leaves, l...)
		hashes = append(hashes, sha256.Sum256(append([]byte{0}, l...)))
	}
	return leaves, hashes
}

// zero is Z_h by its definition. SPEC 01 §2.2.
func zero(h int) (z hash) {
	for range h {
		z = node(z, z)
	}
	return z
}

func node(l, r hash) hash { return sha256.Sum256(slices.Concat([]byte{1}, l[:], r[:])) }

// levels pads with zero leaves to the full width and hashes everything: no shortcut anywhere.
func levels(hashes []hash, depth int) [][]hash {
	level := make([]hash, 1<<depth)
	copy(level, hashes)
	out := [][]hash{level}
	for len(level) > 1 {
		next := make([]hash, len(level)/2)
		for i := range next {
			next[i] = node(level[2*i], level[2*i+1])
		}
		level = next
		out = append(out, level)
	}
	return out
}

// brute lists the siblings of [a, b) in the order of SPEC 01 §2.4 from the full tree.
func brute(full [][]hash, a, b int) (out []hash) {
	for h := 0; h < len(full)-1; h++ {
		if a%2 == 1 {
			out = append(out, full[h][a-1])
		}
		if b%2 == 1 {
			out = append(out, full[h][b])
		}
		a, b = a/2, (b+1)/2
	}
	return out
}

func depthOf(n int) int {
	d := 0
	for 1<<d < n {
		d++
	}
	return d
}

// Z_h is what hashing zero leaves gives; Z_1 and Z_2 also as text, so that a change of the domain
// byte cannot pass. SPEC 01 §2.2.
func TestZeroSubtrees(t *testing.T) {
	for h := range merkle.MaxDepth + 1 {
		if h <= 12 && merkle.Zero(h) != zero(h) {
			t.Errorf("Z_%d is %x", h, merkle.Zero(h))
		}
		if h > 0 && merkle.Zero(h) != node(merkle.Zero(h-1), merkle.Zero(h-1)) {
			t.Errorf("Z_%d is not H(01 | Z | Z)", h)
		}
	}
	for h, want := range map[int]string{
		0: "0000000000000000000000000000000000000000000000000000000000000000",
		1: "ae0798d0ecaed2b778eddebf18f071a561c53658c05e76cedecc27cafbdbc577",
		2: "90534fe0aff6db9edb29eee74e78a386916a581c8e6465349493e1a6c87241e1",
	} {
		if got := fmt.Sprintf("%x", merkle.Zero(h)); got != want {
			t.Errorf("Z_%d is %s, want %s", h, got, want)
		}
	}
}

// Depth is ceil(log2 n). SPEC 01 §2.3.
func TestDepth(t *testing.T) {
	for n := range 5000 {
		if got := merkle.Depth(uint64(n)); got != depthOf(n) {
			t.Fatalf("depth of %d leaves is %d", n, got)
		}
	}
	for _, c := range []struct {
		n    uint64
		want int
	}{{1 << 62, 62}, {1<<62 + 1, 63}, {1<<63 - 1, 63}} {
		if got := merkle.Depth(c.n); got != c.want {
			t.Errorf("depth of %d leaves is %d, want %d", c.n, got, c.want)
		}
	}
}

// Every range of every small tree opens, with exactly the siblings of the definition; all ways to
// build the root agree. SPEC 01 §2.3, §2.4.
func TestEveryRangeOpens(t *testing.T) {
	for n := 1; n <= few; n++ {
		leaves, hashes := level0(64, n)
		depth := depthOf(n)
		full := levels(hashes, depth)
		root := full[depth][0]
		tree := merkle.BytesTree(64, leaves)
		if tree.Root() != root || merkle.Root(64, leaves) != root || merkle.RootOf(hashes, depth) != root || tree.Depth() != depth {
			t.Fatalf("roots of %d leaves differ", n)
		}
		for a := range n {
			for b := a + 1; b <= n; b++ {
				sib := tree.Siblings(0, uint64(a), uint64(b))
				if !slices.Equal(sib, brute(full, a, b)) {
					t.Fatalf("siblings of [%d,%d) of %d", a, b, n)
				}
				if err := merkle.Verify(root, depth, uint64(a), 64, leaves[64*a:64*b], sib); err != nil {
					t.Fatalf("[%d,%d) of %d: %v", a, b, n, err)
				}
			}
		}
	}
}

// Inner nodes open from their own level, to the root and to any subtree above. SPEC 01 §2.5.
func TestInnerNodesOpen(t *testing.T) {
	const n = 27
	_, hashes := level0(64, n)
	depth := depthOf(n)
	full := levels(hashes, depth)
	tree := merkle.NewTree(hashes, depth, 0)
	for h := range depth + 1 {
		for i := range full[h] {
			if tree.At(h, uint64(i)) != full[h][i] {
				t.Fatalf("node %d of level %d", i, h)
			}
			for top := h; top <= depth; top++ {
				sib := tree.SiblingsTo(h, uint64(i), uint64(i)+1, top)
				at := i % (1 << (top - h))
				if err := merkle.VerifyNodes(full[top][i>>(top-h)], top-h, uint64(at), []hash{full[h][i]}, sib); err != nil {
					t.Fatalf("node %d of level %d below %d: %v", i, h, top, err)
				}
			}
		}
	}
}

// A tree over nodes that stand higher pads with Z of their height. SPEC 01 §2.2, 06 §2.1.
func TestTreeOverNodes(t *testing.T) {
	_, hashes := level0(64, 16)
	full := levels(hashes, 6) // 64 leaves, of which 16 exist
	for base := range 5 {
		some := full[base][:16>>base]
		tree := merkle.NewTree(some, 6-base, base)
		if tree.Root() != full[6][0] || merkle.RootAt(some, 6-base, base) != full[6][0] {
			t.Errorf("root over %d nodes of height %d", len(some), base)
		}
	}
	if merkle.RootAt(nil, 3, 2) != merkle.Zero(5) {
		t.Error("an empty tree is no zero subtree")
	}
}

// Any change of a leaf, a sibling, the index, the depth, the root or the number of siblings fails.
func TestChangedOpeningsFail(t *testing.T) {
	for n := 1; n <= 17; n++ {
		leaves, hashes := level0(64, n)
		tree := merkle.NewTree(hashes, depthOf(n), 0)
		for a := range n {
			for b := a + 1; b <= n; b++ {
				changed(t, tree, uint64(a), bytes.Clone(leaves[64*a:64*b]), tree.Siblings(0, uint64(a), uint64(b)))
			}
		}
	}
}

func changed(t *testing.T, tree *merkle.Tree, a uint64, leaves []byte, sib []hash) {
	t.Helper()
	refuse := func(what string, root hash, depth int, a uint64, leaves []byte, sib []hash) {
		t.Helper()
		if err := merkle.Verify(root, depth, a, 64, leaves, sib); !errors.Is(err, merkle.ErrOpening) {
			t.Fatalf("%s is accepted: %d leaves at %d of depth %d: %v", what, len(leaves)/64, a, depth, err)
		}
	}
	root, d := tree.Root(), tree.Depth()
	for i := 0; i < len(leaves); i += 64 {
		leaves[i+i/64%64] ^= 1
		refuse("another leaf", root, d, a, leaves, sib)
		leaves[i+i/64%64] ^= 1
	}
	for i := range sib {
		bad := slices.Clone(sib)
		bad[i][31] ^= 1
		refuse("another sibling", root, d, a, leaves, bad)
		refuse("a missing sibling", root, d, a, leaves, slices.Delete(slices.Clone(sib), i, i+1))
	}
	refuse("one sibling more", root, d, a, leaves, append(slices.Clone(sib), hash{}))
	refuse("the next place", root, d, a+1, leaves, sib)
	if a > 0 {
		refuse("the place before", root, d, a-1, leaves, sib)
	}
	refuse("a deeper tree", root, d+1, a, leaves, sib)
	refuse("a shallower tree", root, d-1, a, leaves, sib)
	refuse("a leaf less", root, d, a, leaves[64:], sib)
	refuse("a leaf more", root, d, a, append(bytes.Clone(leaves), make([]byte, 64)...), sib)
	refuse("a partial leaf", root, d, a, leaves[:len(leaves)-1], sib)
	root[0] ^= 1
	refuse("another root", root, d, a, leaves, sib)
}

// A leaf is no node and a node no leaf: the 64 bytes below a node, opened as one leaf, fail.
func TestLeafAndNodeNeverHashAlike(t *testing.T) {
	_, h := level0(64, 2)
	if merkle.Leaf(slices.Concat(h[0][:], h[1][:])) == merkle.Node(h[0], h[1]) {
		t.Error("a leaf of two hashes is their parent")
	}
}

// The last leaf is padded with zero bytes, absent data is one zero leaf; leaves longer than the
// fixed buffer hash alike. SPEC 01 §2.1.
func TestPadding(t *testing.T) {
	for _, leafBytes := range []int{1, 64, 192, 512, 513, 2000} {
		data := bytes.Repeat([]byte{7}, 2*leafBytes+1)
		padded := append(bytes.Clone(data), make([]byte, leafBytes-1)...)
		if merkle.Root(leafBytes, data) != merkle.Root(leafBytes, padded) {
			t.Errorf("leaves of %d: padding changes the root", leafBytes)
		}
		want := sha256.Sum256(append([]byte{0}, data[:leafBytes]...))
		if merkle.Leaf(data[:leafBytes]) != hash(want) {
			t.Errorf("leaf of %d bytes", leafBytes)
		}
	}
	if merkle.Root(64, nil) != merkle.Leaf(make([]byte, 64)) {
		t.Error("no data is not one zero leaf")
	}
}

// FuzzVerify wants no panic and no allocation beyond the input, and whatever opens to be a range of
// the real tree.
func FuzzVerify(f *testing.F) {
	leaves, hashes := level0(64, 11)
	tree := merkle.NewTree(hashes, 4, 0)
	for _, r := range [][2]uint64{{0, 1}, {3, 8}, {10, 11}, {0, 11}} {
		var sib []byte
		for _, s := range tree.Siblings(0, r[0], r[1]) {
			sib = append(sib, s[:]...)
		}
		f.Add(4, r[0], 64, leaves[64*r[0]:64*r[1]], sib)
	}
	f.Add(63, uint64(1<<63-1), 1, []byte{1}, []byte{})
	f.Add(63, ^uint64(0), 1, []byte{1, 2}, []byte{})
	f.Add(-1, uint64(0), 0, []byte{}, []byte{})
	root := tree.Root()
	f.Fuzz(func(t *testing.T, depth int, a uint64, leafBytes int, data, raw []byte) {
		var sib []hash
		for ; len(raw) >= 32; raw = raw[32:] {
			sib = append(sib, hash(raw[:32]))
		}
		if leafBytes > 0 && len(data)/leafBytes > 1<<12 {
			return
		}
		if merkle.Verify(root, depth, a, leafBytes, data, sib) != nil {
			return
		}
		if depth != 4 || leafBytes != 64 || a > 11 || 64*a+uint64(len(data)) > uint64(len(leaves)) || !bytes.Equal(data, leaves[64*a:64*a+uint64(len(data))]) {
			t.Fatalf("opens: depth %d, [%d, +%d), leaves of %d", depth, a, len(data), leafBytes)
		}
	})
}
