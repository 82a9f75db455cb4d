package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Operations that cut the tail of the weights off: the k-th largest weight and the nucleus threshold
// are found by radix selection, four bits at a time, from histograms that are reduced like every
// other tensor. SPEC 02 §4 ops 30 to 33.

// Bins is the number of values of a digit.
const Bins = 16

// SelectRounds is the number of digits of a weight.
const SelectRounds = 8

// What a rank, a histogram and a mask are for.
const (
	ByCount  = 0 // top-k: elements count
	ByWeight = 1 // top-p: their values are added
)

// FullWeight is 1 in Q30: the weight of the likeliest token, and the settings top-p and min-p of
// which are fractions.
const FullWeight = 1 << 30

func rank(e *env, _ uint64) *big.Int {
	if e.d.P[1] == ByWeight {
		return Nucleus(b64(max(0, e.one(e.d.Src[0], tensor.I64, 1, 0))), e.c.TopP)
	}
	return b64(int64(TopRank(e.c.TopK, max(e.p(0), 1))))
}

// TopRank is the rank of the last of n tokens that top-k keeps.
func TopRank(k uint32, n uint64) uint64 {
	if k == 0 {
		return n
	}
	return min(uint64(k), n)
}

// Nucleus is ceil(z * p / 2^30), the weight that the nucleus must reach; z when p is 0 or at least 1.
func Nucleus(z *big.Int, p uint32) *big.Int {
	if p == 0 || p >= FullWeight {
		return z
	}
	v := new(big.Int).Mul(z, b64(int64(p)))
	return v.Rsh(v.Add(v, b64(FullWeight-1)), 30)
}

// round is p2 or p0 of a histogram or a digit, held inside the digits that exist.
func (e *env) round(i int) uint { return uint(min(e.p(i), SelectRounds-1)) }

func hist(e *env, i uint64) *big.Int {
	n, f, r := max(e.p(0), 1), max(e.p(1), 1), e.round(2)
	chunks := e.d.Shape(e.c)[2]
	bin, c := i/chunks%Bins, i%chunks
	lo := min(c*f, n-1)
	x := e.read(e.d.Src[0], tensor.I32, LeafBytes, n, lo, min(lo+f, n))
	prefix := int64(0)
	if r > 0 {
		prefix = e.read(e.d.Src[1], tensor.I64, LeafBytes, 2, 0, 2)[0]
	}
	sum := new(big.Int)
	for _, v := range x {
		u := uint64(uint32(v))
		if int64(u>>(32-4*r)) != prefix || u>>(28-4*r)&(Bins-1) != bin {
			continue
		}
		if e.d.P[3] == ByWeight {
			sum.Add(sum, b64(v))
		} else {
			sum.Add(sum, b64(1))
		}
	}
	return sum
}

func digit(e *env, i uint64) *big.Int {
	h := e.read(e.d.Src[0], tensor.I64, LeafBytes, Bins, 0, Bins)
	prefix, rest := int64(0), int64(0)
	if e.round(0) == 0 {
		rest = e.one(e.d.Src[1], tensor.I64, 1, 0)
	} else {
		s := e.read(e.d.Src[1], tensor.I64, LeafBytes, 2, 0, 2)
		prefix, rest = s[0], s[1]
	}
	if e.err != nil {
		return new(big.Int)
	}
	above, least := new(big.Int), b64(rest)
	d := Bins - 1
	for ; d > 0; d-- {
		next := new(big.Int).Add(above, b64(h[d]))
		if next.Cmp(least) >= 0 {
			break
		}
		above = next
	}
	if i == 0 {
		v := bmul(b64(prefix), Bins)
		return v.Add(v, b64(int64(d)))
	}
	return least.Sub(least, above)
}

func keep(e *env, j uint64) *big.Int {
	x := e.one(e.d.Src[0], tensor.I32, e.d.Count(e.c), j)
	least := e.read(e.d.Src[1], tensor.I64, LeafBytes, 2, 0, 2)[0]
	if x < least || e.d.P[1] == ByWeight && x < int64(e.c.MinP) {
		return new(big.Int)
	}
	return b64(x)
}
