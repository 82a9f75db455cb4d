package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/cputest"
	"elenchus/compute/kernel"
	"elenchus/compute/tensor"
)

// blockProduct is a block-scaled matrix, activations of tokens and their shifts.
type blockProduct struct {
	product
	b tensor.Blocks
}

// ends draws a number of -top..top: of any length, or an end.
func ends(r *rand.Rand, style int, top int32) int32 {
	switch style {
	case 0:
		return top
	case 1:
		return -top
	case 2:
		return []int32{top, -top, 0, 1, -1}[r.IntN(5)]
	}
	return int32((r.Int64N(2*int64(top)+1) - int64(top)) >> (r.IntN(5) * 6))
}

// drawBlocks draws codes, mantissas up to 2^23 and offsets up to 2^30, the bounds of G12. Row mantissas
// are 0 or 1, as those of models are. Chunks of 512, or what a shorter row has.
func drawBlocks(r *rand.Rand, n, k, m, layout int) *blockProduct {
	p := &blockProduct{product: *drawProduct(r, n, k, m)}
	p.b = tensor.Blocks{Bits: 4 + layout&1*4, Chunk: p.chunk, Len: 16 + layout>>1&1*16, Least: layout>>2&1 == 1}
	p.padded = (k + p.chunk - 1) / p.chunk * p.b.Leaf()
	p.w = make([]int8, n*p.padded)
	for i := range n {
		codes, style := make([]int8, k), r.IntN(5)
		int8s(r, codes)
		for j, c := range codes {
			leaf := p.w[i*p.padded+j/p.chunk*p.b.Leaf():][:p.b.Leaf()]
			p.b.SetCode(leaf, j%p.chunk, int(c>>(8-p.b.Bits)))
			if j%p.b.Len == 0 {
				p.b.SetBlock(leaf, j%p.chunk/p.b.Len, ends(r, style, 1<<23), ends(r, style, 1<<30))
			}
		}
		p.scale[2*i] = int32(min(1, r.IntN(10)))
	}
	return p
}

func (p *blockProduct) plain(i int, t tensor.DType) *tensor.Tensor {
	cols := (p.k + p.chunk - 1) / p.chunk
	part, out := make([]int64, p.n*cols), tensor.New(t, 1, 1, p.n)
	if p.b.Bits == 8 {
		kernel.MatMulBlock(part, p.x[i], p.w, p.k, p.b, 0, p.n)
	} else {
		kernel.MatMulG4(part, p.x[i], p.w, p.k, p.b, 0, p.n)
	}
	kernel.Row(out, part, p.scale, cols, p.shift[i], 0, p.n)
	return out
}

func compareBlocks(t *testing.T, s kernel.Set, p *blockProduct, cut int) {
	t.Helper()
	packed := kernel.NewPackedBlocks(p.n, p.k, p.b, p.scale, nil)
	for _, d := range []tensor.DType{tensor.I32, tensor.I16} {
		got := p.pack(s, packed, d, cut)
		for i := range p.x {
			want := p.plain(i, d)
			if !slices.Equal(got[i].I32, want.I32) || !slices.Equal(got[i].I16, want.I16) {
				t.Fatalf("%s: %d rows of %d columns in %+v, token %d of %d, type %s: product and rows differ", s.Name(), p.n, p.k, p.b, i, len(p.x), d)
			}
		}
	}
}

// Every set gives what the plain kernels give on every layout: tails of rows, columns and tokens, the
// ends of codes, mantissas, offsets and activations. SPEC 02 §5, STYLE 18, 20.
func TestLinearEqualsBlocksAndRow(t *testing.T) {
	for _, s := range fast(t) {
		t.Run(s.Name(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 70))
			for i, k := range []int{1, 3, 15, 16, 17, 31, 32, 33, 64, 100, 511, 513, 600, 1100} {
				for j, n := range []int{1, 7, 8, 31, 32, 33, 70} {
					for layout := range 8 {
						compareBlocks(t, s, drawBlocks(r, n, k, 1+(i+j+layout)%8, layout), r.IntN(4))
					}
				}
			}
		})
	}
}

// The largest element that there is, in each layout: all codes, mantissas, offsets and activations at
// the end where their products add up, in the longest row that is packed without leaving 62 bits.
func TestLinearEqualsBlocksAtTheBound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for layout := range 8 {
		p := drawBlocks(r, 2, 1<<12, 4, layout)
		for i := range p.x {
			for j := range p.x[i] {
				p.x[i][j] = -32768
			}
			p.shift[i] = -int64(i % 2)
		}
		for at := 0; at < len(p.w); at += p.b.Leaf() {
			leaf := p.w[at:][:p.b.Leaf()]
			for i := range p.chunk {
				p.b.SetCode(leaf, i, -1<<(p.b.Bits-1))
			}
			for i := range p.b.Count() {
				p.b.SetBlock(leaf, i, 1<<23, -1<<30)
			}
		}
		for i := range p.n {
			p.scale[2*i], p.scale[2*i+1] = 1, int32(30*i)
		}
		for _, s := range fast(t) {
			compareBlocks(t, s, p, 0)
		}
	}
}

// FuzzLinearBlocks draws more of them.
func FuzzLinearBlocks(f *testing.F) {
	f.Add(uint64(1), uint16(40), uint16(600), uint8(7), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, n, k uint16, m, layout uint8) {
		r := rand.New(rand.NewPCG(seed, 7))
		p := drawBlocks(r, 1+int(n)%80, 1+int(k)%3000, 1+int(m)%14, int(layout))
		for _, s := range fast(t) {
			compareBlocks(t, s, p, r.IntN(4))
		}
	})
}

// BenchmarkLinearBlocks is BenchmarkLinear for 8 and 4 bits, without and with offsets.
func BenchmarkLinearBlocks(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, m := range []int{1, 64} {
		for _, layout := range []int{2, 3, 6, 7} {
			p := drawBlocks(r, 1536, 576, m, layout)
			packed := kernel.NewPackedBlocks(p.n, p.k, p.b, p.scale, nil)
			for _, s := range fast(b) {
				b.Run(fmt.Sprintf("%s/%+v/%d", s.Name(), p.b, m), func(b *testing.B) {
					b.SetBytes(int64(p.n * p.k * m))
					packed.Fill(p.w, p.padded, 0, packed.Blocks())
					defer cputest.Report(b)()
					for b.Loop() {
						p.linear(s, packed, tensor.I32, 0)
					}
				})
			}
			b.Run(fmt.Sprintf("generic/%+v/%d", p.b, m), func(b *testing.B) {
				b.SetBytes(int64(p.n * p.k * m))
				for b.Loop() {
					for i := range p.x {
						p.plain(i, tensor.I32)
					}
				}
			})
		}
	}
}
