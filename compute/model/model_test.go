package model_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// spec is a small decoder that is valid.
func spec() *model.DecoderSpec {
	r := rand.New(rand.NewPCG(1, 2))
	const vocab, tmax, dim, heads, kv, hd, ff = 40, 20, 24, 4, 2, 6, 30
	m := func(rows, k int) model.Matrix { return modeltest.Matrix(r, rows, k, 14) }
	n := model.Norm{K: 1 << 48, Eps: 1, Shift: 37}
	return &model.DecoderSpec{
		Vocab: vocab, TMax: tmax, Dim: dim, Heads: heads, KVHeads: kv, HeadDim: hd, RopeDim: 4, FF: ff,
		Rope: tensor.New(tensor.I32, tmax, 2, 2), Embed: m(vocab, dim), Head: m(vocab, dim), HeadNorm: n,
		GateBits: 16, SiLUShift: 16, TemperMult: 94548,
		Layers: []model.DecoderLayer{{
			AttnNorm: n, FFNNorm: n, Q: m(heads*hd, dim), K: m(kv*hd, dim), V: m(kv*hd, dim), O: m(dim, heads*hd),
			Gate: m(ff, dim), Up: m(ff, dim), Down: m(dim, ff), ScoreMult: 1 << 22, ScoreShift: 29,
		}},
	}
}

// The stages of a decoder: embed, layers, EMIT, ABSORB; heads end in y and f, or in y. SPEC 04 §1, 06 §1.2.
func TestLlamaStages(t *testing.T) {
	s := spec()
	m, err := model.Decoder(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Stages) != 4 || m.DKV != 12 || m.Layers != 1 {
		t.Fatalf("%d stages, rows of %d", len(m.Stages), m.DKV)
	}
	ends := func(stage int, want ...opset.Code) {
		t.Helper()
		var got []opset.Code
		for _, o := range m.Stages[stage].Ops[len(m.Stages[stage].Ops)-len(want):] {
			got = append(got, o.Op)
		}
		if !slices.Equal(got, want) {
			t.Errorf("stage %d ends in %v, want %v", stage, got, want)
		}
	}
	ends(0, opset.Embed)
	ends(1, opset.Add)
	ends(2, opset.Token, opset.GrammarState, opset.StopState, opset.Token, opset.StopOp)
	ends(3, opset.PromptOp)
	for i, st := range m.Stages {
		in := st.Ops[0]
		if in.P[0] != int64(len(st.Ops)) || len(st.Ops) > model.MaxTensors || (in.P[1] != 0) != (i == 1) || (st.Layer >= 0) != (i == 1) {
			t.Errorf("stage %d declares %v, layer %d", i, in.P[:3], st.Layer)
		}
	}
}

// Two digits are two products and their sum, with the narrowing where rows are int16. SPEC 04 §2.4.
func TestTwoDigits(t *testing.T) {
	count := func(s *model.DecoderSpec, op opset.Code) (n int) {
		m, err := model.Decoder(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range m.Stages {
			for _, o := range st.Ops {
				if o.Op == op {
					n++
				}
			}
		}
		return n
	}
	one, two := spec(), spec()
	for _, m := range []*model.Matrix{&two.Embed, &two.Layers[0].V, &two.Layers[0].Q} {
		low := *m
		m.Low = &low
	}
	for op, more := range map[opset.Code]int{opset.MatMul: 2, opset.Row: 2, opset.Embed: 1, opset.Add: 3, opset.Quant: 1} {
		if got := count(two, op) - count(one, op); got != more {
			t.Errorf("%d more %s, want %d", got, op, more)
		}
	}
	three := spec()
	low := three.Head
	low.Low = &three.Embed
	three.Head.Low = &low
	if _, err := model.Decoder(three); !errors.Is(err, model.ErrModel) {
		t.Errorf("three digits: %v", err)
	}
}

// What does not fit together is refused. SPEC 04 §3.
func TestLlamaRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*model.DecoderSpec)
	}{
		{"no vocabulary", func(s *model.DecoderSpec) { s.Vocab = 0 }},
		{"one position", func(s *model.DecoderSpec) { s.TMax = 1 }},
		{"many positions", func(s *model.DecoderSpec) { s.TMax = 1<<20 + 1 }},
		{"no layers", func(s *model.DecoderSpec) { s.Layers = nil }},
		{"more KV heads than heads", func(s *model.DecoderSpec) { s.KVHeads = 5 }},
		{"heads that do not group", func(s *model.DecoderSpec) { s.KVHeads = 3 }},
		{"odd rotary width", func(s *model.DecoderSpec) { s.RopeDim = 3 }},
		{"rotary width beyond the head", func(s *model.DecoderSpec) { s.RopeDim = 8 }},
		{"no rotary table", func(s *model.DecoderSpec) { s.Rope = nil }},
		{"a short rotary table", func(s *model.DecoderSpec) { s.Rope = tensor.New(tensor.I32, 19, 2, 2) }},
		{"a wide head", func(s *model.DecoderSpec) { s.HeadDim = 257 }},
		{"rotary style", func(s *model.DecoderSpec) { s.RopeStyle = 2 }},
		{"no weights", func(s *model.DecoderSpec) { s.Layers[0].Up.W = nil }},
		{"no scales", func(s *model.DecoderSpec) { s.Layers[0].Up.Scale = nil }},
		{"swapped matrices", func(s *model.DecoderSpec) { s.Layers[0].Up, s.Layers[0].Down = s.Layers[0].Down, s.Layers[0].Up }},
		{"columns", func(s *model.DecoderSpec) { s.Head.K = 23 }},
		{"int16 weights", func(s *model.DecoderSpec) { s.Head.W = tensor.New(tensor.I16, 40, 1, 64) }},
		{"scales of other rows", func(s *model.DecoderSpec) { s.Head.Scale = tensor.New(tensor.I32, 1, 39, 2) }},
	} {
		s := spec()
		c.change(s)
		if _, err := model.Decoder(s); !errors.Is(err, model.ErrModel) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// An MLP is a stage per layer; what does not chain is refused. GAME rule 18.
func TestMLP(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	w := func(rows, k int) model.Matrix { return modeltest.Matrix(r, rows, k, 12) }
	m, err := model.MLP([]model.Dense{{W: w(7, 30), ReLU: true, Shift: 2}, {W: w(3, 7), Bias: tensor.New(tensor.I32, 1, 1, 3)}})
	if err != nil || len(m.Stages) != 2 || m.Kind != model.KindGraph {
		t.Fatalf("%v, %v", m, err)
	}
	last := m.Stages[1].Ops[len(m.Stages[1].Ops)-1]
	if out := m.Stages[0].Ops[len(m.Stages[0].Ops)-1]; out.Op != opset.Quant || last.Op != opset.Add || last.Type != tensor.I32 {
		t.Errorf("stages end in %s and %s", out.Op, last.Op)
	}
	for name, layers := range map[string][]model.Dense{
		"no layers":        nil,
		"no weights":       {{}},
		"widths":           {{W: w(7, 30)}, {W: w(3, 8)}},
		"bias of others":   {{W: w(7, 30), Bias: tensor.New(tensor.I32, 1, 1, 6)}},
		"bias of int16":    {{W: w(7, 30), Bias: tensor.New(tensor.I16, 1, 1, 7)}},
		"too many columns": {{W: model.Matrix{K: 1<<16 + 1, W: tensor.New(tensor.I8, 1, 1, 1)}}},
	} {
		if _, err := model.MLP(layers); !errors.Is(err, model.ErrModel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Leaves of weights. SPEC 02 §3.
func TestChunk(t *testing.T) {
	for k, want := range map[int]int{1: 64, 64: 64, 65: 128, 500: 512, 512: 512, 513: 512, 65536: 512} {
		if got := model.Chunk(k); got != want {
			t.Errorf("%d columns: leaves of %d, want %d", k, got, want)
		}
	}
}
