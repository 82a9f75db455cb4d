// Package specimen gives one element of every operation, as wide as large models have it.
//
// It stands on the proving floor beside circuit: what is said about the cost of an operation is said
// about its specimen. Invariants: descriptor, context and data are a function of operation and shape
// alone. SPEC 02 §4.
//
//	d, c, err := specimen.Element(opset.MatMul, specimen.Shapes()[0])
//	data := specimen.Data(&d)
package specimen

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// ErrShape marks a shape that does not exist.
var ErrShape = errors.New("unknown shape")

// shapes are a 1B model (d 2048, ff 8192, 32/8 heads of 64, 16 layers, V 128256) near the end of a
// context of 8192, and a 70B model near that of 131072.
var shapes = [...]struct {
	name string
	size size
}{
	{"llama-3.2-1b", size{d: 2048, ff: 8192, heads: 32, kv: 8, hd: 64, layers: 16, dPos: 13}},
	{"llama-3-70b", size{d: 8192, ff: 28672, heads: 64, kv: 8, hd: 128, layers: 80, dPos: 17}},
}

// Shapes are the names that Element knows.
func Shapes() []string {
	out := make([]string, len(shapes))
	for i := range shapes {
		out[i] = shapes[i].name
	}
	return out
}

// Element is an operation in the widest form that it has in a model of a shape, and a step of it.
func Element(code opset.Code, shape string) (opset.Descriptor, opset.Context, error) {
	for i := range shapes {
		if shapes[i].name == shape {
			d, c := shapeOf(code, shapes[i].size)
			return d, c, nil
		}
	}
	return opset.Descriptor{}, opset.Context{}, fmt.Errorf("%w %q: use one of %v", ErrShape, shape, Shapes())
}

// Data are leaves for the reads of an element: bytes drawn from a stream that the operation begins.
func Data(d *opset.Descriptor) func(opset.Read) ([]byte, error) {
	stream := rand.NewChaCha8([32]byte{byte(d.Op)})
	return func(r opset.Read) ([]byte, error) {
		a, b := r.Leaves()
		out := make([]byte, (b-a)*uint64(r.Leaf))
		_, err := stream.Read(out)
		return out, err
	}
}

func dim(c, k uint32) opset.Dim { return opset.Dim{C: c, K: k} }

// vec, mat are right-aligned dims.
func vec(n uint32) [3]opset.Dim                 { return [3]opset.Dim{dim(1, 0), dim(1, 0), dim(n, 0)} }
func mat(n uint32, last opset.Dim) [3]opset.Dim { return [3]opset.Dim{dim(1, 0), dim(n, 0), last} }

type size struct {
	d, ff, heads, kv, hd, layers uint32
	dPos                         uint
}

const vocabulary = 128256

// shapeOf gives each op the widest form that it has in a model of that size.
func shapeOf(code opset.Code, z size) (opset.Descriptor, opset.Context) {
	c := opset.Context{T: 1<<z.dPos - 2, M: 100, YPrev: 777, MaxNew: 1 << 20, TMax: 1 << z.dPos, Temperature: 1 << 16, Seed: 42, StopCount: 64}
	d := opset.Descriptor{Op: code, Type: code.Targets()[0], Leaf: 64, Dims: vec(z.d)}
	for i := range 2 {
		d.Src[i] = opset.Source{Kind: opset.Tensor, Index: uint8(1 + i)}
	}
	d.P[0], d.P[1], d.P[2] = int64(z.d), 16, 16
	dkv := z.kv * z.hd
	switch code {
	case opset.Embed:
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.RootA}, opset.Source{Kind: opset.RootB}
		d.P[0], d.P[1], d.P[2] = vocabulary, int64(z.d), 512
	case opset.MaxAbs, opset.Max, opset.Sum, opset.ArgKey, opset.SumSquares:
		d.Dims = mat(1, dim(vocabulary/256, 0))
		d.P[0], d.P[1], d.P[2], d.P[3] = vocabulary, 0, 256, int64(tensor.I32)
	case opset.NormInv:
		d.Dims = vec(2)
		d.P[0], d.P[1] = 1<<60, 1<<30
	case opset.NormApply:
		d.Src[2] = opset.Source{Kind: opset.RootA}
	case opset.MatMul:
		d.Dims, d.Src[1] = mat(z.ff, dim(z.d/512, 0)), opset.Source{Kind: opset.RootA}
		d.P[0], d.P[1] = int64(z.d), 512
	case opset.MatMulBlock, opset.MatMulG4:
		d.Dims, d.Src[1] = mat(z.ff, dim(z.d/512, 0)), opset.Source{Kind: opset.RootA}
		d.P[0], d.P[1], d.P[2], d.P[3] = int64(z.d), 512, 16, 1
	case opset.EmbedBlock:
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.RootA}, opset.Source{Kind: opset.RootB}
		d.P[0], d.P[1], d.P[2], d.P[3], d.P[4] = vocabulary, 512, 16, 1, 8
	case opset.Row:
		d.Src[1], d.Src[2] = opset.Source{Kind: opset.RootB}, opset.Source{Kind: opset.Tensor, Index: 7}
		d.P[0] = int64(z.ff / 512)
	case opset.HeadNorm:
		d.Dims, d.Src[1] = vec(z.heads*z.hd), opset.Source{Kind: opset.RootA}
		d.P = [11]int64{int64(z.heads * z.hd), int64(z.hd), 1 << 50, 1 << 20, 26, 18}
	case opset.Activate:
		d.Dims = mat(z.heads, dim(1, 1))
		d.P = [11]int64{1, 1, opset.GELUErf, 256, 0, 0, 30}
	case opset.Position:
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.RootA}, opset.Source{Kind: opset.RootB}
		d.P[0], d.P[1], d.P[2] = 1<<z.dPos, int64(z.d), 512
	case opset.Scale:
		d.Dims = vec(1)
	case opset.RoPE:
		d.Dims, d.Src[1] = vec(z.heads*z.hd), opset.Source{Kind: opset.RootA}
		d.P = [11]int64{int64(z.heads * z.hd), int64(z.hd), int64(z.hd), 8, 1, 1 << z.dPos}
	case opset.Score, opset.Exp2Op, opset.Transpose, opset.Mix, opset.DivOp:
		z.attention(&d, dkv)
	case opset.Select, opset.Penalise, opset.Rank, opset.Hist, opset.Digit, opset.Keep, opset.Draw, opset.Token, opset.StopState, opset.Mask, opset.GrammarState, opset.StopOp, opset.PromptOp:
		sampling(&d, &c)
	case opset.Order, opset.Slot, opset.Gather, opset.Share, opset.RowMatMul, opset.RowResult, opset.RowScale, opset.RowQuant,
		opset.Combine:
		z.experts(&d)
	case opset.EmbedRows, opset.Live, opset.RowScore, opset.RowMix, opset.Turn, opset.RowCenter, opset.RowSquares, opset.RowInv,
		opset.RowNorm, opset.RowAdd:
		encoder(&d)
	}
	return d, c
}

// sampling is an op from the temperature to the finish code.
func sampling(d *opset.Descriptor, c *opset.Context) {
	switch d.Op {
	case opset.Select:
		d.Dims = vec(2)
		d.P[0], d.P[1], d.P[2], d.P[3] = vocabulary, 256, int64(tensor.I32), 0
	case opset.Penalise:
		d.Dims, d.P = vec(vocabulary), [11]int64{vocabulary}
		d.Src[1], d.Src[2] = opset.Source{Kind: opset.Counts}, opset.Source{Kind: opset.Bias}
		c.Repetition, c.Presence, c.Frequency, c.Biased = 70000, 20000, 3000, true
	case opset.Rank, opset.Hist, opset.Digit, opset.Keep:
		selection(d)
	case opset.StopState:
		stopStrings(d, c)
	case opset.Mask, opset.GrammarState:
		d.P, d.Src[1] = [11]int64{vocabulary}, opset.Source{Kind: opset.Grammar}
		c.Grammared, c.GrammarState = true, 1000
		if d.Dims = vec(1); d.Op == opset.Mask {
			d.Dims = vec(vocabulary)
		}
	default:
		d.Dims = vec(1)
		d.Src[1].Kind, d.Src[2] = opset.Stop, opset.Source{Kind: opset.Tensor, Index: 5}
		if d.Op == opset.StopOp {
			d.Src[3] = opset.Source{Kind: opset.Tensor, Index: 6}
		}
	}
}

// stopStrings matches four strings of the greatest length, of each of which all but a byte is matched.
func stopStrings(d *opset.Descriptor, c *opset.Context) {
	d.Dims, d.P[0], d.P[1] = vec(1), vocabulary, 16*vocabulary
	d.Src[1].Kind, d.Src[2].Kind, d.Src[3].Kind = opset.RootB, opset.RootA, opset.Strings
	c.StopLens, c.StopState = opset.MostStopLens, opset.MostStopLens-0x01010101
}

// selection is an op of a threshold over the vocabulary, in its last round and by weight.
func selection(d *opset.Descriptor) {
	d.P = [11]int64{vocabulary, opset.ByWeight}
	switch d.Op {
	case opset.Rank:
		d.Dims = vec(1)
	case opset.Hist:
		d.Dims = mat(opset.Bins, dim(vocabulary/256+1, 0))
		d.P = [11]int64{vocabulary, 256, opset.SelectRounds - 1, opset.ByWeight}
	case opset.Digit:
		d.Dims, d.P = vec(2), [11]int64{opset.SelectRounds - 1}
	case opset.Keep:
		d.Dims = vec(vocabulary)
	}
}

func (z size) attention(d *opset.Descriptor, dkv uint32) {
	group := z.heads / z.kv
	d.P[0], d.P[1], d.P[5] = int64(z.hd), int64(group), int64(dkv)
	dLayer, dRow := int64(0), int64(0)
	for 1<<dLayer < z.layers {
		dLayer++
	}
	for 512<<dRow < 2*dkv {
		dRow++
	}
	d.P[4], d.P[7] = int64(z.layers-1), int64(z.dPos)<<16|dLayer<<8|dRow
	switch d.Op {
	case opset.Score:
		d.Dims, d.Src[2] = mat(z.heads, dim(1, 1)), opset.Source{Kind: opset.KV}
		d.P[2], d.P[3], d.P[6] = 12345, 20, int64(z.heads)
	case opset.Exp2Op:
		d.Dims = mat(z.heads, dim(1, 1))
		d.P[0], d.P[1], d.P[2] = 1, 1, 24
	case opset.Transpose:
		d.Dims, d.Src[0] = mat(dkv, dim(1, 1)), opset.Source{Kind: opset.KV}
	case opset.Mix:
		d.Dims = [3]opset.Dim{dim(z.heads, 0), dim(z.hd, 0), dim(1, 128)}
		d.P[2] = int64(z.heads)
	default:
		d.Dims = vec(z.heads * z.hd)
		d.P[0], d.P[1] = int64(z.heads*z.hd), int64(z.hd)
	}
}

// encoder is an op of a text of 512 rows of 1,024 in 16 heads.
func encoder(d *opset.Descriptor) {
	const rows, width, heads = 512, 1024, 16
	cube := func(a, b, c uint32) [3]opset.Dim { return [3]opset.Dim{dim(a, 0), dim(b, 0), dim(c, 0)} }
	rootA, rootB := opset.Source{Kind: opset.RootA}, opset.Source{Kind: opset.RootB}
	d.Dims, d.P = vec(rows*width), [11]int64{rows * width, width}
	switch d.Op {
	case opset.EmbedRows:
		d.Src[1], d.Src[2] = rootA, rootB
		d.Dims, d.P = cube(1, rows, width), [11]int64{vocabulary, width, 512, rows, 2 * rows}
	case opset.Live:
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.Prompt}, opset.Source{}
		d.Dims, d.P = vec(rows), [11]int64{2 * rows, rows}
	case opset.RowScore:
		d.Src[2] = opset.Source{Kind: opset.Tensor, Index: 3}
		d.Dims, d.P = cube(rows, heads, rows), [11]int64{width / heads, 0, 12345, 20}
	case opset.RowMix:
		d.Dims, d.P = cube(rows, width, rows/128), [11]int64{width / heads, rows}
	case opset.Turn:
		d.Dims, d.P = cube(1, width, rows), [11]int64{}
	case opset.RowSquares:
		d.Dims, d.P = cube(1, rows, width/256), [11]int64{width, 256}
	case opset.RowInv:
		d.Dims, d.P = cube(1, rows, 2), [11]int64{1 << 60, 1 << 30}
	case opset.RowNorm:
		d.Src[2], d.Src[3] = rootA, rootB
		d.P = [11]int64{20, 14, width}
	case opset.RowAdd:
		d.Src[1] = rootA
	}
}

// experts are the widest forms of a mixture of 256 experts of which 8 are chosen.
func (z size) experts(d *opset.Descriptor) {
	const experts, chosen = 256, 8
	d.P = [11]int64{int64(z.d)}
	names := opset.Source{Kind: opset.Tensor, Index: 3}
	switch d.Op {
	case opset.Order:
		d.Dims, d.P[0] = vec(experts), experts
	case opset.Slot, opset.Gather:
		d.Dims, d.P[0] = vec(chosen), experts
	case opset.Share:
		d.Dims, d.P = vec(chosen), [11]int64{chosen, 1 << 24, chosen, 24, int64(tensor.I32)}
	case opset.RowMatMul:
		d.Dims = [3]opset.Dim{dim(chosen, 0), dim(z.ff, 0), dim(z.d/512, 0)}
		d.Src[1], d.Src[2] = opset.Source{Kind: opset.RootA}, names
		d.P[1], d.P[2], d.P[3] = 512, experts, 1
	case opset.RowResult:
		d.Dims = vec(chosen * z.d)
		d.Src[1], d.Src[2], d.Src[3] = opset.Source{Kind: opset.RootB}, names, opset.Source{Kind: opset.Tensor, Index: 4}
		d.P = [11]int64{int64(z.ff / 512), int64(z.d), experts, 1}
	case opset.RowScale:
		d.Dims, d.P[0] = vec(chosen), chosen
	case opset.RowQuant:
		d.Dims, d.P[0], d.P[1] = vec(chosen*z.ff), int64(chosen*z.ff), int64(z.ff)
	case opset.Combine:
		d.P[1], d.P[2] = chosen, 24
	}
}
