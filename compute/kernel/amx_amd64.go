package kernel

// amxLeast is the number of tokens from which on matrix units are worth their setting up: the products
// of 64 columns take as long as those of 2 tokens by VPDPBUSD, sums are loaded and stored beside. Those of
// a block of 32 columns take as long as those of 4, and are stored and read at each block.
const (
	amxLeast       = 4
	amxLeastBlocks = 8
)

// amx is avx512 with matrix units for products of several tokens: two more sets, since activations lie
// in another order for each.
func amx() Set {
	s, m, b := avx512(), avx512(), avx512()
	m.name, m.tile, m.unit, m.dot, m.widen = "amx", tile, 64, dotAMX, widenAMX
	b.name, b.tile, b.run, b.widen = "amx", tile, runAMX, widenBlocksAMX
	s.name, s.many, s.least = "amx", &m, amxLeast
	s.manyBlocks, s.leastBlocks = &b, amxLeastBlocks
	return s
}

// dotAMX splits activations as dotAVX512 does, with the same bounds: TDPBUSD adds four products of
// an unsigned and a signed byte to each 32-bit sum. What is left of the columns after steps of 64, a
// multiple of 16, takes tiles of fewer columns and begins with the sums of the others.
func dotAMX(dst []int64, w []int8, sum []int32, x []int16, stride, m int) {
	var sums [4 * 16 * 16]int32
	groups := len(w) / (4 * Block)
	if steps := groups / 16; steps > 0 {
		config := tilesOf(m, 16)
		tilesAMX(&sums[0], &config[0], &w[0], &x[0], 2*stride, steps)
	}
	if left := groups % 16; left > 0 {
		at, config := groups-left, tilesOf(m, left)
		tilesAMX(&sums[0], &config[0], &w[at*4*Block], &x[at*4], 2*stride, 1)
	}
	joinAMX(&dst[0], &sums[0], &sum[0], m)
}

// tilesOf is the configuration for m tokens and so many groups of 4 columns: palette 1, bytes of a row
// of tile i at 16+2i, rows at 48+i.
func tilesOf(m, groups int) (c [64]uint8) {
	c[0] = 1
	for i := range 4 { // sums: a row for each token, 16 int32
		c[16+2*i], c[48+i] = 64, uint8(m)
	}
	for i := 4; i < 6; i++ { // weights: a row for each group, 4 columns of 16 rows
		c[16+2*i], c[48+i] = 64, uint8(groups)
	}
	for i := 6; i < 8; i++ { // activations
		c[16+2*i], c[48+i] = uint8(4*groups), uint8(m)
	}
	return c
}

func widenAMX(dst, x []int16) { planesAMX(&dst[0], &x[0], len(x)/64) }

// tilesAMX adds steps of products to sums [4][16][16]: of rows 0..15 with high bytes, with low bytes, of
// rows 16..31 with high bytes, with low bytes; a row of 16 for each token, stride bytes apart in x.
//
//go:noescape
func tilesAMX(sums *int32, config *uint8, w *int8, x *int16, stride, steps int)

// joinAMX writes the row sums of m tokens.
//
//go:noescape
func joinAMX(dst *int64, sums, sum *int32, m int)

// planesAMX brings n times 64 activations into 64 high and 64 low bytes, offset by 2^15.
//
//go:noescape
func planesAMX(dst, x *int16, n int)
