package opsample

import (
	"math"

	"elenchus/compute/opset"
)

// grammar draws whether there is a grammar, and its state: a row, that after a refused token, or one
// beyond every table.
func (s *sampler) grammar(c *opset.Context) {
	c.Grammared = s.IntN(5) > 0
	c.GrammarState = among(s.Rand, 0, s.Uint32N(1000), s.Uint32N(opset.GrammarCount), opset.GrammarCount, s.Uint32(), math.MaxUint32)
}

func (s *sampler) mask(d *opset.Descriptor) {
	n := s.n(1, 700)
	d.Dims, d.P[0], d.Src[1] = vec(n), int64(n), of(opset.Grammar)
}

func (s *sampler) grammarState(d *opset.Descriptor) {
	d.Dims, d.P[0], d.Src[1] = vec(1), int64(s.n(1, 700)), of(opset.Grammar)
}

// ruled draws what reads of mask and grammar_state look like: a token, its class, an entry of a row.
func (s *Supply) ruled(k int) (v int64, ok bool) {
	switch {
	case s.d.Op != opset.Mask && s.d.Op != opset.GrammarState:
		return 0, false
	case k == 0 && s.d.Op == opset.Mask:
		return among(s.rng, int64(s.rng.IntN(1<<24))-1<<23, math.MinInt32, -1<<30-1, -1<<30, math.MaxInt32), true
	case k == 0:
		return int64(s.rng.IntN(704)) - 2, true
	case k == 1:
		return among(s.rng, -1, 0, int64(s.rng.IntN(1500)), opset.GrammarCount, math.MaxInt32), true
	}
	return among(s.rng, math.MinInt32, -1, 0, 0, 1, int64(s.rng.IntN(opset.GrammarCount)), math.MaxInt32), true
}
