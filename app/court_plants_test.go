package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"elenchus/commitment/claim"
	"elenchus/engine"
	"elenchus/service/adversary"
	"elenchus/service/node"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// lateness is how many seconds the plants of the test come after their claims: commits about those are over.
const lateness = 100_000

// A node plants a fault by itself. The auditor who computes finds it and is paid fee and reward though
// nobody lied; who attests what the node serves loses the deposit in a game; the challenger that refutes
// the plant loses nothing, and the node is neither slashed nor jailed. SPEC 11 §5, §6.
func TestAPlantIsFoundAndTheBlindOnePays(t *testing.T) {
	t.Parallel()
	var seed atomic.Uint64 // of the fault that was planted last
	man := tinyModel(t)
	honest := engine.Computer{Manifest: man}
	p := &node.Plants{Every: 3, Spread: lateness, Times: func(posted uint64) sampling.Times { return sampling.Times{CommitBy: posted, RevealBy: posted} }}
	p.Fault = func(_ context.Context, _ *node.Model, s uint64) (node.Computer, error) {
		a, err := adversary.New("bad-kv", s)
		if err != nil {
			return nil, err
		}
		seed.Store(s)
		return a.Computer(honest), nil
	}
	var n, claims atomic.Uint64
	p.Draw = func(of uint64) uint64 {
		switch of {
		case 2: // no plant for the first claim, one for the next
			return 1 - min(1, claims.Add(1)-1)
		case lateness + 1:
			return lateness
		}
		return n.Add(7) % of
	}
	sc := scene{audits: true, plants: p, alone: func(ctx context.Context, c *tribunal) error {
		params := courtAudits()
		p.Times = func(posted uint64) sampling.Times { return params.TimesOf(c.beacon, posted) }
		if err := plantedStory(ctx, t, c, &seed); err != nil {
			return err
		}
		return c.plantedMoney(ctx, t)
	}}
	var b strings.Builder
	o := CourtOptions{Attack: "lazy-auditor", Seed: 1, Manifest: man, Story: &b, Within: 9 * time.Minute}
	card, _ := adversary.Find("lazy-auditor")
	if _, err := playCourt(t.Context(), o, card, sc); err != nil {
		t.Fatalf("%v\n%s", err, &b)
	}
}

func plantedStory(ctx context.Context, t *testing.T, c *tribunal, seed *atomic.Uint64) error {
	if err := c.seats(ctx, "watch", "mallory"); err != nil {
		return err
	}
	c.do(ctx, c.tick)
	if _, err := c.ask(ctx, "node1"); err != nil {
		return err
	}
	var veiled uint64
	err := c.until(ctx, func(f ledger.Fact) bool { _, ok := f.Event.(ledger.PlantVeiled); veiled = f.Time; return ok })
	if err == nil {
		err = c.posted(ctx, 1) // else its window is over before it is posted
	}
	if err == nil {
		err = c.skipTo(ctx, veiled+5*courtParams().Window)
	}
	if err == nil { // the node releases its first batch when it sees the new time
		err = c.until(ctx, func(f ledger.Fact) bool { _, ok := f.Event.(ledger.BatchReleased); return ok })
	}
	if err != nil {
		return err
	}
	j, err := c.job(ctx)
	if err != nil {
		return err
	}
	j.Seed++
	if _, err := c.askFor(ctx, "node1", j); err != nil {
		return err
	}
	if err := c.posted(ctx, 2); err != nil {
		return err
	}
	// Nobody has entered the two true batches while he could; the plant comes next.
	head, err := c.k.Client().Head(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(c.skipTo(ctx, head.Time+lateness), c.posted(ctx, 3)); err != nil {
		return err
	}
	if err := c.honestAndBlind(seed.Load()); err != nil {
		return err
	}
	places, times, err := c.drawn(ctx, "node1")
	if err != nil {
		return err
	}
	return c.plantedVerdicts(ctx, t, places, times)
}

// posted waits for that many batches.
func (c *tribunal) posted(ctx context.Context, n int) error {
	return c.until(ctx, func(f ledger.Fact) bool {
		if _, ok := f.Event.(ledger.BatchPosted); ok {
			n--
		}
		return n == 0
	})
}

// plantedVerdicts has the auditors say what they found, and everybody's game played to its end.
func (c *tribunal) plantedVerdicts(ctx context.Context, t *testing.T, places map[claim.Address]ledger.AuditPlace, times sampling.Times) error {
	found, blind := places[c.n.Accounts["watch"]], places[c.n.Accounts["mallory"]]
	if err := errors.Join(c.comes(ctx, found, statusCommitted), c.comes(ctx, blind, statusCommitted)); err != nil {
		return err
	}
	if err := c.skipTo(ctx, times.CommitBy+4); err != nil {
		return err
	}
	// The attestation is refuted, which costs the deposit; the find is paid once the plant is shown.
	if err := errors.Join(c.refutations(ctx, 1), c.comes(ctx, blind, statusDone), c.comes(ctx, found, statusDone)); err != nil {
		return err
	}
	var at uint64
	err := c.until(ctx, func(f ledger.Fact) bool { _, ok := f.Event.(ledger.PlantShown); at = f.Time; return ok })
	if err != nil || at <= times.CommitBy {
		t.Errorf("shown at %d, commits end at %d", at, times.CommitBy)
	}
	if err := errors.Join(err, c.skipTo(ctx, at+4*courtParams().Grace+2*courtParams().ReplyTime)); err != nil {
		return err
	}
	return c.until(ctx, func(f ledger.Fact) bool { // the challenger's own game about the plant
		e, ok := f.Event.(ledger.Resolved)
		return ok && len(e.Held) == 0
	})
}

// plantedMoney looks at what became of everybody.
func (c *tribunal) plantedMoney(ctx context.Context, t *testing.T) error {
	p := courtAudits()
	find, err1 := p.Fee.Add(p.Reward)
	want, err2 := find.Add(p.Deposit.Div(2))
	_, credit, err3 := c.holdings(ctx, "watch")
	deposit, none, err4 := c.holdings(ctx, "mallory")
	if credit != want || !deposit.IsZero() || !none.IsZero() {
		t.Errorf("the watcher has %s, want %s; the blind one has deposit %s and credit %s", credit, want, deposit, none)
	}
	fees, err5 := c.k.AuditFees(ctx, c.n.Accounts["node1"])
	if left := p.Deposit.Less(find); fees != left {
		t.Errorf("the node has %s of its fees, want %s", fees, left)
	}
	a, err6 := c.k.Account(ctx, c.n.Accounts["node1"])
	if a.Jailed || a.Games != 0 || nodeStake.Less(a.Stake).Cmp(claim.Units(1e19)) > 0 {
		t.Errorf("the planter has %+v", a)
	}
	after, err7 := c.wealths(ctx)
	if b := c.before["watch"]; after["watch"].tokens.Less(find).Cmp(b.tokens) < 0 {
		t.Errorf("the watcher had %s and has %s", b.tokens, after["watch"].tokens)
	}
	return errors.Join(err1, err2, err3, err4, err5, err6, err7)
}
