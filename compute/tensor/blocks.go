package tensor

// MaxChunk is the largest number of weights in a leaf. SPEC 02 §3.
const MaxChunk = 512

// Blocks is the layout of a leaf of block-scaled weights: codes, then an i32 mantissa per block,
// then, if Least is set, an i32 offset per block. A weight is mantissa * code + offset, in units of
// its row. Len weights are a block. The zero value is illegal: see Valid. SPEC 02 §5.
type Blocks struct {
	Bits  int  // of a code: 8, or 4 in two's complement, two to a byte
	Chunk int  // weights in a leaf, a multiple of 64, at most MaxChunk
	Len   int  // weights in a block: 16 or 32
	Least bool // blocks have offsets
}

// MaxBlockLeaf is the largest leaf of a layout in bytes.
const MaxBlockLeaf = MaxChunk + 2*4*MaxChunk/16

// Valid says whether the layout is one of those that the op set has.
func (b Blocks) Valid() bool {
	return (b.Bits == 4 || b.Bits == 8) && (b.Len == 16 || b.Len == 32) && b.Chunk >= 64 && b.Chunk <= MaxChunk && b.Chunk%64 == 0
}

// CodeBytes is the number of bytes of codes in a leaf: where the mantissas begin.
func (b Blocks) CodeBytes() int { return b.Chunk * b.Bits / 8 }

// Count is the number of blocks in a leaf.
func (b Blocks) Count() int { return b.Chunk / b.Len }

// Leaf is the size of a leaf in bytes.
func (b Blocks) Leaf() int {
	n := b.CodeBytes() + 4*b.Count()
	if b.Least {
		n += 4 * b.Count()
	}
	return n
}

// place is the byte of code i. Of each 32 codes of 4 bits the first 16 lie in the low halves of 16
// bytes, the others in the high halves.
func (b Blocks) place(i int) (at int, high bool) {
	if b.Bits == 8 {
		return i, false
	}
	return i/32*16 + i%16, i%32 >= 16
}

// Code is weight code i of a leaf.
func (b Blocks) Code(leaf []int8, i int) int64 {
	at, high := b.place(i)
	switch {
	case b.Bits == 8:
		return int64(leaf[at])
	case high:
		return int64(leaf[at] >> 4)
	}
	return int64(leaf[at] << 4 >> 4)
}

// SetCode stores weight code i of a leaf; v must fit the bits of a code.
func (b Blocks) SetCode(leaf []int8, i, v int) {
	at, high := b.place(i)
	switch {
	case b.Bits == 8:
		leaf[at] = int8(v)
	case high:
		leaf[at] = leaf[at]&15 | int8(v<<4)
	default:
		leaf[at] = leaf[at]&^15 | int8(v&15)
	}
}

// Mantissa is that of block k of a leaf.
func (b Blocks) Mantissa(leaf []int8, k int) int64 { return word(leaf[b.CodeBytes()+4*k:]) }

// Offset is that of block k of a leaf, 0 in a layout without offsets.
func (b Blocks) Offset(leaf []int8, k int) int64 {
	if !b.Least {
		return 0
	}
	return word(leaf[b.CodeBytes()+4*(b.Count()+k):])
}

// SetBlock stores mantissa and offset of block k of a leaf; offset is ignored without offsets.
func (b Blocks) SetBlock(leaf []int8, k int, mantissa, offset int32) {
	setWord(leaf[b.CodeBytes()+4*k:], mantissa)
	if b.Least {
		setWord(leaf[b.CodeBytes()+4*(b.Count()+k):], offset)
	}
}

// word reads a little-endian i32.
func word(b []int8) int64 {
	_ = b[3]
	return int64(int32(uint32(uint8(b[0])) | uint32(uint8(b[1]))<<8 | uint32(uint8(b[2]))<<16 | uint32(uint8(b[3]))<<24))
}

func setWord(b []int8, v int32) {
	for i := range 4 {
		b[i] = int8(v >> (8 * i))
	}
}
