package circuit

import (
	"fmt"
	"math/big"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"

	"github.com/consensys/gnark/frontend"
)

// Circuits of block-scaled weights. SPEC 02 §5.

// leaf reads leaf n of count block leaves.
func (e *env) leaf(s opset.Source, count, n uint64) (tensor.Blocks, []Num) {
	b, ok := e.d.Layout()
	if !ok || count > 1<<40 {
		e.fail(fmt.Errorf("%w: %s with leaves of %v", ErrUnit, e.d.Op, e.d.P[:5]))
		b = tensor.Blocks{Bits: 8, Chunk: 64, Len: 32}
	}
	size := uint64(b.Leaf())
	return b, e.bytes(opset.Read{Source: s, Total: count * size, Leaf: b.Leaf(), Lo: n * size, Hi: n*size + size}, tensor.I8)
}

// bitsOf are the 8 bits of an i8 plus 128: those of two's complement but for the top one, which is the other one.
func (e *env) bitsOf(v Num) []bit {
	if len(v.bits) != 8 {
		e.fail(fmt.Errorf("%w: a byte of a leaf has no bits", ErrUnit))
		return make([]bit, 8)
	}
	return v.bits
}

// code is weight code i of a leaf: a byte, or half of one as two's complement.
func (e *env) code(b tensor.Blocks, leaf []Num, i int) Num {
	if b.Bits == 8 {
		return leaf[i]
	}
	half := e.bitsOf(leaf[i/32*16+i%16])
	terms := []frontend.Variable{half[0], e.api.Mul(half[1], 2), e.api.Mul(half[2], 4), e.api.Mul(half[3], -8)}
	if i%32 >= 16 {
		terms = []frontend.Variable{half[4], e.api.Mul(half[5], 2), e.api.Mul(half[6], 4), e.api.Mul(half[7], 8), -8}
	}
	return e.num(e.total(terms), big64(-8), big64(7))
}

// wordAt is the i32 at a byte of a leaf: bytes below the highest count 256 more where they are negative, as their
// top bits say.
func (e *env) wordAt(leaf []Num, at int) Num {
	var terms []frontend.Variable
	for i, v := range leaf[at : at+4] {
		terms = append(terms, e.api.Mul(v.v, pow(8*uint(i))))
		if i < 3 {
			above := pow(8 * uint(i+1))
			terms = append(terms, above, e.api.Mul(e.bitsOf(v)[7], new(big.Int).Neg(above)))
		}
	}
	lo, hi := tensor.Range(tensor.I32)
	return e.num(e.total(terms), big64(lo), big64(hi))
}

func (e *env) mantissa(b tensor.Blocks, leaf []Num, k int) Num {
	return e.wordAt(leaf, b.CodeBytes()+4*k)
}

func (e *env) offset(b tensor.Blocks, leaf []Num, k int) Num {
	if !b.Least {
		return e.lit(0)
	}
	return e.wordAt(leaf, b.CodeBytes()+4*(b.Count()+k))
}

func (e *env) matMulBlock(i uint64) Num {
	b, _ := e.d.Layout()
	k, ch := max(e.p(0), 1), uint64(max(b.Chunk, 1))
	shape := e.d.Shape(e.c)
	lo := min(i%shape[2]*ch, k-1)
	x := e.reads(e.src(0), tensor.I16, leafBytes, k, lo, min(lo+ch, k))
	b, w := e.leaf(e.src(1), shape[0]*shape[1]*shape[2], i)
	if e.err != nil {
		return e.lit(0)
	}
	sum := []Num{}
	for at := 0; at < min(len(x), b.Chunk); at += b.Len {
		var codes, part []Num
		for j := at; j < min(at+b.Len, len(x), b.Chunk); j++ {
			codes, part = append(codes, e.code(b, w, j)), append(part, x[j])
		}
		sum = append(sum, e.mul(e.dot(part, codes), e.mantissa(b, w, at/b.Len)))
		sum = append(sum, e.mul(e.add(part[0], part[1:]...), e.offset(b, w, at/b.Len)))
	}
	return e.add(sum[0], sum[1:]...)
}

func (e *env) embedBlock(j uint64) Num {
	b, _ := e.d.Layout()
	v, ch, y := max(e.p(0), 1), uint64(max(b.Chunk, 1)), uint64(0)
	chunks := (e.count() + ch - 1) / ch
	if e.c.YPrev >= 0 && uint64(e.c.YPrev) < v {
		y = uint64(e.c.YPrev)
	}
	b, w := e.leaf(e.src(0), v*chunks, y*chunks+j/ch)
	at := int(j % ch)
	m, s := e.scales(e.src(1), v, y)
	if e.err != nil {
		return e.lit(0)
	}
	z := e.add(e.mul(e.code(b, w, at), e.mantissa(b, w, at/b.Len)), e.offset(b, w, at/b.Len))
	return e.rsBy(e.mul(z, m), s)
}
