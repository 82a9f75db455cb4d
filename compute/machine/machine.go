// Package machine runs the stages of a model, one operation after the other.
//
// It stands above graph and below the engine: given a resolved stage, a context and a KV cache it
// computes every tensor of the stage with the kernels. It knows nothing of hashing: whoever wants
// to see (or, in an experiment, disturb) what is computed passes an Observer. Running without
// verification is the same code with a nil Observer. It starts nothing: rows are split by the
// Split that the caller brings. SPEC 02, 06 §1.
//
//	out := w.Run(&program.Stages[s], &ctx, x, cache)
package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Op is a hyperedge with its model tensors at hand.
type Op struct {
	opset.Descriptor
	A, B   *tensor.Tensor
	fast   *linear    // see Prepare
	attend *attention // the same
}

// Stage is a resolved stage. Layer is its row in the KV cache, -1 without one.
type Stage struct {
	Ops   []Op
	Layer int
	set   kernel.Set // see Prepare
}

// Cache holds the K and V rows of the positions so far, [layer][pos*dkv + i]. Rows beyond the
// current position are unspecified. The zero value is an empty cache of a model without KV.
type Cache struct {
	K, V [][]int16
	DKV  int
}

// NewCache makes room for layers times positions rows of dkv elements.
func NewCache(layers, positions, dkv int) *Cache {
	c := &Cache{DKV: dkv, K: make([][]int16, layers), V: make([][]int16, layers)}
	for l := range layers {
		c.K[l] = make([]int16, positions*dkv)
		c.V[l] = make([]int16, positions*dkv)
	}
	return c
}

// Positions is the number of positions that the cache has room for.
func (c *Cache) Positions() int {
	if len(c.K) == 0 || c.DKV == 0 {
		return 0
	}
	return len(c.K[0]) / c.DKV
}

// Grow makes room for so many positions if there is less; rows keep their places and values.
func (c *Cache) Grow(positions int) {
	if positions <= c.Positions() || c.DKV == 0 {
		return
	}
	for l := range c.K {
		k, v := make([]int16, positions*c.DKV), make([]int16, positions*c.DKV)
		copy(k, c.K[l])
		copy(v, c.V[l])
		c.K[l], c.V[l] = k, v
	}
}

// Observer sees each tensor of a stage as soon as it is computed, before anything reads it; index
// 0 is the stage's input. The tensor is valid during the call only.
type Observer interface {
	Tensor(c *opset.Context, index int, x *tensor.Tensor)
}

// Split calls work on ranges that cover [0, n), in any order, and returns when all are done.
type Split func(n int, work func(lo, hi int))

// Serial is the Split of one thread.
func Serial(n int, work func(lo, hi int)) { work(0, n) }

// Workspace owns the tensors of one stage run, for each position of a batch; it is reused by the
// next one.
type Workspace struct {
	Split    Split    // nil: Serial
	Observer Observer // nil: nobody looks
	// Materialize makes every operation write its tensor, also those that only move data or that
	// are computed together with the next one. It is implied by an Observer.
	Materialize bool

	frames []*frame
	one    [1]opset.Context
	in     [1]*tensor.Tensor
	kv     []*Cache // of a batch on one cache
	out    []*tensor.Tensor
	x      []int16 // activations of a product, in the order of its kernel
	shift  []int64
	live   []bool

	queries []kernel.Query
	tiles   []int                            // where parts of the batch begin that attend together
	rooms   [attendShares]*kernel.AttendRoom // of parts of a split, by where they begin
}

// frame are the tensors of one position.
type frame struct {
	t   []*tensor.Tensor
	own []*tensor.Tensor // the memory of each, where t may be another one's
	run call
}

// Tensors are the tensors of the last run's first position, valid until the next one. Without
// Materialize and Observer some are empty or stale: those that only move data, partial sums, and
// what the result does not depend on.
func (w *Workspace) Tensors() []*tensor.Tensor { return w.TensorsAt(0) }

// TensorsAt is Tensors of position j of the last batch.
func (w *Workspace) TensorsAt(j int) []*tensor.Tensor { return w.frames[j].t }

// Run computes every tensor of the stage from its input and returns the last one. Context and
// cache must fit the stage (graph.Validate); the K and V rows of position t are written to the cache.
func (w *Workspace) Run(s *Stage, c *opset.Context, in *tensor.Tensor, kv *Cache) *tensor.Tensor {
	w.one[0], w.in[0] = *c, in
	return w.RunBatch(s, w.one[:], w.in[:], kv)[0]
}

// RunBatch is Run for several positions, which follow each other, each after all of those before
// it are in the cache: the same numbers as one Run after the other. The results are valid until
// the next run.
func (w *Workspace) RunBatch(s *Stage, c []opset.Context, in []*tensor.Tensor, kv *Cache) []*tensor.Tensor {
	w.kv = w.kv[:0]
	for range c {
		w.kv = append(w.kv, kv)
	}
	return w.RunCaches(s, c, in, w.kv)
}

// RunCaches is RunBatch with the cache of each position: those on one cache follow each other, those
// on different ones do not see each other.
func (w *Workspace) RunCaches(s *Stage, c []opset.Context, in []*tensor.Tensor, kv []*Cache) []*tensor.Tensor {
	for len(w.frames) < len(c) {
		w.frames = append(w.frames, &frame{})
	}
	for j := range c {
		w.frames[j].load(in[j], s)
	}
	b := &batch{w: w, s: s, c: c, kv: kv}
	if w.whole() {
		for j := range c {
			w.see(&c[j], j, 0)
			b.ops(j, 1, len(s.Ops), false)
		}
	} else {
		b.fused()
	}
	w.out = w.out[:0]
	for _, f := range w.frames[:len(c)] {
		w.out = append(w.out, f.t[len(s.Ops)-1])
	}
	return w.out
}

// load makes the input of a stage tensor 0, as a copy.
func (f *frame) load(in *tensor.Tensor, s *Stage) {
	for len(f.t) < len(s.Ops) {
		f.t = append(f.t, nil)
	}
	f.t = f.t[:len(s.Ops)]
	if f.t[0] == nil {
		f.t[0] = &tensor.Tensor{}
	}
	x := f.t[0]
	x.Type, x.Shape, x.I16, x.I32 = in.Type, in.Shape, append(x.I16[:0], in.I16...), append(x.I32[:0], in.I32...)
}

// see shows tensor i of position j of the batch.
func (w *Workspace) see(c *opset.Context, j, i int) {
	if w.Observer != nil {
		w.Observer.Tensor(c, i, w.frames[j].t[i])
	}
}

// keep copies the stage's K or V row into the cache, after the observer has seen it.
func (f *frame) keep(s *Stage, c *opset.Context, i int, kv *Cache) {
	if s.Layer < 0 {
		return
	}
	at := int(c.T) * kv.DKV
	switch int64(i) {
	case s.Ops[0].P[1]:
		copy(kv.K[s.Layer][at:at+kv.DKV], f.t[i].I16)
	case s.Ops[0].P[2]:
		copy(kv.V[s.Layer][at:at+kv.DKV], f.t[i].I16)
	}
}

// room gives tensor i the shape of its target, reusing memory.
func (f *frame) room(i int, op *Op, c *opset.Context, whole bool) *tensor.Tensor {
	shape := op.Shape(c)
	dims := [3]int{int(shape[0]), int(shape[1]), int(shape[2])}
	if op.Op == opset.Transpose && !whole {
		dims = [3]int{}
	}
	n := dims[0] * dims[1] * dims[2]
	for len(f.own) <= i {
		f.own = append(f.own, nil)
	}
	x := f.own[i]
	if x == nil || x.Type != op.Type || !fits(x, n) {
		x = tensor.New(op.Type, dims[0], dims[1], max(dims[2], n/max(1, dims[0]*dims[1])))
	}
	x.Shape = dims
	x.I8, x.I16, x.I32, x.I64 = resize(x.I8, n), resize(x.I16, n), resize(x.I32, n), resize(x.I64, n)
	f.t[i], f.own[i] = x, x
	return x
}

func (w *Workspace) whole() bool { return w.Materialize || w.Observer != nil }

func fits(x *tensor.Tensor, n int) bool {
	return max(cap(x.I8), cap(x.I16), cap(x.I32), cap(x.I64)) >= n
}

func resize[T any](s []T, n int) []T {
	if s == nil {
		return nil
	}
	return s[:n]
}

// call is one operation on its way to a kernel.
type call struct {
	f     *frame
	op    *Op
	fused []Op // of the stage where nobody looks, nil where every tensor is made
	c     *opset.Context
	out   *tensor.Tensor
	kv    *Cache
	layer int
	rows  Split // nil: one thread
	set   *kernel.Set
}

func (r *call) split(n int, work func(lo, hi int)) {
	if r.rows == nil {
		work(0, n)
		return
	}
	r.rows(n, work)
}

// src is operand i: a tensor of the stage or a model tensor; nil if unused.
func (r *call) src(i int) *tensor.Tensor {
	switch s := r.op.Src[i]; s.Kind {
	case opset.Tensor:
		return r.f.t[s.Index]
	case opset.RootA:
		return r.op.A
	case opset.RootB:
		return r.op.B
	}
	return nil
}

// rowLen is n of the reduce form and of exp2.
func (r *call) rowLen() int {
	return int(r.op.Size(opset.Dim{C: uint32(r.op.P[0]), K: uint32(r.op.P[1])}, r.c))
}

func (r *call) outRows() int { return r.out.Shape[0] * r.out.Shape[1] }
