package stake

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
)

// HeldSize is the length of an encoded Held in bytes.
const HeldSize = 116

// Held is what a refutation holds until D3: the arena keeps its hash. SPEC 09 §4.4.
type Held struct {
	Winner      claim.Address // the earliest committer among those who won
	CommittedAt uint32
	SettleAt    uint64 // unix seconds; paid after that
	Slashed     Amount
	Cost        Amount // of the game that came first
	Left        Amount // of the half that is not burned, after the costs that were paid
	User        claim.Address
	Price       Amount // of the request
}

// Encode is the packed form, HeldSize bytes.
func (h *Held) Encode() []byte {
	b := make([]byte, 0, HeldSize)
	b = append(b, h.Winner[:]...)
	b = binary.BigEndian.AppendUint32(b, h.CommittedAt)
	b = binary.BigEndian.AppendUint64(b, h.SettleAt)
	slashed, cost, left, price := h.Slashed.Bytes(), h.Cost.Bytes(), h.Left.Bytes(), h.Price.Bytes()
	b = append(append(append(b, slashed[:]...), cost[:]...), left[:]...)
	return append(append(b, h.User[:]...), price[:]...)
}

// DecodeHeld reads exactly what Encode writes; anything else is ErrHeld.
func DecodeHeld(b []byte) (Held, error) {
	if len(b) != HeldSize {
		return Held{}, fmt.Errorf("%w: %d bytes, want %d", ErrHeld, len(b), HeldSize)
	}
	amount := func(at int) Amount { return claim.AmountFrom([16]byte(b[at : at+16])) }
	return Held{Winner: claim.Address(b[:20]), CommittedAt: binary.BigEndian.Uint32(b[20:]), SettleAt: binary.BigEndian.Uint64(b[24:]),
		Slashed: amount(32), Cost: amount(48), Left: amount(64), User: claim.Address(b[80:100]), Price: amount(100)}, nil
}

// Verdict is what became of a case: a claim with its evidence. The zero value says that nothing did.
type Verdict struct {
	Void    bool
	Refuted bool
	Held    *Held // nil before the first refutation and after Settle
}

// Win is a game that refuted a claim.
type Win struct {
	Opener      claim.Address
	CommittedAt uint32
	Hold        Amount // stake that the game holds
	Cost        Amount // that the game has booked for the opener
	User        claim.Address
	Price       Amount // of the request
}

// Paid is what a won game moves beside the escrow, which goes back to the opener: Slashed leaves the
// node's stake and Costs go to the opener. Of the first refutation of a case the rest is held; a later
// one takes what Slashed lacks of Costs out of what is held.
type Paid struct{ Slashed, Costs Amount }

// Refute books a won game: the first one of a case takes what it held and jails, a later one is
// repaid its costs out of free stake, then out of what is held, and takes over what is held if its
// commit was earlier. SPEC 09 §4.3 to §5.
func (p *Params) Refute(v *Verdict, n *Node, w Win, now, unbonding uint64) (Paid, error) {
	if err := n.Close(w.Hold); err != nil {
		return Paid{}, err
	}
	if v.Refuted {
		taken := n.take(w.Cost, n.Free())
		return Paid{taken, saturate(taken.Add(p.takeOver(v.Held, w, w.Cost.Less(taken), now)))}, nil
	}
	slashed := n.take(w.Hold, n.Stake)
	n.jail(now, unbonding)
	v.Refuted = true
	costs := w.Cost.Min(slashed.Div(2))
	v.Held = &Held{w.Opener, w.CommittedAt, now + p.RewardDelay, slashed, w.Cost, slashed.Div(2).Less(costs), w.User, w.Price}
	return Paid{slashed, costs}, nil
}

// takeOver gives a later winner what is missing of its costs, if its commit came at most D0 after the
// first refutation, and the place of the winner, if its commit was earlier and it won in time.
func (p *Params) takeOver(h *Held, w Win, missing Amount, now uint64) (costs Amount) {
	if h == nil {
		return Amount{}
	}
	if uint64(w.CommittedAt)+p.RewardDelay <= h.SettleAt+p.ReplyTime {
		costs = missing.Min(h.Left)
		h.Left = h.Left.Less(costs)
	}
	if now <= h.SettleAt && w.CommittedAt < h.CommittedAt {
		h.Winner, h.CommittedAt = w.Opener, w.CommittedAt
	}
	return costs
}

// Rests is what a verdict holds, all of it to be paid or burned by Settle. Zero for nil.
func (h *Held) Rests() Amount {
	if h == nil {
		return Amount{}
	}
	return saturate(h.Slashed.Less(h.Slashed.Div(2)).Add(h.Left))
}

// Settle divides what the verdict holds, once.
func (p *Params) Settle(v *Verdict, now uint64) (winner claim.Address, cut Cut, err error) {
	h := v.Held
	if h == nil || now <= h.SettleAt {
		return claim.Address{}, Cut{}, fmt.Errorf("%w: at %d", ErrSettle, now)
	}
	v.Held = nil
	return h.Winner, p.Split(h), nil
}
