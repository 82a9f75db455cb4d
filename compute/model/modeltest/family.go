package modeltest

import (
	"math/rand/v2"

	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Family draws a decoder of two layers that has every part that a family beyond Llama adds: learned
// positions, layer norms, biases, norms of heads and behind blocks, two rotary tables, a window, caps
// of scores and logits, gated and plain curves.
func Family(seed uint64) *model.Model {
	r := rand.New(rand.NewPCG(seed, 3))
	c := Tiny()
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	s := &model.DecoderSpec{
		Vocab: c.Vocab, TMax: c.TMax, Dim: c.Dim, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		RopeDim: 4, RopeStyle: 1, FF: c.FF, TemperMult: 94548,
		Rope: ints(r, c.TMax*4, 1<<30), RopeLocal: ints(r, c.TMax*4, 1<<30),
		Embed: Matrix(r, c.Vocab, c.Dim, 17), Head: biased(r, Matrix(r, c.Vocab, c.Dim, 18)),
		LogitCap: &model.Curve{Kind: opset.Tanh, Mult: 1 << 23, Shift: 20, Out: 30 << 16, OutShift: 30},
	}
	positions := Matrix(r, c.TMax, c.Dim, 17)
	for i := 1; i < len(s.Embed.Scale.I32); i += 2 {
		s.Embed.Scale.I32[i] = 14
	}
	for i := 1; i < len(positions.Scale.I32); i += 2 {
		positions.Scale.I32[i] = 15
	}
	s.Positions, s.Text = &positions, Text(c.Vocab)
	s.HeadNorm = norm(r, c.Dim, true, 11)
	for i := range 2 {
		l := model.DecoderLayer{
			AttnNorm: norm(r, c.Dim, i == 1, 11), FFNNorm: norm(r, c.Dim, false, 11),
			Q: Matrix(r, q, c.Dim, 16), K: Matrix(r, kv, c.Dim, 16), V: Matrix(r, kv, c.Dim, 11),
			O: Matrix(r, c.Dim, q, 15), Up: Matrix(r, c.FF, c.Dim, 16), Down: Matrix(r, c.Dim, c.FF, 15),
			QShift: 5, KShift: 4, ScoreMult: 1 << 22, ScoreShift: 29,
			Act: &model.Curve{Kind: opset.GELUErf, Mult: 256, OutShift: 30}, MulShift: 16,
		}
		if i == 1 {
			l.QNorm, l.KNorm = headNorm(r, c.HeadDim), headNorm(r, c.HeadDim)
			l.O = biased(r, l.O)
			l.V = biased(r, Matrix(r, kv, c.Dim, 17))
			l.V.Narrow = 6
		} else {
			post := norm(r, c.Dim, false, 16)
			l.AttnPost, l.Gate = &post, Matrix(r, c.FF, c.Dim, 17)
			l.Window, l.Local, l.Act.Kind = 130, true, opset.GELUTanh
			l.ScoreCap = &model.Curve{Kind: opset.Tanh, Mult: 1 << 23, Shift: 21, Out: 72 << 16, OutShift: 30}
		}
		s.Layers = append(s.Layers, l)
	}
	m, err := model.Decoder(s)
	if err != nil {
		panic("modeltest: " + err.Error())
	}
	m.EndIDs = []int32{2}
	return m
}

// norm draws a norm with gamma around 1 whose rows have about bits bits.
func norm(r *rand.Rand, d int, center bool, bits int64) model.Norm {
	n := model.Norm{Center: center, K: 1 << 48, Eps: 1 << 14, Shift: 48 - bits - 2, GammaShift: 14, Gamma: tensor.New(tensor.I32, 1, 1, d)}
	for i := range n.Gamma.I32 {
		n.Gamma.I32[i] = int32(1<<12 + r.IntN(1<<12))
	}
	return n
}

func headNorm(r *rand.Rand, hd int) *model.Norm {
	n := norm(r, hd, false, 16)
	return &n
}

// biased gives a matrix a bias of up to a quarter in 16 fraction bits.
func biased(r *rand.Rand, m model.Matrix) model.Matrix {
	m.Bias = ints(r, m.Rows(), 1<<14)
	return m
}

// ints draws n int32 of at most top in magnitude.
func ints(r *rand.Rand, n, top int) *tensor.Tensor {
	x := tensor.New(tensor.I32, 1, 1, n)
	for i := range x.I32 {
		x.I32[i] = int32(r.IntN(2*top) - top)
	}
	return x
}
