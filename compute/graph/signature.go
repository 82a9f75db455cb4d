package graph

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// operand is what an operation needs in a source.
type operand struct {
	kinds    []uint8
	types    []tensor.DType
	size     size   // elements
	leaf     uint16 // 0: 64
	optional bool
}

// signature is the shape of an operation: what its descriptor must be for given parameters.
type signature struct {
	dims     [3]opset.Dim
	operands []operand
	params   []span // ranges of the parameters; beyond them they are 0
}

// span is a range of a parameter, both ends included.
type span struct{ lo, hi int64 }

var (
	aTensor = []uint8{opset.Tensor}
	rootA   = []uint8{opset.RootA}
	rootB   = []uint8{opset.RootB}
	addend  = []uint8{opset.Tensor, opset.RootA}
	kvTree  = []uint8{opset.KV}

	i8  = []tensor.DType{tensor.I8}
	i16 = []tensor.DType{tensor.I16}
	i32 = []tensor.DType{tensor.I32}
	i64 = []tensor.DType{tensor.I64}
)

// Bounds of parameters. They are what the kernels' proofs assume and no more.
const (
	maxWidth   = 1 << 24 // elements of a vector
	maxColumns = 1 << 16 // of a matrix: 128 chunks of 512
	maxChunks  = 128     // partial sums of a row

	maxMantissaBits = 24 // of a row scale

	maxHeadDim  = 256
	maxHeads    = 1 << 12
	maxVocab    = 1 << 24
	maxShift    = 62
	maxNormK    = 1 << 62
	maxMult     = 1 << 24 // of score: |dot| <= 2^38
	maxTemper   = 1 << 30
	maxSiLUBits = 30
)

var (
	width    = span{1, maxWidth}
	shift    = span{-maxShift, maxShift}
	shiftUp  = span{0, maxShift}
	zero     = span{0, 0}
	headDim  = span{1, maxHeadDim}
	heads    = span{1, maxHeads}
	rowWidth = span{1, maxColumns}
	anything = span{-1 << 63, 1<<63 - 1} // checked by another invariant
)

// signatures are the operations' own; the entry of an op that does not exist is nil.
var signatures = [...]func(d *opset.Descriptor) signature{
	opset.Embed: func(d *opset.Descriptor) signature {
		n := int64(d.Dims[2].C)
		return signature{
			vec(n),
			[]operand{on(rootA, i8, fixed(d.P[0]).times(d.P[1])), on(rootB, i32, fixed(2*d.P[0]))},
			[]span{{1, maxVocab}, anything, anything},
		}
	},
	opset.MaxAbs: reduction, opset.Max: reduction, opset.Sum: reduction, opset.ArgKey: reduction, opset.SumSquares: reduction,
	opset.NormInv: func(*opset.Descriptor) signature {
		return signature{vec(2), []operand{on(aTensor, i64, fixed(1)), on(aTensor, i64, fixed(1))}, []span{{1, maxNormK}, {0, 1 << 62}}}
	},
	opset.NormApply: func(d *opset.Descriptor) signature {
		n, g := fixed(d.P[2]), on(rootA, i32, fixed(d.P[2]))
		g.optional = true
		return signature{vec(d.P[2]), []operand{on(aTensor, i32, n), on(aTensor, i64, fixed(2)), g}, []span{shiftUp, shiftUp, width}}
	},
	opset.MatMul: func(d *opset.Descriptor) signature {
		n, c := int64(d.Dims[1].C), ceilDiv(d.P[0], chunkOf(d.P[0]))
		return signature{
			mat(n, c),
			[]operand{on(aTensor, i16, fixed(d.P[0])), on(rootA, i8, fixed(n).times(c*d.P[1]))},
			[]span{rowWidth, anything},
		}
	},
	opset.Row: func(d *opset.Descriptor) signature {
		n, s := int64(d.Dims[2].C), on(aTensor, i64, fixed(1))
		s.optional = true
		return signature{
			vec(n),
			[]operand{on(aTensor, i64, fixed(n).times(d.P[0])), on(rootB, i32, fixed(2*n)), s},
			[]span{{1, maxChunks}, {0, maxMantissaBits - 1}},
		}
	},
	opset.Add: func(d *opset.Descriptor) signature {
		n := fixed(d.P[0])
		return signature{vec(d.P[0]), []operand{on(aTensor, i32, n), on(addend, i32, n)}, []span{width}}
	},
	opset.Mul:     func(d *opset.Descriptor) signature { return pair(d, width, shift) },
	opset.ReLU:    func(d *opset.Descriptor) signature { return single(d, i32, width) },
	opset.SiLUMul: func(d *opset.Descriptor) signature { return pair(d, width, span{0, maxSiLUBits}, shift) },
	opset.Scale: func(*opset.Descriptor) signature {
		return signature{vec(1), []operand{on(aTensor, i64, fixed(1))}, nil}
	},
	opset.Quant: func(d *opset.Descriptor) signature {
		s := single(d, i32, width, shift)
		a := on(aTensor, i64, fixed(1))
		a.optional = true
		s.operands = append(s.operands, a)
		if d.Src[1].Kind != opset.None {
			s.params[1] = zero
		}
		return s
	},
	opset.RoPE: func(d *opset.Descriptor) signature {
		s := single(d, i32, width, headDim, span{2, maxHeadDim}, span{-30, 32}, span{0, 1}, span{1, 1 << 30})
		s.operands = append(s.operands, on(rootA, i32, fixed(d.P[5]).times(d.P[2])))
		return s
	},
	opset.Score: func(d *opset.Descriptor) signature {
		k := on(aTensor, i16, fixed(d.P[5]))
		k.leaf = opset.KVLeafBytes
		return signature{
			growing(d.P[6], 1),
			[]operand{on(aTensor, i16, fixed(d.P[6]).times(d.P[0])), k, {kinds: kvTree}},
			[]span{headDim, heads, {-maxMult, maxMult}, shiftUp, anything, anything, heads, anything},
		}
	},
	opset.Exp2Op: func(d *opset.Descriptor) signature {
		n := row(d)
		rows := int64(d.Dims[0].C) * int64(d.Dims[1].C)
		return signature{
			[3]opset.Dim{d.Dims[0], d.Dims[1], {C: count(d.P[0]), K: count(d.P[1])}},
			[]operand{on(aTensor, i32, n.times(rows)), on(aTensor, i64, fixed(rows))},
			[]span{width, {0, 1}, {0, 30}},
		}
	},
	opset.Transpose: func(d *opset.Descriptor) signature {
		v := on(aTensor, i16, fixed(d.P[5]))
		v.leaf = opset.KVLeafBytes
		return signature{
			growing(d.P[5], 1),
			[]operand{{kinds: kvTree}, v},
			[]span{zero, zero, zero, zero, anything, anything, zero, anything},
		}
	},
	opset.Mix: func(d *opset.Descriptor) signature {
		n := size{1, 1, d.Window}
		return signature{
			[3]opset.Dim{{C: count(d.P[2])}, {C: count(d.P[0])}, {C: 1, K: 128}},
			[]operand{on(aTensor, i32, n.times(d.P[2])), on(aTensor, i16, n.times(d.P[5]))},
			[]span{headDim, heads, heads, zero, zero, {1, maxColumns}},
		}
	},
	opset.DivOp: func(d *opset.Descriptor) signature {
		s := single(d, i64, width, width)
		s.operands = append(s.operands, on(aTensor, i64, fixed(ceilDiv(d.P[0], d.P[1]))))
		return s
	},
	opset.Temper: func(d *opset.Descriptor) signature { return single(d, i32, width, span{-maxTemper, maxTemper}) },
	opset.Draw: func(*opset.Descriptor) signature {
		return signature{vec(1), []operand{on(aTensor, i64, fixed(1))}, nil}
	},
	opset.Select: func(d *opset.Descriptor) signature {
		return signature{
			vec(2),
			[]operand{on(aTensor, []tensor.DType{tensor.DType(d.P[2])}, fixed(d.P[0])), on(aTensor, i64, fixed(2-d.P[3]))},
			[]span{width, anything, {int64(tensor.I32), int64(tensor.I64)}, {0, 1}},
		}
	},
	opset.Token: func(*opset.Descriptor) signature {
		one := on(aTensor, i64, fixed(1))
		return signature{vec(1), []operand{one, one, on(aTensor, i64, fixed(2))}, nil}
	},
	opset.StopOp: func(*opset.Descriptor) signature {
		one := on(aTensor, i32, fixed(1))
		return signature{vec(1), []operand{one, {kinds: []uint8{opset.Stop}}, one, one}, nil}
	},
	opset.StopState: stopState,
	opset.PromptOp: func(*opset.Descriptor) signature {
		return signature{vec(1), []operand{{kinds: []uint8{opset.Prompt}}}, nil}
	},
	opset.MatMulBlock: blockProduct,
	opset.MatMulG4:    blockProduct,
	opset.EmbedBlock: func(d *opset.Descriptor) signature {
		n := int64(d.Dims[2].C)
		return signature{
			vec(n),
			[]operand{on(rootA, i8, fixed(d.P[0]).times(ceilDiv(n, chunkOf(n))).times(leafOf(d))), on(rootB, i32, fixed(2*d.P[0]))},
			[]span{{1, maxVocab}, anything, {16, 32}, {0, 1}, {4, 8}},
		}
	},
	opset.HeadNorm: func(d *opset.Descriptor) signature {
		s := single(d, i32, width, headDim, span{1, maxNormK}, span{0, 1 << 62}, shiftUp, shiftUp)
		s.operands = append(s.operands, on(rootA, i32, fixed(d.P[1])))
		return s
	},
	opset.Activate: activation,
	opset.Center: func(d *opset.Descriptor) signature {
		s := single(d, i32, width)
		s.operands = append(s.operands, on(aTensor, i64, fixed(1)))
		return s
	},
	opset.Position: func(d *opset.Descriptor) signature {
		return signature{
			vec(int64(d.Dims[2].C)),
			[]operand{on(rootA, i8, fixed(d.P[0]).times(d.P[1])), on(rootB, i32, fixed(2*d.P[0]))},
			[]span{{1, maxPositions}, anything, anything},
		}
	},
	opset.Penalise: func(d *opset.Descriptor) signature {
		s := single(d, i32, span{1, opset.DenseCount})
		s.operands = append(s.operands, operand{kinds: []uint8{opset.Counts}}, operand{kinds: []uint8{opset.Bias}})
		return s
	},
	opset.Mask: func(d *opset.Descriptor) signature {
		s := single(d, i32, span{1, opset.DenseCount})
		s.operands = append(s.operands, operand{kinds: []uint8{opset.Grammar}})
		return s
	},
	opset.GrammarState: func(*opset.Descriptor) signature {
		return signature{vec(1), []operand{on(aTensor, i32, fixed(1)), {kinds: []uint8{opset.Grammar}}}, []span{{1, opset.DenseCount}}}
	},
	opset.Rank: func(d *opset.Descriptor) signature {
		s := signature{vec(1), nil, []span{width, {opset.ByCount, opset.ByWeight}}}
		if d.P[1] == opset.ByWeight {
			s.operands = []operand{on(aTensor, i64, fixed(1))}
		}
		return s
	},
	opset.Hist: func(d *opset.Descriptor) signature {
		s := signature{
			mat(opset.Bins, ceilDiv(d.P[0], d.P[1])),
			[]operand{on(aTensor, i32, fixed(d.P[0]))},
			[]span{width, anything, {0, opset.SelectRounds - 1}, {opset.ByCount, opset.ByWeight}},
		}
		if d.P[2] > 0 {
			s.operands = append(s.operands, on(aTensor, i64, fixed(2)))
		}
		return s
	},
	opset.Digit: func(d *opset.Descriptor) signature {
		state := fixed(1)
		if d.P[0] > 0 {
			state = fixed(2)
		}
		return signature{
			vec(2),
			[]operand{on(aTensor, i64, fixed(opset.Bins)), on(aTensor, i64, state)},
			[]span{{0, opset.SelectRounds - 1}},
		}
	},
	opset.Keep: func(d *opset.Descriptor) signature {
		s := single(d, i32, width, span{opset.ByCount, opset.ByWeight})
		s.operands = append(s.operands, on(aTensor, i64, fixed(2)))
		return s
	},
	opset.Order:  func(d *opset.Descriptor) signature { return single(d, i32, span{1, maxExperts}) },
	opset.Slot:   slots,
	opset.Gather: gather, opset.Share: share,
	opset.RowMatMul: rowMatMul, opset.RowResult: rowResult,
	opset.RowScale: func(d *opset.Descriptor) signature { return single(d, i64, width) },
	opset.RowQuant: rowQuant,
	opset.Combine:  combine,

	opset.EmbedRows: embedRows, opset.Live: liveRows, opset.RowScore: rowScore, opset.RowMix: rowMix, opset.Turn: turned,
	opset.RowCenter: rowCenter, opset.RowSquares: rowSquares, opset.RowInv: rowInv, opset.RowNorm: rowNorm, opset.RowAdd: rowAdd,
}

func on(kinds []uint8, types []tensor.DType, s size) operand {
	return operand{kinds: kinds, types: types, size: s}
}

func vec(n int64) [3]opset.Dim { return mat(1, n) }

func mat(r, n int64) [3]opset.Dim { return [3]opset.Dim{{C: 1}, {C: count(r)}, {C: count(n)}} }

func growing(r, k int64) [3]opset.Dim {
	return [3]opset.Dim{{C: 1}, {C: count(r)}, {C: 1, K: count(k)}}
}

// blockProduct is a product with block-scaled weights. SPEC 02 §5.
func blockProduct(d *opset.Descriptor) signature {
	n, c := int64(d.Dims[1].C), ceilDiv(d.P[0], chunkOf(d.P[0]))
	return signature{
		mat(n, c),
		[]operand{on(aTensor, i16, fixed(d.P[0])), on(rootA, i8, fixed(n).times(c).times(leafOf(d)))},
		[]span{rowWidth, anything, {16, 32}, {0, 1}},
	}
}

// leafOf is the leaf of block-scaled weights in bytes, 0 where the parameters give no layout.
func leafOf(d *opset.Descriptor) int64 {
	b, ok := d.Layout()
	if !ok {
		return 0
	}
	return int64(b.Leaf())
}

// single is an elementwise operation over a vector of p0.
func single(d *opset.Descriptor, t []tensor.DType, params ...span) signature {
	return signature{vec(d.P[0]), []operand{on(aTensor, t, fixed(d.P[0]))}, params}
}

func pair(d *opset.Descriptor, params ...span) signature {
	s := single(d, i32, params...)
	s.operands = append(s.operands, s.operands[0])
	return s
}

// activation is over rows of any length, as exp2 is; only curves that are not times x have a factor.
func activation(d *opset.Descriptor) signature {
	factor := span{0, 1 << 31}
	if d.P[2] > opset.Sigmoid {
		factor = zero
	}
	rows := int64(d.Dims[0].C) * int64(d.Dims[1].C)
	return signature{
		[3]opset.Dim{d.Dims[0], d.Dims[1], {C: count(d.P[0]), K: count(d.P[1])}},
		[]operand{on(aTensor, i32, row(d).times(rows))},
		[]span{width, {0, 1}, {0, opset.GELUErf}, {0, maxMult}, shiftUp, factor, shiftUp},
	}
}

// row is n of the reduce form and of exp2.
func row(d *opset.Descriptor) size {
	if d.P[1] == 0 {
		return fixed(d.P[0])
	}
	return size{uint64(max(d.P[0], 0)), count(d.P[1]), d.Window}
}

// reduction is the reduce form of SPEC 02 §4.1.
func reduction(d *opset.Descriptor) signature {
	rows := int64(d.Dims[0].C) * int64(d.Dims[1].C)
	s := signature{params: []span{width, {0, 1 << 32}, anything, {int64(tensor.I32), int64(tensor.I64)}}}
	last := opset.Dim{C: count(ceilDiv(d.P[0], d.P[2]))}
	if d.P[1] != 0 {
		s.params[0] = span{1, 1}
		last = opset.Dim{C: 1, K: count(d.P[1] * d.P[2])}
	}
	s.dims = [3]opset.Dim{d.Dims[0], d.Dims[1], last}
	if d.Op == opset.ArgKey || d.Op == opset.SumSquares {
		s.params[3] = span{int64(tensor.I32), int64(tensor.I32)}
		s.params[1] = zero
		s.dims[0], s.dims[1], rows = opset.Dim{C: 1}, opset.Dim{C: 1}, 1
	}
	s.operands = []operand{on(aTensor, []tensor.DType{tensor.DType(d.P[3])}, row(d).times(rows))}
	if d.Op == opset.SumSquares {
		s.operands = append(s.operands, on(aTensor, i64, fixed(1)))
	}
	return s
}
