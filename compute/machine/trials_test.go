package machine

import (
	"fmt"
	"math"
	"math/rand/v2"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// trial is one operation with everything it reads, inside what graph.Validate admits.
type trial struct {
	d     opset.Descriptor
	c     opset.Context
	src   [4]*tensor.Tensor // tensors and model tensors by source
	kv    *Cache
	layer int
}

// drawn makes a tensor of n elements with |x| <= 2^bits (and inside its type): mostly of random
// length, often at the ends.
func drawn(r *rand.Rand, t tensor.DType, n, bits int) *tensor.Tensor {
	x := tensor.New(t, 1, 1, n)
	style := r.IntN(4)
	for i := range n {
		x.Set(i, number(r, t, bits, style))
	}
	return x
}

func number(r *rand.Rand, t tensor.DType, bits, style int) int64 {
	top := int64(math.MaxInt64)
	if bits < 63 {
		top = 1 << bits
	}
	v := int64(r.Uint64()>>1) >> r.IntN(63)
	switch style {
	case 0:
		v = top
	case 1:
		v = []int64{top, -top, top - 1, 0, 1, -1}[r.IntN(6)]
	}
	if style != 0 && r.IntN(2) == 0 || style == 0 && bits%2 == 1 {
		v = -v
	}
	return tensor.Sat64(max(-top, min(top, v)), t)
}

// span is a number of lo..hi, the ends more often.
func span(r *rand.Rand, lo, hi int64) int64 {
	switch r.IntN(6) {
	case 0:
		return lo
	case 1:
		return hi
	}
	return lo + r.Int64N(hi-lo+1)
}

func vec(n int) [3]opset.Dim { return [3]opset.Dim{{C: 1}, {C: 1}, {C: uint32(n)}} }

// scales are row scales with mantissas up to the bound and any exponent.
func scales(r *rand.Rand, rows int) *tensor.Tensor {
	x := drawn(r, tensor.I32, 2*rows, 31)
	for n := range rows {
		x.I32[2*n] = int32(number(r, tensor.I32, 24, r.IntN(3)))
		x.I32[2*n] = max(-(1<<24 - 1), min(1<<24-1, x.I32[2*n]))
		if r.IntN(3) > 0 {
			x.I32[2*n+1] = int32(span(r, -64, 64))
		}
	}
	return x
}

func weights(r *rand.Rand, rows, k int) (w *tensor.Tensor, chunk, chunks int) {
	chunk = min(512, (k+63)/64*64)
	chunks = (k + chunk - 1) / chunk
	w = tensor.New(tensor.I8, rows, chunks, chunk)
	for n := range rows {
		for i := range k {
			w.I8[n*chunk*chunks+i] = int8(number(r, tensor.I8, 7, r.IntN(3)))
		}
	}
	return w, chunk, chunks
}

func isBlock(c opset.Code) bool {
	return c == opset.MatMulBlock || c == opset.MatMulG4 || c == opset.EmbedBlock
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// blockWeights draws rows of block-scaled weights with mantissas up to 2^23 and offsets up to 2^30.
func blockWeights(r *rand.Rand, rows, k, bits int) (*tensor.Tensor, tensor.Blocks) {
	b := tensor.Blocks{Bits: bits, Chunk: min(512, (k+63)/64*64), Len: 16 << r.IntN(2), Least: r.IntN(2) == 0}
	chunks := (k + b.Chunk - 1) / b.Chunk
	w := tensor.New(tensor.I8, rows, chunks, b.Leaf())
	style := r.IntN(4)
	for n := range rows * chunks {
		leaf := w.I8[n*b.Leaf() : (n+1)*b.Leaf()]
		for i := range b.Chunk {
			if n%chunks*b.Chunk+i < k {
				b.SetCode(leaf, i, int(max(-1<<(bits-1), min(1<<(bits-1)-1, number(r, tensor.I8, 7, style)))))
			}
		}
		for i := range b.Count() {
			b.SetBlock(leaf, i, int32(number(r, tensor.I32, 23, style)), int32(number(r, tensor.I32, 30, style)))
		}
	}
	return w, b
}

func blockTrial(r *rand.Rand, z *trial, bits int) {
	k, n := int(span(r, 1, 1300)), int(span(r, 1, 6))
	w, b := blockWeights(r, n, k, bits)
	z.d.Dims = [3]opset.Dim{{C: 1}, {C: uint32(n)}, {C: uint32(w.Shape[1])}}
	z.d.P = [11]int64{int64(k), int64(b.Chunk), int64(b.Len), flag(b.Least)}
	z.src[0], z.src[1] = drawn(r, tensor.I16, k, 15), w
}

// trials draws a trial of each operation. Bounds are those of compute/graph: G10, G11, G19 and
// CheckOperand.
var trials = map[opset.Code]func(r *rand.Rand, z *trial){
	opset.Embed:  embedTrial,
	opset.MaxAbs: reductionTrial, opset.Max: reductionTrial, opset.Sum: reductionTrial, opset.ArgKey: reductionTrial,
	opset.SumSquares: func(r *rand.Rand, z *trial) {
		reductionTrial(r, z)
		m := uint64(0)
		for _, x := range z.src[0].I32 {
			m = max(m, tensor.Abs(int64(x)))
		}
		z.src[1] = tensor.New(tensor.I64, 1, 1, 1)
		z.src[1].I64[0] = int64(m)
	},
	opset.NormInv: func(r *rand.Rand, z *trial) {
		z.d.Dims, z.d.P[0], z.d.P[1] = vec(2), span(r, 1, 1<<62), span(r, 0, 1<<62)
		sum, m := drawn(r, tensor.I64, 1, 61), drawn(r, tensor.I64, 1, 31)
		sum.I64[0], m.I64[0] = max(0, sum.I64[0], -sum.I64[0]), max(m.I64[0], -m.I64[0])
		z.src[0], z.src[1] = sum, m
	},
	opset.NormApply: func(r *rand.Rand, z *trial) {
		n := int(span(r, 1, 300))
		shift := span(r, 0, 62)
		z.d.Dims, z.d.P = vec(n), [11]int64{shift, span(r, 0, 62), int64(n)}
		z.src[0] = drawn(r, tensor.I32, n, 31)
		z.src[1] = drawn(r, tensor.I64, 2, 31) // |x| * inv <= 2^62
		z.src[1].I64[0], z.src[1].I64[1] = max(z.src[1].I64[0], -z.src[1].I64[0]), span(r, 0, 8)
		if shift >= 31 && r.IntN(2) == 0 { // z times gamma stays below 2^62
			z.src[2] = drawn(r, tensor.I32, n, 31)
		}
	},
	opset.MatMul: func(r *rand.Rand, z *trial) {
		k, n := int(span(r, 1, 1300)), int(span(r, 1, 6))
		w, chunk, chunks := weights(r, n, k)
		z.d.Dims = [3]opset.Dim{{C: 1}, {C: uint32(n)}, {C: uint32(chunks)}}
		z.d.P[0], z.d.P[1] = int64(k), int64(chunk)
		z.src[0], z.src[1] = drawn(r, tensor.I16, k, 15), w
	},
	opset.MatMulBlock: func(r *rand.Rand, z *trial) { blockTrial(r, z, 8) },
	opset.MatMulG4:    func(r *rand.Rand, z *trial) { blockTrial(r, z, 4) },
	opset.EmbedBlock: func(r *rand.Rand, z *trial) {
		k, v := int(span(r, 1, 1100)), int(span(r, 1, 5))
		w, b := blockWeights(r, v, k, 4+4*r.IntN(2))
		z.d.Dims, z.src[0], z.src[1] = vec(k), w, scales(r, v)
		z.d.P = [11]int64{int64(v), int64(b.Chunk), int64(b.Len), flag(b.Least), int64(b.Bits)}
		z.c.YPrev = int32(span(r, -2, 6))
	},
	opset.Row: func(r *rand.Rand, z *trial) {
		n, c := int(span(r, 1, 40)), int(span(r, 1, 128))
		z.d.Dims, z.d.P[0] = vec(n), int64(c)
		z.src[0], z.src[1] = drawn(r, tensor.I64, n*c, 31), scales(r, n) // 2^31 * 2^7 * 2^24 = 2^62
		if r.IntN(2) == 0 {
			z.src[2] = drawn(r, tensor.I64, 1, 32)
		}
	},
	opset.HeadNorm: func(r *rand.Rand, z *trial) {
		hd, heads := int(span(r, 1, 256)), int(span(r, 1, 4))
		shift := span(r, 20, 62)
		z.d.Dims, z.d.P = vec(hd*heads), [11]int64{int64(hd * heads), int64(hd), span(r, 1, 1<<50), span(r, 0, 1<<60), shift, span(r, 0, 62)}
		z.src[0], z.src[1] = drawn(r, tensor.I32, hd*heads, 31), drawn(r, tensor.I32, hd, 31)
	},
	opset.Activate: func(r *rand.Rand, z *trial) {
		pairTrial(r, z)
		z.src[1] = nil
		z.d.P[2], z.d.P[3], z.d.P[4], z.d.P[6] = span(r, 0, opset.GELUErf), span(r, 0, 1<<24), span(r, 0, 62), span(r, 0, 62)
		if r.IntN(2) == 0 {
			z.d.P[4] = span(r, 10, 31)
		}
		if z.d.P[2] <= opset.Sigmoid {
			z.d.P[5] = span(r, 0, 1<<31)
		}
	},
	opset.Center: func(r *rand.Rand, z *trial) { pairTrial(r, z); z.src[1] = drawn(r, tensor.I64, 1, 60) },
	opset.Position: func(r *rand.Rand, z *trial) {
		embedTrial(r, z)
		z.c.T = uint32(span(r, 0, 7))
	},
	opset.Add:  func(r *rand.Rand, z *trial) { pairTrial(r, z) },
	opset.Mul:  func(r *rand.Rand, z *trial) { pairTrial(r, z); z.d.P[1] = span(r, -62, 62) },
	opset.ReLU: func(r *rand.Rand, z *trial) { pairTrial(r, z); z.src[1] = nil },
	opset.SiLUMul: func(r *rand.Rand, z *trial) {
		pairTrial(r, z)
		z.d.P[1], z.d.P[2] = span(r, 0, 30), span(r, -62, 62)
	},
	opset.Scale: func(r *rand.Rand, z *trial) { z.d.Dims, z.src[0] = vec(1), drawn(r, tensor.I64, 1, 63) },
	opset.Quant: func(r *rand.Rand, z *trial) {
		pairTrial(r, z)
		if z.src[1] = nil; r.IntN(2) == 0 {
			z.src[1] = drawn(r, tensor.I64, 1, 62)
			return
		}
		z.d.P[1] = span(r, -62, 62)
	},
	opset.RoPE: func(r *rand.Rand, z *trial) {
		hd, heads, tmax := int(span(r, 2, 256)), int(span(r, 1, 4)), int(span(r, 1, 5))
		rd := 2 * int(span(r, 1, int64(hd/2)))
		z.d.Dims, z.c.T = vec(hd*heads), uint32(span(r, 0, 6))
		z.d.P = [11]int64{int64(hd * heads), int64(hd), int64(rd), span(r, -30, 32), span(r, 0, 1), int64(tmax)}
		z.src[0], z.src[1] = drawn(r, tensor.I32, hd*heads, 31), drawn(r, tensor.I32, tmax*rd, 30)
	},
	opset.Score: func(r *rand.Rand, z *trial) {
		hd, group, heads := attentionTrial(r, z)
		z.d.P[2], z.d.P[3], z.d.P[6] = span(r, -1<<24, 1<<24), span(r, 0, 62), int64(heads)
		z.d.Dims = [3]opset.Dim{{C: 1}, {C: uint32(heads)}, {C: 1, K: 1}}
		z.d.P[0], z.d.P[1] = int64(hd), int64(group)
		z.src[0] = drawn(r, tensor.I16, heads*hd, 15)
		z.src[1] = z.row(z.kv.K)
		z.d.Src[2] = opset.Source{Kind: opset.KV}
	},
	opset.Exp2Op: func(r *rand.Rand, z *trial) {
		rows, n := int(span(r, 1, 4)), int(span(r, 1, 300))
		z.d.Dims = [3]opset.Dim{{C: 1}, {C: uint32(rows)}, {C: uint32(n)}}
		z.d.P[0], z.d.P[2] = int64(n), span(r, 0, 30)
		z.src[0], z.src[1] = drawn(r, tensor.I32, rows*n, 31), drawn(r, tensor.I64, rows, int(span(r, 20, 62)))
	},
	opset.Transpose: func(r *rand.Rand, z *trial) {
		attentionTrial(r, z)
		z.d.Dims = [3]opset.Dim{{C: 1}, {C: uint32(z.kv.DKV)}, {C: 1, K: 1}}
		z.src[1] = z.row(z.kv.V)
		z.d.Src[0] = opset.Source{Kind: opset.KV}
	},
	opset.Mix: func(r *rand.Rand, z *trial) {
		hd, group, heads := attentionTrial(r, z)
		z.d.P = [11]int64{int64(hd), int64(group), int64(heads), 0, 0, int64(z.kv.DKV)}
		z.d.Dims = [3]opset.Dim{{C: uint32(heads)}, {C: uint32(hd)}, {C: 1, K: 128}}
		n := int(z.d.Span(&z.c))
		z.src[0] = drawn(r, tensor.I32, heads*n, 31)
		z.src[1] = tensor.New(tensor.I16, 1, z.kv.DKV, n)
		for j := range n {
			for i := range z.kv.DKV {
				z.src[1].I16[i*n+j] = z.kv.V[z.layer][(int(z.d.First(&z.c))+j)*z.kv.DKV+i]
			}
		}
	},
	opset.DivOp: func(r *rand.Rand, z *trial) {
		n, g := int(span(r, 1, 300)), int(span(r, 1, 64))
		z.d.Dims, z.d.P[0], z.d.P[1] = vec(n), int64(n), int64(g)
		z.src[0], z.src[1] = drawn(r, tensor.I64, n, 61), drawn(r, tensor.I64, (n+g-1)/g, int(span(r, 1, 61)))
	},
	opset.Temper: func(r *rand.Rand, z *trial) {
		pairTrial(r, z)
		z.src[1], z.d.P[1] = nil, span(r, -1<<30, 1<<30)
		z.c.Temperature = uint32(span(r, 0, math.MaxUint32))
	},
	opset.Draw: func(r *rand.Rand, z *trial) { z.d.Dims, z.src[0] = vec(1), drawn(r, tensor.I64, 1, 62) },
	opset.Select: func(r *rand.Rand, z *trial) {
		n, t := int(span(r, 1, 700)), []tensor.DType{tensor.I32, tensor.I64}[r.IntN(2)]
		f := span(r, 1, 128)
		z.d.Dims, z.d.P = vec(2), [11]int64{int64(n), f, int64(t), span(r, 0, 1)}
		z.src[0], z.src[1] = drawn(r, t, n, 54), drawn(r, tensor.I64, 2-int(z.d.P[3]), 61)
		if z.d.P[3] == 0 && r.IntN(2) == 0 {
			z.src[1].I64[0] = span(r, -1, int64(n)/f+1)
		}
	},
	opset.Token: func(r *rand.Rand, z *trial) {
		z.d.Dims, z.c.Temperature = vec(1), uint32(span(r, 0, 2))
		z.src[0], z.src[1], z.src[2] = drawn(r, tensor.I64, 1, 62), drawn(r, tensor.I64, 1, 62), drawn(r, tensor.I64, 2, 62)
	},
	opset.StopOp: func(r *rand.Rand, z *trial) {
		z.d.Dims, z.src[0], z.d.Src[1] = vec(1), drawn(r, tensor.I32, 1, 2), opset.Source{Kind: opset.Stop}
		z.c.StopIDs = drawn(r, tensor.I32, int(span(r, 0, 64)), 2).I32
		z.c.StopCount = uint8(len(z.c.StopIDs))
		z.c.T, z.c.M, z.c.MaxNew, z.c.TMax = uint32(span(r, 0, 9)), uint32(span(r, 1, 9)), uint32(span(r, 1, 9)), uint32(span(r, 1, 9))
		z.src[2], z.src[3] = drawn(r, tensor.I32, 1, 1), drawn(r, tensor.I32, 1, 2)
	},
	opset.StopState: stopStateTrial, opset.Mask: maskTrial, opset.GrammarState: grammarTrial,
	opset.PromptOp: func(r *rand.Rand, z *trial) {
		z.d.Dims, z.d.Src[0] = vec(1), opset.Source{Kind: opset.Prompt}
		z.c.Prompt = drawn(r, tensor.I32, int(span(r, 1, 40)), 31).I32
		z.c.M, z.c.T = uint32(len(z.c.Prompt)), uint32(span(r, 0, 50))
	},
	opset.Rank: func(r *rand.Rand, z *trial) {
		z.d.Dims, z.d.P[0], z.d.P[1] = vec(1), span(r, 1, 400), span(r, 0, 1)
		z.c.TopK, z.c.TopP = uint32(span(r, 0, 500)), uint32(span(r, 0, opset.FullWeight+1))
		if z.d.P[1] == opset.ByWeight {
			z.src[0] = drawn(r, tensor.I64, 1, 62)
		}
	},
	opset.Hist: func(r *rand.Rand, z *trial) {
		n, f := span(r, 1, 700), span(r, 1, 256)
		z.d.P = [11]int64{n, f, span(r, 0, opset.SelectRounds-1), span(r, 0, 1)}
		z.d.Dims = [3]opset.Dim{{C: 1}, {C: opset.Bins}, {C: uint32((n + f - 1) / f)}}
		z.src[0] = drawn(r, tensor.I32, int(n), 31)
		if z.d.P[2] > 0 {
			z.src[1] = drawn(r, tensor.I64, 2, 33)
			if v := z.src[0].I32[r.IntN(int(n))]; r.IntN(3) > 0 {
				z.src[1].I64[0] = int64(uint64(uint32(v)) >> (32 - 4*z.d.P[2]))
			}
		}
	},
	opset.Digit: func(r *rand.Rand, z *trial) {
		z.d.Dims, z.d.P[0] = vec(2), span(r, 0, opset.SelectRounds-1)
		z.src[0], z.src[1] = drawn(r, tensor.I64, opset.Bins, 53), drawn(r, tensor.I64, 2-int(1-min(z.d.P[0], 1)), 54)
	},
	opset.Penalise: penaliseTrial,
	opset.Keep: func(r *rand.Rand, z *trial) {
		pairTrial(r, z)
		z.d.P[1], z.c.MinP = span(r, 0, 1), uint32(span(r, 0, opset.FullWeight))
		z.src[1] = drawn(r, tensor.I64, 2, 32)
	},
	opset.Order: orderTrial, opset.Slot: slotTrial, opset.Gather: gatherTrial, opset.Share: shareTrial,
	opset.RowMatMul: rowMatMulTrial, opset.RowResult: rowResultTrial, opset.RowScale: rowScaleTrial,
	opset.RowQuant: rowQuantTrial, opset.Combine: combineTrial,
	opset.EmbedRows: embedRowsTrial, opset.Live: liveTrial, opset.RowScore: rowScoreTrial, opset.RowMix: rowMixTrial,
	opset.Turn: turnTrial, opset.RowCenter: rowCenterTrial, opset.RowSquares: rowSquaresTrial, opset.RowInv: rowInvTrial,
	opset.RowNorm: rowNormTrial, opset.RowAdd: rowAddTrial,
}

func embedTrial(r *rand.Rand, z *trial) {
	k, v := int(span(r, 1, 1100)), int(span(r, 1, 5))
	w, chunk, chunks := weights(r, v, k)
	z.d.Dims, z.src[0], z.src[1] = vec(k), w, scales(r, v)
	z.d.P[0], z.d.P[1], z.d.P[2] = int64(v), int64(chunk*chunks), int64(chunk)
	z.c.YPrev = int32(span(r, -2, 6))
}

func pairTrial(r *rand.Rand, z *trial) {
	n := int(span(r, 1, 300))
	z.d.Dims, z.d.P[0] = vec(n), int64(n)
	z.src[0], z.src[1] = drawn(r, tensor.I32, n, 31), drawn(r, tensor.I32, n, 31)
}

// reductionTrial is the reduce form, over constant and growing dims. SPEC 02 §4.1.
func reductionTrial(r *rand.Rand, z *trial) {
	t := []tensor.DType{tensor.I32, tensor.I64}[r.IntN(2)]
	rows := int(span(r, 1, 4))
	if z.d.Op == opset.ArgKey || z.d.Op == opset.SumSquares {
		t, rows = tensor.I32, 1
	}
	f, bits := span(r, 1, 256), 31
	if t == tensor.I64 {
		f, bits = span(r, 1, 128), 55 // 2^55 * 2^7 = 2^62
		if z.d.Op != opset.Sum {
			bits = 63
		}
	}
	n := span(r, 1, 700)
	z.d.P = [11]int64{n, 0, f, int64(t)}
	z.d.Dims = [3]opset.Dim{{C: 1}, {C: uint32(rows)}, {C: uint32((n + f - 1) / f)}}
	if rows > 1 && r.IntN(2) == 0 {
		z.c.T = uint32(span(r, 0, 700))
		k := []int64{1, 128}[r.IntN(2)]
		z.d.P[0], z.d.P[1] = 1, k
		z.d.Dims[2] = opset.Dim{C: 1, K: uint32(k * f)}
		n = int64(z.d.Size(opset.Dim{C: 1, K: uint32(k)}, &z.c))
	}
	z.src[0] = drawn(r, t, rows*int(n), bits)
}

// attentionTrial draws heads, a position, a window and a cache. SPEC 02 §4.2.
func attentionTrial(r *rand.Rand, z *trial) (hd, group, heads int) {
	hd, group = int(span(r, 1, 256)), int(span(r, 1, 3))
	kv := int(span(r, 1, 2))
	dkv := kv * hd
	z.c.T = uint32(span(r, 0, 270))
	if r.IntN(2) == 0 {
		z.d.Window = uint32(span(r, 1, 200))
	}
	z.kv, z.layer = NewCache(2, int(z.c.T)+1, dkv), r.IntN(2)
	for l := range z.kv.K {
		copy(z.kv.K[l], drawn(r, tensor.I16, len(z.kv.K[l]), 15).I16)
		copy(z.kv.V[l], drawn(r, tensor.I16, len(z.kv.V[l]), 15).I16)
	}
	rows := 0
	for 512<<rows < 2*dkv {
		rows++
	}
	z.d.P[4], z.d.P[5], z.d.P[7] = int64(z.layer), int64(dkv), int64(9<<16|1<<8|rows)
	return hd, group, group * kv
}

// row is the stage's own row at t.
func (z *trial) row(rows [][]int16) *tensor.Tensor {
	x := tensor.New(tensor.I16, 1, 1, z.kv.DKV)
	copy(x.I16, rows[z.layer][int(z.c.T)*z.kv.DKV:])
	return x
}

// finish puts the tensors where the descriptor looks for them.
func (z *trial) finish() (op *Op, f *frame) {
	f = &frame{t: make([]*tensor.Tensor, 5)}
	op = &Op{}
	for k, x := range z.src {
		switch {
		case x == nil:
		case isBlock(z.d.Op) && x.Type == tensor.I8:
			z.d.Src[k], op.A = opset.Source{Kind: opset.RootA}, x
		case z.d.Op == opset.StopState && k == 2:
			z.d.Src[k], op.A = opset.Source{Kind: opset.RootA}, x
		case (z.d.Op == opset.EmbedBlock || z.d.Op == opset.StopState) && k == 1:
			z.d.Src[k], op.B = opset.Source{Kind: opset.RootB}, x
		case z.d.Op == opset.Embed && k == 0, z.d.Op == opset.MatMul && k == 1, z.d.Op == opset.RowMatMul && k == 1, z.d.Op == opset.RoPE && k == 1,
			z.d.Op == opset.NormApply && k == 2, z.d.Op == opset.HeadNorm && k == 1, z.d.Op == opset.Position && k == 0:
			z.d.Src[k], op.A = opset.Source{Kind: opset.RootA}, x
		case (z.d.Op == opset.Embed || z.d.Op == opset.Row || z.d.Op == opset.RowResult || z.d.Op == opset.Position) && k == 1:
			z.d.Src[k], op.B = opset.Source{Kind: opset.RootB}, x
		default:
			z.d.Src[k], f.t[k] = opset.Source{Kind: opset.Tensor, Index: uint8(k)}, x
		}
	}
	op.Descriptor = z.d
	return op, f
}

// fetch reads the trial's sources as the tree of each would serve them.
func (z *trial) fetch(op *Op, f *frame) opset.Fetch {
	return func(r opset.Read) ([]byte, error) {
		var x *tensor.Tensor
		switch r.Kind {
		case opset.Tensor:
			x = f.t[r.Index]
		case opset.RootA:
			x = op.A
		case opset.RootB:
			x = op.B
		case opset.Prompt, opset.Stop:
			x = &tensor.Tensor{Type: tensor.I32, I32: z.c.Prompt, Shape: [3]int{1, 1, len(z.c.Prompt)}}
			if r.Kind == opset.Stop {
				x.I32, x.Shape[2] = z.c.StopIDs, len(z.c.StopIDs)
			}
		case opset.Strings:
			x = tensor.New(tensor.I8, 1, 1, len(z.c.StopTable))
			for i, b := range z.c.StopTable {
				x.I8[i] = int8(b)
			}
		case opset.Grammar:
			return z.fetchTable(r)
		case opset.KV:
			return z.fetchKV(r)
		case opset.Counts, opset.Bias:
			return z.fetchDense(r)
		default:
			return nil, fmt.Errorf("kind %d", r.Kind)
		}
		if b := x.Bytes(0, x.Len()); r.Total == uint64(len(b)) {
			return b[r.Lo:r.Hi], nil
		}
		return nil, fmt.Errorf("source of kind %d has %d bytes, not %d", r.Kind, x.Len()*x.Type.Size(), r.Total)
	}
}

// fetchKV finds the row piece of a leaf of the KV tree.
func (z *trial) fetchKV(r opset.Read) ([]byte, error) {
	dRow, dLayer := uint(z.d.P[7]&63), uint(z.d.P[7]>>8&63)
	leaf := r.Lo / 512
	q, v, layer, pos := leaf&(1<<dRow-1), leaf>>dRow&1, leaf>>(dRow+1)&(1<<dLayer-1), leaf>>(dRow+1+dLayer)
	rows := z.kv.K
	if v == 1 {
		rows = z.kv.V
	}
	if pos >= uint64(z.c.T) {
		return nil, fmt.Errorf("position %d at step %d", pos, z.c.T)
	}
	row := tensor.Tensor{Type: tensor.I16, I16: rows[layer][int(pos)*z.kv.DKV:][:z.kv.DKV], Shape: [3]int{1, 1, z.kv.DKV}}
	b := row.Bytes(0, z.kv.DKV)
	lo := q*512 + r.Lo%512
	return b[lo : lo+r.Hi-r.Lo], nil
}
