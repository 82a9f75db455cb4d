package opset

import (
	"fmt"
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
	NormApply:  {"norm_apply", normApply, []tensor.DType{tensor.I16}},
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
}

// Codes lists every operation but Input, in order: what faces, vectors and fault tests walk.
func Codes() []Code {
	out := make([]Code, 0, len(table)-1)
	for c := range table[1:] {
		out = append(out, Code(c+1))
	}
	return out
}

// String is the op set name.
func (c Code) String() string {
	if int(c) < len(table) {
		return table[c].name
	}
	return fmt.Sprintf("op(%d)", uint8(c))
}

// Parse finds an operation by its op set name.
func Parse(name string) (Code, bool) {
	for c, d := range table {
		if d.name == name {
			return Code(c), true
		}
	}
	return 0, false
}

// Targets are the element types that the target of an operation may have.
func (c Code) Targets() []tensor.DType { return table[c].targets }

// Element is the definition of every operation: element i of the target of d in context c, from
// the bytes that fetch supplies. It is total on all byte strings; the only errors are an index
// outside the target, an op without elements (Input) and those of fetch. SPEC 02 §3.
func Element(d *Descriptor, c *Context, i uint64, fetch Fetch) (int64, error) {
	f := table[d.Op].element
	if f == nil {
		return 0, fmt.Errorf("%w: op %s has no elements to evaluate", ErrDescriptor, d.Op)
	}
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
}

// read fetches elements [lo, hi) of type t from a source of count elements.
func (e *env) read(s Source, t tensor.DType, leaf int, count, lo, hi uint64) []int64 {
	z := uint64(t.Size())
	return e.bytes(Read{Source: s, Total: count * z, Leaf: leaf, Lo: lo * z, Hi: hi * z}, t)
}

func (e *env) bytes(r Read, t tensor.DType) []int64 {
	n := int((r.Hi - r.Lo) / uint64(t.Size()))
	out := make([]int64, n)
	if e.err != nil {
		return out
	}
	b, err := e.fetch(r)
	if err != nil {
		e.err = err
		return out
	}
	if uint64(len(b)) != r.Hi-r.Lo {
		e.err = fmt.Errorf("read of %d bytes got %d", r.Hi-r.Lo, len(b))
		return out
	}
	for i := range out {
		out[i] = tensor.Element(t, b, i)
	}
	return out
}

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
