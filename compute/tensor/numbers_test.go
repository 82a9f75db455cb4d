package tensor_test

import (
	"math"
	"math/big"
	"testing"

	"elenchus/compute/tensor"
	"pgregory.net/rapid"
)

// TestExp2Table checks the table's defining inequality, SPEC 01 §3.6, through the only inputs that read it unscaled.
func TestExp2Table(t *testing.T) {
	for k := int64(0); k < 256; k++ {
		v := tensor.Exp2(k<<8-65536, 30) // rs(T[k], 1)
		for _, c := range []int64{2 * v, 2*v - 1} {
			lo := new(big.Int).Exp(big.NewInt(2*c-1), big.NewInt(256), nil)
			hi := new(big.Int).Exp(big.NewInt(2*c+1), big.NewInt(256), nil)
			p := new(big.Int).Lsh(big.NewInt(1), uint(256*31+k))
			if lo.Cmp(p) <= 0 && p.Cmp(hi) < 0 {
				v = -1
				break
			}
		}
		if v != -1 {
			t.Errorf("T[%d] does not satisfy its inequality: exp2 gives %d", k, v)
		}
	}
	if got := tensor.Exp2(0, 30); got != 1<<30 {
		t.Errorf("exp2(0) = %d", got)
	}
}

// TestFastArithmeticEqualsExact compares the int64 forms with the exact ones inside their bounds, SPEC 01 §3.
func TestFastArithmeticEqualsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Int64Range(-1<<61, 1<<61).Draw(t, "x")
		s := rapid.IntRange(0, 62).Draw(t, "s")
		if got, want := tensor.RS64(x, uint(s)), tensor.RS(big.NewInt(x), int64(s)).Int64(); got != want {
			t.Fatalf("rs(%d, %d) = %d, want %d", x, s, got, want)
		}
		b := rapid.Int64Range(-5, 1<<61).Draw(t, "b")
		if got, want := tensor.Div64(x/2, b), tensor.Div(big.NewInt(x/2), big.NewInt(b)).Int64(); got != want {
			t.Fatalf("div(%d, %d) = %d, want %d", x/2, b, got, want)
		}
	})
}

// TestRoundingTable pins the cases on which implementers diverge (GAME hole 19).
func TestRoundingTable(t *testing.T) {
	for _, c := range []struct{ x, s, want int64 }{
		{5, 0, 5}, {65025, 1, 32513}, {65025, 2, 16256}, {-1, 1, 0}, {-3, 1, -1}, {1, 62, 0}, {1 << 61, 62, 1},
		{1 << 61, 99, 1}, {3, -2, 12}, {1, -62, 1 << 62}, {1, -99, 1 << 62}, {1, math.MinInt64, 1 << 62}, {1 << 61, math.MaxInt64, 1},
	} {
		if got := tensor.RS(big.NewInt(c.x), c.s); got.Int64() != c.want {
			t.Errorf("rs(%d, %d) = %s, want %d", c.x, c.s, got, c.want)
		}
	}
	if got := tensor.Abs(-1 << 63); got != 1<<63 {
		t.Errorf("abs of the least int64 = %d", got)
	}
	if got := tensor.Sat(new(big.Int).Lsh(big.NewInt(-1), 70), tensor.I32); got != -1<<31 {
		t.Errorf("sat = %d", got)
	}
}
