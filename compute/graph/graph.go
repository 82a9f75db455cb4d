// Package graph describes a model's stages as open hypergraphs and says which of them are valid.
//
// It stands above opset and below machine: opset says what one operation means, a Graph says how
// operations feed each other, and Validate admits exactly the programs that the kernels compute as
// defined and that an honest node can defend. Nodes are typed values, hyperedges are operations
// with ordered sources and a target; ordered input and output interfaces let graphs compose.
// Invariants: every node is an input or the target of exactly one edge; edges are in topological
// order; one encoding for each graph. SPEC 02, 04 §3.
//
//	g, err := graph.FromStage(descriptors, 1)
//	h, err := graph.Compose(g, next)
//	err = graph.Validate(&graph.Program{Token: true, TMax: 2048, Layers: 16, ...})
package graph

import (
	"errors"
	"fmt"
	"slices"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// MaxTensors is the largest number of tensors of a stage, its input included.
const MaxTensors = 128

// MaxNodes is the largest number of nodes, edges or ports of a Graph.
const MaxNodes = 1<<16 - 1

// ErrGraph marks a graph that is not well-formed or whose interfaces do not fit.
var ErrGraph = errors.New("invalid graph")

// Value is the type of a node: what one tensor looks like at every t. The zero value is illegal.
type Value struct {
	Type   tensor.DType
	Leaf   uint16 // bytes of a leaf of its tree
	Window uint32 // of the operation that makes it, 0 for an input
	Dims   [3]opset.Dim
}

// Source is an operand of an edge: a node if Kind is opset.Tensor, else what the kind says.
type Source struct {
	Kind uint8
	Node int // of kind opset.Tensor, else 0
}

// Edge is one operation.
type Edge struct {
	Op      opset.Code
	Sources [4]Source
	Target  int
	P       [11]int64
	RootA   [32]byte
	RootB   [32]byte
}

// Graph is an open hypergraph. In are distinct nodes without an edge that makes them; Out may name
// any nodes, also several times or not at all. The zero value is the empty graph.
type Graph struct {
	Nodes []Value
	Edges []Edge
	In    []int
	Out   []int
}

// FromStage turns the descriptors of a stage into a graph: one input, and as outputs the last
// heads tensors (1, or 2 for a stage that ends in token and finish code), then the K and the V row
// if the stage declares them. It checks what it needs; Validate checks meaning.
func FromStage(ds []opset.Descriptor, heads int) (*Graph, error) {
	if len(ds) < 2 || len(ds) > MaxTensors || heads < 1 || heads >= len(ds) {
		return nil, fmt.Errorf("%w: stage of %d tensors with %d outputs", ErrGraph, len(ds), heads)
	}
	g := &Graph{In: []int{0}}
	for i := range ds {
		d := &ds[i]
		g.Nodes = append(g.Nodes, Value{d.Type, d.Leaf, d.Window, d.Dims})
		if i == 0 {
			continue
		}
		e := Edge{Op: d.Op, Target: i, P: d.P, RootA: d.RootA, RootB: d.RootB}
		for k, s := range d.Src {
			e.Sources[k] = Source{s.Kind, int(s.Index)}
		}
		g.Edges = append(g.Edges, e)
	}
	for i := len(ds) - heads; i < len(ds); i++ {
		g.Out = append(g.Out, i)
	}
	if k, v := ds[0].P[1], ds[0].P[2]; k != 0 || v != 0 {
		if k < 1 || v < 1 || k >= int64(len(ds)) || v >= int64(len(ds)) || heads != 1 {
			return nil, fmt.Errorf("%w: stage of %d tensors has K row %d and V row %d", ErrGraph, len(ds), k, v)
		}
		g.Out = append(g.Out, int(k), int(v))
	}
	return g, g.Check()
}

// Stage is the inverse of FromStage. The graph must have one input, node 0, the target of edge i
// must be node i+1, and three outputs mean one and the K and V rows.
func (g *Graph) Stage() ([]opset.Descriptor, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	n := len(g.Nodes)
	if n < 2 || n > MaxTensors || !slices.Equal(g.In, []int{0}) || len(g.Out) < 1 || len(g.Out) > 3 {
		return nil, fmt.Errorf("%w: %d nodes, inputs %v and outputs %v do not make a stage", ErrGraph, n, g.In, g.Out)
	}
	in := opset.Descriptor{Op: opset.Input}
	in.P[0] = int64(n)
	heads := len(g.Out)
	if heads == 3 {
		heads = 1
		in.P[1], in.P[2] = int64(g.Out[1]), int64(g.Out[2])
	}
	for i, o := range g.Out[:heads] {
		if o != n-heads+i {
			return nil, fmt.Errorf("%w: output %d is node %d, want %d", ErrGraph, i, o, n-heads+i)
		}
	}
	typed(&in, g.Nodes[0])
	ds := []opset.Descriptor{in}
	for i := range g.Edges {
		e := &g.Edges[i]
		if e.Target != i+1 {
			return nil, fmt.Errorf("%w: edge %d makes node %d, want %d", ErrGraph, i, e.Target, i+1)
		}
		ds = append(ds, e.descriptor(g.Nodes[e.Target]))
	}
	return ds, nil
}

// Check says whether the graph is well-formed: ports and sources exist, every node is an input or
// made once, before it is used. It returns ErrGraph.
func (g *Graph) Check() error {
	if len(g.Nodes) > MaxNodes || len(g.Edges) > MaxNodes || len(g.In) > MaxNodes || len(g.Out) > MaxNodes {
		return fmt.Errorf("%w: more than %d nodes, edges or ports", ErrGraph, MaxNodes)
	}
	made := make([]bool, len(g.Nodes))
	for _, n := range g.In {
		if n < 0 || n >= len(made) || made[n] {
			return fmt.Errorf("%w: input %d does not exist or occurs twice", ErrGraph, n)
		}
		made[n] = true
	}
	for i := range g.Edges {
		if err := g.Edges[i].check(made); err != nil {
			return fmt.Errorf("%w: edge %d: %w", ErrGraph, i, err)
		}
	}
	for n, ok := range made {
		if !ok {
			return fmt.Errorf("%w: nothing makes node %d", ErrGraph, n)
		}
	}
	for _, n := range g.Out {
		if n < 0 || n >= len(made) {
			return fmt.Errorf("%w: output %d does not exist", ErrGraph, n)
		}
	}
	return nil
}

func (e *Edge) check(made []bool) error {
	for k, s := range e.Sources {
		if s.Kind != opset.Tensor {
			if s.Kind > opset.MaxKind || s.Node != 0 {
				return fmt.Errorf("source %d is (%d, %d)", k, s.Kind, s.Node)
			}
			continue
		}
		if s.Node < 0 || s.Node >= len(made) || !made[s.Node] {
			return fmt.Errorf("source %d is node %d, which is not made yet", k, s.Node)
		}
	}
	if e.Target < 0 || e.Target >= len(made) || made[e.Target] {
		return fmt.Errorf("target %d does not exist or is made twice", e.Target)
	}
	made[e.Target] = true
	return nil
}

func typed(d *opset.Descriptor, v Value) {
	d.Type, d.Leaf, d.Window, d.Dims = v.Type, v.Leaf, v.Window, v.Dims
}

// descriptor is the edge as a stage writes it; node numbers are below MaxTensors.
func (e *Edge) descriptor(target Value) opset.Descriptor {
	d := opset.Descriptor{Op: e.Op, P: e.P, RootA: e.RootA, RootB: e.RootB}
	typed(&d, target)
	for k, s := range e.Sources {
		d.Src[k] = opset.Source{Kind: s.Kind, Index: uint8(s.Node)}
	}
	return d
}
