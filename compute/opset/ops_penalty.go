package opset

import (
	"math/big"

	"elenchus/compute/tensor"
)

// Penalties and bias: what a logit becomes before anything of the draw looks at it. SPEC 02 §4 op 29.

// CountPrompt is the count of a token that occurs in the prompt and was not drawn; each time that it
// is drawn adds 2. SPEC 06 §3.6.
const CountPrompt = 1

// Counted is a count after a step that yields the token: of the prompt, or drawn.
func Counted(count uint32, absorb bool) uint32 {
	if absorb {
		return count | CountPrompt
	}
	return count + 2
}

// MaxRepetition is the repetition penalty that greater ones act as, Q16: the product with a logit then
// stays in 62 bits.
const MaxRepetition = 1 << 30

func penalise(e *env, j uint64) *big.Int {
	x := e.one(e.d.Src[0], tensor.I32, e.d.Count(e.c), j)
	count, bias := int64(0), int64(0)
	at := min(j, DenseCount-1)
	if e.c.Counted() {
		count = e.one(e.d.Src[1], tensor.I32, DenseCount, at)
	}
	if e.c.Biased {
		bias = e.one(e.d.Src[2], tensor.I32, DenseCount, at)
	}
	v := b64(x)
	if r := int64(min(e.c.Repetition, MaxRepetition)); r != 0 && count > 0 {
		v = repeated(x, r)
	}
	if drawn := count / 2; drawn > 0 {
		v.Sub(v, b64(int64(e.c.Presence)))
		v.Sub(v, bmul(b64(drawn), int64(e.c.Frequency)))
	}
	return v.Add(v, b64(bias))
}

// repeated is the logit of a token that has occurred.
func repeated(x, r int64) *big.Int {
	if x > 0 {
		return tensor.Div(bmul(b64(x), 1<<16), b64(r))
	}
	return tensor.RS(bmul(b64(x), r), 16)
}
