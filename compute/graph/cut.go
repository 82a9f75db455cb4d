package graph

import (
	"fmt"
	"slices"

	"elenchus/compute/opset"
)

// NotConvexError says that a set of edges cannot be cut out: data leaves it and comes back. Path
// are the edges from one inside over at least one outside to one inside.
type NotConvexError struct{ Path []int }

func (e *NotConvexError) Error() string {
	return fmt.Sprintf("edges are not convex: data leaves and comes back along edges %v", e.Path)
}

// Parts of a graph around a cluster. Compose(Before, Parallel(Cluster, Identity(rest...))), then
// After, is the graph again, where rest are the outputs of Before beyond the cluster's inputs.
type Parts struct {
	Before, Cluster, After *Graph
	Edges                  []int // of the cluster, ascending
}

// Rest are the values that go past the cluster.
func (p *Parts) Rest() []Value { return p.Before.Outputs()[len(p.Cluster.In):] }

// Cut takes a convex set of edges out with its interface: the cluster's inputs are the nodes that
// it uses and does not make, its outputs those that it makes and something else uses, each in
// order of their numbers. It returns ErrGraph for edges that do not exist or occur twice, and a
// *NotConvexError.
func (g *Graph) Cut(edges []int) (*Parts, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	c := cutter{g: g, side: make([]side, len(g.Edges)), by: make([]int, len(g.Nodes))}
	list := slices.Clone(edges)
	slices.Sort(list)
	for i, e := range list {
		if e < 0 || e >= len(g.Edges) || i > 0 && list[i-1] == e {
			return nil, fmt.Errorf("%w: edge %d does not exist or occurs twice", ErrGraph, e)
		}
		c.side[e] = inside
	}
	if path := c.divide(); path != nil {
		return nil, &NotConvexError{path}
	}
	return c.parts(list), nil
}

type side int

const (
	before side = iota
	inside
	after
)

type cutter struct {
	g    *Graph
	side []side
	by   []int // edge that makes a node, -1 for inputs
}

// divide puts what depends on the set behind it; a path is returned if that is part of the set.
func (c *cutter) divide() []int {
	for i := range c.by {
		c.by[i] = -1
	}
	from := make([]int, len(c.g.Edges)) // an edge behind the set or in it that feeds this one
	for i := range c.g.Edges {
		from[i] = -1
		for _, s := range c.g.Edges[i].Sources {
			if s.Kind != opset.Tensor || c.by[s.Node] < 0 {
				continue
			}
			p := c.by[s.Node]
			if c.side[i] == inside && c.side[p] == after {
				return c.path(from, p, i)
			}
			if c.side[i] != inside && c.side[p] != before {
				c.side[i], from[i] = after, p
			}
		}
		c.by[c.g.Edges[i].Target] = i
	}
	return nil
}

func (c *cutter) path(from []int, p, end int) []int {
	path := []int{end}
	for ; c.side[p] != inside; p = from[p] {
		path = append(path, p)
	}
	path = append(path, p)
	slices.Reverse(path)
	return path
}

// sideOf is where a node is made; inputs are made before everything.
func (c *cutter) sideOf(v int) side {
	if c.by[v] < 0 {
		return before
	}
	return c.side[c.by[v]]
}

// uses marks nodes that edges on a side use.
func (c *cutter) uses(s side) []bool {
	out := make([]bool, len(c.g.Nodes))
	for i := range c.g.Edges {
		for _, x := range c.g.Edges[i].Sources {
			if c.side[i] == s && x.Kind == opset.Tensor {
				out[x.Node] = true
			}
		}
	}
	return out
}

func (c *cutter) parts(edges []int) *Parts {
	within, behind := c.uses(inside), c.uses(after)
	for _, v := range c.g.Out {
		behind[v] = true
	}
	var in, out, rest []int
	for v := range c.g.Nodes {
		s := c.sideOf(v)
		if s == before && within[v] {
			in = append(in, v)
		}
		if s == inside && behind[v] {
			out = append(out, v)
		}
		if s == before && behind[v] {
			rest = append(rest, v)
		}
	}
	return &Parts{
		Before:  c.part(before, c.g.In, append(slices.Clone(in), rest...)),
		Cluster: c.part(inside, in, out),
		After:   c.part(after, append(slices.Clone(out), rest...), c.g.Out),
		Edges:   edges,
	}
}

// part is the graph of the edges on a side between two lists of nodes.
func (c *cutter) part(s side, in, out []int) *Graph {
	h := &Graph{}
	name := make([]int, len(c.g.Nodes))
	add := func(v int) {
		name[v] = len(h.Nodes)
		h.Nodes = append(h.Nodes, c.g.Nodes[v])
	}
	for _, v := range in {
		add(v)
	}
	h.In = renamed(in, name)
	for i := range c.g.Edges {
		if c.side[i] == s {
			add(c.g.Edges[i].Target)
			h.Edges = append(h.Edges, moved(c.g.Edges[i:i+1], name)...)
		}
	}
	h.Out = renamed(out, name)
	return h
}
