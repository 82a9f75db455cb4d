package opsample

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Operations on the rows of matrices and on experts.

// tensorAt gives source i of d a tensor.
func (s *sampler) tensorAt(d *opset.Descriptor, i int) {
	d.Src[i] = opset.Source{Kind: opset.Tensor, Index: uint8(s.IntN(100))}
}

func (s *sampler) order(d *opset.Descriptor) {
	n := s.n(1, 256)
	d.Dims, d.P[0] = vec(n), int64(n)
}

func (s *sampler) slot(d *opset.Descriptor) {
	n := s.n(1, 256)
	d.Dims, d.P[0] = vec(s.n(1, min(n, 12))), int64(n)
}

func (s *sampler) gather(d *opset.Descriptor) {
	s.second(d)
	d.Dims, d.P[0] = vec(s.n(1, 12)), int64(s.n(1, 300))
}

func (s *sampler) share(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
	d.P[1], d.P[2], d.P[3] = wide(s.Rand, 40), int64(s.n(1, 64)), int64(s.IntN(32))
	if s.IntN(8) == 0 {
		d.P[3] = s.shift()
	}
	d.P[4] = int64(among(s.Rand, tensor.I32, tensor.I64))
}

// named gives d blocks and, in half of the cases, a tensor that names them.
func (s *sampler) named(d *opset.Descriptor) {
	d.P[2] = 1
	if s.flag() {
		s.tensorAt(d, 2)
		d.P[2] = int64(s.n(1, 16))
	}
	d.P[3] = int64(s.IntN(2))
}

func (s *sampler) rowMatMul(d *opset.Descriptor) {
	k, chunk, chunks := s.matrix()
	d.Src[1] = of(opset.RootA)
	d.P[0], d.P[1] = int64(k), int64(chunk)
	s.named(d)
	d.Dims = [3]opset.Dim{dim(s.n(1, 8), 0), dim(s.n(1, 60), 0), dim(chunks, 0)}
}

func (s *sampler) rowResult(d *opset.Descriptor) {
	d.Src[1] = of(opset.RootB)
	d.P[0], d.P[1] = int64(s.n(1, 64)), int64(s.n(1, 60))
	s.named(d)
	if s.flag() {
		s.tensorAt(d, 3)
	}
	d.P[4] = int64(s.IntN(2))
	d.Dims = vec(uint32(d.P[1]) * s.n(1, 8))
}

func (s *sampler) rowQuant(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
	d.P[1] = int64(s.n(1, 300))
}

func (s *sampler) combine(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
	d.P[1], d.P[2] = int64(s.n(1, 12)), s.shift()
}

// blockTypes are the element types of the reads of an operation on blocks: names first.
func blockTypes(d *opset.Descriptor) []tensor.DType {
	out := []tensor.DType{tensor.I16, tensor.I8}
	if d.Op == opset.RowResult {
		out = []tensor.DType{tensor.I64, tensor.I32, tensor.I64}
	}
	if d.Src[2].Kind != opset.None {
		out = append([]tensor.DType{tensor.I32}, out...)
	}
	return out
}

// names says whether read k holds places of later reads.
func (s *Supply) names(k int) bool {
	switch s.d.Op {
	case opset.Gather, opset.EmbedRows:
		return k == 0
	case opset.RowMatMul, opset.RowResult:
		return k == 0 && s.d.Src[2].Kind != opset.None
	}
	return false
}

// placeName is a place, or one just beyond the ends.
func (s *Supply) placeName() int64 {
	n := s.d.P[2]
	if s.d.Op == opset.Gather || s.d.Op == opset.EmbedRows {
		n = s.d.P[0]
	}
	return s.rng.Int64N(min(max(1, n), 1<<40)+2) - 1
}
