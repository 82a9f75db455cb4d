package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Operations on block-scaled weights. SPEC 02 §5.

// Layout is the leaf layout of a block operation; ok is false where no layout has its parameters.
func (d *Descriptor) Layout() (b tensor.Blocks, ok bool) {
	bits := int64(8)
	switch d.Op {
	case MatMulBlock:
	case MatMulG4:
		bits = 4
	case EmbedBlock:
		bits = d.P[4]
	default:
		return b, false
	}
	chunk, length, least := d.P[1], d.P[2], d.P[3]
	if chunk < 0 || chunk > tensor.MaxChunk || length < 0 || length > 32 || bits < 0 || bits > 8 || least < 0 || least > 1 {
		return b, false
	}
	b = tensor.Blocks{Bits: int(bits), Chunk: int(chunk), Len: int(length), Least: least == 1}
	return b, b.Valid()
}

// blocks is the layout, or any valid one after an error.
func (e *env) blocks() tensor.Blocks {
	b, ok := e.d.Layout()
	if !ok {
		e.fail("%s with leaves of %v", e.d.Op, e.d.P[:5])
		return tensor.Blocks{Bits: 8, Chunk: 64, Len: 32}
	}
	return b
}

// leafOf reads leaf n of count block leaves.
func (e *env) leafOf(s Source, b tensor.Blocks, count, n uint64) []int8 {
	size := uint64(b.Leaf())
	if count > 1<<40 {
		e.fail("%s over %d leaves", e.d.Op, count)
	}
	out := make([]int8, size)
	for i, v := range e.bytes(Read{Source: s, Total: count * size, Leaf: b.Leaf(), Lo: n * size, Hi: n*size + size}, tensor.I8) {
		if i < len(out) {
			out[i] = int8(v)
		}
	}
	return out
}

func matMulBlock(e *env, i uint64) *big.Int {
	b := e.blocks()
	k, ch := max(e.p(0), 1), uint64(b.Chunk)
	shape := e.d.Shape(e.c)
	cols := shape[2]
	lo := min(i%cols*ch, k-1)
	x := e.read(e.d.Src[0], tensor.I16, LeafBytes, k, lo, min(lo+ch, k))
	w := e.leafOf(e.d.Src[1], b, shape[0]*shape[1]*cols, i)
	sum := int64(0) // |sum| <= 512 * 2^15 * (2^7 + 1) * 2^31 < 2^63
	for at := 0; at < min(len(x), b.Chunk); at += b.Len {
		dot, all := int64(0), int64(0)
		for j := at; j < min(at+b.Len, len(x), b.Chunk); j++ {
			dot += x[j] * b.Code(w, j)
			all += x[j]
		}
		sum += dot*b.Mantissa(w, at/b.Len) + all*b.Offset(w, at/b.Len)
	}
	return b64(sum)
}

func embedBlock(e *env, j uint64) *big.Int {
	b := e.blocks()
	v, ch := max(e.p(0), 1), uint64(b.Chunk)
	chunks := (e.d.Count(e.c) + ch - 1) / ch
	y := uint64(0)
	if e.c.YPrev >= 0 && uint64(e.c.YPrev) < v {
		y = uint64(e.c.YPrev)
	}
	w, at := e.leafOf(e.d.Src[0], b, v*chunks, y*chunks+j/ch), int(j%ch)
	m, s := e.rowScale(e.d.Src[1], v, y)
	z := b.Code(w, at)*b.Mantissa(w, at/b.Len) + b.Offset(w, at/b.Len) // |z| < 2^39
	return tensor.RS(bmul(b64(z), m), s)
}
