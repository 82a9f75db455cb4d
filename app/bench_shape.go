package app

import (
	"fmt"
	"slices"

	"elenchus/compute/graph"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// gasShape are the sizes of a Llama whose weights nobody holds.
type gasShape struct {
	name                                            string
	vocab, dim, heads, kvHeads, headDim, ff, layers int
}

// gasShapes are the shapes that bench gas plays.
var gasShapes = []gasShape{
	{"llama-3.2-1b", 128256, 2048, 32, 8, 64, 8192, 16},
	{"llama-3-70b", 128256, 8192, 64, 8, 128, 28672, 80},
}

// GasShapes are the names that GasOptions.Shape may have.
func GasShapes() []string {
	var out []string
	for _, z := range gasShapes {
		out = append(out, z.name)
	}
	return out
}

func gasShapeOf(name string) (gasShape, error) {
	i := slices.IndexFunc(gasShapes, func(z gasShape) bool { return z.name == name })
	if i < 0 {
		return gasShape{}, fmt.Errorf("shape %q is unknown: use one of %v", name, GasShapes())
	}
	return gasShapes[i], nil
}

// hollow is a tensor that has a shape and no elements: descriptors need no more.
func hollow(t tensor.DType, a, b, c int) *tensor.Tensor {
	return &tensor.Tensor{Type: t, Shape: [3]int{a, b, c}}
}

// matrix is one of two digits, which is what an import of 16-bit weights gives.
func (z *gasShape) matrix(rows, k int) model.Matrix {
	chunk := model.Chunk(k)
	digit := model.Matrix{K: k, W: hollow(tensor.I8, rows, (k+chunk-1)/chunk, chunk), Scale: hollow(tensor.I32, 1, rows, 2)}
	low := digit
	digit.Low, digit.Narrow = &low, 8
	return digit
}

// model lays the shape out as the importer would, with constants of usual size.
func (z *gasShape) model(context int) (*model.Model, error) {
	norm := model.Norm{K: 1<<40 + 12345, Eps: 1<<20 + 77, Shift: 20}
	q, kv := z.heads*z.headDim, z.kvHeads*z.headDim
	s := &model.DecoderSpec{
		Vocab: z.vocab, TMax: context, Dim: z.dim, Heads: z.heads, KVHeads: z.kvHeads, HeadDim: z.headDim,
		RopeDim: z.headDim, FF: z.ff, Rope: hollow(tensor.I32, context, z.headDim/2, 2), Embed: z.matrix(z.vocab, z.dim),
		HeadNorm: norm, Head: z.matrix(z.vocab, z.dim), GateBits: 16, SiLUShift: 16, TemperMult: 94548,
	}
	s.Text = model.NewText(z.vocab, func(id int32) string { return "longest token"[:1+id%13] })
	s.HeadNorm.Gamma, s.HeadNorm.GammaShift = hollow(tensor.I32, 1, 1, z.dim), 24
	for range z.layers {
		s.Layers = append(s.Layers, model.DecoderLayer{
			AttnNorm: norm, FFNNorm: norm, Q: z.matrix(q, z.dim), K: z.matrix(kv, z.dim), V: z.matrix(kv, z.dim),
			O: z.matrix(z.dim, q), Gate: z.matrix(z.ff, z.dim), Up: z.matrix(z.ff, z.dim), Down: z.matrix(z.dim, z.ff),
			QShift: 6, KShift: 7, ScoreMult: 23637, ScoreShift: 17,
		})
	}
	return model.Decoder(s)
}

// place is an element of a model at a step.
type place struct {
	stage, tensor int
	index         uint64
	cost          graph.Cost
	penalised     bool // the request has penalties and a bias
	stops         bool // it has stop strings
	grammared     bool // it has a grammar
}

// dearest finds, for each operation of one stage of each kind, the element whose answer takes the
// most bytes, then the most hashes. at gives the context of a stage.
func dearest(m *model.Model, at func(stage int) opset.Context) (map[opset.Code]place, error) {
	out := map[opset.Code]place{}
	for _, s := range []int{0, len(m.Stages)/2 - 1, len(m.Stages) - 2, len(m.Stages) - 1} {
		c := at(s)
		for i := 1; i < len(m.Stages[s].Ops); i++ {
			d := &m.Stages[s].Ops[i].Descriptor
			for _, index := range candidates(d, &c) {
				cost, err := graph.Answer(d, &c, index, len(m.Stages))
				if err != nil {
					return nil, fmt.Errorf("cost of stage %d tensor %d element %d: %w", s, i, index, err)
				}
				if best, ok := out[d.Op]; !ok || dearer(cost, best.cost) {
					out[d.Op] = place{stage: s, tensor: i, index: index, cost: cost}
				}
			}
		}
	}
	return out, nil
}

func dearer(a, b graph.Cost) bool {
	return a.Bytes > b.Bytes || a.Bytes == b.Bytes && a.Hashes > b.Hashes
}

// candidates are elements at the ends of every dimension and spread over the tensor.
func candidates(d *opset.Descriptor, c *opset.Context) []uint64 {
	n, shape := d.Count(c), d.Shape(c)
	var out []uint64
	for _, v := range []uint64{0, 1, 7, shape[2] - 1, shape[2], shape[1] * shape[2], shape[1]*shape[2] - 1, n / 2, n/2 - n/(2*shape[0]), n - 1} {
		out = append(out, min(v, n-1))
	}
	const spread = 61 // prime, so that all alignments occur
	for k := range uint64(spread) {
		out = append(out, n/spread*k+k%max(n/spread, 1))
	}
	return out
}

// deepest is the tensor of a layer with the deepest tree, for the longest descent.
func deepest(ops []machine.Op, c *opset.Context) int {
	best, most := 1, uint64(0)
	for i := 1; i < len(ops); i++ {
		d := &ops[i].Descriptor
		if leaves := d.Bytes(c) / uint64(d.Leaf); leaves > most {
			best, most = i, leaves
		}
	}
	return best
}
