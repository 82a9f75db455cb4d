package opset

import (
	"fmt"
	"math"
	"math/big"

	"elenchus/compute/tensor"
)

// Code numbers an operation. SPEC 02 §4.
type Code uint8

// The operations. SPEC 02 §4.
const (
	Input Code = iota
	Embed
	MaxAbs
	Max
	Sum
	ArgKey
	SumSquares
	NormInv
	NormApply
	MatMul
	Row
	Add
	Mul
	ReLU
	SiLUMul
	Scale
	Quant
	RoPE
	Score
	Exp2Op
	Transpose
	Mix
	DivOp
	Temper
	Draw
	Select
	Token
	StopOp
	PromptOp
	Penalise
	Rank
	Hist
	Digit
	Keep
	StopState
	Mask
	GrammarState
)

// Operations on block-scaled weights. SPEC 02 §5.
const (
	MatMulBlock Code = 70 + iota
	MatMulG4
	EmbedBlock
)

// Operations of decoder families, codes 50 to 62. SPEC 02 §4.
const (
	HeadNorm Code = 50 + iota
	Activate
	Center
	Position
)

// The operations of experts and of matrices whose rows are of a kind. SPEC 02 §4.
const (
	Order     Code = 80
	Slot      Code = 81
	Gather    Code = 82
	Share     Code = 83
	RowMatMul Code = 84
	RowResult Code = 85
	RowScale  Code = 86
	RowQuant  Code = 87
	Combine   Code = 88
)

// The operations of encoders: on the rows of a whole text. SPEC 02 §4.
const (
	EmbedRows Code = 89 + iota
	Live
	RowScore
	RowMix
	Turn
	RowCenter
	RowSquares
	RowInv
	RowNorm
	RowAdd
)

// Fetch supplies exactly the bytes [Lo, Hi) of a read.
type Fetch func(Read) ([]byte, error)

// element computes one element before saturation.
type element func(e *env, i uint64) *big.Int

// definition is a row of the op table.
type definition struct {
	name    string
	element element
	targets []tensor.DType // element types that the target may have
}

var table = [...]definition{
	Input:      {"input", nil, []tensor.DType{tensor.I16, tensor.I32}},
	Embed:      {"embed", embed, []tensor.DType{tensor.I32}},
	MaxAbs:     {"max_abs", reduceMaxAbs, []tensor.DType{tensor.I64}},
	Max:        {"max", reduceMax, []tensor.DType{tensor.I64}},
	Sum:        {"sum", reduceSum, []tensor.DType{tensor.I64}},
	ArgKey:     {"arg_key", reduceArgKey, []tensor.DType{tensor.I64}},
	SumSquares: {"sum_squares", sumSquares, []tensor.DType{tensor.I64}},
	NormInv:    {"norm_inv", normInv, []tensor.DType{tensor.I64}},
	NormApply:  {"norm_apply", normApply, []tensor.DType{tensor.I16, tensor.I32}},
	MatMul:     {"matmul", matMul, []tensor.DType{tensor.I64}},
	Row:        {"row", row, []tensor.DType{tensor.I32, tensor.I16}},
	Add:        {"add", add, []tensor.DType{tensor.I32}},
	Mul:        {"mul", mul, []tensor.DType{tensor.I32}},
	ReLU:       {"relu", relu, []tensor.DType{tensor.I32}},
	SiLUMul:    {"silu_mul", siluMul, []tensor.DType{tensor.I32}},
	Scale:      {"scale", scale, []tensor.DType{tensor.I64}},
	Quant:      {"quant", quant, []tensor.DType{tensor.I16}},
	RoPE:       {"rope", rope, []tensor.DType{tensor.I16}},
	Score:      {"score", score, []tensor.DType{tensor.I32}},
	Exp2Op:     {"exp2", exp2, []tensor.DType{tensor.I32}},
	Transpose:  {"transpose", transpose, []tensor.DType{tensor.I16}},
	Mix:        {"mix", mix, []tensor.DType{tensor.I64}},
	DivOp:      {"div", div, []tensor.DType{tensor.I16}},
	Temper:     {"temper", temper, []tensor.DType{tensor.I32}},
	Draw:       {"draw", draw, []tensor.DType{tensor.I64}},
	Select:     {"select", selectOp, []tensor.DType{tensor.I64}},
	Token:      {"token", token, []tensor.DType{tensor.I32}},
	StopOp:     {"stop", stop, []tensor.DType{tensor.I32}},
	PromptOp:   {"prompt", prompt, []tensor.DType{tensor.I32}},
	Penalise:   {"penalise", penalise, []tensor.DType{tensor.I32}},

	MatMulBlock:  {"matmul_block", matMulBlock, []tensor.DType{tensor.I64}},
	MatMulG4:     {"matmul_g4", matMulBlock, []tensor.DType{tensor.I64}},
	EmbedBlock:   {"embed_block", embedBlock, []tensor.DType{tensor.I32}},
	HeadNorm:     {"head_norm", headNorm, []tensor.DType{tensor.I32}},
	Activate:     {"activate", activate, []tensor.DType{tensor.I32}},
	Center:       {"center", center, []tensor.DType{tensor.I32}},
	Position:     {"position", position, []tensor.DType{tensor.I32}},
	Rank:         {"rank", rank, []tensor.DType{tensor.I64}},
	Hist:         {"hist", hist, []tensor.DType{tensor.I64}},
	Digit:        {"digit", digit, []tensor.DType{tensor.I64}},
	Keep:         {"keep", keep, []tensor.DType{tensor.I32}},
	StopState:    {"stop_state", stopState, []tensor.DType{tensor.I32}},
	Mask:         {"mask", mask, []tensor.DType{tensor.I32}},
	GrammarState: {"grammar_state", grammarState, []tensor.DType{tensor.I32}},
	Order:        {"order", order, []tensor.DType{tensor.I32}},
	Slot:         {"slot", slot, []tensor.DType{tensor.I32}},
	Gather:       {"gather", gather, []tensor.DType{tensor.I32}},
	Share:        {"share", share, []tensor.DType{tensor.I32}},
	RowMatMul:    {"row_matmul", rowMatMul, []tensor.DType{tensor.I64}},
	RowResult:    {"row_result", rowResult, []tensor.DType{tensor.I32, tensor.I16}},
	RowScale:     {"row_scale", rowScale, []tensor.DType{tensor.I64}},
	RowQuant:     {"row_quant", rowQuant, []tensor.DType{tensor.I16}},
	Combine:      {"combine", combine, []tensor.DType{tensor.I32}},
	EmbedRows:    {"embed_rows", embedRows, []tensor.DType{tensor.I32}},
	Live:         {"live", live, []tensor.DType{tensor.I32}},
	RowScore:     {"row_score", rowScore, []tensor.DType{tensor.I32}},
	RowMix:       {"row_mix", rowMix, []tensor.DType{tensor.I64}},
	Turn:         {"turn", turn, []tensor.DType{tensor.I32}},
	RowCenter:    {"row_center", rowCenter, []tensor.DType{tensor.I32}},
	RowSquares:   {"row_squares", rowSquares, []tensor.DType{tensor.I64}},
	RowInv:       {"row_inv", rowInv, []tensor.DType{tensor.I64}},
	RowNorm:      {"row_norm", rowNorm, []tensor.DType{tensor.I32}},
	RowAdd:       {"row_add", rowAdd, []tensor.DType{tensor.I32}},
}

// Codes lists every operation but Input, in order: what faces, vectors and fault tests walk.
func Codes() []Code {
	out := make([]Code, 0, len(table)-1)
	for c := Code(1); int(c) < len(table); c++ {
		if c.Valid() {
			out = append(out, c)
		}
	}
	return out
}

// Valid says whether the code names an operation. Codes are given out in blocks, with gaps.
func (c Code) Valid() bool { return int(c) < len(table) && table[c].name != "" }

// String is the op set name.
func (c Code) String() string {
	if c.Valid() {
		return table[c].name
	}
	return fmt.Sprintf("op(%d)", uint8(c))
}

// Parse finds an operation by its op set name.
func Parse(name string) (Code, bool) {
	for c, d := range table {
		if d.name == name && name != "" {
			return Code(c), true
		}
	}
	return 0, false
}

// Targets are the element types that the target of an operation may have.
func (c Code) Targets() []tensor.DType { return table[c].targets }

// Element is the definition of every operation: element i of the target of d in context c, from
// the bytes that fetch supplies. It is total on all byte strings; the only errors are an index
// outside the target, those of fetch, and ErrDescriptor: an op without elements (Input), a read that
// does not lie in its source or is longer than maxRead. It allocates little, whatever d is, and
// fetch is asked for at most maxRead bytes at a time. SPEC 02 §3.
func Element(d *Descriptor, c *Context, i uint64, fetch Fetch) (int64, error) {
	if int(d.Op) >= len(table) || table[d.Op].element == nil {
		return 0, fmt.Errorf("%w: op %s has no elements to evaluate", ErrDescriptor, d.Op)
	}
	f := table[d.Op].element
	if n := d.Count(c); i >= n {
		return 0, fmt.Errorf("element %d of %s with %d elements", i, d.Op, n)
	}
	e := &env{d: d, c: c, fetch: fetch}
	v := f(e, i)
	if e.err != nil {
		return 0, e.err
	}
	return tensor.Sat(v, d.Type), nil
}

// env carries one evaluation; after the first error every read is zero and err stands.
type env struct {
	d     *Descriptor
	c     *Context
	fetch Fetch
	err   error
	most  int // elements of the longest read so far
}

// maxRead bounds the bytes of one read: above what the answer to a valid descriptor can hold, low
// enough that a hostile one costs nothing.
const maxRead = 16 << 10

// fail keeps the first error.
func (e *env) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("%w: "+format, append([]any{ErrDescriptor}, args...)...)
	}
}

// read fetches elements [lo, hi) of type t from a source of count elements.
func (e *env) read(s Source, t tensor.DType, leaf int, count, lo, hi uint64) []int64 {
	if !t.Valid() {
		e.fail("%s reads elements of type %d", e.d.Op, t)
		return e.nothing()
	}
	z := uint64(t.Size())
	return e.bytes(Read{Source: s, Total: count * z, Leaf: leaf, Lo: lo * z, Hi: hi * z}, t)
}

func (e *env) bytes(r Read, t tensor.DType) []int64 {
	if r.Lo >= r.Hi || r.Hi > r.Total || r.Hi-r.Lo > maxRead || r.Leaf < 1 || r.Leaf > tensor.MaxBlockLeaf {
		e.fail("%s reads [%d,%d) of %d bytes in leaves of %d", e.d.Op, r.Lo, r.Hi, r.Total, r.Leaf)
	}
	if e.err != nil {
		return e.nothing()
	}
	b, err := e.fetch(r)
	if err == nil && uint64(len(b)) != r.Hi-r.Lo {
		err = fmt.Errorf("read of %d bytes got %d", r.Hi-r.Lo, len(b))
	}
	if err != nil {
		e.err = err
		return e.nothing()
	}
	out := make([]int64, len(b)/t.Size())
	for i := range out {
		out[i] = tensor.Element(t, b, i)
	}
	e.most = max(e.most, len(out))
	return out
}

// nothing stands for a read that failed: zeros, no fewer than whoever walks an earlier read beside
// it, or a pair, asks for.
func (e *env) nothing() []int64 { return make([]int64, max(2, e.most)) }

// size is the dim function of p0 and p1: n of the reduce form and of exp2.
func (e *env) size() uint64 {
	c, k := e.p(0), e.p(1)
	if c < 1 || c > math.MaxUint32 || k > math.MaxUint32 {
		e.fail("%s over a dim of %d and %d", e.d.Op, c, k)
		return 1
	}
	return e.d.Size(Dim{uint32(c), uint32(k)}, e.c)
}

// dtype is the element type that parameter i names.
func (e *env) dtype(i int) tensor.DType { return tensor.DType(min(e.p(i), math.MaxUint8)) }

// one reads a single element.
func (e *env) one(s Source, t tensor.DType, count, i uint64) int64 {
	return e.read(s, t, LeafBytes, count, i, i+1)[0]
}

// rowScale reads (M, e) of row n out of rows.
func (e *env) rowScale(s Source, rows, n uint64) (m, exp int64) {
	p := e.read(s, tensor.I32, LeafBytes, 2*rows, 2*n, 2*n+2)
	return p[0], p[1]
}

func (e *env) p(i int) uint64 { return uint64(max(e.d.P[i], 0)) }

func b64(x int64) *big.Int { return big.NewInt(x) }

func bmul(x *big.Int, y int64) *big.Int { return new(big.Int).Mul(x, b64(y)) }
