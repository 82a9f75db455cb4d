package graph

import (
	"fmt"
	"math/bits"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Bounds of a mixture of experts.
const (
	maxExperts   = 256     // a rank counts them in one read
	maxShareBits = 31      // bits of a share
	maxBlocks    = 1 << 32 // rows of all blocks
)

func slots(d *opset.Descriptor) signature {
	return signature{vec(int64(d.Dims[2].C)), []operand{on(aTensor, i32, fixed(d.P[0]))}, []span{{1, maxExperts}}}
}

func gather(d *opset.Descriptor) signature {
	n := int64(d.Dims[2].C)
	return signature{vec(n), []operand{on(aTensor, i32, fixed(d.P[0])), on(aTensor, i32, fixed(n))}, []span{width}}
}

func share(d *opset.Descriptor) signature {
	s := single(d, []tensor.DType{tensor.DType(d.P[4])}, width, span{-1 << 31, 1 << 31}, width, span{0, maxShareBits},
		span{int64(tensor.I32), int64(tensor.I64)})
	s.operands = append(s.operands, on(aTensor, i64, fixed(ceilDiv(d.P[0], d.P[2]))))
	return s
}

func rowQuant(d *opset.Descriptor) signature {
	s := single(d, i32, width, width)
	s.operands = append(s.operands, on(aTensor, i64, fixed(ceilDiv(d.P[0], d.P[1]))))
	return s
}

func combine(d *opset.Descriptor) signature {
	return signature{
		vec(d.P[0]),
		[]operand{on(aTensor, i32, fixed(d.P[0]).times(d.P[1])), on(aTensor, i32, fixed(d.P[1]))},
		[]span{width, {1, maxExperts}, shiftUp},
	}
}

// blocks is an optional source of indices of blocks, one for each row.
func blocks(d *opset.Descriptor, rows int64) operand {
	o := on(aTensor, i32, fixed(rows))
	o.optional = true
	return o
}

func rowMatMul(d *opset.Descriptor) signature {
	r, n, c := int64(d.Dims[0].C), int64(d.Dims[1].C), ceilDiv(d.P[0], chunkOf(d.P[0]))
	x := fixed(d.P[0])
	if d.P[3] == 1 {
		x = x.times(r)
	}
	return signature{
		[3]opset.Dim{{C: count(r)}, {C: count(n)}, {C: count(c)}},
		[]operand{on(aTensor, i16, x), on(rootA, i8, fixed(n).times(c*d.P[1]).times(d.P[2])), blocks(d, r)},
		[]span{rowWidth, anything, {1, maxExperts}, {0, 1}},
	}
}

func rowResult(d *opset.Descriptor) signature {
	total := int64(d.Dims[2].C)
	rows := total / max(d.P[1], 1)
	s := on(aTensor, i64, fixed(rows))
	if d.P[4] == 1 {
		s.size = fixed(1)
	}
	s.optional = true
	return signature{
		vec(total),
		[]operand{on(aTensor, i64, fixed(total).times(d.P[0])), on(rootB, i32, fixed(2*d.P[1]).times(d.P[2])), blocks(d, rows), s},
		[]span{{1, maxChunks}, width, {1, maxExperts}, {0, 1}, {0, 1}},
	}
}

// special relations between parameters of operations on rows.
func rowSpecial(d *opset.Descriptor) error {
	switch p := &d.P; d.Op {
	case opset.EmbedRows, opset.Live, opset.RowMix, opset.RowCenter, opset.RowNorm, opset.RowAdd:
		return encoderSpecial(d)
	case opset.Slot:
		if int64(d.Dims[2].C) > p[0] {
			return fmt.Errorf("%d slots of %d", d.Dims[2].C, p[0])
		}
	case opset.RowMatMul, opset.RowResult:
		if d.Src[2].Kind == opset.None && p[2] != 1 {
			return fmt.Errorf("%d blocks and no tensor that names them", p[2])
		}
		if d.Op == opset.RowResult && int64(d.Dims[2].C)%p[1] != 0 {
			return fmt.Errorf("%d elements in rows of %d", d.Dims[2].C, p[1])
		}
		if c := max(p[0], int64(d.Dims[1].C)); uint64(c)*uint64(p[2]) > maxBlocks {
			return fmt.Errorf("%d blocks of %d", p[2], c)
		}
	}
	return nil
}

// div adds half of the divisor to the dividend, both doubled.
func shareBits(_ *stage, d *opset.Descriptor, at func(int) int) (own, inner int) {
	return int(max(min(d.P[3], maxShareBits), 0)), max(at(0)+bits.Len64(tensor.Abs(d.P[1])), at(1)) + 1
}

// rowResultBits is the bound of row: the shift source must not overflow e - s.
func rowResultBits(_ *stage, d *opset.Descriptor, at func(int) int) (own, inner int) {
	inner = at(0) + log2(uint64(max(d.P[0], 1))) + 24
	if d.Src[3].Kind != opset.None && at(3) > 32 {
		inner = 64
	}
	return 31, inner
}

func combineBits(_ *stage, d *opset.Descriptor, at func(int) int) (own, inner int) {
	return 31, at(0) + at(1) + log2(uint64(max(d.P[1], 1)))
}

// passes is the bound of an operation that hands its source's elements on.
func passes(_ *stage, _ *opset.Descriptor, at func(int) int) (own, inner int) { return at(0), 0 }

// atMost is the bound of an operation whose results have n bits and whose intermediate ones fit.
func atMost(n int) func(*stage, *opset.Descriptor, func(int) int) (own, inner int) {
	return func(*stage, *opset.Descriptor, func(int) int) (int, int) { return n, n }
}
