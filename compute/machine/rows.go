package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/tensor"
)

// Operations on the rows of matrices and on experts.

func share(r *call) {
	p := &r.op.P
	if x := r.src(0); x.Type == tensor.I32 {
		kernel.Share(r.out.I32, x.I32, r.src(1).I64, p[1], int(p[2]), p[3])
	} else {
		kernel.Share(r.out.I32, x.I64, r.src(1).I64, p[1], int(p[2]), p[3])
	}
}

// blocks is the layout of an operation on blocks; source 2 names them.
func (r *call) blocks() kernel.Blocks {
	z := kernel.Blocks{Count: int(r.op.P[2])}
	if a := r.src(2); a != nil {
		z.Names = a.I32
	}
	return z
}

// rowMatMul multiplies the rows of the blocks that are named, and no others.
func rowMatMul(r *call) {
	k, chunk := int(r.op.P[0]), int(r.op.P[1])
	rows, n, cols := r.out.Shape[0], r.out.Shape[1], r.out.Shape[2]
	x, w, z := r.src(0).I16, r.src(1).I8, r.blocks()
	r.split(rows*n, func(lo, hi int) {
		for lo < hi { // the part of one row
			row, first := lo/n, lo%n
			last := min(n, first+hi-lo)
			a := x
			if r.op.P[3] == 1 {
				a = x[row*k:][:k]
			}
			kernel.MatMul(r.out.I64[row*n*cols:][:n*cols], a, w[z.Of(row)*n*cols*chunk:][:n*cols*chunk], k, chunk, first, last)
			lo += last - first
		}
	})
}

func rowResult(r *call) {
	z := r.blocks()
	z.Chunks, z.Width, z.Inner = int(r.op.P[0]), int(r.op.P[1]), r.op.P[3] == 1
	var shift []int64
	if a := r.src(3); a != nil {
		shift = a.I64
	}
	r.split(r.out.Len(), func(lo, hi int) {
		kernel.RowResult(r.out, r.src(0).I64, r.src(1).I32, z, shift, lo, hi)
	})
}
