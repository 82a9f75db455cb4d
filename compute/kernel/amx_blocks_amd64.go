package kernel

// unitRun is what blocksAMX works on, and its room: 16 tokens at most.
type unitRun struct {
	config [64]uint8
	room   unitRoom //lint:ignore U1000 used by assembly
	dst    *int64
	w      *int8 // codes of the next block of columns
	x      *int16
	extra  *int16 // sums of blocks of activations, nil if there are no offsets
	stride int    // bytes between tokens
	blocks int
	tokens int
	part   int // bytes of a block of columns
	bytes  int // of them, codes
	groups int // groups of 4 columns in a block
	step   int // bytes to the activations of the next block; the step behind it is step ^ flip
	flip   int
}

// unitRoom is scratch memory of blocksAMX alone.
//
//lint:ignore U1000 used by assembly
type unitRoom struct {
	sums  [2][4 * 16 * 16]int32 // of a block of columns and of the one before it, as tilesAMX has them
	codes [8 * 4 * Block]int8   // codes of 4 bits as bytes, 16 times as large: 8 groups of 4 columns of 32 rows
	both  uintptr               // the addresses of the two sums, added
}

// runAMX multiplies as runAVX512 does, with the same bounds: sums stay in tiles for one block of columns,
// whose dot product is below 2^28, 2^20 for each digit. Rows begin
// with their base, the even rows of each 16 before the odd ones, and are brought into order at the end.
func runAMX(dst []int64, p *Packed, b int, x []int16, stride, m int) {
	base := p.base[b*Block:][:Block]
	for i := range m {
		copy(dst[i*Block:][:Block], base)
	}
	r := unitRun{
		config: tilesOf(m, p.layout.Len/4), dst: &dst[0], w: &p.run(b)[0], x: &x[0], stride: 2 * stride,
		blocks: p.perRow(), tokens: m, part: p.partBytes(), bytes: p.codeBytes(), groups: p.layout.Len / 4, step: 64,
	}
	if p.layout.Len == 16 { // two blocks have 32 high bytes, then 32 low ones: 16, then 48 ahead
		r.step, r.flip = 16, 16^48
	}
	if p.layout.Least {
		r.extra = &x[p.sums()]
	}
	if p.layout.Bits == 4 {
		nibblesAMX(&r)
	} else {
		blocksAMX(&r)
	}
	orderAMX(&dst[0], m)
}

func widenBlocksAMX(dst, x []int16) { planes32AMX(&dst[0], &x[0], len(x)/32) }

// blocksAMX adds mantissa times dot product, and offset times sum, of all blocks of columns to rows.
//
//go:noescape
func blocksAMX(r *unitRun)

// nibblesAMX is blocksAMX for codes of 4 bits.
//
//go:noescape
func nibblesAMX(r *unitRun)

// orderAMX brings the even and the odd rows of each 16 of m tokens into their order.
//
//go:noescape
func orderAMX(dst *int64, m int)

// planes32AMX brings n times 32 activations into 32 high and 32 low bytes, offset by 2^15.
//
//go:noescape
func planes32AMX(dst, x *int16, n int)
