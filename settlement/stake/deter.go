package stake

import (
	"fmt"
	"math/big"

	"elenchus/commitment/claim"
)

// Chance is the probability Num/Den that a false claim is refuted.
type Chance struct{ Num, Den uint64 }

// LeastStake is the least slash S that deters from a false claim worth gain: p * b * S > gain, where
// b = 1/2 is the share of a slash that is burned whoever wins. What is not burned does not deter: a
// cheat can refute itself. ErrParams unless 0 < p <= 1, claim.ErrAmount above 2^128-1. SPEC 09 §8.
func LeastStake(gain Amount, p Chance) (Amount, error) {
	if p.Num == 0 || p.Num > p.Den {
		return Amount{}, fmt.Errorf("%w: a chance of %d in %d", ErrParams, p.Num, p.Den)
	}
	// The least S with Num * (S - floor(S/2)) > gain * Den: b is at least a half, rounded up.
	burned := new(big.Int).Mul(gain.Big(), new(big.Int).SetUint64(p.Den))
	burned.Div(burned, new(big.Int).SetUint64(p.Num))
	s := burned.Lsh(burned, 1) // burned units more than that: burned + 1 of 2*burned + 1
	return claim.AmountFromBig(s.Add(s, big.NewInt(1)))
}
