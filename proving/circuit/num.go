package circuit

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/math/bits"
)

// ErrWide marks numbers that the field cannot hold without wrapping. No element of a descriptor that
// graph.Validate accepts has them.
var ErrWide = errors.New("number too wide for the field")

// fieldBits is the width that the numbers of a circuit stay below: 2^fieldBits is less than half of
// the BN254 scalar field, so that equal field elements are equal integers.
const fieldBits = 252

// Num is an integer in a circuit. Lo and hi are bounds that the constraints made so far imply for
// every witness; they are fixed when the circuit is built. The zero value is illegal.
type Num struct {
	v      frontend.Variable
	lo, hi *big.Int
	bits   []frontend.Variable // of v - lo for a cell, else nil
}

// bit is 0 or 1, constrained so.
type bit = frontend.Variable

// build makes constraints; after the first error everything is 0 and err stands.
type build struct {
	api frontend.API
	err error
}

func (b *build) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func big64(x int64) *big.Int { return big.NewInt(x) }

func pow(n uint) *big.Int { return new(big.Int).Lsh(big64(1), n) }

// num checks that the field holds the bounds.
func (b *build) num(v frontend.Variable, lo, hi *big.Int) Num {
	if max(lo.BitLen(), hi.BitLen()) > fieldBits || lo.Cmp(hi) > 0 {
		b.fail(fmt.Errorf("%w: %d and %d bits", ErrWide, lo.BitLen(), hi.BitLen()))
		return Num{v: 0, lo: new(big.Int), hi: new(big.Int)}
	}
	if lo.Cmp(hi) == 0 {
		v = lo
	}
	return Num{v: v, lo: lo, hi: hi}
}

func (b *build) big(x *big.Int) Num       { return b.num(x, x, x) }
func (b *build) lit(x int64) Num          { return b.big(big64(x)) }
func (x Num) constant() bool              { return x.lo.Cmp(x.hi) == 0 }
func (b *build) flag(x bit) Num           { return b.num(x, big64(0), big64(1)) }
func (b *build) neg(x Num) Num            { return b.mulBig(x, big64(-1)) }
func (b *build) sub(x, y Num) Num         { return b.add(x, b.neg(y)) }
func (b *build) not(x bit) bit            { return b.api.Sub(1, x) }
func (b *build) and(x, y bit) bit         { return b.api.Mul(x, y) }
func (b *build) mul64(x Num, y int64) Num { return b.mulBig(x, big64(y)) }

// cell makes an integer of lo..hi out of a free variable: what every witness cell goes through.
func (b *build) cell(v frontend.Variable, lo, hi *big.Int) Num {
	n := b.num(v, lo, hi)
	width := new(big.Int).Sub(hi, lo)
	n.bits = b.unpack(b.api.Sub(n.v, lo), width.BitLen())
	if new(big.Int).Add(width, big64(1)).Cmp(pow(uint(width.BitLen()))) != 0 {
		b.unpack(b.api.Sub(hi, n.v), width.BitLen())
	}
	return n
}

// unpack proves 0 <= v < 2^n and gives the bits, lowest first.
func (b *build) unpack(v frontend.Variable, n int) []frontend.Variable {
	if n == 0 {
		b.api.AssertIsEqual(v, 0)
		return nil
	}
	if n > fieldBits+1 {
		b.fail(fmt.Errorf("%w: %d bits", ErrWide, n))
		return make([]frontend.Variable, n)
	}
	return bits.ToBinary(b.api, v, bits.WithNbDigits(n))
}

// narrow proves that a sum is 0 or more and below 2^n, by digits of base 4: the lowest is what the others leave of the
// sum, so that each digit costs its own two constraints and one term.
func (b *build) narrow(n int, sum ...frontend.Variable) {
	if n < 1 || n > fieldBits+1 {
		b.fail(fmt.Errorf("%w: %d bits", ErrWide, n))
		return
	}
	var digits []frontend.Variable
	if n > 2 {
		var err error
		if digits, err = b.api.Compiler().NewHint(hintDigits, (n+1)/2-1, sum...); err != nil {
			b.fail(err)
			return
		}
	}
	for i, d := range digits {
		sum = append(sum, b.api.Mul(d, new(big.Int).Neg(pow(2*uint(i+1)))))
	}
	digits = append(digits, b.total(sum))
	if n%2 == 1 { // the highest is one bit; of two bits or less the lowest is the only one
		top := max(len(digits)-2, 0)
		b.api.AssertIsBoolean(digits[top])
		digits = slices.Delete(digits, top, top+1)
	}
	for _, d := range digits {
		b.digit(d)
	}
}

// digit proves that d is 0, 1, 2 or 3: d^2 - 3d is 0 for 0 and 3, and -2 for 1 and 2.
func (b *build) digit(d frontend.Variable) {
	half := new(big.Int).ModInverse(big64(-2), b.api.Compiler().Field())
	b.api.AssertIsBoolean(b.api.Mul(b.api.MulAcc(b.api.Mul(d, -3), d, d), half))
}

// below is 1 for x < 0, else 0: of a cell what its top bit says, which is proven already.
func (b *build) below(x Num) bit {
	if x.bits != nil && new(big.Int).Neg(x.lo).Cmp(pow(uint(len(x.bits)-1))) == 0 {
		return b.not(x.bits[len(x.bits)-1]) // the top bit of x + 2^n, which has n+1
	}
	return b.not(b.notNegative(x))
}

// pack is the number of bits, lowest first.
func (b *build) pack(x []frontend.Variable) frontend.Variable {
	terms := make([]frontend.Variable, len(x), len(x)+2)
	for i := range x {
		terms[i] = b.api.Mul(x[i], pow(uint(i)))
	}
	return b.total(terms)
}

// total adds any number of variables.
func (b *build) total(x []frontend.Variable) frontend.Variable {
	switch len(x) {
	case 0:
		return 0
	case 1:
		return x[0]
	}
	return b.api.Add(x[0], x[1], x[2:]...)
}

func (b *build) add(x Num, more ...Num) Num {
	lo, hi := new(big.Int).Set(x.lo), new(big.Int).Set(x.hi)
	terms := []frontend.Variable{x.v}
	for _, y := range more {
		lo.Add(lo, y.lo)
		hi.Add(hi, y.hi)
		terms = append(terms, y.v)
	}
	return b.num(b.total(terms), lo, hi)
}

// corners are the least and the greatest product of two intervals.
func corners(a, b, c, d *big.Int) (lo, hi *big.Int) {
	for _, x := range []*big.Int{a, b} {
		for _, y := range []*big.Int{c, d} {
			p := new(big.Int).Mul(x, y)
			if lo == nil || p.Cmp(lo) < 0 {
				lo = p
			}
			if hi == nil || p.Cmp(hi) > 0 {
				hi = p
			}
		}
	}
	return lo, hi
}

func (b *build) mul(x, y Num) Num {
	lo, hi := corners(x.lo, x.hi, y.lo, y.hi)
	return b.num(b.api.Mul(x.v, y.v), lo, hi)
}

func (b *build) mulBig(x Num, y *big.Int) Num {
	lo, hi := corners(x.lo, x.hi, y, y)
	return b.num(b.api.Mul(x.v, y), lo, hi)
}

// dot is the sum of products of pairs.
func (b *build) dot(x, y []Num) Num {
	terms := make([]Num, min(len(x), len(y)))
	for i := range terms {
		terms[i] = b.mul(x[i], y[i])
	}
	return b.add(b.lit(0), terms...)
}

// pick is x where c is 1, else y.
func (b *build) pick(c bit, x, y Num) Num {
	if k, ok := b.api.Compiler().ConstantValue(c); ok {
		if k.Sign() != 0 {
			return x
		}
		return y
	}
	return b.num(b.api.Add(y.v, b.api.Mul(c, b.api.Sub(x.v, y.v))), lesser(x.lo, y.lo), larger(x.hi, y.hi))
}

func lesser(x, y *big.Int) *big.Int {
	if x.Cmp(y) < 0 {
		return x
	}
	return y
}

func larger(x, y *big.Int) *big.Int {
	if x.Cmp(y) > 0 {
		return x
	}
	return y
}

// notNegative is 1 for x >= 0, else 0.
func (b *build) notNegative(x Num) bit {
	if x.lo.Sign() >= 0 {
		return 1
	}
	if x.hi.Sign() < 0 {
		return 0
	}
	n := max(new(big.Int).Not(x.lo).BitLen(), x.hi.BitLen())
	return b.unpack(b.api.Add(x.v, pow(uint(n))), n+1)[n]
}

func (b *build) atLeast(x, y Num) bit { return b.notNegative(b.sub(x, y)) }

// equal is 1 for x = y, else 0: m = 1 - d*i with d*m = 0 and i*m = 0, so that m and i are the only
// ones for each difference d.
func (b *build) equal(x, y Num) bit {
	d := b.sub(x, y)
	switch {
	case d.lo.Sign() > 0 || d.hi.Sign() < 0:
		return 0
	case d.constant():
		return 1
	}
	i, err := b.api.Compiler().NewHint(hintInverse, 1, d.v)
	if err != nil {
		b.fail(err)
		return 0
	}
	m := b.api.Sub(1, b.api.Mul(d.v, i[0]))
	b.api.AssertIsEqual(b.api.Mul(d.v, m), 0)
	b.api.AssertIsEqual(b.api.Mul(i[0], m), 0)
	return m
}

// clamp holds x inside lo..hi.
func (b *build) clamp(x Num, lo, hi *big.Int) Num {
	if x.hi.Cmp(hi) > 0 {
		x = b.num(b.pick(b.notNegative(b.sub(b.big(hi), x)), x, b.big(hi)).v, lesser(x.lo, hi), hi)
	}
	if x.lo.Cmp(lo) < 0 {
		x = b.num(b.pick(b.notNegative(b.sub(x, b.big(lo))), x, b.big(lo)).v, lo, larger(x.hi, lo))
	}
	return x
}

func (b *build) clamp64(x Num, lo, hi int64) Num { return b.clamp(x, big64(lo), big64(hi)) }

// greater is the greater one.
func (b *build) greater(x, y Num) Num {
	z := b.pick(b.atLeast(x, y), x, y)
	return b.num(z.v, larger(x.lo, y.lo), larger(x.hi, y.hi))
}

// abs is |x|.
func (b *build) abs(x Num) Num {
	z := b.pick(b.notNegative(x), x, b.neg(x))
	hi := larger(new(big.Int).Abs(x.lo), new(big.Int).Abs(x.hi))
	return b.num(z.v, new(big.Int), hi)
}

// oneHot turns the bits of a number into 2^len(x) flags.
func (b *build) oneHot(x []bit) []bit {
	out := []bit{1}
	for i := range x {
		next := make([]bit, 2*len(out))
		for k, o := range out {
			next[k+len(out)] = b.api.Mul(o, x[i])
			next[k] = b.api.Sub(o, next[k+len(out)])
		}
		out = next
	}
	return out
}
