package opset

import (
	"math"
	"math/big"

	"elenchus/compute/tensor"
)

// Operations of encoders, which see all rows of a text at once: rows of embeddings by ids, which rows
// live, attention between rows, layer norms by rows, a transposed copy. SPEC 02 §4 ops 89 to 98.

// Absent is the score against the key of a row that does not live.
const Absent = math.MinInt32

// embedRows is element j of the row that id r of a list names; row 0 for what is no id.
func embedRows(e *env, i uint64) *big.Int {
	d, rows, size := e.d.Shape(e.c)[2], max(e.p(0), 1), max(e.p(4), 1)
	r, j := i/d, i%d
	at := min(min(e.p(3), size-1)+r, size-1)
	y := e.one(e.d.Src[0], tensor.I32, size, at)
	if y < 0 || uint64(y) >= rows {
		y = 0
	}
	padded := e.p(1)
	from := uint64(y)*padded + j
	w := e.read(e.d.Src[1], tensor.I8, int(e.p(2)), rows*padded, from, from+1)[0]
	m, s := e.rowScale(e.d.Src[2], rows, uint64(y))
	return tensor.RS(bmul(b64(w), m), s)
}

// live is 1 for a row that has an id and is among the first p1, else 0.
func live(e *env, j uint64) *big.Int {
	size := max(e.p(0), 1)
	if e.one(e.d.Src[0], tensor.I32, size, min(j, size-1)) >= 0 && j < e.p(1) {
		return b64(1)
	}
	return new(big.Int)
}

// rowScore is the scaled product of a head of a query row with the same head of a key row that lives.
func rowScore(e *env, i uint64) *big.Int {
	shape, hd := e.d.Shape(e.c), max(e.p(0), 1)
	keys, heads, queries := shape[2], shape[1], shape[0]
	j, h, r := i%keys, i/keys%heads, i/keys/heads
	from := (r*heads + h) * hd
	q := e.read(e.d.Src[0], tensor.I16, LeafBytes, queries*heads*hd, from, from+hd)
	from = (j*heads + h) * hd
	k := e.read(e.d.Src[1], tensor.I16, LeafBytes, keys*heads*hd, from, from+hd)
	if e.one(e.d.Src[2], tensor.I32, keys, j) == 0 || e.err != nil {
		return b64(Absent)
	}
	dot := int64(0) // |dot| <= 2^13 * 2^30, for a read has at most 2^13 elements
	for n := range q {
		dot += q[n] * k[n]
	}
	return tensor.RS(bmul(b64(dot), e.d.P[2]), e.d.P[3])
}

// rowMix is the sum over a chunk of rows of their weight for a query row and head times their value.
func rowMix(e *env, i uint64) *big.Int {
	shape, hd, n := e.d.Shape(e.c), max(e.p(0), 1), max(e.p(1), 1)
	c, col, r := i%shape[2], i/shape[2]%shape[1], i/shape[2]/shape[1]
	heads := (shape[1] + hd - 1) / hd
	lo := min(c*mixChunk, n-1)
	hi := min(lo+mixChunk, n)
	from := (r*heads + col/hd) * n
	p := e.read(e.d.Src[0], tensor.I32, LeafBytes, shape[0]*heads*n, from+lo, from+hi)
	v := e.read(e.d.Src[1], tensor.I16, LeafBytes, shape[1]*n, col*n+lo, col*n+hi)
	sum := int64(0) // |sum| <= 128 * 2^31 * 2^15
	for k := range min(len(p), len(v)) {
		sum += p[k] * v[k]
	}
	return b64(sum)
}

// turn is the transposed copy of rows; those that do not live are zero.
func turn(e *env, i uint64) *big.Int {
	shape := e.d.Shape(e.c)
	rows, n := shape[2], shape[2]*shape[1]*shape[0]
	x := e.one(e.d.Src[0], tensor.I32, n, i%rows*(n/rows)+i/rows)
	if e.one(e.d.Src[1], tensor.I32, rows, i%rows) == 0 {
		return new(big.Int)
	}
	return b64(x)
}

// rowCenter takes the mean of its row away, of which the sum is given.
func rowCenter(e *env, j uint64) *big.Int {
	n, d := e.d.Count(e.c), max(e.p(1), 1)
	x := e.one(e.d.Src[0], tensor.I32, n, j)
	sum := e.one(e.d.Src[1], tensor.I64, (n+d-1)/d, j/d)
	return new(big.Int).Sub(b64(x), tensor.Div(b64(sum), b64(int64(d))))
}

// rowSquares is a chunk of the sum of squares of a row, each without the bits that its largest element
// has beyond 24.
func rowSquares(e *env, i uint64) *big.Int {
	shape, d, f := e.d.Shape(e.c), max(e.p(0), 1), max(e.p(1), 1)
	rows := shape[0] * shape[1]
	c, r := i%shape[2], i/shape[2]
	lo := min(c*f, d-1)
	x := e.read(e.d.Src[0], tensor.I32, LeafBytes, rows*d, r*d+lo, r*d+min(lo+f, d))
	s := tensor.NormShift(e.one(e.d.Src[1], tensor.I64, rows, r))
	sum := new(big.Int)
	for _, v := range x {
		q := b64(v >> s)
		sum.Add(sum, q.Mul(q, q))
	}
	return sum
}

// rowInv is norm_inv of each row.
func rowInv(e *env, i uint64) *big.Int {
	rows := max(e.d.Count(e.c)/2, 1)
	r := min(i/2, rows-1)
	sum := e.one(e.d.Src[0], tensor.I64, rows, r)
	s := tensor.NormShift(e.one(e.d.Src[1], tensor.I64, rows, r))
	if i%2 == 1 {
		return b64(int64(s))
	}
	root := new(big.Int).Add(b64(sum), b64(e.d.P[1]>>min(2*s, tensor.MaxShift)))
	if root.Sign() <= 0 {
		return new(big.Int)
	}
	return new(big.Int).Div(b64(e.d.P[0]), root.Sqrt(root)) // Euclidean equals floor for a positive divisor
}

// rowNorm is norm_apply of each row, with gain and offset by column.
func rowNorm(e *env, j uint64) *big.Int {
	n, d := e.d.Count(e.c), max(e.p(2), 1)
	rows := (n + d - 1) / d
	x := e.one(e.d.Src[0], tensor.I32, n, j)
	inv := e.read(e.d.Src[1], tensor.I64, LeafBytes, 2*rows, j/d*2, j/d*2+2)
	gamma := e.one(e.d.Src[2], tensor.I32, d, j%d)
	beta := e.one(e.d.Src[3], tensor.I32, d, j%d)
	z := tensor.RS(bmul(b64(x), inv[0]), satShift(e.d.P[0], inv[1]))
	z = tensor.RS(bmul(z, gamma), e.d.P[1])
	return z.Add(z, b64(beta))
}

// rowAdd adds one row to all.
func rowAdd(e *env, j uint64) *big.Int {
	d := max(e.p(1), 1)
	x := e.one(e.d.Src[0], tensor.I32, e.d.Count(e.c), j)
	return b64(x + e.one(e.d.Src[1], tensor.I32, d, j%d))
}
