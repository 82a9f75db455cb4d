package tensor

import (
	"math/big"
	"math/bits"
)

// MaxShift is the largest effective shift of rs, SPEC 01 §3.1.
const MaxShift = 62

// RS is the one rounding rule: x * 2^-s rounded half up. SPEC 01 §3.1.
func RS(x *big.Int, s int64) *big.Int {
	switch {
	case s == 0:
		return x
	case s < 0:
		return new(big.Int).Lsh(x, uint(-max(s, -MaxShift)))
	}
	n := uint(min(s, MaxShift))
	half := new(big.Int).Lsh(big.NewInt(1), n-1)
	return half.Rsh(half.Add(half, x), n)
}

// RS64 is RS for 0 <= s <= 62 and |x| + 2^(s-1) < 2^63, which the caller has proven.
func RS64(x int64, s uint) int64 {
	if s == 0 {
		return x
	}
	return (x + 1<<(s-1)) >> s
}

// Sat clamps x to the range of d. SPEC 01 §3.2.
func Sat(x *big.Int, d DType) int64 {
	lo, hi := Range(d)
	if x.IsInt64() {
		return max(lo, min(hi, x.Int64()))
	}
	if x.Sign() < 0 {
		return lo
	}
	return hi
}

// Sat64 clamps x to the range of d.
func Sat64(x int64, d DType) int64 {
	lo, hi := Range(d)
	return max(lo, min(hi, x))
}

// Range is the least and the greatest value of an element type.
func Range(d DType) (lo, hi int64) {
	n := uint(8*d.Size() - 1)
	return -1 << n, 1<<n - 1
}

// Div is the rounding division of SPEC 01 §3.3: 0 for b <= 0.
func Div(a, b *big.Int) *big.Int {
	if b.Sign() <= 0 {
		return new(big.Int)
	}
	n := new(big.Int).Lsh(a, 1)
	n.Add(n, b)
	return n.Div(n, new(big.Int).Lsh(b, 1)) // Euclidean equals floor for a positive divisor.
}

// Div64 is Div for |a| < 2^62 and b < 2^62.
func Div64(a, b int64) int64 {
	if b <= 0 {
		return 0
	}
	n, d := 2*a+b, 2*b
	q := n / d
	if n%d < 0 {
		q--
	}
	return q
}

// Abs is |x| in 64 bits, exact for the least int64 too.
func Abs(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// NormShift is s of sum_squares and norm_inv: max(0, bitlen(m) - 24). SPEC 02 §4 ops 6, 7.
func NormShift(m int64) uint { return uint(max(0, bits.Len64(Abs(m))-24)) }

// Exp2 is 2^(x/65536) with q fraction bits; x > 0 acts as 0. Results beyond int64 are its greatest
// value. |x| <= 2^41 and |q| <= 2^40; kernels use 0 <= q <= 30. SPEC 01 §3.6.
func Exp2(x int64, q int) int64 {
	x = min(x, 0)
	i := x >> 16
	f := x - i<<16
	a, b := f>>8, f&255
	v := RS64(exp2Table[a]*(256-b)+exp2Table[a+1]*b, 8)
	s := int64(30-q) - i
	switch {
	case s > MaxShift:
		return 0
	case s < -32: // v is 2^30 at least
		return 1<<63 - 1
	case s < 0:
		return v << uint(-s) // v < 2^31, so below 2^63
	}
	return RS64(v, uint(s))
}
