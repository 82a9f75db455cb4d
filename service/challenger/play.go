package challenger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// submit hands an order to the chain once; what the chain refuses is logged, not fatal.
func (c *Challenger) submit(ctx context.Context, o ledger.Order) error {
	if c.wasPlayed(o) {
		return nil
	}
	if err := c.o.Chain.Submit(ctx, o); err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		c.o.Log.Error("order not submitted", "order", o.Key(), "err", err)
		return nil
	}
	c.markPlayed(o)
	c.o.Log.Info("order", "order", o.Key())
	return nil
}

func (c *Challenger) wasPlayed(o ledger.Order) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.played[o.Key()]
}

func (c *Challenger) markPlayed(o ledger.Order) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.played[o.Key()] = true
}

// markStuck says of a move that there is none: it is not looked for again.
func (c *Challenger) markStuck(o ledger.Move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.played[o.Key()], c.stuck[o.Key()] = true, true
}

// Stuck says whether the challenger looked for its move in the present state of a game and has none: the
// other side moves, or the clock decides.
func (c *Challenger) Stuck(g ledger.Game) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stuck[ledger.Move{Game: g.Key, State: g.State}.Key()]
}

// open turns commits that are a block old into games. It also sends commits that an earlier life
// kept but did not send.
func (c *Challenger) open(ctx context.Context, head ledger.Head) error {
	rs, err := c.store.all()
	if err != nil {
		return err
	}
	for _, r := range rs {
		if g, opened := c.games.Game(r.Game); opened {
			if r.Data {
				c.collect(r, g)
			}
			continue
		}
		at, ok := c.committed[r.Game]
		switch {
		case !ok:
			err = c.submit(ctx, ledger.Commit{Game: r.Game})
		case head.Number > at:
			c.crash("committed, not opened")
			err = c.submit(ctx, ledger.Open{Game: r.Game, Payload: r.Open})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// playAll makes every move that is due in the own games, and collects rewards.
func (c *Challenger) playAll(ctx context.Context, head ledger.Head) error {
	open := c.games.Open()
	maps.DeleteFunc(c.own, func(game claim.Hash, _ dispute.Knowledge) bool {
		return !slices.ContainsFunc(open, func(g ledger.Game) bool { return g.Key == game })
	})
	for _, g := range open {
		s, err := dispute.DecodeState(g.State)
		if err != nil {
			return fmt.Errorf("game %x: %w", g.Key, err)
		}
		if s.Opener != c.o.Account {
			continue
		}
		if g.Decided != nil {
			err = c.resolve(ctx, g, s.Case)
		} else {
			err = c.play(ctx, g, s, head.Time)
		}
		if err != nil {
			return err
		}
	}
	return c.settleAll(ctx, head.Time)
}

// resolve closes a game that was won; the node resolves what it won.
func (c *Challenger) resolve(ctx context.Context, g ledger.Game, id claim.Hash) error {
	v, err := dispute.DecodeVerdict(g.Decided.Verdict)
	if err != nil {
		return fmt.Errorf("game %x: %w", g.Key, err)
	}
	if v.Phase == dispute.Lost && !c.takesBack(g.Key, &v) {
		return nil
	}
	return c.submit(ctx, ledger.Resolve{Game: g.Key, Verdict: g.Decided.Verdict, Held: c.cases.Held(id)})
}

// settleAll has what verdicts hold paid out where the reward is the own one.
func (c *Challenger) settleAll(ctx context.Context, now uint64) error {
	for _, id := range c.cases.All() {
		raw := c.cases.Held(id)
		if raw == nil {
			continue
		}
		held, err := stake.DecodeHeld(raw)
		if err != nil {
			return fmt.Errorf("case %x: %w", id, err)
		}
		if held.Winner != c.o.Account || now <= held.SettleAt {
			continue
		}
		if err := c.submit(ctx, ledger.Settle{Case: id, Held: raw}); err != nil {
			return err
		}
	}
	return nil
}

func (c *Challenger) play(ctx context.Context, g ledger.Game, s dispute.State, now uint64) error {
	switch {
	case s.Phase.Turn() != dispute.Opener && dispute.Overdue(&s, now):
		return c.submit(ctx, ledger.Timeout{Game: g.Key, State: g.State, Job: g.Job})
	case s.Phase.Turn() != dispute.Opener && s.Phase != dispute.Answer:
		return nil
	}
	o := ledger.Move{Game: g.Key, State: g.State}
	if c.wasPlayed(o) {
		return nil
	}
	if m := c.atOnce(ctx, g, s); m != nil {
		o.Kind, o.Payload = uint8(m.Kind()), m.Encode()
		return c.submit(ctx, o)
	}
	var m dispute.Move
	var err error
	if s.Phase == dispute.Check {
		m, err = c.received(g)
	} else {
		m, err = c.move(ctx, g, max(1, (max(s.Deadline, now)-now)/4))
	}
	if err != nil {
		c.markStuck(o)
		if s.Phase != dispute.Answer {
			c.o.Log.Error("no move", "game", fmt.Sprintf("%x", g.Key), "phase", s.Phase.String(), "err", err)
		}
		return nil
	}
	if m.Kind() == dispute.KindAnswer {
		// The node answers what is true; the opener what convicts.
		if m, err = c.convicting(ctx, g.Key, s, m); errors.Is(err, dispute.ErrNotNow) {
			c.o.Log.Info("no proof yet", "game", fmt.Sprintf("%x", g.Key), "err", err)
			return nil
		}
		if err != nil || m == nil {
			c.markStuck(o)
			return err
		}
	}
	o.Kind, o.Payload = uint8(m.Kind()), m.Encode()
	c.crash("move computed, not sent")
	return c.submit(ctx, o)
}

// atOnce is the answer that refutes a tensor whole, with its proof, where there is one; else nil.
func (c *Challenger) atOnce(ctx context.Context, g ledger.Game, s dispute.State) dispute.Move {
	if c.o.Whole == nil || s.Class != manifest.Confidential || s.Phase != dispute.Pick {
		return nil
	}
	s, j, seen, err := dispute.Replay(g)
	if err != nil {
		return nil // and the move by move way says why
	}
	own, _, err := c.knowledge(ctx, g)
	if err != nil {
		return nil
	}
	w, err := dispute.WholesForOpener(s, j, seen, own)
	if err != nil {
		return nil
	}
	out, err := c.o.Whole(ctx, g.Key, s, w, dispute.Refuted)
	if err != nil {
		c.o.Log.Info("no proof of a whole tensor: move by move", "game", fmt.Sprintf("%x", g.Key), "err", err)
		return nil
	}
	return out
}

// convicting is an answer that convicts, with its proof where it needs one, else nil.
func (c *Challenger) convicting(ctx context.Context, game claim.Hash, s dispute.State, m dispute.Move) (dispute.Move, error) {
	if phase, err := dispute.Outcome(s, m); err != nil || phase != dispute.Refuted {
		return nil, nil //nolint:nilnil,nilerr // the node answers what is true
	}
	if c.o.Prove == nil {
		return m, nil
	}
	out, err := c.o.Prove(ctx, game, s, m)
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, dispute.ErrNotNow) {
		c.o.Log.Error("no proof", "phase", s.Phase.String(), "err", err)
		return nil, nil //nolint:nilnil // the clock decides
	}
	return out, err
}

// move computes the move that the state asks of the opener. It waits patience seconds at most for a
// tensor: a node that does not serve it by then has to post it.
func (c *Challenger) move(ctx context.Context, g ledger.Game, patience uint64) (dispute.Move, error) {
	s, j, seen, err := dispute.Replay(g)
	if err != nil {
		return nil, err
	}
	own, r, err := c.knowledge(ctx, g)
	if err != nil {
		return nil, err
	}
	served := func(t uint32, stage, tensor int) ([]byte, bool) {
		const size = 1 << 26
		ctx, cancel := context.WithTimeout(ctx, min(time.Duration(min(patience, 3600))*time.Second, c.o.FetchWithin))
		defer cancel()
		b, err := c.o.Source.Tensor(ctx, c.endpoint(r.Claim.Node), g.ClaimID, t, stage, tensor, size)
		return b, err == nil
	}
	return dispute.NextForOpener(s, j, seen, own, served)
}

// knowledge is the own computation of the disputed claim, kept while the game lasts.
func (c *Challenger) knowledge(ctx context.Context, g ledger.Game) (dispute.Knowledge, *receipt.Receipt, error) {
	rec, err := c.store.get(g.Key)
	if err != nil {
		return nil, nil, err
	}
	r, err := receipt.Decode(rec.Receipt)
	if err != nil {
		return nil, nil, err
	}
	if k, ok := c.own[g.Key]; ok {
		return k, r, nil
	}
	k, err := c.compute(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	c.own[g.Key] = k
	return k, r, nil
}

// compute is the own computation of what a receipt claims.
func (c *Challenger) compute(ctx context.Context, r *receipt.Receipt) (dispute.Knowledge, error) {
	m, ok := c.model(r.Request.Model)
	if !ok {
		return nil, fmt.Errorf("model %x is not held here any more", r.Request.Model)
	}
	return m.Knowledge(ctx, r)
}

// Knowledge is the own computation of what a receipt claims: what its games are played from. It is not safe for
// concurrent use.
func (m *Model) Knowledge(ctx context.Context, r *receipt.Receipt) (dispute.Knowledge, error) {
	if r.Request.Graph() {
		return m.computeGraph(ctx, r)
	}
	j := r.Job()
	a, _, err := m.Computer.Audit(ctx, j, r.Output)
	if err != nil {
		return nil, err
	}
	man, err := m.whole(ctx)
	if err != nil {
		return nil, err
	}
	return dispute.NewOwn(man, j, a, r.Claim.Count, func(t int) (*trace.Step, error) { return m.Computer.Step(j, t, a.Outputs) }), nil
}

// Games are the challenges on disk, for people.
func (c *Challenger) Games() ([]claim.Hash, error) {
	rs, err := c.store.all()
	out := make([]claim.Hash, len(rs))
	for i := range rs {
		out[i] = rs[i].Game
	}
	return out, err
}
