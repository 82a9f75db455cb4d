package model

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// residualBits are the fraction bits of row results and of the residual stream. SPEC 04 §2.2.
const residualBits = 16

// blocks says how the rows of a product meet a matrix of several blocks. The zero values of names
// and shift stand for none.
type blocks struct {
	rows, width, count int  // rows of x or of names, columns of the result, blocks of the matrix
	names, shift       int  // tensors: block of each row i32 [rows], scale of each row i64 [rows]
	own                bool // x has a row for each, else one for all
	inner              bool // the result is [width, rows], else [rows, width]
}

// blockLinear appends the products of rows of x with their blocks: i32 [rows * width].
func (s *stage) blockLinear(x int, m *Matrix, z blocks) int {
	y := s.blockDigit(x, m, z)
	if m.Low == nil {
		return y
	}
	n := z.rows * z.width
	return s.add(opset.Add, tensor.I32, vec(n), []int64{int64(n)}, y, s.blockDigit(x, m.Low, z))
}

func (s *stage) blockDigit(x int, m *Matrix, z blocks) int {
	dims := [3]opset.Dim{dim(z.rows), dim(z.width), dim(m.Chunks())}
	part := s.add(opset.RowMatMul, tensor.I64, dims, []int64{int64(m.K), int64(Chunk(m.K)), int64(z.count), bit(z.own)}, x)
	s.root(part, 1, opset.RootA, m.W)
	shift, shared := z.shift, false
	if one := s.shifts[x]; shift == 0 && one > 0 {
		shift, shared = one, true
	}
	y := s.add(opset.RowResult, tensor.I32, vec(z.rows*z.width), []int64{int64(m.Chunks()), int64(z.width), int64(z.count), bit(z.inner), bit(shared)}, part)
	s.root(y, 1, opset.RootB, m.Scale)
	if z.names > 0 {
		s.ops[part].Src[2] = opset.Source{Kind: opset.Tensor, Index: uint8(z.names)}
		s.ops[y].Src[2] = s.ops[part].Src[2]
	}
	if shift > 0 {
		s.ops[y].Src[3] = opset.Source{Kind: opset.Tensor, Index: uint8(shift)}
	}
	return y
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// quantRows appends the quantisation of x (i32 [rows * n]) with a scale for each row: i16, and the
// scales i64 [rows].
func (s *stage) quantRows(x, rows, n int) (y, scale int) {
	m := s.reduce(opset.MaxAbs, opset.MaxAbs, [2]int{1, rows}, n, x, tensor.I32)
	scale = s.add(opset.RowScale, tensor.I64, vec(rows), []int64{int64(rows)}, m)
	return s.add(opset.RowQuant, tensor.I16, vec(rows*n), []int64{int64(rows * n), int64(n)}, x, scale), scale
}
