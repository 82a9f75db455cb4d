package kernel

import (
	"slices"

	"elenchus/compute/tensor"
)

// Agrees says whether products of the set are those of the plain kernels on this processor: of 1 token
// to 17, class R and block-scaled, with tails of rows and columns, at the ends of activations and weights
// and between them. It is for sets that a build trusts only after a look; it takes about a millisecond. The
// processor must have the instructions of the set.
func (s *Set) Agrees() bool {
	if s.Plain() {
		return true
	}
	for _, z := range [...][3]int{{33, 208, 17}, {40, 64, 16}, {5, 48, 5}, {32, 256, 1}} {
		if !s.agrees(z[0], z[1], z[2]) {
			return false
		}
	}
	for i, z := range [...][3]int{{33, 208, 17}, {40, 72, 8}, {5, 48, 16}, {32, 128, 1}} {
		b := tensor.Blocks{Bits: 8 - i%2*4, Chunk: 64, Len: 32 - i/2*16, Least: i%3 == 0}
		if !s.agreesBlocks(b, z[0], z[1], z[2]) {
			return false
		}
	}
	return true
}

// agrees compares n rows of k columns, k at most 512 and a multiple of 16, for m tokens.
func (s *Set) agrees(n, k, m int) bool {
	scale := make([]int32, 2*n)
	for i := range n {
		scale[2*i], scale[2*i+1] = 1<<22-int32(i), 22 // a row is about its sum, below 2^31
	}
	w, p := agreeWeights(n, k), NewPacked(n, k, scale, nil)
	p.Fill(w, k, 0, p.Blocks())
	return s.gives(p, scale, m, func(sums []int64, x []int16) { MatMul(sums, x, w, k, k, 0, n) })
}

// agreesBlocks compares n rows of k columns in leaves of b, at most 4 in a row, for m tokens.
func (s *Set) agreesBlocks(b tensor.Blocks, n, k, m int) bool {
	cols, scale := (k+b.Chunk-1)/b.Chunk, make([]int32, 2*n)
	codes, w := agreeWeights(n, k), make([]int8, n*cols*b.Leaf())
	for i, c := range codes {
		row, at := i/k, i%k
		leaf := w[(row*cols+at/b.Chunk)*b.Leaf():][:b.Leaf()]
		b.SetCode(leaf, at%b.Chunk, int(c>>(8-b.Bits)))
		if at%b.Len == 0 {
			b.SetBlock(leaf, at%b.Chunk/b.Len, 1<<23-int32(i), int32(i)*1999-1<<20)
		}
		scale[2*row], scale[2*row+1] = 1, 23
	}
	p, mul := NewPackedBlocks(n, k, b, scale, nil), MatMulBlock
	if b.Bits == 4 {
		mul = MatMulG4
	}
	p.Fill(w, cols*b.Leaf(), 0, p.Blocks())
	return s.gives(p, scale, m, func(sums []int64, x []int16) {
		part := make([]int64, n*cols)
		mul(part, x, w, k, b, 0, n)
		clear(sums)
		for i, v := range part {
			sums[i/cols] += v
		}
	})
}

// gives says whether p times m tokens are the rows of the sums that mul gives.
func (s *Set) gives(p *Packed, scale []int32, m int, mul func(sums []int64, x []int16)) bool {
	x, got, shift := make([][]int16, m), make([]*tensor.Tensor, m), make([]int64, m)
	part, stride := s.For(p, m), p.Stride()
	wide := make([]int16, m*stride)
	for i := range m {
		x[i], got[i] = agreeToken(p.K, i), tensor.New(tensor.I32, 1, 1, p.N)
		part.Widen(p, wide[i*stride:][:stride], x[i])
	}
	part.Linear(got, p, wide, stride, shift, 0, p.Blocks())
	sums, want := make([]int64, p.N), tensor.New(tensor.I32, 1, 1, p.N)
	for i := range m {
		mul(sums, x[i])
		Row(want, sums, scale, 1, 0, 0, p.N)
		if !slices.Equal(got[i].I32, want.I32) {
			return false
		}
	}
	return true
}

// agreeWeights are rows of -128, of 127, and of everything between.
func agreeWeights(n, k int) []int8 {
	w := make([]int8, n*k)
	for i := range w {
		switch i / k % 3 {
		case 0:
			w[i] = -128
		case 1:
			w[i] = 127
		default:
			w[i] = int8(i*i*37 + i>>3)
		}
	}
	return w
}

// agreeToken are activations of -2^15, of 2^15-1, and of everything between.
func agreeToken(k, i int) []int16 {
	x := make([]int16, k)
	for j := range x {
		switch i % 3 {
		case 0:
			x[j] = int16(j*j*2713 + j*i*7919)
		case 1:
			x[j] = -1 << 15
		default:
			x[j] = 1<<15 - 1
		}
	}
	return x
}
