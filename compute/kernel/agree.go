package kernel

import (
	"slices"

	"elenchus/compute/tensor"
)

// Agrees says whether products of the set are those of the plain kernels on this processor: of 1 token
// to 17, class R, with tails of rows and columns, at the ends of activations and weights and between
// them. It is for sets that a build trusts only after a look; it takes about a millisecond. The
// processor must have the instructions of the set.
func (s *Set) Agrees() bool {
	for _, z := range [...][3]int{{33, 208, 17}, {40, 64, 16}, {5, 48, 5}, {32, 256, 1}} {
		if !s.agrees(z[0], z[1], z[2]) {
			return false
		}
	}
	return true
}

// agrees compares n rows of k columns, k at most 512 and a multiple of 16, for m tokens.
func (s *Set) agrees(n, k, m int) bool {
	if s.Plain() {
		return true
	}
	w, scale, x := agreeWeights(n, k), make([]int32, 2*n), make([][]int16, m)
	for i := range n {
		scale[2*i], scale[2*i+1] = 1<<22-int32(i), 22 // a row is about its sum, below 2^31
	}
	p, got, shift := NewPacked(n, k, scale, nil), make([]*tensor.Tensor, m), make([]int64, m)
	p.Fill(w, k, 0, p.Blocks())
	part, stride := s.For(p, m), p.Stride()
	wide := make([]int16, m*stride)
	for i := range m {
		x[i], got[i] = agreeToken(k, i), tensor.New(tensor.I32, 1, 1, n)
		part.Widen(p, wide[i*stride:][:stride], x[i])
	}
	part.Linear(got, p, wide, stride, shift, 0, p.Blocks())
	sums, want := make([]int64, n), tensor.New(tensor.I32, 1, 1, n)
	for i := range m {
		MatMul(sums, x[i], w, k, k, 0, n)
		Row(want, sums, scale, 1, 0, 0, n)
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
