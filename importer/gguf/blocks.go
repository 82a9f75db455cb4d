package gguf

import (
	"encoding/binary"
	"math"
)

// Readers of block formats: packed small integers with shared scales. Products
// are converted before they are added, so that no platform fuses them and the
// floats are the same everywhere.

// superLen is the number of elements of a block of the K formats, made of
// groups of 16 or 32 elements with their own small scales.
const superLen = 256

func half(b []byte) float32 { return HalfToFloat32(binary.LittleEndian.Uint16(b)) }

func readBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

// eachBlock calls read with one block of the output and of the input at a time.
func eachBlock(elems, bytes int, read func(dst []float32, src []byte)) func([]float32, []byte) {
	return func(dst []float32, src []byte) {
		for ; len(src) > 0; dst, src = dst[elems:], src[bytes:] {
			read(dst[:elems], src[:bytes])
		}
	}
}

// nibbles turns 16 bytes into 32 numbers, low halves first, and adds the fifth
// bits of high.
func nibbles(qs []byte, high uint32) (q [BlockLen]uint8) {
	for i, b := range qs[:16] {
		q[i] = b&15 | uint8(high>>i&1)<<4
		q[i+16] = b>>4 | uint8(high>>(i+16)&1)<<4
	}
	return q
}

// centred writes scale * (q - zero).
func centred(dst []float32, q [BlockLen]uint8, zero int, scale float32) {
	for i := range dst {
		dst[i] = scale * float32(int(q[i])-zero)
	}
}

// shifted writes scale * q + least.
func shifted(dst []float32, q [BlockLen]uint8, scale, least float32) {
	for i := range dst {
		dst[i] = float32(scale*float32(q[i])) + least
	}
}

// readQ40: scale, 32 nibbles.
func readQ40(dst []float32, b []byte) { centred(dst, nibbles(b[2:], 0), 8, half(b)) }

// readQ41: scale, least value, 32 nibbles.
func readQ41(dst []float32, b []byte) { shifted(dst, nibbles(b[4:], 0), half(b), half(b[2:])) }

// readQ50: scale, 32 fifth bits, 32 nibbles.
func readQ50(dst []float32, b []byte) {
	centred(dst, nibbles(b[6:], binary.LittleEndian.Uint32(b[2:])), 16, half(b))
}

// readQ51: scale, least value, 32 fifth bits, 32 nibbles.
func readQ51(dst []float32, b []byte) {
	shifted(dst, nibbles(b[8:], binary.LittleEndian.Uint32(b[4:])), half(b), half(b[2:]))
}

// readQ2K: 16 pairs of four-bit scale and least value, 256 numbers of two bits,
// scale, scale of the least values.
func readQ2K(dst []float32, b []byte) {
	scales, qs, d, least := b[:16], b[16:80], half(b[80:]), half(b[82:])
	for i := range dst {
		s := scales[i/16]
		q := qs[i/128*32+i%32] >> (i % 128 / 32 * 2) & 3
		dst[i] = float32(d*float32(s&15)*float32(q)) - float32(least*float32(s>>4))
	}
}

// readQ3K: 256 third bits, 256 numbers of two bits, 16 six-bit scales, scale.
func readQ3K(dst []float32, b []byte) {
	high, qs, packed, d := b[:32], b[32:96], b[96:108], half(b[108:])
	for i := range dst {
		g := i / 16
		low := packed[g%8] >> (g / 8 * 4) & 15
		scale := int(low|packed[8+g%4]>>(g/4*2)&3<<4) - 32
		q := int(qs[i/128*32+i%32]>>(i%128/32*2)&3 | high[i%32]>>(i/32)&1<<2)
		dst[i] = d * float32(scale) * float32(q-4)
	}
}

// sixBits unpacks 8 scales and 8 least values of six bits from 12 bytes.
func sixBits(b []byte) (scale, least [8]uint8) {
	for i := range 4 {
		scale[i], least[i] = b[i]&63, b[i+4]&63
		scale[i+4] = b[i+8]&15 | b[i]>>6<<4
		least[i+4] = b[i+8]>>4 | b[i+4]>>6<<4
	}
	return scale, least
}

// readQ4K: scale, scale of the least values, 8 scales and least values of six
// bits, 256 nibbles.
func readQ4K(dst []float32, b []byte) { readQ45K(dst, b[:16], nil, b[16:]) }

// readQ5K: as readQ4K, with 256 fifth bits before the nibbles.
func readQ5K(dst []float32, b []byte) { readQ45K(dst, b[:16], b[16:48], b[48:]) }

func readQ45K(dst []float32, head, high, qs []byte) {
	d, dLeast := half(head), half(head[2:])
	scale, least := sixBits(head[4:])
	for i := range dst {
		g := i / 32
		q := qs[i/64*32+i%32] >> (g % 2 * 4) & 15
		if high != nil {
			q |= high[i%32] >> g & 1 << 4
		}
		dst[i] = float32(d*float32(scale[g])*float32(q)) - float32(dLeast*float32(least[g]))
	}
}

// readQ6K: 256 nibbles, 256 pairs of upper bits, 16 signed scales, scale.
func readQ6K(dst []float32, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], half(b[208:])
	for i := range dst {
		at, part := i%128, i%128/32 // part picks the bits within a byte
		q := low[i/128*64+at%64] >> (part / 2 * 4) & 15
		q |= high[i/128*32+at%32] >> (part * 2) & 3 << 4
		dst[i] = d * float32(int8(scales[i/16])) * float32(int(q)-32)
	}
}

// uneven are the numbers that the codes of the IQ4 formats stand for: closer together near zero.
var uneven = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// readIQ4NL: scale, 32 nibbles.
func readIQ4NL(dst []float32, b []byte) { spread(dst, b[2:], half(b)) }

// spread writes scale times the numbers of 32 nibbles.
func spread(dst []float32, qs []byte, scale float32) {
	for i, q := range nibbles(qs, 0) {
		dst[i] = scale * float32(uneven[q])
	}
}

// readIQ4XS: scale, 8 pairs of upper bits and 8 nibbles of group scales, 256 nibbles.
func readIQ4XS(dst []float32, b []byte) {
	d, high := half(b), binary.LittleEndian.Uint16(b[2:])
	for g := range superLen / BlockLen {
		scale := int(b[4+g/2]>>(g%2*4)&15) | int(high>>(2*g)&3)<<4
		spread(dst[g*BlockLen:(g+1)*BlockLen], b[8+16*g:], d*float32(scale-32))
	}
}
