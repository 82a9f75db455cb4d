package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Operations of attention over the KV cache.

func rope(e *env, i uint64) *big.Int {
	n, hd, rd := e.d.Count(e.c), max(e.p(1), 1), e.p(2)
	y := e.d.Src[0]
	dim := i % hd
	if dim >= rd {
		return tensor.RS(b64(e.one(y, tensor.I32, n, i)), e.d.P[3])
	}
	head := i - dim
	lo, hi, q := head+dim-dim%2, head+dim-dim%2+1, dim/2
	if e.d.P[4] == 1 {
		half := max(rd/2, 1)
		q = dim % half
		lo, hi = head+q, head+q+half
	}
	hi = min(hi, n-1) // odd rd in a hostile descriptor
	var u, v int64
	if hi == lo+1 {
		p := e.read(y, tensor.I32, LeafBytes, n, lo, hi+1)
		u, v = p[0], p[1]
	} else {
		u, v = e.one(y, tensor.I32, n, lo), e.one(y, tensor.I32, n, hi)
	}
	c, s := e.angle(q, rd)
	x := new(big.Int)
	if head+dim == lo {
		x.Sub(bmul(b64(u), c), bmul(b64(v), s))
	} else {
		x.Add(bmul(b64(u), s), bmul(b64(v), c))
	}
	return tensor.RS(x, satShift(30, e.d.P[3]))
}

// angle reads (cos, sin) Q30 of pair q at position t.
func (e *env) angle(q, rd uint64) (c, s int64) {
	pairs, tmax := max(rd/2, 1), max(e.p(5), 1)
	q = min(q, pairs-1)
	at := 2 * (min(uint64(e.c.T), tmax-1)*pairs + q)
	p := e.read(e.d.Src[1], tensor.I32, LeafBytes, 2*tmax*pairs, at, at+2)
	return p[0], p[1]
}

// kvRow reads elements [lo, hi) of the K (v = 0) or V (v = 1) row at a position: from the stage's
// own row at t, else from the KV tree of the state before. SPEC 02 §4.2.
func (e *env) kvRow(own, kv Source, v, pos, lo, hi uint64) []int64 {
	dkv := e.p(5)
	if pos == uint64(e.c.T) {
		return e.read(own, tensor.I16, KVLeafBytes, dkv, lo, hi)
	}
	depths := e.p(7)
	dPos, dLayer, dRow := depths>>16&63, depths>>8&63, depths&63
	leaf := ((pos<<dLayer|e.p(4))<<1 | v) << dRow
	base := leaf * KVLeafBytes
	r := Read{Source: kv, Total: KVLeafBytes << (dPos + dLayer + 1 + dRow), Leaf: KVLeafBytes}
	r.Lo, r.Hi = base+2*lo, base+2*hi
	return e.bytes(r, tensor.I16)
}

func score(e *env, i uint64) *big.Int {
	hd, group, heads := max(e.p(0), 1), max(e.p(1), 1), e.p(6)
	span := e.d.Span(e.c)
	h, pos := i/span, e.d.First(e.c)+i%span
	q := e.read(e.d.Src[0], tensor.I16, LeafBytes, heads*hd, h*hd, (h+1)*hd)
	kh := h / group
	k := e.kvRow(e.d.Src[1], e.d.Src[2], 0, pos, kh*hd, (kh+1)*hd)
	sum := int64(0) // |sum| <= hd * 2^30, hd <= 256
	for j := range q {
		sum += q[j] * k[j]
	}
	return tensor.RS(bmul(b64(sum), e.d.P[2]), e.d.P[3])
}

func exp2(e *env, i uint64) *big.Int {
	n := e.size()
	total := e.d.Count(e.c)
	x := e.one(e.d.Src[0], tensor.I32, total, i)
	m := e.one(e.d.Src[1], tensor.I64, total/n, i/n)
	q := max(-farBits, min(farBits, e.d.P[2]))
	return b64(tensor.Exp2(subClamp(x, m), int(q)))
}

// farBits is beyond every number of fraction bits that makes a difference after subClamp.
const farBits = 1 << 40

// subClamp is x - m held inside +-2^40, beyond which exp2 is constant.
func subClamp(x, m int64) int64 {
	const far = 1 << 40
	return max(-far, min(far, x)) - max(-far, min(far, m))
}

func transpose(e *env, i uint64) *big.Int {
	span := e.d.Span(e.c)
	el, pos := i/span, e.d.First(e.c)+i%span
	return b64(e.kvRow(e.d.Src[1], e.d.Src[0], 1, pos, el, el+1)[0])
}

// mixChunk is the number of positions in a partial sum of mix.
const mixChunk = 128

func mix(e *env, i uint64) *big.Int {
	hd, group, heads, dkv := max(e.p(0), 1), max(e.p(1), 1), e.p(2), e.p(5)
	span := e.d.Span(e.c)
	chunks := e.d.Shape(e.c)[2]
	h, dim, c := i/chunks/hd, i/chunks%hd, i%chunks
	lo := min(c*mixChunk, span-1)
	hi := min(lo+mixChunk, span)
	p := e.read(e.d.Src[0], tensor.I32, LeafBytes, heads*span, h*span+lo, h*span+hi)
	r := (h/group)*hd + dim
	v := e.read(e.d.Src[1], tensor.I16, LeafBytes, dkv*span, r*span+lo, r*span+hi)
	sum := int64(0) // |sum| <= 128 * 2^31 * 2^15 = 2^53
	for j := range p {
		sum += p[j] * v[j]
	}
	return b64(sum)
}

func div(e *env, j uint64) *big.Int {
	n, g := e.d.Count(e.c), max(e.p(1), 1)
	a := e.one(e.d.Src[0], tensor.I64, n, j)
	b := e.one(e.d.Src[1], tensor.I64, (n+g-1)/g, j/g)
	return tensor.Div(b64(a), b64(b))
}
