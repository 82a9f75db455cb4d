// Package virtual is a chain in memory with the money, the clocks and the faults of a public one, on
// which random schedules are played.
//
// It stands in conformance and is imported by tests alone. The rules are the Go twins of the contracts
// (settlement/dispute, settlement/stake); stakes, credits, bonds, gas and what burns are booked to the
// last unit, so that an honest party's loss is a number. Time is virtual: a schedule is a function of
// its seed. SPEC 08, 09.
//
//	w := virtual.NewWorld(fixtures, virtual.Law3(), seed)
//	err := w.Run()
package virtual

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// gasOf is what a transaction of a kind uses; the figures are the ceilings of SPEC 09 §6.2.
var gasOf = map[dispute.Kind]uint64{
	dispute.KindCommit: 60_000, dispute.KindOpen: 90_000, dispute.KindReveal: 200_000, dispute.KindRows: 200_000, dispute.KindTensors: 200_000,
	dispute.KindPublish: 180_000, dispute.KindDecrypt: 260_000, dispute.KindChildren: 135_000, dispute.KindRaw: 65_000, dispute.KindAnswer: 220_000, dispute.KindTimeout: 60_000, dispute.KindResolve: 60_000,
}

// pickGas is that of every other move.
const pickGas = 60_000

// aroundGas is what open books for commit and resolve, at the price cap. SPEC 09 §4.1.
const aroundGas = 120_000

// errRevert marks what the contracts would revert without a sentinel of their own.
var errRevert = errors.New("reverted")

// arena is the twin of the contracts with all money. Its maps hold values: a copy is a snapshot.
type arena struct {
	p         stake.Params
	reserve   claim.Amount
	unbonding uint64
	domain    claim.Domain

	nodes   map[claim.Address]stake.Node
	credit  map[claim.Address]claim.Amount
	wei     map[claim.Address]uint64 // spent on gas
	burned  claim.Amount
	commits map[claim.Hash]commit
	games   map[claim.Hash]game
	cases   map[claim.Hash]stake.Verdict
	batches map[claim.Hash]stake.Batch // by root; only one node posts
}

type commit struct{ block, time uint64 }

type game struct {
	state dispute.State
	job   dispute.Job
}

func (a *arena) clone() *arena {
	b := *a
	b.nodes, b.credit, b.wei, b.commits = maps.Clone(a.nodes), maps.Clone(a.credit), maps.Clone(a.wei), maps.Clone(a.commits)
	b.games, b.batches, b.cases = maps.Clone(a.games), maps.Clone(a.batches), map[claim.Hash]stake.Verdict{}
	for k, v := range a.cases {
		if v.Held != nil {
			h := *v.Held
			v.Held = &h
		}
		b.cases[k] = v
	}
	return &b
}

// moment is when and at which prices a transaction is mined.
type moment struct {
	block, time uint64
	baseFee     uint64 // wei per gas
	price       uint64 // that the sender pays
}

// held is all that anybody has or could get: it must not change. SPEC 09 §1.2.
func (a *arena) held() claim.Amount {
	sum := a.burned
	add := func(v claim.Amount) { sum = must(sum.Add(v)) }
	for _, n := range a.nodes {
		add(n.Stake)
	}
	for _, c := range a.credit {
		add(c)
	}
	half := must(a.p.CommitBond())
	for range a.commits {
		add(half)
	}
	for _, g := range a.games {
		add(g.state.Escrow)
	}
	for _, v := range a.cases {
		add(v.Held.Rests())
	}
	return sum
}

func must(v claim.Amount, err error) claim.Amount {
	if err != nil {
		panic("virtual: " + err.Error()) // amounts of a schedule are far below 2^128
	}
	return v
}

func (a *arena) take(who claim.Address, v claim.Amount) error {
	left, err := a.credit[who].Sub(v)
	if err != nil {
		return fmt.Errorf("%w: %x has %s, not %s", errRevert, who, a.credit[who], v)
	}
	a.credit[who] = left
	return nil
}

func (a *arena) give(who claim.Address, v claim.Amount) { a.credit[who] = must(a.credit[who].Add(v)) }

// metered is what a transaction of so much gas is worth at a moment.
func (a *arena) metered(gas uint64, m moment) claim.Amount {
	return must(a.p.Repay(gas-21_000, 0, m.price, m.baseFee))
}

// apply mines an order: the events, or why it reverts, in which case nothing but gas is lost.
func (a *arena) apply(o ledger.Order, from claim.Address, m moment) ([]ledger.Event, error) {
	before := a.clone()
	events, gas, err := a.run(o, from, m)
	if err != nil {
		*a = *before
	}
	a.wei[from] += gas * m.price
	return events, err
}

func (a *arena) run(o ledger.Order, from claim.Address, m moment) ([]ledger.Event, uint64, error) {
	switch o := o.(type) {
	case ledger.PostBatch:
		return a.post(o, from, m)
	case ledger.ReleaseBatch:
		b, n := a.batches[o.Root], a.nodes[from]
		err := b.Release(&n, a.reserve, m.time, a.p.Window)
		a.batches[o.Root], a.nodes[from] = b, n
		return []ledger.Event{ledger.BatchReleased{Node: from, Root: o.Root}}, 0, err
	case ledger.Commit:
		if _, ok := a.commits[o.Game]; ok || a.has(o.Game) {
			return nil, gasOf[dispute.KindCommit], errRevert
		}
		a.commits[o.Game] = commit{m.block, m.time}
		return []ledger.Event{ledger.Committed{Game: o.Game, Payer: from}}, gasOf[dispute.KindCommit], a.take(from, must(a.p.CommitBond()))
	case ledger.Open:
		e, err := a.open(o, from, m)
		return e, gasOf[dispute.KindOpen], err
	case ledger.Move:
		return a.move(o.Game, o.State, dispute.Kind(o.Kind), o.Payload, from, m)
	case mangled:
		return a.move(o.Game, o.State, dispute.Kind(o.Kind), o.Payload, from, m)
	case ledger.Timeout:
		return a.move(o.Game, o.State, dispute.KindTimeout, o.Job, from, m)
	case ledger.Resolve:
		e, err := a.resolve(o, m)
		return e, gasOf[dispute.KindResolve], err
	case ledger.Settle:
		e, err := a.settle(o, m)
		return e, pickGas, err
	}
	return nil, 0, fmt.Errorf("%w: no such order: %T", errRevert, o)
}

func (a *arena) has(key claim.Hash) bool { _, ok := a.games[key]; return ok }

func (a *arena) post(o ledger.PostBatch, from claim.Address, m moment) ([]ledger.Event, uint64, error) {
	n := a.nodes[from]
	if _, ok := a.batches[o.Root]; ok {
		return nil, 0, errRevert
	}
	b, err := stake.NewBatch(&n, a.reserve, uint64(o.Count), o.Cover, o.Until, m.time, a.p.Window)
	if err != nil {
		return nil, 0, err
	}
	a.nodes[from], a.batches[o.Root] = n, b
	return []ledger.Event{ledger.BatchPosted{Node: from, Root: o.Root, Count: o.Count, Cover: o.Cover, Until: o.Until}}, 0, nil
}

func (a *arena) open(o ledger.Open, from claim.Address, m moment) ([]ledger.Event, error) {
	c, ok := a.commits[o.Game]
	if !ok {
		return nil, errRevert
	}
	open, err := dispute.DecodeOpen(o.Payload, 1)
	if err != nil {
		return nil, err
	}
	_, sealed := open.Sealed(a.domain)
	id := sealed.ID(a.domain)
	if open.Opener != from || dispute.Key(from, id, open.T, open.Salt) != o.Game {
		return nil, errRevert
	}
	n, sure, until := a.nodes[open.Claim.Node], claim.Amount{}, open.Claim.ChallengeUntil
	if open.Batch != nil {
		b := a.batches[open.Batch.Root]
		sure, until = must(b.Sure(a.reserve, open.Claim.Value)), max(until, b.Until)
	}
	if err := a.p.CheckOpen(c.block, c.time, m.block, m.time, until); err != nil {
		return nil, err
	}
	bond := must(a.p.Bond(n.Games, open.Work(), m.baseFee))
	if pieces := open.Pieces(); pieces > 0 {
		bond = must(a.p.BondOfData(n.Games, pieces, m.baseFee))
	}
	hold, err := n.Open(must(a.reserve.Add(open.Claim.Value)), sure)
	if err != nil {
		return nil, err
	}
	n.Queue = a.p.Queue(m.time, n.Queue, open.Work())
	if err := a.take(from, bond.Less(must(a.p.CommitBond()))); err != nil {
		return nil, err
	}
	cost := must(a.metered(gasOf[dispute.KindOpen], m).Add(a.metered(aroundGas, moment{price: a.p.PriceCap, baseFee: a.p.PriceCap})))
	s, j, err := dispute.Begin(open, dispute.Chain{Domain: a.domain, Now: m.time, CommittedAt: c.time, Queue: n.Queue, BatchCount: 1, Space: a.p.Space(n.Games),
		Escrow: bond, Hold: hold, Gas: cost, Params: a.clocks()})
	if err != nil {
		return nil, err
	}
	delete(a.commits, o.Game)
	a.nodes[open.Claim.Node], a.games[o.Game] = n, game{s, j}
	out := []ledger.Event{ledger.Opened{Game: o.Game, Node: s.Node, ClaimID: id, Job: j.Encode(), State: s.Encode()}}
	if s.Phase.Turn() == dispute.Nobody {
		out = append(out, decided(o.Game, dispute.KindOpen, &s, &j))
	}
	return out, nil
}

func (a *arena) clocks() dispute.Params { return dispute.Params{D0: a.p.ReplyTime, Grace: a.p.Grace} }

// count is how many claims the batch has that a move names: each here has one.
func (a *arena) count(m dispute.Move) uint32 {
	if x, ok := m.(dispute.Include); ok {
		if _, ok := a.batches[x.Root]; ok {
			return 1
		}
	}
	return 0
}

// space is by how much the open games of both sides lengthen their deadlines.
func (a *arena) space(s *dispute.State) dispute.Space {
	opened := uint64(0)
	for _, g := range a.games {
		if g.state.Opener == s.Opener {
			opened++
		}
	}
	return dispute.Space{Node: a.p.Space(a.nodes[s.Node].Games), Opener: a.p.Space(opened)}
}

func decided(key claim.Hash, k dispute.Kind, s *dispute.State, j *dispute.Job) ledger.Decided {
	v := s.Verdict(j)
	return ledger.Decided{Game: key, Move: uint8(k), Verdict: v.Encode()}
}

func (a *arena) move(key claim.Hash, state []byte, k dispute.Kind, payload []byte, from claim.Address, m moment) ([]ledger.Event, uint64, error) {
	gas, ok := gasOf[k]
	if !ok {
		gas = pickGas
	}
	g, ok := a.games[key]
	if !ok || g.state.Phase.Turn() == dispute.Nobody || !bytes.Equal(g.state.Encode(), state) {
		return nil, gas, fmt.Errorf("%w: no game in this state", errRevert)
	}
	var mv dispute.Move = dispute.Timeout{}
	if k == dispute.KindTimeout {
		if !bytes.Equal(payload, g.job.Encode()) {
			return nil, gas, errRevert
		}
	} else {
		var err error
		if mv, err = dispute.DecodeMove(&g.state, k, payload); err != nil {
			return nil, gas, err
		}
	}
	next, effect, err := dispute.Apply(g.state, mv, dispute.Env{Now: m.time, Mover: from, Gas: a.metered(gas, m), Params: a.clocks(),
		Space: a.space(&g.state), BatchCount: a.count(mv)})
	if err != nil {
		return nil, gas, err
	}
	if !effect.Credit.IsZero() {
		a.give(from, effect.Credit)
	}
	a.games[key] = game{next, g.job}
	var out []ledger.Event
	switch k {
	case dispute.KindChildren, dispute.KindReveal, dispute.KindRows, dispute.KindTensors, dispute.KindRaw, dispute.KindPublish:
		out = append(out, ledger.Posted{Game: key, Move: uint8(k), Payload: payload})
	}
	if effect.Over {
		return append(out, decided(key, k, &next, &g.job)), gas, nil
	}
	return append(out, ledger.Moved{Game: key, Move: uint8(k), State: next.Encode()}), gas, nil
}

func (a *arena) resolve(o ledger.Resolve, m moment) ([]ledger.Event, error) {
	g, ok := a.games[o.Game]
	if !ok || g.state.Phase.Turn() != dispute.Nobody {
		return nil, errRevert
	}
	v := g.state.Verdict(&g.job)
	if !bytes.Equal(v.Encode(), o.Verdict) {
		return nil, errRevert
	}
	n, c := a.nodes[v.Node], a.cases[v.Case]
	r := ledger.Resolved{Game: o.Game, Case: v.Case, Phase: uint8(v.Phase), Voided: v.Flags&dispute.FlagVoid != 0}
	if v.Phase == dispute.Lost {
		if err := n.Close(v.Hold); err != nil {
			return nil, err
		}
		half, rest := stake.Forfeit(v.Escrow)
		a.give(v.Node, half)
		a.burned = must(a.burned.Add(rest))
	} else {
		if !bytes.Equal(encoded(&c), o.Held) {
			return nil, errRevert
		}
		paid, err := a.p.Refute(&c, &n, stake.Win{Opener: v.Opener, CommittedAt: v.CommittedAt, Hold: v.Hold, Cost: v.Cost, User: v.User, Price: v.Price},
			m.time, a.unbonding)
		if err != nil {
			return nil, err
		}
		a.give(v.Opener, must(v.Escrow.Add(paid.Costs)))
		r.Slashed, r.Costs, r.Held = paid.Slashed, paid.Costs, encoded(&c)
		a.cases[v.Case] = c
	}
	a.nodes[v.Node] = n
	delete(a.games, o.Game)
	return []ledger.Event{r}, nil
}

// overtaken says whether another winner of the case closed his game before this order, which was on its way: it names
// what the case held until then, and its gas nobody repays.
func (a *arena) overtaken(o ledger.Order) bool {
	r, ok := o.(ledger.Resolve)
	if !ok {
		return false
	}
	g, ok := a.games[r.Game]
	if !ok || g.state.Phase.Turn() != dispute.Nobody {
		return false
	}
	v := g.state.Verdict(&g.job)
	held := a.cases[v.Case]
	return bytes.Equal(v.Encode(), r.Verdict) && !bytes.Equal(encoded(&held), r.Held)
}

func encoded(v *stake.Verdict) []byte {
	if v.Held == nil {
		return nil
	}
	return v.Held.Encode()
}

func (a *arena) settle(o ledger.Settle, m moment) ([]ledger.Event, error) {
	c := a.cases[o.Case]
	if c.Held == nil || !bytes.Equal(encoded(&c), o.Held) {
		return nil, errRevert
	}
	user := c.Held.User
	winner, cut, err := a.p.Settle(&c, m.time)
	if err != nil {
		return nil, err
	}
	a.cases[o.Case] = c
	a.give(user, cut.Refund)
	a.give(winner, cut.Reward)
	a.burned = must(a.burned.Add(cut.Burned))
	return []ledger.Event{ledger.Settled{Case: o.Case, Winner: winner, Refund: cut.Refund, Reward: cut.Reward, Burned: cut.Burned}}, nil
}
