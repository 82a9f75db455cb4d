package circuit

import (
	"errors"
	"fmt"
	"math/big"

	"elenchus/compute/tensor"

	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
)

// Rounding, division, roots and powers of SPEC 01 §3. Quotients and remainders are ranged, so that
// there is one of each; what hints supply is never believed.

// floor is floor(x / 2^n).
func (b *build) floor(x Num, n uint) Num {
	q, _ := b.split(x, n)
	return q
}

// split is floor(x / 2^n) and the n bits below, lowest first.
func (b *build) split(x Num, n uint) (Num, []bit) {
	if n == 0 {
		return x, nil
	}
	lo, hi := new(big.Int).Rsh(x.lo, n), new(big.Int).Rsh(x.hi, n) // Rsh rounds down
	base := new(big.Int).Lsh(lo, n)
	all := b.unpack(b.api.Sub(x.v, base), max(int(n), new(big.Int).Sub(x.hi, base).BitLen()))
	if b.err != nil {
		return b.lit(0), all[:n]
	}
	return b.num(b.api.Add(b.pack(all[n:]), lo), lo, hi), all[:n]
}

// shifted is floor(x / 2^n) where nobody needs the bits: quotient and remainder are ranged by their digits, which
// takes 3 gates for 2 bits in place of 5.
func (b *build) shifted(x Num, n uint) Num {
	lo, hi := new(big.Int).Rsh(x.lo, n), new(big.Int).Rsh(x.hi, n) // Rsh rounds down
	if n == 0 || lo.Cmp(hi) == 0 {
		return b.floor(x, n)
	}
	if n > fieldBits { // quotient and remainder would have more values than the field: neither were unique
		b.fail(fmt.Errorf("%w: a shift by %d", ErrWide, n))
		return b.lit(0)
	}
	got, err := b.api.Compiler().NewHint(hintQuotient, 1, x.v, pow(n))
	if err != nil {
		b.fail(err)
		return b.lit(0)
	}
	b.narrow(new(big.Int).Sub(hi, lo).BitLen(), got[0], new(big.Int).Neg(lo))
	b.narrow(int(n), x.v, b.api.Mul(got[0], new(big.Int).Neg(pow(n))))
	return b.num(got[0], lo, hi)
}

// rs is SPEC 01 §3.1 for a shift that is part of the circuit.
func (b *build) rs(x Num, s int64) Num {
	switch {
	case s == 0:
		return x
	case s < 0:
		return b.mulBig(x, pow(uint(-max(s, -tensor.MaxShift))))
	}
	n := uint(min(s, tensor.MaxShift))
	return b.floor(b.add(x, b.big(pow(n-1))), n)
}

// rsBy is rs for a shift that is a number: floor((x 2^(62-s) + 2^61) / 2^62) is rs(x, s) for every s
// in -62..62.
func (b *build) rsBy(x, s Num) Num {
	if s.constant() {
		return b.rs(x, new(big.Int).Set(lesser(larger(s.lo, big64(-1<<62)), big64(1<<62))).Int64())
	}
	const top = tensor.MaxShift
	s = b.clamp64(s, -top, top)
	z := b.mul(x, b.power(b.sub(b.lit(top), s)))
	return b.floor(b.add(z, b.big(pow(top-1))), top)
}

// power is 2^n for n >= 0.
func (b *build) power(n Num) Num {
	if n.lo.Sign() < 0 || n.hi.BitLen() > 8 {
		b.fail(ErrWide)
		return b.lit(1)
	}
	first := uint(n.lo.Int64())
	p := frontend.Variable(pow(first))
	for i, x := range b.unpack(b.api.Sub(n.v, n.lo), new(big.Int).Sub(n.hi, n.lo).BitLen()) {
		by := new(big.Int).Sub(pow(1<<uint(i)), big64(1))
		p = b.api.Mul(p, b.api.Add(1, b.api.Mul(x, by)))
	}
	return b.num(p, pow(first), pow(uint(n.hi.Int64())))
}

// quotient is floor(n / d) for d >= 1.
func (b *build) quotient(n, d Num) Num {
	by := func(x, y, z *big.Int) *big.Int { // the divisor that makes the bound x extreme
		if x.Sign() < 0 {
			return y
		}
		return z
	}
	lo := new(big.Int).Div(n.lo, by(n.lo, d.lo, d.hi)) // Euclidean is floor for a positive divisor
	hi := new(big.Int).Div(n.hi, by(n.hi, d.hi, d.lo))
	if lo.Cmp(hi) == 0 {
		return b.big(lo)
	}
	got, err := b.api.Compiler().NewHint(hintQuotient, 1, n.v, d.v)
	if err != nil {
		b.fail(err)
		return b.lit(0)
	}
	q := b.cell(got[0], lo, hi)
	r := b.sub(n, b.mul(q, d)) // exact: the field holds the bounds of q * d and of the difference
	width := d.hi.BitLen()
	b.unpack(r.v, width)
	b.unpack(b.api.Sub(d.v, 1, r.v), width)
	return b.num(q.v, lo, hi)
}

// div is SPEC 01 §3.3.
func (b *build) div(n, d Num) Num {
	if d.hi.Sign() <= 0 {
		return b.lit(0)
	}
	positive, d := b.positive(d)
	q := b.quotient(b.add(b.mul64(n, 2), d), b.mul64(d, 2))
	return b.pick(positive, q, b.lit(0))
}

// positive says whether x > 0, and gives 1 in its place where it is not.
func (b *build) positive(x Num) (bit, Num) {
	c := b.notNegative(b.sub(x, b.lit(1)))
	return c, b.num(b.pick(c, x, b.lit(1)).v, larger(x.lo, big64(1)), larger(x.hi, big64(1)))
}

// root is isqrt(x) for x >= 1: e = x - r^2 lies in 0..2r.
func (b *build) root(x Num) Num {
	if lo, hi := new(big.Int).Sqrt(x.lo), new(big.Int).Sqrt(x.hi); lo.Cmp(hi) == 0 {
		return b.big(lo)
	}
	got, err := b.api.Compiler().NewHint(hintRoot, 1, x.v)
	if err != nil {
		b.fail(err)
		return b.lit(1)
	}
	r := b.cell(got[0], new(big.Int).Sqrt(x.lo), new(big.Int).Sqrt(x.hi))
	e := b.sub(x, b.mul(r, r))
	width := r.hi.BitLen() + 1
	b.unpack(e.v, width)
	b.unpack(b.api.Sub(b.api.Mul(r.v, 2), e.v), width)
	return b.num(r.v, r.lo, r.hi)
}

// norm is floor(k / isqrt(x)), 0 for x <= 0.
func (b *build) norm(x Num, k int64) Num {
	if x.hi.Sign() <= 0 {
		return b.lit(0)
	}
	positive, x := b.positive(x)
	return b.pick(positive, b.quotient(b.lit(k), b.root(x)), b.lit(0))
}

// normShift is s = max(0, bitlen(m) - 24), 2^(most - min(s, most)) and floor(e / 2^min(2s, 62)), of
// SPEC 02 §4 ops 6 and 7.
func (b *build) normShift(m Num, e int64, most uint) (s, inverse, rest Num) {
	a := b.abs(m)
	all := b.unpack(a.v, a.hi.BitLen())
	var any bit = 0
	shifts, powers, rests := []Num{}, []Num{}, []Num{}
	for i := len(all) - 1; i >= 24; i-- {
		any = b.api.Or(any, all[i])
		is, n := b.flag(any), int64(i-23) // s >= n
		shifts = append(shifts, is)
		if uint(n) <= most {
			powers = append(powers, b.mulBig(is, new(big.Int).Neg(pow(most-uint(n)))))
		}
		step := e>>min(2*n, tensor.MaxShift) - e>>min(2*n-2, tensor.MaxShift)
		rests = append(rests, b.mul64(is, step))
	}
	top := int64(max(0, len(all)-24))
	s = b.num(b.add(b.lit(0), shifts...).v, big64(0), big64(top))
	inverse = b.num(b.add(b.big(pow(most)), powers...).v, pow(most-min(most, uint(top))), pow(most))
	ends := [2]*big.Int{big64(e), big64(e >> min(2*top, tensor.MaxShift))}
	rest = b.num(b.add(b.lit(e), rests...).v, lesser(ends[0], ends[1]), larger(ends[0], ends[1]))
	return s, inverse, rest
}

// table is 2^(k/256) in Q30 for k in 0..256, as SPEC 01 §3.6 has it: what exp2 of -k is, from the
// definition, so that circuits have no table of their own.
func table(k int64) int64 {
	if k == 256 {
		return 1 << 31
	}
	return tensor.Exp2(k<<8-1<<16, 31) // one below k, times two
}

// exp2 is SPEC 01 §3.6 before saturation, with q fraction bits. Results beyond int64 are its greatest
// value, as in tensor.Exp2.
func (b *build) exp2(x Num, q int64) Num {
	if x.lo.Sign() >= 0 {
		x = b.lit(0)
	}
	i, f := b.split(b.clamp(x, x.lo, new(big.Int)), 16)
	v := b.interpolate(f)
	// s = 30 - q - i; -33 stands for all below -32 and 63 for all above 62: v 2^33 > 2^62, and
	// rs(v, 63) is 0.
	const under, over = -33, 63
	s := b.clamp64(b.sub(b.lit(30-q), i), under, over)
	z := b.mul(v, b.power(b.sub(b.lit(over), s)))
	z = b.floor(b.add(z, b.big(pow(over-1))), over)
	return b.clamp(z, new(big.Int), new(big.Int).Sub(pow(63), big64(1)))
}

// interpolate is v of SPEC 01 §3.6: the table at the upper 8 of 16 bits, between neighbours by the
// lower 8.
func (b *build) interpolate(f []frontend.Variable) Num {
	low, high := b.oneHot(f[8:12]), b.oneHot(f[12:16])
	var base, slope []frontend.Variable
	for h := range high {
		var x, y []frontend.Variable
		for l := range low {
			k := int64(16*h + l)
			x = append(x, b.api.Mul(low[l], table(k)))
			y = append(y, b.api.Mul(low[l], table(k+1)-table(k)))
		}
		base = append(base, b.api.Mul(high[h], b.total(x)))
		slope = append(slope, b.api.Mul(high[h], b.total(y)))
	}
	top := new(big.Int).Sub(pow(39), big64(1)) // T[a] * (256 - b) + T[a+1] * b < 2^31 * 256
	sum := b.api.Add(b.api.Mul(b.total(base), 256), b.api.Mul(b.total(slope), b.pack(f[:8])))
	return b.rs(b.num(sum, pow(38), top), 8)
}

var errHint = errors.New("hint of a division by zero")

// Hints are what solvers of these circuits need.
func Hints() []solver.Hint { return []solver.Hint{hintQuotient, hintRoot, hintInverse, hintDigits} }

// signed reads a field element as the integer nearest to 0.
func signed(x, field *big.Int) *big.Int {
	if half := new(big.Int).Rsh(field, 1); x.Cmp(half) > 0 {
		return new(big.Int).Sub(x, field)
	}
	return x
}

func hintQuotient(field *big.Int, in, out []*big.Int) error {
	if in[1].Sign() == 0 {
		return errHint
	}
	q := new(big.Int).Div(signed(in[0], field), in[1])
	out[0].Mod(q, field)
	return nil
}

func hintRoot(_ *big.Int, in, out []*big.Int) error {
	out[0].Sqrt(in[0])
	return nil
}

func hintInverse(field *big.Int, in, out []*big.Int) error {
	out[0].SetInt64(0)
	if in[0].Sign() != 0 {
		out[0].ModInverse(in[0], field)
	}
	return nil
}

// hintDigits gives the digits of base 4 above the lowest of the sum of what comes in.
func hintDigits(field *big.Int, in, out []*big.Int) error {
	v := new(big.Int)
	for _, x := range in {
		v.Add(v, x)
	}
	v.Mod(v, field)
	for i := range out {
		v.Rsh(v, 2)
		out[i].And(v, big64(3))
	}
	return nil
}
