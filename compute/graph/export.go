package graph

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"elenchus/compute/opset"
)

// String is the type as text: "i32[1 8 ceil(t/128)]", with the window after a slash if there is one.
func (v Value) String() string {
	var b strings.Builder
	b.WriteString(v.Type.String() + "[")
	for i, m := range v.Dims {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch {
		case m.K == 0:
			fmt.Fprint(&b, m.C)
		case m.C == 1:
			fmt.Fprintf(&b, "ceil(t/%d)", m.K)
		default:
			fmt.Fprintf(&b, "%d*ceil(t/%d)", m.C, m.K)
		}
	}
	b.WriteByte(']')
	if v.Window != 0 {
		fmt.Fprintf(&b, "/%d", v.Window)
	}
	return b.String()
}

// sourceNames are the kinds of operands that are no nodes.
var sourceNames = [...]string{opset.None: "", opset.Tensor: "", opset.RootA: "A", opset.RootB: "B", opset.KV: "kv", opset.Prompt: "prompt", opset.Stop: "stop",
	opset.Counts: "counts", opset.Bias: "bias", opset.Strings: "strings"}

// DOT is the graph in Graphviz's language: values are ellipses, operations boxes.
func (g *Graph) DOT() string {
	var b strings.Builder
	b.WriteString("digraph stage {\n")
	for i, v := range g.Nodes {
		fmt.Fprintf(&b, "  n%d [label=%q];\n", i, fmt.Sprintf("%d: %s", i, v))
	}
	for i := range g.Edges {
		e := &g.Edges[i]
		fmt.Fprintf(&b, "  e%d [shape=box,label=%q];\n  e%d -> n%d;\n", i, e.Op.String(), i, e.Target)
		for k, s := range e.Sources {
			switch {
			case s.Kind == opset.Tensor:
				fmt.Fprintf(&b, "  n%d -> e%d [label=\"%d\"];\n", s.Node, i, k)
			case s.Kind != opset.None:
				fmt.Fprintf(&b, "  x%d_%d [shape=plaintext,label=%q];\n  x%d_%d -> e%d [label=\"%d\"];\n", i, k, sourceNames[s.Kind], i, k, i, k)
			}
		}
	}
	for i, n := range g.In {
		fmt.Fprintf(&b, "  in%d [shape=point,xlabel=\"in %d\"];\n  in%d -> n%d;\n", i, i, i, n)
	}
	for i, n := range g.Out {
		fmt.Fprintf(&b, "  out%d [shape=point,xlabel=\"out %d\"];\n  n%d -> out%d;\n", i, i, n, i)
	}
	b.WriteString("}\n")
	return b.String()
}

type jsonEdge struct {
	Op      string   `json:"op"`
	Sources []string `json:"sources"`
	Target  int      `json:"target"`
	Params  []int64  `json:"params,omitempty"`
	A       string   `json:"a,omitempty"`
	B       string   `json:"b,omitempty"`
}

// JSON is the graph for people and other programs: values as text, node sources as numbers.
func (g *Graph) JSON() ([]byte, error) {
	out := struct {
		Nodes []string   `json:"nodes"`
		Edges []jsonEdge `json:"edges"`
		In    []int      `json:"in"`
		Out   []int      `json:"out"`
	}{In: g.In, Out: g.Out}
	for _, v := range g.Nodes {
		out.Nodes = append(out.Nodes, v.String())
	}
	for i := range g.Edges {
		out.Edges = append(out.Edges, g.Edges[i].json())
	}
	return json.MarshalIndent(out, "", "  ")
}

func (e *Edge) json() jsonEdge {
	j := jsonEdge{Op: e.Op.String(), Target: e.Target, Sources: []string{}}
	for _, s := range e.Sources {
		switch {
		case s.Kind == opset.Tensor:
			j.Sources = append(j.Sources, fmt.Sprint(s.Node))
		case s.Kind != opset.None && int(s.Kind) < len(sourceNames):
			j.Sources = append(j.Sources, sourceNames[s.Kind])
		}
	}
	last := 0
	for i, p := range e.P {
		if p != 0 {
			last = i + 1
		}
	}
	j.Params = e.P[:last]
	if e.RootA != [32]byte{} {
		j.A = hex.EncodeToString(e.RootA[:])
	}
	if e.RootB != [32]byte{} {
		j.B = hex.EncodeToString(e.RootB[:])
	}
	return j
}
