package opsample

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Operations of encoders.

func cube(a, b, c uint32) [3]opset.Dim { return [3]opset.Dim{dim(a, 0), dim(b, 0), dim(c, 0)} }

func (s *sampler) embedRows(d *opset.Descriptor) {
	k, chunk, chunks := s.matrix()
	n, first := s.n(1, 12), s.n(0, 12)
	d.Src[1], d.Src[2] = of(opset.RootA), of(opset.RootB)
	d.P = [11]int64{int64(s.n(1, 700)), int64(chunks * chunk), int64(chunk), int64(first), int64(first + n + s.n(0, 5))}
	d.Dims = cube(1, n, k)
}

func (s *sampler) live(d *opset.Descriptor) {
	n := s.n(1, 40)
	d.Src[0], d.Dims = of(opset.Prompt), vec(n)
	d.P[0], d.P[1] = int64(n+s.n(0, 40)), int64(s.n(0, n))
}

func (s *sampler) rowScore(d *opset.Descriptor) {
	hd := among(s.Rand, s.n(1, 64), s.n(1, 64), 256)
	s.second(d)
	s.tensorAt(d, 2)
	d.P[0], d.P[2], d.P[3] = int64(hd), wide(s.Rand, 40), s.shift()
	d.Dims = cube(s.n(1, 6), s.n(1, 4), s.n(1, 40))
}

func (s *sampler) rowMix(d *opset.Descriptor) {
	hd, n := s.n(1, 64), among(s.Rand, s.n(1, 40), s.n(1, 300), 128, 129)
	s.second(d)
	d.P[0], d.P[1] = int64(hd), int64(n)
	d.Dims = cube(s.n(1, 6), hd*s.n(1, 4), (n+127)/128)
}

func (s *sampler) turn(d *opset.Descriptor) {
	s.second(d)
	d.Dims = cube(1, s.n(1, 40), s.n(1, 40))
}

// ofRows is a vector of p0 elements in rows of p1.
func (s *sampler) ofRows(d *opset.Descriptor) {
	n, rows := s.n(1, 300), s.n(1, 6)
	s.second(d)
	d.Dims, d.P[0], d.P[1] = vec(n*rows), int64(n*rows), int64(n)
	if d.Op == opset.RowAdd {
		d.Src[1] = of(opset.RootA)
	}
}

func (s *sampler) rowSquares(d *opset.Descriptor) {
	n, f := s.n(1, 1200), among(s.Rand, s.n(1, 256), 256)
	s.second(d)
	d.Dims, d.P[0], d.P[1] = cube(1, s.n(1, 6), (n+f-1)/f), int64(n), int64(f)
}

func (s *sampler) rowInv(d *opset.Descriptor) {
	s.second(d)
	d.Dims = cube(1, s.n(1, 9), 2)
	d.P[0], d.P[1] = wide(s.Rand, 63), wide(s.Rand, 63)
}

func (s *sampler) rowNorm(d *opset.Descriptor) {
	n := s.n(1, 300)
	s.second(d)
	d.Src[2], d.Src[3] = of(opset.RootA), of(opset.RootB)
	const far = 1 << 39 // so that p0 + s is exact
	d.Dims, d.P[0], d.P[1], d.P[2] = vec(n*s.n(1, 6)), max(-far, min(far, s.shift())), s.shift(), int64(n)
}

// encoderTypes are the element types of the reads of operations of encoders.
func encoderTypes(op opset.Code) []tensor.DType {
	const i8, i16, i32, i64 = tensor.I8, tensor.I16, tensor.I32, tensor.I64
	return map[opset.Code][]tensor.DType{
		opset.EmbedRows: {i32, i8, i32}, opset.Live: {i32}, opset.RowScore: {i16, i16, i32}, opset.RowMix: {i32, i16},
		opset.Turn: {i32, i32}, opset.RowCenter: {i32, i64}, opset.RowSquares: {i32, i64}, opset.RowInv: {i64, i64},
		opset.RowNorm: {i32, i64, i32, i32}, opset.RowAdd: {i32, i32},
	}[op]
}
