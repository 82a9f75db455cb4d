package merkle

import "encoding/binary"

// Geometry of a table: 2^20 elements i32 in leaves of 64 bytes, whatever the vocabulary is. All
// leaves are there; most of them are zero bytes. SPEC 06 §3.6.
const (
	TableDepth    = 16
	TableLeaf     = 64
	TableElements = TableLeaf / 4 << TableDepth
	tablePerLeaf  = TableLeaf / 4
)

// Table is the tree over 2^20 i32 of which few are not 0; it takes memory for those alone. It is
// made by NewTable and is not safe for concurrent use.
type Table struct {
	leaves map[uint32]*[TableLeaf]byte
	nodes  map[uint32]Hash // by 2^(depth-level) + index: those that are not of zero bytes alone
	empty  [TableDepth + 1]Hash
}

// NewTable is the tree over zeros.
func NewTable() *Table {
	return &Table{leaves: map[uint32]*[TableLeaf]byte{}, nodes: map[uint32]Hash{}, empty: EmptyTable()}
}

// EmptyTable are the nodes of each level over zero bytes, the last the root of an empty table.
func EmptyTable() (e [TableDepth + 1]Hash) {
	e[0] = Leaf(make([]byte, TableLeaf))
	for h := range TableDepth {
		e[h+1] = Node(e[h], e[h])
	}
	return e
}

// At is element i.
func (t *Table) At(i uint32) uint32 {
	if l := t.leaves[i/tablePerLeaf]; l != nil {
		return binary.LittleEndian.Uint32(l[4*(i%tablePerLeaf):])
	}
	return 0
}

// Set changes element i, below TableElements, and the nodes above it.
func (t *Table) Set(i, v uint32) {
	at := i / tablePerLeaf
	l := t.leaves[at]
	if l == nil {
		l = new([TableLeaf]byte)
		t.leaves[at] = l
	}
	binary.LittleEndian.PutUint32(l[4*(i%tablePerLeaf):], v)
	n := Leaf(l[:])
	for h := range TableDepth {
		t.nodes[1<<(TableDepth-h)+at] = n
		if at&1 == 0 {
			n = Node(n, t.node(h, at+1))
		} else {
			n = Node(t.node(h, at-1), n)
		}
		at /= 2
	}
	t.nodes[1] = n
}

func (t *Table) node(level int, index uint32) Hash {
	if n, ok := t.nodes[1<<(TableDepth-level)+index]; ok {
		return n
	}
	return t.empty[level]
}

// Root is the root.
func (t *Table) Root() Hash { return t.node(TableDepth, 0) }

// Leaves are the bytes of leaves [a, b).
func (t *Table) Leaves(a, b uint64) []byte {
	out := make([]byte, 0, (b-a)*TableLeaf)
	for ; a < b; a++ {
		l := t.leaves[uint32(a)]
		if l == nil {
			l = new([TableLeaf]byte)
		}
		out = append(out, l[:]...)
	}
	return out
}

// Siblings lead leaves [a, b) to the root. SPEC 01 §2.4.
func (t *Table) Siblings(a, b uint64) []Hash {
	var out []Hash
	for h := range TableDepth {
		if a&1 == 1 {
			out = append(out, t.node(h, uint32(a)-1))
		}
		if b&1 == 1 {
			out = append(out, t.node(h, uint32(b)))
		}
		a, b = a/2, (b+1)/2
	}
	return out
}
