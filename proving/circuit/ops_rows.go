package circuit

import (
	"math"
	"math/big"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Circuits of experts, and of the rows of a whole text.

func (e *env) order(j uint64) Num {
	n := e.count()
	x := e.reads(e.src(0), tensor.I32, leafBytes, n, 0, n)
	before := []Num{}
	for l, v := range x {
		switch {
		case uint64(l) < j: // an equal one stands before, too
			before = append(before, e.flag(e.atLeast(v, x[j])))
		case uint64(l) > j:
			before = append(before, e.flag(e.not(e.atLeast(x[j], v))))
		}
	}
	return e.add(e.lit(0), before...)
}

// slot counts the elements before the first that is i; none at all is 0.
func (e *env) slot(i uint64) Num {
	n := max(e.p(0), 1)
	var on bit = 1
	walk := []Num{}
	for _, v := range e.reads(e.src(0), tensor.I32, leafBytes, n, 0, n) {
		on = e.and(on, e.not(e.equal(v, e.lit(int64(min(i, math.MaxInt64))))))
		walk = append(walk, e.flag(on))
	}
	return e.pick(on, e.lit(0), e.add(e.lit(0), walk...))
}

func (e *env) gather(i uint64) Num {
	n := max(e.p(0), 1)
	at := e.held(e.one(e.src(1), tensor.I32, e.count(), i), n)
	return e.one(e.src(0), tensor.I32, n, at)
}

func (e *env) share(j uint64) Num {
	n, g := e.count(), max(e.p(2), 1)
	x := e.one(e.src(0), e.dtype(4), n, j)
	v := e.div(e.mul64(x, e.d.P[1]), e.one(e.src(1), tensor.I64, (n+g-1)/g, j/g))
	limit := pow(uint(min(e.p(3), tensor.MaxShift)))
	return e.clamp(v, new(big.Int).Neg(limit), limit)
}

// block is the block of row r, 0 where no tensor names blocks.
func (e *env) block(rows, r uint64) uint64 {
	if e.src(2).Kind == opset.None {
		return 0
	}
	return e.held(e.one(e.src(2), tensor.I32, rows, r), max(e.p(2), 1))
}

func (e *env) rowMatMul(i uint64) Num {
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
	x := e.reads(e.src(0), tensor.I16, leafBytes, rows*k, row*k+lo, row*k+hi)
	at := ((b*shape[1]+n)*shape[2] + c) * ch
	return e.dot(x, e.reads(e.src(1), tensor.I8, int(ch), blocks*shape[1]*shape[2]*ch, at, at+(hi-lo)))
}

func (e *env) rowResult(j uint64) Num {
	cols, width, total := max(e.p(0), 1), max(e.p(1), 1), e.count()
	rows := max(total/width, 1)
	r, n := j/width, j%width
	if e.d.P[3] == 1 {
		r, n = j%rows, j/rows
	}
	b, at := e.block(rows, r), r*width+n
	x := e.reads(e.src(0), tensor.I64, leafBytes, total*cols, at*cols, (at+1)*cols)
	m, exp := e.scales(e.src(1), max(e.p(2), 1)*width, b*width+n)
	if e.src(3).Kind != opset.None {
		if e.d.P[4] == 1 {
			r, rows = 0, 1
		}
		exp = e.less(exp, e.one(e.src(3), tensor.I64, rows, r))
	}
	return e.rsBy(e.mul(e.add(x[0], x[1:]...), m), exp)
}

func (e *env) rowQuant(j uint64) Num {
	n, g := e.count(), max(e.p(1), 1)
	x := e.one(e.src(0), tensor.I32, n, j)
	return e.rsBy(x, e.one(e.src(1), tensor.I64, (n+g-1)/g, j/g))
}

func (e *env) combine(j uint64) Num {
	n, k := e.count(), max(e.p(1), 1)
	x := e.reads(e.src(0), tensor.I32, leafBytes, n*k, j*k, (j+1)*k)
	return e.rs(e.dot(x, e.reads(e.src(1), tensor.I32, leafBytes, k, 0, k)), e.d.P[2])
}

func (e *env) embedRows(i uint64) Num {
	d, rows, size := e.d.Shape(e.c)[2], max(e.p(0), 1), max(e.p(4), 1)
	r, j := i/d, i%d
	v := e.one(e.src(0), tensor.I32, size, min(min(e.p(3), size-1)+r, size-1))
	y := e.fixed(e.known(v, rows))
	padded := e.p(1)
	from := y*padded + j
	w := e.reads(e.src(1), tensor.I8, int(e.p(2)), rows*padded, from, from+1)[0]
	m, s := e.scales(e.src(2), rows, y)
	return e.rsBy(e.mul(w, m), s)
}

func (e *env) live(j uint64) Num {
	size := max(e.p(0), 1)
	x := e.one(e.src(0), tensor.I32, size, min(j, size-1))
	if j >= e.p(1) {
		return e.lit(0)
	}
	return e.flag(e.notNegative(x))
}

func (e *env) rowScore(i uint64) Num {
	shape, hd := e.d.Shape(e.c), max(e.p(0), 1)
	keys, heads, queries := shape[2], shape[1], shape[0]
	j, h, r := i%keys, i/keys%heads, i/keys/heads
	from := (r*heads + h) * hd
	q := e.reads(e.src(0), tensor.I16, leafBytes, queries*heads*hd, from, from+hd)
	from = (j*heads + h) * hd
	k := e.reads(e.src(1), tensor.I16, leafBytes, keys*heads*hd, from, from+hd)
	absent := e.equal(e.one(e.src(2), tensor.I32, keys, j), e.lit(0))
	return e.pick(absent, e.lit(opset.Absent), e.rs(e.mul64(e.dot(q, k), e.d.P[2]), e.d.P[3]))
}

func (e *env) rowMix(i uint64) Num {
	shape, hd, n := e.d.Shape(e.c), max(e.p(0), 1), max(e.p(1), 1)
	c, col, r := i%shape[2], i/shape[2]%shape[1], i/shape[2]/shape[1]
	heads := (shape[1] + hd - 1) / hd
	lo := min(c*mixChunk, n-1)
	hi := min(lo+mixChunk, n)
	from := (r*heads + col/hd) * n
	p := e.reads(e.src(0), tensor.I32, leafBytes, shape[0]*heads*n, from+lo, from+hi)
	return e.dot(p, e.reads(e.src(1), tensor.I16, leafBytes, shape[1]*n, col*n+lo, col*n+hi))
}

func (e *env) turn(i uint64) Num {
	shape := e.d.Shape(e.c)
	rows, n := shape[2], shape[2]*shape[1]*shape[0]
	x := e.one(e.src(0), tensor.I32, n, i%rows*(n/rows)+i/rows)
	return e.pick(e.equal(e.one(e.src(1), tensor.I32, rows, i%rows), e.lit(0)), e.lit(0), x)
}

func (e *env) rowCenter(j uint64) Num {
	n, d := e.count(), max(e.p(1), 1)
	x := e.one(e.src(0), tensor.I32, n, j)
	return e.sub(x, e.div(e.one(e.src(1), tensor.I64, (n+d-1)/d, j/d), e.lit(int64(d))))
}

func (e *env) center(j uint64) Num {
	x := e.one(e.src(0), tensor.I32, e.count(), j)
	return e.sub(x, e.div(e.one(e.src(1), tensor.I64, 1, 0), e.lit(int64(e.p(0)))))
}

func (e *env) rowSquares(i uint64) Num {
	shape, d, f := e.d.Shape(e.c), max(e.p(0), 1), max(e.p(1), 1)
	rows := shape[0] * shape[1]
	c, r := i%shape[2], i/shape[2]
	lo := min(c*f, d-1)
	x := e.reads(e.src(0), tensor.I32, leafBytes, rows*d, r*d+lo, r*d+min(lo+f, d))
	return e.squares(x, e.one(e.src(1), tensor.I64, rows, r), tensor.I32)
}

func (e *env) rowInv(i uint64) Num {
	rows := max(e.count()/2, 1)
	r := min(i/2, rows-1)
	sum := e.one(e.src(0), tensor.I64, rows, r)
	s, _, rest := e.normShift(e.one(e.src(1), tensor.I64, rows, r), e.d.P[1], 0)
	if i%2 == 1 {
		return s
	}
	return e.norm(e.add(sum, rest), e.d.P[0])
}

func (e *env) rowNorm(j uint64) Num {
	n, d := e.count(), max(e.p(2), 1)
	rows := (n + d - 1) / d
	x := e.one(e.src(0), tensor.I32, n, j)
	inv := e.reads(e.src(1), tensor.I64, leafBytes, 2*rows, j/d*2, j/d*2+2)
	gamma := e.one(e.src(2), tensor.I32, d, j%d)
	beta := e.one(e.src(3), tensor.I32, d, j%d)
	z := e.rsBy(e.mul(x, inv[0]), e.satShift(e.d.P[0], inv[1]))
	return e.add(e.rs(e.mul(z, gamma), e.d.P[1]), beta)
}

func (e *env) rowAdd(j uint64) Num {
	d := max(e.p(1), 1)
	x := e.one(e.src(0), tensor.I32, e.count(), j)
	return e.add(x, e.one(e.src(1), tensor.I32, d, j%d))
}
