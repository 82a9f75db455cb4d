package adversary

import (
	"context"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// Copycat lets nothing of the others be mined before it has sent the same: a commit under the same
// key, a game of its own about what is opened, every move and every resolution word by word.
type Copycat struct {
	*Opponent
	Receipt *receipt.Receipt // of the partner's claim
	ctx     context.Context  //nolint:containedctx // Before has none
}

// NewCopycat is the copycat around a claim.
func NewCopycat(ctx context.Context, m Means, r *receipt.Receipt) *Copycat {
	return &Copycat{Opponent: NewOpponent(m), Receipt: r, ctx: ctx}
}

// Before copies an order.
func (c *Copycat) Before(o ledger.Order) []ledger.Order {
	switch o := o.(type) {
	case ledger.PostBatch, ledger.ReleaseBatch: // are about the sender's own stake
		return nil
	case ledger.Open:
		out := []ledger.Order{o}
		if mine, err := c.copy(c.ctx, c.Receipt, o.Payload); err == nil {
			out = append(out, mine)
		}
		return out
	}
	return []ledger.Order{o}
}

// Flood opens many games about one claim at one step and moves no more: at most as many as may be open
// against a node. SPEC 09 §7.5.
func Flood(ctx context.Context, m Means, r *receipt.Receipt, games int) (*Opponent, error) {
	o := NewOpponent(m)
	last := r.Request.PromptCount + r.Claim.Count - 2
	for i := range min(games, stake.MaxGames) {
		if err := o.Deal(ctx, Hand{Receipt: r, Salt: uint64(i), Step: &last, Stops: true}); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Sham opens a game about the one step of a claim that is surely true, and loses it.
func Sham(ctx context.Context, m Means, r *receipt.Receipt) (*Opponent, error) {
	o := NewOpponent(m)
	return o, o.Deal(ctx, Hand{Receipt: r, Step: new(uint32), Blind: true})
}

// Griefer challenges claims with what its view says, and takes nothing that is served.
func Griefer(ctx context.Context, m Means, claims ...*receipt.Receipt) (*Opponent, error) {
	o := NewOpponent(m)
	for i, r := range claims {
		if err := o.Deal(ctx, Hand{Receipt: r, Salt: uint64(i)}); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Starver is a griefer that, where an answer is due, sends the true one with too little gas first.
type Starver struct {
	*Opponent
	Limits []uint64 // of gas
}

// Observe plays on, and starves.
func (s *Starver) Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error) {
	out, err := s.Opponent.Observe(facts, head)
	if err != nil {
		return out, err
	}
	for _, h := range s.hands {
		g, ok := s.games.Game(h.key)
		if !ok || g.Decided != nil || g.Resolved != nil {
			continue
		}
		state, job, _, err := dispute.Replay(g)
		if err != nil {
			return out, err
		}
		if state.Phase != dispute.Answer || s.sent["starved/"+string(h.key[:])] {
			continue
		}
		s.sent["starved/"+string(h.key[:])] = true
		own, err := s.truth(context.Background(), h.Receipt)
		if err != nil {
			return out, err
		}
		m, err := dispute.NextForNode(state, job, own)
		if err != nil {
			return out, err
		}
		answer := ledger.Move{Game: g.Key, Kind: uint8(m.Kind()), State: g.State, Payload: m.Encode()}
		for _, gas := range s.Limits {
			out = append(out, Starved{answer, gas})
		}
	}
	return out, nil
}

// Burst is an opponent that, whenever a node has to move, fills blocks with transactions that do
// nothing.
type Burst struct {
	*Opponent
	Size int // transactions for a turn of a node
	Most int // turns that are disturbed

	nonce uint64
	turns int
	seen  map[claim.Hash]int // by game: moves answered with a burst
}

// Observe plays on, and fills blocks.
func (b *Burst) Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error) {
	out, err := b.Opponent.Observe(facts, head)
	if err != nil {
		return out, err
	}
	if b.seen == nil {
		b.seen = map[claim.Hash]int{}
	}
	var burst []ledger.Order
	for _, g := range b.games.Open() {
		s, err := dispute.DecodeState(g.State)
		if err != nil {
			return out, err
		}
		if s.Phase.Turn() != dispute.Node || b.seen[g.Key] == len(g.Moves) || b.turns == b.Most {
			continue
		}
		b.turns++
		b.seen[g.Key] = len(g.Moves)
		for range b.Size {
			b.nonce++
			burst = append(burst, ledger.Withdraw{Amount: claim.Units(1), Nonce: b.nonce})
		}
	}
	return slices.Concat(out, burst), nil
}
