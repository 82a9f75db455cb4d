package circuit

import (
	"math/big"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Circuits of norms of heads and of curves. SPEC 02 §4.8.

func (e *env) headNorm(j uint64) Num {
	n, hd := e.count(), max(e.p(1), 1)
	lo := j - j%hd
	x := e.reads(e.src(0), tensor.I32, leafBytes, n, lo, min(lo+hd, n))
	gamma := e.one(e.src(1), tensor.I32, hd, j%hd)
	m := e.lit(0)
	for _, v := range x {
		m = e.greater(m, e.abs(v))
	}
	const top = 8 // of an i32
	s, inverse, rest := e.normShift(m, e.d.P[3], top)
	inv := e.norm(e.add(e.shiftedSquares(x, inverse, top), rest), e.d.P[2])
	z := e.rsBy(e.mul(inv, x[(j-lo)%uint64(len(x))]), e.satShift(e.d.P[4], s))
	return e.rs(e.mul(z, gamma), e.d.P[5])
}

// Constants of the curves, as opset has them.
const (
	curveTop   = 1 << 30
	cubeTop    = 1 << 28
	curveExp   = 1512775
	curveCubic = 750193
	curveTanh  = 2414040
	curveBell  = 756388
	curveTail  = 3886306
)

var curveTails = [...]int64{569837700, -780155054, 763115692, -152738022, 136810596}

func (e *env) activate(i uint64) Num {
	rows := e.d.Shape(e.c)
	x := e.one(e.src(0), tensor.I32, rows[0]*rows[1]*e.size(), i)
	w := e.clamp64(e.rs(e.mul64(x, e.d.P[3]), e.d.P[4]), -curveTop, curveTop)
	kind := int64(min(e.p(2), opset.GELUErf))
	g := e.curve(kind, w)
	if kind <= opset.Sigmoid {
		return e.rs(e.mul64(g, e.d.P[5]), e.d.P[6])
	}
	return e.rs(e.mul(g, x), e.d.P[6])
}

// curve is the value in Q30 at w in Q24.
func (e *env) curve(kind int64, w Num) Num {
	a, sign := e.abs(w), e.notNegative(w)
	if kind == opset.GELUTanh {
		a = e.clamp64(a, 0, cubeTop)
	}
	ex := e.exp2(e.neg(e.exponent(kind, a)), 30)
	one := e.lit(1 << 30)
	ex = e.num(ex.v, new(big.Int), pow(30))
	if kind == opset.GELUErf {
		return e.bell(sign, a, ex)
	}
	den, num := e.add(one, ex), e.pick(sign, one, ex)
	if kind == opset.Tanh {
		num = e.sub(one, ex)
	}
	g := e.div(e.mulBig(num, pow(30)), den)
	if kind == opset.Tanh {
		return e.pick(sign, g, e.neg(g))
	}
	return g
}

// exponent is z of the curve at a = |w|.
func (e *env) exponent(kind int64, a Num) Num {
	square := func() Num { return e.rs(e.mul(a, a), 24) }
	switch kind {
	case opset.Tanh:
		return e.rs(e.mul64(a, curveExp), 27)
	case opset.GELUTanh:
		cube := e.rs(e.mul(square(), a), 24)
		return e.rs(e.mul64(e.add(a, e.rs(e.mul64(cube, curveCubic), 24)), curveTanh), 28)
	case opset.GELUErf:
		return e.rs(e.mul64(square(), curveBell), 28)
	}
	return e.rs(e.mul64(a, curveExp), 28)
}

// bell is the normal distribution at w from its tail beyond a = |w|.
func (e *env) bell(sign bit, a, ex Num) Num {
	den := e.rs(e.mul64(a, curveTail), 24)
	t := e.div(e.lit(1<<54), e.add(den, e.lit(1<<24)))
	p := e.lit(0)
	for _, c := range curveTails {
		p = e.rs(e.mul(e.add(e.lit(c), p), t), 30)
	}
	q := e.rs(e.mul(p, ex), 30)
	return e.pick(sign, e.sub(e.lit(1<<30), q), q)
}
