package conformance_test

import (
	"math"

	"pgregory.net/rapid"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

func drawContext(t *rapid.T) opset.Context {
	u32 := func(name string, lo, hi uint32) uint32 { return rapid.Uint32Range(lo, hi).Draw(t, name) }
	return opset.Context{
		T: u32("t", 0, 900), M: u32("m", 1, 400), YPrev: rapid.Int32Range(-3, 700).Draw(t, "y"),
		MaxNew: u32("maxNew", 1, 600), TMax: u32("tMax", 1, 1000),
		Temperature: rapid.SampledFrom([]uint32{0, 1, 0x8000, 0x10000, math.MaxUint32}).Draw(t, "temperature"),
		Seed:        rapid.Uint64().Draw(t, "seed"), StopCount: rapid.Uint8Range(0, 64).Draw(t, "stopCount"),
	}
}

func dim(c, k uint32) opset.Dim { return opset.Dim{C: c, K: k} }

// vec, mat are right-aligned dims.
func vec(n uint32) [3]opset.Dim                 { return [3]opset.Dim{dim(1, 0), dim(1, 0), dim(n, 0)} }
func mat(n uint32, last opset.Dim) [3]opset.Dim { return [3]opset.Dim{dim(1, 0), dim(n, 0), last} }

// cases draws what an op needs beyond sources: dims, parameters, target type.
type cases struct {
	*rapid.T
	c *opset.Context
}

func (t cases) n(name string, lo, hi uint32) uint32 { return rapid.Uint32Range(lo, hi).Draw(t.T, name) }

func (t cases) flag(name string) bool { return rapid.Bool().Draw(t.T, name) }

// shift is mostly sane, sometimes at or beyond the limits of rs.
func (t cases) shift(name string) int64 {
	if t.flag(name + "?") {
		return rapid.Int64Range(-3, 40).Draw(t.T, name)
	}
	return rapid.SampledFrom([]int64{-1 << 62, -63, -62, -61, 0, 61, 62, 63, 1 << 62}).Draw(t.T, name)
}

// drawDescriptor is a descriptor of the op that a validator would accept, but for the size of shifts.
func drawDescriptor(t *rapid.T, code opset.Code, c *opset.Context) opset.Descriptor {
	d := opset.Descriptor{Op: code, Leaf: opset.LeafBytes, Dims: vec(1)}
	d.Type = rapid.SampledFrom(code.Targets()).Draw(t, "type")
	for i := range 2 {
		d.Src[i] = opset.Source{Kind: opset.Tensor, Index: uint8(3 + i)}
	}
	g := cases{t, c}
	if g.flag("window?") {
		d.Window = g.n("window", 1, 300)
	}
	switch {
	case code >= opset.MaxAbs && code <= opset.SumSquares:
		g.reduce(&d)
	case code == opset.Embed || code == opset.MatMul || code == opset.Row:
		g.linear(&d)
	case code >= opset.RoPE && code <= opset.DivOp:
		g.attention(&d)
	case code >= opset.Temper:
		g.sampler(&d)
	default:
		g.elementwise(&d)
	}
	return d
}

func (t cases) reduce(d *opset.Descriptor) {
	fanIn := t.n("F", 1, 256)
	d.P[2], d.P[3] = int64(fanIn), int64(rapid.SampledFrom([]tensor.DType{tensor.I16, tensor.I32}).Draw(t.T, "x"))
	if t.flag("i64") {
		fanIn = min(fanIn, 128)
		d.P[2], d.P[3] = int64(fanIn), int64(tensor.I64)
	}
	rows := t.n("rows", 1, 5)
	if t.flag("over positions") {
		d.P[0], d.P[1] = 1, 1
		d.Dims = mat(rows, dim(1, fanIn))
		return
	}
	n := t.n("n", 1, 1500)
	d.P[0] = int64(n)
	d.Dims = mat(rows, dim((n+fanIn-1)/fanIn, 0))
}

func (t cases) linear(d *opset.Descriptor) {
	k := t.n("K", 1, 1500)
	chunk := min(512, (k+63)/64*64)
	chunks := (k + chunk - 1) / chunk
	d.Src[1] = opset.Source{Kind: opset.RootA}
	switch d.Op {
	case opset.Embed:
		d.Src[0], d.Src[1] = opset.Source{Kind: opset.RootA}, opset.Source{Kind: opset.RootB}
		d.P[0], d.P[1], d.P[2] = int64(t.n("V", 1, 900)), int64(chunks*chunk), int64(chunk)
		d.Dims = vec(k)
	case opset.MatMul:
		d.P[0], d.P[1] = int64(k), int64(chunk)
		d.Dims = mat(t.n("N", 1, 300), dim(chunks, 0))
	default:
		d.Src[1] = opset.Source{Kind: opset.RootB}
		if t.flag("shift?") {
			d.Src[2] = opset.Source{Kind: opset.Tensor, Index: 9}
		}
		d.P[0] = int64(t.n("C", 1, 128))
		d.Dims = vec(t.n("N", 1, 300))
	}
}

func (t cases) elementwise(d *opset.Descriptor) {
	n := t.n("n", 1, 2000)
	d.Dims = vec(n)
	d.P[0], d.P[1], d.P[2] = int64(n), t.shift("p1"), t.shift("p2")
	switch d.Op {
	case opset.NormInv:
		d.Dims = vec(2)
		d.P[0], d.P[1] = rapid.Int64Range(-1<<40, 1<<62).Draw(t.T, "K"), rapid.Int64().Draw(t.T, "E")
	case opset.NormApply:
		d.P[0] = max(-1<<39, min(1<<39, t.shift("p0"))) // so that p0 + s is exact in the definition
		if t.flag("gamma?") {
			d.Src[2] = opset.Source{Kind: opset.RootA}
		}
	case opset.SiLUMul:
		if t.flag("sane") {
			d.P[1] = rapid.Int64Range(0, 30).Draw(t.T, "fraction bits")
		}
	case opset.Scale:
		d.Dims = vec(1)
	case opset.Quant:
		if t.flag("fixed") {
			d.Src[1] = opset.Source{}
		}
	}
}

func (t cases) attention(d *opset.Descriptor) {
	hd, heads, group := 2*t.n("hd/2", 1, 128), t.n("kv heads", 1, 4), t.n("group", 1, 4)
	dkv := hd * heads
	d.P[0], d.P[1], d.P[5] = int64(hd), int64(group), int64(dkv)
	dRow := uint32(0)
	for 512<<dRow < 2*dkv {
		dRow++
	}
	d.P[4], d.P[7] = int64(t.n("layer", 0, 7)), int64(10<<16|3<<8|dRow)
	kv := opset.Source{Kind: opset.KV}
	switch d.Op {
	case opset.RoPE:
		d.Dims = vec(dkv)
		d.P[0], d.P[1], d.P[2], d.P[3] = int64(dkv), int64(hd), int64(2*t.n("rd/2", 0, hd/2)), t.shift("shift")
		d.P[4], d.P[5], d.P[7] = int64(t.n("style", 0, 1)), int64(t.n("Tmax", 1, 1000)), 0
		d.Src[1] = opset.Source{Kind: opset.RootA}
	case opset.Score:
		d.Dims = mat(heads*group, dim(1, 1))
		d.P[2], d.P[3], d.P[6] = rapid.Int64Range(-1<<40, 1<<40).Draw(t.T, "mult"), t.shift("shift"), int64(heads*group)
		d.Src[2] = kv
	case opset.Exp2Op:
		d.Dims = mat(heads, dim(1, 1))
		d.P[0], d.P[1], d.P[2] = 1, 1, int64(t.n("q", 0, 30))
	case opset.Transpose:
		d.Dims = mat(dkv, dim(1, 1))
		d.Src[0] = kv
	case opset.Mix:
		d.Dims = [3]opset.Dim{dim(heads*group, 0), dim(hd, 0), dim(1, 128)}
		d.P[2] = int64(heads * group)
	default:
		d.Dims = vec(dkv)
		d.P[0], d.P[1] = int64(dkv), int64(hd)
	}
}

func (t cases) sampler(d *opset.Descriptor) {
	n := t.n("n", 1, 2000)
	switch d.Op {
	case opset.Temper:
		d.Dims = vec(n)
		d.P[0], d.P[1] = int64(n), rapid.Int64Range(-1<<40, 1<<40).Draw(t.T, "mult")
	case opset.Select:
		d.Dims = vec(2)
		d.P[0], d.P[1], d.P[2], d.P[3] = int64(n), int64(t.n("F", 1, 256)), int64(tensor.I32), int64(t.n("top", 0, 1))
		if t.flag("i64") {
			d.P[1], d.P[2] = int64(t.n("F64", 1, 128)), int64(tensor.I64)
		}
	case opset.Token:
		d.Src[2] = opset.Source{Kind: opset.Tensor, Index: 8}
	case opset.StopOp:
		d.Src[1] = opset.Source{Kind: opset.Stop}
	case opset.PromptOp:
		d.Src[0] = opset.Source{Kind: opset.Prompt}
	}
}

// shape1B is an op at the shape of a 1B model (d 2048, ff 8192, 32/8 heads of 64, 16 layers, V 128256)
// near the end of a context of 8192.
func shape1B(code opset.Code) (opset.Descriptor, opset.Context) {
	return shapeOf(code, size{d: 2048, ff: 8192, heads: 32, kv: 8, hd: 64, layers: 16, dPos: 13})
}

// shape70B is the same for a 70B model (d 8192, ff 28672, 64/8 heads of 128, 80 layers) and 131072.
func shape70B(code opset.Code) (opset.Descriptor, opset.Context) {
	return shapeOf(code, size{d: 8192, ff: 28672, heads: 64, kv: 8, hd: 128, layers: 80, dPos: 17})
}

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
	case opset.Row:
		d.Src[1], d.Src[2] = opset.Source{Kind: opset.RootB}, opset.Source{Kind: opset.Tensor, Index: 7}
		d.P[0] = int64(z.ff / 512)
	case opset.Scale:
		d.Dims = vec(1)
	case opset.RoPE:
		d.Dims, d.Src[1] = vec(z.heads*z.hd), opset.Source{Kind: opset.RootA}
		d.P = [11]int64{int64(z.heads * z.hd), int64(z.hd), int64(z.hd), 8, 1, 1 << z.dPos}
	case opset.Score, opset.Exp2Op, opset.Transpose, opset.Mix, opset.DivOp:
		z.attention(&d, dkv)
	case opset.Select:
		d.Dims = vec(2)
		d.P[0], d.P[1], d.P[2], d.P[3] = vocabulary, 256, int64(tensor.I32), 0
	case opset.Draw, opset.Token, opset.StopOp, opset.PromptOp:
		d.Dims = vec(1)
		d.Src[1].Kind, d.Src[2] = opset.Stop, opset.Source{Kind: opset.Tensor, Index: 5}
	}
	return d, c
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
