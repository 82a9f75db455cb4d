package machine

import "elenchus/compute/kernel"

// Operations of encoders: rows of a text are split over threads where they are worth it.

func embedRows(r *call) {
	p := &r.op.P
	n, d := r.out.Shape[1], r.out.Shape[2]
	ids := r.src(0).I32[p[3]:][:n]
	kernel.EmbedRows(r.out.I32, ids, r.src(1).I8, r.src(2).I32, d, int(p[1]), 0, n)
}

// liveRows reads the list of ids of the run, not a tensor.
func liveRows(r *call) { kernel.Live(r.out.I32, r.c.Prompt, int(r.op.P[1])) }

func rowScore(r *call) {
	p, s := &r.op.P, r.out.Shape
	z := kernel.Heads{Width: int(p[0]), Count: s[1], Keys: s[2]}
	r.split(s[0], func(lo, hi int) {
		kernel.RowScore(r.out.I32, r.src(0).I16, r.src(1).I16, r.src(2).I32, z, p[2], p[3], lo, hi)
	})
}

func rowMix(r *call) {
	p, s := &r.op.P, r.out.Shape
	z := kernel.Heads{Width: int(p[0]), Count: s[1] / int(p[0]), Keys: int(p[1])}
	r.split(s[0], func(lo, hi int) { kernel.RowMix(r.out.I64, r.src(0).I32, r.src(1).I16, z, lo, hi) })
}

func rowSquares(r *call) {
	d, f, cols := int(r.op.P[0]), int(r.op.P[1]), r.out.Shape[2]
	x, m := r.src(0).I32, r.src(1).I64
	for row := range r.out.Shape[1] {
		r.set.SumSquares(r.out.I64[row*cols:][:cols], x[row*d:][:d], m[row], f)
	}
}

func rowNorm(r *call) {
	kernel.RowNorm(r.out.I32, r.src(0).I32, r.src(1).I64, r.src(2).I32, r.src(3).I32, r.op.P[0], r.op.P[1])
}
