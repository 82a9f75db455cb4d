package opsample

import "elenchus/compute/opset"

// layout draws the parameters p1.. of block-scaled weights for rows of k, and gives the weights in
// a leaf. SPEC 02 §5.
func (s *sampler) layout(d *opset.Descriptor, k uint32) (chunk uint32) {
	chunk = min(512, (k+63)/64*64)
	d.P[1], d.P[2], d.P[3] = int64(chunk), among[int64](s.Rand, 16, 32), int64(s.IntN(2))
	return chunk
}

func (s *sampler) matMulBlock(d *opset.Descriptor) {
	k := s.n(1, 1300)
	chunk := s.layout(d, k)
	d.Src[1] = of(opset.RootA)
	d.P[0] = int64(k)
	d.Dims = mat(s.n(1, 300), dim((k+chunk-1)/chunk, 0))
}

func (s *sampler) embedBlock(d *opset.Descriptor) {
	k := s.n(1, 1300)
	s.layout(d, k)
	d.Src[0], d.Src[1] = of(opset.RootA), of(opset.RootB)
	d.P[0], d.P[4] = int64(s.n(1, 700)), among[int64](s.Rand, 4, 8)
	d.Dims = vec(k)
}
