package conformance_test

import (
	"math"
	"testing"

	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

// The curves of activate follow their functions within what SPEC 02 §4.8 states: over all of
// -70..70 in steps of 1/997, which are 2^16 steps of every curve where it bends.
func TestCurvesFollowTheirFunctions(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	bend := func(x float64) float64 { return math.Tanh(math.Sqrt(2/math.Pi) * (x + 0.044715*x*x*x)) }
	for _, c := range []struct {
		kind  int64
		f     func(x float64) float64
		times bool    // times x, in 16 fraction bits
		bound float64 // of the curve, in 2^-30
	}{
		{opset.Tanh, math.Tanh, false, 3500},
		{opset.Sigmoid, sigmoid, false, 2500},
		{opset.SiLU, sigmoid, true, 2500},
		{opset.GELUTanh, func(x float64) float64 { return (1 + bend(x)) / 2 }, true, 2500},
		{opset.GELUErf, func(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }, true, 2500},
	} {
		worst := 0.0
		for i := -70 * 997; i <= 70*997; i++ {
			in, out := []int32{int32(math.Round(float64(i) / 997 * 65536))}, make([]int32, 1)
			x := float64(in[0]) / 65536
			if !c.times {
				kernel.Activate(out, in, c.kind, 256, 0, 1<<30, 30)
				worst = max(worst, math.Abs(float64(out[0])-c.f(x)*(1<<30)))
				continue
			}
			kernel.Activate(out, in, c.kind, 256, 0, 0, 30)
			if diff := math.Abs(float64(out[0])/65536-c.f(x)*x) - 0.5/65536; diff > 0 {
				worst = max(worst, diff/math.Abs(x)*(1<<30))
			}
		}
		t.Logf("kind %d: largest error %.0f of 2^-30", c.kind, worst)
		if worst > c.bound {
			t.Errorf("kind %d: error of %.0f of 2^-30, %.0f is stated", c.kind, worst, c.bound)
		}
	}
}
