package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Operations that decoder families beyond Llama need: norms of heads, curves, centring, learned
// positions.

// Curves of activate. SPEC 02 §4 op 51.
const (
	Tanh = iota
	Sigmoid
	SiLU
	GELUTanh
	GELUErf
)

// Constants of the curves. SPEC 02 §4.8.
const (
	curveTop   = 1 << 30 // |w| in Q24: 64
	cubeTop    = 1 << 28 // where gelu_tanh has become 0 or 1
	curveExp   = 1512775 // log2(e), Q20
	curveCubic = 750193  // 0.044715, Q24
	curveTanh  = 2414040 // 2 sqrt(2/pi) log2(e), Q20
	curveBell  = 756388  // log2(e) / 2, Q20
	curveTail  = 3886306 // 0.2316419, Q24
)

// curveTails are the coefficients of the tail of the normal distribution, Q30, highest power first.
// Their sum is 2^29, so that the tail from 0 is one half.
var curveTails = [...]int64{569837700, -780155054, 763115692, -152738022, 136810596}

// headNorm normalises a head of at most 256 elements by its root mean square.
func headNorm(e *env, j uint64) *big.Int {
	n, hd := e.d.Count(e.c), max(e.p(1), 1)
	lo := j - j%hd
	x := e.read(e.d.Src[0], tensor.I32, LeafBytes, n, lo, min(lo+hd, n))
	gamma := e.one(e.d.Src[1], tensor.I32, hd, j%hd)
	m := uint64(0)
	for _, v := range x {
		m = max(m, tensor.Abs(v))
	}
	s := tensor.NormShift(int64(m))
	r := b64(e.d.P[3] >> min(2*s, tensor.MaxShift))
	for _, v := range x {
		q := b64(v >> s)
		r.Add(r, q.Mul(q, q))
	}
	if r.Sign() <= 0 {
		return new(big.Int)
	}
	inv := r.Div(b64(e.d.P[2]), r.Sqrt(r))
	z := tensor.RS(inv.Mul(inv, b64(x[(j-lo)%uint64(len(x))])), satShift(e.d.P[4], int64(s)))
	return tensor.RS(bmul(z, gamma), e.d.P[5])
}

// activate is a curve of the scaled element, or the element times the curve.
func activate(e *env, i uint64) *big.Int {
	rows := e.d.Shape(e.c)
	x := e.one(e.d.Src[0], tensor.I32, rows[0]*rows[1]*e.size(), i)
	w := tensor.RS(bmul(b64(x), e.d.P[3]), e.d.P[4])
	top := b64(curveTop)
	if w.CmpAbs(top) > 0 {
		w = top.Mul(top, b64(int64(w.Sign())))
	}
	kind := int64(min(e.p(2), GELUErf))
	g := curve(kind, w)
	if kind <= Sigmoid {
		return tensor.RS(g.Mul(g, b64(e.d.P[5])), e.d.P[6])
	}
	return tensor.RS(g.Mul(g, b64(x)), e.d.P[6])
}

// curve is the value in Q30 at w in Q24, |w| <= 64: tanh, or the factor in 0..1 of the others.
func curve(kind int64, w *big.Int) *big.Int {
	a := new(big.Int).Abs(w)
	if kind == GELUTanh && a.Cmp(b64(cubeTop)) > 0 {
		a = b64(cubeTop)
	}
	square := tensor.RS(new(big.Int).Mul(a, a), 24)
	var z *big.Int
	switch kind {
	case Tanh:
		z = tensor.RS(bmul(a, curveExp), 27)
	case GELUTanh:
		cube := tensor.RS(new(big.Int).Mul(square, a), 24)
		z = tensor.RS(bmul(new(big.Int).Add(a, tensor.RS(bmul(cube, curveCubic), 24)), curveTanh), 28)
	case GELUErf:
		z = tensor.RS(bmul(square, curveBell), 28)
	default:
		z = tensor.RS(bmul(a, curveExp), 28)
	}
	one, ex := b64(1<<30), b64(tensor.Exp2(-z.Int64(), 30)) // z < 2^28
	if kind == GELUErf {
		return bell(w, a, ex)
	}
	den, num := new(big.Int).Add(one, ex), one
	if kind == Tanh {
		num = new(big.Int).Sub(one, ex)
	} else if w.Sign() < 0 {
		num = ex
	}
	g := tensor.Div(new(big.Int).Lsh(num, 30), den)
	if kind == Tanh && w.Sign() < 0 {
		g.Neg(g)
	}
	return g
}

// bell is the normal distribution at w from its tail beyond a = |w|, ex = exp(-w^2/2).
func bell(w, a, ex *big.Int) *big.Int {
	den := tensor.RS(bmul(a, curveTail), 24)
	t := tensor.Div(b64(1<<54), den.Add(den, b64(1<<24)))
	p := new(big.Int)
	for _, c := range curveTails {
		p = tensor.RS(new(big.Int).Mul(new(big.Int).Add(b64(c), p), t), 30)
	}
	q := tensor.RS(p.Mul(p, ex), 30)
	if w.Sign() < 0 {
		return q
	}
	return q.Sub(b64(1<<30), q)
}

// center takes the mean away.
func center(e *env, j uint64) *big.Int {
	n := e.d.Count(e.c)
	x := e.one(e.d.Src[0], tensor.I32, n, j)
	mean := tensor.Div(b64(e.one(e.d.Src[1], tensor.I64, 1, 0)), b64(int64(e.p(0))))
	return mean.Sub(b64(x), mean)
}

// position is row t of a learned table; beyond its end the last row stands.
func position(e *env, j uint64) *big.Int {
	return e.weight(max(e.p(0), 1), min(uint64(e.c.T), max(e.p(0), 1)-1), j)
}

// weight is weight j of row n out of rows, scaled.
func (e *env) weight(rows, n, j uint64) *big.Int {
	padded := e.p(1)
	w := e.read(e.d.Src[0], tensor.I8, int(e.p(2)), rows*padded, n*padded+j, n*padded+j+1)[0]
	m, s := e.rowScale(e.d.Src[1], rows, n)
	return tensor.RS(bmul(b64(w), m), s)
}
