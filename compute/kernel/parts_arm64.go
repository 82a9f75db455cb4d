package kernel

import "elenchus/compute/tensor"

func partsNEON() parts {
	pairs := exp2Pairs()
	return parts{
		score: func(dst []int64, q, k []int16, stride int) int64 {
			scoreNEON(&dst[0], &q[0], &k[0], 2*stride, len(q)/16, len(dst))
			return 0
		},
		digits: func(dst *[3 * 64]int64, p *[mixChunk]int32) { // weights as they are, two side by side
			for i := range mixChunk / 2 {
				dst[i] = int64(uint32(p[2*i])) | int64(p[2*i+1])<<32
			}
		},
		mix: func(dst *[16]int64, d *[3 * 64]int64, v []int16, stride, pairs int) {
			mixNEON(&dst[0], &d[0], &v[0], 2*stride, 2*pairs)
		},
		maxAbs:  func(x []int32) uint32 { return maxAbsNEON(&x[0], len(x)/8) },
		max:     func(x []int32) int32 { return maxNEON(&x[0], len(x)/8) },
		sum:     func(x []int32) int64 { return sumNEON(&x[0], len(x)/8) },
		squares: func(x []int32, s uint) int64 { return squaresNEON(&x[0], int(s), len(x)/8) },
		add:     func(dst, x, a []int32) { addNEON(&dst[0], &x[0], &a[0], len(dst)/8) },
		quant:   func(dst []int16, x []int32, s int64) { quantNEON(&dst[0], &x[0], int(s), len(x)/8) },
		scale:   scale,
		norm:    norm,
		rope:    turn,
		exp2: func(dst, x []int32, low, top int32, s int) {
			exp2NEON(&dst[0], &x[0], &pairs[0], low, top, s, len(x)/4)
		},
		silu: func(dst, gate, u []int32, q, s int64) {
			siluNEON(&dst[0], &gate[0], &u[0], &pairs[0], int(q), int(s), len(dst)/4)
		},
	}
}

func finish32(dst []int32, sum []int64, mant, exp []int32, s int64) {
	finish32NEON(&dst[0], &sum[0], &mant[0], &exp[0], s, len(dst)/4)
}

func finish16(dst []int16, sum []int64, mant, exp []int32, s int64) {
	finish16NEON(&dst[0], &sum[0], &mant[0], &exp[0], s, len(dst)/4)
}

// scale takes multipliers of 32 bits, as models have; others go the plain way.
func scale(dst []int32, x []int64, offset, mult, s int64) {
	if mult == int64(int32(mult)) {
		scaleNEON(&dst[0], &x[0], offset, mult, s, len(dst)/4)
		return
	}
	for i, v := range x {
		dst[i] = int32(tensor.Sat64(Shift((v-offset)*mult, s), tensor.I32))
	}
}

// norm takes a reciprocal of 31 bits and what fits 32 bits before gamma; all else goes the plain way.
func norm(dst []int16, x []int32, inv, shift int64, gamma []int32, gs int64) {
	var c *int32
	if gamma != nil {
		c = &gamma[0]
	}
	if inv >= 0 && inv < 1<<31 && normNEON(&dst[0], &x[0], inv, shift, c, gs, len(dst)/4) == 0 {
		return
	}
	out := tensor.Tensor{Type: tensor.I16, Shape: [3]int{1, 1, len(dst)}, I16: dst}
	normFrom(&out, x, 0, [2]int64{inv}, shift, gamma, gs)
}

// turn is a head of RoPE.
func turn(dst []int16, x, angle []int32, halves bool, s int64) {
	if halves {
		ropeHalvesNEON(&dst[0], &x[0], &angle[0], len(x)/2, int(s), len(x)/8)
		return
	}
	ropePairsNEON(&dst[0], &x[0], &angle[0], int(s), len(x)/8)
}

//go:noescape
func scoreNEON(dst *int64, q, k *int16, stride, blocks, n int)

//go:noescape
func mixNEON(dst, p *int64, v *int16, stride, n int)

//go:noescape
func maxAbsNEON(x *int32, n int) uint32

//go:noescape
func maxNEON(x *int32, n int) int32

//go:noescape
func sumNEON(x *int32, n int) int64

//go:noescape
func squaresNEON(x *int32, s, n int) int64

//go:noescape
func addNEON(dst, x, a *int32, n int)

//go:noescape
func quantNEON(dst *int16, x *int32, s, n int)

//go:noescape
func finish32NEON(dst *int32, sum *int64, mant, exp *int32, s int64, n int)

//go:noescape
func finish16NEON(dst *int16, sum *int64, mant, exp *int32, s int64, n int)

//go:noescape
func scaleNEON(dst *int32, x *int64, offset, mult, s int64, n int)

//go:noescape
func normNEON(dst *int16, x *int32, inv, s int64, gamma *int32, gs int64, n int) (beyond uint32)

//go:noescape
func ropePairsNEON(dst *int16, x, angle *int32, s, n int)

//go:noescape
func ropeHalvesNEON(dst *int16, x, angle *int32, half, s, n int)

//go:noescape
func exp2NEON(dst, x *int32, table *int64, low, top int32, s, n int)

//go:noescape
func siluNEON(dst, gate, u *int32, table *int64, q, s, n int)
