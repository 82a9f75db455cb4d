package kernel_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"elenchus/compute/kernel"
	"elenchus/compute/tensor"
)

// Kernels are compared with the definition by compute/machine; here is what stands alone.

// Shift is rs followed by saturation to int64, for every shift. SPEC 01 §3.1.
func FuzzShift(f *testing.F) {
	for _, s := range []int64{0, 1, 30, 61, 62, 63, math.MaxInt64, -1, -31, -62, -63, math.MinInt64 + 1} {
		for _, x := range []int64{0, 1, -1, 1 << 62, -1 << 62, 1<<31 - 1, -3} {
			f.Add(x, s)
		}
	}
	f.Fuzz(func(t *testing.T, x, s int64) {
		if x > 1<<62 || x < -1<<62 || s == math.MinInt64 {
			return // beyond what callers have proven
		}
		if got, want := kernel.Shift(x, s), tensor.Sat(tensor.RS(big.NewInt(x), s), tensor.I64); got != want {
			t.Fatalf("shift of %d by %d is %d, want %d", x, s, got, want)
		}
	})
}

// MulHigh is floor(a * b / 2^64). SPEC 02 §4 op 24.
func TestMulHigh(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 24))
	for range 1000 {
		a, b := r.Uint64()>>r.IntN(64), r.Uint64()>>r.IntN(64)
		x := new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
		if got := kernel.MulHigh(a, b); got != x.Rsh(x, 64).Uint64() {
			t.Fatalf("%d * %d: %d", a, b, got)
		}
	}
}

// The inverse of a norm rests on the exact floor of the square root, at squares and beside them.
// SPEC 01 §3.5, 02 §4 op 7.
func TestNormInvTakesTheExactRoot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	const k = 1 << 62
	for range 3000 {
		root := int64(1 + r.Uint64()>>(33+r.IntN(31)))
		for _, d := range []int64{-1, 0, 1} {
			sum := root*root + d
			dst := make([]int64, 2)
			kernel.NormInv(dst, sum, 0, k, 0)
			want := int64(0)
			if s := new(big.Int).Sqrt(big.NewInt(sum)).Int64(); s > 0 {
				want = k / s
			}
			if dst[0] != want || dst[1] != 0 {
				t.Fatalf("inverse norm of %d is %v, want %d", sum, dst, want)
			}
		}
	}
}

// Rows outside [lo, hi) stay as they are: whoever splits rows relies on it.
func TestRowsOutsideStayUntouched(t *testing.T) {
	const untouched = 77
	x, w := make([]int16, 70), make([]int8, 4*128)
	for i := range x {
		x[i] = int16(i)
	}
	for i := range w {
		w[i] = int8(i)
	}
	whole := make([]int64, 4)
	kernel.MatMul(whole, x, w, 70, 128, 0, 4)
	part := []int64{untouched, untouched, untouched, untouched}
	kernel.MatMul(part, x, w, 70, 128, 1, 3)
	if part[0] != untouched || part[3] != untouched || part[1] != whole[1] || part[2] != whole[2] {
		t.Errorf("rows 1..2 of %v are %v", whole, part)
	}
	dst := tensor.New(tensor.I32, 1, 1, 3)
	for i := range dst.I32 {
		dst.I32[i] = untouched
	}
	kernel.Row(dst, []int64{1, 2, 3, 4, 5, 6}, []int32{1, 0, 2, 0, 3, 0}, 2, 0, 1, 2)
	if dst.I32[0] != untouched || dst.I32[1] != 14 || dst.I32[2] != untouched {
		t.Errorf("row 1 of 3: %v", dst.I32)
	}
}

// Kernels allocate nothing.
func TestKernelsAllocateNothing(t *testing.T) {
	x, w, dst := make([]int16, 512), make([]int8, 512*8), make([]int64, 8)
	q, kv, sc := make([]int16, 64), make([]int16, 64*50), make([]int32, 100)
	part := make([]int64, 64)
	n := testing.AllocsPerRun(20, func() {
		kernel.MatMul(dst, x, w, 512, 512, 0, 8)
		kernel.Score(sc, q, kv, 32, 1, 64, 0, 50, 1, 0, 0, 2)
		kernel.Exp2(sc, sc, dst, 50, 24, 0, 2)
		kernel.Mix(part, sc, kv, 32, 1, 64, 0, 50, 0, 2)
		kernel.Sum(dst, sc, 100, 256, 0, 1)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkMatMul is a 512 x 512 product.
func BenchmarkMatMul(b *testing.B) {
	x, w, dst := make([]int16, 512), make([]int8, 512*512), make([]int64, 512)
	b.SetBytes(512 * 512)
	for b.Loop() {
		kernel.MatMul(dst, x, w, 512, 512, 0, 512)
	}
}
