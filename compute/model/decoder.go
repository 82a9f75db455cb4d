package model

import (
	"fmt"
	"math/bits"

	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Norm are the constants of an RMS norm. SPEC 02 §4 ops 7 and 8.
type Norm struct {
	K, Eps     int64
	Shift      int64
	Gamma      *tensor.Tensor // i32 [d], or nil when folded into the next matrix
	GammaShift int64
	// Dynamic scales the result by a power of two of the token, as wide gains need; else its format
	// is static.
	Dynamic bool
}

// DecoderLayer are the tensors and constants of one decoder layer.
type DecoderLayer struct {
	AttnNorm, FFNNorm          Norm
	Q, K, V, O, Gate, Up, Down Matrix
	QShift, KShift             int64 // from the fraction bits of q and k to those of their i16 rows
	ScoreMult, ScoreShift      int64 // dot product to Q16 log2 units
}

// DecoderSpec is a decoder in integers.
type DecoderSpec struct {
	Vocab, TMax, Dim, Heads, KVHeads, HeadDim, RopeDim, FF int
	RopeStyle                                              int            // 0 interleaved pairs, 1 halves
	Rope                                                   *tensor.Tensor // i32 Q30 [TMax, RopeDim/2, 2]
	Embed                                                  Matrix
	Layers                                                 []DecoderLayer
	HeadNorm                                               Norm
	Head                                                   Matrix
	GateBits, SiLUShift                                    int64 // fraction bits of gate; shift of silu(g)*u
	TemperMult                                             int64
}

// Bounds of a Llama model: what the answerable invariant allows. SPEC 04 §3.
const (
	maxHeadDim = 256
	maxDim     = 1 << 16
	maxHeads   = 1 << 10
	maxFF      = 1 << 16
)

func (s *DecoderSpec) check() error {
	for _, c := range []struct {
		name          string
		v, least, top int
	}{
		{"vocabulary", s.Vocab, 1, 1 << 20}, {"positions", s.TMax, 2, 1 << 20}, {"width", s.Dim, 1, maxDim},
		{"heads", s.Heads, 1, maxHeads}, {"KV heads", s.KVHeads, 1, s.Heads}, {"head width", s.HeadDim, 1, maxHeadDim},
		{"rotary width", s.RopeDim, 2, s.HeadDim}, {"feed-forward width", s.FF, 1, maxFF}, {"layers", len(s.Layers), 1, 1 << 10},
		{"rotary style", s.RopeStyle, 0, 1},
	} {
		if c.v < c.least || c.v > c.top {
			return fmt.Errorf("%w: %s %d is outside %d..%d", ErrModel, c.name, c.v, c.least, c.top)
		}
	}
	if s.Heads%s.KVHeads != 0 || s.RopeDim%2 != 0 {
		return fmt.Errorf("%w: %d heads over %d KV heads, rotary width %d", ErrModel, s.Heads, s.KVHeads, s.RopeDim)
	}
	if s.Rope == nil || s.Rope.Type != tensor.I32 || s.Rope.Len() != s.TMax*s.RopeDim {
		return fmt.Errorf("%w: rotary table is not int32 [%d, %d, 2]", ErrModel, s.TMax, s.RopeDim/2)
	}
	return s.checkMatrices()
}

func (s *DecoderSpec) checkMatrices() error {
	q, kv := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	type shape struct {
		name    string
		m       *Matrix
		rows, k int
	}
	all := []shape{{"embedding", &s.Embed, s.Vocab, s.Dim}, {"head", &s.Head, s.Vocab, s.Dim}}
	for i := range s.Layers {
		l := &s.Layers[i]
		all = append(all, shape{"q", &l.Q, q, s.Dim}, shape{"k", &l.K, kv, s.Dim}, shape{"v", &l.V, kv, s.Dim},
			shape{"o", &l.O, s.Dim, q}, shape{"gate", &l.Gate, s.FF, s.Dim}, shape{"up", &l.Up, s.FF, s.Dim}, shape{"down", &l.Down, s.Dim, s.FF})
	}
	for _, c := range all {
		if err := c.m.check(c.name, c.rows, c.k); err != nil {
			return err
		}
	}
	return nil
}

// Decoder lays a decoder out as stages: embed, layers, EMIT head, ABSORB head.
func Decoder(s *DecoderSpec) (*Model, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	m := &Model{Kind: KindToken, Vocab: s.Vocab, TMax: s.TMax, Layers: len(s.Layers), DKV: s.KVHeads * s.HeadDim}
	m.Stages = append(m.Stages, s.embed())
	for i := range s.Layers {
		m.Stages = append(m.Stages, s.layer(i))
	}
	m.Stages = append(m.Stages, s.emit(), s.absorb())
	for i := range m.Stages {
		if n := len(m.Stages[i].Ops); n > MaxTensors {
			return nil, fmt.Errorf("%w: stage %d has %d tensors, the limit is %d", ErrModel, i, n, MaxTensors)
		}
	}
	return m, nil
}

func (s *DecoderSpec) embed() machine.Stage {
	g := newStage(tensor.I32, 1, s.TMax)
	e := g.gather(&s.Embed, s.Dim)
	if low := s.Embed.Low; low != nil {
		g.add(opset.Add, tensor.I32, vec(s.Dim), []int64{int64(s.Dim)}, e, g.gather(low, s.Dim))
	}
	return g.done(-1, 0, 0)
}

func (s *DecoderSpec) layer(i int) machine.Stage {
	l := &s.Layers[i]
	g := newStage(tensor.I32, s.Dim, s.TMax)
	h := g.norm(0, s.Dim, &l.AttnNorm)
	q := s.rope(g, g.linear(h, &l.Q, tensor.I32, 0), s.Heads, l.QShift)
	k := s.rope(g, g.linear(h, &l.K, tensor.I32, 0), s.KVHeads, l.KShift)
	v := g.linear(h, &l.V, tensor.I16, 0)
	g.ops[k].Leaf, g.ops[v].Leaf = opset.KVLeafBytes, opset.KVLeafBytes
	a := s.attend(g, i, q, k, v)
	x := g.add(opset.Add, tensor.I32, vec(s.Dim), []int64{int64(s.Dim)}, 0, g.linear(a, &l.O, tensor.I32, 0))
	h = g.norm(x, s.Dim, &l.FFNNorm)
	gate, up := g.linear(h, &l.Gate, tensor.I32, 0), g.linear(h, &l.Up, tensor.I32, 0)
	y := g.add(opset.SiLUMul, tensor.I32, vec(s.FF), []int64{int64(s.FF), s.GateBits, s.SiLUShift}, gate, up)
	sc := g.add(opset.Scale, tensor.I64, vec(1), nil, g.reduce(opset.MaxAbs, opset.MaxAbs, [2]int{1, 1}, s.FF, y, tensor.I32))
	y = g.add(opset.Quant, tensor.I16, vec(s.FF), []int64{int64(s.FF)}, y, sc)
	g.add(opset.Add, tensor.I32, vec(s.Dim), []int64{int64(s.Dim)}, x, g.linear(y, &l.Down, tensor.I32, sc))
	return g.done(i, k, v)
}

func (s *DecoderSpec) rope(g *stage, x, heads int, shift int64) int {
	n := heads * s.HeadDim
	p := []int64{int64(n), int64(s.HeadDim), int64(s.RopeDim), shift, int64(s.RopeStyle), int64(s.TMax)}
	r := g.add(opset.RoPE, tensor.I16, vec(n), p, x)
	g.root(r, 1, opset.RootA, s.Rope)
	return r
}

// attend appends attention of q over the cache and the new rows k, v: i16 [heads * headDim].
func (s *DecoderSpec) attend(g *stage, layer, q, k, v int) int {
	l := &s.Layers[layer]
	hd, group, dkv, heads := int64(s.HeadDim), int64(s.Heads/s.KVHeads), s.KVHeads*s.HeadDim, s.Heads
	depths := s.kvDepths(dkv)
	span := [3]opset.Dim{dim(1), dim(heads), grow(1)}
	sc := g.add(opset.Score, tensor.I32, span,
		[]int64{hd, group, l.ScoreMult, l.ScoreShift, int64(layer), int64(dkv), int64(heads), depths}, q, k)
	g.ops[sc].Src[2] = opset.Source{Kind: opset.KV}
	m := g.reduceSpan(opset.Max, [2]int{1, heads}, 1, sc, tensor.I32)
	p := g.add(opset.Exp2Op, tensor.I32, span, []int64{1, 1, 24}, sc, m)
	den := g.reduceSpan(opset.Sum, [2]int{1, heads}, 1, p, tensor.I32)
	vt := g.add(opset.Transpose, tensor.I16, [3]opset.Dim{dim(1), dim(dkv), grow(1)},
		[]int64{0, 0, 0, 0, int64(layer), int64(dkv), 0, depths}, v, v)
	g.ops[vt].Src[0] = opset.Source{Kind: opset.KV}
	num := g.add(opset.Mix, tensor.I64, [3]opset.Dim{dim(heads), dim(s.HeadDim), grow(128)},
		[]int64{hd, group, int64(heads), 0, 0, int64(dkv)}, p, vt)
	if s.TMax > 128 {
		num = g.reduceSpan(opset.Sum, [2]int{heads, s.HeadDim}, 128, num, tensor.I64)
	}
	return g.add(opset.DivOp, tensor.I16, vec(heads*s.HeadDim), []int64{int64(heads * s.HeadDim), hd}, num, den)
}

// kvDepths is p7 of ops that read the KV tree. SPEC 02 §4.2.
func (s *DecoderSpec) kvDepths(dkv int) int64 {
	return int64(log2(s.TMax)<<16 | log2(len(s.Layers))<<8 | log2((2*dkv+opset.KVLeafBytes-1)/opset.KVLeafBytes))
}

// log2 is ceil(log2 n).
func log2(n int) int { return bits.Len(uint(n - 1)) }
