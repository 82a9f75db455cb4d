package kernel_test

import (
	"math/rand/v2"

	"elenchus/compute/kernel"
)

// drawAttention draws queries of up to 9 positions, which follow each other, all of whose rows are in a
// cache that ends with the last one; windows may hide the first of them. The plain set goes the way of
// ops 18 to 22, head by head; those without kernels for all at once do so, too.
func drawAttention(r *rand.Rand) func(s *kernel.Set) any {
	a := kernel.Attention{HD: 32 * (1 + r.IntN(8)), Group: 1 + r.IntN(4), Mult: int64(r.IntN(1<<25) - 1<<24), Shift: int64(r.IntN(63)), Bits: r.IntN(27)}
	if r.IntN(2) == 0 {
		a.Shift = int64(34 + r.IntN(20))
	}
	kv, n, before := 1+r.IntN(2), 1+r.IntN(9), r.IntN(300)
	a.DKV = kv * a.HD
	k, v := row16(r, (before+n)*a.DKV), row16(r, (before+n)*a.DKV)
	window, q := 1+r.IntN(400), make([][]int16, n)
	for i := range q {
		q[i] = row16(r, kv*a.Group*a.HD)
	}
	return func(s *kernel.Set) any {
		var all []int16
		var queries []kernel.Query
		for i := range q {
			span := min(before+i+1, window)
			z := kernel.Query{Q: q[i], Out: make([]int16, len(q[i])), First: before + i + 1 - span, Span: span}
			if !s.Attends(&a) {
				plainAttention(&a, &z, k, v, kv*a.Group)
				all = append(all, z.Out...)
			}
			queries = append(queries, z)
		}
		if !s.Attends(&a) {
			return all
		}
		room := &kernel.AttendRoom{}
		for h := range kv {
			s.Attend(&a, h, queries, k, v, room)
		}
		for i := range queries {
			all = append(all, queries[i].Out...)
		}
		return all
	}
}

// plainAttention is attention by the plain kernels.
func plainAttention(a *kernel.Attention, z *kernel.Query, k, v []int16, heads int) {
	chunks := (z.Span + 127) / 128
	p, m, sum := make([]int32, heads*z.Span), make([]int64, heads), make([]int64, heads)
	part, num := make([]int64, heads*a.HD*chunks), make([]int64, heads*a.HD)
	kernel.Score(p, z.Q, k, a.HD, a.Group, a.DKV, z.First, z.Span, a.Mult, a.Shift, 0, heads)
	kernel.Max(m, p, z.Span, z.Span, 0, heads)
	kernel.Exp2(p, p, m, z.Span, a.Bits, 0, heads)
	kernel.Sum(sum, p, z.Span, z.Span, 0, heads)
	kernel.Mix(part, p, v, a.HD, a.Group, a.DKV, z.First, z.Span, 0, heads)
	kernel.Sum(num, part, chunks, chunks, 0, heads*a.HD)
	kernel.Div(z.Out, num, sum, a.HD)
}
