package opsample

import (
	"math"

	"elenchus/compute/opset"
)

// settings draws the settings of the sampler: off, at the ends, and anything.
func (s *sampler) settings(c *opset.Context) {
	c.TopK = among(s.Rand, 0, 1, s.n(1, 2000), math.MaxUint32)
	c.TopP = among(s.Rand, 0, 1, s.Uint32N(opset.FullWeight), opset.FullWeight-1, opset.FullWeight, math.MaxUint32)
	c.MinP = among(s.Rand, 0, 1, s.Uint32N(opset.FullWeight), opset.FullWeight, math.MaxUint32)
}

// penalties draws what penalise looks at: off, near 1, at the ends, and anything.
func (s *sampler) penalties(c *opset.Context) {
	c.Biased = s.flag()
	c.Repetition = among(s.Rand, 0, 0, 1, 1<<16-1, 1<<16+6554, s.n(1, 16<<16), opset.MaxRepetition+1, math.MaxUint32)
	c.Presence = among(s.Rand, 0, 1<<15, int32(s.Uint32()), math.MinInt32, math.MaxInt32)
	c.Frequency = among(s.Rand, 0, -1<<14, int32(s.Uint32()), math.MinInt32, math.MaxInt32)
}

func (s *sampler) penalise(d *opset.Descriptor) {
	s.single(d)
	d.Src[1], d.Src[2] = of(opset.Counts), of(opset.Bias)
}

func (s *sampler) rank(d *opset.Descriptor) {
	d.P[0], d.P[1] = int64(s.n(1, 2000)), int64(s.IntN(2))
	if d.P[1] == opset.ByCount {
		d.Src[0] = of(opset.None)
	}
}

func (s *sampler) hist(d *opset.Descriptor) {
	n, f := s.n(1, 1500), among(s.Rand, s.n(1, 256), s.n(1, 8), 256)
	d.P = [11]int64{int64(n), int64(f), int64(s.IntN(opset.SelectRounds)), int64(s.IntN(2))}
	d.Dims = mat(opset.Bins, dim((n+f-1)/f, 0))
	if d.P[2] > 0 {
		s.second(d)
	}
}

func (s *sampler) digit(d *opset.Descriptor) {
	s.second(d)
	d.Dims, d.P[0] = vec(2), int64(s.IntN(opset.SelectRounds))
}

func (s *sampler) keep(d *opset.Descriptor) {
	s.single(d)
	s.second(d)
	d.P[1] = int64(s.IntN(2))
}

// selected draws what reads of a selection look like: the state is a prefix of an element, a
// threshold is near it, a rank is less than all bins together. ok is false for other reads.
func (s *Supply) selected(k, i int) (v int64, ok bool) {
	if k != 1 || i > 1 || s.rng.IntN(4) == 0 {
		return 0, false
	}
	x := s.Values[0]
	switch s.d.Op {
	case opset.Hist:
		return int64(uint64(uint32(x[s.rng.IntN(len(x))])) >> (32 - 4*min(max(s.d.P[2], 0), opset.SelectRounds-1))), i == 0
	case opset.Keep:
		return x[0] + int64(s.rng.IntN(3)) - 1, i == 0
	case opset.Digit:
		sum := int64(0)
		for _, h := range x[s.rng.IntN(len(x)):] {
			sum += h
		}
		return sum, (s.d.P[0] == 0) == (i == 0)
	}
	return 0, false
}
