package model

import (
	"fmt"
	"math/bits"

	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// DecoderLayer are the tensors and constants of one decoder layer: attention and a feed-forward
// block, each behind a norm, each added to the residual stream. SPEC 04 §1.4.
type DecoderLayer struct {
	AttnNorm, FFNNorm     Norm
	AttnPost, FFNPost     *Norm // of what a block adds, before it is added; or nil. Their rows are int32
	Q, K, V, O            Matrix
	QNorm, KNorm          *Norm // of each head, with gamma [HeadDim], before rotation; or nil
	QShift, KShift        int64 // from the fraction bits of q and k to those of their i16 rows
	ScoreMult, ScoreShift int64 // dot product to Q16 log2 units
	ScoreCap              *Curve
	Window                int  // positions attended, the own one included; 0: all
	Local                 bool // rotates by the table RopeLocal

	// Without Act the block is silu(gate) * up, with it the curve of gate times up, or of up alone if
	// Gate has no weights.
	Gate, Up, Down Matrix
	Act            *Curve
	MulShift       int64 // with Act: shift of the product with up
	MoE            *MoE  // in place of Gate, Up and Down, or nil
}

// DecoderSpec is a decoder in integers.
type DecoderSpec struct {
	Vocab, TMax, Dim, Heads, KVHeads, HeadDim, RopeDim, FF int
	RopeStyle                                              int            // 0 interleaved pairs, 1 halves
	Rope                                                   *tensor.Tensor // i32 Q30 [TMax, RopeDim/2, 2]; nil: nothing is rotated
	RopeLocal                                              *tensor.Tensor // the same for layers that are Local
	Embed                                                  Matrix
	Positions                                              *Matrix // learned positions, a row each, added to the embedding; or nil
	Layers                                                 []DecoderLayer
	HeadNorm                                               Norm
	Head                                                   Matrix
	LogitCap                                               *Curve
	GateBits, SiLUShift                                    int64 // fraction bits of gate; shift of silu(g)*u
	TemperMult                                             int64
	Text                                                   *Text // nil: tokens have no bytes
}

// Bounds of a decoder: what the answerable invariant allows. SPEC 04 §3.
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
		{"feed-forward width", s.FF, 1, maxFF}, {"layers", len(s.Layers), 1, 1 << 10}, {"rotary style", s.RopeStyle, 0, 1},
	} {
		if c.v < c.least || c.v > c.top {
			return fmt.Errorf("%w: %s %d is outside %d..%d", ErrModel, c.name, c.v, c.least, c.top)
		}
	}
	if s.Heads%s.KVHeads != 0 {
		return fmt.Errorf("%w: %d heads over %d KV heads", ErrModel, s.Heads, s.KVHeads)
	}
	if err := s.checkPositions(); err != nil {
		return err
	}
	return s.checkMatrices()
}

// checkPositions: a decoder knows positions by rotation, by learned rows, or both.
func (s *DecoderSpec) checkPositions() error {
	tables := []*tensor.Tensor{s.Rope, s.RopeLocal}
	if s.Rope == nil && s.Positions != nil {
		tables = nil
	}
	for i, r := range tables {
		if i == 1 && r == nil {
			break
		}
		if s.RopeDim < 2 || s.RopeDim > s.HeadDim || s.RopeDim%2 != 0 {
			return fmt.Errorf("%w: rotary width %d of heads of %d", ErrModel, s.RopeDim, s.HeadDim)
		}
		if r == nil || r.Type != tensor.I32 || r.Len() != s.TMax*s.RopeDim {
			return fmt.Errorf("%w: rotary table is not int32 [%d, %d, 2]", ErrModel, s.TMax, s.RopeDim/2)
		}
	}
	for i := range s.Layers {
		if l := &s.Layers[i]; l.Local && s.RopeLocal == nil || l.Window < 0 || l.Window > s.TMax {
			return fmt.Errorf("%w: layer %d has a window of %d of %d positions, local %v", ErrModel, i, l.Window, s.TMax, l.Local)
		}
	}
	return nil
}

func (s *DecoderSpec) checkMatrices() error {
	q, kv := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	all := []shape{{"embedding", &s.Embed, s.Vocab, s.Dim}, {"head", &s.Head, s.Vocab, s.Dim}}
	if s.Positions != nil {
		all = append(all, shape{"positions", s.Positions, s.TMax, s.Dim})
	}
	for i := range s.Layers {
		l := &s.Layers[i]
		all = append(all, shape{"q", &l.Q, q, s.Dim}, shape{"k", &l.K, kv, s.Dim}, shape{"v", &l.V, kv, s.Dim}, shape{"o", &l.O, s.Dim, q})
		for _, n := range []*Norm{l.QNorm, l.KNorm} {
			if n != nil && (n.Gamma == nil || n.Gamma.Type != tensor.I32 || n.Gamma.Len() != s.HeadDim) {
				return fmt.Errorf("%w: layer %d: gamma of a norm of heads is not int32 [%d]", ErrModel, i, s.HeadDim)
			}
		}
		if l.MoE != nil {
			if err := l.MoE.check(s.Dim); err != nil {
				return err
			}
			continue
		}
		all = append(all, shape{"up", &l.Up, s.FF, s.Dim}, shape{"down", &l.Down, s.Dim, s.FF})
		if l.Act == nil || l.Gate.W != nil {
			all = append(all, shape{"gate", &l.Gate, s.FF, s.Dim})
		}
	}
	return checkShapes(all)
}

// shape is what a matrix of a model must be.
type shape struct {
	name    string
	m       *Matrix
	rows, k int
}

func checkShapes(all []shape) error {
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
	x := s.Embed.row(g, g.gather, s.Dim)
	if s.Positions != nil {
		g.sum(x, s.Positions.row(g, g.position, s.Dim), s.Dim)
	}
	return g.done(-1, 0, 0)
}

// row appends a row of a table of d columns, of one or two digits, each appended by gather.
func (m *Matrix) row(s *stage, gather func(m *Matrix, d int) int, d int) int {
	x := gather(m, d)
	if m.Low != nil {
		x = s.sum(x, gather(m.Low, d), d)
	}
	return x
}

// position appends the row of this position of a table of d columns.
func (s *stage) position(m *Matrix, d int) int {
	x := s.add(opset.Position, tensor.I32, vec(d), []int64{int64(m.Rows()), int64(m.Chunks() * Chunk(d)), int64(Chunk(d))})
	s.root(x, 0, opset.RootA, m.W)
	s.root(x, 1, opset.RootB, m.Scale)
	return x
}

func (s *DecoderSpec) layer(i int) machine.Stage {
	l := &s.Layers[i]
	g := newStage(tensor.I32, s.Dim, s.TMax)
	x, k, v := s.attention(g, i)
	g.residual(x, s.feedForward(g, l, g.norm(x, s.Dim, &l.FFNNorm)), s.Dim, l.FFNPost)
	return g.done(i, k, v)
}

// attention appends the first block of a layer to its input: the residual stream after it, and the
// K and V row.
func (s *DecoderSpec) attention(g *stage, i int) (x, k, v int) {
	l := &s.Layers[i]
	h := g.norm(0, s.Dim, &l.AttnNorm)
	q := s.turn(g, l, g.linear(h, &l.Q, tensor.I32, 0), s.Heads, l.QShift, l.QNorm)
	k = s.turn(g, l, g.linear(h, &l.K, tensor.I32, 0), s.KVHeads, l.KShift, l.KNorm)
	v = g.linear(h, &l.V, tensor.I16, 0)
	g.ops[k].Leaf, g.ops[v].Leaf = opset.KVLeafBytes, opset.KVLeafBytes
	a := s.attend(g, i, q, k, v)
	return g.residual(0, g.linear(a, &l.O, tensor.I32, 0), s.Dim, l.AttnPost), k, v
}

// residual appends x + y, y behind a norm if there is one.
func (s *stage) residual(x, y, d int, post *Norm) int {
	if post != nil {
		y = s.normed(y, d, post, tensor.I32)
	}
	return s.sum(x, y, d)
}

// sum appends the sum of two i32 [n].
func (s *stage) sum(x, y, n int) int {
	return s.add(opset.Add, tensor.I32, vec(n), []int64{int64(n)}, x, y)
}

// feedForward appends the second block over the normed row h: i32 [Dim].
func (s *DecoderSpec) feedForward(g *stage, l *DecoderLayer, h int) int {
	join := func(g *stage, gate, up, n int) int { return s.gated(g, l, gate, up, n) }
	if l.MoE != nil {
		return g.moe(h, s.Dim, l.MoE, join)
	}
	y, n := 0, int64(s.FF)
	if l.Act != nil && l.Gate.W == nil {
		y = g.curve(g.linear(h, &l.Up, tensor.I32, 0), vec(s.FF), n, 0, l.Act)
	} else {
		gate := g.linear(h, &l.Gate, tensor.I32, 0)
		y = join(g, gate, g.linear(h, &l.Up, tensor.I32, 0), s.FF)
	}
	sc := g.add(opset.Scale, tensor.I64, vec(1), nil, g.reduce(opset.MaxAbs, opset.MaxAbs, [2]int{1, 1}, s.FF, y, tensor.I32))
	y = g.add(opset.Quant, tensor.I16, vec(s.FF), []int64{n}, y, sc)
	return g.linear(y, &l.Down, tensor.I32, sc)
}

// gated appends the curve of n gates times as many ups.
func (s *DecoderSpec) gated(g *stage, l *DecoderLayer, gate, up, n int) int {
	if l.Act == nil {
		return g.add(opset.SiLUMul, tensor.I32, vec(n), []int64{int64(n), s.GateBits, s.SiLUShift}, gate, up)
	}
	return g.add(opset.Mul, tensor.I32, vec(n), []int64{int64(n), l.MulShift}, g.curve(gate, vec(n), int64(n), 0, l.Act), up)
}

// turn appends what makes i16 [heads * headDim] of q or k: norm of heads, rotation.
func (s *DecoderSpec) turn(g *stage, l *DecoderLayer, x, heads int, shift int64, norm *Norm) int {
	n := heads * s.HeadDim
	if norm != nil {
		p := []int64{int64(n), int64(s.HeadDim), norm.K, norm.Eps, norm.Shift, norm.GammaShift}
		x = g.add(opset.HeadNorm, tensor.I32, vec(n), p, x)
		g.root(x, 1, opset.RootA, norm.Gamma)
	}
	table := s.Rope
	if l.Local {
		table = s.RopeLocal
	}
	if table == nil {
		return g.add(opset.Quant, tensor.I16, vec(n), []int64{int64(n), shift}, x)
	}
	p := []int64{int64(n), int64(s.HeadDim), int64(s.RopeDim), shift, int64(s.RopeStyle), int64(s.TMax)}
	r := g.add(opset.RoPE, tensor.I16, vec(n), p, x)
	g.root(r, 1, opset.RootA, table)
	return r
}

// attend appends attention of q over the cache and the new rows k, v: i16 [heads * headDim].
func (s *DecoderSpec) attend(g *stage, layer, q, k, v int) int {
	l := &s.Layers[layer]
	hd, group, dkv, heads := int64(s.HeadDim), int64(s.Heads/s.KVHeads), s.KVHeads*s.HeadDim, s.Heads
	depths := s.kvDepths(dkv)
	span := [3]opset.Dim{dim(1), dim(heads), grow(1)}
	g.window = l.Window
	sc := g.add(opset.Score, tensor.I32, span,
		[]int64{hd, group, l.ScoreMult, l.ScoreShift, int64(layer), int64(dkv), int64(heads), depths}, q, k)
	g.ops[sc].Src[2] = opset.Source{Kind: opset.KV}
	if l.ScoreCap != nil {
		sc = g.curve(sc, span, 1, 1, l.ScoreCap)
	}
	m := g.reduceSpan(opset.Max, [2]int{1, heads}, 1, sc, tensor.I32)
	p := g.add(opset.Exp2Op, tensor.I32, span, []int64{1, 1, 24}, sc, m)
	den := g.reduceSpan(opset.Sum, [2]int{1, heads}, 1, p, tensor.I32)
	vt := g.add(opset.Transpose, tensor.I16, [3]opset.Dim{dim(1), dim(dkv), grow(1)},
		[]int64{0, 0, 0, 0, int64(layer), int64(dkv), 0, depths}, v, v)
	g.ops[vt].Src[0] = opset.Source{Kind: opset.KV}
	num := g.add(opset.Mix, tensor.I64, [3]opset.Dim{dim(heads), dim(s.HeadDim), grow(128)},
		[]int64{hd, group, int64(heads), 0, 0, int64(dkv)}, p, vt)
	if g.span() > 128 {
		num = g.reduceSpan(opset.Sum, [2]int{heads, s.HeadDim}, 128, num, tensor.I64)
	}
	g.window = 0
	return g.add(opset.DivOp, tensor.I16, vec(heads*s.HeadDim), []int64{int64(heads * s.HeadDim), hd}, num, den)
}

// kvDepths is p7 of ops that read the KV tree. SPEC 02 §4.2.
func (s *DecoderSpec) kvDepths(dkv int) int64 {
	return int64(log2(s.TMax)<<16 | log2(len(s.Layers))<<8 | log2((2*dkv+opset.KVLeafBytes-1)/opset.KVLeafBytes))
}

// log2 is ceil(log2 n).
func log2(n int) int { return bits.Len(uint(n - 1)) }
