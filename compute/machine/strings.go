package machine

import (
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

// Stop strings: what a token adds to the text, and the state after it.

// NextStop is the state of the stop strings of c after token y, computed as the head stage would; 0
// if the request has none. SPEC 02 §4 op 34.
func (s *Stage) NextStop(c *opset.Context, y int32) uint32 {
	if c.StopLens == 0 {
		return 0
	}
	for i := range s.Ops {
		if o := &s.Ops[i]; o.Op == opset.StopState {
			return uint32(stopState(o, c, y))
		}
	}
	return 0
}

func stopState(o *Op, c *opset.Context, y int32) int32 {
	if c.StopLens == 0 {
		return 0
	}
	return kernel.StopState(int32(c.StopState), c.StopLens, c.StopTable, tokenBytes(o, y))
}

// tokenBytes are what token y adds to the text.
func tokenBytes(o *Op, y int32) []int8 {
	if y < 0 || int64(y) >= o.P[0] {
		y = 0
	}
	lo := min(max(int(o.B.I32[2*y]), 0), len(o.A.I8)-1)
	n := min(max(int(o.B.I32[2*y+1]), 0), opset.TokenBytes, len(o.A.I8)-lo)
	return o.A.I8[lo : lo+n]
}
