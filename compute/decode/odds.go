package decode

import (
	"math/bits"

	"elenchus/compute/tensor"
)

// MaxOdds is the most alternatives that a request may ask for at each token.
const MaxOdds = 20

// Likely is an id with the natural logarithm of its probability in Q16: at most 0.
type Likely struct {
	ID  int32
	Log int32
}

// Odds say how likely the id that was drawn was, and the ids that were most likely.
type Odds struct {
	Drawn Likely
	Top   []Likely // the most likely first, the least id first among equals
}

// OddsOf reads the odds of id, and of the k most likely ids, from the logits of its step: the
// probabilities of the softmax at temperature 1, whatever the request's temperature and settings.
// Everything is exact integers, so that whoever computes the step again gets the same; no claim
// binds it. id must be below len(logits), k is from 0 to MaxOdds. SPEC 05 §6.2.
func OddsOf(logits []int32, id int32, k int) Odds {
	top := mostLikely(logits, max(k, 1))
	best := logits[top[0].ID]
	var sum uint64 // of at most 2^31 weights of at most 2^30
	for _, l := range logits {
		sum += uint64(tensor.Exp2(tensor.Div64((int64(l)-int64(best))*log2eQ16, 1<<LogitBits), 30))
	}
	whole := lnQ16(sum)
	likely := func(id int32) Likely {
		log := int64(logits[id]) - int64(best) - whole
		return Likely{id, int32(max(min(log, 0), -1<<31))}
	}
	for i := range top {
		top[i] = likely(top[i].ID)
	}
	return Odds{likely(id), top[:min(k, len(top))]}
}

// log2eQ16 is log2(e) in Q16, as the draw has it.
const log2eQ16 = 94548

// mostLikely lists the k ids of the greatest logits.
func mostLikely(logits []int32, k int) []Likely {
	top := make([]Likely, 0, k+1)
	for id, l := range logits {
		if len(top) == k && l <= logits[top[k-1].ID] {
			continue
		}
		at := len(top)
		for at > 0 && logits[top[at-1].ID] < l {
			at--
		}
		top = append(top, Likely{})
		copy(top[at+1:], top[at:])
		top[at] = Likely{ID: int32(id)}
		top = top[:min(len(top), k)]
	}
	return top
}

// lnQ16 is the natural logarithm of sum / 2^30 in Q16, rounded half up from 24 bits of its binary
// logarithm. sum is at least 1.
func lnQ16(sum uint64) int64 {
	const ln2Q32 = 2977044472
	e := bits.Len64(sum) - 1
	m := sum << (63 - e) >> 32 // in [2^31, 2^32): sum / 2^e with 31 fraction bits
	log := int64(e - 30)
	for range 24 {
		m = m * m >> 31
		log <<= 1
		if m >= 1<<32 {
			m >>= 1
			log++
		}
	}
	return (log*ln2Q32 + 1<<39) >> 40
}
