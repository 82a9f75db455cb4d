package kernel

import "elenchus/compute/tensor"

// Penalties are what is taken from the logits of tokens that have occurred, Q16; 0 is off. Repetition
// is at most 2^30.
type Penalties struct {
	Repetition          int64
	Presence, Frequency int64 // of 32 bits
}

// Penalise writes the logits x after penalties and a bias that all have in common. dst holds the counts
// of the tokens and must not be x. Results stay below 2^62 before they are saturated: |x * r| <= 2^61,
// |frequency * count / 2| <= 2^61. SPEC 02 §4 op 29.
func Penalise(dst, x []int32, p Penalties, bias int64) {
	for i, v := range x {
		if n := dst[i]; n > 0 {
			dst[i] = int32(tensor.Sat64(p.of(int64(v), int64(n))+bias, tensor.I32))
		} else {
			dst[i] = int32(tensor.Sat64(int64(v)+bias, tensor.I32))
		}
	}
}

// of is the logit x of a token with a count above 0.
func (p *Penalties) of(x, count int64) int64 {
	switch {
	case p.Repetition == 0:
	case x > 0:
		x = tensor.Div64(x<<16, p.Repetition)
	default:
		x = tensor.RS64(x*p.Repetition, 16)
	}
	if drawn := count / 2; drawn > 0 {
		x -= p.Presence + drawn*p.Frequency
	}
	return x
}
