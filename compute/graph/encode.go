package graph

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

const (
	tag      = "elenchus/graph/1"
	nodeSize = 31
	edgeSize = 1 + 4*3 + 2 + 11*8 + 64
)

// ID is the content id of a graph: SHA-256 of its canonical bytes. Two graphs that differ only in
// the numbers of their nodes have the same id after Normal.
type ID [32]byte

// Hash is the content id.
func (g *Graph) Hash() ID { return sha256.Sum256(g.Encode()) }

// Encode is the canonical form of a well-formed graph: the tag, the numbers of nodes, edges,
// inputs and outputs (u16 each, big-endian), then these in order.
func (g *Graph) Encode() []byte {
	b := make([]byte, 0, len(tag)+8+nodeSize*len(g.Nodes)+edgeSize*len(g.Edges)+2*len(g.In)+2*len(g.Out))
	b = append(b, tag...)
	for _, n := range []int{len(g.Nodes), len(g.Edges), len(g.In), len(g.Out)} {
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	}
	for i := range g.Nodes {
		b = g.Nodes[i].append(b)
	}
	for i := range g.Edges {
		b = g.Edges[i].append(b)
	}
	for _, list := range [][]int{g.In, g.Out} {
		for _, n := range list {
			b = binary.BigEndian.AppendUint16(b, uint16(n))
		}
	}
	return b
}

func (v *Value) append(b []byte) []byte {
	b = append(b, byte(v.Type))
	b = binary.BigEndian.AppendUint16(b, v.Leaf)
	b = binary.BigEndian.AppendUint32(b, v.Window)
	for _, m := range v.Dims {
		b = binary.BigEndian.AppendUint32(b, m.C)
		b = binary.BigEndian.AppendUint32(b, m.K)
	}
	return b
}

func (e *Edge) append(b []byte) []byte {
	b = append(b, byte(e.Op))
	for _, s := range e.Sources {
		b = append(b, s.Kind)
		b = binary.BigEndian.AppendUint16(b, uint16(s.Node))
	}
	b = binary.BigEndian.AppendUint16(b, uint16(e.Target))
	for _, p := range e.P {
		b = binary.BigEndian.AppendUint64(b, uint64(p))
	}
	b = append(b, e.RootA[:]...)
	return append(b, e.RootB[:]...)
}

// Decode reads a graph; bytes that are not exactly what Encode writes of a well-formed graph are
// refused with ErrGraph.
func Decode(b []byte) (*Graph, error) {
	if len(b) < len(tag)+8 || !bytes.HasPrefix(b, []byte(tag)) {
		return nil, fmt.Errorf("%w: %d bytes do not begin with %q", ErrGraph, len(b), tag)
	}
	rest := b[len(tag):]
	var n [4]int
	for i := range n {
		n[i] = int(binary.BigEndian.Uint16(rest[2*i:]))
	}
	rest = rest[8:]
	if want := nodeSize*n[0] + edgeSize*n[1] + 2*n[2] + 2*n[3]; want != len(rest) {
		return nil, fmt.Errorf("%w: %d bytes after the counts, want %d", ErrGraph, len(rest), want)
	}
	g := &Graph{}
	for range n[0] {
		v, err := decodeValue(rest[:nodeSize])
		if err != nil {
			return nil, err
		}
		g.Nodes, rest = append(g.Nodes, v), rest[nodeSize:]
	}
	for range n[1] {
		g.Edges, rest = append(g.Edges, decodeEdge(rest[:edgeSize])), rest[edgeSize:]
	}
	g.In, rest = ports(rest, n[2])
	g.Out, _ = ports(rest, n[3])
	return g, g.Check()
}

func ports(b []byte, n int) (list []int, rest []byte) {
	for i := range n {
		list = append(list, int(binary.BigEndian.Uint16(b[2*i:])))
	}
	return list, b[2*n:]
}

func decodeValue(b []byte) (Value, error) {
	v := Value{Type: tensor.DType(b[0]), Leaf: binary.BigEndian.Uint16(b[1:]), Window: binary.BigEndian.Uint32(b[3:])}
	for i := range v.Dims {
		v.Dims[i] = opset.Dim{C: binary.BigEndian.Uint32(b[7+8*i:]), K: binary.BigEndian.Uint32(b[11+8*i:])}
	}
	if !v.Type.Valid() {
		return v, fmt.Errorf("%w: element type %d", ErrGraph, b[0])
	}
	return v, nil
}

func decodeEdge(b []byte) Edge {
	e := Edge{Op: opset.Code(b[0])}
	for k := range e.Sources {
		e.Sources[k] = Source{b[1+3*k], int(binary.BigEndian.Uint16(b[2+3*k:]))}
	}
	e.Target = int(binary.BigEndian.Uint16(b[13:]))
	for i := range e.P {
		e.P[i] = int64(binary.BigEndian.Uint64(b[15+8*i:]))
	}
	copy(e.RootA[:], b[103:])
	copy(e.RootB[:], b[135:])
	return e
}
