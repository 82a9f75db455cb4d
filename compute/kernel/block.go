package kernel

import "elenchus/compute/tensor"

// MatMulBlock writes partial sums dst[n][c] for rows n in [lo, hi) of 8-bit block-scaled weights: x
// has k elements, w is [N][C] leaves of layout b. By the bounds of validation, mantissas 2^23 and
// offsets 2^30, |dst| <= 512 * 2^15 * (2^7 * 2^23 + 2^30) = 2^55, and a dot product of one block
// fits an int32. SPEC 02 §5 op 70.
func MatMulBlock(dst []int64, x []int16, w []int8, k int, b tensor.Blocks, lo, hi int) {
	cols, leaf := (k+b.Chunk-1)/b.Chunk, b.Leaf()
	for i := lo * cols; i < hi*cols; i++ {
		c := i % cols
		a, l := x[c*b.Chunk:min((c+1)*b.Chunk, k)], w[i*leaf:][:leaf]
		sum := int64(0)
		for at := 0; at < len(a); at += b.Len {
			part := a[at:min(at+b.Len, len(a))]
			sum += dot8(part, l[at:][:len(part)]) * b.Mantissa(l, at/b.Len)
			if b.Least {
				sum += total(part) * b.Offset(l, at/b.Len)
			}
		}
		dst[i] = sum
	}
}

// MatMulG4 is MatMulBlock on codes of 4 bits. SPEC 02 §5 op 71.
func MatMulG4(dst []int64, x []int16, w []int8, k int, b tensor.Blocks, lo, hi int) {
	cols, leaf := (k+b.Chunk-1)/b.Chunk, b.Leaf()
	var codes [tensor.MaxChunk]int8
	for i := lo * cols; i < hi*cols; i++ {
		c := i % cols
		a, l := x[c*b.Chunk:min((c+1)*b.Chunk, k)], w[i*leaf:][:leaf]
		unpack(codes[:b.Chunk], l)
		sum := int64(0)
		for at := 0; at < len(a); at += b.Len {
			part := a[at:min(at+b.Len, len(a))]
			sum += dot8(part, codes[at:][:len(part)]) * b.Mantissa(l, at/b.Len)
			if b.Least {
				sum += total(part) * b.Offset(l, at/b.Len)
			}
		}
		dst[i] = sum
	}
}

// unpack writes the 4-bit codes of a leaf in order; len(dst) is a multiple of 32.
func unpack(dst, leaf []int8) {
	for ; len(dst) > 0; dst, leaf = dst[32:], leaf[16:] {
		for i, v := range leaf[:16] {
			dst[i], dst[i+16] = v<<4>>4, v>>4
		}
	}
}

func total(x []int16) int64 {
	s := int64(0)
	for _, v := range x {
		s += int64(v)
	}
	return s
}

// EmbedBlock writes row y of a block-scaled embedding; |mantissa * code + offset| <= 2^31 times a
// row mantissa below 2^24 stays below 2^55. SPEC 02 §5 op 72.
func EmbedBlock(dst []int32, w []int8, scale []int32, y int, b tensor.Blocks) {
	m, e := int64(scale[2*y]), int64(scale[2*y+1])
	leaf := b.Leaf()
	first := y * ((len(dst) + b.Chunk - 1) / b.Chunk)
	for at := 0; at < len(dst); at += b.Len {
		l, i := w[(first+at/b.Chunk)*leaf:][:leaf], at%b.Chunk
		mantissa, offset := b.Mantissa(l, i/b.Len), b.Offset(l, i/b.Len)
		for j := at; j < min(at+b.Len, len(dst)); j++ {
			z := b.Code(l, i+j-at)*mantissa + offset
			dst[j] = int32(tensor.Sat64(Shift(z*m, e), tensor.I32))
		}
	}
}
