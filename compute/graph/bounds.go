package graph

import (
	"fmt"
	"math/bits"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// room is how far intermediate results may reach: |x| <= 2^62 leaves the rounding term of rs room.
const room = 62

// overflow bounds |x| <= 2^b of every tensor and every intermediate result, so that kernels in 64
// bits equal the definition over the integers. SPEC 02 §4, GAME rules 8 to 10.
func (v *stage) overflow() error {
	b := make([]int, len(v.ds))
	if len(b) > 0 {
		b[0] = valueBits(v.ds[0].Type)
	}
	return v.each(func(i int, d *opset.Descriptor) error {
		at := func(k int) int {
			if s := d.Src[k]; s.Kind == opset.Tensor && int(s.Index) < i {
				return b[s.Index]
			}
			return 31 // a model tensor
		}
		b[i] = valueBits(d.Type)
		if bound := bounds[min(int(d.Op), len(bounds)-1)]; bound != nil {
			own, inner := bound(v, d, at)
			if inner > room {
				return fmt.Errorf("intermediate results reach 2^%d, more than 2^%d", inner, room)
			}
			b[i] = min(b[i], own)
		}
		return nil
	})
}

// valueBits is b with |x| <= 2^b for every x of a type.
func valueBits(t tensor.DType) int { return 8*t.Size() - 1 }

// bounds gives for an operation the bits of its result and of the largest intermediate result.
// Operations that are missing stay inside 62 bits for all values of their types.
var bounds = [...]func(v *stage, d *opset.Descriptor, at func(int) int) (own, inner int){
	opset.MaxAbs: func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) { return at(0), 0 },
	opset.Max:    func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) { return at(0), 0 },
	opset.Sum: func(v *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		n := at(0) + log2(min(uint64(max(d.P[2], 1)), row(d).top(v.positions())))
		return n, n
	},
	// q = floor(x / 2^s) has |q| <= 2^24 by G18.
	opset.SumSquares: func(v *stage, d *opset.Descriptor, _ func(int) int) (int, int) {
		n := 48 + log2(min(uint64(max(d.P[2], 1)), row(d).top(v.positions())))
		return n, n
	},
	// The root is at least |max| / 2^s - 1, so |x| * inv <= K * 2^s * (1 + 2^-22), s <= 8.
	opset.NormInv: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		return max(bits.Len64(uint64(max(d.P[0], 0))), 6), max(at(0), bits.Len64(uint64(max(d.P[0], 0)))+8)
	},
	// z = rs(x * inv, p0 + s) <= K / 2^p0 + 1 by the line above, times gamma of 31 bits.
	opset.NormApply: func(v *stage, d *opset.Descriptor, _ func(int) int) (int, int) {
		k := v.normK(d)
		if d.Src[2].Kind == opset.None {
			return valueBits(d.Type), 0
		}
		return valueBits(d.Type), max(k-int(max(min(d.P[0], maxShift), 0)), 0) + 1 + 31
	},
	opset.MatMul: func(_ *stage, _ *opset.Descriptor, _ func(int) int) (int, int) { return 31, 31 },
	// 512 * 2^15 * (2^7 * 2^23 + 2^30), mantissas and offsets are checked by Operand.
	opset.MatMulBlock: func(_ *stage, _ *opset.Descriptor, _ func(int) int) (int, int) { return 55, 55 },
	opset.MatMulG4:    func(_ *stage, _ *opset.Descriptor, _ func(int) int) (int, int) { return 55, 55 },
	// |M| < 2^p1 is checked by Operand; the shift source must not overflow e - s.
	opset.Row: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		inner := at(0) + log2(uint64(max(d.P[0], 1))) + log2(uint64(mostMantissa(d)))
		if d.Src[2].Kind != opset.None && at(2) > 32 {
			inner = 64
		}
		return 31, inner
	},
	opset.Scale: func(_ *stage, _ *opset.Descriptor, _ func(int) int) (int, int) { return 6, 0 },
	opset.Quant: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		if d.Src[1].Kind != opset.None {
			return 15, at(1)
		}
		return 15, 0
	},
	opset.Exp2Op: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		return int(max(min(d.P[2], 31), 0)), at(1)
	},
	opset.Mix: func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) {
		n := at(0) + at(1) + 7
		return n, n
	},
	// div adds half of the divisor to the dividend, both doubled.
	opset.DivOp: func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) { return 15, max(at(0), at(1)) + 1 },
	opset.Temper: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		return 31, at(0) + bits.Len64(tensor.Abs(d.P[1])) + 1
	},
	opset.Draw: func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) { return at(0), at(0) },
	opset.Select: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		prefix := at(0) + log2(uint64(max(d.P[1], 1)))
		n := max(prefix, at(1), log2(uint64(max(d.P[0], 1)))) + 1
		return n, n
	},
	// As norm_inv and norm_apply: |x| * inv <= K * 2^8, then z <= K / 2^p4 + 1 times gamma; the sum is
	// of 256 squares below 2^48 and of E.
	opset.HeadNorm: func(_ *stage, d *opset.Descriptor, _ func(int) int) (int, int) {
		k := bits.Len64(uint64(max(d.P[2], 0)))
		z := max(k-int(max(min(d.P[4], maxShift), 0)), 0) + 1
		return 31, max(k+8, z+31, bits.Len64(uint64(max(d.P[3], 0)))+1, 57)
	},
	// The mean is at most the sum, and the division adds n and doubles.
	opset.Center: func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) {
		return 31, max(at(1), log2(maxWidth)) + 2
	},
	opset.EmbedBlock: nil, // |mantissa * code + offset| <= 2^31, times a mantissa of 24 bits
	opset.Rank: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		if d.P[1] == opset.ByWeight {
			return at(0), at(0)
		}
		return log2(uint64(max(d.P[0], 1))) + 1, 0
	},
	opset.Hist: func(_ *stage, d *opset.Descriptor, at func(int) int) (int, int) {
		n := log2(uint64(max(d.P[1], 1))) + 1
		if d.P[3] == opset.ByWeight {
			n += at(0)
		}
		return n, n
	},
	// A prefix of 32 bits, or what is left of a rank after up to 16 bins.
	opset.Digit: func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) {
		n := max(32, at(0)+4, at(1)) + 1
		return n, n
	},
	opset.Keep:      func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) { return at(0), 0 },
	opset.StopState: atMost(24), opset.PromptOp: nil, opset.Mask: atMost(31), opset.GrammarState: atMost(31),
	// |x * r| <= 2^61 with r <= 2^30; presence, frequency times a count of 31 bits, and a bias.
	opset.Penalise: func(*stage, *opset.Descriptor, func(int) int) (int, int) { return 31, 62 },
	opset.Order:    atMost(8), opset.Slot: atMost(8), opset.Gather: passes, opset.Share: shareBits,
	opset.RowMatMul: atMost(31), opset.RowResult: rowResultBits, opset.RowScale: atMost(6),
	opset.RowQuant: func(_ *stage, _ *opset.Descriptor, at func(int) int) (int, int) { return 15, at(1) },
	opset.Combine:  combineBits,

	opset.Live: atMost(1), opset.RowMix: rowMixBits, opset.Turn: passes, opset.RowCenter: rowCenterBits,
	opset.RowSquares: rowSquaresBits, opset.RowInv: rowInvBits, opset.RowNorm: rowNormBits,
	opset.RowAdd: nil,
}

// normK is the number of bits of K of the norm that d applies.
func (v *stage) normK(d *opset.Descriptor) int {
	if s := d.Src[1]; s.Kind == opset.Tensor && int(s.Index) < len(v.ds) {
		return bits.Len64(uint64(max(v.ds[s.Index].P[0], 0)))
	}
	return 0
}

// costed is an operation whose worst answer is known.
type costed struct {
	d    opset.Descriptor
	cost Cost
}

// answer: state, descriptor, data and paths of every element stay within the limits. GAME rule 20.
func (v *stage) answer() error {
	return v.each(func(_ int, d *opset.Descriptor) error {
		cost, err := v.worst(d)
		if err != nil {
			return err
		}
		if cost.Bytes > MaxAnswerBytes || cost.Hashes > MaxAnswerHashes || cost.Reads > MaxAnswerReads {
			return fmt.Errorf("answer of %d bytes, %d hashes and %d reads; the limits are %d, %d and %d",
				cost.Bytes, cost.Hashes, cost.Reads, MaxAnswerBytes, MaxAnswerHashes, MaxAnswerReads)
		}
		return nil
	})
}

// worst computes the cost once for all layers: roots, sources' numbers and the layer do not matter.
func (v *stage) worst(d *opset.Descriptor) (Cost, error) {
	key := *d
	key.RootA, key.RootB = [32]byte{}, [32]byte{}
	if d.Op == opset.Score || d.Op == opset.Transpose {
		key.P[4] = 0
	}
	for k := range key.Src {
		key.Src[k].Index = 0
	}
	for _, c := range *v.known {
		if c.d == key {
			return c.cost, nil
		}
	}
	for k := range key.Src {
		if key.Src[k].Kind == opset.Tensor {
			key.Src[k].Index = uint8(k + 1) // tell the reads apart
		}
	}
	c := opset.Context{TMax: v.positions(), M: v.positions(), StopCount: opset.MaxStop, StopLens: opset.MostStopLens, Biased: true, Repetition: 1, Grammared: true}
	cost, err := Worst(&key, c, len(v.p.Stages))
	for k := range key.Src {
		key.Src[k].Index = 0
	}
	*v.known = append(*v.known, costed{key, cost})
	return cost, err
}
