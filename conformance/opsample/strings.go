package opsample

import (
	"math"

	"elenchus/compute/opset"
)

// strings draws lengths and state of stop strings: none, all of the greatest length, complete, and
// bytes that no valid request has.
func (s *sampler) strings(c *opset.Context) {
	c.StopLens = among(s.Rand, 0, opset.MostStopLens, s.lengths(6), s.lengths(6), s.lengths(opset.StopBytes+1), math.MaxUint32)
	c.StopState = among(s.Rand, 0, s.lengths(5), s.lengths(5), s.lengths(opset.StopBytes), s.Uint32(), math.MaxUint32)
}

// lengths are four lengths of up to n bytes.
func (s *sampler) lengths(n int) (out uint32) {
	for i := range opset.StopStrings {
		out |= uint32(s.IntN(n+1)) << (8 * i)
	}
	return out
}

func (s *sampler) stopState(d *opset.Descriptor) {
	d.Src[1], d.Src[2], d.Src[3] = of(opset.RootB), of(opset.RootA), of(opset.Strings)
	d.P[0], d.P[1] = int64(s.n(1, 700)), 64*int64(s.n(1, 40))
}

// spelled draws what reads of stop_state look like: a token, its place, and bytes of few letters, so
// that strings overlap themselves and what a token adds.
func (s *Supply) spelled(k, i int) (v int64, ok bool) {
	if s.d.Op != opset.StopState {
		return 0, false
	}
	switch {
	case k == 0:
		return int64(s.rng.IntN(704)) - 2, true
	case k == 1 && i%2 == 0:
		return int64(s.rng.IntN(64 * 40)), true
	case k == 1:
		return among(s.rng, 0, 1, int64(s.rng.IntN(9)), int64(s.rng.IntN(opset.TokenBytes+20))), true
	}
	return int64(s.rng.IntN(16) / 14), true // mostly zeros
}
