package merkle

import "encoding/binary"

// Geometry of a wide table: 2^22 elements i32 in leaves of 64 bytes. All leaves are there; those behind
// the elements that a table has are zero bytes. SPEC 06 §3.7.
const (
	WideDepth    = 18
	WideElements = TableLeaf / 4 << WideDepth
)

// Wide is the tree over a wide table.
type Wide struct {
	elements []int32
	levels   [][]Hash // of those leaves that are not of zeros behind the elements
	empty    [WideDepth + 1]Hash
}

// NewWide hashes elements, at most WideElements, which the tree keeps and nobody may change.
func NewWide(elements []int32) *Wide {
	w := &Wide{elements: elements, levels: make([][]Hash, WideDepth+1)}
	w.empty[0] = Leaf(make([]byte, TableLeaf))
	for i := range (len(elements) + tablePerLeaf - 1) / tablePerLeaf {
		w.levels[0] = append(w.levels[0], Leaf(w.Leaves(uint64(i), uint64(i)+1)))
	}
	for h := range WideDepth {
		w.empty[h+1] = Node(w.empty[h], w.empty[h])
		for i := 0; i < len(w.levels[h]); i += 2 {
			w.levels[h+1] = append(w.levels[h+1], Node(w.levels[h][i], w.node(h, uint64(i)+1)))
		}
	}
	return w
}

func (w *Wide) node(level int, index uint64) Hash {
	if index < uint64(len(w.levels[level])) {
		return w.levels[level][index]
	}
	return w.empty[level]
}

// Root is the root.
func (w *Wide) Root() Hash { return w.node(WideDepth, 0) }

// Leaves are the bytes of leaves [a, b).
func (w *Wide) Leaves(a, b uint64) []byte {
	out := make([]byte, (b-a)*TableLeaf)
	for i := a * tablePerLeaf; i < min(b*tablePerLeaf, uint64(len(w.elements))); i++ {
		binary.LittleEndian.PutUint32(out[4*(i-a*tablePerLeaf):], uint32(w.elements[i]))
	}
	return out
}

// Siblings lead leaves [a, b) to the root. SPEC 01 §2.4.
func (w *Wide) Siblings(a, b uint64) []Hash {
	var out []Hash
	for h := range WideDepth {
		if a&1 == 1 {
			out = append(out, w.node(h, a-1))
		}
		if b&1 == 1 {
			out = append(out, w.node(h, b))
		}
		a, b = a/2, (b+1)/2
	}
	return out
}
