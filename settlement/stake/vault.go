package stake

import (
	"fmt"

	"elenchus/commitment/claim"
)

// Node is a staker's account. The zero value is a node without stake.
type Node struct {
	Stake     Amount
	Reserved  Amount // by batches, at most Stake
	Unbonding Amount // announced to leave
	UnlockAt  uint64 // unix seconds
	Queue     uint64 // unix seconds
	Games     uint64 // open ones
	Jailed    bool
}

// Reserve takes free stake for a batch.
func (n *Node) Reserve(amount Amount) error {
	if n.Jailed {
		return ErrJailed
	}
	used, err := n.Reserved.Add(n.Unbonding)
	if err == nil {
		used, err = used.Add(amount)
	}
	if err != nil || used.Cmp(n.Stake) > 0 {
		return fmt.Errorf("%w: reserve %s of stake %s, %s is reserved and %s unbonding", ErrInsufficient, amount, n.Stake, n.Reserved, n.Unbonding)
	}
	n.Reserved, err = n.Reserved.Add(amount)
	return err
}

// Unreserve ends a reservation.
func (n *Node) Unreserve(amount Amount) error {
	left, err := n.Reserved.Sub(amount)
	if err != nil {
		return fmt.Errorf("%w: %s is reserved, not %s", ErrInsufficient, n.Reserved, amount)
	}
	n.Reserved = left
	return nil
}

// RequestUnbond announces that stake shall leave; it stays slashable until it does.
func (n *Node) RequestUnbond(amount Amount, now, unbonding uint64) error {
	if amount.Cmp(n.Stake) > 0 {
		return fmt.Errorf("%w: unbond %s of stake %s", ErrInsufficient, amount, n.Stake)
	}
	n.Unbonding, n.UnlockAt = amount, now+unbonding
	return nil
}

// Withdraw pays out what was announced, as far as it is neither slashed nor reserved.
func (n *Node) Withdraw(now uint64) (Amount, error) {
	if now <= n.UnlockAt || n.Games != 0 || n.Jailed && !n.Reserved.IsZero() {
		return Amount{}, fmt.Errorf("%w: until %d, with %d open games and %s reserved", ErrLocked, n.UnlockAt, n.Games, n.Reserved)
	}
	amount := n.Unbonding.Min(n.Stake.Less(n.Reserved))
	n.Unbonding, n.Stake = Amount{}, n.Stake.Less(amount)
	return amount, nil
}

// Slash takes reserved out of reservations and the rest of wanted out of free stake as far as there
// is any; it returns what was taken. reserved must be reserved and at most wanted.
func (n *Node) Slash(wanted, reserved Amount) (Amount, error) {
	if reserved.Cmp(n.Reserved) > 0 || reserved.Cmp(wanted) > 0 {
		return Amount{}, fmt.Errorf("%w: slash %s of reserved %s, %s in all", ErrInsufficient, reserved, n.Reserved, wanted)
	}
	taken, err := reserved.Add(wanted.Less(reserved).Min(n.Stake.Less(n.Reserved)))
	if err != nil {
		return Amount{}, err
	}
	n.Stake, n.Reserved = n.Stake.Less(taken), n.Reserved.Less(reserved)
	return taken, nil
}

// Jail ends a node's batches; its stake stays locked for the unbonding time.
func (n *Node) Jail(now, unbonding uint64) { n.Jailed, n.UnlockAt = true, now+unbonding }

// Batch is what a posted batch of claims holds of its node's stake. Cover is what is left of the
// sum of values that it covers beyond the reserve of each claim.
type Batch struct {
	Count, Refuted uint64
	Games          uint64
	Until          uint64 // unix seconds
	Cover          Amount
}

// NewBatch reserves the node's stake for count claims: reserve each and cover in all.
func NewBatch(n *Node, reserve Amount, count uint64, cover Amount, until, now, window uint64) (Batch, error) {
	if count == 0 || count > claim.MaxBatch || until < now+window {
		return Batch{}, fmt.Errorf("%w: %d claims until %d, want 1..%d and at least %d", ErrBatch, count, until, claim.MaxBatch, now+window)
	}
	total, err := reserve.Mul(count)
	if err == nil {
		total, err = total.Add(cover)
	}
	if err != nil {
		return Batch{}, err
	}
	return Batch{Count: count, Until: until, Cover: cover}, n.Reserve(total)
}

// Convict books a refuted claim of a value: wanted is what the node is to lose, reserved how much
// of it the batch had reserved. A claim without batch (b nil) has nothing reserved.
func (b *Batch) Convict(reserve, value Amount) (wanted, reserved Amount, err error) {
	if wanted, err = reserve.Add(value); err != nil || b == nil {
		return wanted, Amount{}, err
	}
	if b.Refuted >= b.Count {
		return Amount{}, Amount{}, fmt.Errorf("%w: all %d claims were refuted", ErrBatch, b.Count)
	}
	cover := b.Cover.Min(value)
	b.Cover, b.Refuted = b.Cover.Less(cover), b.Refuted+1
	reserved, err = reserve.Add(cover)
	return wanted, reserved, err
}

// Release gives the reserve of an ended batch back.
func (b *Batch) Release(n *Node, reserve Amount, now uint64) error {
	if b.Count == 0 || now <= b.Until || b.Games != 0 {
		return fmt.Errorf("%w: %d claims until %d with %d open games", ErrBatch, b.Count, b.Until, b.Games)
	}
	total, err := reserve.Mul(b.Count - b.Refuted)
	if err == nil {
		total, err = total.Add(b.Cover)
	}
	if err == nil {
		err = n.Unreserve(total)
	}
	if err == nil {
		*b = Batch{}
	}
	return err
}

// Verdict is what became of a claim.
type Verdict struct {
	Winner      claim.Address
	CommittedAt uint64
	SettleAt    uint64
	Void        bool
	Refuted     bool
	Reward      Amount // held until SettleAt
}

// Win is a game that refuted a claim.
type Win struct {
	Opener      claim.Address
	CommittedAt uint64
	Cost        Amount // that the game has booked for the opener
	Price       Amount // of the request
	Value       Amount // of the claim
}

// Refute books a won game: the first one slashes and jails, a later one is repaid its costs out of
// free stake, and takes the held reward over if its commit was earlier. b is nil for a claim that
// was signed but not posted. The escrow goes back to the opener beside this.
func (p *Params) Refute(v *Verdict, n *Node, b *Batch, w Win, reserve Amount, now, unbonding uint64) (Cut, error) {
	if v.Refuted {
		if now <= v.SettleAt && w.CommittedAt < v.CommittedAt {
			v.Winner, v.CommittedAt = w.Opener, w.CommittedAt
		}
		repaid, err := n.Slash(w.Cost, Amount{})
		return Cut{Costs: repaid}, err
	}
	wanted, reserved, err := b.Convict(reserve, w.Value)
	if err != nil {
		return Cut{}, err
	}
	slashed, err := n.Slash(wanted, reserved)
	if err != nil {
		return Cut{}, err
	}
	n.Jail(now, unbonding)
	cut := p.Split(slashed, w.Cost, w.Price)
	void := v.Void
	*v = Verdict{w.Opener, w.CommittedAt, now + p.RewardDelay, void, true, cut.Reward}
	return cut, nil
}

// Settle pays the held reward out, once.
func (v *Verdict) Settle(now uint64) (claim.Address, Amount, error) {
	if v.Reward.IsZero() || now <= v.SettleAt {
		return claim.Address{}, Amount{}, fmt.Errorf("%w: %s held until %d", ErrSettle, v.Reward, v.SettleAt)
	}
	paid := v.Reward
	v.Reward = Amount{}
	return v.Winner, paid, nil
}
