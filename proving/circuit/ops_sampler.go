package circuit

import (
	"math"
	"math/big"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Circuits of what turns logits into a token and a finish code.

func (e *env) temper(j uint64) Num {
	x := e.one(e.src(0), tensor.I32, e.count(), j)
	return e.div(e.mul64(x, e.d.P[1]), e.lit(int64(e.c.Temperature)))
}

func (e *env) draw(uint64) Num {
	z := e.clamp64(e.one(e.src(0), tensor.I64, 1, 0), 0, math.MaxInt64)
	u := new(big.Int).SetUint64(opset.Uniform(e.c.Seed, e.c.T))
	return e.floor(e.mulBig(z, u), 64)
}

// choose is select: the first element whose prefix sum exceeds r. While the sums so far do not, the
// walk goes on.
func (e *env) choose(i uint64) Num {
	n, f := max(e.p(0), 1), max(e.p(1), 1)
	q, r := e.lit(0), Num{}
	if e.d.P[3] == 1 {
		r = e.one(e.src(1), tensor.I64, 1, 0)
	} else {
		a := e.reads(e.src(1), tensor.I64, leafBytes, 2, 0, 2)
		q, r = a[0], a[1]
	}
	lo := e.held(q, (n+f-1)/f) * f
	x := e.reads(e.src(0), e.dtype(2), leafBytes, n, lo, min(lo+f, n))
	var on bit = 1
	at, before, sum := []Num{}, []Num{}, e.lit(0)
	// Sums stay between bounds; r is held just outside of them, where it compares as it does itself.
	least, most := tensor.Range(e.dtype(2))
	all := big64(int64(len(x)))
	under := new(big.Int).Sub(new(big.Int).Mul(big64(least), all), big64(1))
	held := e.clamp(r, under, new(big.Int).Mul(big64(most), all))
	for _, v := range x[:len(x)-1] {
		sum = e.add(sum, v)
		on = e.and(on, e.atLeast(held, sum)) // r >= the sum: not yet
		at, before = append(at, e.flag(on)), append(before, e.mul(e.flag(on), v))
	}
	if i == 0 {
		return e.add(e.lit(int64(lo)), at...)
	}
	return e.sub(r, e.add(e.lit(0), before...))
}

func (e *env) token(uint64) Num {
	key := e.one(e.src(0), tensor.I64, 1, 0)
	z := e.one(e.src(1), tensor.I64, 1, 0)
	sel := e.reads(e.src(2), tensor.I64, leafBytes, 2, 0, 2)
	_, low := e.split(key, 32)
	greedy := e.sub(e.lit(1<<32-1), e.num(e.pack(low), new(big.Int), new(big.Int).Sub(pow(32), big64(1))))
	if e.c.Temperature == 0 {
		return greedy
	}
	return e.pick(e.atLeast(z, e.lit(1)), sel[0], greedy)
}

func (e *env) stop(uint64) Num {
	y := e.one(e.src(0), tensor.I32, 1, 0)
	var other bit = 1
	if n := min(uint64(e.c.StopCount), opset.MaxStop); n > 0 {
		for _, id := range e.reads(e.src(1), tensor.I32, leafBytes, n, 0, n) {
			other = e.and(other, e.not(e.equal(id, y)))
		}
	}
	done := e.equal(e.one(e.src(2), tensor.I32, 1, 0), e.lit(opset.StopDone))
	dead := e.equal(e.one(e.src(3), tensor.I32, 1, 0), e.lit(opset.GrammarDead))
	ended := e.pick(other, e.pick(done, e.lit(opset.FinishString), e.lit(opset.Limit(e.c))), e.lit(opset.FinishEnd))
	return e.pick(dead, e.lit(opset.FinishGrammar), ended)
}

func (e *env) prompt(uint64) Num {
	m := max(uint64(e.c.M), 1)
	return e.one(e.src(0), tensor.I32, m, min(uint64(e.c.T)+1, m-1))
}

// penalise lowers the logits of tokens that have occurred, and adds the bias.
func (e *env) penalise(j uint64) Num {
	x := e.one(e.src(0), tensor.I32, e.count(), j)
	count, bias := e.lit(0), e.lit(0)
	at := min(j, opset.DenseCount-1)
	if e.c.Counted() {
		count = e.one(e.src(1), tensor.I32, opset.DenseCount, at)
	}
	if e.c.Biased {
		bias = e.one(e.src(2), tensor.I32, opset.DenseCount, at)
	}
	v := x
	if r := int64(min(e.c.Repetition, opset.MaxRepetition)); r != 0 {
		less := e.div(e.mulBig(x, pow(16)), e.lit(r))
		occurred := e.pick(e.atLeast(x, e.lit(1)), less, e.rs(e.mul64(x, r), 16))
		v = e.pick(e.atLeast(count, e.lit(1)), occurred, x)
	}
	drawn := e.clamp(e.floor(count, 1), new(big.Int), larger(count.hi, new(big.Int)))
	some := e.flag(e.atLeast(drawn, e.lit(1)))
	v = e.sub(v, e.add(e.mul64(some, int64(e.c.Presence)), e.mul64(drawn, int64(e.c.Frequency))))
	return e.add(v, bias)
}

// Radix selection.

func (e *env) rank(uint64) Num {
	if e.d.P[1] != opset.ByWeight {
		return e.lit(int64(opset.TopRank(e.c.TopK, max(e.p(0), 1))))
	}
	z := e.clamp64(e.one(e.src(0), tensor.I64, 1, 0), 0, math.MaxInt64)
	if p := e.c.TopP; p != 0 && p < opset.FullWeight {
		return e.floor(e.add(e.mul64(z, int64(p)), e.lit(opset.FullWeight-1)), 30)
	}
	return z
}

func (e *env) round(i int) uint { return uint(min(e.p(i), opset.SelectRounds-1)) }

func (e *env) hist(i uint64) Num {
	n, f, r := max(e.p(0), 1), max(e.p(1), 1), e.round(2)
	chunks := e.d.Shape(e.c)[2]
	bin, c := i/chunks%opset.Bins, i%chunks
	lo := min(c*f, n-1)
	x := e.reads(e.src(0), tensor.I32, leafBytes, n, lo, min(lo+f, n))
	prefix := e.lit(0)
	if r > 0 {
		prefix = e.reads(e.src(1), tensor.I64, leafBytes, 2, 0, 2)[0]
	}
	want := e.add(e.mul64(prefix, opset.Bins), e.lit(int64(bin)))
	sum := []Num{}
	for _, v := range x {
		// As unsigned 32 bit: the sign bit counts 2^31. Prefix and digit are the bits from 28-4r on.
		top := e.mulBig(e.flag(e.below(v)), pow(32))
		u := e.num(e.add(v, top).v, new(big.Int), new(big.Int).Sub(pow(32), big64(1)))
		in := e.flag(e.equal(e.floor(u, 28-4*r), want))
		if e.d.P[3] == opset.ByWeight {
			in = e.mul(in, v)
		}
		sum = append(sum, in)
	}
	return e.add(sum[0], sum[1:]...)
}

// digit walks down from the highest bin while the counts so far do not reach the rank.
func (e *env) digit(i uint64) Num {
	h := e.reads(e.src(0), tensor.I64, leafBytes, opset.Bins, 0, opset.Bins)
	prefix, rest := e.lit(0), Num{}
	if e.round(0) == 0 {
		rest = e.one(e.src(1), tensor.I64, 1, 0)
	} else {
		s := e.reads(e.src(1), tensor.I64, leafBytes, 2, 0, 2)
		prefix, rest = s[0], s[1]
	}
	var on bit = 1
	down, above, sum := []Num{}, []Num{}, e.lit(0)
	for d := opset.Bins - 1; d > 0; d-- {
		sum = e.add(sum, h[d])
		on = e.and(on, e.not(e.atLeast(sum, rest)))
		down, above = append(down, e.flag(on)), append(above, e.mul(e.flag(on), h[d]))
	}
	if i == 0 {
		return e.sub(e.add(e.mul64(prefix, opset.Bins), e.lit(opset.Bins-1)), e.add(e.lit(0), down...))
	}
	return e.sub(rest, e.add(e.lit(0), above...))
}

func (e *env) keep(j uint64) Num {
	x := e.one(e.src(0), tensor.I32, e.count(), j)
	stays := e.atLeast(x, e.reads(e.src(1), tensor.I64, leafBytes, 2, 0, 2)[0])
	if e.d.P[1] == opset.ByWeight {
		stays = e.and(stays, e.atLeast(x, e.lit(int64(e.c.MinP))))
	}
	return e.pick(stays, x, e.lit(0))
}
