// Package arenatest is a chain in memory on which services play real games.
//
// It stands in conformance and is imported by test files only: batches, commits and games go
// through the Go twin of the contracts (settlement/dispute), verdicts through settlement/stake;
// stakes are endless, credits are left out. Time is the clock of whoever makes the chain; with testing/synctest it is the bubble's. Invariants: an order that
// the arena would revert is refused with the twin's error and changes nothing; an order whose key
// the same account submitted before is done. SPEC 08.
//
//	c := arenatest.New(domain, dispute.Params{D0: 8, Grace: 8}, time.Now)
//	n, err := node.New(node.Options{Chain: c.Account(addr), ...})
package arenatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// ErrRevert marks an order that the contracts would revert.
var ErrRevert = errors.New("reverted")

// Bond is the escrow of every game, Gas what every move costs, Hold what a game holds of the stake, in
// token units; Delay is D3 in seconds.
const (
	Bond  = 1000
	Gas   = 3
	Hold  = 100
	Delay = 5
)

// Chain is the chain. Create it with New.
type Chain struct {
	domain claim.Domain
	params dispute.Params
	now    func() time.Time

	mu      sync.Mutex // guards what follows
	facts   []ledger.Fact
	head    ledger.Head
	wake    chan struct{} // closed with each block
	batches map[claim.Hash]ledger.BatchPosted
	commits map[claim.Hash]ledger.Ref
	games   map[claim.Hash]*game
	cases   map[claim.Hash]*stake.Verdict
	refused map[claim.Address][]error
	posted  map[claim.Hash]uint64 // by root
	veils   map[claim.Hash]uint64
}

type game struct {
	state dispute.State
	job   dispute.Job
	done  bool
}

// money are the parameters of payouts.
var money = stake.Params{RewardDelay: Delay, RefundFactor: 1}

// New makes a chain with the genesis block.
func New(d claim.Domain, p dispute.Params, now func() time.Time) *Chain {
	c := &Chain{domain: d, params: p, now: now, wake: make(chan struct{}), batches: map[claim.Hash]ledger.BatchPosted{},
		commits: map[claim.Hash]ledger.Ref{}, games: map[claim.Hash]*game{}, cases: map[claim.Hash]*stake.Verdict{},
		refused: map[claim.Address][]error{}, posted: map[claim.Hash]uint64{}, veils: map[claim.Hash]uint64{}}
	c.head = ledger.Head{Number: 1, Time: uint64(now().Unix())}
	return c
}

// Account is the chain as one account uses it.
type Account struct {
	c    *Chain
	addr claim.Address
	done map[string]bool // guarded by c.mu
}

// Account gives an account access.
func (c *Chain) Account(a claim.Address) *Account { return &Account{c, a, map[string]bool{}} }

// Mine makes an empty block at the present time.
func (c *Chain) Mine() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block()
}

// Announce registers where a node serves.
func (c *Chain) Announce(node claim.Address, url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block(ledger.Endpoint{Node: node, URL: url})
}

// Facts are all facts so far.
func (c *Chain) Facts() []ledger.Fact {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.facts)
}

// Refused are the errors of an account's orders that were reverted.
func (c *Chain) Refused(a claim.Address) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refused[a])
}

// block appends a block with events; the caller holds mu.
func (c *Chain) block(events ...ledger.Event) {
	c.head.Number++
	c.head.Time = max(c.head.Time, uint64(c.now().Unix()))
	for i, e := range events {
		ref := ledger.Ref{Block: c.head.Number, BlockHash: claim.Hash{31: byte(c.head.Number)}, Time: c.head.Time, Index: uint(i)}
		c.facts = append(c.facts, ledger.Fact{Ref: ref, Event: e})
	}
	close(c.wake)
	c.wake = make(chan struct{})
}

// Follow reports facts and heads until ctx ends or report fails.
func (a *Account) Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error {
	for at := 0; ; {
		a.c.mu.Lock()
		news, head, wake := slices.Clone(a.c.facts[at:]), a.c.head, a.c.wake
		a.c.mu.Unlock()
		at += len(news)
		if err := report(news, head); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		}
	}
}

// Submit applies an order in a block of its own.
func (a *Account) Submit(ctx context.Context, o ledger.Order) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	if a.done[o.Key()] {
		return nil
	}
	events, err := a.c.apply(o, a.addr)
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", ErrRevert, o.Key(), err)
		a.c.refused[a.addr] = append(a.c.refused[a.addr], err)
		return err
	}
	a.done[o.Key()] = true
	a.c.block(events...)
	return nil
}

func (c *Chain) apply(o ledger.Order, from claim.Address) ([]ledger.Event, error) {
	switch o := o.(type) {
	case ledger.PostBatch:
		if _, ok := c.batches[o.Root]; ok {
			return nil, errors.New("the batch is there")
		}
		b := ledger.BatchPosted{Node: from, Root: o.Root, Count: o.Count, Cover: o.Cover, Until: o.Until}
		c.batches[o.Root], c.posted[o.Root] = b, c.time()
		return []ledger.Event{b}, nil
	case ledger.Commit:
		if _, ok := c.commits[o.Game]; ok {
			return nil, errors.New("the commit is there")
		}
		c.commits[o.Game] = ledger.Ref{Block: c.head.Number + 1, Time: c.time()}
		return []ledger.Event{ledger.Committed{Game: o.Game, Payer: from}}, nil
	case ledger.Open:
		return c.open(o, from)
	case ledger.Move:
		return c.move(o.Game, o.State, dispute.Kind(o.Kind), o.Payload, from)
	case ledger.Timeout:
		return c.move(o.Game, o.State, dispute.KindTimeout, o.Job, from)
	case ledger.Resolve:
		return c.resolve(o)
	case ledger.Settle:
		return c.settle(o)
	case ledger.LayVeils, ledger.ShowPlant:
		return c.plant(o, from)
	case ledger.ReleaseBatch:
		b, ok := c.batches[o.Root]
		if !ok || b.Node != from || b.Until >= c.time() {
			return nil, errors.New("no batch whose window is over")
		}
		return []ledger.Event{ledger.BatchReleased{Node: from, Root: o.Root, Amount: b.Cover}}, nil
	}
	return nil, fmt.Errorf("no such order here: %T", o)
}

// time is that of the block to come.
func (c *Chain) time() uint64 { return max(c.head.Time, uint64(c.now().Unix())) }

func (c *Chain) open(o ledger.Open, from claim.Address) ([]ledger.Event, error) {
	at, ok := c.commits[o.Game]
	if !ok || at.Block > c.head.Number || c.games[o.Game] != nil {
		return nil, errors.New("no commit of an earlier block")
	}
	m, err := c.decode(o.Payload)
	if err != nil {
		return nil, err
	}
	_, sealed := m.Sealed(c.domain)
	id := sealed.ID(c.domain)
	if m.Opener != from {
		return nil, errors.New("another's opening")
	}
	known := dispute.Chain{Domain: c.domain, Now: c.time(), CommittedAt: at.Time, Queue: c.time() + 1, Escrow: claim.Units(Bond), Hold: claim.Units(Hold),
		Gas: claim.Units(Gas), Params: c.params}
	if m.Batch != nil && c.batches[m.Batch.Root].Node == m.Claim.Node {
		known.BatchCount = c.batches[m.Batch.Root].Count
	}
	s, j, err := dispute.Begin(m, known)
	if err != nil {
		return nil, err
	}
	if key := dispute.Key(m.Opener, id, m.T, m.Salt); key != o.Game {
		return nil, fmt.Errorf("claim %x does not lead to the commit", id)
	}
	c.games[o.Game] = &game{state: s, job: j}
	out := []ledger.Event{ledger.Opened{Game: o.Game, Node: s.Node, ClaimID: id, Job: j.Encode(), State: s.Encode()}}
	if s.Phase == dispute.Refuted {
		out = append(out, decided(o.Game, dispute.KindOpen, &s, &j))
	}
	return out, nil
}

// decided is the end of play.
func decided(key claim.Hash, k dispute.Kind, s *dispute.State, j *dispute.Job) ledger.Decided {
	v := s.Verdict(j)
	return ledger.Decided{Game: key, Move: uint8(k), Verdict: v.Encode()}
}

// decode finds the batch whose size the payload needs.
func (c *Chain) decode(payload []byte) (dispute.OpenMove, error) {
	for root, b := range c.batches {
		if m, err := dispute.DecodeOpen(payload, b.Count); err == nil && m.Batch != nil && m.Batch.Root == root {
			return m, nil
		}
	}
	return dispute.DecodeOpen(payload, 0)
}

var posted = []dispute.Kind{dispute.KindChildren, dispute.KindReveal, dispute.KindRows, dispute.KindTensors, dispute.KindRaw, dispute.KindPublish}

func (c *Chain) move(key claim.Hash, state []byte, k dispute.Kind, payload []byte, from claim.Address) ([]ledger.Event, error) {
	g := c.games[key]
	if g == nil || g.done || !bytes.Equal(g.state.Encode(), state) {
		return nil, errors.New("no game in this state")
	}
	if g.state.Phase.Turn() == dispute.Nobody {
		return nil, errors.New("the game is decided")
	}
	var m dispute.Move = dispute.Timeout{}
	if k == dispute.KindTimeout {
		if !bytes.Equal(payload, g.job.Encode()) {
			return nil, errors.New("not the job of the game")
		}
	} else {
		var err error
		if m, err = dispute.DecodeMove(&g.state, k, payload); err != nil {
			return nil, err
		}
	}
	env := dispute.Env{Now: c.time(), Mover: from, Gas: claim.Units(Gas), Params: c.params}
	if in, ok := m.(dispute.Include); ok && c.batches[in.Root].Node == g.state.Node {
		env.BatchCount = c.batches[in.Root].Count
	}
	next, effect, err := dispute.Apply(g.state, m, env)
	if err != nil {
		return nil, err
	}
	g.state = next
	var out []ledger.Event
	if slices.Contains(posted, k) {
		out = append(out, ledger.Posted{Game: key, Move: uint8(k), Payload: payload})
	}
	if effect.Over {
		out = append(out, decided(key, k, &next, &g.job))
	} else {
		out = append(out, ledger.Moved{Game: key, Move: uint8(k), State: next.Encode()})
	}
	if effect.Convicts {
		out = append(out, ledger.Convicted{Game: key, Op: effect.Op, Tensor: effect.Tensor, Element: effect.Element})
	}
	return out, nil
}

func (c *Chain) resolve(o ledger.Resolve) ([]ledger.Event, error) {
	g := c.games[o.Game]
	if g == nil || g.done || g.state.Phase.Turn() != dispute.Nobody {
		return nil, errors.New("no decided game")
	}
	v := g.state.Verdict(&g.job)
	if !bytes.Equal(v.Encode(), o.Verdict) {
		return nil, errors.New("not the verdict of the game")
	}
	r := ledger.Resolved{Game: o.Game, Case: v.Case, Phase: uint8(v.Phase), Voided: v.Flags&dispute.FlagVoid != 0}
	if v.Phase == dispute.Lost {
		g.done = true
		return []ledger.Event{r}, nil
	}
	if c.cases[v.Case] == nil {
		c.cases[v.Case] = &stake.Verdict{}
	}
	verdict := c.cases[v.Case]
	if !bytes.Equal(held(verdict), o.Held) {
		return nil, errors.New("not what the case holds")
	}
	n := stake.Node{Stake: claim.MaxAmount, Games: 1, Reserved: v.Hold}
	paid, err := money.Refute(verdict, &n, stake.Win{Opener: v.Opener, CommittedAt: v.CommittedAt, Hold: v.Hold, Cost: v.Cost,
		User: v.User, Price: v.Price}, c.time(), 1)
	if err != nil {
		return nil, err
	}
	g.done = true
	r.Slashed, r.Costs, r.Held = paid.Slashed, paid.Costs, held(verdict)
	return []ledger.Event{r}, nil
}

// held is what a verdict holds as the chain has it, nil if nothing.
func held(v *stake.Verdict) []byte {
	if v.Held == nil {
		return nil
	}
	return v.Held.Encode()
}

func (c *Chain) settle(o ledger.Settle) ([]ledger.Event, error) {
	v := c.cases[o.Case]
	if v == nil || !bytes.Equal(held(v), o.Held) {
		return nil, errors.New("not what the case holds")
	}
	winner, cut, err := money.Settle(v, c.time())
	if err != nil {
		return nil, err
	}
	return []ledger.Event{ledger.Settled{Case: o.Case, Winner: winner, Refund: cut.Refund, Reward: cut.Reward, Burned: cut.Burned}}, nil
}
