package model

import (
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Norm are the constants of an RMS norm, or of a layer norm. SPEC 02 §4 ops 7, 8, 50 and 52.
type Norm struct {
	Center     bool // the mean is taken away first
	K, Eps     int64
	Shift      int64
	Gamma      *tensor.Tensor // i32 [d], or nil when folded into the next matrix
	GammaShift int64
	// Dynamic scales the result by a power of two of the token, as wide gains need; else its format
	// is static.
	Dynamic bool
}

// Curve is an application of activate. SPEC 02 §4 op 51.
type Curve struct {
	Kind          int64 // opset.Tanh to opset.GELUErf
	Mult, Shift   int64 // brings the input to Q24
	Out, OutShift int64 // factor (tanh and sigmoid only) and shift of the result
}

// curve appends a curve over x of dims, whose last dim is c, or c * ceil(len/k).
func (s *stage) curve(x int, dims [3]opset.Dim, c, k int64, f *Curve) int {
	return s.add(opset.Activate, tensor.I32, dims, []int64{c, k, f.Kind, f.Mult, f.Shift, f.Out, f.OutShift}, x)
}
