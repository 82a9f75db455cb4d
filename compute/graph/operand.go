package graph

import (
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Bounds of model tensors that the kernels' proofs assume.
const (
	maxMantissa = 1<<24 - 1 // of a row scale
	maxAngle    = 1 << 30   // of a cosine or sine, Q30
	maxBlock    = 1 << 23   // of the mantissa of a block
	maxOffset   = 1 << 30   // of a block
)

// CheckOperand says whether x can be the model tensor of kind opset.RootA or opset.RootB of d: its
// type, its number of elements, its leaves, and the values that bounds rest on. The descriptor must
// have passed Validate. It returns ErrWeights.
func CheckOperand(d *opset.Descriptor, kind uint8, x *tensor.Tensor) error {
	if !known(d) || x == nil {
		return fmt.Errorf("%w: %s without model tensor", ErrWeights, d.Op)
	}
	s := signatures[d.Op](d)
	for k, o := range s.operands {
		if d.Src[k].Kind != kind {
			continue
		}
		if x.Type != o.types[0] || uint64(x.Len()) != o.size.c {
			return fmt.Errorf("%w: %s has a model tensor of %d %s, want %d %s", ErrWeights, d.Op, x.Len(), x.Type, o.size.c, o.types[0])
		}
		if want := weightLeaf(d); x.Type == tensor.I8 && int64(x.Shape[2]) != want {
			return fmt.Errorf("%w: %s has weight leaves of %d, want %d", ErrWeights, d.Op, x.Shape[2], want)
		}
		return values(d, kind, x)
	}
	return fmt.Errorf("%w: %s has no source of kind %d", ErrWeights, d.Op, kind)
}

// columns is the width of a row of weights.
func columns(d *opset.Descriptor) int64 {
	if d.Op == opset.MatMul || d.Op == opset.RowMatMul || d.Op == opset.MatMulBlock || d.Op == opset.MatMulG4 {
		return d.P[0]
	}
	return int64(d.Dims[2].C)
}

// weightLeaf is the size of a leaf of weights in bytes.
func weightLeaf(d *opset.Descriptor) int64 {
	if blocked(d) {
		return leafOf(d)
	}
	return chunkOf(columns(d))
}

// blocked says whether the weights of an operation are block-scaled.
func blocked(d *opset.Descriptor) bool {
	return d.Op == opset.MatMulBlock || d.Op == opset.MatMulG4 || d.Op == opset.EmbedBlock
}

// mostMantissa is the largest magnitude of the mantissas of row: p1 bits, 24 if that is 0.
func mostMantissa(d *opset.Descriptor) int64 {
	if n := d.P[1]; d.Op == opset.Row && n > 0 && n < maxMantissaBits {
		return 1<<n - 1
	}
	return maxMantissa
}

func values(d *opset.Descriptor, kind uint8, x *tensor.Tensor) error {
	switch {
	case kind == opset.RootB && d.Op == opset.StopState:
		return tokenTable(d, x)
	case kind == opset.RootB && d.Op != opset.RowNorm: // mantissa, exponent
		for i := 0; i < len(x.I32); i += 2 {
			if m, most := int64(x.I32[i]), mostMantissa(d); m > most || m < -most {
				return fmt.Errorf("%w: mantissa %d of row %d is beyond %d", ErrWeights, m, i/2, most)
			}
		}
	case d.Op == opset.RoPE:
		for i, a := range x.I32 {
			if a > maxAngle || a < -maxAngle {
				return fmt.Errorf("%w: angle %d is %d, beyond 2^30", ErrWeights, i, a)
			}
		}
	case blocked(d):
		return blockValues(d, x)
	case d.Op == opset.MatMul || d.Op == opset.RowMatMul || d.Op == opset.Embed || d.Op == opset.EmbedRows || d.Op == opset.Position:
		return padding(d, x)
	}
	return nil
}

// padding: weights beyond the width of a row are zero, so that equal matrices have equal roots.
func padding(d *opset.Descriptor, x *tensor.Tensor) error {
	k := int(columns(d))
	stride := int(ceilDiv(int64(k), chunkOf(int64(k))) * chunkOf(int64(k)))
	for at := k; at < len(x.I8); at += stride {
		for i, w := range x.I8[at : at+stride-k] {
			if w != 0 {
				return fmt.Errorf("%w: %s pads row %d with %d at %d", ErrWeights, d.Op, at/stride, w, k+i)
			}
		}
	}
	return nil
}

// blockValues: mantissas and offsets inside the bounds; what lies beyond the width of a row is zero,
// as are the mantissas and offsets of blocks that do.
func blockValues(d *opset.Descriptor, x *tensor.Tensor) error {
	b, _ := d.Layout()
	k, per := int(columns(d)), int(ceilDiv(columns(d), int64(b.Chunk)))
	for n := 0; n < len(x.I8)/b.Leaf(); n++ {
		leaf, used := x.I8[n*b.Leaf():(n+1)*b.Leaf()], min(b.Chunk, k-n%per*b.Chunk)
		for i := range b.Count() {
			m, o := b.Mantissa(leaf, i), b.Offset(leaf, i)
			if i*b.Len >= used && (m != 0 || o != 0) {
				return fmt.Errorf("%w: %s pads leaf %d with block %d of %d and %d", ErrWeights, d.Op, n, i, m, o)
			}
			if m > maxBlock || m < -maxBlock || o > maxOffset || o < -maxOffset {
				return fmt.Errorf("%w: block %d of leaf %d has mantissa %d and offset %d, at most 2^23 and 2^30", ErrWeights, i, n, m, o)
			}
		}
		for i := used; i < b.Chunk; i++ {
			if c := b.Code(leaf, i); c != 0 {
				return fmt.Errorf("%w: %s pads leaf %d with %d at %d", ErrWeights, d.Op, n, c, i)
			}
		}
	}
	return nil
}
