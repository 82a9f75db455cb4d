package graph_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"elenchus/compute/graph"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// value draws one of a few types, so that graphs often fit each other.
func value(t *rapid.T) graph.Value {
	v := graph.Value{Type: tensor.I32, Leaf: 64, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 4}}}
	v.Dims[2].C = uint32(rapid.IntRange(1, 2).Draw(t, "width"))
	return v
}

func values(t *rapid.T, label string) []graph.Value {
	return rapid.SliceOfN(rapid.Custom(value), 0, 3).Draw(t, label)
}

// term draws a graph with given inputs: a few operations on whatever nodes there are, and outputs
// that may repeat and omit nodes.
func term(t *rapid.T, in []graph.Value) *graph.Graph {
	g := graph.Identity(in...)
	for range rapid.IntRange(0, 5).Draw(t, "edges") {
		e := graph.Edge{Op: opset.Code(rapid.IntRange(11, 13).Draw(t, "op")), Target: len(g.Nodes)}
		e.P[0] = int64(rapid.IntRange(0, 1).Draw(t, "p0"))
		for k := range 2 {
			if len(g.Nodes) > 0 && rapid.Bool().Draw(t, "tensor") {
				e.Sources[k] = graph.Source{Kind: opset.Tensor, Node: rapid.IntRange(0, len(g.Nodes)-1).Draw(t, "node")}
			} else {
				e.Sources[k] = graph.Source{Kind: opset.RootA}
			}
		}
		g.Nodes = append(g.Nodes, value(t))
		g.Edges = append(g.Edges, e)
	}
	g.Out = nil
	if len(g.Nodes) > 0 {
		g.Out = rapid.SliceOfN(rapid.IntRange(0, len(g.Nodes)-1), 0, 3).Draw(t, "out")
	}
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	return g
}

func compose(t failer, f, g *graph.Graph) *graph.Graph {
	h, err := graph.Compose(f, g)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func same(t failer, law string, a, b *graph.Graph) {
	if a.Normal().Hash() != b.Normal().Hash() {
		t.Fatalf("%s fails:\n%s\n%s", law, a.Normal().DOT(), b.Normal().DOT())
	}
}

// Graphs are the morphisms of a strict monoidal category. STYLE 28: laws for algebra.
func TestCompositionLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := term(t, values(t, "a"))
		g := term(t, f.Outputs())
		h := term(t, g.Outputs())
		k := term(t, values(t, "b"))
		l := term(t, k.Outputs())
		same(t, "associativity", compose(t, compose(t, f, g), h), compose(t, f, compose(t, g, h)))
		same(t, "left identity", compose(t, graph.Identity(f.Inputs()...), f), f)
		same(t, "right identity", compose(t, f, graph.Identity(f.Outputs()...)), f)
		same(t, "associativity of parallel", graph.Parallel(graph.Parallel(f, k), h), graph.Parallel(f, graph.Parallel(k, h)))
		same(t, "unit of parallel", graph.Parallel(f, &graph.Graph{}), f)
		same(t, "unit of parallel", graph.Parallel(&graph.Graph{}, f), f)
		same(t, "interchange", compose(t, graph.Parallel(f, k), graph.Parallel(g, l)), graph.Parallel(compose(t, f, g), compose(t, k, l)))
		if normal := f.Normal(); normal.Normal().Hash() != normal.Hash() {
			t.Fatal("normal form is not stable")
		}
	})
}

// Swapping twice is nothing, and copying commutes with what follows.
func TestWires(t *testing.T) {
	a, b := graph.Value{Type: tensor.I32, Leaf: 64}, graph.Value{Type: tensor.I16, Leaf: 64}
	swap, err := graph.Wires([]graph.Value{a, b}, []int{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	back, _ := graph.Wires([]graph.Value{b, a}, []int{1, 0})
	twice, err := graph.Compose(swap, back)
	if err != nil || twice.Normal().Hash() != graph.Identity(a, b).Hash() {
		t.Errorf("swap twice is %+v, %v", twice, err)
	}
	if _, err := graph.Wires([]graph.Value{a}, []int{1}); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("wire to nowhere: %v", err)
	}
	if _, err := graph.Compose(swap, swap); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("types that do not meet: %v", err)
	}
}

// A cluster that was cut out and put back gives the original. A set that cannot be cut gives the
// path that leaves it and comes back.
func TestCutAndRecompose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := term(t, values(t, "a"))
		var set []int
		for e := range g.Edges {
			if rapid.Bool().Draw(t, "inside") {
				set = append(set, e)
			}
		}
		cutOrPath(t, g, set)
	})
}

// The random sets above are seldom not convex: here every set of every chain is, or is not, as its
// indices say.
func TestChainsAreCutWhereTheyAreConvex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 6).Draw(t, "edges")
		g := chain(n)
		set := rapid.Uint64Range(1, 1<<n-1).Draw(t, "set")
		var edges []int
		for e := range n {
			if set>>e&1 == 1 {
				edges = append(edges, e)
			}
		}
		convex := edges[len(edges)-1]-edges[0] == len(edges)-1
		if cut := cutOrPath(t, g, edges); cut != convex {
			t.Fatalf("set %v of a chain of %d: cut %v, want %v", edges, n, cut, convex)
		}
	})
	if cutOrPath(t, chain(3), []int{0, 2}) {
		t.Error("the ends of a chain were cut without its middle")
	}
}

// chain is n operations, each on the one before.
func chain(n int) *graph.Graph {
	v := graph.Value{Type: tensor.I32, Leaf: 64, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 4}}}
	g := graph.Identity(v)
	for i := range n {
		e := graph.Edge{Op: opset.ReLU, Target: i + 1}
		e.P[0] = 4
		e.Sources[0] = graph.Source{Kind: opset.Tensor, Node: i}
		g.Edges, g.Nodes = append(g.Edges, e), append(g.Nodes, v)
	}
	g.Out = []int{n}
	return g
}

// failer is what a test and a drawn case have in common.
type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// cutOrPath cuts the set out, checks what it gets, and says whether there was a cut.
func cutOrPath(t failer, g *graph.Graph, set []int) bool {
	parts, err := g.Cut(set)
	var bad *graph.NotConvexError
	if errors.As(err, &bad) {
		checkPath(t, g, set, bad.Path)
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*graph.Graph{parts.Before, parts.Cluster, parts.After} {
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
	}
	middle := graph.Parallel(parts.Cluster, graph.Identity(parts.Rest()...))
	same(t, "cut and recompose", compose(t, compose(t, parts.Before, middle), parts.After), g)
	if len(parts.Cluster.Edges) != len(set) {
		t.Fatalf("cluster of %d edges, want %d", len(parts.Cluster.Edges), len(set))
	}
	return true
}

func checkPath(t failer, g *graph.Graph, set, path []int) {
	if len(path) < 3 || !slices.Contains(set, path[0]) || !slices.Contains(set, path[len(path)-1]) {
		t.Fatalf("path %v does not begin and end in %v", path, set)
	}
	for i, e := range path[1:] {
		if i < len(path)-2 && slices.Contains(set, e) {
			t.Fatalf("path %v does not leave %v", path, set)
		}
		feeds := slices.ContainsFunc(g.Edges[e].Sources[:], func(s graph.Source) bool {
			return s.Kind == opset.Tensor && s.Node == g.Edges[path[i]].Target
		})
		if !feeds {
			t.Fatalf("path %v: edge %d does not feed %d", path, path[i], e)
		}
	}
}

// A stage and its graph say the same, and a layer is what its halves compose to.
func TestStagesAreGraphs(t *testing.T) {
	p := program(modeltest.Llama(3, modeltest.Tiny()))
	for s, ds := range p.Stages {
		heads := 1
		if s == p.Layers+1 {
			heads = 2
		}
		g, err := graph.FromStage(ds, heads)
		if err != nil {
			t.Fatal(err)
		}
		back, err := g.Stage()
		if err != nil || !reflect.DeepEqual(back, ds) {
			t.Fatalf("stage %d comes back as %v, %v", s, back, err)
		}
		again, err := graph.Decode(g.Encode())
		if err != nil || again.Hash() != g.Hash() {
			t.Fatalf("stage %d decodes to %v, %v", s, again, err)
		}
		half := make([]int, len(g.Edges)/2)
		for i := range half {
			half[i] = i
		}
		parts, err := g.Cut(half)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := graph.Compose(parts.Before, graph.Parallel(parts.Cluster, graph.Identity(parts.Rest()...)))
		if err == nil {
			whole, err = graph.Compose(whole, parts.After)
		}
		if err != nil || whole.Normal().Hash() != g.Normal().Hash() {
			t.Fatalf("stage %d in halves: %v", s, err)
		}
	}
}

// Two stages compose where one gives what the other takes.
func TestLayersCompose(t *testing.T) {
	p := program(modeltest.MLP(5))
	var all *graph.Graph
	for _, ds := range p.Stages {
		g, err := graph.FromStage(ds, 1)
		if err != nil {
			t.Fatal(err)
		}
		if all == nil {
			all = g
			continue
		}
		if all, err = graph.Compose(all, g); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(all.Edges); n != 5+5+3 {
		t.Errorf("the whole model has %d operations, want 13", n)
	}
}

// Both exports name every operation.
func TestExports(t *testing.T) {
	g, err := graph.FromStage(program(modeltest.Toy()).Stages[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	dot := g.DOT()
	for _, want := range []string{"digraph", `"matmul"`, `"row"`, `"relu"`, `label="A"`, `label="B"`, "i16[1 1 8]", "e0 -> n1", "n0 -> e0"} {
		if !strings.Contains(dot, want) {
			t.Errorf("DOT lacks %s:\n%s", want, dot)
		}
	}
	b, err := g.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Edges []struct {
			Op      string
			Sources []string
		}
	}
	if err := json.Unmarshal(b, &out); err != nil || len(out.Edges) != 3 || out.Edges[0].Op != "matmul" || !slices.Equal(out.Edges[0].Sources, []string{"0", "A"}) {
		t.Errorf("JSON is %s (%v)", b, err)
	}
}

// Bytes that Decode accepts are exactly what Encode writes. STYLE 17.
func FuzzDecode(f *testing.F) {
	for _, ds := range program(modeltest.Toy()).Stages {
		g, err := graph.FromStage(ds, 1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(g.Encode())
	}
	f.Add((&graph.Graph{}).Encode())
	f.Add([]byte("elenchus/graph/1\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := graph.Decode(b)
		if err != nil {
			if !errors.Is(err, graph.ErrGraph) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !bytes.Equal(g.Encode(), b) {
			t.Fatal("two encodings of one graph")
		}
		if normal := g.Normal(); normal.Check() != nil || len(normal.Edges) != len(g.Edges) {
			t.Fatalf("normal form of a well-formed graph: %v", normal.Check())
		}
		if _, err := g.Cut(nil); err != nil {
			t.Fatal(err)
		}
	})
}

// Every way to be malformed is refused.
func TestMalformedGraphs(t *testing.T) {
	g, err := graph.FromStage(program(modeltest.Toy()).Stages[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	good := g.Encode()
	for name, change := range map[string]func(*graph.Graph){
		"input twice":         func(g *graph.Graph) { g.In = []int{0, 0} },
		"input beyond":        func(g *graph.Graph) { g.In = []int{9} },
		"input that is made":  func(g *graph.Graph) { g.In = []int{0, 1} },
		"no input":            func(g *graph.Graph) { g.In = nil },
		"output beyond":       func(g *graph.Graph) { g.Out = []int{4} },
		"target twice":        func(g *graph.Graph) { g.Edges[1].Target = 1 },
		"source later":        func(g *graph.Graph) { g.Edges[0].Sources[0].Node = 3 },
		"node nothing makes":  func(g *graph.Graph) { g.Nodes = append(g.Nodes, g.Nodes[0]) },
		"source kind unknown": func(g *graph.Graph) { g.Edges[0].Sources[1].Kind = opset.MaxKind + 1 },
		"root with a node":    func(g *graph.Graph) { g.Edges[0].Sources[1].Node = 1 },
		"element type":        func(g *graph.Graph) { g.Nodes[0].Type = 9 },
	} {
		bad, err := graph.Decode(good)
		if err != nil {
			t.Fatal(err)
		}
		change(bad)
		if _, err := graph.Decode(bad.Encode()); !errors.Is(err, graph.ErrGraph) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 20 {
		n := r.IntN(len(good))
		if _, err := graph.Decode(good[:n]); !errors.Is(err, graph.ErrGraph) {
			t.Errorf("first %d bytes: %v", n, err)
		}
	}
	if _, err := graph.Decode(append(bytes.Clone(good), 0)); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("one byte more: %v", err)
	}
}
