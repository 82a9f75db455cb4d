package kernel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/cpu"

	"elenchus/compute/cputest"
	"elenchus/compute/kernel"
	"elenchus/compute/tensor"
)

// fast are the sets of this build that this processor can run, the plain one not among them.
func fast(t testing.TB) []kernel.Set {
	t.Helper()
	var out []kernel.Set
	for _, s := range kernel.Sets() {
		switch s.Name() {
		case "amx": // its products are tested by package engine, which may ask for matrix units
			continue
		case "avx512":
			if !cpu.X86.HasAVX512VNNI || !cpu.X86.HasAVX512DQ || !cpu.X86.HasAVX512BW || !cpu.X86.HasAVX512VL {
				t.Logf("%s is not tested: this processor lacks it", s.Name())
				continue
			}
		case "avx2":
			if !cpu.X86.HasAVX2 {
				t.Logf("%s is not tested: this processor lacks it", s.Name())
				continue
			}
		case "sdot":
			if !cpu.ARM64.HasASIMDDP {
				t.Logf("%s is not tested: this processor lacks it", s.Name())
				continue
			}
		}
		if !s.Plain() {
			out = append(out, s)
		}
	}
	return out
}

// product is a matrix, activations of m tokens and their shifts.
type product struct {
	n, k, padded, chunk int
	w                   []int8
	scale               []int32
	x                   [][]int16
	shift               []int64
}

// int8s and int16s draw numbers: anything, or the ends, or one end everywhere.
func int8s(r *rand.Rand, out []int8) {
	style := r.IntN(4)
	for i := range out {
		switch style {
		case 0:
			out[i] = -128
		case 1:
			out[i] = []int8{-128, 127, 0, 1, -1}[r.IntN(5)]
		default:
			out[i] = int8(r.IntN(256))
		}
	}
}

func int16s(r *rand.Rand, out []int16) {
	style := r.IntN(5)
	for i := range out {
		switch style {
		case 0:
			out[i] = -32768
		case 1:
			out[i] = 32767
		case 2:
			out[i] = []int16{-32768, 32767, 0, 1, -1, 255, 256, -256, -257}[r.IntN(9)]
		default:
			out[i] = int16(r.IntN(1 << 16))
		}
	}
}

func drawProduct(r *rand.Rand, n, k, m int) *product {
	p := &product{n: n, k: k, chunk: min(512, (k+63)/64*64)}
	p.padded = (k + p.chunk - 1) / p.chunk * p.chunk
	p.w, p.scale = make([]int8, n*p.padded), make([]int32, 2*n)
	base, spread := int32(r.IntN(60)-10), 1+r.IntN(8)
	for i := range n {
		int8s(r, p.w[i*p.padded:][:k])
		p.scale[2*i] = int32(r.IntN(1<<25) - 1<<24 + 1)
		if r.IntN(8) == 0 {
			p.scale[2*i] = []int32{0, 1<<24 - 1, 1 - 1<<24}[r.IntN(3)]
		}
		p.scale[2*i+1] = base + int32(r.IntN(spread))
		if r.IntN(100) == 0 {
			p.scale[2*i+1] = []int32{0, 62, 63, -1, math.MaxInt32, math.MinInt32}[r.IntN(6)]
		}
	}
	for range m {
		x := make([]int16, k)
		int16s(r, x)
		p.x, p.shift = append(p.x, x), append(p.shift, int64(r.IntN(4)*r.IntN(10)))
	}
	return p
}

// plain is the product by MatMul and Row.
func (p *product) plain(i int, t tensor.DType) *tensor.Tensor {
	cols := p.padded / p.chunk
	part, out := make([]int64, p.n*cols), tensor.New(t, 1, 1, p.n)
	kernel.MatMul(part, p.x[i], p.w, p.k, p.chunk, 0, p.n)
	kernel.Row(out, part, p.scale, cols, p.shift[i], 0, p.n)
	return out
}

func (p *product) fast(s kernel.Set, t tensor.DType, cut int) []*tensor.Tensor {
	return p.pack(s, kernel.NewPacked(p.n, p.k, p.scale, nil), t, cut)
}

// pack fills the packed matrix in two parts, then multiplies in two.
func (p *product) pack(s kernel.Set, packed *kernel.Packed, t tensor.DType, cut int) []*tensor.Tensor {
	cut %= packed.Blocks() + 1
	packed.Fill(p.w, p.padded, cut, packed.Blocks())
	packed.Fill(p.w, p.padded, 0, cut)
	return p.linear(s, packed, t, cut)
}

func (p *product) linear(s kernel.Set, packed *kernel.Packed, t tensor.DType, cut int) []*tensor.Tensor {
	stride, part := packed.Stride(), s.For(packed, len(p.x))
	x, out := make([]int16, stride*len(p.x)), make([]*tensor.Tensor, len(p.x))
	for i := range p.x {
		part.Widen(packed, x[i*stride:(i+1)*stride], p.x[i])
		out[i] = tensor.New(t, 1, 1, p.n)
	}
	part.Linear(out, packed, x, stride, p.shift, cut, packed.Blocks())
	part.Linear(out, packed, x, stride, p.shift, 0, cut)
	return out
}

func compareProduct(t *testing.T, s kernel.Set, p *product, cut int) {
	t.Helper()
	for _, d := range []tensor.DType{tensor.I32, tensor.I16} {
		got := p.fast(s, d, cut)
		for i := range p.x {
			want := p.plain(i, d)
			if !slices.Equal(got[i].I32, want.I32) || !slices.Equal(got[i].I16, want.I16) {
				t.Fatalf("%s: %d rows of %d columns, token %d of %d, type %s: product and rows differ", s.Name(), p.n, p.k, i, len(p.x), d)
			}
		}
	}
}

// Every set gives what the plain kernels give: every tail of rows, columns and tokens, the extreme
// values, and the longest row there is. STYLE 18, 20.
func TestLinearEqualsMatMulAndRow(t *testing.T) {
	for _, s := range fast(t) {
		t.Run(s.Name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 9))
			for i, k := range []int{1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 511, 512, 513, 600, 1100, 2048, 4100} {
				for _, n := range []int{1, 7, 8, 9, 31, 32, 33, 70} {
					compareProduct(t, s, drawProduct(r, n, k, 1+(i+n)%14), r.IntN(4))
				}
			}
			for range 3 {
				p := drawProduct(r, 3, 1<<16, 7)
				for i := range p.w {
					p.w[i] = -128
				}
				compareProduct(t, s, p, 0)
			}
		})
	}
}

// FuzzLinear draws more of them.
func FuzzLinear(f *testing.F) {
	f.Add(uint64(1), uint16(40), uint16(600), uint8(7))
	f.Fuzz(func(t *testing.T, seed uint64, n, k uint16, m uint8) {
		r := rand.New(rand.NewPCG(seed, 3))
		p := drawProduct(r, 1+int(n)%80, 1+int(k)%3000, 1+int(m)%14)
		for _, s := range fast(t) {
			compareProduct(t, s, p, r.IntN(4))
		}
	})
}

// Shapes beyond the proven bounds are not packed.
func TestPackedRefusesWhatItCannotTake(t *testing.T) {
	if kernel.NewPacked(1, 1<<16+1, make([]int32, 2), nil) != nil || kernel.NewPacked(0, 4, nil, nil) != nil || kernel.NewPacked(2, 4, make([]int32, 2), nil) != nil {
		t.Error("packed a matrix of 65,537 columns, of no rows or of too few scales")
	}
}

// BenchmarkLinear is a matrix of 1,536 rows and 576 columns, and one that no cache holds.
func BenchmarkLinear(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, z := range []struct{ n, k, m int }{{1536, 576, 1}, {32768, 2048, 1}, {1536, 576, 64}, {8192, 2048, 64}, {2048, 8192, 64}} {
		draw := sync.OnceValue(func() *product { return drawProduct(r, z.n, z.k, z.m) })
		for _, s := range fast(b) {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", s.Name(), z.n, z.k, z.m), func(b *testing.B) {
				p := draw()
				packed := kernel.NewPacked(p.n, p.k, p.scale, nil)
				packed.Fill(p.w, p.padded, 0, packed.Blocks())
				stride := packed.Stride()
				s, x, out := s.For(packed, z.m), make([]int16, stride*z.m), make([]*tensor.Tensor, z.m)
				for i := range out {
					out[i] = tensor.New(tensor.I32, 1, 1, p.n)
				}
				b.SetBytes(int64(z.n * z.k * z.m))
				defer cputest.Report(b)()
				for b.Loop() {
					for i := range p.x {
						s.Widen(packed, x[i*stride:(i+1)*stride], p.x[i])
					}
					s.Linear(out, packed, x, stride, p.shift, 0, packed.Blocks())
				}
			})
		}
	}
}
