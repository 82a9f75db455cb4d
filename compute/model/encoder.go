package model

import (
	"fmt"

	"elenchus/compute/machine"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// LayerNorm are the constants of a layer norm by rows: int32 in, int32 of residualBits out.
type LayerNorm struct {
	K, Eps            int64
	Shift, GammaShift int64
	Gamma, Beta       *tensor.Tensor // i32 [d]; beta in residualBits
}

// EncoderLayer are the tensors and constants of an encoder layer: attention in both directions and a
// feed-forward block, each added to the residual stream and followed by a layer norm. SPEC 04 §1.4c.
type EncoderLayer struct {
	Q, K, V, O, Up, Down   Matrix
	QShift, KShift, VShift int64 // row results to rows of int16
	ScoreMult, ScoreShift  int64 // dot product to Q16 log2 units
	Act                    Curve
	AttnNorm, FFNNorm      LayerNorm
}

// EncoderSpec is an encoder in integers, for texts of up to Rows pieces.
type EncoderSpec struct {
	Rows, Vocab, Types, Dim, Heads, HeadDim, FF int
	Embed, Type                                 Matrix         // rows of residualBits by id and by type
	Positions                                   *tensor.Tensor // i32 [Rows, Dim] of residualBits
	Norm                                        LayerNorm
	Layers                                      []EncoderLayer
	First                                       bool // the result is row 0, else the mean of the rows that live
}

// Bounds of an encoder. SPEC 04 §1.4c.
const (
	MaxEncoderRows  = 512
	maxEncoderHeads = 64
	maxEncoderDim   = 1024
	maxEncoderFF    = 1 << 14
)

// EncoderBits are the fraction bits of the vector that an encoder gives.
const EncoderBits = residualBits

// Encoder lays an encoder out as a graph model: embeddings, a stage for each layer, pooling. The input
// is i32 [2 Rows], ids and then types, -1 where there is no piece; the output i32 [Dim] of EncoderBits
// fraction bits. It is not scaled to length 1, which is done where floats are.
func Encoder(s *EncoderSpec) (*Model, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	m := &Model{Kind: KindGraph, Layers: len(s.Layers) + 2}
	m.Stages = append(m.Stages, s.embed())
	for i := range s.Layers {
		m.Stages = append(m.Stages, s.layer(&s.Layers[i]))
	}
	m.Stages = append(m.Stages, s.pool())
	return m, nil
}

// EncoderInput is the input of an encoder for texts of rows pieces: ids, then types, nil for all 0. It
// fails with ErrModel for a text that is empty or longer, has ids below 0 or not a type for each.
func EncoderInput(ids, types []int32, rows int) (*tensor.Tensor, error) {
	if len(ids) < 1 || len(ids) > rows || types != nil && len(types) != len(ids) {
		return nil, fmt.Errorf("%w: text of %d pieces and %d types, the encoder takes 1..%d pieces", ErrModel, len(ids), len(types), rows)
	}
	x := tensor.New(tensor.I32, 1, 1, 2*rows)
	for i := range x.I32 {
		x.I32[i] = -1
	}
	for i, id := range ids {
		if id < 0 {
			return nil, fmt.Errorf("%w: id %d of piece %d is below 0", ErrModel, id, i)
		}
		x.I32[i], x.I32[rows+i] = id, 0
	}
	if types != nil {
		copy(x.I32[rows:], types)
	}
	return x, nil
}

// EncoderRows is the number of pieces that an encoder takes, and the width of its vectors; ok is false
// for other models.
func (m *Model) EncoderRows() (rows, dim int, ok bool) {
	if m.Kind != KindGraph || len(m.Stages) < 3 {
		return 0, 0, false
	}
	in, last := &m.Stages[0].Ops[0], m.Stages[len(m.Stages)-1].Ops
	if in.Type != tensor.I32 || len(m.Stages[0].Ops) < 2 || m.Stages[0].Ops[1].Op != opset.EmbedRows || len(last) < 2 || last[1].Op != opset.Live {
		return 0, 0, false
	}
	return int(in.Dims[2].C) / 2, int(last[len(last)-1].Dims[2].C), true
}

func (s *EncoderSpec) check() error {
	for _, c := range []struct {
		name   string
		v, top int
	}{
		{"rows", s.Rows, MaxEncoderRows}, {"vocabulary", s.Vocab, 1 << 20}, {"types", s.Types, 1 << 10}, {"width", s.Dim, maxEncoderDim},
		{"heads", s.Heads, maxEncoderHeads}, {"head width", s.HeadDim, maxHeadDim}, {"feed-forward width", s.FF, maxEncoderFF},
		{"layers", len(s.Layers), 1<<10 - 2},
	} {
		if c.v < 1 || c.v > c.top {
			return fmt.Errorf("%w: %s %d of an encoder, want 1..%d", ErrModel, c.name, c.v, c.top)
		}
	}
	if s.Heads*s.HeadDim != s.Dim {
		return fmt.Errorf("%w: %d heads of %d in a width of %d", ErrModel, s.Heads, s.HeadDim, s.Dim)
	}
	if p := s.Positions; p == nil || p.Type != tensor.I32 || p.Len() != s.Rows*s.Dim {
		return fmt.Errorf("%w: positions are not int32 [%d, %d]", ErrModel, s.Rows, s.Dim)
	}
	return s.checkTensors()
}

func (s *EncoderSpec) checkTensors() error {
	for i := range s.Layers {
		if s.Layers[i].V.Bias != nil {
			return fmt.Errorf("%w: values of layer %d have a bias, which belongs into that of the output", ErrModel, i)
		}
	}
	norms := []*LayerNorm{&s.Norm}
	all := []shape{{"embedding", &s.Embed, s.Vocab, s.Dim}, {"types", &s.Type, s.Types, s.Dim}}
	for i := range s.Layers {
		l := &s.Layers[i]
		norms = append(norms, &l.AttnNorm, &l.FFNNorm)
		all = append(all, shape{"q", &l.Q, s.Dim, s.Dim}, shape{"k", &l.K, s.Dim, s.Dim}, shape{"v", &l.V, s.Dim, s.Dim},
			shape{"o", &l.O, s.Dim, s.Dim}, shape{"up", &l.Up, s.FF, s.Dim}, shape{"down", &l.Down, s.Dim, s.FF})
	}
	for i, n := range norms {
		for _, x := range []*tensor.Tensor{n.Gamma, n.Beta} {
			if x == nil || x.Type != tensor.I32 || x.Len() != s.Dim {
				return fmt.Errorf("%w: gain or offset of norm %d is not int32 [%d]", ErrModel, i, s.Dim)
			}
		}
	}
	for _, z := range all {
		if z.m.Blocks != (tensor.Blocks{}) {
			return fmt.Errorf("%w: matrix %s of an encoder is block-scaled, want rows of one scale", ErrModel, z.name)
		}
	}
	return checkShapes(all)
}

// embed is the sum of the rows of ids, types and positions, normalised.
func (s *EncoderSpec) embed() machine.Stage {
	g := newStage(tensor.I32, 2*s.Rows, 0)
	n := s.Rows * s.Dim
	x := s.sum(g, g.embedRows(0, &s.Embed, s.Rows, 0), g.embedRows(0, &s.Type, s.Rows, s.Rows))
	x = g.add(opset.Add, tensor.I32, vec(n), []int64{int64(n)}, x)
	g.root(x, 1, opset.RootA, s.Positions)
	s.norm(g, x, &s.Norm)
	return g.done(-1, 0, 0)
}

// embedRows appends the rows of m that a part of a list of ids names: i32 [rows, k].
func (g *stage) embedRows(ids int, m *Matrix, rows, first int) int {
	digit := func(m *Matrix) int {
		p := []int64{int64(m.Rows()), int64(m.Chunks() * Chunk(m.K)), int64(Chunk(m.K)), int64(first), 2 * int64(rows)}
		x := g.add(opset.EmbedRows, tensor.I32, mat(rows, m.K), p, ids)
		g.root(x, 1, opset.RootA, m.W)
		g.root(x, 2, opset.RootB, m.Scale)
		return x
	}
	x := digit(m)
	if m.Low == nil {
		return x
	}
	n := rows * m.K
	return g.add(opset.Add, tensor.I32, vec(n), []int64{int64(n)}, x, digit(m.Low))
}

func (s *EncoderSpec) sum(g *stage, x, y int) int {
	n := s.Rows * s.Dim
	return g.add(opset.Add, tensor.I32, vec(n), []int64{int64(n)}, x, y)
}

// norm appends a layer norm of each row of x: i32 [rows * d].
func (s *EncoderSpec) norm(g *stage, x int, n *LayerNorm) int {
	rows, d := s.Rows, s.Dim
	sum := g.reduce(opset.Sum, opset.Sum, [2]int{1, rows}, d, x, tensor.I32)
	x = g.add(opset.RowCenter, tensor.I32, vec(rows*d), []int64{int64(rows * d), int64(d)}, x, sum)
	most := g.reduce(opset.MaxAbs, opset.MaxAbs, [2]int{1, rows}, d, x, tensor.I32)
	f := fanIn(tensor.I32)
	chunks := (d + f - 1) / f
	squares := g.add(opset.RowSquares, tensor.I64, mat(rows, chunks), []int64{int64(d), int64(f)}, x, most)
	if chunks > 1 {
		squares = g.reduce(opset.Sum, opset.Sum, [2]int{1, rows}, chunks, squares, tensor.I64)
	}
	inv := g.add(opset.RowInv, tensor.I64, mat(rows, 2), []int64{n.K, n.Eps}, squares, most)
	y := g.add(opset.RowNorm, tensor.I32, vec(rows*d), []int64{n.Shift, n.GammaShift, int64(d)}, x, inv)
	g.root(y, 2, opset.RootA, n.Gamma)
	g.root(y, 3, opset.RootB, n.Beta)
	return y
}

// product appends rows of x (i16, a scale for each row if shift is not 0) times m, with its bias.
func (s *EncoderSpec) product(g *stage, x int, m *Matrix, shift int, inner bool) int {
	w := m.Rows()
	y := g.blockLinear(x, m, blocks{rows: s.Rows, width: w, count: 1, own: true, inner: inner, shift: shift})
	if m.Bias == nil {
		return y
	}
	n := s.Rows * w
	y = g.add(opset.RowAdd, tensor.I32, vec(n), []int64{int64(n), int64(w)}, y)
	g.root(y, 1, opset.RootA, m.Bias)
	return y
}

// live appends which rows live: those of the first most that have an id.
func (s *EncoderSpec) live(g *stage, most int) int {
	x := g.add(opset.Live, tensor.I32, vec(s.Rows), []int64{2 * int64(s.Rows), int64(most)})
	g.ops[x].Src[0] = opset.Source{Kind: opset.Prompt}
	return x
}

// layer is one encoder layer over rows of residualBits.
func (s *EncoderSpec) layer(l *EncoderLayer) machine.Stage {
	n := s.Rows * s.Dim
	g := newStage(tensor.I32, n, 0)
	in, scale := g.quantRows(0, s.Rows, s.Dim)
	x := s.norm(g, s.sum(g, 0, s.product(g, s.attention(g, l, in, scale), &l.O, 0, false)), &l.AttnNorm)
	in, scale = g.quantRows(x, s.Rows, s.Dim)
	up := s.product(g, in, &l.Up, scale, false)
	c := s.Rows * s.FF
	in, scale = g.quantRows(g.curve(up, vec(c), int64(c), 0, &l.Act), s.Rows, s.FF)
	s.norm(g, s.sum(g, x, s.product(g, in, &l.Down, scale, false)), &l.FFNNorm)
	return g.done(-1, 0, 0)
}

// attention appends what the heads of each row gather from all rows that live: i16 [rows * d]. V is
// laid out by columns, so that the values of a column lie together.
func (s *EncoderSpec) attention(g *stage, l *EncoderLayer, in, scale int) int {
	rows, heads, hd, n := s.Rows, s.Heads, s.HeadDim, s.Rows*s.Dim
	narrow := func(m *Matrix, shift int64, inner bool) int {
		return g.add(opset.Quant, tensor.I16, vec(n), []int64{int64(n), shift}, s.product(g, in, m, scale, inner))
	}
	q, k, v := narrow(&l.Q, l.QShift, false), narrow(&l.K, l.KShift, false), narrow(&l.V, l.VShift, true)
	cube := [3]opset.Dim{dim(rows), dim(heads), dim(rows)}
	score := g.add(opset.RowScore, tensor.I32, cube, []int64{int64(hd), 0, l.ScoreMult, l.ScoreShift}, q, k, s.live(g, rows))
	top := g.reduce(opset.Max, opset.Max, [2]int{rows, heads}, rows, score, tensor.I32)
	p := g.add(opset.Exp2Op, tensor.I32, cube, []int64{int64(rows), 0, 24}, score, top)
	den := g.reduce(opset.Sum, opset.Sum, [2]int{rows, heads}, rows, p, tensor.I32)
	chunks := (rows + 127) / 128
	num := g.add(opset.RowMix, tensor.I64, [3]opset.Dim{dim(rows), dim(s.Dim), dim(chunks)}, []int64{int64(hd), int64(rows)}, p, v)
	if chunks > 1 {
		num = g.reduce(opset.Sum, opset.Sum, [2]int{rows, s.Dim}, chunks, num, tensor.I64)
	}
	return g.add(opset.DivOp, tensor.I16, vec(n), []int64{int64(n), int64(hd)}, num, den)
}

// pool is the mean of the rows that live, or row 0.
func (s *EncoderSpec) pool() machine.Stage {
	g := newStage(tensor.I32, s.Rows*s.Dim, 0)
	most, d := s.Rows, s.Dim
	if s.First {
		most = 1
	}
	live := s.live(g, most)
	x := g.add(opset.Turn, tensor.I32, mat(d, s.Rows), nil, 0, live)
	sum := g.reduce(opset.Sum, opset.Sum, [2]int{1, d}, s.Rows, x, tensor.I32)
	count := g.reduce(opset.Sum, opset.Sum, [2]int{1, 1}, s.Rows, live, tensor.I32)
	g.add(opset.Share, tensor.I32, vec(d), []int64{int64(d), 1, int64(d), 31, int64(tensor.I64)}, sum, count)
	return g.done(-1, 0, 0)
}
