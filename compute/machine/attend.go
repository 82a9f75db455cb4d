package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Attention as one step: where nobody looks, scores, weights and their sums are not made one by one, and
// positions that follow each other on one cache are computed together, for each head of the cache.

// attention is a chain of operations from scores to the division at its end, which nothing else reads.
type attention struct {
	q, k, v uint8  // tensors: the query, the row of keys and that of values
	scores  int    // the first of the chain
	ends    [3]int // tensors of one number for each row
	kernel  kernel.Attention
}

// attentionOf finds the attention that op i is the end of, nil if there is none that the set takes.
func attentionOf(ops []Op, i int, set *kernel.Set) *attention {
	o := &ops[i]
	if o.Op != opset.DivOp || o.Type != tensor.I16 || o.Src[0].Kind != opset.Tensor || o.Src[1].Kind != opset.Tensor {
		return nil
	}
	num, den := int(o.Src[0].Index), int(o.Src[1].Index)
	mix, exp := origin(ops, num, opset.Sum), origin(ops, den, opset.Sum)
	if ops[mix].Op != opset.Mix || ops[exp].Op != opset.Exp2Op || exp == den || int(ops[mix].Src[0].Index) != exp {
		return nil
	}
	values, sc, top := int(ops[mix].Src[1].Index), int(ops[exp].Src[0].Index), int(ops[exp].Src[1].Index)
	if ops[values].Op != opset.Transpose || ops[sc].Op != opset.Score || top == sc || origin(ops, top, opset.Max) != sc {
		return nil
	}
	for _, s := range []opset.Source{ops[mix].Src[0], ops[mix].Src[1], ops[exp].Src[0], ops[exp].Src[1], ops[sc].Src[0], ops[sc].Src[1], ops[values].Src[1]} {
		if s.Kind != opset.Tensor {
			return nil
		}
	}
	p := &ops[sc].P
	a := &attention{q: ops[sc].Src[0].Index, k: ops[sc].Src[1].Index, v: ops[values].Src[1].Index, scores: sc, ends: [3]int{num, den, top}}
	a.kernel = kernel.Attention{HD: int(p[0]), Group: int(p[1]), DKV: int(p[5]), Mult: p[2], Shift: p[3], Bits: int(ops[exp].P[2])}
	if !set.Attends(&a.kernel) || !a.whole(ops, i, sc, mix) || !closed(ops, i, sc) {
		return nil
	}
	return a
}

// origin follows sums or maxima of rows to what they are of.
func origin(ops []Op, i int, op opset.Code) int {
	for ops[i].Op == op && ops[i].Src[0].Kind == opset.Tensor {
		i = int(ops[i].Src[0].Index)
	}
	return i
}

// whole says whether all parts are of the same heads and of the same window.
func (a *attention) whole(ops []Op, end, sc, mix int) bool {
	s, m, d := &ops[sc], &ops[mix], &ops[end]
	heads := s.P[6]
	for i := sc; i < end; i++ {
		if ops[i].Dims[2].K != 0 && ops[i].Window != s.Window {
			return false
		}
	}
	return s.P[1] > 0 && heads%s.P[1] == 0 && heads/s.P[1]*s.P[0] == s.P[5] && m.P[0] == s.P[0] && m.P[1] == s.P[1] && m.P[2] == heads &&
		m.P[5] == s.P[5] && d.P[0] == heads*s.P[0] && d.P[1] == s.P[0]
}

// closed says whether what ops sc to end-1 make, apart from what else stands between them, is read by
// them and by op end alone.
func closed(ops []Op, end, sc int) bool {
	for i := sc; i < end; i++ {
		switch ops[i].Op {
		case opset.Score, opset.Max, opset.Exp2Op, opset.Sum, opset.Transpose, opset.Mix:
		default:
			return false
		}
	}
	for k := end + 1; k < len(ops); k++ {
		for _, s := range ops[k].Src {
			if s.Kind == opset.Tensor && int(s.Index) >= sc && int(s.Index) < end {
				return false
			}
		}
	}
	return true
}

// attention is what op i is the end of, nil if positions do not reduce each row to one number.
func (b *batch) attention(i int) *attention {
	a := b.s.Ops[i].attend
	if a == nil || b.s.Layer < 0 {
		return nil
	}
	for j := range b.c {
		for _, e := range a.ends {
			if o := &b.s.Ops[e]; o.Size(o.Dims[2], &b.c[j]) != 1 {
				return nil
			}
		}
	}
	return a
}

// tile bounds the scores that are in the making at once, in elements, so that they stay near the processor.
const tile = 1 << 16

// attendShares is into how many parts attention is cut at most: a room is kept for each, which at long contexts has a
// megabyte.
const attendShares = 32

// attend computes op i, the end of a, for all positions.
func (b *batch) attend(i int, a *attention) {
	w, op, scores := b.w, &b.s.Ops[i], &b.s.Ops[a.scores]
	w.queries, w.tiles = w.queries[:0], w.tiles[:0]
	work := 0
	for j := range b.c {
		f, c := w.frames[j], &b.c[j]
		z := kernel.Query{Q: f.t[a.q].I16, Out: f.room(i, op, c, false).I16, First: int(scores.First(c)), Span: int(scores.Span(c))}
		w.queries = append(w.queries, z)
		work += len(z.Q) * z.Span
		if n := len(w.tiles); n > 0 && b.follows(j) && (j-w.tiles[n-1]+1)*a.kernel.Group*z.Span <= tile {
			continue
		}
		w.tiles = append(w.tiles, j)
	}
	heads := a.kernel.DKV / a.kernel.HD
	n := heads * len(w.tiles)
	shares := min(n, len(w.rooms))
	b.rows(shares, 2*work, func(lo, hi int) {
		if w.rooms[lo] == nil { // nobody else begins there
			w.rooms[lo] = &kernel.AttendRoom{}
		}
		for u := lo * n / shares; u < hi*n/shares; u++ {
			from, to := w.tiles[u/heads], len(b.c)
			if u/heads+1 < len(w.tiles) {
				to = w.tiles[u/heads+1]
			}
			kv := b.kv[from]
			b.s.set.Attend(&a.kernel, u%heads, w.queries[from:to], kv.K[b.s.Layer], kv.V[b.s.Layer], w.rooms[lo])
		}
	})
}

// follows says whether position j is the one behind that before it in the batch.
func (b *batch) follows(j int) bool {
	return j > 0 && b.kv[j] == b.kv[j-1] && b.c[j].T == b.c[j-1].T+1
}
