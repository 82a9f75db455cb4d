package modeltest

import (
	"math/rand/v2"

	"elenchus/compute/model"
	"elenchus/compute/opset"
)

// Encoder draws an encoder of one layer of 4 heads, with weights of one digit and of two, for texts of
// rows pieces. With 130 rows of 264 there are two chunks in every reduction over rows and widths.
func Encoder(seed uint64, rows, dim int) *model.Model {
	const heads, ff = 4, 40
	r := rand.New(rand.NewPCG(seed, 9))
	s := &model.EncoderSpec{
		Rows: rows, Vocab: 70, Types: 2, Dim: dim, Heads: heads, HeadDim: dim / heads, FF: ff,
		Embed: rowsOf(Matrix(r, 70, dim, 16)), Type: rowsOf(Matrix(r, 2, dim, 16)), Positions: ints(r, rows*dim, 1<<15),
		Norm: layerNorm(r, dim),
	}
	l := model.EncoderLayer{
		Q: biased(r, Matrix(r, dim, dim, 16)), K: Matrix(r, dim, dim, 16), V: Matrix(r, dim, dim, 16), O: biased(r, Matrix(r, dim, dim, 15)),
		Up: biased(r, Matrix(r, ff, dim, 16)), Down: biased(r, Matrix(r, dim, ff, 15)),
		QShift: 5, KShift: 4, VShift: 4, ScoreMult: 1 << 20, ScoreShift: 24,
		Act: model.Curve{Kind: opset.GELUErf, Mult: 256, OutShift: 30}, AttnNorm: layerNorm(r, dim), FFNNorm: layerNorm(r, dim),
	}
	low := Matrix(r, dim, dim, 8)
	l.O.Low = &low
	s.Layers = append(s.Layers, l)
	m, err := model.Encoder(s)
	if err != nil {
		panic("modeltest: " + err.Error())
	}
	return m
}

// rowsOf makes the rows of a matrix numbers of 16 fraction bits around 1.
func rowsOf(m model.Matrix) model.Matrix {
	for i := 1; i < len(m.Scale.I32); i += 2 {
		m.Scale.I32[i] = 14
	}
	return m
}

func layerNorm(r *rand.Rand, d int) model.LayerNorm {
	n := norm(r, d, true, 16)
	return model.LayerNorm{K: n.K, Eps: n.Eps, Shift: n.Shift, GammaShift: 14, Gamma: n.Gamma, Beta: ints(r, d, 1<<14)}
}
