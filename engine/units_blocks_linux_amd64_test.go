package engine_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/kernel"
	"elenchus/compute/tensor"
	"elenchus/engine"
)

// blockUnits is a block-scaled product: rows of k columns in a layout, activations of tokens.
type blockUnits struct {
	units
	b tensor.Blocks
}

// drawBlockUnits draws codes, mantissas up to 2^23 and offsets up to 2^30, the bounds of G12. Layout has
// a bit each for codes of 8 bits, blocks of 32 columns and offsets.
func drawBlockUnits(r *rand.Rand, n, k, m, layout int) *blockUnits {
	p := &blockUnits{units: *drawUnits(r, n, k, m)}
	chunk := min(tensor.MaxChunk, (k+63)/64*64)
	p.b = tensor.Blocks{Bits: 4 + layout&1*4, Chunk: chunk, Len: 16 + layout>>1&1*16, Least: layout>>2&1 == 1}
	codes, wide := p.w, p.padded
	p.padded = (k + chunk - 1) / chunk * p.b.Leaf()
	p.w = make([]int8, n*p.padded)
	for i := range n {
		style := r.IntN(4)
		for j := range k {
			leaf := p.w[i*p.padded+j/chunk*p.b.Leaf():][:p.b.Leaf()]
			p.b.SetCode(leaf, j%chunk, int(codes[i*wide+j]>>(8-p.b.Bits)))
			if j%p.b.Len == 0 {
				p.b.SetBlock(leaf, j%chunk/p.b.Len, unitEnd(r, style, 1<<23), unitEnd(r, style, 1<<30))
			}
		}
		p.scale[2*i], p.scale[2*i+1] = 1, int32(24+r.IntN(3))
	}
	return p
}

// unitEnd draws a number of -top..top, or an end.
func unitEnd(r *rand.Rand, style int, top int32) int32 {
	return []int32{top, -top, int32(r.Int64N(2*int64(top)+1)) - top, int32(r.IntN(200))}[style]
}

func compareBlockUnits(t *testing.T, p *blockUnits) {
	t.Helper()
	set, m := unitSet(t), len(p.x)
	packed := kernel.NewPackedBlocks(p.n, p.k, p.b, p.scale, nil)
	packed.Fill(p.w, p.padded, 0, packed.Blocks())
	stride, part := packed.Stride(), set.For(packed, m)
	wide, got := make([]int16, stride*m), make([]*tensor.Tensor, m)
	for i := range p.x {
		part.Widen(packed, wide[i*stride:][:stride], p.x[i])
		got[i] = tensor.New(tensor.I32, 1, 1, p.n)
	}
	part.Linear(got, packed, wide, stride, make([]int64, m), 0, packed.Blocks())
	cols := (p.k + p.b.Chunk - 1) / p.b.Chunk
	sums, want := make([]int64, p.n*cols), tensor.New(tensor.I32, 1, 1, p.n)
	for i := range p.x {
		if p.b.Bits == 8 {
			kernel.MatMulBlock(sums, p.x[i], p.w, p.k, p.b, 0, p.n)
		} else {
			kernel.MatMulG4(sums, p.x[i], p.w, p.k, p.b, 0, p.n)
		}
		kernel.Row(want, sums, p.scale, cols, 0, 0, p.n)
		if !slices.Equal(got[i].I32, want.I32) {
			t.Fatalf("%d rows of %d columns in %+v, token %d of %d: %v by matrix units, plain %v", p.n, p.k, p.b, i, m, got[i].I32, want.I32)
		}
	}
}

// unitBlocks compares every layout with tails of rows, columns, blocks and tokens, and the ends of codes,
// mantissas, offsets and activations. SPEC 02 §5, STYLE 18, 20.
func unitBlocks(t *testing.T, all bool) {
	r := rand.New(rand.NewPCG(5, 70))
	counts := []int{8, 16, 19}
	if all {
		counts = []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64}
	}
	for i, k := range []int{1, 15, 16, 17, 32, 33, 48, 100, 230} {
		for layout := range 8 {
			for j, m := range counts {
				if all || (i+layout+j)%4 == 0 {
					compareBlockUnits(t, drawBlockUnits(r, 1+(7*i+13*j)%70, k, m, layout))
				}
			}
		}
	}
}

// greatestUnitBlocks has all codes, mantissas, offsets and activations at the end where their products
// add up, in rows as long as 62 bits allow, with codes of 4 and of 8 bits. Row exponents keep the sums inside
// 32 bits, unsaturated.
func greatestUnitBlocks(t *testing.T) {
	for layout := 6; layout < 8; layout++ {
		p := drawBlockUnits(rand.New(rand.NewPCG(1, 1)), 2, 1<<12, 8, layout)
		for i := range p.x {
			for j := range p.x[i] {
				p.x[i][j] = -1 << 15
			}
		}
		for at := 0; at < len(p.w); at += p.b.Leaf() {
			leaf := p.w[at:][:p.b.Leaf()]
			for i := range p.b.Chunk {
				p.b.SetCode(leaf, i, -1<<(p.b.Bits-1))
			}
			for i := range p.b.Count() {
				p.b.SetBlock(leaf, i, 1<<23, -1<<30)
			}
		}
		p.scale[1], p.scale[3] = 28, 31
		compareBlockUnits(t, p)
	}
}

// FuzzMatrixUnits draws more products where the processor has matrix units, of class R and of every layout
// of blocks.
func FuzzMatrixUnits(f *testing.F) {
	if _, err := engine.Kernel("amx"); err != nil {
		f.Skip(err)
	}
	f.Add(uint64(1), uint16(40), uint16(600), uint8(7), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, n, k uint16, m, layout uint8) {
		r := rand.New(rand.NewPCG(seed, 3))
		compareUnits(t, drawUnits(r, 1+int(n)%80, 1+int(k)%3000, 1+int(m)%40))
		compareBlockUnits(t, drawBlockUnits(r, 1+int(n)%80, 1+int(k)%3000, 1+int(m)%40, int(layout)))
	})
}
