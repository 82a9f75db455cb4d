package machine

import (
	"fmt"

	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

// batch is a run of one stage over positions that follow each other in their caches.
type batch struct {
	w  *Workspace
	s  *Stage
	c  []opset.Context
	kv []*Cache // of each position
}

// ops computes tensors [lo, hi) of position j, one after the other. Rows are split if alone.
func (b *batch) ops(j, lo, hi int, alone bool) {
	f, c := b.w.frames[j], &b.c[j]
	whole := b.w.whole()
	run := &f.run
	*run = call{f: f, c: c, kv: b.kv[j], layer: b.s.Layer, set: &b.s.set}
	if whole {
		run.set = &kernel.Set{}
	}
	if alone || whole {
		run.rows = b.w.Split
	}
	if !whole {
		run.fused = b.s.Ops
	}
	for i := lo; i < hi; i++ {
		if !whole && !b.w.live[i] {
			continue
		}
		run.op = &b.s.Ops[i]
		if !whole && b.passes(run.op) {
			f.t[i] = f.t[run.op.Src[0].Index]
			continue
		}
		run.out = f.room(i, run.op, c, whole)
		if int(run.op.Op) >= len(handlers) || handlers[run.op.Op] == nil {
			panic(fmt.Sprintf("machine: no kernel for %s", run.op.Op))
		}
		handlers[run.op.Op](run)
		b.w.see(c, j, i)
		f.keep(b.s, c, i, b.kv[j])
	}
	f.run = call{} // lets go of the cache
}

// fused runs the stage for all positions at once where nobody looks: products over the whole batch,
// what stands between them position by position.
func (b *batch) fused() {
	b.mark()
	for i := 1; i < len(b.s.Ops); {
		if l := b.linear(i); l != nil {
			if b.w.live[i] {
				b.product(i, l)
			}
			i++
			continue
		}
		if a := b.attention(i); a != nil {
			if b.w.live[i] {
				b.attend(i, a)
			}
			i++
			continue
		}
		end := b.end(i)
		if len(b.c) == 1 || b.w.Split == nil {
			for j := range b.c {
				b.ops(j, i, end, len(b.c) == 1)
			}
		} else {
			b.w.Split(len(b.c), func(lo, hi int) {
				for j := lo; j < hi; j++ {
					b.ops(j, i, end, false)
				}
			})
		}
		i = end
	}
}

// end is where the positions meet again after op i: at a product, at attention, and before the cache is read,
// since the rows of earlier positions must be there.
func (b *batch) end(i int) int {
	kept := false
	for k := i; k < len(b.s.Ops); k++ {
		if k > i && (b.linear(k) != nil || b.attention(k) != nil) {
			return k
		}
		for _, s := range b.s.Ops[k].Src {
			if s.Kind == opset.KV && kept {
				return k
			}
		}
		kept = kept || int64(k) == b.s.Ops[0].P[1] || int64(k) == b.s.Ops[0].P[2]
	}
	return len(b.s.Ops)
}

// linear is the fast product that gives tensor i, nil if there is none.
func (b *batch) linear(i int) *linear {
	l := b.s.Ops[i].fast
	if l == nil || l.scale != b.s.Ops[i].B || l.w != b.s.Ops[l.product].A {
		return nil
	}
	return l
}

// mark finds the tensors that the result and the cache depend on. Partial sums of a fast product are
// not among them.
func (b *batch) mark() {
	ops := b.s.Ops
	if len(b.w.live) < len(ops) {
		b.w.live = make([]bool, len(ops))
	}
	live := b.w.live[:len(ops)]
	clear(live)
	live[len(ops)-1] = true
	if k, v := ops[0].P[1], ops[0].P[2]; b.s.Layer >= 0 {
		live[k], live[v] = true, true
	}
	for i := len(ops) - 1; i > 0; i-- {
		if !live[i] {
			continue
		}
		if l := b.linear(i); l != nil {
			live[ops[l.product].Src[0].Index] = true
			for _, x := range ops[i].Src[1:] { // the product names the blocks that its rows name
				if x.Kind == opset.Tensor {
					live[x.Index] = true
				}
			}
			continue
		}
		if a := b.attention(i); a != nil {
			live[a.q], live[a.k], live[a.v] = true, true, true
			continue
		}
		b.needs(i, func(x uint8) { live[x] = true })
	}
}

// product computes op i, the rows of a product, for all positions.
func (b *batch) product(i int, l *linear) {
	if b.s.Ops[i].Op == opset.RowResult {
		b.named(i, l)
		return
	}
	w, op, src, p := b.w, &b.s.Ops[i], int(b.s.Ops[l.product].Src[0].Index), l.packed[0]
	stride, set := p.Stride(), b.s.set.For(p, len(b.c))
	w.grow(stride * len(b.c))
	w.out, w.shift = w.out[:0], w.shift[:0]
	for j := range b.c {
		f := w.frames[j]
		w.out = append(w.out, f.room(i, op, &b.c[j], false))
		w.shift = append(w.shift, f.shiftOf(op.Src[2], 0))
		set.Widen(p, w.x[j*stride:(j+1)*stride], f.t[src].I16)
	}
	x, out, shift := w.x, w.out, w.shift
	b.rows(p.Blocks(), p.N*p.K*len(b.c), func(lo, hi int) { set.Linear(out, p, x, stride, shift, lo, hi) })
	for j := range b.c {
		w.frames[j].keep(b.s, &b.c[j], i, b.kv[j])
	}
}

// grow makes room for n activations.
func (w *Workspace) grow(n int) {
	if len(w.x) < n {
		w.x = make([]int16, n)
	}
}

// shiftOf is the shift of a row: one that all share, its own, or none.
func (f *frame) shiftOf(s opset.Source, row int) int64 {
	if s.Kind != opset.Tensor {
		return 0
	}
	x := f.t[s.Index].I64
	return x[min(row, len(x)-1)]
}

// leastShared is the number of products below which a matrix is not worth waking a thread.
const leastShared = 1 << 17

// rows splits n blocks of rows, so many products in all.
func (b *batch) rows(n, products int, work func(lo, hi int)) {
	if b.w.Split == nil || products < leastShared {
		work(0, n)
		return
	}
	b.w.Split(n, work)
}
