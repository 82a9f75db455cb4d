package modeltest

import (
	"math/rand/v2"

	"elenchus/compute/model"
	"elenchus/compute/tensor"
)

// blockMatrices draws matrices as Matrix does, each of the next layout.
func blockMatrices() func(r *rand.Rand, rows, k, bits int) model.Matrix {
	n := 0
	return func(r *rand.Rand, rows, k, bits int) model.Matrix {
		b := tensor.Blocks{Bits: 8 - 4*(n&1), Chunk: model.Chunk(k), Len: 16 << (n >> 1 & 1), Least: n>>2&1 == 1}
		n++
		return BlockMatrix(r, rows, k, bits, b)
	}
}

// BlockMatrix draws block-scaled weights of rows x k in layout b whose row results of i16 inputs
// stay near 2^bits.
func BlockMatrix(r *rand.Rand, rows, k, bits int, b tensor.Blocks) model.Matrix {
	chunks := (k + b.Chunk - 1) / b.Chunk
	m := model.Matrix{K: k, Blocks: b, W: tensor.New(tensor.I8, rows, chunks, b.Leaf()), Scale: tensor.New(tensor.I32, 1, rows, 2)}
	for n := range rows * chunks {
		leaf := m.W.I8[n*b.Leaf() : (n+1)*b.Leaf()]
		used := min(b.Chunk, k-n%chunks*b.Chunk)
		for i := range used {
			b.SetCode(leaf, i, r.IntN(1<<b.Bits)-1<<(b.Bits-1))
		}
		for i := 0; i*b.Len < used; i++ {
			b.SetBlock(leaf, i, int32(r.IntN(1<<24)-1<<23), int32(r.IntN(1<<(22+b.Bits))-1<<(21+b.Bits)))
		}
	}
	for n := range rows {
		m.Scale.I32[2*n], m.Scale.I32[2*n+1] = 1, int32(23+b.Bits-1+12+log2(k)/2-bits)
	}
	return m
}
