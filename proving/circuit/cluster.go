package circuit

import (
	"encoding/binary"
	"errors"
	"fmt"

	"elenchus/compute/graph"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"

	"github.com/consensys/gnark/frontend"
)

// ErrLarge marks a cluster whose wanted elements depend on more than a circuit is made for.
var ErrLarge = errors.New("cluster too large")

// MaxElements bounds the elements that a cluster computes, MaxCells those that it reads from outside.
const MaxElements, MaxCells = 1 << 12, 1 << 16

// Element names one element of the target of an edge.
type Element struct {
	Node  int
	Index uint64
}

// Cluster is a convex set of edges of a graph with the elements that are wanted of its nodes: what
// the circuit of a cluster depends on. The zero value is illegal; PrepareCluster makes clusters.
type Cluster struct {
	Graph   *graph.Graph
	Edges   []int // ascending
	Context opset.Context
	Want    []Element
	cells   []outside // in the order of their first use
	places  []uint64
}

// ClusterInstance is a cluster with its values.
type ClusterInstance struct {
	Cluster
	Cells    []int64 // what is read from outside
	Values   []int64 // of the wanted elements
	Elements int     // that the cluster computes for them
}

// outside names an element that the cluster reads and does not make: of a node, or of a source of
// another kind of an edge.
type outside struct {
	node, edge int // the other is -1
	kind       uint8
	dtype      tensor.DType
	at         uint64 // element
}

// PrepareCluster checks that the edges can be cut out of the graph, computes the wanted elements by
// definition from what fetch supplies for each edge's reads from outside, and keeps what was read. It
// returns the errors of graph.Cut, ErrUnit for a wanted element that no edge of the cluster makes,
// ErrLarge, and those of fetch.
func PrepareCluster(g *graph.Graph, edges []int, c *opset.Context, want []Element, fetch func(edge int) opset.Fetch) (*ClusterInstance, error) {
	parts, err := g.Cut(edges)
	if err != nil {
		return nil, err
	}
	x := &ClusterInstance{Cluster: Cluster{Graph: g, Edges: parts.Edges, Context: *c, Want: want}}
	w := newWalk[int64](&x.Cluster)
	r := &reference{walk: w, x: x, fetch: fetch}
	w.eval, w.cells = r.element, r.cells
	for _, e := range want {
		x.Values = append(x.Values, w.element(e))
	}
	x.Elements = len(w.memo)
	return x, w.err
}

// walk evaluates elements of a cluster backwards from those that are wanted, each once. V is what an
// element is: an integer, or a number of a circuit.
type walk[V any] struct {
	cl    *Cluster
	made  map[int]int // node -> edge of the cluster
	memo  map[Element]V
	eval  func(edge int, i uint64) V
	cells func(edge int, r opset.Read, t tensor.DType) []V // of a read from outside
	err   error
}

func newWalk[V any](cl *Cluster) *walk[V] {
	w := &walk[V]{cl: cl, made: map[int]int{}, memo: map[Element]V{}}
	for _, e := range cl.Edges {
		w.made[cl.Graph.Edges[e].Target] = e
	}
	return w
}

func (w *walk[V]) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *walk[V]) element(e Element) (v V) {
	if v, ok := w.memo[e]; ok || w.err != nil {
		return v
	}
	edge, ok := w.made[e.Node]
	switch {
	case !ok:
		w.fail(fmt.Errorf("%w: no edge of the cluster makes node %d", ErrUnit, e.Node))
		return v
	case len(w.memo) >= MaxElements:
		w.fail(fmt.Errorf("%w: more than %d elements", ErrLarge, MaxElements))
		return v
	}
	v = w.eval(edge, e.Index)
	w.memo[e] = v
	return v
}

// read gives the elements of a read of an edge, from inside or outside. In reads of clusters the
// index of a tensor source is its number among the sources.
func (w *walk[V]) read(edge int, r opset.Read, t tensor.DType) []V {
	if r.Kind != opset.Tensor {
		return w.cells(edge, r, t)
	}
	node := w.cl.Graph.Edges[edge].Sources[r.Index].Node
	if _, ok := w.made[node]; !ok {
		return w.cells(edge, r, t)
	}
	z := uint64(t.Size())
	if w.cl.Graph.Nodes[node].Type != t {
		w.fail(fmt.Errorf("%w: edge %d reads %s of node %d, which is %s", ErrUnit, edge, t, node, w.cl.Graph.Nodes[node].Type))
	}
	out := make([]V, (r.Hi-r.Lo)/z)
	for i := range out {
		out[i] = w.element(Element{node, r.Lo/z + uint64(i)})
	}
	return out
}

// descriptor is an edge with its sources numbered.
func (cl *Cluster) descriptor(edge int) opset.Descriptor {
	e := &cl.Graph.Edges[edge]
	v := cl.Graph.Nodes[e.Target]
	d := opset.Descriptor{Op: e.Op, Type: v.Type, Leaf: v.Leaf, Window: v.Window, Dims: v.Dims, P: e.P, RootA: e.RootA, RootB: e.RootB}
	for k, s := range e.Sources {
		d.Src[k].Kind = s.Kind
		if s.Kind == opset.Tensor {
			d.Src[k].Index = uint8(k)
		}
	}
	return d
}

// keys name the elements of a read from outside.
func (cl *Cluster) keys(edge int, r opset.Read, t tensor.DType) []outside {
	base := outside{node: -1, edge: edge, kind: r.Kind, dtype: t}
	if r.Kind == opset.Tensor {
		base.node, base.edge = cl.Graph.Edges[edge].Sources[r.Index].Node, -1
	}
	z := uint64(t.Size())
	out := make([]outside, (r.Hi-r.Lo)/z)
	for i := range out {
		out[i] = base
		out[i].at = r.Lo/z + uint64(i)
	}
	return out
}

// reference evaluates by definition.
type reference struct {
	*walk[int64]
	x     *ClusterInstance
	fetch func(edge int) opset.Fetch
	known map[outside]bool
}

func (r *reference) element(edge int, i uint64) int64 {
	d := r.x.descriptor(edge)
	types, k := readTypes(&d), 0
	v, err := opset.Element(&d, &r.x.Context, i, func(q opset.Read) ([]byte, error) {
		if k >= len(types) || !types[k].Valid() {
			return nil, fmt.Errorf("%w: read %d of %s", ErrUnit, k, d.Op)
		}
		values := r.read(edge, q, types[k])
		if r.err == nil {
			r.x.places = appendPlace(r.x.places, &d, &r.x.Context, k, values)
		}
		k++
		return encode(values, types[k-1]), r.err
	})
	if err != nil {
		r.fail(err)
	}
	return v
}

func (r *reference) cells(edge int, q opset.Read, t tensor.DType) []int64 {
	named := q
	if q.Kind == opset.Tensor {
		named.Index = uint8(r.x.Graph.Edges[edge].Sources[q.Index].Node)
	}
	b, err := r.fetch(edge)(named)
	if err != nil || uint64(len(b)) != q.Hi-q.Lo {
		r.fail(errors.Join(err, fmt.Errorf("%w: read of %d bytes got %d", ErrUnit, q.Hi-q.Lo, len(b))))
		return nil
	}
	if r.known == nil {
		r.known = map[outside]bool{}
	}
	out := make([]int64, len(b)/t.Size())
	for i, key := range r.x.keys(edge, q, t) {
		out[i] = tensor.Element(t, b, i)
		if !r.known[key] {
			r.known[key] = true
			r.x.cells, r.x.Cells = append(r.x.cells, key), append(r.x.Cells, out[i])
		}
	}
	if len(r.x.Cells) > MaxCells {
		r.fail(fmt.Errorf("%w: more than %d cells", ErrLarge, MaxCells))
	}
	return out
}

// encode are elements as little-endian bytes.
func encode(x []int64, t tensor.DType) []byte {
	out := make([]byte, 0, len(x)*t.Size())
	for _, v := range x {
		out = append(out, binary.LittleEndian.AppendUint64(nil, uint64(v))[:t.Size()]...)
	}
	return out
}

// clusterStatement is the circuit of a cluster: the wanted values in public, what it reads from
// outside as secret cells.
type clusterStatement struct {
	Values  []frontend.Variable `gnark:",public"`
	Cells   []frontend.Variable
	cluster *Cluster
}

// Circuit is the circuit of the cluster: its public inputs are the wanted elements in order.
func (cl *Cluster) Circuit() frontend.Circuit {
	return &clusterStatement{Values: make([]frontend.Variable, len(cl.Want)), Cells: make([]frontend.Variable, len(cl.cells)), cluster: cl}
}

// Assignment is the witness of the instance, for its cluster's circuit.
func (x *ClusterInstance) Assignment() frontend.Circuit {
	s := &clusterStatement{}
	for _, v := range x.Values {
		s.Values = append(s.Values, v)
	}
	for _, v := range x.Cells {
		s.Cells = append(s.Cells, v)
	}
	return s
}

// Define makes the constraints; gnark calls it.
func (s *clusterStatement) Define(api frontend.API) error {
	w := newWalk[Num](s.cluster)
	c := &constrained{walk: w, b: &build{api: api}, free: s.Cells, known: map[outside]Num{}}
	w.eval, w.cells = c.element, c.cells
	for i, e := range s.cluster.Want {
		v := w.element(e)
		if w.err != nil || c.b.err != nil {
			return errors.Join(w.err, c.b.err)
		}
		api.AssertIsEqual(s.Values[i], v.v)
	}
	if len(c.free) != 0 || c.named != len(s.cluster.places) {
		return fmt.Errorf("%w: %d cells and %d of %d places are not used", ErrUnit, len(c.free), len(s.cluster.places)-c.named, len(s.cluster.places))
	}
	return nil
}

// constrained makes the constraints of elements of a cluster.
type constrained struct {
	*walk[Num]
	b     *build
	free  []frontend.Variable
	known map[outside]Num
	named int
}

func (c *constrained) element(edge int, i uint64) Num {
	d := c.cl.descriptor(edge)
	return element(c.b, &d, &c.cl.Context, i, &ofEdge{c, edge})
}

func (c *constrained) cells(edge int, r opset.Read, t tensor.DType) []Num {
	keys := c.cl.keys(edge, r, t)
	out := make([]Num, len(keys))
	for i, key := range keys {
		if _, ok := c.known[key]; !ok {
			at := len(c.known)
			if len(c.free) == 0 || c.cl.cells[at] != key {
				c.fail(fmt.Errorf("%w: cell %d is %+v", ErrUnit, at, key))
				return nil
			}
			c.known[key] = ranged(c.b, c.free[:1], t)[0]
			c.free = c.free[1:]
		}
		out[i] = c.known[key]
	}
	return out
}

// ofEdge supplies one edge of a cluster.
type ofEdge struct {
	*constrained
	edge int
}

func (s *ofEdge) read(b *build, r opset.Read, t tensor.DType) []Num {
	out := s.walk.read(s.edge, r, t)
	if s.err != nil {
		b.fail(s.err)
	}
	return out
}

func (s *ofEdge) place(b *build) uint64 {
	if s.named >= len(s.cl.places) {
		b.fail(fmt.Errorf("%w: more places than %d", ErrUnit, s.named))
		return 0
	}
	s.named++
	return s.cl.places[s.named-1]
}
