package adversary

import (
	"context"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// Strategy is an attacker on the chain as a value: news in, what it sends out. It is driven by one
// goroutine.
type Strategy interface {
	// Observe takes news of the chain and returns what the attacker sends now, in order. An order that
	// was returned before is not returned again.
	Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error)
}

// Frontrunner is a strategy that sees what others send before it is mined.
type Frontrunner interface {
	Strategy
	// Before returns what the attacker has mined before an order of another.
	Before(o ledger.Order) []ledger.Order
}

// Starved is an order with a gas limit of the attacker's choice.
type Starved struct {
	ledger.Order
	Gas uint64
}

// Key names the order and its limit.
func (s Starved) Key() string { return fmt.Sprintf("%s/gas/%d", s.Order.Key(), s.Gas) }

// Means are what an attacker has. All fields are required.
type Means struct {
	Account  claim.Address
	Domain   claim.Domain
	Manifest *manifest.Manifest
	View     Computer // what it plays with: an honest computer, or a false one
	Truth    Computer // an honest computer
	MaxBond  claim.Amount
	Prove    dispute.Prover // finishes answers; nil: they are sent as they are
}

// Hand is how an attacker plays one game: the zero value plays to win and takes nothing that the node
// serves, so that every descent happens.
type Hand struct {
	Receipt *receipt.Receipt
	Batch   *dispute.Inclusion // the evidence; nil: the signature of the receipt
	Salt    uint64             // several games about one claim differ in it
	Step    *uint32            // opens at this step; nil: where its own computation differs
	Blind   bool               // picks the first of everything
	Stops   bool               // moves no more once the game is open
}

// Opponent is an attacker's hand in games: it opens them and plays the opener's side. Create it with
// NewOpponent.
type Opponent struct {
	m         Means
	hands     []*playing
	games     ledger.Games
	cases     ledger.Cases
	committed map[claim.Hash]uint64 // by game: block of its commit
	sent      map[string]bool
}

// playing is a hand that was dealt.
type playing struct {
	Hand
	key  claim.Hash
	open []byte
	own  dispute.Knowledge
}

// NewOpponent is an opponent without games.
func NewOpponent(m Means) *Opponent {
	return &Opponent{m: m, committed: map[claim.Hash]uint64{}, sent: map[string]bool{}}
}

// Deal begins a game: it is committed to and opened as news come.
func (o *Opponent) Deal(ctx context.Context, h Hand) error {
	r := h.Receipt
	job := r.Job()
	a, _, err := o.m.View.Audit(ctx, job, r.Output)
	if err != nil {
		return err
	}
	open := &dispute.OpenMove{Opener: o.m.Account, Salt: claim.Keccak([]byte("attack"), []byte(fmt.Sprint(h.Salt))), MaxBond: o.m.MaxBond,
		Claim: r.Claim, Request: r.Request, Sampler: trace.Settings(&r.Sampler), Header: o.m.Manifest.Header, Batch: h.Batch, Signature: r.Signature, Cancel: r.Cancel}
	own := dispute.NewOwn(o.m.Manifest, job, a, r.Claim.Count, func(t int) (*trace.Step, error) { return o.m.View.Step(job, t, nil) })
	if h.Step != nil {
		open.T = *h.Step
	} else if lie, err := open.Accuse(r.Domain, own, nil); err != nil || !lie {
		return fmt.Errorf("nothing to accuse claim %x of: %v", r.ID(), err) //nolint:errorlint // either may be nil
	}
	key := dispute.Key(o.m.Account, r.ID(), open.T, open.Salt)
	o.hands = append(o.hands, &playing{Hand: h, key: key, open: open.Encode(), own: own})
	return nil
}

// truth is what an honest node knows of a claim.
func (o *Opponent) truth(ctx context.Context, r *receipt.Receipt) (dispute.Knowledge, error) {
	job := r.Job()
	a, _, err := o.m.Truth.Audit(ctx, job, r.Output)
	if err != nil {
		return nil, err
	}
	return dispute.NewOwn(o.m.Manifest, job, a, r.Claim.Count, func(t int) (*trace.Step, error) { return o.m.Truth.Step(job, t, nil) }), nil
}

// copy begins a game with another's opening, under the attacker's name.
func (o *Opponent) copy(ctx context.Context, r *receipt.Receipt, open []byte) (ledger.Order, error) {
	mine := append(slices.Clone(o.m.Account[:]), open[len(o.m.Account):]...)
	t, salt := uint32(mine[20])<<24|uint32(mine[21])<<16|uint32(mine[22])<<8|uint32(mine[23]), claim.Hash(mine[24:56])
	own, err := o.truth(ctx, r)
	if err != nil {
		return nil, err
	}
	p := &playing{Hand: Hand{Receipt: r}, key: dispute.Key(o.m.Account, r.ID(), t, salt), open: mine, own: own}
	o.hands = append(o.hands, p)
	c := ledger.Commit{Game: p.key}
	o.sent[c.Key()] = true
	return c, nil
}

// Forget lets an order be returned again, if it is still due: its transaction reverted.
func (o *Opponent) Forget(key string) { delete(o.sent, key) }

// Over says whether every game of the opponent was opened and is closed.
func (o *Opponent) Over() bool {
	for _, h := range o.hands {
		if g, ok := o.games.Game(h.key); !ok || g.Resolved == nil {
			return false
		}
	}
	return len(o.hands) > 0
}

// Opened says whether every game of the opponent was opened.
func (o *Opponent) Opened() bool {
	for _, h := range o.hands {
		if _, ok := o.games.Game(h.key); !ok {
			return false
		}
	}
	return len(o.hands) > 0
}

// Observe plays on.
func (o *Opponent) Observe(facts []ledger.Fact, head ledger.Head) ([]ledger.Order, error) {
	for _, f := range facts {
		o.games.Apply(f)
		o.cases.Apply(f)
		if e, ok := f.Event.(ledger.Committed); ok && f.Removed {
			delete(o.committed, e.Game)
		} else if ok {
			o.committed[e.Game] = f.Block
		}
	}
	var out []ledger.Order
	for _, h := range o.hands {
		x, err := o.next(h, head)
		if err != nil {
			return out, err
		}
		if x != nil && !o.sent[x.Key()] {
			o.sent[x.Key()] = true
			out = append(out, x)
		}
	}
	return append(out, o.settle(head)...), nil
}

// settle has what verdicts hold paid where the reward is the attacker's.
func (o *Opponent) settle(head ledger.Head) []ledger.Order {
	var out []ledger.Order
	for _, id := range o.cases.All() {
		raw := o.cases.Held(id)
		held, err := stake.DecodeHeld(raw)
		x := ledger.Settle{Case: id, Held: raw}
		if err != nil || held.Winner != o.m.Account || head.Time <= held.SettleAt || o.sent[x.Key()] {
			continue
		}
		o.sent[x.Key()] = true
		out = append(out, x)
	}
	return out
}

// next is what one game asks for, or nil.
func (o *Opponent) next(h *playing, head ledger.Head) (ledger.Order, error) {
	g, opened := o.games.Game(h.key)
	at, committed := o.committed[h.key]
	switch {
	case g.Resolved != nil:
		return nil, nil
	case !opened && !committed:
		return ledger.Commit{Game: h.key}, nil
	case !opened && head.Number > at:
		return ledger.Open{Game: h.key, Payload: h.open}, nil
	case !opened:
		return nil, nil
	case g.Decided != nil:
		return o.close(&g)
	}
	s, j, seen, err := dispute.Replay(g)
	if err != nil {
		return nil, err
	}
	if s.Phase.Turn() == dispute.Node && dispute.Overdue(&s, head.Time) {
		return ledger.Timeout{Game: g.Key, State: g.State, Job: g.Job}, nil
	}
	move := ledger.Move{Game: g.Key, State: g.State}
	if h.Stops || o.sent[move.Key()] || s.Phase.Turn() != dispute.Opener && s.Phase != dispute.Answer {
		return nil, nil
	}
	m := h.move(s, j, seen)
	if m == nil {
		return nil, nil
	}
	if m.Kind() == dispute.KindAnswer {
		if phase, err := dispute.Outcome(s, m); err != nil || phase != dispute.Refuted {
			return nil, nil //nolint:nilerr // it would defend the node
		}
		if o.m.Prove != nil {
			if m, err = o.m.Prove(s, m); err != nil {
				return nil, err
			}
		}
	}
	move.Kind, move.Payload = uint8(m.Kind()), m.Encode()
	return move, nil
}

// close resolves a game that was won.
func (o *Opponent) close(g *ledger.Game) (ledger.Order, error) {
	v, err := dispute.DecodeVerdict(g.Decided.Verdict)
	if err != nil || v.Phase == dispute.Lost {
		return nil, err
	}
	return ledger.Resolve{Game: g.Key, Verdict: g.Decided.Verdict, Held: o.cases.Held(v.Case)}, nil
}

// direct is the move, but for a descent in a tensor of a confidential model, where each element of the leaf
// would be proven: the hand then picks the tensor's first element.
func (h *playing) direct(s dispute.State, m dispute.Move) dispute.Move {
	if p, ok := m.(dispute.PickTensor); ok && s.Class == manifest.Confidential && p.Index == dispute.Descend {
		return dispute.PickTensor{Tensor: p.Tensor, Index: 0}
	}
	return m
}

// move is the move of a hand in a state, nil where it makes none.
func (h *playing) move(s dispute.State, j dispute.Job, seen []dispute.Move) dispute.Move {
	if !h.Blind {
		if m, err := dispute.NextForOpener(s, j, seen, h.own, dispute.Withheld); err == nil {
			return h.direct(s, m)
		}
	}
	switch s.Phase { // nothing differs, or nobody looks
	case dispute.Stage:
		return dispute.PickStage{Stage: 0}
	case dispute.Layer:
		return dispute.PickLayer{Layer: 0}
	case dispute.Pick:
		return dispute.PickTensor{Tensor: 1, Index: 0}
	case dispute.Element:
		return dispute.PickElement{Element: 0}
	}
	return nil
}
