package graph

import (
	"fmt"
	"slices"

	"elenchus/compute/opset"
)

// Identity is the graph without edges that hands its inputs through.
func Identity(values ...Value) *Graph {
	g := &Graph{Nodes: slices.Clone(values)}
	for i := range values {
		g.In, g.Out = append(g.In, i), append(g.Out, i)
	}
	return g
}

// Wires hands input out[i] to output i: it permutes, copies and discards. It returns ErrGraph if
// out names an input that does not exist.
func Wires(values []Value, out []int) (*Graph, error) {
	g := Identity(values...)
	g.Out = slices.Clone(out)
	return g, g.Check()
}

// Parallel is f beside g: inputs and outputs of f come first.
func Parallel(f, g *Graph) *Graph {
	h := f.clone()
	at := len(h.Nodes)
	shift := make([]int, len(g.Nodes))
	for i := range shift {
		shift[i] = at + i
	}
	h.Nodes = append(h.Nodes, g.Nodes...)
	h.In = append(h.In, renamed(g.In, shift)...)
	h.Out = append(h.Out, renamed(g.Out, shift)...)
	h.Edges = append(h.Edges, moved(g.Edges, shift)...)
	return h
}

// Compose is f, then g: the outputs of f become the inputs of g. It returns ErrGraph if they are
// not of the same types in the same order.
func Compose(f, g *Graph) (*Graph, error) {
	if len(f.Out) != len(g.In) {
		return nil, fmt.Errorf("%w: %d outputs meet %d inputs", ErrGraph, len(f.Out), len(g.In))
	}
	h := f.clone()
	name := make([]int, len(g.Nodes))
	for i := range name {
		name[i] = -1
	}
	for i, n := range g.In {
		if f.Nodes[f.Out[i]] != g.Nodes[n] {
			return nil, fmt.Errorf("%w: output %d is %+v, the input it meets is %+v", ErrGraph, i, f.Nodes[f.Out[i]], g.Nodes[n])
		}
		name[n] = f.Out[i]
	}
	for n := range g.Nodes {
		if name[n] < 0 {
			name[n] = len(h.Nodes)
			h.Nodes = append(h.Nodes, g.Nodes[n])
		}
	}
	h.Edges = append(h.Edges, moved(g.Edges, name)...)
	h.Out = renamed(g.Out, name)
	return h, h.Check()
}

// Inputs and Outputs are the types of the interface.
func (g *Graph) Inputs() []Value { return g.values(g.In) }

// Outputs are the types of the output interface.
func (g *Graph) Outputs() []Value { return g.values(g.Out) }

func (g *Graph) values(nodes []int) []Value {
	var out []Value
	for _, n := range nodes {
		out = append(out, g.Nodes[n])
	}
	return out
}

func (g *Graph) clone() *Graph {
	return &Graph{slices.Clone(g.Nodes), slices.Clone(g.Edges), slices.Clone(g.In), slices.Clone(g.Out)}
}

func renamed(nodes, name []int) []int {
	var out []int
	for _, n := range nodes {
		out = append(out, name[n])
	}
	return out
}

func moved(edges []Edge, name []int) []Edge {
	out := slices.Clone(edges)
	for i := range out {
		out[i].move(name)
	}
	return out
}

func (e *Edge) move(name []int) {
	e.Target = name[e.Target]
	for k := range e.Sources {
		if s := &e.Sources[k]; s.Kind == opset.Tensor {
			s.Node = name[s.Node]
		}
	}
}
