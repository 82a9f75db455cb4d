package kernel

import "math"

// Grammars. SPEC 02 §4 op 35, 36.

// Values of masked logits.
const (
	maskRefused = math.MinInt32
	maskLeast   = -1 << 30
)

// Grammar is a token table: classes of tokens, then rows of states. The table is without the zeros
// behind it; what is beyond size elements acts as the last of them.
type Grammar struct {
	Table  []int32
	Tokens int // of the vocabulary, at least 1
	Size   int // elements, those that are zero included
}

// Entry is the entry of token j in the row of the state: 0 or less where it is refused, else 1 more than
// the state after it.
func (g *Grammar) Entry(state uint32, j int) int32 {
	return g.at(g.Tokens + int(state) + max(int(g.at(j)), 0))
}

func (g *Grammar) at(i int) int32 {
	if i = min(i, g.Size-1); i < len(g.Table) {
		return g.Table[i]
	}
	return 0
}

// Next is the state after token y, -1 if the grammar refuses it.
func (g *Grammar) Next(state uint32, y int32) int32 {
	if y < 0 || int(y) >= g.Tokens {
		y = 0
	}
	return max(g.Entry(state, int(y)), 0) - 1
}

// Mask writes the logits x of tokens first, first+1, ... under the grammar. dst may be x.
func (g *Grammar) Mask(dst, x []int32, state uint32, first int) {
	for i, v := range x {
		if g.Entry(state, first+i) > 0 {
			dst[i] = max(v, maskLeast)
		} else {
			dst[i] = maskRefused
		}
	}
}
