package kernel

import "elenchus/compute/tensor"

// HeadNorm normalises each head of hd elements by its root mean square. |x| * inv < 2^62 by the
// validated K. SPEC 02 §4 op 50.
func HeadNorm(dst, x, gamma []int32, k, eps, shift, gshift int64) {
	hd := len(gamma)
	for lo := 0; lo < len(x); lo += hd {
		head := x[lo : lo+hd]
		m := uint64(0)
		for _, v := range head {
			m = max(m, tensor.Abs(int64(v)))
		}
		s := tensor.NormShift(int64(m))
		sum := eps >> (2 * s)
		for _, v := range head {
			q := int64(v) >> s
			sum += q * q // at most 256 * 2^48 in all
		}
		inv := int64(0)
		if r := isqrt(uint64(sum)); r > 0 {
			inv = k / int64(r)
		}
		for i, v := range head {
			z := Shift(Shift(int64(v)*inv, shift+int64(s))*int64(gamma[i]), gshift)
			dst[lo+i] = int32(tensor.Sat64(z, tensor.I32))
		}
	}
}

// Curves of Activate, and their constants. SPEC 02 §4 op 51.
const (
	curveTanh = iota
	curveSigmoid
	curveSiLU
	curveGELUTanh
	curveGELUErf
)

const (
	one30 = 1 << 30
	one24 = 1 << 24
)

// Activate writes a curve of the scaled elements, or the elements times the curve.
func Activate(dst, x []int32, kind, m, e, out, shift int64) {
	for i, v := range x {
		w := max(-one30, min(one30, Shift(int64(v)*m, e))) // |v * m| <= 2^55
		g := curve(kind, w)                                // |g| <= 2^30
		if kind <= curveSigmoid {
			g *= out // <= 2^31
		} else {
			g *= int64(v)
		}
		dst[i] = int32(tensor.Sat64(Shift(g, shift), tensor.I32))
	}
}

// curve is the value in Q30 at w in Q24, |w| <= 2^30: every product stays below 2^62.
func curve(kind, w int64) int64 {
	a := max(w, -w)
	if kind == curveGELUTanh {
		a = min(a, 1<<28)
	}
	square := tensor.RS64(a*a, 24) // <= 2^36, in kind 3 2^32
	z := int64(0)
	switch kind {
	case curveTanh:
		z = tensor.RS64(a*1512775, 27)
	case curveGELUTanh:
		cube := tensor.RS64(square*a, 24)                             // <= 2^36
		z = tensor.RS64((a+tensor.RS64(cube*750193, 24))*2414040, 28) // 2^31.6 * 2^21.3
	case curveGELUErf:
		z = tensor.RS64(square*756388, 28)
	default:
		z = tensor.RS64(a*1512775, 28)
	}
	ex := tensor.Exp2(-z, 30)
	if kind == curveGELUErf {
		return bell(w, a, ex)
	}
	num := int64(one30)
	switch {
	case kind == curveTanh:
		num = one30 - ex
	case w < 0:
		num = ex
	}
	g := tensor.Div64(num<<30, one30+ex)
	if kind == curveTanh && w < 0 {
		return -g
	}
	return g
}

// bell is the normal distribution from its tail. t <= 2^30 and |p + c| < 2^31.
func bell(w, a, ex int64) int64 {
	t := tensor.Div64(1<<54, one24+tensor.RS64(a*3886306, 24))
	p := int64(0)
	for _, c := range [...]int64{569837700, -780155054, 763115692, -152738022, 136810596} {
		p = tensor.RS64((c+p)*t, 30)
	}
	q := tensor.RS64(p*ex, 30)
	if w < 0 {
		return q
	}
	return one30 - q
}

// Center writes x less the mean of sum over n. SPEC 02 §4 op 52.
func Center(dst, x []int32, sum, n int64) {
	mean := tensor.Div64(sum, n)
	for j, v := range x {
		dst[j] = int32(tensor.Sat64(int64(v)-mean, tensor.I32))
	}
}
