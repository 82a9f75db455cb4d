package kernel

import "elenchus/compute/tensor"

// Block is the number of rows that a packed matrix keeps together.
const Block = 32

// Packed is a matrix with its row scales in the order in which SIMD kernels read them: blocks of 32
// rows, in a block groups of 4 columns, in a group 4 weights of each row. So 64 bytes are 16 rows
// times 4 columns, which is one vector of 16 dot products and one tile row of matrix units. Rows
// are padded to 32, columns to 16, with zeros. It is immutable.
type Packed struct {
	N, K int
	w    []int8  // [blocks][groups][32][4]
	sum  []int32 // of the weights of each row, |sum| <= 2^23
	mant []int32 // of each row, |mant| < 2^24
	exp  []int32
	// Of block-scaled weights: the layout, and what the sums of rows begin with. Zero and nil in class R,
	// whose sum is nil in turn.
	layout tensor.Blocks
	base   []int64
	// Exponents of rows whose mantissa is not 0: with a shift s, rows need shifts least-s..most-s.
	least, most int64
}

// maxPackedK keeps a dot product of unsigned bytes and weights inside int32: 255 * 128 * 65536 < 2^31.
const maxPackedK = 1 << 16

// Room gives n bytes of zeros, 64-byte aligned where speed matters, that nobody else has. Nil is make.
type Room func(n int) []int8

func (r Room) take(n int) []int8 {
	if r == nil {
		return make([]int8, n)
	}
	return r(n)
}

// NewPacked makes room for n rows of k columns with their scales (int32 [n][2], mantissa and
// exponent); Fill brings the weights. It is nil for shapes that the kernels do not take.
func NewPacked(n, k int, scale []int32, room Room) *Packed {
	if n < 1 || k < 1 || k > maxPackedK || len(scale) != 2*n {
		return nil
	}
	p := &Packed{N: n, K: k}
	rows := p.Blocks() * Block
	p.w, p.sum = room.take(rows*p.width()), make([]int32, rows)
	p.setScales(scale)
	return p
}

// setScales keeps the scales of rows and finds the range of their exponents.
func (p *Packed) setScales(scale []int32) {
	rows := p.Blocks() * Block
	p.least, p.most = 1<<31-1, -1<<31
	p.mant, p.exp = make([]int32, rows), make([]int32, rows)
	for r := range p.N {
		p.mant[r], p.exp[r] = scale[2*r], scale[2*r+1]
		if p.mant[r] != 0 {
			p.least, p.most = min(p.least, int64(p.exp[r])), max(p.most, int64(p.exp[r]))
		}
	}
	for r := range rows {
		if p.mant[r] == 0 { // a row of zeros, whatever its shift: one that no other row lacks
			p.exp[r] = int32(p.most)
		}
	}
}

// Blocks is the number of blocks of 32 rows.
func (p *Packed) Blocks() int { return (p.N + Block - 1) / Block }

// Bytes is the memory that the matrix takes.
func (p *Packed) Bytes() int64 {
	return int64(len(p.w)) + 4*int64(len(p.sum)) + 8*int64(len(p.base)) + 8*int64(len(p.mant))
}

// Memory shows all that the matrix keeps, for who watches whether it stays; nobody may write to it.
func (p *Packed) Memory(see func(weights []int8, narrow []int32, wide []int64)) {
	see(p.w, p.sum, p.base)
	see(nil, p.mant, nil)
	see(nil, p.exp, nil)
}

// PackedBytes is what a matrix of n rows and k columns takes of a Room; the zero layout is class R.
func PackedBytes(n, k int, b tensor.Blocks) int64 {
	p := Packed{N: n, K: k, layout: b}
	size := Block * p.width()
	if b.Len > 0 {
		size = p.runBytes()
	}
	return int64(p.Blocks()) * int64(size)
}

// width is the number of columns with padding.
func (p *Packed) width() int { return (p.K + 15) / 16 * 16 }

// Fill packs blocks [lo, hi) from w, which is [N][padded] with the columns or the leaves of a row side
// by side.
func (p *Packed) Fill(w []int8, padded, lo, hi int) {
	if p.base != nil {
		p.fillBlocks(w, padded, lo, hi)
		return
	}
	width := p.width()
	for r := lo * Block; r < min(hi*Block, p.N); r++ {
		row := w[r*padded:][:p.K]
		out := p.w[r/Block*Block*width+r%Block*4:]
		sum := int32(0)
		for c, v := range row {
			out[c/4*4*Block+c%4] = v
			sum += int32(v)
		}
		p.sum[r] = sum
	}
}

// block is block b of the weights.
func (p *Packed) block(b int) []int8 { return p.w[b*Block*p.width():][:Block*p.width()] }

// Set is a family of kernels for one kind of processor. All give the same numbers; the zero value
// is the plain one. Who picks a set answers for the processor having it: the methods do not look.
type Set struct {
	name string
	// dot writes 32 row sums for each of m tokens, 1 <= m <= tile: dst [m][32], dst[i][row] = x[i] . w[row].
	dot func(dst []int64, w []int8, sum []int32, x []int16, stride, m int)
	// run is dot for block b of block-scaled weights.
	run  func(dst []int64, p *Packed, b int, x []int16, stride, m int)
	tile int // most tokens of one dot or run
	// widen brings a multiple of unit activations, 0: 32, into the order of dot.
	widen func(dst, x []int16)
	unit  int
	// many, if not nil, takes products of class R of least tokens or more, manyBlocks block-scaled ones of
	// leastBlocks tokens or more.
	many, manyBlocks   *Set
	least, leastBlocks int
	// finish scales sums to rows, shifts exp - s of 1..62; the length of dst is a multiple of 8.
	finish32 func(dst []int32, sum []int64, mant, exp []int32, s int64)
	finish16 func(dst []int16, sum []int64, mant, exp []int32, s int64)
	// finish, if not nil, does so for a whole block of rows of several tokens, at most tile; sum is [tokens][32].
	finish func(dst []*tensor.Tensor, at int, sum []int64, mant, exp []int32, shift []int64)
	parts
}

// tile is the largest number of tokens that a dot of any set takes at once, vectorTile that of those
// that hold all sums in vector registers.
const (
	tile       = 16
	vectorTile = 6
)

// For is the part of the set that multiplies m tokens by p: it must widen the tokens and multiply them.
func (s *Set) For(p *Packed, m int) *Set {
	switch {
	case p.base == nil && s.many != nil && m >= s.least:
		return s.many
	case p.base != nil && s.manyBlocks != nil && m >= s.leastBlocks:
		return s.manyBlocks
	}
	return s
}

// Name is the name of the set: generic, avx2, avx512, amx, neon, sdot.
func (s Set) Name() string {
	if s.name == "" {
		return "generic"
	}
	return s.name
}

// Plain says whether the set has no kernels of its own.
func (s Set) Plain() bool { return s.dot == nil }

// Stride is the number of int16 that an activation row takes in Widen's order: not a power of two, so
// that rows do not compete for places in the cache. Class R has room for columns padded to 64.
func (p *Packed) Stride() int {
	if p.layout.Least {
		return p.sums() + 2*p.perRow() + 32
	}
	return p.sums() + 32
}

// Widen brings activations x, K of them, into the order that Linear of the same set reads; dst has Stride.
func (s *Set) Widen(p *Packed, dst, x []int16) {
	if p.layout.Least {
		blockSums(dst[p.sums():], x, p.layout.Len)
	}
	unit := max(s.unit, 32)
	n := len(x) &^ (unit - 1)
	if n > 0 {
		s.widen(dst[:n], x[:n])
	}
	if n == len(x) {
		return
	}
	var last [64]int16
	copy(last[:], x[n:])
	s.widen(dst[n:n+unit], last[:unit])
}

// Linear writes the row results of blocks [lo, hi) for each token: what the product and Row give, with
// the activations x ([tokens][stride], by Widen) and the shifts s. dst[i] is an i32 or i16 tensor
// of N elements. SPEC 02 §4 ops 9, 10, 70 and 71.
func (s *Set) Linear(dst []*tensor.Tensor, p *Packed, x []int16, stride int, shift []int64, lo, hi int) {
	sums := make([]int64, min(s.tile, len(dst))*Block) // on the heap, for the kernels are values: no larger than needed
	whole := s.finish != nil && p.takes(shift)
	for b := lo; b < hi; b++ {
		rows := min(Block, p.N-b*Block)
		for t := 0; t < len(dst); {
			m := min(s.tile, len(dst)-t)
			if p.base != nil {
				s.run(sums, p, b, x[t*stride:], stride, m)
			} else {
				s.dot(sums, p.block(b), p.sum[b*Block:][:Block], x[t*stride:], stride, m)
			}
			if whole && rows == Block {
				s.finish(dst[t:t+m], b*Block, sums, p.mant[b*Block:][:Block], p.exp[b*Block:][:Block], shift[t:t+m])
			} else {
				for i := range m {
					s.rows(dst[t+i], p, sums[i*Block:][:rows], b*Block, shift[t+i])
				}
			}
			t += m
		}
	}
}

// takes says whether kernels scale all rows with each of the shifts.
func (p *Packed) takes(shift []int64) bool {
	for _, s := range shift {
		if p.least-s < 1 || p.most-s > tensor.MaxShift {
			return false
		}
	}
	return true
}

// rows writes rows at.. from their sums.
func (s *Set) rows(dst *tensor.Tensor, p *Packed, sum []int64, at int, shift int64) {
	n := 0
	if s.finish32 != nil && p.takes([]int64{shift}) {
		n = len(sum) &^ 7
		switch {
		case n == 0:
		case dst.Type == tensor.I32:
			s.finish32(dst.I32[at:at+n], sum[:n], p.mant[at:], p.exp[at:], shift)
		default:
			s.finish16(dst.I16[at:at+n], sum[:n], p.mant[at:], p.exp[at:], shift)
		}
	}
	for i := n; i < len(sum); i++ {
		dst.Set(at+i, tensor.Sat64(Shift(sum[i]*int64(p.mant[at+i]), int64(p.exp[at+i])-shift), dst.Type))
	}
}
