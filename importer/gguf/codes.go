package gguf

import (
	"encoding/binary"
	"fmt"
)

// codeLayout tells how a block format is codes with scales. read turns one block of the file into
// its codes and the scale and offset of every group of length weights.
type codeLayout struct {
	bits    int  // 4: codes are -8..7, 8: -128..127
	length  int  // weights that share a scale
	offsets bool // groups have offsets
	read    func(g groups, src []byte)
}

// groups are the codes of a block of the file, and scales and offsets of its groups.
type groups struct {
	code          []int8
	scale, offset []float64
}

// codeLayouts are the formats whose rows can be read as codes.
var codeLayouts = map[Type]codeLayout{
	2:    {4, 32, false, codesQ40},
	3:    {4, 32, true, codesQ41},
	6:    {8, 32, false, codesQ50},
	7:    {8, 32, true, codesQ51},
	Q8_0: {8, 32, false, codesQ80},
	10:   {4, 16, true, codesQ2K},
	11:   {4, 16, false, codesQ3K},
	12:   {4, 32, true, codesQ4K},
	13:   {8, 32, true, codesQ5K},
	14:   {8, 16, false, codesQ6K},
	20:   {8, 32, false, codesIQ4NL},
	23:   {8, 32, false, codesIQ4XS},
}

// Codes tells how the rows of a tensor are codes: weight i of a row is scale[i/length] * code[i] +
// offset[i/length], with codes of so many bits. ok is false where it is not of such a format.
func (f *File) Codes(name string) (bits, length int, offsets, ok bool) {
	t, ok := f.Tensor(name)
	if !ok {
		return 0, 0, false, false
	}
	l, ok := codeLayouts[t.Type]
	return l.bits, l.length, l.offsets, ok
}

// ReadCodes reads a row of a tensor for which Codes says ok as the file has it. The products of the
// format's nested scales are exact: halves times six-bit numbers have less than 53 bits. code has
// room for a row, scale and offset for one number per group; offset stays untouched in a format
// without offsets.
func (f *File) ReadCodes(name string, row int, code []int8, scale, offset []float64) error {
	t, ok := f.Tensor(name)
	l, known := codeLayouts[t.Type]
	if !ok || !known {
		return fmt.Errorf("gguf: tensor %q has no rows of codes", name)
	}
	if n := t.RowLen(); len(code) != n || len(scale) != n/l.length || l.offsets && len(offset) != n/l.length {
		return fmt.Errorf("gguf: tensor %q: room for %d codes, %d scales and %d offsets of a row of %d", name, len(code), len(scale), len(offset), n)
	}
	of := layouts[t.Type]
	return f.eachBlocks(t, row, len(code), func(at int, src []byte) {
		for ; len(src) > 0; src, at = src[of.bytes:], at+of.elems {
			g := groups{code: code[at : at+of.elems], scale: scale[at/l.length : (at+of.elems)/l.length]}
			if l.offsets {
				g.offset = offset[at/l.length : (at+of.elems)/l.length]
			}
			l.read(g, src[:of.bytes])
		}
	})
}

func half64(b []byte) float64 { return float64(half(b)) }

// centre stores numbers less zero.
func (g groups) centre(q [BlockLen]uint8, zero int) {
	for i, v := range q {
		g.code[i] = int8(int(v) - zero)
	}
}

func codesQ40(g groups, b []byte) {
	g.centre(nibbles(b[2:], 0), 8)
	g.scale[0] = half64(b)
}

func codesQ41(g groups, b []byte) {
	g.centre(nibbles(b[4:], 0), 8)
	g.scale[0], g.offset[0] = half64(b), half64(b[2:])+8*half64(b)
}

func codesQ50(g groups, b []byte) {
	g.centre(nibbles(b[6:], binary.LittleEndian.Uint32(b[2:])), 16)
	g.scale[0] = half64(b)
}

func codesQ51(g groups, b []byte) {
	g.centre(nibbles(b[8:], binary.LittleEndian.Uint32(b[4:])), 0)
	g.scale[0], g.offset[0] = half64(b), half64(b[2:])
}

func codesQ80(g groups, b []byte) {
	for i := range g.code {
		g.code[i] = int8(b[2+i])
	}
	g.scale[0] = half64(b)
}

func codesQ2K(g groups, b []byte) {
	d, least := half64(b[80:]), half64(b[82:])
	for i := range g.code {
		g.code[i] = int8(b[16+i/128*32+i%32] >> (i % 128 / 32 * 2) & 3)
	}
	for k := range g.scale {
		g.scale[k], g.offset[k] = d*float64(b[k]&15), -(least * float64(b[k]>>4))
	}
}

func codesQ3K(g groups, b []byte) {
	high, qs, packed, d := b[:32], b[32:96], b[96:108], half64(b[108:])
	for i := range g.code {
		q := qs[i/128*32+i%32]>>(i%128/32*2)&3 | high[i%32]>>(i/32)&1<<2
		g.code[i] = int8(q) - 4
	}
	for k := range g.scale {
		low := packed[k%8] >> (k / 8 * 4) & 15
		g.scale[k] = d * float64(int(low|packed[8+k%4]>>(k/4*2)&3<<4)-32)
	}
}

func codesQ4K(g groups, b []byte) {
	for i := range g.code {
		g.code[i] = int8(b[16+i/64*32+i%32]>>(i/32%2*4)&15) - 8
	}
	g.pairs(b, 8)
}

func codesQ5K(g groups, b []byte) {
	high, qs := b[16:48], b[48:]
	for i := range g.code {
		g.code[i] = int8(qs[i/64*32+i%32]>>(i/32%2*4)&15 | high[i%32]>>(i/32)&1<<4)
	}
	g.pairs(b, 0)
}

// pairs reads the scales and least values of Q4_K and Q5_K, whose codes were lessened by zero. Both
// terms of an offset are multiples of 2^-24 below 2^26.
func (g groups) pairs(b []byte, zero float64) {
	d, dLeast := half64(b), half64(b[2:])
	scale, least := sixBits(b[4:16])
	for k := range g.scale {
		g.scale[k] = d * float64(scale[k])
		g.offset[k] = float64(zero*g.scale[k]) - float64(dLeast*float64(least[k]))
	}
}

func codesQ6K(g groups, b []byte) {
	low, high, scales, d := b[:128], b[128:192], b[192:208], half64(b[208:])
	for i := range g.code {
		at, part := i%128, i%128/32
		q := low[i/128*64+at%64] >> (part / 2 * 4) & 15
		q |= high[i/128*32+at%32] >> (part * 2) & 3 << 4
		g.code[i] = int8(q) - 32
	}
	for k := range g.scale {
		g.scale[k] = d * float64(int8(scales[k]))
	}
}

func codesIQ4NL(g groups, b []byte) {
	for i, q := range nibbles(b[2:], 0) {
		g.code[i] = uneven[q]
	}
	g.scale[0] = half64(b)
}

func codesIQ4XS(g groups, b []byte) {
	d, high := half64(b), binary.LittleEndian.Uint16(b[2:])
	for k := range g.scale {
		for i, q := range nibbles(b[8+16*k:], 0) {
			g.code[k*BlockLen+i] = uneven[q]
		}
		g.scale[k] = d * float64((int(b[4+k/2]>>(k%2*4)&15)|int(high>>(2*k)&3)<<4)-32)
	}
}
