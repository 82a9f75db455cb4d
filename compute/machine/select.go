package machine

import (
	"math"

	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

// Radix selection. Histograms by chunks exist for whoever asks for an element of them: where nobody
// looks, a digit is found in one pass over the tensor that they are of.

func rank(r *call) {
	if r.op.P[1] == opset.ByCount {
		r.out.I64[0] = int64(opset.TopRank(r.c.TopK, uint64(r.op.P[0])))
		return
	}
	z := max(0, r.src(0).I64[0])
	if p := r.c.TopP; p != 0 && p < opset.FullWeight {
		z = kernel.CeilFraction(z, p)
	}
	r.out.I64[0] = z
}

func hist(r *call) {
	prefix := int64(0)
	if s := r.src(1); s != nil {
		prefix = s.I64[0]
	}
	kernel.Hist(r.out.I64, r.src(0).I32, int(r.op.P[1]), prefix, uint(r.op.P[2]), r.op.P[3] == opset.ByWeight)
}

func digit(r *call) {
	state, prefix := r.src(1).I64, int64(0)
	rest := state[0]
	if r.op.P[0] > 0 {
		prefix, rest = state[0], state[1]
	}
	if r.fused == nil {
		kernel.Digit(r.out.I64, r.src(0).I64, prefix, rest)
		return
	}
	e := &r.fused[histogram(r.fused, int(r.op.Src[0].Index))]
	var bins [opset.Bins]int64
	kernel.Totals(&bins, r.f.t[e.Src[0].Index].I32, prefix, uint(e.P[2]), e.P[3] == opset.ByWeight)
	kernel.Digit(r.out.I64, bins[:], prefix, rest)
}

// histogram is the operation whose chunks tensor i adds up.
func histogram(ops []Op, i int) int {
	for ops[i].Op == opset.Sum {
		i = int(ops[i].Src[0].Index)
	}
	return i
}

func keep(r *call) {
	least, threshold := int64(math.MinInt64), int64(0)
	if r.op.P[1] == opset.ByWeight {
		least = int64(r.c.MinP)
	}
	if r.fused == nil || !onlyMinP(r.op, r.c) {
		threshold = r.src(1).I64[0]
	}
	kernel.Keep(r.out.I32, r.src(0).I32, threshold, least)
}
