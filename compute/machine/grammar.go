package machine

import (
	"math"

	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

// Grammars: which tokens a state allows, and the state after one.

// NextGrammar is the state of the grammar of c after token y, computed as the head stage would; 0 if the
// request has none. SPEC 02 §4 op 36.
func (s *Stage) NextGrammar(c *opset.Context, y int32) uint32 {
	if !c.Grammared {
		return 0
	}
	for i := range s.Ops {
		if o := &s.Ops[i]; o.Op == opset.GrammarState {
			return uint32(nextGrammar(o, c, y))
		}
	}
	return 0
}

func nextGrammar(o *Op, c *opset.Context, y int32) int32 {
	switch {
	case !c.Grammared:
		return 0
	case c.GrammarState == math.MaxUint32:
		return opset.GrammarDead
	}
	g := grammarOf(o, c)
	return g.Next(c.GrammarState, y)
}

func grammarOf(o *Op, c *opset.Context) kernel.Grammar {
	return kernel.Grammar{Table: c.GrammarTable, Tokens: int(max(o.P[0], 1)), Size: opset.GrammarCount}
}

func mask(r *call) {
	if !r.c.Grammared {
		copy(r.out.I32, r.src(0).I32)
		return
	}
	g := grammarOf(r.op, r.c)
	g.Mask(r.out.I32, r.src(0).I32, r.c.GrammarState, 0)
}
