package kernel

func partsAVX2() parts {
	steps := exp2Steps()
	return parts{
		score: func(dst []int64, q, k []int16, stride int) int64 {
			blocks := len(q) / 16
			scoreAVX2(&dst[0], &q[0], &k[0], 2*stride, blocks, len(dst)/4)
			return int64(blocks) * 8 * pairOffset
		},
		digits: func(dst *[3 * 64]int64, p *[mixChunk]int32) { digitsAVX2(&dst[0], &p[0], mixChunk/8) },
		mix: func(dst *[16]int64, d *[3 * 64]int64, v []int16, stride, n int) {
			mixAVX2(&dst[0], &d[0], &v[0], 2*stride, n)
		},
		exp2: func(dst, x []int32, low, top int32, s int) {
			exp2AVX2(&dst[0], &x[0], &steps[0], low, top, s, len(x)/8)
		},
		maxAbs:  func(x []int32) uint32 { return maxAbsAVX2(&x[0], len(x)/8) },
		max:     func(x []int32) int32 { return maxAVX2(&x[0], len(x)/8) },
		sum:     func(x []int32) int64 { return sumAVX2(&x[0], len(x)/8) },
		squares: func(x []int32, s uint) int64 { return squaresAVX2(&x[0], int(s), len(x)/8) },
	}
}

func partsAVX512() parts {
	p, pairs := partsAVX2(), exp2Pairs()
	p.scale = func(dst []int32, x []int64, offset, mult, s int64) {
		scaleAVX512(&dst[0], &x[0], offset, mult, s, len(x)/8)
	}
	p.add = func(dst, x, a []int32) { addAVX512(&dst[0], &x[0], &a[0], len(dst)/8) }
	p.quant = func(dst []int16, x []int32, s int64) { quantAVX512(&dst[0], &x[0], int(s), len(x)/8) }
	p.norm = func(dst []int16, x []int32, inv, shift int64, gamma []int32, gs int64) {
		var c *int32
		if gamma != nil {
			c = &gamma[0]
		}
		normAVX512(&dst[0], &x[0], inv, shift, c, gs, len(x)/8)
	}
	p.rope = func(dst []int16, x, angle []int32, halves bool, s int64) {
		if halves {
			ropeHalvesAVX512(&dst[0], &x[0], &angle[0], len(x)/2, int(s), len(x)/16)
			return
		}
		ropePairsAVX512(&dst[0], &x[0], &angle[0], int(s), len(x)/16)
	}
	p.div = func(dst []int16, x []int64, b int64) { divAVX512(&dst[0], &x[0], b, len(x)/8) }
	p.silu = func(dst, gate, u []int32, q, s int64) {
		siluAVX512(&dst[0], &gate[0], &u[0], &pairs[0], int(q), int(s), len(dst)/8)
	}
	p.attend = attendAVX512()
	return p
}

// pairOffset makes the sum of two products of int16 unsigned: 2^31 - 2^16.
const pairOffset = 1<<31 - 1<<16

//go:noescape
func scoreAVX2(dst *int64, q, k *int16, stride, blocks, quads int)

//go:noescape
func digitsAVX2(dst *int64, p *int32, n int)

//go:noescape
func mixAVX2(dst, digits *int64, v *int16, stride, pairs int)

//go:noescape
func exp2AVX2(dst, x, table *int32, low, top int32, s, n int)

//go:noescape
func maxAbsAVX2(x *int32, n int) uint32

//go:noescape
func maxAVX2(x *int32, n int) int32

//go:noescape
func sumAVX2(x *int32, n int) int64

//go:noescape
func squaresAVX2(x *int32, s, n int) int64

//go:noescape
func scaleAVX512(dst *int32, x *int64, offset, mult, s int64, n int)

//go:noescape
func addAVX512(dst, x, a *int32, n int)

//go:noescape
func quantAVX512(dst *int16, x *int32, s, n int)

//go:noescape
func normAVX512(dst *int16, x *int32, inv, s int64, gamma *int32, gs int64, n int)

//go:noescape
func ropePairsAVX512(dst *int16, x, angle *int32, s, n int)

//go:noescape
func ropeHalvesAVX512(dst *int16, x, angle *int32, half, s, n int)

//go:noescape
func divAVX512(dst *int16, x *int64, b int64, n int)

//go:noescape
func siluAVX512(dst, gate, u *int32, table *int64, q, s, n int)
