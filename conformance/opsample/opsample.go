// Package opsample draws descriptors, contexts and bytes for every operation of the op set.
//
// It stands in conformance and is imported by test files only: vectors, evaluators and kernels are
// tried on what it draws. Every descriptor that it returns is one that a validator may accept, but
// for the size of shifts; the bytes are hostile, since whoever answers a read chooses them.
// SPEC 02.
//
//	d, c, index := opsample.Sample(r, opset.MatMul)
//	s := opsample.NewSupply(r, &d, opsample.Log)
//	v, err := opset.Element(&d, &c, index, s.Fetch)
package opsample

import (
	"math"
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Sample draws a descriptor of op, a context and an element of the target.
func Sample(r *rand.Rand, op opset.Code) (opset.Descriptor, opset.Context, uint64) {
	s := &sampler{Rand: r}
	c := s.context()
	if op == opset.Penalise {
		s.penalties(&c)
	}
	d := s.descriptor(op)
	switch op {
	case opset.StopState:
		s.strings(&c)
	case opset.Mask, opset.GrammarState:
		s.grammar(&c)
	}
	return d, c, s.index(&d, &c)
}

type sampler struct{ *rand.Rand }

// among draws one of the values given.
func among[T any](r *rand.Rand, v ...T) T { return v[r.IntN(len(v))] }

// n draws from lo..hi, both included, the ends more often.
func (s *sampler) n(lo, hi uint32) uint32 {
	switch s.IntN(8) {
	case 0:
		return lo
	case 1:
		return hi
	}
	return lo + s.Uint32N(hi-lo+1)
}

func (s *sampler) flag() bool { return s.IntN(2) == 0 }

// shift is mostly sane, sometimes at or beyond the limits of rs.
func (s *sampler) shift() int64 {
	if s.flag() {
		return int64(s.IntN(41))
	}
	return among[int64](s.Rand, 0, 1, 61, 62, 63, 64, 1<<40, math.MaxInt64, -1, -3, -61, -62, -63, -1<<40, math.MinInt64)
}

// wide is a signed number of a random number of bits up to limit.
func wide(r *rand.Rand, limit int) int64 {
	v := int64(r.Uint64() >> 1 >> (63 - r.IntN(min(limit, 64))))
	if r.IntN(2) == 0 {
		return -v
	}
	return v
}

func (s *sampler) context() opset.Context {
	c := opset.Context{
		T: among(s.Rand, 0, 1, 126, 127, 128, 254, 255, 256, 257, 511, s.n(0, 900)), M: s.n(1, 400),
		YPrev: int32(s.IntN(704)) - 3, MaxNew: s.n(1, 600), TMax: s.n(1, 1000),
		Temperature: among[uint32](s.Rand, 0, 1, 0x8000, 0x10000, 0x18000, math.MaxUint32),
		Seed:        s.Uint64(), StopCount: uint8(s.n(0, opset.MaxStop)),
	}
	s.settings(&c)
	if s.IntN(8) == 0 {
		c.YPrev = among(s.Rand, int32(math.MinInt32), math.MaxInt32)
	}
	return c
}

func (s *sampler) index(d *opset.Descriptor, c *opset.Context) uint64 {
	n := d.Count(c)
	return among(s.Rand, 0, n-1, s.Uint64N(n), s.Uint64N(n))
}

func dim(c, k uint32) opset.Dim { return opset.Dim{C: c, K: k} }

// vec and mat are right-aligned dims.
func vec(n uint32) [3]opset.Dim                 { return [3]opset.Dim{dim(1, 0), dim(1, 0), dim(n, 0)} }
func mat(n uint32, last opset.Dim) [3]opset.Dim { return [3]opset.Dim{dim(1, 0), dim(n, 0), last} }

func of(kind uint8) opset.Source { return opset.Source{Kind: kind} }

// shapes draws dims, parameters and sources of each operation.
var shapes = [...]func(*sampler, *opset.Descriptor){
	opset.Embed:  (*sampler).embed,
	opset.MaxAbs: (*sampler).reduce, opset.Max: (*sampler).reduce, opset.Sum: (*sampler).reduce,
	opset.ArgKey: (*sampler).reduce, opset.SumSquares: (*sampler).sumSquares,
	opset.NormInv: (*sampler).normInv, opset.NormApply: (*sampler).normApply,
	opset.MatMul: (*sampler).matMul, opset.Row: (*sampler).row,
	opset.Add: (*sampler).pair, opset.Mul: (*sampler).pair, opset.ReLU: (*sampler).single,
	opset.SiLUMul: (*sampler).silu, opset.Scale: (*sampler).scalar, opset.Quant: (*sampler).quant,
	opset.RoPE: (*sampler).rope, opset.Score: (*sampler).score, opset.Exp2Op: (*sampler).exp2,
	opset.Transpose: (*sampler).transpose, opset.Mix: (*sampler).mix, opset.DivOp: (*sampler).div,
	opset.Temper: (*sampler).temper, opset.Draw: (*sampler).scalar, opset.Select: (*sampler).choose,
	opset.Token: (*sampler).token, opset.StopOp: (*sampler).stop, opset.PromptOp: (*sampler).prompt,

	opset.MatMulBlock: (*sampler).matMulBlock, opset.MatMulG4: (*sampler).matMulBlock, opset.EmbedBlock: (*sampler).embedBlock,
	opset.HeadNorm: (*sampler).headNorm, opset.Activate: (*sampler).activate, opset.Center: (*sampler).center,
	opset.Position: (*sampler).embed,
	opset.Penalise: (*sampler).penalise,
	opset.Rank:     (*sampler).rank, opset.Hist: (*sampler).hist, opset.Digit: (*sampler).digit, opset.Keep: (*sampler).keep,
	opset.StopState: (*sampler).stopState,
	opset.Mask:      (*sampler).mask, opset.GrammarState: (*sampler).grammarState,
	opset.Order: (*sampler).order, opset.Slot: (*sampler).slot, opset.Gather: (*sampler).gather, opset.Share: (*sampler).share,
	opset.RowMatMul: (*sampler).rowMatMul, opset.RowResult: (*sampler).rowResult, opset.RowScale: (*sampler).single,
	opset.RowQuant: (*sampler).rowQuant, opset.Combine: (*sampler).combine,
	opset.EmbedRows: (*sampler).embedRows, opset.Live: (*sampler).live, opset.RowScore: (*sampler).rowScore, opset.RowMix: (*sampler).rowMix,
	opset.Turn: (*sampler).turn, opset.RowCenter: (*sampler).ofRows, opset.RowSquares: (*sampler).rowSquares, opset.RowInv: (*sampler).rowInv,
	opset.RowNorm: (*sampler).rowNorm, opset.RowAdd: (*sampler).ofRows,
}

func (s *sampler) descriptor(op opset.Code) opset.Descriptor {
	d := opset.Descriptor{Op: op, Leaf: opset.LeafBytes, Dims: vec(1)}
	d.Type = among(s.Rand, op.Targets()...)
	d.Src[0] = opset.Source{Kind: opset.Tensor, Index: uint8(s.IntN(100))}
	shapes[op](s, &d)
	return d
}

// second gives d another tensor source.
func (s *sampler) second(d *opset.Descriptor) {
	d.Src[1] = opset.Source{Kind: opset.Tensor, Index: uint8(s.IntN(100))}
}

// matrix is a width and the chunks that a row of it has. SPEC 02 §3.
func (s *sampler) matrix() (k, chunk, chunks uint32) {
	k = s.n(1, 1300)
	chunk = min(512, (k+63)/64*64)
	return k, chunk, (k + chunk - 1) / chunk
}

func (s *sampler) embed(d *opset.Descriptor) {
	k, chunk, chunks := s.matrix()
	d.Src[0], d.Src[1] = of(opset.RootA), of(opset.RootB)
	d.P[0], d.P[1], d.P[2] = int64(s.n(1, 700)), int64(chunks*chunk), int64(chunk)
	d.Dims = vec(k)
}

func (s *sampler) matMul(d *opset.Descriptor) {
	k, chunk, chunks := s.matrix()
	d.Src[1] = of(opset.RootA)
	d.P[0], d.P[1] = int64(k), int64(chunk)
	d.Dims = mat(s.n(1, 300), dim(chunks, 0))
}

func (s *sampler) row(d *opset.Descriptor) {
	d.Src[1] = of(opset.RootB)
	if s.flag() {
		d.Src[2] = opset.Source{Kind: opset.Tensor, Index: uint8(s.IntN(100))}
	}
	d.P[0], d.P[1] = int64(s.n(1, 64)), int64(s.n(0, 24))
	d.Dims = vec(s.n(1, 300))
}

func (s *sampler) reduce(d *opset.Descriptor) {
	t := among(s.Rand, tensor.I16, tensor.I32, tensor.I64)
	fan := among(s.Rand, s.n(1, 128), s.n(1, 8), 128)
	d.P[2], d.P[3] = int64(fan), int64(t)
	rows := s.n(1, 5)
	if s.flag() {
		k := among[uint32](s.Rand, 1, 1, 128)
		d.P[0], d.P[1] = 1, int64(k)
		d.Dims = mat(rows, dim(1, k*fan))
		s.window(d)
		return
	}
	n := s.n(1, 1500)
	d.P[0] = int64(n)
	d.Dims = mat(rows, dim((n+fan-1)/fan, 0))
}

func (s *sampler) sumSquares(d *opset.Descriptor) {
	s.reduce(d)
	s.second(d)
}

// window limits attention in half of the cases.
func (s *sampler) window(d *opset.Descriptor) {
	if s.flag() {
		d.Window = among(s.Rand, 1, 127, 128, 129, s.n(1, 300))
	}
}

func (s *sampler) single(d *opset.Descriptor) {
	n := s.n(1, 2000)
	d.Dims, d.P[0] = vec(n), int64(n)
}

func (s *sampler) pair(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
	switch {
	case d.Op == opset.Mul:
		d.P[1] = s.shift()
	case s.flag():
		d.Src[1] = of(opset.RootA)
	}
}

func (s *sampler) silu(d *opset.Descriptor) {
	s.pair(d)
	d.Src[1] = opset.Source{Kind: opset.Tensor, Index: 7}
	d.P[1], d.P[2] = int64(s.IntN(31)), s.shift()
	if s.IntN(4) == 0 {
		d.P[1] = s.shift()
	}
}

func (s *sampler) scalar(*opset.Descriptor) {}

func (s *sampler) quant(d *opset.Descriptor) {
	s.single(d)
	if s.flag() {
		d.P[1] = s.shift()
		return
	}
	s.second(d)
}

func (s *sampler) normInv(d *opset.Descriptor) {
	d.Dims = vec(2)
	s.second(d)
	d.P[0], d.P[1] = wide(s.Rand, 63), wide(s.Rand, 63)
}

func (s *sampler) normApply(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
	const far = 1 << 39 // so that p0 + s is exact
	d.P[0], d.P[1], d.P[2] = max(-far, min(far, s.shift())), s.shift(), d.P[0]
	if s.flag() {
		d.Src[2] = of(opset.RootA)
	} else {
		d.P[1] = 0
	}
}

func (s *sampler) temper(d *opset.Descriptor) {
	s.single(d)
	d.P[1] = wide(s.Rand, 40)
}

func (s *sampler) choose(d *opset.Descriptor) {
	s.second(d)
	t, top := among(s.Rand, tensor.I32, tensor.I64), int64(s.IntN(2))
	d.Dims = vec(2)
	d.P[0], d.P[1], d.P[2], d.P[3] = int64(s.n(1, 2000)), int64(s.n(1, 128)), int64(t), top
}

func (s *sampler) token(d *opset.Descriptor) {
	s.second(d)
	d.Src[2] = opset.Source{Kind: opset.Tensor, Index: 9}
}

func (s *sampler) stop(d *opset.Descriptor) {
	d.Src[1], d.Src[2] = of(opset.Stop), opset.Source{Kind: opset.Tensor, Index: 11}
	d.Src[3] = opset.Source{Kind: opset.Tensor, Index: 12}
}

func (s *sampler) prompt(d *opset.Descriptor) { d.Src[0] = of(opset.Prompt) }
