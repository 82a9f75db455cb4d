package opset

import (
	"math"
	"math/big"

	"elenchus/compute/tensor"
)

// A grammar allows some tokens in each state of an answer. Tokens that lead to the same state from
// every state are a class; the token table has the class of each token, then for each state a row with
// an entry for each class: 0 where its tokens are refused, else 1 more than the state after them. A state
// is the place of its row, counted from the first row, which is that of the state before the first
// token. So whatever is asked of a step takes two elements of the table, and any bytes are a table.
// SPEC 02 §4.11.

// GrammarDead is the state after a token that the grammar refuses.
const GrammarDead = -1

// Values of mask: what a refused token has, and the least that one has which is not. Their distance is
// such that at no valid temperature a refused token has a weight beside one that is not.
const (
	MaskRefused = math.MinInt32
	MaskLeast   = -1 << 30
)

func mask(e *env, j uint64) *big.Int {
	x := e.one(e.d.Src[0], tensor.I32, e.d.Count(e.c), j)
	switch {
	case !e.c.Grammared:
		return b64(x)
	case e.grammar(j) > 0:
		return b64(max(x, MaskLeast))
	}
	return b64(MaskRefused)
}

func grammarState(e *env, _ uint64) *big.Int {
	switch {
	case !e.c.Grammared:
		return new(big.Int)
	case e.c.GrammarState == math.MaxUint32:
		return b64(GrammarDead)
	}
	y := e.one(e.d.Src[0], tensor.I32, 1, 0)
	if y < 0 || uint64(y) >= max(e.p(0), 1) {
		y = 0
	}
	return b64(max(e.grammar(uint64(y)), 0) - 1)
}

// grammar is the entry of token j in the row of the state.
func (e *env) grammar(j uint64) int64 {
	class := e.one(e.d.Src[1], tensor.I32, GrammarCount, min(j, GrammarCount-1))
	at := max(e.p(0), 1) + uint64(e.c.GrammarState) + uint64(max(class, 0))
	return e.one(e.d.Src[1], tensor.I32, GrammarCount, min(at, GrammarCount-1))
}
