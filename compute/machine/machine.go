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
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Op is a hyperedge with its model tensors at hand.
type Op struct {
	opset.Descriptor
	A, B *tensor.Tensor
}

// Stage is a resolved stage. Layer is its row in the KV cache, -1 without one.
type Stage struct {
	Ops   []Op
	Layer int
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

// Observer sees each tensor of a stage as soon as it is computed, before anything reads it; index
// 0 is the stage's input. The tensor is valid during the call only.
type Observer interface {
	Tensor(c *opset.Context, index int, x *tensor.Tensor)
}

// Split calls work on ranges that cover [0, n), in any order, and returns when all are done.
type Split func(n int, work func(lo, hi int))

// Serial is the Split of one thread.
func Serial(n int, work func(lo, hi int)) { work(0, n) }

// Workspace owns the tensors of one stage run; it is reused by the next one.
type Workspace struct {
	Split    Split    // nil: Serial
	Observer Observer // nil: nobody looks
	// Materialize makes operations that only move data (transpose) write their tensor. It is
	// implied by an Observer.
	Materialize bool
	t           []*tensor.Tensor
}

// Tensors are the tensors of the last run, valid until the next one. Without Materialize and
// Observer those that only move data are empty.
func (w *Workspace) Tensors() []*tensor.Tensor { return w.t }

// Run computes every tensor of the stage from its input and returns the last one. Context and
// cache must fit the stage (graph.Validate); the K and V rows of position t are written to the cache.
func (w *Workspace) Run(s *Stage, c *opset.Context, in *tensor.Tensor, kv *Cache) *tensor.Tensor {
	for len(w.t) < len(s.Ops) {
		w.t = append(w.t, nil)
	}
	w.t = w.t[:len(s.Ops)]
	w.load(in, &s.Ops[0])
	w.see(c, 0)
	for i := 1; i < len(s.Ops); i++ {
		op := &s.Ops[i]
		x := w.room(i, op, c)
		run := &call{w: w, op: op, c: c, out: x, kv: kv, layer: s.Layer}
		if int(op.Op) >= len(handlers) || handlers[op.Op] == nil {
			panic(fmt.Sprintf("machine: no kernel for %s", op.Op))
		}
		handlers[op.Op](run)
		w.see(c, i)
		w.keep(s, c, i, kv)
	}
	return w.t[len(s.Ops)-1]
}

func (w *Workspace) load(in *tensor.Tensor, op *Op) {
	cp := *in
	cp.I16 = append([]int16(nil), in.I16...)
	cp.I32 = append([]int32(nil), in.I32...)
	w.t[0] = &cp
}

func (w *Workspace) see(c *opset.Context, i int) {
	if w.Observer != nil {
		w.Observer.Tensor(c, i, w.t[i])
	}
}

// keep copies the stage's K or V row into the cache, after the observer has seen it.
func (w *Workspace) keep(s *Stage, c *opset.Context, i int, kv *Cache) {
	if s.Layer < 0 {
		return
	}
	at := int(c.T) * kv.DKV
	switch int64(i) {
	case s.Ops[0].P[1]:
		copy(kv.K[s.Layer][at:at+kv.DKV], w.t[i].I16)
	case s.Ops[0].P[2]:
		copy(kv.V[s.Layer][at:at+kv.DKV], w.t[i].I16)
	}
}

// room gives tensor i the shape of its target, reusing memory.
func (w *Workspace) room(i int, op *Op, c *opset.Context) *tensor.Tensor {
	shape := op.Shape(c)
	dims := [3]int{int(shape[0]), int(shape[1]), int(shape[2])}
	if op.Op == opset.Transpose && !w.whole() {
		dims = [3]int{}
	}
	n := dims[0] * dims[1] * dims[2]
	x := w.t[i]
	if x == nil || x.Type != op.Type || !fits(x, n) {
		x = tensor.New(op.Type, dims[0], dims[1], max(dims[2], n/max(1, dims[0]*dims[1])))
	}
	x.Shape = dims
	x.I8, x.I16, x.I32, x.I64 = resize(x.I8, n), resize(x.I16, n), resize(x.I32, n), resize(x.I64, n)
	w.t[i] = x
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
	w     *Workspace
	op    *Op
	c     *opset.Context
	out   *tensor.Tensor
	kv    *Cache
	layer int
}

func (r *call) split(n int, work func(lo, hi int)) {
	if r.w.Split == nil {
		work(0, n)
		return
	}
	r.w.Split(n, work)
}

// src is operand i: a tensor of the stage or a model tensor; nil if unused.
func (r *call) src(i int) *tensor.Tensor {
	switch s := r.op.Src[i]; s.Kind {
	case opset.Tensor:
		return r.w.t[s.Index]
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

func (r *call) rows() int { return r.out.Shape[0] * r.out.Shape[1] }
