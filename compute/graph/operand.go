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
		if x.Type == tensor.I8 && int64(x.Shape[2]) != chunkOf(columns(d)) {
			return fmt.Errorf("%w: %s has weight leaves of %d, want %d", ErrWeights, d.Op, x.Shape[2], chunkOf(columns(d)))
		}
		return values(d, kind, x)
	}
	return fmt.Errorf("%w: %s has no source of kind %d", ErrWeights, d.Op, kind)
}

// columns is the width of a row of weights.
func columns(d *opset.Descriptor) int64 {
	if d.Op == opset.MatMul {
		return d.P[0]
	}
	return int64(d.Dims[2].C)
}

func values(d *opset.Descriptor, kind uint8, x *tensor.Tensor) error {
	switch {
	case kind == opset.RootB: // mantissa, exponent
		for i := 0; i < len(x.I32); i += 2 {
			if m := x.I32[i]; m > maxMantissa || m < -maxMantissa {
				return fmt.Errorf("%w: mantissa %d of row %d is beyond %d", ErrWeights, m, i/2, maxMantissa)
			}
		}
	case d.Op == opset.RoPE:
		for i, a := range x.I32 {
			if a > maxAngle || a < -maxAngle {
				return fmt.Errorf("%w: angle %d is %d, beyond 2^30", ErrWeights, i, a)
			}
		}
	case d.Op == opset.MatMul || d.Op == opset.Embed:
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
