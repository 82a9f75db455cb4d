package kernel

import "elenchus/compute/tensor"

// Sets are the families of this build, the fastest first.
func Sets() []Set { return []Set{amx(), avx512(), avx2(), {}} }

func avx512() Set {
	return Set{name: "avx512", tile: vectorTile, dot: dotAVX512, run: runAVX512, widen: widenAVX512,
		finish32: finish32AVX512, finish16: finish16AVX512, finish: finishAVX512, parts: partsAVX512()}
}

func avx2() Set {
	return Set{name: "avx2", tile: 2, dot: dotAVX2, run: runAVX2, widen: func(dst, x []int16) { copy(dst, x) }, parts: partsAVX2()}
}

// dotAVX512 splits activations, as unsigned x + 2^15, in two unsigned bytes: two products by
// VPDPBUSD, whose sums over at most 2^16 columns stay below 2^31, then
// 256 * high + low - 2^15 * (sum of the weights).
func dotAVX512(dst []int64, w []int8, sum []int32, x []int16, stride, m int) {
	groups := len(w) / (4 * Block)
	for at := 0; at < m; {
		d, y := &dst[at*Block], &x[at*stride]
		switch n := m - at; {
		case n >= 6:
			dot6AVX512(d, &w[0], y, 2*stride, groups, &sum[0])
			at += 6
		case n >= 4:
			dot4AVX512(d, &w[0], y, 2*stride, groups, &sum[0])
			at += 4
		case n >= 2:
			dot2AVX512(d, &w[0], y, 2*stride, groups, &sum[0])
			at += 2
		default:
			dot1AVX512(d, &w[0], y, groups, &sum[0])
			at++
		}
	}
}

// avx2Groups bounds the groups of 4 columns of one call: a lane adds 2 products of at most 2^22 for
// each, 2^30 for 128.
const avx2Groups = 128

// dotAVX2 widens weights to 16 bits for VPMADDWD and empties the lanes every 512 columns.
func dotAVX2(dst []int64, w []int8, _ []int32, x []int16, stride, m int) {
	clear(dst[:m*Block])
	groups := len(w) / (4 * Block)
	for g := 0; g < groups; g += avx2Groups {
		n, at := min(avx2Groups, groups-g), g*4*Block
		if m == 1 {
			dot1AVX2(&dst[0], &w[at], &x[4*g], n)
			continue
		}
		dot2AVX2(&dst[0], &w[at], &x[4*g], 2*stride, n)
		dot2AVX2(&dst[16], &w[at+64], &x[4*g], 2*stride, n)
	}
}

func widenAVX512(dst, x []int16) { widen32AVX512(&dst[0], &x[0], len(x)/32) }

func finish32AVX512(dst []int32, sum []int64, mant, exp []int32, s int64) {
	scale32AVX512(&dst[0], &sum[0], &mant[0], &exp[0], s, len(dst)/8)
}

func finish16AVX512(dst []int16, sum []int64, mant, exp []int32, s int64) {
	scale16AVX512(&dst[0], &sum[0], &mant[0], &exp[0], s, len(dst)/8)
}

// finishAVX512 writes rows at.. of a whole block.
func finishAVX512(dst []*tensor.Tensor, at int, sum []int64, mant, exp []int32, shift []int64) {
	if dst[0].Type == tensor.I16 {
		var to [tile]*int16
		for i, d := range dst {
			to[i] = &d.I16[at : at+Block][0]
		}
		block16AVX512(&to[0], &sum[0], &mant[0], &exp[0], &shift[0], len(dst))
		return
	}
	var to [tile]*int32
	for i, d := range dst {
		to[i] = &d.I32[at : at+Block][0]
	}
	block32AVX512(&to[0], &sum[0], &mant[0], &exp[0], &shift[0], len(dst))
}

// The block dot products: dst [m][32], w [groups][32][4], x [m] rows stride bytes apart.

//go:noescape
func dot1AVX512(dst *int64, w *int8, x *int16, groups int, sum *int32)

//go:noescape
func dot2AVX512(dst *int64, w *int8, x *int16, stride, groups int, sum *int32)

//go:noescape
func dot4AVX512(dst *int64, w *int8, x *int16, stride, groups int, sum *int32)

//go:noescape
func dot6AVX512(dst *int64, w *int8, x *int16, stride, groups int, sum *int32)

// The dot products of a block, or of half of one for two tokens, are added to dst [m][32]; w has 128
// bytes for each group.

//go:noescape
func dot1AVX2(dst *int64, w *int8, x *int16, groups int)

//go:noescape
func dot2AVX2(dst *int64, w *int8, x *int16, stride, groups int)

// widen32AVX512 brings n times 32 activations into groups of 4 high and 4 low bytes, offset by 2^15.
//
//go:noescape
func widen32AVX512(dst, x *int16, n int)

// scale32AVX512 writes n times 8 rows: rs(sum * mant, exp - s), saturated.
//
//go:noescape
func scale32AVX512(dst *int32, sum *int64, mant, exp *int32, s int64, n int)

//go:noescape
func scale16AVX512(dst *int16, sum *int64, mant, exp *int32, s int64, n int)

// block32AVX512 writes the 32 rows of a block of m tokens: rs(sum * mant, exp - shift), saturated.
//
//go:noescape
func block32AVX512(dst **int32, sum *int64, mant, exp *int32, shift *int64, m int)

//go:noescape
func block16AVX512(dst **int16, sum *int64, mant, exp *int32, shift *int64, m int)
