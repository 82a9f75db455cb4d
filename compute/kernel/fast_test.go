package kernel_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/kernel"
	"elenchus/compute/tensor"
)

// int32s draws numbers of at most some bits: anything, the ends, or one end everywhere.
func int32s(r *rand.Rand, n, bits int) []int32 {
	top := int64(1)<<bits - 1
	out, style := make([]int32, n), r.IntN(5)
	for i := range out {
		switch style {
		case 0:
			out[i] = int32(-top - 1)
		case 1:
			out[i] = int32(top)
		case 2:
			out[i] = int32([]int64{top, -top - 1, -top, 0, 1, -1, top >> 1}[r.IntN(7)])
		default:
			out[i] = int32(int64(r.Uint64()) >> (63 - r.IntN(bits+1)))
		}
	}
	return out
}

func row16(r *rand.Rand, n int) []int16 {
	x := make([]int16, n)
	int16s(r, x)
	return x
}

// cases draw the arguments of an operation in the range that its kernels take, and run it by a set.
var cases = map[string]func(r *rand.Rand) func(s *kernel.Set) any{
	"score": func(r *rand.Rand) func(s *kernel.Set) any {
		hd, group, kv, span, first := 16*(1+r.IntN(16)), 1+r.IntN(3), 1+r.IntN(2), 1+r.IntN(300), r.IntN(5)
		q, k := row16(r, hd*group*kv), row16(r, (first+span)*hd*kv)
		mult, shift := int64(r.IntN(1<<25)-1<<24), int64(r.IntN(64))
		return func(s *kernel.Set) any {
			dst := make([]int32, group*kv*span)
			s.Score(dst, q, k, hd, group, hd*kv, first, span, mult, shift, 0, group*kv)
			return dst
		}
	},
	"mix": func(r *rand.Rand) func(s *kernel.Set) any {
		hd, group, kv, span, first := 16*(1+r.IntN(16)), 1+r.IntN(3), 1+r.IntN(2), 1+r.IntN(300), r.IntN(5)
		v, p := row16(r, (first+span)*hd*kv), int32s(r, group*kv*span, []int{24, 27, 31}[r.IntN(3)])
		if r.IntN(3) > 0 {
			for i := range p {
				p[i] = max(0, p[i], -1-p[i])
			}
		}
		return func(s *kernel.Set) any {
			dst := make([]int64, group*kv*hd*((span+127)/128))
			s.Mix(dst, p, v, hd, group, hd*kv, first, span, 0, group*kv)
			return dst
		}
	},
	"attention": drawAttention,
	"exp2": func(r *rand.Rand) func(s *kernel.Set) any {
		n, q := 1+r.IntN(300), r.IntN(31)
		x := int32s(r, n, 10+r.IntN(22))
		m := int64(slices.Max(x))
		switch r.IntN(5) {
		case 0:
			m = int64(x[0])
		case 1:
			m = []int64{math.MaxInt32, math.MinInt32, 1 << 40, -1 << 40, 0}[r.IntN(5)]
		}
		return func(s *kernel.Set) any {
			dst := make([]int32, n)
			s.Exp2(dst, x, []int64{m}, n, q, 0, 1)
			return dst
		}
	},
	"reductions": func(r *rand.Rand) func(s *kernel.Set) any {
		n, rows, f := 1+r.IntN(600), 1+r.IntN(3), 1+r.IntN(256)
		x := int32s(r, n*rows, 31)
		m := uint64(0)
		for _, v := range x[:n] {
			m = max(m, tensor.Abs(int64(v)))
		}
		return func(s *kernel.Set) any {
			c := (n + f - 1) / f
			dst := make([]int64, 3*rows*c+c)
			s.MaxAbs(dst, x, n, f, 0, rows)
			s.Max(dst[rows*c:], x, n, f, 0, rows)
			s.Sum(dst[2*rows*c:], x, n, f, 0, rows)
			s.SumSquares(dst[3*rows*c:], x[:n], int64(m), f)
			return dst
		}
	},
	"norm_apply": func(r *rand.Rand) func(s *kernel.Set) any {
		n := 1 + r.IntN(300)
		x, inv := int32s(r, n, 31), [2]int64{int64(r.Uint64() >> (33 + r.IntN(31))), int64(r.IntN(8))}
		shift, gshift, gamma := int64(31+r.IntN(28)), int64(r.IntN(63)), int32s(r, n, 30)
		if r.IntN(2) == 0 {
			gamma, shift = nil, int64(r.IntN(56))
		}
		return func(s *kernel.Set) any {
			dst := tensor.New([]tensor.DType{tensor.I16, tensor.I32}[n%2], 1, 1, n)
			s.NormApply(dst, x, inv, shift, gamma, gshift)
			out := make([]int64, n)
			for i := range out {
				out[i] = dst.At(i)
			}
			return out
		}
	},
	"elementwise": func(r *rand.Rand) func(s *kernel.Set) any {
		n := 1 + r.IntN(300)
		x, a, shift := int32s(r, n, 31), int32s(r, n, 31), int64(r.IntN(66)-1)
		return func(s *kernel.Set) any {
			sum, quant := make([]int32, n), make([]int16, n)
			s.Add(sum, x, a)
			s.Quant(quant, x, shift)
			for _, v := range quant {
				sum = append(sum, int32(v))
			}
			return sum
		}
	},
	"rope": func(r *rand.Rand) func(s *kernel.Set) any {
		hd, heads, style, shift := 16*(1+r.IntN(16)), 1+r.IntN(3), r.IntN(2), int64(r.IntN(64)-30)
		x, angle := int32s(r, hd*heads, 31), int32s(r, hd, 30)
		return func(s *kernel.Set) any {
			dst := make([]int16, len(x))
			s.RoPE(dst, x, angle, hd, hd, style, shift)
			return dst
		}
	},
	"div": func(r *rand.Rand) func(s *kernel.Set) any {
		group, n := 8*(1+r.IntN(8)), 1+r.IntN(200)
		x, a := make([]int64, n), make([]int64, (n+group-1)/group)
		for i := range a {
			a[i] = int64(r.Uint64()>>3)>>r.IntN(61) - int64(r.IntN(2)*r.IntN(3))
		}
		for i := range x {
			b := a[i/group]
			switch r.IntN(4) {
			case 0: // beside a boundary of rounding
				x[i] = b/2 + b*int64(r.IntN(1<<17)-1<<16)/max(1, b>>40) + int64(r.IntN(3)-1)
			case 1:
				x[i] = b * int64(r.IntN(70000)-35000) / 2
			default:
				x[i] = int64(r.Uint64()) >> (2 + r.IntN(60))
			}
			x[i] = max(-1<<61+1, min(1<<61-1, x[i]))
		}
		return func(s *kernel.Set) any {
			dst := make([]int16, n)
			s.Div(dst, x, a, group)
			return dst
		}
	},
	"silu_mul": func(r *rand.Rand) func(s *kernel.Set) any {
		n, q, shift := 1+r.IntN(300), int64(r.IntN(31)), int64(r.IntN(64))
		g, u := int32s(r, n, 31), int32s(r, n, 31)
		return func(s *kernel.Set) any {
			dst := make([]int32, n)
			s.SiLUMul(dst, g, u, q, shift)
			return dst
		}
	},
}

func compareParts(t *testing.T, name string, seed uint64) {
	t.Helper()
	run := cases[name](rand.New(rand.NewPCG(seed, 77)))
	want := run(&kernel.Set{})
	for _, s := range fast(t) {
		got, equal := run(&s), false
		switch want := want.(type) {
		case []int16:
			equal = slices.Equal(got.([]int16), want)
		case []int32:
			equal = slices.Equal(got.([]int32), want)
		case []int64:
			equal = slices.Equal(got.([]int64), want)
		}
		if !equal {
			t.Fatalf("%s, seed %d: %s gives\n%v, plain\n%v", name, seed, s.Name(), got, want)
		}
	}
}

// Every kernel of every set gives what the plain one gives, over the range that it takes and at its
// ends, with every tail. STYLE 18, 20.
func TestPartsEqualPlain(t *testing.T) {
	for name := range cases {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(400) {
				compareParts(t, name, seed)
			}
		})
	}
}

// FuzzParts draws more.
func FuzzParts(f *testing.F) {
	names := []string{"score", "mix", "attention", "exp2", "reductions", "norm_apply", "elementwise", "rope", "div", "silu_mul"}
	for i := range names {
		f.Add(uint8(i), uint64(1<<40))
	}
	f.Fuzz(func(t *testing.T, op uint8, seed uint64) { compareParts(t, names[int(op)%len(names)], seed) })
}

// Every value that the draw of a gate's exponential or a probability can meet: 2^21 arguments below
// the maximum, all shifts. SPEC 01 §3.6.
func TestExp2EqualsPlainEverywhere(t *testing.T) {
	const n = 1 << 12
	x, want, got := make([]int32, n), make([]int32, n), make([]int32, n)
	for _, s := range fast(t) {
		for from := int32(0); from < 1<<21; from += n {
			for i := range x {
				x[i] = 1000 - from - int32(i)
			}
			q := 30 - int(from>>12)%31
			kernel.Exp2(want, x, []int64{1000}, n, q, 0, 1)
			s.Exp2(got, x, []int64{1000}, n, q, 0, 1)
			if !slices.Equal(got, want) {
				t.Fatalf("%s differs from %d on, %d fraction bits", s.Name(), from, q)
			}
		}
	}
}
