package model_test

import (
	"errors"
	"testing"

	"elenchus/compute/graph"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// zeros is a matrix of zeros, which is all that shapes need.
func zeros(rows, k int) model.Matrix {
	ch := model.Chunk(k)
	m := model.Matrix{K: k, W: tensor.New(tensor.I8, rows, (k+ch-1)/ch, ch), Scale: tensor.New(tensor.I32, 1, rows, 2)}
	m.Bias = tensor.New(tensor.I32, 1, 1, rows)
	return m
}

func encoderOf(rows, dim, heads, ff int) *model.EncoderSpec {
	vector := func(n int) *tensor.Tensor { return tensor.New(tensor.I32, 1, 1, n) }
	norm := model.LayerNorm{K: 32 << 46, Eps: 1, Shift: 26, GammaShift: 24, Gamma: vector(dim), Beta: vector(dim)}
	flat := func(rows, k int) model.Matrix {
		m := zeros(rows, k)
		m.Bias = nil
		return m
	}
	l := model.EncoderLayer{
		Q: zeros(dim, dim), K: flat(dim, dim), V: flat(dim, dim), O: zeros(dim, dim), Up: zeros(ff, dim), Down: zeros(dim, ff),
		ScoreMult: 1 << 20, ScoreShift: 20, Act: model.Curve{Kind: opset.GELUErf, Mult: 256, OutShift: 30}, AttnNorm: norm, FFNNorm: norm,
	}
	return &model.EncoderSpec{
		Rows: rows, Vocab: 3, Types: 2, Dim: dim, Heads: heads, HeadDim: dim / heads, FF: ff,
		Embed: flat(3, dim), Type: flat(2, dim), Positions: vector(rows * dim), Norm: norm, Layers: []model.EncoderLayer{l},
	}
}

// The largest encoders are valid: every element of them can be answered within G20, and no number
// leaves 62 bits. SPEC 04 §1.4c, 03 §4.
func TestLargestEncodersAreValid(t *testing.T) {
	for _, heads := range []int{4, 64} {
		m, err := model.Encoder(encoderOf(model.MaxEncoderRows, 1024, heads, 4096))
		if err != nil {
			t.Fatal(err)
		}
		p := &graph.Program{Layers: m.Layers}
		for _, s := range m.Stages {
			var ds []opset.Descriptor
			for i := range s.Ops {
				ds = append(ds, s.Ops[i].Descriptor)
			}
			p.Stages = append(p.Stages, ds)
		}
		if err := graph.Validate(p); err != nil {
			t.Errorf("%d heads: %v", heads, err)
		}
		// A list of ids of another length than the input's is not what the claim binds.
		p.Stages[1] = append([]opset.Descriptor(nil), p.Stages[1]...)
		for i := range p.Stages[1] {
			if d := &p.Stages[1][i]; d.Op == opset.Live {
				d.P[0]--
			}
		}
		if err := graph.Validate(p); !errors.Is(err, graph.ErrState) {
			t.Errorf("another list of ids: %v, want G15", err)
		}
	}
}

// What no encoder can be is refused before anything is laid out.
func TestEncoderRefusesShapes(t *testing.T) {
	for name, change := range map[string]func(*model.EncoderSpec){
		"rows":      func(s *model.EncoderSpec) { s.Rows = model.MaxEncoderRows + 1 },
		"heads":     func(s *model.EncoderSpec) { s.Heads = 3 },
		"positions": func(s *model.EncoderSpec) { s.Positions = tensor.New(tensor.I32, 1, 1, 8) },
		"beta":      func(s *model.EncoderSpec) { s.Norm.Beta = nil },
		"bias of v": func(s *model.EncoderSpec) { s.Layers[0].V = zeros(8, 8) },
		"matrix":    func(s *model.EncoderSpec) { s.Layers[0].Up = zeros(9, 8) },
	} {
		s := encoderOf(4, 8, 2, 12)
		change(s)
		if _, err := model.Encoder(s); !errors.Is(err, model.ErrModel) {
			t.Errorf("%s: %v, want ErrModel", name, err)
		}
	}
}
