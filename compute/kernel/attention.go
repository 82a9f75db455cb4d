package kernel

import "elenchus/compute/tensor"

// RoPE rotates pairs of x by the angles (cos, sin Q30) of one position. style 0 pairs (2q, 2q+1),
// style 1 pairs (q, q + rd/2). SPEC 02 §4 op 17.
func RoPE(dst []int16, x []int32, angle []int32, hd, rd, style int, shift int64) {
	for h := 0; h < len(x); h += hd {
		for q := range rd / 2 {
			lo, hi := h+2*q, h+2*q+1
			if style == 1 {
				lo, hi = h+q, h+q+rd/2
			}
			u, v := int64(x[lo]), int64(x[hi])
			c, s := int64(angle[2*q]), int64(angle[2*q+1])
			dst[lo] = int16(tensor.Sat64(Shift(u*c-v*s, 30+shift), tensor.I16))
			dst[hi] = int16(tensor.Sat64(Shift(u*s+v*c, 30+shift), tensor.I16))
		}
		for i := h + rd; i < h+hd; i++ {
			dst[i] = int16(tensor.Sat64(Shift(int64(x[i]), shift), tensor.I16))
		}
	}
}

// Score writes the log2-unit scores of heads [lo, hi) against positions first.. of the K cache
// ([pos][dkv]); |dot * mult| < 2^38 * 2^24 = 2^62. SPEC 02 §4 op 18.
func Score(dst []int32, q, k []int16, hd, group, dkv, first, span int, mult, shift int64, lo, hi int) {
	for h := lo; h < hi; h++ {
		a := q[h*hd : (h+1)*hd]
		at := h / group * hd
		for j := range span {
			b := k[(first+j)*dkv+at:][:len(a)]
			sum := int64(0)
			for i, v := range a {
				sum += int64(int32(v) * int32(b[i]))
			}
			dst[h*span+j] = int32(tensor.Sat64(Shift(sum*mult, shift), tensor.I32))
		}
	}
}

// Exp2 writes exp2(x - max) of rows [lo, hi) of n elements with q fraction bits. SPEC 02 §4 op 19.
func Exp2(dst, x []int32, m []int64, n, q, lo, hi int) {
	for r := lo; r < hi; r++ {
		for j := r * n; j < (r+1)*n; j++ {
			dst[j] = int32(tensor.Sat64(tensor.Exp2(int64(x[j])-m[r], q), tensor.I32))
		}
	}
}

// Transpose writes [dkv][span] from the V cache. SPEC 02 §4 op 20.
func Transpose(dst, v []int16, dkv, first, span int) {
	for j := range span {
		row := v[(first+j)*dkv:][:dkv]
		for i, x := range row {
			dst[i*span+j] = x
		}
	}
}

// Mix writes partial sums of p * v over chunks of 128 positions for heads [lo, hi), from the V
// cache ([pos][dkv]). |dst| <= 128 * 2^31 * 2^15 = 2^53. SPEC 02 §4 op 21.
func Mix(dst []int64, p []int32, v []int16, hd, group, dkv, first, span, lo, hi int) {
	chunks := (span + 127) / 128
	for h := lo; h < hi; h++ {
		out := dst[h*hd*chunks : (h+1)*hd*chunks]
		clear(out)
		at := h / group * hd
		for j := range span {
			w := int64(p[h*span+j])
			if w == 0 {
				continue
			}
			c := j / 128
			for i, x := range v[(first+j)*dkv+at:][:hd] {
				out[i*chunks+c] += w * int64(x)
			}
		}
	}
}

// Div writes div(x, a[j/group]), saturated; |x| < 2^61. SPEC 02 §4 op 22.
func Div(dst []int16, x, a []int64, group int) {
	for j, v := range x {
		dst[j] = int16(tensor.Sat64(tensor.Div64(v, a[j/group]), tensor.I16))
	}
}

// MixTransposed is Mix on values laid out as [dkv][span].
func MixTransposed(dst []int64, p []int32, vt []int16, hd, group, span, lo, hi int) {
	chunks := (span + 127) / 128
	for h := lo; h < hi; h++ {
		for i := range hd {
			v := vt[(h/group*hd+i)*span:][:span]
			for c := range chunks {
				sum := int64(0)
				for j := c * 128; j < min(c*128+128, span); j++ {
					sum += int64(p[h*span+j]) * int64(v[j])
				}
				dst[(h*hd+i)*chunks+c] = sum
			}
		}
	}
}
