package graph

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"elenchus/compute/opset"
)

// Normal numbers nodes and orders edges by what the graph does, not by how it was built: inputs in
// order, then what the outputs need, depth first, then what nothing needs, by content. Graphs that
// the laws of composition make equal have the same normal form. (Among unneeded edges of equal
// content the order in which they were built remains.)
func (g *Graph) Normal() *Graph {
	n := normaliser{g: g, by: make([]int, len(g.Nodes)), name: make([]int, len(g.Nodes)), out: &Graph{}}
	for i := range n.by {
		n.by[i], n.name[i] = -1, -1
	}
	for i := range g.Edges {
		n.by[g.Edges[i].Target] = i
	}
	for _, v := range g.In {
		n.number(v)
	}
	for _, v := range g.Out {
		n.visit(v)
	}
	for _, v := range n.unneeded() {
		n.visit(v)
	}
	n.out.In, n.out.Out = renamed(g.In, n.name), renamed(g.Out, n.name)
	return n.out
}

type normaliser struct {
	g    *Graph
	by   []int // edge that makes a node
	name []int // new number of a node
	out  *Graph
}

func (n *normaliser) number(v int) {
	n.name[v] = len(n.out.Nodes)
	n.out.Nodes = append(n.out.Nodes, n.g.Nodes[v])
}

// visit numbers v after everything that it is made of; the recursion is as deep as the longest
// path, which the explicit stack bounds by memory only.
func (n *normaliser) visit(v int) {
	stack := []int{v}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		if n.name[v] >= 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		e := n.g.Edges[n.by[v]]
		waiting := false
		for k := len(e.Sources) - 1; k >= 0; k-- {
			if s := e.Sources[k]; s.Kind == opset.Tensor && n.name[s.Node] < 0 {
				stack, waiting = append(stack, s.Node), true
			}
		}
		if waiting {
			continue
		}
		n.number(v)
		e.move(n.name)
		n.out.Edges = append(n.out.Edges, e)
		stack = stack[:len(stack)-1]
	}
}

// unneeded are the nodes that no edge uses and no output needs, by content.
func (n *normaliser) unneeded() []int {
	content := n.g.contents()
	used := make([]bool, len(n.g.Nodes))
	for i := range n.g.Edges {
		for _, s := range n.g.Edges[i].Sources {
			if s.Kind == opset.Tensor {
				used[s.Node] = true
			}
		}
	}
	var out []int
	for v := range n.g.Nodes {
		if !used[v] && n.name[v] < 0 {
			out = append(out, v)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int { return bytes.Compare(content[a][:], content[b][:]) })
	return out
}

// contents hashes each node's term: its operation over the terms of its sources, down to inputs.
func (g *Graph) contents() []ID {
	out := make([]ID, len(g.Nodes))
	for i, v := range g.In {
		out[v] = sha256.Sum256(append(g.Nodes[v].append([]byte{0}), byte(i>>8), byte(i)))
	}
	for i := range g.Edges {
		e := g.Edges[i]
		var terms []byte
		for k := range e.Sources {
			if s := &e.Sources[k]; s.Kind == opset.Tensor {
				terms = append(terms, out[s.Node][:]...)
				s.Node = 0
			}
		}
		target := e.Target
		e.Target = 0
		out[target] = sha256.Sum256(append(g.Nodes[target].append(e.append([]byte{1})), terms...))
	}
	return out
}
