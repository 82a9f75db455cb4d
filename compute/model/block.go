package model

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Block-scaled weights in stages. SPEC 02 §5.

// product is the operation of a product with the matrix and its parameters.
func (m *Matrix) product() (opset.Code, []int64) {
	k, b := int64(m.K), m.Blocks
	if b == (tensor.Blocks{}) {
		return opset.MatMul, []int64{k, int64(Chunk(m.K))}
	}
	op := opset.MatMulBlock
	if b.Bits == 4 {
		op = opset.MatMulG4
	}
	return op, []int64{k, int64(b.Chunk), int64(b.Len), offsets(b)}
}

// rowBits is p1 of row: mantissas of block-scaled rows are 0 or 1.
func (m *Matrix) rowBits() int64 {
	if m.Blocks == (tensor.Blocks{}) {
		return 0
	}
	return 1
}

func offsets(b tensor.Blocks) int64 {
	if b.Least {
		return 1
	}
	return 0
}

// gather appends row y of the embedding m, of d elements and a vocabulary of rows.
func (s *stage) gather(m *Matrix, d int) int {
	op, p := opset.Embed, []int64{int64(m.Rows()), int64(m.Chunks() * Chunk(d)), int64(Chunk(d))}
	if b := m.Blocks; b != (tensor.Blocks{}) {
		op, p = opset.EmbedBlock, []int64{int64(m.Rows()), int64(b.Chunk), int64(b.Len), offsets(b), int64(b.Bits)}
	}
	e := s.add(op, tensor.I32, vec(d), p)
	s.root(e, 0, opset.RootA, m.W)
	s.root(e, 1, opset.RootB, m.Scale)
	return e
}
