package kernel

import "math/bits"

// Radix selection of a threshold, four bits a round. SPEC 02 §4 ops 30 to 33.

// bins is the number of values of a digit.
const bins = 16

// matches says whether the digits of x above round r are the prefix.
func matches(x int32, prefix int64, r uint) bool { return int64(uint64(uint32(x))>>(32-4*r)) == prefix }

// Hist writes for each digit (row) and chunk of f elements (column) how many elements of x have the
// digit in round r after the prefix, or the sum of those. SPEC 02 §4 op 31.
func Hist(dst []int64, x []int32, f int, prefix int64, r uint, weigh bool) {
	clear(dst)
	chunks := (len(x) + f - 1) / f
	for i, v := range x {
		if !matches(v, prefix, r) {
			continue
		}
		n := int64(1)
		if weigh {
			n = int64(v)
		}
		dst[int(uint32(v)>>(28-4*r)&(bins-1))*chunks+i/f] += n
	}
}

// Totals are the sums over all chunks of Hist.
func Totals(dst *[bins]int64, x []int32, prefix int64, r uint, weigh bool) {
	Hist(dst[:], x, max(1, len(x)), prefix, r, weigh)
}

// Digit writes the prefix with the digit at which the sum of h from above reaches rest, and what is
// left of rest below the bins above it. SPEC 02 §4 op 32.
func Digit(dst, h []int64, prefix, rest int64) {
	above, d := int64(0), bins-1
	for ; d > 0; d-- {
		if above+h[d] >= rest {
			break
		}
		above += h[d]
	}
	dst[0], dst[1] = prefix*bins+int64(d), rest-above
}

// Keep writes the elements that are at least both thresholds, 0 for the others. SPEC 02 §4 op 33.
func Keep(dst, x []int32, a, b int64) {
	least := max(a, b)
	for i, v := range x {
		if int64(v) < least {
			v = 0
		}
		dst[i] = v
	}
}

// CeilFraction is ceil(z * p / 2^30) for z >= 0 and p <= 2^30.
func CeilFraction(z int64, p uint32) int64 {
	hi, lo := bits.Mul64(uint64(z), uint64(p))
	lo, carry := bits.Add64(lo, 1<<30-1, 0)
	return int64((hi+carry)<<34 | lo>>30)
}
