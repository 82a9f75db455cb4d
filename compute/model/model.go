// Package model builds the stages of a model from its integer tensors.
//
// It stands above machine: importers quantise other people's weights into a decoder or MLP spec,
// this package lays them out as descriptors over the closed op set, and the machine runs them.
// commitment/manifest gives the result its id. Invariants: at most 128 tensors a stage, every
// reduction in chunks of 256 (128 for i64), dot products in chunks of 512. SPEC 04.
//
//	m, err := model.Decoder(&spec)
//	out := workspace.Run(&m.Stages[0], &ctx, model.TokenInput(y), cache)
package model

import (
	"errors"
	"fmt"

	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Kinds of models. SPEC 06 §1.1.
const (
	KindToken = 1
	KindGraph = 2
)

// MaxTensors is the largest number of tensors of a stage, its input included.
const MaxTensors = 128

// ErrModel marks a model that is malformed or inconsistent.
var ErrModel = errors.New("invalid model")

// Model is a program: stages over tensors, and the text side that belongs to it.
type Model struct {
	Kind   int
	Vocab  int
	TMax   int
	Layers int // token model: layers; graph model: stages
	DKV    int // elements of a K or V row
	Stages []machine.Stage

	Tokenizer []byte  // canonical bytes, empty for a graph model
	Template  []byte  // canonical bytes
	EndIDs    []int32 // ascending
}

// Matrix is a quantised weight matrix of rows by k. In class R weights are int8 in chunks, with a
// mantissa and an exponent per row; in classes B and G4 they are block-scaled. SPEC 02 §3, §5.
type Matrix struct {
	K     int            // columns
	W     *tensor.Tensor // i8 [rows, ceil(k/chunk), leaf], zero-padded
	Scale *tensor.Tensor // i32 [rows, 2]

	// Blocks is the layout of a leaf of block-scaled weights, whose row mantissas are 0 or 1; in
	// class R it is zero and a leaf is a chunk of weights.
	Blocks tensor.Blocks

	// Low is the second digit of 16-bit weights, with scales of its own, or nil: results are the
	// sum of both. Narrow is then the shift from that int32 sum to an int16 result.
	Low    *Matrix
	Narrow int64
	// Bias is i32 [rows] in the fraction bits of the int32 results, or nil. Narrow is then the shift
	// from that sum to an int16 result, whatever the digits.
	Bias *tensor.Tensor
}

// Chunk is the number of weights in a leaf of a matrix with k columns. SPEC 02 §3.
func Chunk(k int) int { return min(512, (k+63)/64*64) }

// Rows is the number of rows.
func (m *Matrix) Rows() int { return m.W.Shape[0] }

// Chunks is the number of leaves per row.
func (m *Matrix) Chunks() int { return m.W.Shape[1] }

func (m *Matrix) check(name string, rows, k int) error {
	ch := Chunk(k)
	want := [3]int{rows, (k + ch - 1) / ch, ch}
	if m.Blocks != (tensor.Blocks{}) {
		if !m.Blocks.Valid() || m.Blocks.Chunk != ch || m.Low != nil {
			return fmt.Errorf("%w: matrix %s has blocks %+v in chunks of %d", ErrModel, name, m.Blocks, ch)
		}
		want[2] = m.Blocks.Leaf()
	}
	if m.W == nil || m.Scale == nil || m.W.Type != tensor.I8 || m.W.Shape != want || m.K != k {
		return fmt.Errorf("%w: matrix %s is not int8 %v with k = %d", ErrModel, name, want, k)
	}
	if m.Scale.Type != tensor.I32 || m.Scale.Len() != 2*rows {
		return fmt.Errorf("%w: scales of %s are not int32 [%d, 2]", ErrModel, name, rows)
	}
	if m.Bias != nil && (m.Bias.Type != tensor.I32 || m.Bias.Len() != rows) {
		return fmt.Errorf("%w: bias of %s is not int32 [%d]", ErrModel, name, rows)
	}
	if m.Low == nil {
		return nil
	}
	if m.Low.Low != nil || m.Low.Bias != nil {
		return fmt.Errorf("%w: matrix %s has more than two digits or a bias of its low one", ErrModel, name)
	}
	return m.Low.check(name, rows, k)
}

// TokenInput is the input of stage 0 of a token model.
func TokenInput(y int32) *tensor.Tensor {
	x := tensor.New(tensor.I32, 1, 1, 1)
	x.I32[0] = y
	return x
}

// stage is a stage under construction; methods append a tensor and return its index.
type stage struct {
	ops    []machine.Op
	tmax   int
	window int // of the tensors over positions that follow; 0: none
	// shifts are the scales of activations that have one of their token: tensor to tensor.
	shifts map[int]int
}

// span is the most positions that are attended.
func (s *stage) span() int {
	if s.window > 0 {
		return min(s.window, s.tmax)
	}
	return s.tmax
}

func newStage(t tensor.DType, n, tmax int) *stage {
	s := &stage{tmax: tmax, shifts: map[int]int{}}
	s.push(machine.Op{Descriptor: opset.Descriptor{Op: opset.Input, Type: t, Dims: vec(n)}})
	return s
}

// done closes the stage: k and v are the indices of its cache rows.
func (s *stage) done(layer, k, v int) machine.Stage {
	in := &s.ops[0]
	in.P[0], in.P[1], in.P[2] = int64(len(s.ops)), int64(k), int64(v)
	return machine.Stage{Ops: s.ops, Layer: layer}
}

func (s *stage) push(o machine.Op) int {
	if o.Leaf == 0 {
		o.Leaf = opset.LeafBytes
	}
	s.ops = append(s.ops, o)
	return len(s.ops) - 1
}

// add appends an operation with tensor sources.
func (s *stage) add(op opset.Code, t tensor.DType, dims [3]opset.Dim, p []int64, src ...int) int {
	d := opset.Descriptor{Op: op, Type: t, Dims: dims}
	if dims[2].K != 0 {
		d.Window = uint32(s.window)
	}
	copy(d.P[:], p)
	for i, x := range src {
		d.Src[i] = opset.Source{Kind: opset.Tensor, Index: uint8(x)}
	}
	return s.push(machine.Op{Descriptor: d})
}

// root makes source i of operation x the model tensor A or B.
func (s *stage) root(x, i int, kind uint8, w *tensor.Tensor) {
	s.ops[x].Src[i] = opset.Source{Kind: kind}
	if kind == opset.RootA {
		s.ops[x].A = w
	} else {
		s.ops[x].B = w
	}
}

func dim(n int) opset.Dim { return opset.Dim{C: uint32(n)} }

// vec, mat and cube are right-aligned shapes.
func vec(n int) [3]opset.Dim { return [3]opset.Dim{dim(1), dim(1), dim(n)} }

func mat(r, n int) [3]opset.Dim { return [3]opset.Dim{dim(1), dim(r), dim(n)} }

// grow is the dimension ceil(len/k).
func grow(k int) opset.Dim { return opset.Dim{C: 1, K: uint32(k)} }

// fanIn is the chunk of a reduction over elements of type t.
func fanIn(t tensor.DType) int {
	if t == tensor.I64 {
		return 128
	}
	return 256
}

// reduce appends the levels that bring [rows.., n] down to [rows.., 1] by op, the first level by
// first (with an extra source when given). n is a constant dimension.
func (s *stage) reduce(first, op opset.Code, rows [2]int, n, x int, t tensor.DType, extra ...int) int {
	for {
		f := fanIn(t)
		m := (n + f - 1) / f
		dims := [3]opset.Dim{dim(rows[0]), dim(rows[1]), dim(m)}
		x = s.add(first, tensor.I64, dims, []int64{int64(n), 0, int64(f), int64(t)}, append([]int{x}, extra...)...)
		if m == 1 {
			return x
		}
		n, t, first, extra = m, tensor.I64, op, nil
	}
}

// reduceSpan is reduce over the attended positions: x has ceil(len/k) items per row.
func (s *stage) reduceSpan(op opset.Code, rows [2]int, k, x int, t tensor.DType) int {
	for {
		f := fanIn(t)
		dims := [3]opset.Dim{dim(rows[0]), dim(rows[1]), grow(k * f)}
		x = s.add(op, tensor.I64, dims, []int64{1, int64(k), int64(f), int64(t)}, x)
		if k*f >= s.span() {
			return x
		}
		k, t = k*f, tensor.I64
	}
}

// norm appends normalisation of x (i32 [d]) to i16; gamma may be nil. With Dynamic the result is
// scaled to its token, which linear takes back.
func (s *stage) norm(x, d int, n *Norm) int {
	if n.Dynamic {
		return s.quant(s.normed(x, d, n, tensor.I32), d)
	}
	return s.normed(x, d, n, tensor.I16)
}

// normed is norm to rows of type t in their own format.
func (s *stage) normed(x, d int, n *Norm, t tensor.DType) int {
	if n.Center {
		x = s.add(opset.Center, tensor.I32, vec(d), []int64{int64(d)}, x, s.reduce(opset.Sum, opset.Sum, [2]int{1, 1}, d, x, tensor.I32))
	}
	m := s.reduce(opset.MaxAbs, opset.MaxAbs, [2]int{1, 1}, d, x, tensor.I32)
	sum := s.reduce(opset.SumSquares, opset.Sum, [2]int{1, 1}, d, x, tensor.I32, m)
	inv := s.add(opset.NormInv, tensor.I64, vec(2), []int64{n.K, n.Eps}, sum, m)
	y := s.add(opset.NormApply, t, vec(d), []int64{n.Shift, n.GammaShift, int64(d)}, x, inv)
	if n.Gamma != nil {
		s.root(y, 2, opset.RootA, n.Gamma)
	}
	return y
}

// quant appends the scaling of y (i32 [d]) to i16 by the least power of two of its token at which
// it fits.
func (s *stage) quant(y, d int) int {
	sc := s.add(opset.Scale, tensor.I64, vec(1), nil, s.reduce(opset.MaxAbs, opset.MaxAbs, [2]int{1, 1}, d, y, tensor.I32))
	x := s.add(opset.Quant, tensor.I16, vec(d), []int64{int64(d)}, y, sc)
	s.shifts[x] = sc
	return x
}

// linear appends a matrix product of x (i16 [k]) and its row results of type t; shift is the index
// of an activation scale, or 0 for that of x, if it has one. Weights of two digits are two products
// and their sum.
func (s *stage) linear(x int, m *Matrix, t tensor.DType, shift int) int {
	if shift == 0 {
		shift = s.shifts[x]
	}
	if m.Low == nil && m.Bias == nil {
		return s.digit(x, m, t, shift)
	}
	n := m.Rows()
	y := s.digit(x, m, tensor.I32, shift)
	if m.Low != nil {
		y = s.sum(y, s.digit(x, m.Low, tensor.I32, shift), n)
	}
	if m.Bias != nil {
		y = s.add(opset.Add, tensor.I32, vec(n), []int64{int64(n)}, y)
		s.root(y, 1, opset.RootA, m.Bias)
	}
	if t == tensor.I16 {
		y = s.add(opset.Quant, tensor.I16, vec(n), []int64{int64(n), m.Narrow}, y)
	}
	return y
}

func (s *stage) digit(x int, m *Matrix, t tensor.DType, shift int) int {
	op, p := m.product()
	part := s.add(op, tensor.I64, mat(m.Rows(), m.Chunks()), p, x)
	s.root(part, 1, opset.RootA, m.W)
	y := s.add(opset.Row, t, vec(m.Rows()), []int64{int64(m.Chunks()), m.rowBits()}, part)
	s.root(y, 1, opset.RootB, m.Scale)
	if shift > 0 {
		s.ops[y].Src[2] = opset.Source{Kind: opset.Tensor, Index: uint8(shift)}
	}
	return y
}
