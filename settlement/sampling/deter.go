package sampling

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/settlement/stake"
)

// ParamsOf are the terms that spec and deployments use for a kind of chain, in tokens of 18 decimals.
// SPEC 11 §7.
func ParamsOf(p stake.Profile) Params {
	tenth := func(n uint64) claim.Amount {
		a, err := claim.Units(1e17).Mul(n)
		if err != nil {
			panic("sampling: a term of a profile is above 2^128-1")
		}
		return a
	}
	switch p {
	case stake.L1:
		return Params{Delay: 60, CommitTime: 10_800, RevealTime: 10_800, GameTime: 11_600_000, Unbonding: 12_000_000, Every: 1024,
			Fee: tenth(400), Reward: tenth(4000), Deposit: tenth(80_000), Forfeit: tenth(2000)}
	case stake.L2:
		return Params{Delay: 60, CommitTime: 10_800, RevealTime: 10_800, GameTime: 8_000_000, Unbonding: 8_400_000, Every: 64,
			Fee: tenth(5), Reward: tenth(50), Deposit: tenth(2000), Forfeit: tenth(50)}
	}
	return Params{Delay: 3, CommitTime: 30, RevealTime: 20, GameTime: 700, Unbonding: 1200, Every: 64,
		Fee: tenth(50), Reward: tenth(500), Deposit: tenth(10_000), Forfeit: tenth(500)}
}

// BlindLoses says whether an auditor who approves what a node serves loses money when one of every
// drawn claims is false or planted and is refuted: D / 2 > (every - 1) * F. SPEC 11 §8.3.
func (p *Params) BlindLoses(every uint64) (bool, error) {
	if every == 0 {
		return false, fmt.Errorf("%w: one of 0 claims", ErrParams)
	}
	earned, err := p.Fee.Mul(every - 1)
	if err != nil {
		return false, fmt.Errorf("%w: one of %d: %w", ErrParams, every, err)
	}
	return p.Deposit.Div(2).Cmp(earned) > 0, nil
}
