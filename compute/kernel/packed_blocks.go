package kernel

import "elenchus/compute/tensor"

// Block-scaled weights in the order of SIMD kernels. A block of 32 rows is a run of column blocks, as
// many columns each as share a mantissa: groups of 4 columns, then an int32 mantissa of each row,
// then, if the layout has offsets, an int32 offset of each row. A group of codes of 8 bits is 4
// codes of each of 32 rows; of 4 bits, 4 of each of 16 rows, in the low halves those of the first
// 16 rows. So everything is read once, in order. SPEC 02 §5.

// NewPackedBlocks is NewPacked for weights of layout b.
func NewPackedBlocks(n, k int, b tensor.Blocks, scale []int32, room Room) *Packed {
	if n < 1 || k < 1 || k > maxPackedK || len(scale) != 2*n || !b.Valid() {
		return nil
	}
	p := &Packed{N: n, K: k, layout: b}
	rows := p.Blocks() * Block
	p.w, p.base = room.take(p.Blocks()*p.runBytes()), make([]int64, rows)
	p.setScales(scale)
	return p
}

// perRow is the number of column blocks.
func (p *Packed) perRow() int { return (p.K + p.layout.Len - 1) / p.layout.Len }

// codeBytes is the size of the codes of a column block of 32 rows, partBytes that of all of it.
func (p *Packed) codeBytes() int { return p.layout.Len * Block * p.layout.Bits / 8 }

func (p *Packed) partBytes() int {
	if p.layout.Least {
		return p.codeBytes() + 2*4*Block
	}
	return p.codeBytes() + 4*Block
}

// runBytes is the size of a block of 32 rows.
func (p *Packed) runBytes() int { return p.perRow() * p.partBytes() }

// run is block b of block-scaled weights.
func (p *Packed) run(b int) []int8 { return p.w[b*p.runBytes():][:p.runBytes()] }

// sums is where the sums of blocks of activations begin in a row of Widen.
func (p *Packed) sums() int { return (p.K + 31) / 32 * 32 }

// fillBlocks packs blocks [lo, hi) of rows from leaves, padded bytes for each row.
func (p *Packed) fillBlocks(w []int8, padded, lo, hi int) {
	b := p.layout
	leaf, perLeaf := b.Leaf(), b.Count()
	var codes [tensor.MaxChunk]int8
	for r := lo * Block; r < min(hi*Block, p.N); r++ {
		run, base := p.run(r/Block), int64(0)
		for i := range p.perRow() {
			l := w[r*padded+i/perLeaf*leaf:][:leaf]
			if i%perLeaf == 0 {
				unpackLeaf(codes[:b.Chunk], l, b.Bits)
			}
			at := i % perLeaf
			part, m := run[i*p.partBytes():][:p.partBytes()], b.Mantissa(l, at)
			base += m * p.setCodes(part, codes[at*b.Len:][:min(b.Len, p.K-i*b.Len)], r%Block)
			setInt32(part[p.codeBytes()+4*(r%Block):], int32(m))
			if b.Least {
				setInt32(part[p.codeBytes()+4*(Block+r%Block):], int32(b.Offset(l, at)))
			}
		}
		p.base[r/Block*Block+baseOf(r%Block)] = -base << 15
	}
}

// baseOf is the place of a row's base: of each 16 rows the even ones come first.
func baseOf(row int) int { return row&^15 + row&1*8 + row%16/2 }

// setCodes stores the codes of a row and a column block and returns their sum.
func (p *Packed) setCodes(part, codes []int8, row int) int64 {
	sum := int64(0)
	if p.layout.Bits == 8 {
		for i, c := range codes {
			part[i/4*4*Block+row*4+i%4] = c
			sum += int64(c)
		}
		return sum
	}
	low, shift := int8(15), 0
	if row >= Block/2 {
		low, shift = -16, 4
	}
	for i, c := range codes {
		at := i/4*2*Block + row%(Block/2)*4 + i%4
		part[at] = part[at]&^low | c<<shift&low
		sum += int64(c)
	}
	return sum
}

// unpackLeaf writes the codes of a leaf in order.
func unpackLeaf(dst, leaf []int8, bits int) {
	if bits == 4 {
		unpack(dst, leaf)
		return
	}
	copy(dst, leaf)
}

func setInt32(b []int8, v int32) {
	for i := range 4 {
		b[i] = int8(v >> (8 * i))
	}
}

// blockSums writes the sums of blocks of n activations as pairs of low and high halves.
func blockSums(dst, x []int16, n int) {
	for i := 0; i*n < len(x); i++ {
		s := total(x[i*n : min((i+1)*n, len(x))])
		dst[2*i], dst[2*i+1] = int16(s), int16(s>>16)
	}
}
