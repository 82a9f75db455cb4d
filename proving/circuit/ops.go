package circuit

import (
	"math"
	"math/big"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Circuits of vectors and matrices. Each stands for the definition of its name in compute/opset.

const leafBytes = opset.LeafBytes

func (e *env) src(i int) opset.Source { return e.d.Src[i] }

func (e *env) embed(j uint64) Num {
	v, y := max(e.p(0), 1), uint64(0)
	if e.c.YPrev >= 0 && uint64(e.c.YPrev) < v {
		y = uint64(e.c.YPrev)
	}
	return e.weight(v, y, j)
}

func (e *env) position(j uint64) Num {
	rows := max(e.p(0), 1)
	return e.weight(rows, min(uint64(e.c.T), rows-1), j)
}

func (e *env) weight(rows, n, j uint64) Num {
	padded := e.p(1)
	w := e.reads(e.src(0), tensor.I8, int(e.p(2)), rows*padded, n*padded+j, n*padded+j+1)[0]
	m, s := e.scales(e.src(1), rows, n)
	return e.rsBy(e.mul(w, m), s)
}

// chunk is what an element of the reduce form covers, and its first index in the row.
func (e *env) chunk(i uint64) (x []Num, first uint64) {
	n, f := e.size(), max(e.p(2), 1)
	shape := e.d.Shape(e.c)
	r, c := i/shape[2], i%shape[2]
	lo := min(c*f, n-1)
	return e.reads(e.src(0), e.dtype(3), leafBytes, shape[0]*shape[1]*n, r*n+lo, r*n+min(lo+f, n)), lo
}

func (e *env) most(x []Num) Num {
	m := x[0]
	for _, v := range x[1:] {
		m = e.greater(m, v)
	}
	return m
}

func (e *env) maxAbs(i uint64) Num {
	x, _ := e.chunk(i)
	out := make([]Num, len(x)) // x is what others read, too
	for k, v := range x {
		z := e.pick(e.below(v), e.neg(v), v)
		out[k] = e.num(z.v, new(big.Int), larger(new(big.Int).Abs(v.lo), new(big.Int).Abs(v.hi)))
	}
	return e.most(out)
}

func (e *env) max(i uint64) Num {
	x, _ := e.chunk(i)
	return e.most(x)
}

func (e *env) sum(i uint64) Num {
	x, _ := e.chunk(i)
	return e.add(x[0], x[1:]...)
}

// argKey has the greatest element first and its lowest index second.
func (e *env) argKey(i uint64) Num {
	x, first := e.chunk(i)
	key := func(k int) Num { return e.lit(1<<32 - 1 - int64(first) - int64(k)) }
	m, at := x[0], key(0)
	for k, v := range x[1:] {
		more := e.notNegative(e.sub(v, e.add(m, e.lit(1)))) // of equal ones the first stays
		lo, hi := larger(m.lo, v.lo), larger(m.hi, v.hi)
		m, at = e.num(e.pick(more, v, m).v, lo, hi), e.pick(more, key(k+1), at)
	}
	return e.add(e.mulBig(m, pow(32)), at)
}

func (e *env) sumSquares(i uint64) Num {
	x, _ := e.chunk(i)
	return e.squares(x, e.one(e.src(1), tensor.I64, 1, 0), e.dtype(3))
}

// squares is the sum of floor(x / 2^s)^2, s from the largest magnitude m.
func (e *env) squares(x []Num, m Num, t tensor.DType) Num {
	top := uint(8*t.Size() - 1) // elements are 0 or -1 beyond
	_, inverse, _ := e.normShift(m, 0, min(top, 40))
	return e.shiftedSquares(x, inverse, min(top, 40))
}

func (e *env) shiftedSquares(x []Num, inverse Num, top uint) Num {
	sum := make([]Num, len(x))
	for k, v := range x {
		sum[k] = e.square(e.shifted(e.mul(v, inverse), top))
	}
	return e.add(sum[0], sum[1:]...)
}

func (e *env) square(q Num) Num {
	s := e.mul(q, q)
	return e.num(s.v, new(big.Int), larger(s.lo, s.hi))
}

func (e *env) normInv(i uint64) Num {
	sum := e.one(e.src(0), tensor.I64, 1, 0)
	s, _, rest := e.normShift(e.one(e.src(1), tensor.I64, 1, 0), e.d.P[1], 0)
	if i == 1 {
		return s
	}
	return e.norm(e.add(sum, rest), e.d.P[0])
}

func (e *env) normApply(j uint64) Num {
	n := e.count()
	x := e.one(e.src(0), tensor.I32, n, j)
	inv := e.reads(e.src(1), tensor.I64, leafBytes, 2, 0, 2)
	z := e.rsBy(e.mul(x, inv[0]), e.satShift(e.d.P[0], inv[1]))
	if e.src(2).Kind == opset.None {
		return z
	}
	return e.rs(e.mul(z, e.one(e.src(2), tensor.I32, n, j)), e.d.P[1])
}

func (e *env) matMul(i uint64) Num {
	k, ch := e.p(0), max(e.p(1), 1)
	shape := e.d.Shape(e.c)
	cols := shape[2]
	n, c := i/cols, i%cols
	lo := min(c*ch, k-1)
	hi := min(lo+ch, k)
	x := e.reads(e.src(0), tensor.I16, leafBytes, k, lo, hi)
	at := (n*cols + c) * ch
	return e.dot(x, e.reads(e.src(1), tensor.I8, int(ch), shape[0]*shape[1]*cols*ch, at, at+(hi-lo)))
}

func (e *env) row(n uint64) Num {
	cols, rows := max(e.p(0), 1), e.count()
	x := e.reads(e.src(0), tensor.I64, leafBytes, rows*cols, n*cols, (n+1)*cols)
	m, exp := e.scales(e.src(1), rows, n)
	if e.src(2).Kind != opset.None {
		exp = e.less(exp, e.one(e.src(2), tensor.I64, 1, 0))
	}
	return e.rsBy(e.mul(e.add(x[0], x[1:]...), m), exp)
}

func (e *env) pair(j uint64) (x, a Num) {
	n := e.count()
	return e.one(e.src(0), tensor.I32, n, j), e.one(e.src(1), tensor.I32, n, j)
}

func (e *env) plus(j uint64) Num {
	x, a := e.pair(j)
	return e.add(x, a)
}

func (e *env) times(j uint64) Num {
	x, a := e.pair(j)
	return e.rs(e.mul(x, a), e.d.P[1])
}

func (e *env) relu(j uint64) Num {
	return e.clamp64(e.one(e.src(0), tensor.I32, e.count(), j), 0, math.MaxInt32)
}

// log2e is log2(e) in Q16.
const log2e = 94548

func (e *env) siluMul(j uint64) Num {
	g, u := e.pair(j)
	z := e.rs(e.mul64(e.abs(g), log2e), e.d.P[1])
	far := pow(40) // exp2 of anything below is 0
	ex := e.exp2(e.neg(e.clamp(z, new(big.Int), far)), 30)
	ex = e.num(ex.v, new(big.Int), pow(30)) // exp2(x, 30) <= 2^30 for x <= 0
	den, num := e.add(ex, e.big(pow(30))), e.pick(e.notNegative(g), e.big(pow(30)), ex)
	return e.rs(e.mul(e.rs(e.mul(e.div(e.mulBig(num, pow(30)), den), g), 30), u), e.d.P[2])
}

func (e *env) scale(uint64) Num { return e.fitting(e.one(e.src(0), tensor.I64, 1, 0)) }

func (e *env) rowScale(j uint64) Num { return e.fitting(e.one(e.src(0), tensor.I64, e.count(), j)) }

// fitting is the least s with rs(|x|, s) <= 32512: the number of those s that do not have it, since
// rs falls with s. rs(a, s) <= 32512 means a < 32513 * 2^s - 2^(s-1).
func (e *env) fitting(x Num) Num {
	a := e.abs(x)
	over := []Num{}
	for s := range uint(tensor.MaxShift) {
		limit := new(big.Int).Lsh(big64(actMax+1), s) // the first a that is too large
		if s > 0 {
			limit.Sub(limit, pow(s-1))
		}
		if a.hi.Cmp(limit) < 0 {
			break
		}
		over = append(over, e.flag(e.atLeast(a, e.big(limit))))
	}
	return e.add(e.lit(0), over...)
}

// actMax is the largest magnitude of a quantised activation.
const actMax = 32512

func (e *env) quant(j uint64) Num {
	x := e.one(e.src(0), tensor.I32, e.count(), j)
	if e.src(1).Kind == opset.None {
		return e.rs(x, e.d.P[1])
	}
	return e.rsBy(x, e.one(e.src(1), tensor.I64, 1, 0))
}

// Attention.

func (e *env) rope(i uint64) Num {
	n, hd, rd := e.count(), max(e.p(1), 1), e.p(2)
	dim := i % hd
	if dim >= rd {
		return e.rs(e.one(e.src(0), tensor.I32, n, i), e.d.P[3])
	}
	head := i - dim
	lo, hi, q := head+dim-dim%2, head+dim-dim%2+1, dim/2
	if e.d.P[4] == 1 {
		half := max(rd/2, 1)
		q = dim % half
		lo, hi = head+q, head+q+half
	}
	hi = min(hi, n-1)
	u, v := e.two(lo, hi, n)
	c, s := e.angle(q, rd)
	x := e.add(e.mul(u, s), e.mul(v, c))
	if head+dim == lo {
		x = e.sub(e.mul(u, c), e.mul(v, s))
	}
	shift := e.satShift(30, e.lit(e.d.P[3]))
	return e.rs(x, shift.lo.Int64())
}

// two reads a pair: neighbours as one read.
func (e *env) two(lo, hi, n uint64) (u, v Num) {
	if hi == lo+1 {
		p := e.reads(e.src(0), tensor.I32, leafBytes, n, lo, hi+1)
		return p[0], p[1]
	}
	return e.one(e.src(0), tensor.I32, n, lo), e.one(e.src(0), tensor.I32, n, hi)
}

func (e *env) angle(q, rd uint64) (c, s Num) {
	pairs, tmax := max(rd/2, 1), max(e.p(5), 1)
	q = min(q, pairs-1)
	at := 2 * (min(uint64(e.c.T), tmax-1)*pairs + q)
	p := e.reads(e.src(1), tensor.I32, leafBytes, 2*tmax*pairs, at, at+2)
	return p[0], p[1]
}

func (e *env) kvRow(own, kv opset.Source, v, pos, lo, hi uint64) []Num {
	if pos == uint64(e.c.T) {
		return e.reads(own, tensor.I16, opset.KVLeafBytes, e.p(5), lo, hi)
	}
	depths := e.p(7)
	dPos, dLayer, dRow := depths>>16&63, depths>>8&63, depths&63
	base := ((pos<<dLayer|e.p(4))<<1 | v) << dRow * opset.KVLeafBytes
	r := opset.Read{Source: kv, Total: opset.KVLeafBytes << (dPos + dLayer + 1 + dRow), Leaf: opset.KVLeafBytes}
	r.Lo, r.Hi = base+2*lo, base+2*hi
	return e.bytes(r, tensor.I16)
}

func (e *env) score(i uint64) Num {
	hd, group, heads, span := max(e.p(0), 1), max(e.p(1), 1), e.p(6), e.d.Span(e.c)
	h, pos := i/span, e.d.First(e.c)+i%span
	q := e.reads(e.src(0), tensor.I16, leafBytes, heads*hd, h*hd, (h+1)*hd)
	kh := h / group
	k := e.kvRow(e.src(1), e.src(2), 0, pos, kh*hd, (kh+1)*hd)
	return e.rs(e.mul64(e.dot(q, k), e.d.P[2]), e.d.P[3])
}

func (e *env) exp2Op(i uint64) Num {
	n, total := e.size(), e.count()
	x := e.one(e.src(0), tensor.I32, total, i)
	m := e.one(e.src(1), tensor.I64, total/n, i/n)
	const far = 1 << 40
	return e.exp2(e.sub(e.clamp64(x, -far, far), e.clamp64(m, -far, far)), max(-far, min(far, e.d.P[2])))
}

func (e *env) transpose(i uint64) Num {
	span := e.d.Span(e.c)
	el, pos := i/span, e.d.First(e.c)+i%span
	return e.kvRow(e.src(1), e.src(0), 1, pos, el, el+1)[0]
}

// mixChunk is the number of positions in a partial sum of mix.
const mixChunk = 128

func (e *env) mix(i uint64) Num {
	hd, group, heads, dkv, span := max(e.p(0), 1), max(e.p(1), 1), e.p(2), e.p(5), e.d.Span(e.c)
	chunks := e.d.Shape(e.c)[2]
	h, dim, c := i/chunks/hd, i/chunks%hd, i%chunks
	lo := min(c*mixChunk, span-1)
	hi := min(lo+mixChunk, span)
	p := e.reads(e.src(0), tensor.I32, leafBytes, heads*span, h*span+lo, h*span+hi)
	r := (h/group)*hd + dim
	return e.dot(p, e.reads(e.src(1), tensor.I16, leafBytes, dkv*span, r*span+lo, r*span+hi))
}

func (e *env) divOp(j uint64) Num {
	n, g := e.count(), max(e.p(1), 1)
	a := e.one(e.src(0), tensor.I64, n, j)
	return e.div(a, e.one(e.src(1), tensor.I64, (n+g-1)/g, j/g))
}
