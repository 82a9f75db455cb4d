package opsample

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Style says what the elements of a read look like.
type Style int

// Styles of elements.
const (
	Log     Style = iota // signed, of a random number of bits; exponents and shifts mostly sane
	Bytes                // every byte at random
	Extreme              // the ends of the type, 0, 1, -1
	Least                // all the least value of the type
	Most                 // all the greatest value of the type
	Zero                 // all zero
	Same                 // all the same value
	Tiny                 // -3..3
	Styles               // number of styles
)

// maxLeaves bounds one read; no operation of a sampled descriptor needs more.
const maxLeaves = 64

// Supply makes up the leaves of the reads of one element and records them.
type Supply struct {
	Reads  []opset.Read
	Leaves [][]byte  // the covering leaves of each read
	Values [][]int64 // the elements of each read
	rng    *rand.Rand
	style  Style
	types  []tensor.DType
	d      *opset.Descriptor
}

// NewSupply makes leaves for the reads of an element of d.
func NewSupply(r *rand.Rand, d *opset.Descriptor, s Style) *Supply {
	return &Supply{rng: r, style: s, types: types(d), d: d}
}

// types are the element types of the reads of an element, in order.
func types(d *opset.Descriptor) []tensor.DType {
	const i8, i16, i32, i64 = tensor.I8, tensor.I16, tensor.I32, tensor.I64
	switch d.Op {
	case opset.MaxAbs, opset.Max, opset.Sum, opset.ArgKey, opset.SumSquares:
		return []tensor.DType{tensor.DType(d.P[3]), i64}
	case opset.Select:
		return []tensor.DType{i64, tensor.DType(d.P[2])}
	case opset.Share:
		return []tensor.DType{tensor.DType(d.P[4]), i64}
	case opset.RowMatMul, opset.RowResult:
		return blockTypes(d)
	}
	if out := encoderTypes(d.Op); out != nil {
		return out
	}
	return map[opset.Code][]tensor.DType{
		opset.Embed: {i8, i32}, opset.NormInv: {i64, i64}, opset.NormApply: {i32, i64, i32},
		opset.MatMul: {i16, i8}, opset.Row: {i64, i32, i64}, opset.Add: {i32, i32}, opset.Mul: {i32, i32},
		opset.ReLU: {i32}, opset.SiLUMul: {i32, i32}, opset.Scale: {i64}, opset.Quant: {i32, i64},
		opset.RoPE: {i32, i32, i32}, opset.Score: {i16, i16}, opset.Exp2Op: {i32, i64}, opset.Transpose: {i16},
		opset.Mix: {i32, i16}, opset.DivOp: {i64, i64}, opset.Temper: {i32}, opset.Draw: {i64},
		opset.MatMulBlock: {i16, i8}, opset.MatMulG4: {i16, i8}, opset.EmbedBlock: {i8, i32},
		opset.Token: {i64, i64, i64}, opset.StopOp: {i32, i32, i32, i32}, opset.StopState: {i32, i32, i8, i8}, opset.PromptOp: {i32},
		opset.Mask: {i32, i32, i32}, opset.GrammarState: {i32, i32, i32},
		opset.HeadNorm: {i32, i32}, opset.Activate: {i32}, opset.Center: {i32, i64}, opset.Position: {i8, i32},
		opset.Penalise: {i32, i32, i32}, opset.Rank: {i64}, opset.Hist: {i32, i64}, opset.Digit: {i64, i64}, opset.Keep: {i32, i64},
		opset.Order: {i32}, opset.Slot: {i32}, opset.Gather: {i32, i32}, opset.RowScale: {i64}, opset.RowQuant: {i32, i64},
		opset.Combine: {i32, i32},
	}[d.Op]
}

// Fetch makes the covering leaves of r, records both, and returns the bytes of r itself.
func (s *Supply) Fetch(r opset.Read) ([]byte, error) {
	a, b := r.Leaves()
	k := len(s.Reads)
	if k >= len(s.types) || r.Lo >= r.Hi || r.Hi > r.Total || b-a > maxLeaves {
		return nil, fmt.Errorf("read %d is %+v", k, r)
	}
	t := s.types[k]
	leaves := make([]byte, int(b-a)*r.Leaf)
	same := s.value(k, 0, t)
	for i := range len(leaves) / t.Size() {
		v := same
		if s.style != Same {
			v = s.value(k, i, t)
		}
		put(t, leaves, i, v)
	}
	trimmed, err := r.Trim(leaves)
	if err != nil {
		return nil, err
	}
	s.Reads, s.Leaves = append(s.Reads, r), append(s.Leaves, leaves)
	s.Values = append(s.Values, elements(t, trimmed))
	return trimmed, nil
}

func elements(t tensor.DType, b []byte) []int64 {
	out := make([]int64, len(b)/t.Size())
	for i := range out {
		out[i] = tensor.Element(t, b, i)
	}
	return out
}

func put(t tensor.DType, b []byte, i int, v int64) {
	switch t {
	case tensor.I8:
		b[i] = byte(v)
	case tensor.I16:
		binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
	case tensor.I32:
		binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
	default:
		binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
	}
}

// value draws element i of read k.
func (s *Supply) value(k, i int, t tensor.DType) int64 {
	lo, hi := tensor.Range(t)
	switch s.style {
	case Bytes:
		return tensor.Sat64(int64(s.rng.Uint64())>>(64-8*t.Size()), t)
	case Extreme:
		return among(s.rng, lo, lo+1, -1, 0, 1, hi-1, hi)
	case Least:
		return lo
	case Most:
		return hi
	case Zero:
		return 0
	case Tiny:
		return int64(s.rng.IntN(7)) - 3
	}
	if v, ok := s.spelled(k, i); ok {
		return v
	}
	if v, ok := s.ruled(k); ok {
		return v
	}
	if s.exponent(k, i) {
		return s.shift()
	}
	if v, ok := s.selected(k, i); ok {
		return v
	}
	switch {
	case s.names(k):
		return s.placeName()
	case s.d.Op == opset.Slot && s.rng.IntN(2) == 0:
		return int64(s.rng.IntN(12))
	case (s.d.Op == opset.Scale || s.d.Op == opset.RowScale) && s.rng.IntN(2) == 0:
		return (32510 + int64(s.rng.IntN(6))) << s.rng.IntN(40)
	case s.d.Op == opset.Exp2Op && k == 1 && s.rng.IntN(2) == 0:
		return s.Values[0][0] + int64(s.rng.IntN(1<<21)) // a maximum, near the element
	case s.d.Op == opset.StopOp && k > 0 && i == 0 && s.rng.IntN(3) == 0:
		return opset.StopDone
	case s.d.Op == opset.StopOp && k == 1 && s.rng.IntN(64) == 0:
		return s.Values[0][0] // the token is a stop id
	case s.d.Op == opset.Select && k == 0 && i%2 == 0 && s.d.P[3] == 0:
		return int64(s.rng.IntN(40)) - 2 // a chunk
	case s.d.Op == opset.Select && k == 1:
		return wide(s.rng, 8*t.Size()) & math.MaxInt64 & hi // a weight
	}
	return tensor.Sat64(wide(s.rng, 8*t.Size()), t)
}

// exponent says whether an element is the exponent of a row scale or a shift.
func (s *Supply) exponent(k, i int) bool {
	switch s.d.Op {
	case opset.Embed, opset.EmbedBlock, opset.Row, opset.Position:
		return k == 1 && i%2 == 1 || k == 2
	case opset.Quant, opset.RowQuant:
		return k == 1
	case opset.RowResult:
		if s.d.Src[2].Kind != opset.None {
			k--
		}
		return k == 1 && i%2 == 1 || k == 2
	case opset.NormApply, opset.RowNorm:
		return k == 1 && i == 1
	case opset.EmbedRows:
		return k == 2 && i%2 == 1
	}
	return false
}

func (s *Supply) shift() int64 {
	if s.rng.IntN(3) > 0 {
		return int64(s.rng.IntN(40))
	}
	return among[int64](s.rng, 0, 1, 61, 62, 63, 64, math.MaxInt32, -1, -61, -62, -63, -64, math.MinInt32)
}
