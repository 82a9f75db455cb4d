package conformance_test

import (
	"math"
	"math/big"
	"slices"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// example is one evaluated element, as the conditions below see it.
type example struct {
	d     opset.Descriptor
	c     opset.Context
	i     uint64
	x     [][]int64 // elements of each read
	reads []opset.Read
	value int64
}

// condition is something that an op's vectors must show.
type condition struct {
	name string
	ops  []opset.Code // nil: every op
	ok   func(*example) bool
}

func all(c ...opset.Code) []opset.Code { return c }

var (
	reductions = all(opset.MaxAbs, opset.Max, opset.Sum, opset.ArgKey, opset.SumSquares)
	positional = append(slices.Clone(reductions), opset.Score, opset.Exp2Op, opset.Transpose, opset.Mix, opset.Activate)
	chunked    = append(slices.Clone(reductions), opset.MatMul, opset.Mix, opset.Select, opset.MatMulBlock, opset.MatMulG4)
	blocked    = all(opset.MatMulBlock, opset.MatMulG4, opset.EmbedBlock)
	shifted    = all(opset.Embed, opset.NormApply, opset.Row, opset.Mul, opset.SiLUMul, opset.Quant, opset.RoPE, opset.Score, opset.EmbedBlock,
		opset.HeadNorm, opset.Activate, opset.Position, opset.EmbedRows, opset.RowScore, opset.RowNorm)
	saturating = append(slices.Clone(shifted), opset.Sum, opset.ArgKey, opset.Add, opset.Temper, opset.DivOp, opset.Center, opset.RowAdd, opset.RowCenter)
	vectors    = all(opset.Embed, opset.MaxAbs, opset.Max, opset.Sum, opset.ArgKey, opset.SumSquares, opset.NormInv, opset.NormApply,
		opset.MatMul, opset.Row, opset.Add, opset.Mul, opset.ReLU, opset.SiLUMul, opset.Quant, opset.RoPE, opset.Score, opset.Exp2Op,
		opset.Transpose, opset.Mix, opset.DivOp, opset.Temper, opset.Select, opset.MatMulBlock, opset.MatMulG4, opset.EmbedBlock,
		opset.HeadNorm, opset.Activate, opset.Center, opset.Position, opset.EmbedRows, opset.Live, opset.RowScore, opset.RowMix, opset.Turn, opset.RowCenter,
		opset.RowSquares, opset.RowInv, opset.RowNorm, opset.RowAdd)
)

// experts are the operations that a tensor may name the blocks of.
var experts = all(opset.RowMatMul, opset.RowResult)

func (e *example) named() bool { return e.d.Src[2].Kind != opset.None }

// shiftOf is the shift that decides the element, where it has one.
func (e *example) shiftOf() int64 {
	switch e.d.Op {
	case opset.Embed, opset.EmbedBlock, opset.Position:
		return e.x[1][1]
	case opset.EmbedRows:
		return e.x[2][1]
	case opset.RowNorm:
		return e.d.P[1]
	case opset.HeadNorm:
		return e.d.P[5]
	case opset.Activate:
		return e.d.P[6]
	case opset.Row:
		if len(e.x) == 3 {
			return e.x[1][1] - max(-1<<40, min(1<<40, e.x[2][0]))
		}
		return e.x[1][1]
	case opset.NormApply:
		if e.d.Src[2].Kind != opset.None {
			return e.d.P[1]
		}
		return e.d.P[0] + max(-1<<40, min(1<<40, e.x[1][1]))
	case opset.Mul:
		return e.d.P[1]
	case opset.SiLUMul:
		return e.d.P[2]
	case opset.Quant:
		if len(e.x) == 2 {
			return e.x[1][0]
		}
		return e.d.P[1]
	case opset.RowScore:
		if e.x[2][0] == 0 {
			return math.MinInt64
		}
		return e.d.P[3]
	case opset.RoPE, opset.Score:
		return e.d.P[3]
	}
	return math.MinInt64
}

// blockWeight is the weight of an element of embed_block in units of its row.
func (e *example) blockWeight() int64 {
	b, _ := e.d.Layout()
	leaf := make([]int8, len(e.x[0]))
	for i, v := range e.x[0] {
		leaf[i] = int8(v)
	}
	i := int(e.i % uint64(b.Chunk))
	return b.Code(leaf, i)*b.Mantissa(leaf, i/b.Len) + b.Offset(leaf, i/b.Len)
}

func (e *example) span() uint64 { return e.d.Span(&e.c) }

// positions says whether the element's shape depends on t.
func (e *example) positions() bool {
	return e.d.Dims[2].K != 0 || (slices.Contains(reductions, e.d.Op) && e.d.P[1] != 0)
}

func (e *example) has(v func(t tensor.DType) int64) bool {
	return slices.ContainsFunc(e.x, func(x []int64) bool {
		return slices.ContainsFunc([]tensor.DType{tensor.I8, tensor.I16, tensor.I32, tensor.I64}, func(t tensor.DType) bool {
			return slices.Contains(x, v(t))
		})
	})
}

func least(t tensor.DType) int64    { lo, _ := tensor.Range(t); return lo }
func greatest(t tensor.DType) int64 { _, hi := tensor.Range(t); return hi }

// half says whether a is an odd multiple of b/2: the case that rounding decides.
func half(a, b *big.Int) bool {
	if b.Sign() <= 0 {
		return false
	}
	two := new(big.Int).Lsh(a, 1)
	q, r := new(big.Int).QuoRem(two, b, new(big.Int))
	return r.Sign() == 0 && q.Bit(0) == 1
}

func power(s int64) *big.Int {
	if s < 0 || s > 62 {
		return new(big.Int)
	}
	return new(big.Int).Lsh(big.NewInt(1), uint(s))
}

func product(a, b int64) *big.Int { return new(big.Int).Mul(big.NewInt(a), big.NewInt(b)) }

// tie says whether the last rounding of the element is exactly between two integers.
func (e *example) tie() bool {
	switch e.d.Op {
	case opset.EmbedBlock:
		return half(product(e.blockWeight(), e.x[1][0]), power(e.x[1][1]))
	case opset.Embed:
		return half(product(e.x[0][0], e.x[1][0]), power(e.x[1][1]))
	case opset.Row:
		sum := new(big.Int)
		for _, v := range e.x[0] {
			sum.Add(sum, big.NewInt(v))
		}
		return half(sum.Mul(sum, big.NewInt(e.x[1][0])), power(e.shiftOf()))
	case opset.NormApply:
		return e.d.Src[2].Kind == opset.None && half(product(e.x[0][0], e.x[1][0]), power(e.shiftOf()))
	case opset.Mul:
		return half(product(e.x[0][0], e.x[1][0]), power(e.d.P[1]))
	case opset.Quant:
		return half(big.NewInt(e.x[0][0]), power(e.shiftOf()))
	case opset.DivOp:
		return half(big.NewInt(e.x[0][0]), big.NewInt(e.x[1][0]))
	case opset.Temper:
		return half(product(e.x[0][0], e.d.P[1]), big.NewInt(int64(e.c.Temperature)))
	case opset.ArgKey, opset.Max, opset.MaxAbs:
		x := e.x[0]
		return len(x) > 1 && x[0] == x[len(x)-1] && slices.Max(x) == x[0]
	}
	return false
}

// conditions are what the vectors of each op must show; every one of them is a way in which two
// implementations of the op could differ.
var conditions = []condition{
	{"sane", nil, func(e *example) bool { return true }},
	{"first element", vectors, func(e *example) bool { return e.i == 0 }},
	{"last element", vectors, func(e *example) bool { return e.i > 0 && e.i == e.d.Count(&e.c)-1 }},
	{"least input", nil, func(e *example) bool { return e.has(least) }},
	{"greatest input", nil, func(e *example) bool { return e.has(greatest) }},
	{"read across leaves", all(opset.MaxAbs, opset.Sum, opset.Row, opset.Score, opset.Mix), func(e *example) bool {
		r := e.reads[0]
		a, b := r.Leaves()
		return b-a > 1 && r.Lo%uint64(r.Leaf) != 0
	}},

	{"short last chunk", chunked, func(e *example) bool {
		k := 0
		if e.d.Op == opset.Select {
			k = 1
			return e.d.P[0]%e.d.P[1] != 0 && int64(len(e.x[k])) == e.d.P[0]%e.d.P[1]
		}
		f := e.d.P[2]
		if e.d.Op == opset.MatMul || slices.Contains(blocked, e.d.Op) {
			f = e.d.P[1]
		} else if e.d.Op == opset.Mix {
			f = 128
		}
		return e.d.Shape(&e.c)[2] > 1 && int64(len(e.x[k])) < f
	}},
	{"saturates above", saturating, func(e *example) bool { return e.value == greatest(e.d.Type) }},
	{"saturates below", saturating, func(e *example) bool { return e.value == least(e.d.Type) }},
	{"shift 0", shifted, func(e *example) bool { return e.shiftOf() == 0 }},
	{"shift 61", shifted, func(e *example) bool { return e.shiftOf() == 61 }},
	{"shift 62", shifted, func(e *example) bool { return e.shiftOf() == 62 }},
	{"shift 63", shifted, func(e *example) bool { return e.shiftOf() == 63 }},
	{"shift huge", shifted, func(e *example) bool { return e.shiftOf() >= math.MaxInt32 }},
	{"shift negative", shifted, func(e *example) bool { return e.shiftOf() < 0 && e.shiftOf() > -30 && e.value != 0 }},
	{"shift far negative", shifted, func(e *example) bool { return e.shiftOf() <= math.MinInt32 && e.value != 0 }},
	{"shift far negative of zero", shifted, func(e *example) bool { return e.shiftOf() < -62 && e.value == 0 }},
	{
		"tie", all(opset.EmbedBlock, opset.Embed, opset.Row, opset.NormApply, opset.Mul, opset.Quant, opset.DivOp, opset.Temper, opset.ArgKey, opset.Max, opset.MaxAbs),
		func(e *example) bool { return e.tie() },
	},
	{
		"negative tie", all(opset.EmbedBlock, opset.Embed, opset.Row, opset.NormApply, opset.Mul, opset.Quant, opset.DivOp, opset.Temper),
		func(e *example) bool { return e.tie() && e.value < 0 },
	},
	{"t = 0", positional, func(e *example) bool { return e.c.T == 0 && e.positions() }},
	{"one short of a chunk of positions", positional, func(e *example) bool { return e.positions() && e.span()%128 == 127 }},
	{"full chunk of positions", positional, func(e *example) bool { return e.positions() && e.span()%128 == 0 }},
	{"one beyond a chunk of positions", positional, func(e *example) bool { return e.positions() && e.span() > 1 && e.span()%128 == 1 }},
	{"window shorter than the context", positional, func(e *example) bool {
		return e.positions() && e.d.Window > 1 && e.d.Window < e.c.T+1
	}},
	{"window of one", positional, func(e *example) bool { return e.positions() && e.d.Window == 1 && e.c.T > 1 }},
	{"window longer than the context", positional, func(e *example) bool { return e.positions() && e.d.Window > e.c.T+1 }},
	{"row of this position", all(opset.Score, opset.Transpose), func(e *example) bool { return e.i%e.span() == e.span()-1 }},
	{"row of an earlier position", all(opset.Score, opset.Transpose), func(e *example) bool { return e.i%e.span() < e.span()-1 }},
	{"row of the first position attended", all(opset.Score, opset.Transpose), func(e *example) bool { return e.i%e.span() == 0 && e.d.First(&e.c) > 0 }},
	{"i16 input", reductions, func(e *example) bool { return e.d.P[3] == int64(tensor.I16) }},
	{"i32 input", reductions, func(e *example) bool { return e.d.P[3] == int64(tensor.I32) }},
	{"i64 input", reductions, func(e *example) bool { return e.d.P[3] == int64(tensor.I64) }},
	{"token below 0", all(opset.Embed, opset.EmbedBlock), func(e *example) bool { return e.c.YPrev < 0 }},
	{"token beyond the vocabulary", all(opset.Embed, opset.EmbedBlock), func(e *example) bool { return int64(e.c.YPrev) >= e.d.P[0] }},
	{"blocks of 16", blocked, func(e *example) bool { return e.d.P[2] == 16 && e.value != 0 }},
	{"blocks of 32", blocked, func(e *example) bool { return e.d.P[2] == 32 && e.value != 0 }},
	{"offsets", blocked, func(e *example) bool { return e.d.P[3] == 1 && e.value != 0 }},
	{"no offsets", blocked, func(e *example) bool { return e.d.P[3] == 0 && e.value != 0 }},
	{"short last block", all(opset.MatMulBlock, opset.MatMulG4), func(e *example) bool { return len(e.x[0])%int(e.d.P[2]) != 0 && e.value != 0 }},
	{"low half byte", all(opset.EmbedBlock), func(e *example) bool { return e.d.P[4] == 4 && e.i%32 == 3 && e.value != 0 }},
	{"high half byte", all(opset.EmbedBlock), func(e *example) bool { return e.d.P[4] == 4 && e.i%32 == 19 && e.value != 0 }},
	{"code of a byte", all(opset.EmbedBlock), func(e *example) bool { return e.d.P[4] == 8 && e.value != 0 }},
	{"divisor 0", all(opset.DivOp), func(e *example) bool { return e.x[1][0] == 0 && e.x[0][0] != 0 }},
	{"divisor negative", all(opset.DivOp), func(e *example) bool { return e.x[1][0] < 0 }},
	{"temperature 0", all(opset.Temper), func(e *example) bool { return e.c.Temperature == 0 && e.x[0][0] != 0 }},
	{"greatest temperature", all(opset.Temper), func(e *example) bool { return e.c.Temperature == math.MaxUint32 && e.x[0][0] != 0 }},
	{"root of zero", all(opset.NormInv), func(e *example) bool { return e.i == 0 && e.x[0][0] == 0 && e.d.P[1] == 0 }},
	{"root of less than zero", all(opset.NormInv), func(e *example) bool { return e.i == 0 && e.x[0][0] < 0 }},
	{"norm shift above 0", all(opset.NormInv, opset.SumSquares), func(e *example) bool { return e.x[1][0] > 1<<24 }},
	{"negative numerator", all(opset.NormInv), func(e *example) bool { return e.i == 0 && e.value < -1 && e.d.P[0]%e.value != 0 }},
	{"shift element", all(opset.NormInv), func(e *example) bool { return e.i == 1 && e.value > 0 }},
	{"negative input under the shift", all(opset.SumSquares), func(e *example) bool { return e.x[0][0] < 0 && e.x[1][0] > 1<<30 && e.value > 0 }},
	{"sum beyond 64 bits", all(opset.SumSquares), func(e *example) bool { return e.value == math.MaxInt64 }},
	{"least int64 has a magnitude", all(opset.MaxAbs), func(e *example) bool { return e.value == math.MaxInt64 && slices.Contains(e.x[0], math.MinInt64) }},
	{"with gamma", all(opset.NormApply), func(e *example) bool { return e.d.Src[2].Kind == opset.RootA && e.value != 0 }},
	{"without gamma", all(opset.NormApply), func(e *example) bool { return e.d.Src[2].Kind == opset.None && e.value != 0 }},
	{"with a shift source", all(opset.Row, opset.Quant), func(e *example) bool { return e.d.Src[1].Kind == opset.Tensor || e.d.Src[2].Kind == opset.Tensor }},
	{"without a shift source", all(opset.Row, opset.Quant), func(e *example) bool {
		return e.d.Src[2].Kind == opset.None && (e.d.Op == opset.Row || e.d.Src[1].Kind == opset.None)
	}},
	{"shift source negative", all(opset.Row, opset.Quant), func(e *example) bool {
		k := 2
		if e.d.Op == opset.Quant {
			k = 1
		}
		return len(e.x) == k+1 && e.x[k][0] < 0
	}},
	{"i16 target", all(opset.Row), func(e *example) bool {
		return e.d.Type == tensor.I16 && e.value != 0 && e.value != greatest(tensor.I16)
	}},
	{"i32 target", all(opset.Row), func(e *example) bool {
		return e.d.Type == tensor.I32 && e.value != 0 && e.value != greatest(tensor.I32)
	}},
	{"model tensor as addend", all(opset.Add), func(e *example) bool { return e.d.Src[1].Kind == opset.RootA }},
	{"gate negative", all(opset.SiLUMul), func(e *example) bool { return e.x[0][0] < 0 && e.value != 0 && e.value != greatest(tensor.I32) }},
	{"gate positive", all(opset.SiLUMul), func(e *example) bool { return e.x[0][0] > 0 && e.value != 0 && e.value != least(tensor.I32) }},
	{"gate far negative", all(opset.SiLUMul), func(e *example) bool { return e.x[0][0] < -1<<30 && e.d.P[1] < 8 && e.d.P[1] >= 0 }},
	{"gate zero", all(opset.SiLUMul), func(e *example) bool { return e.x[0][0] == 0 }},
	{"no shift needed", all(opset.Scale), func(e *example) bool { return e.value == 0 && e.x[0][0] > 32000 }},
	{"largest that fits", all(opset.Scale), func(e *example) bool { return e.x[0][0] == 32512 }},
	{"one too large", all(opset.Scale), func(e *example) bool { return e.x[0][0] == 32513 }},
	{"negative maximum", all(opset.Scale), func(e *example) bool { return e.x[0][0] < 0 && e.value > 0 }},
	{"rounds into range", all(opset.Scale), func(e *example) bool { return e.value > 0 && e.x[0][0]>>e.value == 32512 }},
	{"beyond the rotary width", all(opset.RoPE), func(e *example) bool { return e.i%uint64(e.d.P[1]) >= uint64(e.d.P[2]) }},
	{"interleaved first", all(opset.RoPE), func(e *example) bool { return rotated(e, 0) && e.i%2 == 0 && e.value != 0 }},
	{"interleaved second", all(opset.RoPE), func(e *example) bool { return rotated(e, 0) && e.i%2 == 1 && e.value != 0 }},
	{"halves first", all(opset.RoPE), func(e *example) bool {
		return rotated(e, 1) && int64(e.i)%e.d.P[1] < e.d.P[2]/2 && e.d.P[2] > 2 && e.value != 0
	}},
	{"halves second", all(opset.RoPE), func(e *example) bool {
		return rotated(e, 1) && int64(e.i)%e.d.P[1] >= e.d.P[2]/2 && e.d.P[2] > 2 && e.value != 0
	}},
	{"position beyond the table", all(opset.RoPE), func(e *example) bool { return int64(e.c.T) >= e.d.P[5] && rotated(e, e.d.P[4]) }},
	{"grouped heads", all(opset.Score, opset.Mix, opset.DivOp), func(e *example) bool { return e.d.P[1] > 1 && e.i > 0 }},
	{"above the maximum", all(opset.Exp2Op), func(e *example) bool { return e.x[0][0] > e.x[1][0] }},
	{"at the maximum", all(opset.Exp2Op), func(e *example) bool { return e.x[0][0] == e.x[1][0] }},
	{"just below the maximum", all(opset.Exp2Op), func(e *example) bool { d := e.x[1][0] - e.x[0][0]; return d > 0 && d < 1<<17 && e.value > 1 }},
	{"far below the maximum", all(opset.Exp2Op), func(e *example) bool { return e.value == 0 && e.x[0][0] < e.x[1][0] }},
	{"over a vocabulary", all(opset.Exp2Op), func(e *example) bool { return e.d.P[1] == 0 && e.i > 0 }},
	{"nothing to draw from", all(opset.Draw), func(e *example) bool { return e.x[0][0] == 0 }},
	{"negative total", all(opset.Draw, opset.Token), func(e *example) bool { return e.x[len(e.x)/2][0] < 0 }},
	{"draws", all(opset.Draw), func(e *example) bool { return e.value > 0 }},
	{"chunk below 0", all(opset.Select), func(e *example) bool { return e.d.P[3] != 1 && e.x[0][0] < 0 }},
	{"chunk beyond the end", all(opset.Select), func(e *example) bool { return e.d.P[3] != 1 && e.x[0][0] > e.d.P[0]/e.d.P[1]+1 }},
	{"top level", all(opset.Select), func(e *example) bool { return e.d.P[3] == 1 }},
	{"inner index", all(opset.Select), func(e *example) bool { return e.i == 0 && e.value%e.d.P[1] > 0 && e.value%e.d.P[1] < e.d.P[1]-1 }},
	{"remainder after a prefix", all(opset.Select), func(e *example) bool { return e.i == 1 && e.value != e.x[0][len(e.x[0])-1] && e.value > 0 }},
	{"remainder above int64", all(opset.Select), func(e *example) bool {
		return e.i == 1 && e.value == math.MaxInt64 && e.x[0][len(e.x[0])-1] != math.MaxInt64
	}},
	{"remainder beyond the last", all(opset.Select), func(e *example) bool { return e.i == 0 && e.value == e.d.P[0]-1 && len(e.x[1]) > 1 }},
	{"greedy", all(opset.Token), func(e *example) bool { return e.c.Temperature == 0 && e.x[1][0] > 0 }},
	{"sampled", all(opset.Token), func(e *example) bool { return e.c.Temperature != 0 && e.x[1][0] > 0 }},
	{"nothing to sample", all(opset.Token), func(e *example) bool { return e.c.Temperature != 0 && e.x[1][0] == 0 }},
	{"no stop ids", all(opset.StopOp), func(e *example) bool { return e.c.StopCount == 0 && len(e.x) == 3 }},
	{"64 stop ids", all(opset.StopOp), func(e *example) bool { return e.c.StopCount == 64 }},
	{"is a stop id", all(opset.StopOp), func(e *example) bool { return e.value == opset.FinishEnd && e.c.StopCount > 1 }},
	{"a stop string is complete", all(opset.StopOp), func(e *example) bool { return e.value == opset.FinishString }},
	{"a stop id before a stop string", all(opset.StopOp), func(e *example) bool {
		return e.value == opset.FinishEnd && len(e.x) == 4 && e.x[2][0] == opset.StopDone
	}},
	{"length", all(opset.StopOp), func(e *example) bool { return e.value == opset.FinishLength }},
	{"length exactly", all(opset.StopOp), func(e *example) bool {
		return e.value == opset.FinishLength && int64(e.c.T)+2-int64(e.c.M) == int64(e.c.MaxNew)
	}},
	{"context full", all(opset.StopOp), func(e *example) bool { return e.value == opset.FinishContext }},
	{"context exactly full", all(opset.StopOp), func(e *example) bool { return e.value == opset.FinishRun && e.c.T+2 == e.c.TMax }},
	{"runs on", all(opset.StopOp), func(e *example) bool { return e.value == opset.FinishRun }},
	{"inside the prompt", all(opset.PromptOp), func(e *example) bool { return e.c.T+1 < e.c.M-1 }},
	{"last of the prompt", all(opset.PromptOp), func(e *example) bool { return e.c.T+1 == e.c.M-1 }},
	{"beyond the prompt", all(opset.PromptOp), func(e *example) bool { return e.c.T+1 > e.c.M }},
	{"i32 row", all(opset.NormApply), func(e *example) bool {
		return e.d.Type == tensor.I32 && e.value > greatest(tensor.I16) && e.value < greatest(tensor.I32)
	}},
	{"head of zeros", all(opset.HeadNorm), func(e *example) bool { return slices.Max(e.x[0]) == 0 && slices.Min(e.x[0]) == 0 }},
	{"epsilon below zero", all(opset.HeadNorm), func(e *example) bool { return e.d.P[3] < -1<<54 && e.d.P[2] != 0 }},
	{"head beyond 24 bits", all(opset.HeadNorm), func(e *example) bool { return slices.Max(e.x[0]) > 1<<28 && e.value != 0 && e.i%uint64(e.d.P[1]) > 0 }},
	{"second head", all(opset.HeadNorm), func(e *example) bool { return e.i > uint64(e.d.P[1]) && e.d.P[1] > 1 && e.value != 0 }},
	{"tanh above", all(opset.Activate), func(e *example) bool { return bent(e, opset.Tanh) && e.x[0][0] > 0 }},
	{"tanh below", all(opset.Activate), func(e *example) bool { return bent(e, opset.Tanh) && e.x[0][0] < 0 }},
	{"sigmoid above", all(opset.Activate), func(e *example) bool { return bent(e, opset.Sigmoid) && e.x[0][0] > 0 }},
	{"sigmoid below", all(opset.Activate), func(e *example) bool { return bent(e, opset.Sigmoid) && e.x[0][0] < 0 }},
	{"silu above", all(opset.Activate), func(e *example) bool { return bent(e, opset.SiLU) && e.x[0][0] > 0 }},
	{"silu below", all(opset.Activate), func(e *example) bool { return bent(e, opset.SiLU) && e.x[0][0] < 0 }},
	{"gelu_tanh above", all(opset.Activate), func(e *example) bool { return bent(e, opset.GELUTanh) && e.x[0][0] > 0 }},
	{"gelu_tanh below", all(opset.Activate), func(e *example) bool { return bent(e, opset.GELUTanh) && e.x[0][0] < 0 }},
	{"gelu_erf above", all(opset.Activate), func(e *example) bool { return bent(e, opset.GELUErf) && e.x[0][0] > 0 }},
	{"gelu_erf below", all(opset.Activate), func(e *example) bool { return bent(e, opset.GELUErf) && e.x[0][0] < 0 }},
	{"curve at its end", all(opset.Activate), func(e *example) bool {
		return e.d.P[4] == 0 && product(e.x[0][0], e.d.P[3]).IsInt64() && e.x[0][0]*e.d.P[3] > 1<<31
	}},
	{"cube at its end", all(opset.Activate), func(e *example) bool {
		w := e.x[0][0] * e.d.P[3]
		return e.d.P[2] == opset.GELUTanh && e.d.P[4] == 0 && w < -1<<28 && w > -1<<30
	}},
	{"mean below zero", all(opset.Center), func(e *example) bool { return e.x[1][0] < -e.d.P[0] && e.value != greatest(tensor.I32) }},
	{"mean that rounds", all(opset.Center), func(e *example) bool { return half(big.NewInt(e.x[1][0]), big.NewInt(e.d.P[0])) }},
	{"row beyond the table", all(opset.Position), func(e *example) bool { return int64(e.c.T) >= e.d.P[0] && e.d.P[0] > 1 && e.value != 0 }},
	{"row inside the table", all(opset.Position), func(e *example) bool { return int64(e.c.T) < e.d.P[0] && e.c.T > 0 && e.value != 0 }},
	{"equal elements before", all(opset.Order), func(e *example) bool { return e.value > 0 && slices.Contains(e.x[0][:e.i], e.x[0][e.i]) }},
	{"equal elements behind", all(opset.Order), func(e *example) bool { return slices.Contains(e.x[0][e.i+1:], e.x[0][e.i]) && e.value > 0 }},
	{"256 elements", all(opset.Order, opset.Slot), func(e *example) bool { return len(e.x[0]) == 256 }},
	{"nobody has the slot", all(opset.Slot), func(e *example) bool { return e.i > 0 && !slices.Contains(e.x[0], int64(e.i)) }},
	{"two have the slot", all(opset.Slot), func(e *example) bool {
		k := slices.Index(e.x[0], int64(e.i))
		return k > 0 && slices.Contains(e.x[0][k+1:], int64(e.i))
	}},
	{"place below 0", all(opset.Gather), func(e *example) bool { return e.x[0][0] < 0 }},
	{"place beyond the end", all(opset.Gather), func(e *example) bool { return e.x[0][0] >= e.d.P[0] && e.d.P[0] > 1 }},
	{"place inside", all(opset.Gather), func(e *example) bool { return e.x[0][0] > 0 && e.x[0][0] < e.d.P[0] }},
	{"block below 0", experts, func(e *example) bool { return e.named() && e.x[0][0] < 0 }},
	{"block beyond the end", experts, func(e *example) bool { return e.named() && e.x[0][0] >= e.d.P[2] && e.d.P[2] > 1 }},
	{"block inside", experts, func(e *example) bool { return e.named() && e.x[0][0] > 0 && e.x[0][0] < e.d.P[2] && e.value != 0 }},
	{"one block", experts, func(e *example) bool { return !e.named() && e.value != 0 }},
	{"rows of their own", all(opset.RowMatMul), func(e *example) bool { return e.d.P[3] == 1 && e.i > 0 && e.value != 0 }},
	{"one row for all", all(opset.RowMatMul), func(e *example) bool { return e.d.P[3] == 0 && e.i > 0 && e.value != 0 }},
	{"rows outside", all(opset.RowResult), func(e *example) bool { return e.d.P[3] == 0 && int64(e.i) > e.d.P[1] && e.value != 0 }},
	{"rows inside", all(opset.RowResult), func(e *example) bool { return e.d.P[3] == 1 && int64(e.i) > e.d.P[1] && e.value != 0 }},
	{"one shift for all", all(opset.RowResult), func(e *example) bool {
		return e.d.P[4] == 1 && e.d.Src[3].Kind != opset.None && e.i > 0 && e.value != 0
	}},
	{"all four sources", all(opset.RowResult), func(e *example) bool { return len(e.x) == 4 && e.value != 0 }},
	{"held above", all(opset.Share), func(e *example) bool { return e.d.P[3] < 20 && e.d.P[3] > 0 && e.value == 1<<e.d.P[3] }},
	{"held below", all(opset.Share), func(e *example) bool { return e.d.P[3] < 20 && e.d.P[3] > 0 && e.value == -1<<e.d.P[3] }},
	{"i64 source", all(opset.Share), func(e *example) bool { return e.d.P[4] == int64(tensor.I64) && e.value != 0 }},
	{"divisor 0", all(opset.Share), func(e *example) bool { return e.x[1][0] == 0 && e.x[0][0] != 0 && e.d.P[1] != 0 }},
	{"largest that fits", all(opset.RowScale), func(e *example) bool { return e.x[0][0] == 32512 }},
	{"one too large", all(opset.RowScale), func(e *example) bool { return e.x[0][0] == 32513 }},
	{"shift of the last, short group", all(opset.RowQuant), func(e *example) bool { return e.d.P[0]%e.d.P[1] != 0 && int64(e.i) == e.d.P[0]-1 && e.value != 0 }},
	{"shift negative", all(opset.RowQuant), func(e *example) bool { return e.x[1][0] < 0 && e.x[1][0] > -15 && e.value != 0 }},
	{"sum of several", all(opset.Combine), func(e *example) bool {
		return e.d.P[1] > 4 && e.d.P[2] > 20 && e.value != 0 && e.value != greatest(tensor.I32)
	}},
	{"sum beyond 64 bits", all(opset.Combine), func(e *example) bool {
		return e.d.P[1] > 4 && e.d.P[2] >= 34 && e.value == greatest(tensor.I32)
	}},
	{"prompt of one", all(opset.PromptOp), func(e *example) bool { return e.c.M == 1 }},
	{"top-k off", all(opset.Rank), func(e *example) bool { return e.d.P[1] == opset.ByCount && e.c.TopK == 0 }},
	{"top-k", all(opset.Rank), func(e *example) bool {
		return e.d.P[1] == opset.ByCount && e.c.TopK > 1 && int64(e.c.TopK) < e.d.P[0]
	}},
	{"top-k of more than there are", all(opset.Rank), func(e *example) bool { return e.d.P[1] == opset.ByCount && int64(e.c.TopK) > e.d.P[0] }},
	{"top-p off", all(opset.Rank), func(e *example) bool { return e.d.P[1] == opset.ByWeight && e.c.TopP == 0 && e.value > 0 }},
	{"top-p of all", all(opset.Rank), func(e *example) bool {
		return e.d.P[1] == opset.ByWeight && e.c.TopP > opset.FullWeight && e.value > 0
	}},
	{"top-p rounds up", all(opset.Rank), func(e *example) bool { return e.d.P[1] == opset.ByWeight && e.c.TopP == 1 && e.value == 1 }},
	{"top-p of nothing", all(opset.Rank), func(e *example) bool { return e.d.P[1] == opset.ByWeight && e.x[0][0] < 0 }},
	{"counts", all(opset.Hist), func(e *example) bool { return e.d.P[3] == opset.ByCount && e.value > 1 && e.d.P[2] > 0 }},
	{"weighs", all(opset.Hist), func(e *example) bool { return e.d.P[3] == opset.ByWeight && e.value > 1 && e.d.P[2] > 0 }},
	{"weighs negative elements", all(opset.Hist), func(e *example) bool { return e.d.P[3] == opset.ByWeight && e.value < -1 }},
	{"first digit", all(opset.Hist, opset.Digit), func(e *example) bool { return e.value != 0 && e.d.P[map[opset.Code]int{opset.Hist: 2}[e.d.Op]] == 0 }},
	{"last digit", all(opset.Hist), func(e *example) bool { return e.value > 0 && e.d.P[2] == opset.SelectRounds-1 }},
	{"a negative prefix matches nothing", all(opset.Hist), func(e *example) bool { return e.d.P[2] > 0 && e.x[1][0] < 0 }},
	{"another prefix", all(opset.Hist), func(e *example) bool { return e.d.P[2] > 0 && e.x[1][0] > 1<<(4*e.d.P[2]) }},
	{"inner digit", all(opset.Digit), func(e *example) bool { return e.i == 0 && e.value&15 > 0 && e.value&15 < 15 }},
	{"greatest digit", all(opset.Digit), func(e *example) bool { return e.i == 0 && e.value == 15 }},
	{"rank that no digit reaches", all(opset.Digit), func(e *example) bool { return e.i == 0 && e.value&15 == 0 && e.x[1][0] > 1 }},
	{"rest of a rank", all(opset.Digit), func(e *example) bool { return e.i == 1 && e.value > 0 && e.value != e.x[1][len(e.x[1])-1] }},
	{"rest beyond int64", all(opset.Digit), func(e *example) bool { return e.i == 1 && e.value == math.MaxInt64 }},
	{"prefix beyond int64", all(opset.Digit), func(e *example) bool { return e.i == 0 && e.value == math.MaxInt64 }},
	{"kept", all(opset.Keep), func(e *example) bool { return e.value > 0 && e.value == e.x[1][0] }},
	{"below the threshold", all(opset.Keep), func(e *example) bool { return e.value == 0 && e.x[0][0] == e.x[1][0]-1 }},
	{"below min-p", all(opset.Keep), func(e *example) bool {
		return e.value == 0 && e.x[0][0] > 0 && e.x[0][0] >= e.x[1][0] && e.d.P[1] == opset.ByWeight
	}},
	{"top-k does not look at min-p", all(opset.Keep), func(e *example) bool {
		return e.value > 0 && e.value < int64(e.c.MinP) && e.d.P[1] == opset.ByCount
	}},
}

// encoding are the conditions of operations of encoders.
var encoding = []condition{
	{"id below 0", all(opset.EmbedRows), func(e *example) bool { return e.x[0][0] < 0 && e.value != 0 }},
	{"id beyond the table", all(opset.EmbedRows), func(e *example) bool { return e.x[0][0] >= e.d.P[0] && e.d.P[0] > 1 && e.value != 0 }},
	{"id inside", all(opset.EmbedRows), func(e *example) bool { return e.x[0][0] > 0 && e.x[0][0] < e.d.P[0] && e.value != 0 }},
	{"list from its middle", all(opset.EmbedRows), func(e *example) bool { return e.d.P[3] > 0 && e.i >= e.d.Shape(&e.c)[2] }},
	{"lives", all(opset.Live), func(e *example) bool { return e.value == 1 && e.i > 0 }},
	{"absent", all(opset.Live), func(e *example) bool { return e.value == 0 && e.x[0][0] < 0 && int64(e.i) < e.d.P[1] }},
	{"not among the first", all(opset.Live), func(e *example) bool { return e.value == 0 && e.x[0][0] >= 0 }},
	{"key that does not live", all(opset.RowScore), func(e *example) bool { return e.x[2][0] == 0 && e.value == opset.Absent }},
	{"second head", all(opset.RowScore), func(e *example) bool {
		s := e.d.Shape(&e.c)
		return e.i/s[2]%s[1] > 0 && e.i/s[2]/s[1] > 0 && e.x[2][0] != 0
	}},
	{"head of 256", all(opset.RowScore), func(e *example) bool { return e.d.P[0] == 256 && e.x[2][0] != 0 }},
	{"full chunk", all(opset.RowMix), func(e *example) bool { return len(e.x[0]) == 128 && e.value != 0 }},
	{"short last chunk", all(opset.RowMix), func(e *example) bool { return e.d.Shape(&e.c)[2] > 1 && len(e.x[0]) < 128 && e.value != 0 }},
	{"row that does not live", all(opset.Turn), func(e *example) bool { return e.x[1][0] == 0 && e.x[0][0] != 0 }},
	{"row that lives", all(opset.Turn), func(e *example) bool { return e.value != 0 && e.i > e.d.Shape(&e.c)[2] }},
	{"mean below zero", all(opset.RowCenter), func(e *example) bool { return e.x[1][0] < -e.d.P[1] && e.value != greatest(tensor.I32) }},
	{"mean that rounds", all(opset.RowCenter), func(e *example) bool { return half(big.NewInt(e.x[1][0]), big.NewInt(e.d.P[1])) }},
	{"second row", all(opset.RowCenter, opset.RowAdd), func(e *example) bool { return int64(e.i) > e.d.P[1] && e.value != 0 }},
	{"short last chunk", all(opset.RowSquares), func(e *example) bool { return e.d.Shape(&e.c)[2] > 1 && int64(len(e.x[0])) < e.d.P[1] }},
	{"norm shift above 0", all(opset.RowSquares, opset.RowInv), func(e *example) bool { return e.x[1][0] > 1<<24 }},
	{"sum beyond 64 bits", all(opset.RowSquares), func(e *example) bool { return e.value == math.MaxInt64 }},
	{"root of zero", all(opset.RowInv), func(e *example) bool { return e.i%2 == 0 && e.x[0][0] == 0 && e.d.P[1] == 0 }},
	{"root of less than zero", all(opset.RowInv), func(e *example) bool { return e.i%2 == 0 && e.x[0][0] < 0 }},
	{"negative numerator", all(opset.RowInv), func(e *example) bool { return e.i%2 == 0 && e.value < -1 && e.d.P[0]%e.value != 0 }},
	{"shift element", all(opset.RowInv), func(e *example) bool { return e.i > 1 && e.i%2 == 1 && e.value > 0 }},
	{"gain and offset", all(opset.RowNorm), func(e *example) bool {
		return e.value != 0 && e.value != e.x[3][0] && int64(e.i) > e.d.P[2] && e.value != greatest(tensor.I32) && e.value != least(tensor.I32)
	}},
}

// bent says whether a curve is where it bends: the input in Q24 is between 1/64 and 8.
func bent(e *example, kind int64) bool {
	w := tensor.RS(product(e.x[0][0], e.d.P[3]), e.d.P[4])
	w.Abs(w)
	return e.d.P[2] == kind && e.d.P[6] >= 0 && e.value != 0 && w.Cmp(big.NewInt(1<<18)) > 0 && w.Cmp(big.NewInt(1<<27)) < 0
}

func rotated(e *example, style int64) bool {
	return e.d.P[4] == style && int64(e.i)%e.d.P[1] < e.d.P[2]
}
