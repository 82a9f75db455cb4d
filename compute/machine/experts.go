package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Products of rows with the blocks of a matrix that they name, on packed weights: the rows of all
// positions that name a block are multiplied together.

// errand is one row of one position on its way to its block.
type errand struct {
	position, row, block int
}

// errands collects the rows of op i of all positions, by block, and how many there are of each.
func (b *batch) errands(i int, l *linear) (list []errand, count []int) {
	m, op := &b.s.Ops[l.product], &b.s.Ops[i]
	rows, names := int(m.Shape(&b.c[0])[0]), op.Src[2]
	count = make([]int, len(l.packed))
	blockOf := func(j, r int) int {
		if names.Kind != opset.Tensor {
			return 0
		}
		return kernel.Clamp(b.w.frames[j].t[names.Index].I32[r], len(l.packed))
	}
	for j := range b.c {
		for r := range rows {
			count[blockOf(j, r)]++
		}
	}
	next, at := make([]int, len(count)), 0
	for e, n := range count {
		next[e], at = at, at+n
	}
	list = make([]errand, at)
	for j := range b.c {
		for r := range rows {
			e := blockOf(j, r)
			list[next[e]] = errand{j, r, e}
			next[e]++
		}
	}
	return list, count
}

// named computes op i, the rows of a product with named blocks, for all positions.
func (b *batch) named(i int, l *linear) {
	w, op, m := b.w, &b.s.Ops[i], &b.s.Ops[l.product]
	list, count := b.errands(i, l)
	for j := range b.c {
		w.frames[j].room(i, op, &b.c[j], false)
	}
	k, width, stride := int(m.P[0]), int(op.P[1]), l.packed[0].Stride()
	w.grow(stride * len(list))
	w.out, w.shift = w.out[:0], w.shift[:0]
	for n, e := range list {
		f := w.frames[e.position]
		x := f.t[m.Src[0].Index].I16
		if m.P[3] == 1 {
			x = x[e.row*k:]
		}
		p := l.packed[e.block]
		b.s.set.For(p, count[e.block]).Widen(p, w.x[n*stride:(n+1)*stride], x[:k])
		w.shift = append(w.shift, f.shiftOf(op.Src[3], e.row))
		if op.P[3] == 1 {
			w.out = append(w.out, tensor.New(op.Type, 1, 1, width))
		} else {
			w.out = append(w.out, piece(f.t[i], e.row*width, width))
		}
	}
	b.visit(l, count)
	if op.P[3] == 1 {
		for n, e := range list {
			scatter(w.frames[e.position].t[i], w.out[n], e.row)
		}
	}
	for j := range b.c {
		w.frames[j].keep(b.s, &b.c[j], i, b.kv[j])
	}
}

// piece is n elements of a row result, in its memory.
func piece(x *tensor.Tensor, at, n int) *tensor.Tensor {
	y := &tensor.Tensor{Type: x.Type, Shape: [3]int{1, 1, n}}
	if x.Type == tensor.I16 {
		y.I16 = x.I16[at : at+n]
	} else {
		y.I32 = x.I32[at : at+n]
	}
	return y
}

// scatter writes row r of a result whose rows are the inner axis.
func scatter(dst, x *tensor.Tensor, r int) {
	n := x.Len()
	rows := dst.Len() / n
	for c := range n {
		dst.Set(c*rows+r, x.At(c))
	}
}

// visit multiplies what named laid ready: count[e] rows for block e, one block after the other.
func (b *batch) visit(l *linear, count []int) {
	w, stride, each := b.w, l.packed[0].Stride(), l.packed[0].Blocks()
	x, out, shift := w.x, w.out, w.shift
	var used, first []int
	at := 0
	for e, n := range count {
		if n > 0 {
			used, first = append(used, e), append(first, at)
		}
		at += n
	}
	b.rows(len(used)*each, at*l.packed[0].N*l.packed[0].K, func(lo, hi int) {
		for lo < hi { // the part of one block of the matrix
			u, part := lo/each, lo%each
			end := min(each, part+hi-lo)
			from, n, p := first[u], count[used[u]], l.packed[used[u]]
			b.s.set.For(p, n).Linear(out[from:from+n], p, x[from*stride:], stride, shift[from:from+n], part, end)
			lo += end - part
		}
	})
}
