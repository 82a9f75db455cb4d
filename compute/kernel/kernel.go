// Package kernel computes whole rows of the operations on validated tensors.
//
// It stands between tensor and opset in speed, not in meaning: every function here equals the
// element function of the same name in opset, bit for bit, on the inputs that graph.Validate
// admits. Functions compute rows [lo, hi), allocate nothing and start nothing. SPEC 02.
//
//	kernel.MatMul(dst, x, w, k, chunk, 0, n)
package kernel

import (
	"math/bits"

	"elenchus/compute/tensor"
)

// MatMul writes partial sums dst[n][c] for rows n in [lo, hi): x has k elements, w is [N][C][chunk].
// |dst| <= 512 * 2^15 * 2^7 = 2^31. SPEC 02 §4 op 9.
func MatMul(dst []int64, x []int16, w []int8, k, chunk, lo, hi int) {
	cols := (k + chunk - 1) / chunk
	for n := lo; n < hi; n++ {
		for c := range cols {
			a := x[c*chunk : min((c+1)*chunk, k)]
			dst[n*cols+c] = dot8(a, w[(n*cols+c)*chunk:][:len(a)])
		}
	}
}

func dot8(x []int16, w []int8) int64 {
	var s0, s1, s2, s3 int64
	w = w[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		s0 += int64(int32(x[i]) * int32(w[i]))
		s1 += int64(int32(x[i+1]) * int32(w[i+1]))
		s2 += int64(int32(x[i+2]) * int32(w[i+2]))
		s3 += int64(int32(x[i+3]) * int32(w[i+3]))
	}
	for ; i < len(x); i++ {
		s0 += int64(int32(x[i]) * int32(w[i]))
	}
	return s0 + s1 + s2 + s3
}

// Row writes rs(sum of partials * M, e - s), saturated, for rows [lo, hi). Bounds: at most 128
// partials of 2^31 and M < 2^24 give less than 2^62. SPEC 02 §4 op 10.
func Row(dst *tensor.Tensor, part []int64, scale []int32, cols int, s int64, lo, hi int) {
	for n := lo; n < hi; n++ {
		sum := int64(0)
		for _, v := range part[n*cols : (n+1)*cols] {
			sum += v
		}
		dst.Set(n, tensor.Sat64(Shift(sum*int64(scale[2*n]), int64(scale[2*n+1])-s), dst.Type))
	}
}

// Shift is rs for every s, given |x| <= 2^62 and, for negative s, a result that saturates to int64.
func Shift(x, s int64) int64 {
	if s >= 0 {
		return tensor.RS64(x, uint(min(s, tensor.MaxShift)))
	}
	n := uint(min(-s, tensor.MaxShift))
	if y := x << n; y>>n == x {
		return y
	}
	if x < 0 {
		return -1 << 63
	}
	return 1<<63 - 1
}

// MaxAbs writes the largest magnitude of each chunk of f elements. SPEC 02 §4 op 2.
func MaxAbs[T int32 | int64](dst []int64, x []T, n, f, lo, hi int) {
	chunks := (n + f - 1) / f
	for r := lo; r < hi; r++ {
		for c := range chunks {
			m := uint64(0)
			for _, v := range x[r*n+c*f : r*n+min(c*f+f, n)] {
				m = max(m, tensor.Abs(int64(v)))
			}
			dst[r*chunks+c] = int64(min(m, 1<<63-1))
		}
	}
}

// Max writes the maximum of each chunk. SPEC 02 §4 op 3.
func Max[T int32 | int64](dst []int64, x []T, n, f, lo, hi int) {
	chunks := (n + f - 1) / f
	for r := lo; r < hi; r++ {
		for c := range chunks {
			s := x[r*n+c*f : r*n+min(c*f+f, n)]
			m := s[0]
			for _, v := range s {
				m = max(m, v)
			}
			dst[r*chunks+c] = int64(m)
		}
	}
}

// Sum writes the sum of each chunk; the validated bound keeps it inside int64. SPEC 02 §4 op 4.
func Sum[T int32 | int64](dst []int64, x []T, n, f, lo, hi int) {
	chunks := (n + f - 1) / f
	for r := lo; r < hi; r++ {
		for c := range chunks {
			s := int64(0)
			for _, v := range x[r*n+c*f : r*n+min(c*f+f, n)] {
				s += int64(v)
			}
			dst[r*chunks+c] = s
		}
	}
}

// ArgKey writes the largest key x*2^32 + (2^32-1-i) of each chunk of one row. SPEC 02 §4 op 5.
func ArgKey(dst []int64, x []int32, n, f, lo, hi int) {
	chunks := (n + f - 1) / f
	for r := lo; r < hi; r++ {
		for c := range chunks {
			first := c * f
			best := int64(-1 << 63)
			for i, v := range x[r*n+first : r*n+min(first+f, n)] {
				best = max(best, int64(v)<<32+(1<<32-1-int64(first+i)))
			}
			dst[r*chunks+c] = best
		}
	}
}

// SumSquares writes sums of floor(x / 2^s)^2, |x >> s| < 2^24, chunks of at most 256. SPEC 02 §4 op 6.
func SumSquares(dst []int64, x []int32, m int64, f int) {
	s := tensor.NormShift(m)
	for c := range dst {
		sum := int64(0)
		for _, v := range x[c*f : min(c*f+f, len(x))] {
			q := int64(v >> s)
			sum += q * q
		}
		dst[c] = sum
	}
}

// NormInv writes (floor(k / isqrt(sum + floor(e / 4^s))), s). SPEC 02 §4 op 7.
func NormInv(dst []int64, sum, m, k, e int64) {
	s := tensor.NormShift(m)
	dst[0], dst[1] = 0, int64(s)
	if r := isqrt(uint64(sum + e>>(2*s))); r > 0 {
		dst[0] = k / int64(r)
	}
}

// isqrt is floor(sqrt(x)) by Newton's iteration from above, x < 2^63.
func isqrt(x uint64) uint64 {
	if x == 0 {
		return 0
	}
	r := uint64(1) << ((bits.Len64(x) + 1) / 2)
	for {
		n := (r + x/r) / 2
		if n >= r {
			return r
		}
		r = n
	}
}

// NormApply writes the normalised row, i16 or i32; gamma may be nil. |x| * inv < 2^63 by the
// validated K. SPEC 02 §4 op 8.
func NormApply(dst *tensor.Tensor, x []int32, inv [2]int64, shift int64, gamma []int32, gshift int64) {
	normFrom(dst, x, 0, inv, shift, gamma, gshift)
}

// normFrom is NormApply of the elements from one on.
func normFrom(dst *tensor.Tensor, x []int32, from int, inv [2]int64, shift int64, gamma []int32, gshift int64) {
	for j := from; j < len(x); j++ {
		z := Shift(int64(x[j])*inv[0], shift+inv[1])
		if gamma != nil {
			z = Shift(z*int64(gamma[j]), gshift)
		}
		dst.Set(j, tensor.Sat64(z, dst.Type))
	}
}

// Embed writes row y of the embedding. SPEC 02 §4 op 1.
func Embed(dst []int32, w []int8, scale []int32, y, padded int) {
	m, e := int64(scale[2*y]), int64(scale[2*y+1])
	for j := range dst {
		dst[j] = int32(tensor.Sat64(Shift(int64(w[y*padded+j])*m, e), tensor.I32))
	}
}

// Add writes x + a, saturated. SPEC 02 §4 op 11.
func Add(dst, x, a []int32) {
	for j := range dst {
		dst[j] = int32(tensor.Sat64(int64(x[j])+int64(a[j]), tensor.I32))
	}
}

// Mul writes rs(x*a, s), saturated. SPEC 02 §4 op 12.
func Mul(dst, x, a []int32, s int64) {
	for j := range dst {
		dst[j] = int32(tensor.Sat64(Shift(int64(x[j])*int64(a[j]), s), tensor.I32))
	}
}

// ReLU writes max(x, 0). SPEC 02 §4 op 13.
func ReLU(dst, x []int32) {
	for j, v := range x {
		dst[j] = max(v, 0)
	}
}

// SiLUMul writes silu(g) * u. SPEC 02 §4 op 14.
func SiLUMul(dst, g, u []int32, q, s int64) {
	for j := range dst {
		dst[j] = int32(tensor.Sat64(Shift(Shift(int64(g[j])*sigmoid30(g[j], q), 30)*int64(u[j]), s), tensor.I32))
	}
}

// Scale is the least s with rs(|m|, s) <= 32512. SPEC 02 §4 op 15.
func Scale(m int64) int64 {
	a := tensor.Abs(m)
	for s := max(0, bits.Len64(a)-15); s < tensor.MaxShift; s++ { // below, |m| / 2^s >= 2^15
		v := a
		if s > 0 {
			v = (a + 1<<(s-1)) >> s
		}
		if v <= 32512 {
			return int64(s)
		}
	}
	return tensor.MaxShift
}

// Quant writes rs(x, s), saturated. SPEC 02 §4 op 16.
func Quant(dst []int16, x []int32, s int64) {
	for j, v := range x {
		dst[j] = int16(tensor.Sat64(Shift(int64(v), s), tensor.I16))
	}
}

// Temper writes div(x * m, temperature), saturated. SPEC 02 §4 op 23.
func Temper(dst, x []int32, m int64, temperature uint32) {
	for j, v := range x {
		dst[j] = int32(tensor.Sat64(tensor.Div64(int64(v)*m, int64(temperature)), tensor.I32))
	}
}

// Select walks chunk q of x for the first prefix beyond r. SPEC 02 §4 op 25.
func Select[T int32 | int64](dst []int64, x []T, f int, q, r int64) {
	n := len(x)
	c := int(min(uint64(max(q, 0)), uint64((n+f-1)/f-1)))
	s := x[c*f : min(c*f+f, n)]
	prefix, j := int64(0), 0
	for ; j < len(s)-1; j++ {
		if prefix+int64(s[j]) > r {
			break
		}
		prefix += int64(s[j])
	}
	dst[0], dst[1] = int64(c*f+j), r-prefix
}

// MulHigh is floor(a * b / 2^64).
func MulHigh(a, b uint64) uint64 {
	hi, _ := bits.Mul64(a, b)
	return hi
}
