package tokenizer

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSumsAreThoseOfTheProcessor(t *testing.T) {
	r := rand.New(rand.NewPCG(64, 1))
	number := func() float64 {
		switch r.IntN(6) {
		case 0:
			return float64(r.IntN(9)) - 4
		case 1:
			return float64(float32(r.NormFloat64() * 12))
		case 2:
			return math.Float64frombits(r.Uint64N(1<<53) | uint64(r.IntN(2))<<63) // subnormal and least
		case 3:
			return math.Ldexp(r.NormFloat64(), r.IntN(140)-80)
		}
		return -r.ExpFloat64() * 10
	}
	for range 400_000 {
		x, y := number(), number()
		if r.IntN(20) == 0 {
			y = -x * (1 + float64(r.IntN(3)-1)*0x1p-52)
		}
		got, want := add(math.Float64bits(x), math.Float64bits(y)), math.Float64bits(x+y)
		if got != want && !(x+y == 0 && got<<1 == 0) {
			t.Fatalf("%x + %x = %x, want %x", x, y, math.Float64frombits(got), x+y)
		}
		if (order(math.Float64bits(x)) > order(math.Float64bits(y))) != (x > y) {
			t.Fatalf("%g and %g compare otherwise", x, y)
		}
	}
	for _, x := range []float64{math.Inf(1), math.NaN(), 0x1p64, -0x1p70} {
		if finiteScore(math.Float64bits(x)) {
			t.Errorf("%g is a score", x)
		}
	}
	if !finiteScore(math.Float64bits(-0x1p63)) || !finiteScore(0) {
		t.Error("-2^63 and 0 are no scores")
	}
}
