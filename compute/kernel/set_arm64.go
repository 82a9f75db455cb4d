package kernel

// Sets are the families of this build, the fastest first: sdot needs dot products of bytes (FEAT_DotProd).
func Sets() []Set { return []Set{sdot(), neon(), {}} }

func sdot() Set {
	return Set{name: "sdot", tile: vectorTile, dot: dotSDOT, run: runSDOT, widen: widenSDOT,
		finish32: finish32, finish16: finish16, parts: partsNEON()}
}

func neon() Set {
	return Set{name: "neon", tile: vectorTile, dot: dotNEON, run: runNEON, widen: func(dst, x []int16) { copy(dst, x) },
		finish32: finish32, finish16: finish16, parts: partsNEON()}
}

// dotSDOT splits activations in two signed bytes, x = 256 h + l + 2^7: see dot1SDOT.
func dotSDOT(dst []int64, w []int8, sum []int32, x []int16, stride, m int) {
	for i := range m {
		dot1SDOT(&dst[i*Block], &w[0], &x[i*stride], len(w)/(4*Block), &sum[0])
	}
}

// neonGroups bounds the groups of 4 columns of one call of dot1NEON.
const neonGroups = 256

// dotNEON widens weights to 16 bits and empties the lanes every 1,024 columns.
func dotNEON(dst []int64, w []int8, _ []int32, x []int16, stride, m int) {
	clear(dst[:m*Block])
	groups := len(w) / (4 * Block)
	for i := range m {
		for g := 0; g < groups; g += neonGroups {
			n, at := min(neonGroups, groups-g), g*4*Block
			dot1NEON(&dst[i*Block], &w[at], &x[i*stride+4*g], n)
			dot1NEON(&dst[i*Block+Block/2], &w[at+2*Block], &x[i*stride+4*g], n)
		}
	}
}

// blocks is a kernel of block-scaled weights for 16 rows: w is where their codes begin, half how far
// behind the codes their mantissas are.
type blocks func(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)

// runSDOT begins rows with what 2^7, which low bytes lack, takes from them: base is -2^15 times the sum
// of mantissa times code.
func runSDOT(dst []int64, p *Packed, b int, x []int16, stride, m int) {
	base := p.base[b*Block:][:Block]
	for i := range m {
		for r := range Block {
			dst[i*Block+r] = -(base[baseOf(r)] >> 8)
		}
	}
	p.each(dst, b, x, stride, m, [3]blocks{blockSDOT, lowSDOT, highSDOT})
}

// runNEON adds products of 16 bits: at most 2^22 in each column of a group, 2^25 in a lane of a block.
func runNEON(dst []int64, p *Packed, b int, x []int16, stride, m int) {
	clear(dst[:m*Block])
	p.each(dst, b, x, stride, m, [3]blocks{blockNEON, lowNEON, highNEON})
}

// each adds block b to the rows of m tokens: by the kernel of bytes, or by those of low and high halves.
func (p *Packed) each(dst []int64, b int, x []int16, stride, m int, do [3]blocks) {
	w, offsets := p.run(b), 0
	if p.layout.Least {
		offsets = 1
	}
	for i := range m {
		x, sums := &x[i*stride], &x[i*stride+p.sums()]
		for half := range 2 {
			d, at := &dst[i*Block+half*Block/2], half*2*Block
			if p.layout.Bits == 4 {
				do[1+half](d, &w[0], at, x, sums, p.perRow(), p.layout.Len/16, offsets)
				continue
			}
			do[0](d, &w[at], 0, x, sums, p.perRow(), p.layout.Len/16, offsets)
		}
	}
}

func widenSDOT(dst, x []int16) { widen32SDOT(&dst[0], &x[0], len(x)/32) }

//go:noescape
func dot1SDOT(dst *int64, w *int8, x *int16, groups int, sum *int32)

// dot1NEON adds 16 rows to dst; w has 128 bytes for each group, of which it takes 64.
//
//go:noescape
func dot1NEON(dst *int64, w *int8, x *int16, groups int)

// widen32SDOT brings n times 32 activations into groups of 4 high bytes and 4 low ones less 2^7.
//
//go:noescape
func widen32SDOT(dst, x *int16, n int)

//go:noescape
func blockSDOT(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)

//go:noescape
func lowSDOT(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)

//go:noescape
func highSDOT(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)

//go:noescape
func blockNEON(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)

//go:noescape
func lowNEON(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)

//go:noescape
func highNEON(dst *int64, w *int8, half int, x, sums *int16, blocks, parts, offsets int)
