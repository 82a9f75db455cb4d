package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"elenchus/compute/graph"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// program is what graph judges of a model.
func program(m *model.Model) *graph.Program {
	p := &graph.Program{Token: m.Kind == model.KindToken, Vocab: uint32(m.Vocab), TMax: uint32(m.TMax), Layers: m.Layers, DKV: m.DKV}
	for _, s := range m.Stages {
		var ds []opset.Descriptor
		for i := range s.Ops {
			ds = append(ds, s.Ops[i].Descriptor)
		}
		p.Stages = append(p.Stages, ds)
	}
	return p
}

// shape gives a tensor its shape without its elements: descriptors need no more.
func shape(t tensor.DType, dims ...int) *tensor.Tensor {
	x := &tensor.Tensor{Type: t, Shape: [3]int{1, 1, 1}}
	copy(x.Shape[:], dims)
	return x
}

func matrix(rows, k int) model.Matrix {
	c := model.Chunk(k)
	return model.Matrix{K: k, W: shape(tensor.I8, rows, (k+c-1)/c, c), Scale: shape(tensor.I32, 1, rows, 2)}
}

// llama lays a decoder of given size out, without weights.
func llama(t testing.TB, vocab, tMax, d, heads, kv, hd, ff, layers int) *model.Model {
	t.Helper()
	norm := model.Norm{K: 1 << 50, Eps: 1 << 20, Shift: 30, Gamma: shape(tensor.I32, 1, 1, d), GammaShift: 14}
	s := &model.DecoderSpec{
		Vocab: vocab, TMax: tMax, Dim: d, Heads: heads, KVHeads: kv, HeadDim: hd, RopeDim: hd, FF: ff,
		GateBits: 16, SiLUShift: 16, TemperMult: 94548, RopeStyle: 1, Rope: shape(tensor.I32, tMax, hd/2, 2),
		Embed: matrix(vocab, d), Head: matrix(vocab, d), HeadNorm: norm,
	}
	for range layers {
		s.Layers = append(s.Layers, model.DecoderLayer{
			AttnNorm: norm, FFNNorm: norm, Q: matrix(heads*hd, d), K: matrix(kv*hd, d),
			V: matrix(kv*hd, d), O: matrix(d, heads*hd), Gate: matrix(ff, d), Up: matrix(ff, d), Down: matrix(d, ff),
			QShift: 5, KShift: 4, ScoreMult: 1 << 22, ScoreShift: 29,
		})
	}
	m, err := model.Decoder(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Every model of the tests and the shapes of real ones are valid. GAME rule 20.
func TestModelsAreValid(t *testing.T) {
	models := map[string]*model.Model{
		"tiny": modeltest.Llama(3, modeltest.Tiny()), "wide": modeltest.Llama(3, modeltest.Wide()),
		"toy": modeltest.Toy(), "mlp": modeltest.MLP(5),
		"stories260K": llama(t, 512, 512, 64, 8, 4, 8, 172, 5),
		"1B":          llama(t, 128256, 131072, 2048, 32, 8, 64, 8192, 16),
		"70B":         llama(t, 128256, 131072, 8192, 64, 8, 128, 28672, 80),
	}
	for name, m := range models {
		if err := graph.Validate(program(m)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every operation of a 70B model at 131,072 positions can be answered; the table is printed with -v.
func TestEveryOperationOf70BCanBeAnswered(t *testing.T) {
	m := llama(t, 128256, 131072, 8192, 64, 8, 128, 28672, 80)
	p := program(m)
	c := opset.Context{TMax: p.TMax, M: p.TMax, StopCount: opset.MaxStop}
	var table strings.Builder
	fmt.Fprintf(&table, "%-8s %-12s %7s %7s %6s %6s %6s\n", "stage", "op", "worst B", "worst #", "reads", "mid B", "mid #")
	seen := map[string]bool{}
	for _, s := range []int{0, 1, 81, 82} {
		for i := 1; i < len(p.Stages[s]); i++ {
			d := &p.Stages[s][i]
			worst, err := graph.Worst(d, c, len(p.Stages))
			if err != nil {
				t.Fatal(err)
			}
			at := c
			at.T = c.TMax - 1
			mid, err := graph.Answer(d, &at, d.Count(&at)/2, len(p.Stages))
			if err != nil {
				t.Fatal(err)
			}
			row := fmt.Sprintf("%-8d %-12s %7d %7d %6d %6d %6d\n", s, d.Op, worst.Bytes, worst.Hashes, worst.Reads, mid.Bytes, mid.Hashes)
			if worst.Bytes > graph.MaxAnswerBytes || worst.Hashes > graph.MaxAnswerHashes || worst.Reads > graph.MaxAnswerReads {
				t.Error("beyond the limits:", row)
			}
			if mid.Bytes > worst.Bytes || mid.Hashes > worst.Hashes {
				t.Error("the bound is none:", row)
			}
			if !seen[row] {
				seen[row] = true
				table.WriteString(row)
			}
		}
	}
	t.Log("\n" + table.String())
}
