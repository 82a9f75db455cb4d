package circuit

import (
	"fmt"
	"math"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"

	"github.com/consensys/gnark/frontend"
)

// env makes the constraints of one element: the twin of the reference's environment, with numbers of
// the circuit in the place of integers.
type env struct {
	*build
	d    *opset.Descriptor
	c    *opset.Context
	from supply
}

// supply gives the elements of reads.
type supply interface {
	// read are the elements of a read, each inside its type.
	read(b *build, r opset.Read, t tensor.DType) []Num
	// place is the next index that the instance reads at; the circuit fixes it.
	place(b *build) uint64
}

// elements are the makers of constraints, one for each operation.
var elements = map[opset.Code]func(e *env, i uint64) Num{
	opset.Embed: (*env).embed, opset.Position: (*env).position,
	opset.MaxAbs: (*env).maxAbs, opset.Max: (*env).max, opset.Sum: (*env).sum, opset.ArgKey: (*env).argKey,
	opset.SumSquares: (*env).sumSquares, opset.NormInv: (*env).normInv, opset.NormApply: (*env).normApply,
	opset.MatMul: (*env).matMul, opset.Row: (*env).row, opset.Add: (*env).plus, opset.Mul: (*env).times,
	opset.ReLU: (*env).relu, opset.SiLUMul: (*env).siluMul, opset.Scale: (*env).scale, opset.Quant: (*env).quant,
	opset.RoPE: (*env).rope, opset.Score: (*env).score, opset.Exp2Op: (*env).exp2Op, opset.Transpose: (*env).transpose,
	opset.Mix: (*env).mix, opset.DivOp: (*env).divOp, opset.Temper: (*env).temper, opset.Draw: (*env).draw,
	opset.Select: (*env).choose, opset.Token: (*env).token, opset.StopOp: (*env).stop, opset.PromptOp: (*env).prompt,
	opset.MatMulBlock: (*env).matMulBlock, opset.MatMulG4: (*env).matMulBlock, opset.EmbedBlock: (*env).embedBlock,
	opset.HeadNorm: (*env).headNorm, opset.Activate: (*env).activate, opset.Center: (*env).center,
	opset.Penalise: (*env).penalise, opset.Mask: (*env).mask, opset.GrammarState: (*env).grammarState, opset.StopState: (*env).stopState,
	opset.Rank: (*env).rank, opset.Hist: (*env).hist, opset.Digit: (*env).digit, opset.Keep: (*env).keep,
	opset.Order: (*env).order, opset.Slot: (*env).slot, opset.Gather: (*env).gather, opset.Share: (*env).share,
	opset.RowMatMul: (*env).rowMatMul, opset.RowResult: (*env).rowResult, opset.RowScale: (*env).rowScale,
	opset.RowQuant: (*env).rowQuant, opset.Combine: (*env).combine,
	opset.EmbedRows: (*env).embedRows, opset.Live: (*env).live, opset.RowScore: (*env).rowScore, opset.RowMix: (*env).rowMix,
	opset.Turn: (*env).turn, opset.RowCenter: (*env).rowCenter, opset.RowSquares: (*env).rowSquares, opset.RowInv: (*env).rowInv,
	opset.RowNorm: (*env).rowNorm, opset.RowAdd: (*env).rowAdd,
}

// element makes the constraints of element i of d and gives it, saturated.
func element(b *build, d *opset.Descriptor, c *opset.Context, i uint64, from supply) Num {
	f, ok := elements[d.Op]
	if !ok || i >= d.Count(c) {
		b.fail(fmt.Errorf("%w: no circuit of element %d of %s", ErrUnit, i, d.Op))
		return b.lit(0)
	}
	v := f(&env{b, d, c, from}, i)
	if b.err != nil {
		return b.lit(0)
	}
	lo, hi := tensor.Range(d.Type)
	return b.clamp64(v, lo, hi)
}

// reads gives elements [lo, hi) of type t from a source of count elements.
func (e *env) reads(s opset.Source, t tensor.DType, leaf int, count, lo, hi uint64) []Num {
	z := uint64(t.Size())
	return e.bytes(opset.Read{Source: s, Total: count * z, Leaf: leaf, Lo: lo * z, Hi: hi * z}, t)
}

func (e *env) bytes(r opset.Read, t tensor.DType) []Num {
	if e.err != nil || r.Lo >= r.Hi || r.Hi > r.Total || r.Hi-r.Lo > maxRead {
		e.fail(fmt.Errorf("%w: %s reads [%d,%d) of %d bytes", ErrUnit, e.d.Op, r.Lo, r.Hi, r.Total))
		return e.nothing(2)
	}
	out := e.from.read(e.build, r, t)
	if n := int(r.Hi-r.Lo) / t.Size(); len(out) != n {
		e.fail(fmt.Errorf("%w: %d elements for a read of %d", ErrUnit, len(out), n))
		return e.nothing(n)
	}
	return out
}

// nothing stands for a read that failed.
func (e *env) nothing(n int) []Num {
	out := make([]Num, max(2, n))
	for i := range out {
		out[i] = Num{v: 0, lo: big64(0), hi: big64(0)}
	}
	return out
}

// maxRead is the most bytes of a read, as in opset.
const maxRead = 16 << 10

func (e *env) p(i int) uint64 { return uint64(max(e.d.P[i], 0)) }

func (e *env) dtype(i int) tensor.DType { return tensor.DType(min(e.p(i), math.MaxUint8)) }

func (e *env) count() uint64 { return e.d.Count(e.c) }

func (e *env) size() uint64 {
	return e.d.Size(opset.Dim{C: uint32(e.p(0)), K: uint32(e.p(1))}, e.c)
}

func (e *env) one(s opset.Source, t tensor.DType, count, i uint64) Num {
	return e.reads(s, t, opset.LeafBytes, count, i, i+1)[0]
}

// scales reads (M, e) of row n out of rows.
func (e *env) scales(s opset.Source, rows, n uint64) (m, exp Num) {
	p := e.reads(s, tensor.I32, opset.LeafBytes, 2*rows, 2*n, 2*n+2)
	return p[0], p[1]
}

// satShift adds two shifts as the reference does.
func (e *env) satShift(a int64, s Num) Num {
	return e.clamp64(e.add(s, e.lit(a)), math.MinInt64, math.MaxInt64)
}

// less takes a shift away: exp - s, with -s at most the greatest int64.
func (e *env) less(exp, s Num) Num {
	return e.clamp64(e.sub(exp, e.clamp64(s, -math.MaxInt64, math.MaxInt64)), math.MinInt64, math.MaxInt64)
}

// held is an index held inside [0, limit), which must be the place that the instance reads at.
func (e *env) held(x Num, limit uint64) uint64 {
	return e.fixed(e.clamp64(x, 0, int64(max(limit, 1)-1)))
}

// fixed forces an index to be the place that the instance reads at.
func (e *env) fixed(x Num) uint64 {
	at := e.from.place(e.build)
	if x.constant() {
		if !x.lo.IsUint64() || x.lo.Uint64() != at {
			e.fail(fmt.Errorf("%w: place %d, the circuit says %v", ErrUnit, at, x.lo))
		}
		return at
	}
	e.api.AssertIsEqual(x.v, frontend.Variable(at))
	return at
}

// Has says whether an operation has a circuit.
func Has(op opset.Code) bool { return elements[op] != nil }
