package kernel

func attendAVX512() attend {
	return attend{
		planes: func(dst []int32, q []int16) { planesAVX512(&dst[0], &q[0], len(q)/32) },
		turn: func(dst []int32, k []int16, hd, stride int) {
			turnAVX512(&dst[0], &k[0], 2*stride, hd/32)
		},
		scores: func(dst []int32, step int, k, q []int32, hd, times int, mult, s int64) {
			scoresAVX512(&dst[0], 4*step, &k[0], &q[0], hd/2, times, mult, s)
		},
		pair: func(dst, v []int16, hd, stride, pairs int) {
			pairAVX512(&dst[0], &v[0], 2*stride, hd/32, pairs)
		},
		weigh: func(dst []int64, digits *[3 * 64]int64, v []int16, pairs int) {
			for i := 0; i < len(dst); i += 32 {
				weighAVX512(&dst[i], &digits[0], &v[2*i], 4*len(dst), pairs)
			}
		},
	}
}

// What these compute is said in attend_avx512_amd64.s, beside each.

//go:noescape
func planesAVX512(dst *int32, q *int16, blocks int)

//go:noescape
func turnAVX512(dst *int32, k *int16, stride, blocks int)

//go:noescape
func scoresAVX512(dst *int32, step int, k, q *int32, pairs, times int, mult, s int64)

//go:noescape
func pairAVX512(dst, v *int16, stride, blocks, pairs int)

//go:noescape
func weighAVX512(dst, digits *int64, v *int16, step, pairs int)
