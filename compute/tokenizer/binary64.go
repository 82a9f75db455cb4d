package tokenizer

import "math/bits"

// Scores of unigram pieces are IEEE 754 binary64 numbers, as bits: references add them in this
// format, and which of two segmentations wins may hang on its rounding. The operations here are
// exact by definition, without a floating point unit.

// fractionBits is the width of the fraction of binary64, bias that of its exponent.
const (
	fractionBits = 52
	exponentMask = 0x7FF
	signBit      = 1 << 63
	// maxExponent bounds scores by 2^64, so that no sum over a text overflows.
	maxExponent = 1023 + 63
)

// finiteScore says whether bits are a number of magnitude below 2^64.
func finiteScore(x uint64) bool { return x>>fractionBits&exponentMask <= maxExponent }

// order maps numbers to integers that compare as they do.
func order(x uint64) int64 {
	if x&signBit != 0 {
		return -int64(x &^ signBit)
	}
	return int64(x)
}

// guard bits below the fraction keep rounding exact.
const guard = 9

// unpack gives magnitude 1.fraction << guard and exponent; subnormals have no hidden bit.
func unpack(x uint64) (fraction uint64, exponent int) {
	fraction = x & (1<<fractionBits - 1)
	exponent = int(x >> fractionBits & exponentMask)
	if exponent == 0 {
		return fraction << guard, 1
	}
	return (fraction | 1<<fractionBits) << guard, exponent
}

// add is the sum of two finite numbers, rounded to nearest, ties to even.
func add(x, y uint64) uint64 {
	if x&^signBit < y&^signBit {
		x, y = y, x
	}
	a, ea := unpack(x)
	b, eb := unpack(y)
	b = shiftSticky(b, ea-eb)
	if (x^y)&signBit == 0 {
		return pack(x&signBit, a+b, ea)
	}
	if a == b {
		return 0 // +0; -0 + -0 took the way above
	}
	return pack(x&signBit, a-b, ea)
}

// shiftSticky shifts right; the last bit says that anything was lost.
func shiftSticky(x uint64, by int) uint64 {
	if by >= 64 {
		by = 63
	}
	out := x >> by
	if out<<by != x {
		out |= 1
	}
	return out
}

// pack rounds a magnitude with guard bits.
func pack(sign, fraction uint64, exponent int) uint64 {
	const hidden = fractionBits + guard // position of the hidden bit
	if fraction>>(hidden+1) != 0 {
		fraction, exponent = shiftSticky(fraction, 1), exponent+1
	}
	if up := bits.LeadingZeros64(fraction) - (63 - hidden); up > 0 {
		up = min(up, exponent-1)
		fraction, exponent = fraction<<up, exponent-up
	}
	rest := fraction & (1<<guard - 1)
	fraction >>= guard
	if rest > 1<<(guard-1) || rest == 1<<(guard-1) && fraction&1 != 0 {
		fraction++
	}
	if fraction>>fractionBits == 0 {
		return sign | fraction // subnormal or zero
	}
	// A carry out of the fraction raises the exponent by addition.
	return sign | (uint64(exponent-1)<<fractionBits + fraction)
}
