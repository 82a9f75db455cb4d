package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Operations on vectors and matrices: embed, norms, matmul, elementwise, quantise.

func embed(e *env, j uint64) *big.Int {
	v := max(e.p(0), 1)
	y := uint64(0)
	if e.c.YPrev >= 0 && uint64(e.c.YPrev) < v {
		y = uint64(e.c.YPrev)
	}
	return e.weight(v, y, j)
}

// chunk reads the chunk of the reduce form that element i covers, and its first index in the row.
func (e *env) chunk(i uint64) (x []int64, first uint64) {
	n, f := e.size(), max(e.p(2), 1)
	shape := e.d.Shape(e.c)
	r, c := i/shape[2], i%shape[2]
	rows := shape[0] * shape[1]
	lo := min(c*f, n-1)
	hi := min(lo+f, n)
	return e.read(e.d.Src[0], e.dtype(3), LeafBytes, rows*n, r*n+lo, r*n+hi), lo
}

func reduceMaxAbs(e *env, i uint64) *big.Int {
	x, _ := e.chunk(i)
	m := new(big.Int)
	for _, v := range x {
		if a := new(big.Int).Abs(b64(v)); a.Cmp(m) > 0 {
			m = a
		}
	}
	return m
}

func reduceMax(e *env, i uint64) *big.Int {
	x, _ := e.chunk(i)
	m := x[0]
	for _, v := range x[1:] {
		m = max(m, v)
	}
	return b64(m)
}

func reduceSum(e *env, i uint64) *big.Int {
	x, _ := e.chunk(i)
	s := new(big.Int)
	for _, v := range x {
		s.Add(s, b64(v))
	}
	return s
}

func reduceArgKey(e *env, i uint64) *big.Int {
	x, first := e.chunk(i)
	var m *big.Int
	for k, v := range x {
		key := new(big.Int).Lsh(b64(v), 32)
		key.Add(key, b64(1<<32-1-int64(first)-int64(k)))
		if m == nil || key.Cmp(m) > 0 {
			m = key
		}
	}
	return m
}

func sumSquares(e *env, i uint64) *big.Int {
	x, _ := e.chunk(i)
	s := tensor.NormShift(e.one(e.d.Src[1], tensor.I64, 1, 0))
	sum := new(big.Int)
	for _, v := range x {
		q := b64(v >> s)
		sum.Add(sum, q.Mul(q, q))
	}
	return sum
}

func normInv(e *env, i uint64) *big.Int {
	sum := e.one(e.d.Src[0], tensor.I64, 1, 0)
	s := tensor.NormShift(e.one(e.d.Src[1], tensor.I64, 1, 0))
	if i == 1 {
		return b64(int64(s))
	}
	r := b64(sum)
	r.Add(r, b64(e.d.P[1]>>min(2*s, tensor.MaxShift)))
	if r.Sign() <= 0 {
		return new(big.Int)
	}
	r.Sqrt(r)
	return r.Div(b64(e.d.P[0]), r) // Euclidean equals floor for r > 0.
}

func normApply(e *env, j uint64) *big.Int {
	n := e.d.Count(e.c)
	x := e.one(e.d.Src[0], tensor.I32, n, j)
	inv := e.read(e.d.Src[1], tensor.I64, LeafBytes, 2, 0, 2)
	z := tensor.RS(bmul(b64(x), inv[0]), satShift(e.d.P[0], inv[1]))
	if e.d.Src[2].Kind == None {
		return z
	}
	return tensor.RS(bmul(z, e.one(e.d.Src[2], tensor.I32, n, j)), e.d.P[1])
}

// satShift adds two shifts, saturating at the ends of int64: RS treats everything beyond 62 alike.
func satShift(a, b int64) int64 {
	s := a + b
	switch {
	case a > 0 && b > 0 && s < 0:
		return 1<<63 - 1
	case a < 0 && b < 0 && s >= 0:
		return -1 << 63
	}
	return s
}

func matMul(e *env, i uint64) *big.Int {
	k, ch := e.p(0), max(e.p(1), 1)
	shape := e.d.Shape(e.c)
	cols := shape[2]
	n, c := i/cols, i%cols
	lo := min(c*ch, k-1)
	hi := min(lo+ch, k)
	x := e.read(e.d.Src[0], tensor.I16, LeafBytes, k, lo, hi)
	at := (n*cols + c) * ch
	w := e.read(e.d.Src[1], tensor.I8, int(ch), shape[0]*shape[1]*cols*ch, at, at+(hi-lo))
	sum := int64(0) // |sum| <= 512 * 2^15 * 2^7 = 2^31
	for q := range x {
		sum += x[q] * w[q]
	}
	return b64(sum)
}

func row(e *env, n uint64) *big.Int {
	cols, rows := max(e.p(0), 1), e.d.Count(e.c)
	sum := new(big.Int)
	for _, v := range e.read(e.d.Src[0], tensor.I64, LeafBytes, rows*cols, n*cols, (n+1)*cols) {
		sum.Add(sum, b64(v))
	}
	m, exp := e.rowScale(e.d.Src[1], rows, n)
	if e.d.Src[2].Kind != None {
		s := e.one(e.d.Src[2], tensor.I64, 1, 0)
		exp = satShift(exp, -max(s, -(1<<63-1)))
	}
	return tensor.RS(bmul(sum, m), exp)
}

// pair reads element j of two i32 vectors of n elements.
func (e *env) pair(j uint64) (x, a int64) {
	n := e.d.Count(e.c)
	return e.one(e.d.Src[0], tensor.I32, n, j), e.one(e.d.Src[1], tensor.I32, n, j)
}

func add(e *env, j uint64) *big.Int {
	x, a := e.pair(j)
	return b64(x + a)
}

func mul(e *env, j uint64) *big.Int {
	x, a := e.pair(j)
	return tensor.RS(b64(x*a), e.d.P[1])
}

func relu(e *env, j uint64) *big.Int {
	return b64(max(0, e.one(e.d.Src[0], tensor.I32, e.d.Count(e.c), j)))
}

// log2e is log2(e) in Q16, rounded: 94548.
const log2e = 94548

func siluMul(e *env, j uint64) *big.Int {
	g, u := e.pair(j)
	return tensor.RS(bmul(tensor.RS(bmul(sigmoid30(g, e.d.P[1]), g), 30), u), e.d.P[2])
}

// sigmoid30 is 1 / (1 + e^-g) in Q30, g with the given number of fraction bits.
func sigmoid30(g, bits int64) *big.Int {
	z := tensor.RS(bmul(new(big.Int).Abs(b64(g)), log2e), bits)
	x := int64(-1 << 40) // exp2 of anything below -93 * 2^16 is 0
	if z.IsInt64() && z.Int64() < 1<<40 {
		x = -z.Int64()
	}
	ex := tensor.Exp2(x, 30)
	den := b64(1<<30 + ex)
	if g < 0 {
		return tensor.Div(b64(ex<<30), den)
	}
	return tensor.Div(b64(1<<60), den)
}

func scale(e *env, _ uint64) *big.Int { return fitting(e.one(e.d.Src[0], tensor.I64, 1, 0)) }

// fitting is the least shift that brings |x| to at most actMax.
func fitting(x int64) *big.Int {
	m := new(big.Int).Abs(b64(x))
	for s := int64(0); s < tensor.MaxShift; s++ {
		if tensor.RS(m, s).Cmp(b64(actMax)) <= 0 {
			return b64(s)
		}
	}
	return b64(tensor.MaxShift)
}

// actMax is the largest magnitude of a quantised activation: 127 * 256.
const actMax = 32512

func quant(e *env, j uint64) *big.Int {
	x := e.one(e.d.Src[0], tensor.I32, e.d.Count(e.c), j)
	s := e.d.P[1]
	if e.d.Src[1].Kind != None {
		s = e.one(e.d.Src[1], tensor.I64, 1, 0)
	}
	return tensor.RS(b64(x), s)
}
