package ggufwrite

import (
	"encoding/binary"
	"math"

	"elenchus/importer/gguf"
)

// quantizer appends a block of a format made from floats, plainly: the range of a block decides its
// scale, nothing is searched for.
type quantizer struct {
	elems int
	block func(raw []byte, v []float32) []byte
}

var quantizers = map[gguf.Type]quantizer{
	2:         {32, func(raw []byte, v []float32) []byte { return appendCentred(raw, v, 16) }},
	3:         {32, func(raw []byte, v []float32) []byte { return appendShifted(raw, v, 16) }},
	6:         {32, func(raw []byte, v []float32) []byte { return appendCentred(raw, v, 32) }},
	7:         {32, func(raw []byte, v []float32) []byte { return appendShifted(raw, v, 32) }},
	gguf.Q8_0: {32, appendQ8},
	10:        {256, appendQ2K},
	11:        {256, appendQ3K},
	12:        {256, func(raw []byte, v []float32) []byte { return appendQ45K(raw, v, 16) }},
	13:        {256, func(raw []byte, v []float32) []byte { return appendQ45K(raw, v, 32) }},
	14:        {256, appendQ6K},
}

// extremes are the least and greatest of v and what has the largest magnitude.
func extremes(v []float32) (lo, hi, far float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, x := range v {
		lo, hi = min(lo, float64(x)), max(hi, float64(x))
	}
	if far = hi; -lo > hi {
		far = lo
	}
	return lo, hi, far
}

// level is x in units of d, rounded and clamped to 0..top.
func level(x, d float64, top int) uint8 {
	if d == 0 {
		return 0
	}
	return uint8(max(0, min(float64(top), math.Round(x/d))))
}

func appendHalf(raw []byte, x float64) ([]byte, float64) {
	h := Half(float32(x))
	return binary.LittleEndian.AppendUint16(raw, h), float64(gguf.HalfToFloat32(h))
}

// appendCentred is Q4_0 (16 levels) or Q5_0 (32).
func appendCentred(raw []byte, v []float32, levels int) []byte {
	_, _, far := extremes(v)
	raw, d := appendHalf(raw, far/float64(-levels/2))
	var q [32]uint8
	for i, x := range v {
		q[i] = level(float64(x)+d*float64(levels/2), d, levels-1)
	}
	return appendNibbles(raw, q, levels)
}

// appendShifted is Q4_1 (16 levels) or Q5_1 (32).
func appendShifted(raw []byte, v []float32, levels int) []byte {
	lo, hi, _ := extremes(v)
	raw, d := appendHalf(raw, (hi-lo)/float64(levels-1))
	raw, least := appendHalf(raw, lo)
	var q [32]uint8
	for i, x := range v {
		q[i] = level(float64(x)-least, d, levels-1)
	}
	return appendNibbles(raw, q, levels)
}

// appendNibbles writes the fifth bits, if there are 32 levels, and the halves.
func appendNibbles(raw []byte, q [32]uint8, levels int) []byte {
	if levels == 32 {
		high := uint32(0)
		for i, x := range q {
			high |= uint32(x>>4) << i
		}
		raw = binary.LittleEndian.AppendUint32(raw, high)
	}
	for i := range 16 {
		raw = append(raw, q[i]&15|q[i+16]<<4)
	}
	return raw
}

// ranges are scale and least magnitude of each group of n weights, for so many levels.
func ranges(v []float32, n, levels int) (scale, least []float64, topScale, topLeast float64) {
	for at := 0; at < len(v); at += n {
		lo, hi, _ := extremes(v[at : at+n])
		lo, hi = min(lo, 0), max(hi, 0)
		scale, least = append(scale, (hi-lo)/float64(levels-1)), append(least, -lo)
		topScale, topLeast = max(topScale, scale[len(scale)-1]), max(topLeast, -lo)
	}
	return scale, least, topScale, topLeast
}

// appendQ45K is Q4_K (16 levels) or Q5_K (32).
func appendQ45K(raw []byte, v []float32, levels int) []byte {
	scale, least, topScale, topLeast := ranges(v, 32, levels)
	raw, d := appendHalf(raw, topScale/63)
	raw, dLeast := appendHalf(raw, topLeast/63)
	var s, m [8]uint8
	var q [256]uint8
	for k := range 8 {
		s[k], m[k] = level(scale[k], d, 63), level(least[k], dLeast, 63)
		for i := k * 32; i < k*32+32; i++ {
			q[i] = level(float64(v[i])+dLeast*float64(m[k]), d*float64(s[k]), levels-1)
		}
	}
	var packed [12]byte
	for k := range 4 {
		packed[k], packed[k+4] = s[k]|s[k+4]>>4<<6, m[k]|m[k+4]>>4<<6
		packed[k+8] = s[k+4]&15 | m[k+4]<<4
	}
	raw = append(raw, packed[:]...)
	if levels == 32 {
		for i := range 32 {
			b := byte(0)
			for k := range 8 {
				b |= q[k*32+i] >> 4 << k
			}
			raw = append(raw, b)
		}
	}
	for i := range 128 {
		at := i/32*64 + i%32
		raw = append(raw, q[at]&15|q[at+32]<<4)
	}
	return raw
}

func appendQ2K(raw []byte, v []float32) []byte {
	scale, least, topScale, topLeast := ranges(v, 16, 4)
	_, d := appendHalf(nil, topScale/15)
	_, dLeast := appendHalf(nil, topLeast/15)
	var q [256]uint8
	for k := range 16 {
		s, m := level(scale[k], d, 15), level(least[k], dLeast, 15)
		raw = append(raw, s|m<<4)
		for i := k * 16; i < k*16+16; i++ {
			q[i] = level(float64(v[i])+dLeast*float64(m), d*float64(s), 3)
		}
	}
	raw = appendPairs(raw, q)
	raw, _ = appendHalf(raw, d)
	raw, _ = appendHalf(raw, dLeast)
	return raw
}

// appendPairs writes the two low bits of numbers.
func appendPairs(raw []byte, q [256]uint8) []byte {
	for i := range 64 {
		at := i/32*128 + i%32
		raw = append(raw, q[at]&3|q[at+32]&3<<2|q[at+64]&3<<4|q[at+96]&3<<6)
	}
	return raw
}

// signed are the levels of v in groups of 16 centred on zero, their scales in units of d.
func signed(v []float32, half, top int) (q [256]uint8, s [16]int, d float64) {
	var scale [16]float64
	most := 0.0
	for k := range scale {
		_, _, far := extremes(v[k*16 : k*16+16])
		scale[k] = far / float64(-half)
		if math.Abs(scale[k]) > math.Abs(most) {
			most = scale[k]
		}
	}
	_, d = appendHalf(nil, most/float64(-top))
	for k := range scale {
		if d != 0 {
			s[k] = int(max(float64(-top), min(float64(top-1), math.Round(scale[k]/d))))
		}
		unit := d * float64(s[k])
		for i := k * 16; i < k*16+16; i++ {
			q[i] = uint8(half)
			if unit != 0 {
				q[i] = uint8(max(0, min(float64(2*half-1), math.Round(float64(v[i])/unit)+float64(half))))
			}
		}
	}
	return q, s, d
}

func appendQ3K(raw []byte, v []float32) []byte {
	q, s, d := signed(v, 4, 32)
	for i := range 32 {
		b := byte(0)
		for k := range 8 {
			b |= q[k*32+i] >> 2 << k
		}
		raw = append(raw, b)
	}
	raw = appendPairs(raw, q)
	var packed [12]byte
	for k := range 16 {
		x := uint8(s[k] + 32)
		packed[k%8] |= x & 15 << (k / 8 * 4)
		packed[8+k%4] |= x >> 4 << (k / 4 * 2)
	}
	raw = append(raw, packed[:]...)
	raw, _ = appendHalf(raw, d)
	return raw
}

func appendQ6K(raw []byte, v []float32) []byte {
	q, s, d := signed(v, 32, 128)
	for i := range 128 {
		at := i/64*128 + i%64
		raw = append(raw, q[at]&15|q[at+64]<<4)
	}
	for i := range 64 {
		at := i/32*128 + i%32
		raw = append(raw, q[at]>>4|q[at+32]>>4<<2|q[at+64]>>4<<4|q[at+96]>>4<<6)
	}
	for _, x := range s {
		raw = append(raw, byte(int8(x)))
	}
	raw, _ = appendHalf(raw, d)
	return raw
}
