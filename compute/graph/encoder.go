package graph

import (
	"fmt"
	"math/bits"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

const maxRows = 512 // of a text

var promptIDs = []uint8{opset.Prompt}

func embedRows(d *opset.Descriptor) signature {
	return signature{
		mat(int64(d.Dims[1].C), int64(d.Dims[2].C)),
		[]operand{on(aTensor, i32, fixed(d.P[4])), on(rootA, i8, fixed(d.P[0]).times(d.P[1])), on(rootB, i32, fixed(2*d.P[0]))},
		[]span{{1, maxVocab}, anything, anything, {0, 2 * maxRows}, {1, 2 * maxRows}},
	}
}

func liveRows(d *opset.Descriptor) signature {
	return signature{vec(int64(d.Dims[2].C)), []operand{{kinds: promptIDs}}, []span{{1, 2 * maxRows}, {0, maxRows}}}
}

func rowScore(d *opset.Descriptor) signature {
	keys, row := int64(d.Dims[2].C), fixed(d.P[0]).times(int64(d.Dims[1].C))
	return signature{
		[3]opset.Dim{{C: d.Dims[0].C}, {C: d.Dims[1].C}, {C: d.Dims[2].C}},
		[]operand{on(aTensor, i16, row.times(int64(d.Dims[0].C))), on(aTensor, i16, row.times(keys)), on(aTensor, i32, fixed(keys))},
		[]span{headDim, zero, {-maxMult, maxMult}, shiftUp},
	}
}

func rowMix(d *opset.Descriptor) signature {
	rows, cols := int64(d.Dims[0].C), int64(d.Dims[1].C)
	return signature{
		[3]opset.Dim{{C: d.Dims[0].C}, {C: d.Dims[1].C}, {C: count(ceilDiv(d.P[1], 128))}},
		[]operand{on(aTensor, i32, fixed(d.P[1]).times(rows).times(ceilDiv(cols, d.P[0]))), on(aTensor, i16, fixed(d.P[1]).times(cols))},
		[]span{headDim, {1, maxRows}},
	}
}

func turned(d *opset.Descriptor) signature {
	cols, rows := int64(d.Dims[1].C), int64(d.Dims[2].C)
	return signature{mat(cols, rows), []operand{on(aTensor, i32, fixed(rows).times(cols)), on(aTensor, i32, fixed(rows))}, nil}
}

func rowCenter(d *opset.Descriptor) signature {
	s := single(d, i32, width, width)
	s.operands = append(s.operands, on(aTensor, i64, fixed(ceilDiv(d.P[0], d.P[1]))))
	return s
}

func rowSquares(d *opset.Descriptor) signature {
	rows := int64(d.Dims[1].C)
	return signature{
		mat(rows, ceilDiv(d.P[0], d.P[1])),
		[]operand{on(aTensor, i32, fixed(d.P[0]).times(rows)), on(aTensor, i64, fixed(rows))},
		[]span{rowWidth, {1, fanIn(tensor.I32)}},
	}
}

func rowInv(d *opset.Descriptor) signature {
	rows := int64(d.Dims[1].C)
	a := on(aTensor, i64, fixed(rows))
	return signature{mat(rows, 2), []operand{a, a}, []span{{1, maxNormK}, {0, 1 << 62}}}
}

func rowNorm(d *opset.Descriptor) signature {
	n := int64(d.Dims[2].C)
	return signature{
		vec(n),
		[]operand{on(aTensor, i32, fixed(n)), on(aTensor, i64, fixed(2*ceilDiv(n, d.P[2]))), on(rootA, i32, fixed(d.P[2])), on(rootB, i32, fixed(d.P[2]))},
		[]span{shiftUp, shiftUp, width},
	}
}

func rowAdd(d *opset.Descriptor) signature {
	s := single(d, i32, width, width)
	s.operands = append(s.operands, on(rootA, i32, fixed(d.P[1])))
	return s
}

// encoderSpecial are relations between parameters and dims of operations of encoders.
func encoderSpecial(d *opset.Descriptor) error {
	p, n, rows := &d.P, int64(d.Dims[2].C), int64(d.Dims[1].C)
	switch d.Op {
	case opset.EmbedRows:
		if p[3]+rows > p[4] {
			return fmt.Errorf("%d ids from %d on of a list of %d", rows, p[3], p[4])
		}
	case opset.Live:
		if n > p[0] {
			return fmt.Errorf("%d rows of a list of %d", n, p[0])
		}
	case opset.RowMix:
		if rows%p[0] != 0 {
			return fmt.Errorf("%d columns in heads of %d", rows, p[0])
		}
	case opset.RowCenter, opset.RowAdd:
		if p[0]%p[1] != 0 {
			return fmt.Errorf("%d elements in rows of %d", p[0], p[1])
		}
	case opset.RowNorm:
		if n%p[2] != 0 {
			return fmt.Errorf("%d elements in rows of %d", n, p[2])
		}
	}
	return nil
}

// lists says whether d reads the list of ids that a graph model takes, as its claim binds it.
func (v *stage) lists(d *opset.Descriptor) bool {
	if v.p.Token || d.Op != opset.Live || len(v.p.Stages) == 0 || len(v.p.Stages[0]) == 0 {
		return false
	}
	in := &v.p.Stages[0][0]
	return in.Type == tensor.I32 && in.Leaf == opset.LeafBytes && in.Dims == vec(d.P[0])
}

// rowNorms is the rule of norms for norms by rows.
func (v *stage) rowNorms(d *opset.Descriptor) error {
	x, m, n := int(d.Src[0].Index), int(d.Src[1].Index), d.P[0]
	switch d.Op {
	case opset.RowInv:
		over, width, ok := v.squares(x)
		if !ok {
			return fmt.Errorf("tensor %d is not a sum of squares", x)
		}
		x, n = over, width
	case opset.RowNorm:
		inv, err := v.before(m, len(v.ds), opset.RowInv)
		if err != nil {
			return err
		}
		m, n = int(inv.Src[1].Index), d.P[2]
	}
	if m >= len(v.ds) || v.ds[m].Dims[2] != (opset.Dim{C: 1}) {
		return fmt.Errorf("tensor %d is not one number for each row", m)
	}
	level := m
	for level < len(v.ds) && v.ds[level].Op == opset.MaxAbs && int(v.ds[level].Src[0].Index) != x && int(v.ds[level].Src[0].Index) < level {
		level = int(v.ds[level].Src[0].Index)
	}
	if a := &v.ds[level]; a.Op != opset.MaxAbs || int(a.Src[0].Index) != x || a.P[0] != n {
		return fmt.Errorf("tensor %d has not the largest magnitudes of the rows of %d of tensor %d", m, n, x)
	}
	return nil
}

// squares is the tensor whose rows of n tensor i adds the squares of.
func (v *stage) squares(i int) (x int, n int64, ok bool) {
	for i < len(v.ds) && v.ds[i].Op == opset.Sum && int(v.ds[i].Src[0].Index) < i {
		i = int(v.ds[i].Src[0].Index)
	}
	if i >= len(v.ds) || v.ds[i].Op != opset.RowSquares {
		return 0, 0, false
	}
	return int(v.ds[i].Src[0].Index), v.ds[i].P[0], true
}

func rowMixBits(_ *stage, _ *opset.Descriptor, at func(int) int) (own, inner int) {
	n := at(0) + at(1) + 7
	return n, n
}

// The mean is at most the sum, and the division adds the width and doubles.
func rowCenterBits(_ *stage, _ *opset.Descriptor, at func(int) int) (own, inner int) {
	return 31, max(at(1), log2(maxWidth)) + 2
}

// q = floor(x / 2^s) has |q| <= 2^24 by G18.
func rowSquaresBits(_ *stage, d *opset.Descriptor, _ func(int) int) (own, inner int) {
	n := 48 + log2(uint64(max(d.P[1], 1)))
	return n, n
}

// As norm_inv: the root is at least |max| / 2^s - 1, so |x| * inv <= K * 2^s * (1 + 2^-22), s <= 8.
func rowInvBits(_ *stage, d *opset.Descriptor, at func(int) int) (own, inner int) {
	k := bits.Len64(uint64(max(d.P[0], 0)))
	return max(k, 6), max(at(0), k+8, bits.Len64(uint64(max(d.P[1], 0)))) + 1
}

// As norm_apply, and beta.
func rowNormBits(v *stage, d *opset.Descriptor, _ func(int) int) (own, inner int) {
	return 31, max(v.normK(d)-int(max(min(d.P[0], maxShift), 0)), 0) + 1 + 31 + 1
}
