package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Operations of a mixture of experts: which experts, with which weights, and the products of those
// alone. A block is the matrix of one expert; where no tensor names blocks there is one, and the
// same operations multiply the rows of a matrix. SPEC 02 §4 ops 80 to 88.

// order is the number of elements that stand before element j: greater ones, and equal ones of a
// lower index.
func order(e *env, j uint64) *big.Int {
	n := e.d.Count(e.c)
	x := e.read(e.d.Src[0], tensor.I32, LeafBytes, n, 0, n)
	k := int64(0)
	if e.err != nil {
		return new(big.Int)
	}
	for l, v := range x {
		if v > x[j] || v == x[j] && uint64(l) < j {
			k++
		}
	}
	return b64(k)
}

// slot is the least index that holds i, 0 if none does.
func slot(e *env, i uint64) *big.Int {
	n := max(e.p(0), 1)
	for j, v := range e.read(e.d.Src[0], tensor.I32, LeafBytes, n, 0, n) {
		if v == int64(i) {
			return b64(int64(j))
		}
	}
	return new(big.Int)
}

// place reads element i of n indices and holds it inside [0, limit).
func (e *env) place(s Source, n, i, limit uint64) uint64 {
	v := e.one(s, tensor.I32, n, i)
	return min(uint64(max(v, 0)), max(limit, 1)-1)
}

func gather(e *env, i uint64) *big.Int {
	n := max(e.p(0), 1)
	at := e.place(e.d.Src[1], e.d.Count(e.c), i, n)
	return b64(e.one(e.d.Src[0], tensor.I32, n, at))
}

func share(e *env, j uint64) *big.Int {
	n, g := e.d.Count(e.c), max(e.p(2), 1)
	x := e.one(e.d.Src[0], e.dtype(4), n, j)
	v := tensor.Div(bmul(b64(x), e.d.P[1]), b64(e.one(e.d.Src[1], tensor.I64, (n+g-1)/g, j/g)))
	limit := new(big.Int).Lsh(b64(1), uint(min(e.p(3), tensor.MaxShift)))
	if v.CmpAbs(limit) > 0 {
		return limit.Mul(limit, b64(int64(v.Sign())))
	}
	return v
}

// block is the block of row r, 0 where no tensor names blocks.
func (e *env) block(rows, r uint64) uint64 {
	if e.d.Src[2].Kind == None {
		return 0
	}
	return e.place(e.d.Src[2], rows, r, max(e.p(2), 1))
}

func rowMatMul(e *env, i uint64) *big.Int {
	k, ch, blocks := e.p(0), max(e.p(1), 1), max(e.p(2), 1)
	shape := e.d.Shape(e.c)
	c, n, r := i%shape[2], i/shape[2]%shape[1], i/shape[2]/shape[1]
	b := e.block(shape[0], r)
	lo := min(c*ch, k-1)
	hi := min(lo+ch, k)
	row, rows := uint64(0), uint64(1)
	if e.d.P[3] == 1 {
		row, rows = r, shape[0]
	}
	x := e.read(e.d.Src[0], tensor.I16, LeafBytes, rows*k, row*k+lo, row*k+hi)
	at := ((b*shape[1]+n)*shape[2] + c) * ch
	w := e.read(e.d.Src[1], tensor.I8, int(ch), blocks*shape[1]*shape[2]*ch, at, at+(hi-lo))
	sum := int64(0) // |sum| <= 512 * 2^15 * 2^7 = 2^31
	for q := range x {
		sum += x[q] * w[q]
	}
	return b64(sum)
}

func rowResult(e *env, j uint64) *big.Int {
	cols, width, total := max(e.p(0), 1), max(e.p(1), 1), e.d.Count(e.c)
	rows := max(total/width, 1)
	r, n := j/width, j%width
	if e.d.P[3] == 1 {
		r, n = j%rows, j/rows
	}
	b, at := e.block(rows, r), r*width+n
	sum := new(big.Int)
	for _, v := range e.read(e.d.Src[0], tensor.I64, LeafBytes, total*cols, at*cols, (at+1)*cols) {
		sum.Add(sum, b64(v))
	}
	m, exp := e.rowScale(e.d.Src[1], max(e.p(2), 1)*width, b*width+n)
	if e.d.Src[3].Kind != None {
		if e.d.P[4] == 1 {
			r, rows = 0, 1
		}
		s := e.one(e.d.Src[3], tensor.I64, rows, r)
		exp = satShift(exp, -max(s, -(1<<63-1)))
	}
	return tensor.RS(bmul(sum, m), exp)
}

func rowScale(e *env, j uint64) *big.Int {
	return fitting(e.one(e.d.Src[0], tensor.I64, e.d.Count(e.c), j))
}

func rowQuant(e *env, j uint64) *big.Int {
	n, g := e.d.Count(e.c), max(e.p(1), 1)
	x := e.one(e.d.Src[0], tensor.I32, n, j)
	return tensor.RS(b64(x), e.one(e.d.Src[1], tensor.I64, (n+g-1)/g, j/g))
}

func combine(e *env, j uint64) *big.Int {
	n, k := e.d.Count(e.c), max(e.p(1), 1)
	x := e.read(e.d.Src[0], tensor.I32, LeafBytes, n*k, j*k, (j+1)*k)
	w := e.read(e.d.Src[1], tensor.I32, LeafBytes, k, 0, k)
	sum := new(big.Int)
	for i := range min(len(x), len(w)) {
		sum.Add(sum, bmul(b64(x[i]), w[i]))
	}
	return tensor.RS(sum, e.d.P[2])
}
