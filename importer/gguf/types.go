package gguf

import (
	"encoding/binary"
	"math"
	"strconv"
)

// Type is the element type of a tensor.
type Type uint32

// The tensor types this module names elsewhere; layouts has them all.
const (
	F32  Type = 0
	F16  Type = 1
	Q8_0 Type = 8
)

// BlockLen is the number of elements that share a scale in Q8_0.
const BlockLen = 32

// q8Bytes is the size of a Q8_0 block: a float16 scale, 32 signed bytes.
const q8Bytes = 2 + BlockLen

// layout describes how a type lies in the file. read turns whole blocks into
// floats, len(src)/bytes blocks, and is nil where rows cannot be read.
type layout struct {
	name  string
	elems int // per block
	bytes int // per block
	read  func(dst []float32, src []byte)
}

// layouts holds every type of the format with known block sizes, so that files
// can be checked and unsupported tensors named; a new type is a read function
// here.
var layouts = map[Type]layout{
	F32:  {"F32", 1, 4, readF32},
	F16:  {"F16", 1, 2, readF16},
	2:    {"Q4_0", BlockLen, 18, eachBlock(BlockLen, 18, readQ40)},
	3:    {"Q4_1", BlockLen, 20, eachBlock(BlockLen, 20, readQ41)},
	6:    {"Q5_0", BlockLen, 22, eachBlock(BlockLen, 22, readQ50)},
	7:    {"Q5_1", BlockLen, 24, eachBlock(BlockLen, 24, readQ51)},
	Q8_0: {"Q8_0", BlockLen, q8Bytes, readQ8},
	9:    {"Q8_1", 32, 36, nil},
	10:   {"Q2_K", superLen, 84, eachBlock(superLen, 84, readQ2K)},
	11:   {"Q3_K", superLen, 110, eachBlock(superLen, 110, readQ3K)},
	12:   {"Q4_K", superLen, 144, eachBlock(superLen, 144, readQ4K)},
	13:   {"Q5_K", superLen, 176, eachBlock(superLen, 176, readQ5K)},
	14:   {"Q6_K", superLen, 210, eachBlock(superLen, 210, readQ6K)},
	15:   {"Q8_K", 256, 292, nil},
	16:   {"IQ2_XXS", 256, 66, nil},
	17:   {"IQ2_XS", 256, 74, nil},
	18:   {"IQ3_XXS", 256, 98, nil},
	19:   {"IQ1_S", 256, 50, nil},
	20:   {"IQ4_NL", BlockLen, 18, eachBlock(BlockLen, 18, readIQ4NL)},
	21:   {"IQ3_S", 256, 110, nil},
	22:   {"IQ2_S", 256, 82, nil},
	23:   {"IQ4_XS", superLen, 136, eachBlock(superLen, 136, readIQ4XS)},
	24:   {"I8", 1, 1, nil},
	25:   {"I16", 1, 2, nil},
	26:   {"I32", 1, 4, nil},
	27:   {"I64", 1, 8, nil},
	28:   {"F64", 1, 8, nil},
	29:   {"IQ1_M", 256, 56, nil},
	30:   {"BF16", 1, 2, readBF16},
	34:   {"TQ1_0", 256, 54, nil},
	35:   {"TQ2_0", 256, 66, nil},
	39:   {"MXFP4", 32, 17, nil},
}

// String returns the name of the type, as in "Q8_0".
func (t Type) String() string {
	if l, ok := layouts[t]; ok {
		return l.name
	}
	return "type " + strconv.FormatUint(uint64(t), 10)
}

// Readable says whether rows of the type can be read.
func (t Type) Readable() bool { return layouts[t].read != nil }

func readF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func readF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = HalfToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func readQ8(dst []float32, src []byte) {
	for len(src) > 0 {
		scale := HalfToFloat32(binary.LittleEndian.Uint16(src))
		for i := range BlockLen {
			dst[i] = scale * float32(int8(src[2+i]))
		}
		dst, src = dst[BlockLen:], src[q8Bytes:]
	}
}

// HalfToFloat32 converts the bits of an IEEE 754 half to the float32 of equal
// value; it is exact. NaN stays NaN, infinities stay.
func HalfToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exponent := uint32(h>>10) & 0x1f
	fraction := uint32(h) & 0x3ff
	switch exponent {
	case 0: // zero and subnormals: fraction * 2^-24
		v := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	default:
		return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
	}
}
