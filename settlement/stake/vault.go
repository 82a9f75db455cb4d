package stake

import (
	"fmt"

	"elenchus/commitment/claim"
)

// MaxGames is how many games may be open against a node at a time.
const MaxGames = 255

// Node is a staker's account. The zero value is a node without stake.
type Node struct {
	Stake     Amount
	Reserved  Amount // by batches and open games, each of which reserves its own: may be above Stake
	Unbonding Amount // announced to leave
	UnlockAt  uint64 // unix seconds
	Queue     uint64 // unix seconds
	Games     uint64 // open ones
	Jailed    bool
}

// Free is the stake that neither batches nor games have reserved; announced stake is free until it
// is paid.
func (n *Node) Free() Amount { return n.Stake.Less(n.Reserved) }

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
	amount := n.Unbonding.Min(n.Free())
	n.Unbonding, n.Stake = Amount{}, n.Stake.Less(amount)
	return amount, nil
}

// Open counts a game and holds stake for its slash: sure, which the batch of the claim has reserved,
// and of the rest of wanted what is free. SPEC 09 §2.3.
func (n *Node) Open(wanted, sure Amount) (hold Amount, err error) {
	if n.Games >= MaxGames {
		return Amount{}, fmt.Errorf("%w: %d", ErrGames, n.Games)
	}
	if sure.Cmp(wanted) > 0 {
		return Amount{}, fmt.Errorf("%w: a batch covers %s of %s", ErrInsufficient, sure, wanted)
	}
	if hold, err = sure.Add(wanted.Less(sure).Min(n.Free())); err != nil {
		return Amount{}, err
	}
	if n.Reserved, err = n.Reserved.Add(hold); err != nil {
		return Amount{}, err
	}
	n.Games++
	return hold, nil
}

// Close ends a game; what it held is free again.
func (n *Node) Close(hold Amount) error {
	if n.Games == 0 {
		return fmt.Errorf("%w: no game is open", ErrGames)
	}
	if err := n.Unreserve(hold); err != nil {
		return err
	}
	n.Games--
	return nil
}

// jail ends a node's batches; its stake stays locked for the unbonding time.
func (n *Node) jail(now, unbonding uint64) {
	n.Jailed, n.UnlockAt = true, max(n.UnlockAt, now+unbonding)
}

// take takes what there is of an amount.
func (n *Node) take(amount, from Amount) Amount {
	taken := amount.Min(from)
	n.Stake = n.Stake.Less(taken)
	return taken
}

// Batch is what a posted batch of claims reserves of its node's stake: Cover for each claim beside
// the reserve.
type Batch struct {
	Count uint64
	Until uint64 // unix seconds
	Cover Amount
}

func (b *Batch) weight(reserve Amount) (Amount, error) {
	each, err := reserve.Add(b.Cover)
	if err != nil {
		return Amount{}, err
	}
	return each.Mul(b.Count)
}

// NewBatch reserves the node's stake for count claims: reserve and cover for each.
func NewBatch(n *Node, reserve Amount, count uint64, cover Amount, until, now, window uint64) (Batch, error) {
	if count == 0 || count > claim.MaxBatch || until < now+window {
		return Batch{}, fmt.Errorf("%w: %d claims until %d, want 1..%d and at least %d", ErrBatch, count, until, claim.MaxBatch, now+window)
	}
	b := Batch{Count: count, Until: until, Cover: cover}
	total, err := b.weight(reserve)
	if err != nil {
		return Batch{}, err
	}
	return b, n.Reserve(total)
}

// Sure is what the batch has reserved for one of its claims of a value; nothing without a batch.
func (b *Batch) Sure(reserve, value Amount) (Amount, error) {
	if b == nil {
		return Amount{}, nil
	}
	return reserve.Add(b.Cover.Min(value))
}

// Release gives the reserve of a batch back, half a window after its end: by then every commit of its
// window was opened, or never can be. SPEC 09 §2.2.
func (b *Batch) Release(n *Node, reserve Amount, now, window uint64) error {
	if b.Count == 0 || now <= b.Until+window/2 {
		return fmt.Errorf("%w: %d claims, reserved until %d", ErrBatch, b.Count, b.Until+window/2)
	}
	total, err := b.weight(reserve)
	if err == nil {
		err = n.Unreserve(total)
	}
	if err == nil {
		*b = Batch{}
	}
	return err
}
