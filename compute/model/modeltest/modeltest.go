// Package modeltest draws small random models for tests.
//
// The models are structurally complete (every operation of a Llama decoder occurs, rows that are
// no multiple of a leaf, grouped heads) and tiny. It is imported by tests alone.
package modeltest

import (
	"math/rand/v2"

	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Matrix draws weights of rows x k whose row results of i16 inputs stay near 2^bits.
func Matrix(r *rand.Rand, rows, k, bits int) model.Matrix {
	ch := model.Chunk(k)
	w := tensor.New(tensor.I8, rows, (k+ch-1)/ch, ch)
	sc := tensor.New(tensor.I32, 1, rows, 2)
	for n := range rows {
		for i := range k {
			w.I8[n*w.Shape[1]*ch+i] = int8(r.IntN(255) - 127)
		}
		sc.I32[2*n] = int32(1<<23 + r.IntN(1<<23))
		sc.I32[2*n+1] = int32(23 + 7 + 12 + log2(k)/2 - bits)
	}
	return model.Matrix{K: k, W: w, Scale: sc}
}

func log2(n int) int {
	b := 0
	for n > 1 {
		n, b = n/2, b+1
	}
	return b
}

// Config shapes a drawn Llama.
type Config struct {
	Vocab, TMax, Dim, Heads, KVHeads, HeadDim, FF, Layers int

	Window          int  // positions that odd layers attend, 0: all
	Blocks          bool // weights are block-scaled, norms scaled to their token
	Experts, Chosen int  // 0: no mixture of experts
}

// Tiny is the smallest configuration that has several leaves, chunks and levels where it matters.
func Tiny() Config {
	return Config{Vocab: 300, TMax: 300, Dim: 24, Heads: 4, KVHeads: 2, HeadDim: 6, FF: 40, Layers: 2}
}

// Wide has rows of more than one weight leaf and KV rows of more than one leaf.
func Wide() Config {
	return Config{Vocab: 520, TMax: 160, Dim: 600, Heads: 6, KVHeads: 3, HeadDim: 100, FF: 1100, Layers: 1}
}

// Deep has two chunks in every reduction over its width, which Tiny has only over its vocabulary.
func Deep() Config {
	return Config{Vocab: 300, TMax: 300, Dim: 264, Heads: 4, KVHeads: 2, HeadDim: 6, FF: 272, Layers: 2}
}

// Blocks is Tiny with block-scaled weights, of every layout in turn.
func Blocks() Config {
	c := Tiny()
	c.Blocks = true
	return c
}

// Heads has heads wide enough for kernels of attention, three to one of the cache, and a window.
func Heads() Config {
	return Config{Vocab: 300, TMax: 300, Dim: 24, Heads: 6, KVHeads: 2, HeadDim: 32, FF: 40, Layers: 2, Window: 50}
}

// Llama draws a decoder; the same seed gives the same model.
func Llama(seed uint64, c Config) *model.Model {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &model.DecoderSpec{
		Vocab: c.Vocab, TMax: c.TMax, Dim: c.Dim, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		RopeDim: c.HeadDim - c.HeadDim%2, FF: c.FF, GateBits: 16, SiLUShift: 16, TemperMult: 94548,
	}
	s.Rope = tensor.New(tensor.I32, c.TMax, s.RopeDim/2, 2)
	for i := range s.Rope.I32 {
		s.Rope.I32[i] = int32(r.IntN(1<<31) - 1<<30)
	}
	norm, draw := model.Norm{K: 1 << 48, Eps: 1 << 14, Shift: 48 - 11}, Matrix
	if c.Blocks {
		norm.Shift, norm.Dynamic, draw = 48-20, true, blockMatrices()
	}
	s.Embed = draw(r, c.Vocab, c.Dim, 16)
	for i := range s.Embed.Scale.I32 {
		if i%2 == 1 {
			s.Embed.Scale.I32[i] = 14
		}
	}
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	for i := range c.Layers {
		s.Layers = append(s.Layers, model.DecoderLayer{
			MoE:      moe(r, &c, i),
			AttnNorm: norm, FFNNorm: norm,
			Q: draw(r, q, c.Dim, 16), K: draw(r, kv, c.Dim, 16), V: draw(r, kv, c.Dim, 11), O: draw(r, c.Dim, q, 15),
			Gate: draw(r, c.FF, c.Dim, 17), Up: draw(r, c.FF, c.Dim, 16), Down: draw(r, c.Dim, c.FF, 15),
			QShift: 5, KShift: 4, ScoreMult: 1 << 22, ScoreShift: 29, Window: i % 2 * c.Window,
		})
	}
	s.HeadNorm = norm
	s.HeadNorm.Gamma = tensor.New(tensor.I32, 1, 1, c.Dim)
	for i := range s.HeadNorm.Gamma.I32 {
		s.HeadNorm.Gamma.I32[i] = int32(1<<14 + r.IntN(1<<13))
	}
	s.HeadNorm.GammaShift = 14
	s.Head = draw(r, c.Vocab, c.Dim, 18)
	s.Text = Text(c.Vocab)
	m, err := model.Decoder(s)
	if err != nil {
		panic("modeltest: " + err.Error())
	}
	m.EndIDs = []int32{2}
	return m
}

// Toy is the toy world: one stage of three operations (matmul, row, relu) over 8 inputs and 4 rows.
func Toy() *model.Model {
	r := rand.New(rand.NewPCG(7, 7))
	m, err := model.MLP([]model.Dense{{W: Matrix(r, 4, 8, 12), ReLU: true}})
	if err != nil {
		panic("modeltest: " + err.Error())
	}
	return m
}

// MLP draws a graph model of three layers with biases.
func MLP(seed uint64) *model.Model {
	r := rand.New(rand.NewPCG(seed, 2))
	bias := func(n int) *tensor.Tensor {
		b := tensor.New(tensor.I32, 1, 1, n)
		for i := range b.I32 {
			b.I32[i] = int32(r.IntN(1<<12) - 1<<11)
		}
		return b
	}
	m, err := model.MLP([]model.Dense{
		{W: Matrix(r, 70, 600, 14), Bias: bias(70), ReLU: true, Shift: 3},
		{W: Matrix(r, 20, 70, 14), Bias: bias(20), ReLU: true, Shift: 2},
		{W: Matrix(r, 10, 20, 14), Bias: bias(10)},
	})
	if err != nil {
		panic("modeltest: " + err.Error())
	}
	return m
}

// Cube is a graph model of one stage of two products, x * x and x * x * x, which neither Llama nor
// MLP have.
func Cube() *model.Model {
	const n, shift = 40, 4
	product := func(a, b uint8) machine.Op {
		d := opset.Descriptor{Op: opset.Mul, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: row(n)}
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.Tensor, Index: a}, opset.Source{Kind: opset.Tensor, Index: b}
		d.P[0], d.P[1] = n, shift
		return machine.Op{Descriptor: d}
	}
	in := opset.Descriptor{Op: opset.Input, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: row(n)}
	in.P[0] = 3
	stage := machine.Stage{Layer: -1, Ops: []machine.Op{{Descriptor: in}, product(0, 0), product(1, 0)}}
	return &model.Model{Kind: model.KindGraph, Layers: 1, Stages: []machine.Stage{stage}}
}

func row(n uint32) [3]opset.Dim { return [3]opset.Dim{{C: 1}, {C: 1}, {C: n}} }
