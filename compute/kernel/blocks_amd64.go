package kernel

// flagOf is 1 for true.
func flagOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

// runAVX512 multiplies as dotAVX512 does; a row begins with what the offset 2^15 of activations adds
// to it, negated. The dot product of a block of 32 columns is below 2^16 * 2^7 * 2^5 = 2^28.
func runAVX512(dst []int64, p *Packed, b int, x []int16, stride, m int) {
	one, three := block1AVX512, block3AVX512
	if p.layout.Bits == 4 {
		one, three = nibble1AVX512, nibble3AVX512
	}
	w, base, sums := &p.run(b)[0], &p.base[b*Block], p.sums()
	for at := 0; at < m; {
		do, n := one, 1
		if m-at >= 3 {
			do, n = three, 3
		}
		do(&dst[at*Block], w, base, &x[at*stride], &x[at*stride+sums], 2*stride, p.perRow(), p.layout.Len/16, flagOf(p.layout.Least))
		at += n
	}
}

// runAVX2 adds products of 16 bits: at most 2^26 in a lane of a block of 32 columns.
func runAVX2(dst []int64, p *Packed, b int, x []int16, stride, m int) {
	clear(dst[:m*Block])
	do := [2]func(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int){block1AVX2, block2AVX2}
	if p.layout.Bits == 4 {
		do[0], do[1] = nibble1AVX2, nibble2AVX2
	}
	for half := range m { // one token takes all rows at once
		do[m-1](&dst[half*16], &p.run(b)[0], half*64, &x[0], &x[p.sums()], 2*stride, p.perRow(), p.layout.Len/16, flagOf(p.layout.Least))
	}
}

//go:noescape
func block1AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)

//go:noescape
func block3AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)

//go:noescape
func nibble1AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)

//go:noescape
func nibble3AVX512(dst *int64, w *int8, base *int64, x *int16, sums *int16, stride, blocks, parts, offsets int)

// half is 0 for the first 16 rows of a block and 64 for the others, and 0 for one token, which takes
// all; sums are added to dst.

//go:noescape
func block1AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)

//go:noescape
func block2AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)

//go:noescape
func nibble1AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)

//go:noescape
func nibble2AVX2(dst *int64, w *int8, half int, x *int16, sums *int16, stride, blocks, parts, offsets int)
