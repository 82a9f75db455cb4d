package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/service/adversary"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// trial asks both nodes, lets everybody act, and returns when nothing more will happen.
func (c *tribunal) trial(ctx context.Context) error {
	for _, name := range []string{"node1", "node2"} {
		if _, err := c.ask(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if c.scene.claims != nil {
		if err := c.scene.claims(ctx, c); err != nil {
			return err
		}
	}
	if err := c.guilt(ctx); err != nil {
		return err
	}
	if c.scene.mallory != nil {
		m, err := c.scene.mallory(ctx, c, c.asked["node1"])
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.mallory = m
		c.mu.Unlock()
	}
	if c.scene.beside != nil {
		c.do(ctx, func(ctx context.Context) error { return c.scene.beside(ctx, c) })
	}
	c.do(ctx, c.tick)
	if !c.scene.late && !c.scene.second {
		if err := c.call(ctx); err != nil {
			return err
		}
	}
	return c.hear(ctx)
}

// guilt says whether node1 lied, which it must where the card says so.
func (c *tribunal) guilt(ctx context.Context) error {
	lied, err := c.lied(ctx, c.asked["node1"])
	if err != nil {
		return err
	}
	if c.card.Name == "byte" {
		c.result.Changed = &lied
		if !lied {
			c.result.Want = adversary.Upheld
		}
		return nil
	}
	if lied != c.card.Guilty() {
		return fmt.Errorf("attack %s: node1 lied: %v, the card says %v", c.card.Name, lied, c.card.Guilty())
	}
	return nil
}

// call starts the challenger where it waits, and hands it the receipts, as a gateway does.
func (c *tribunal) call(ctx context.Context) error {
	if c.called {
		return nil
	}
	c.called = true
	if c.scene.late || c.scene.second {
		c.do(ctx, c.watch.Run)
	}
	for name, r := range c.asked {
		if err := c.handOver(ctx, name, r); err != nil {
			return err
		}
	}
	return nil
}

// tick moves the chain's clock by a second now and then.
func (c *tribunal) tick(ctx context.Context) error {
	t := time.NewTicker(courtTick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		c.mu.Lock()
		governed := c.govern.on
		c.mu.Unlock()
		if governed {
			continue
		}
		if err := c.chain.Advance(time.Second); err != nil {
			return err
		}
	}
}

// hear follows the chain until the trial is over.
func (c *tribunal) hear(ctx context.Context) error {
	done := errors.New("the trial is over")
	err := c.k.Watch(ctx, chain.FactOptions{Interval: courtPoll}, func(ctx context.Context, b chain.FactBatch) error {
		head := ledger.Head{Number: b.Head.Number, Time: b.Head.Time}
		select {
		case err := <-c.errs:
			return err
		default:
		}
		for _, f := range b.Facts {
			c.note(f)
			c.cases.Apply(f)
		}
		if err := c.turn(ctx, b.Facts, head); err != nil {
			return err
		}
		over, err := c.settled(ctx, head)
		if err == nil && over {
			err = done
		}
		return err
	})
	if errors.Is(err, done) {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("attack %s did not end in time: %d of %d games are closed: %w", c.card.Name, c.resolved(), len(c.games.All()), err)
	}
	return err
}

// turn lets the attackers act on news.
func (c *tribunal) turn(ctx context.Context, facts []ledger.Fact, head ledger.Head) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mallory != nil {
		orders, err := c.mallory.Observe(facts, head)
		if err != nil {
			return err
		}
		for _, o := range orders {
			if _, ok := o.(ledger.Withdraw); ok && c.scene.bursts && !c.govern.on {
				if err := c.begin(head.Time); err != nil {
					return err
				}
			}
			if err := c.attack(ctx, o, false); err != nil {
				return err
			}
		}
	}
	if err := c.measure(head.Time); err != nil {
		return err
	}
	if c.scene.late && c.played() || c.scene.second && len(facts) > 0 && c.committed() {
		if err := c.call(ctx); err != nil {
			return err
		}
	}
	return c.forget(facts)
}

// played says whether mallory's games are over, as far as there are any.
func (c *tribunal) played() bool {
	o, ok := c.mallory.(interface{ Over() bool })
	return !ok || o.Over()
}

// committed says whether mallory has committed to a game.
func (c *tribunal) committed() bool {
	for _, what := range c.txs {
		if what == "commit" {
			return true
		}
	}
	return false
}

// forget reorganises the chain when a game has moved.
func (c *tribunal) forget(facts []ledger.Fact) error {
	for _, f := range facts {
		if _, ok := f.Event.(ledger.Moved); !ok || f.Removed || c.reorgs >= c.scene.reorgs {
			continue
		}
		c.reorgs++
		depth := uint64(1 + c.reorgs%3)
		c.say("the chain forgets its last %d blocks", depth)
		if err := c.chain.Reorg(depth); err != nil {
			return err
		}
		return nil
	}
	return nil
}

// settled says whether nothing more will happen, and moves the clock where only it is waited for.
func (c *tribunal) settled(ctx context.Context, head ledger.Head) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.called {
		return false, c.hurry(head)
	}
	if c.resolved() < len(c.games.All()) || !c.played() || c.govern.on {
		return false, c.hurry(head)
	}
	if c.result.Want == adversary.Slashed && len(c.games.All()) == 0 {
		return false, nil
	}
	for _, id := range c.cases.All() {
		if raw := c.cases.Held(id); raw != nil {
			if c.jumped != id { // once; then the winner has it settled
				c.jumped = id
				return false, c.chain.Advance(time.Duration(courtParams().RewardDelay+1) * time.Second)
			}
			return false, nil
		}
	}
	if c.result.Want == adversary.Upheld && !c.checked() {
		return false, nil
	}
	return c.slashedWhoLied(), nil
}

// checked says whether the challenger has judged every claim.
func (c *tribunal) checked() bool {
	v := c.watch.Verdicts()
	for _, r := range c.asked {
		if !v[r.ID()].Known {
			return false
		}
	}
	return true
}

// slashedWhoLied says whether a story that must end with a slash has one.
func (c *tribunal) slashedWhoLied() bool {
	for _, g := range c.games.All() {
		if g.Resolved != nil && !g.Resolved.Slashed.IsZero() {
			return true
		}
	}
	return c.result.Want != adversary.Slashed
}

// hurry moves the chain's clock over the deadline of attackers who let it run, once every open game
// waits for them and nobody honest has anything to do.
func (c *tribunal) hurry(head ledger.Head) error {
	if !c.scene.quiet && c.prove == nil {
		return nil
	}
	if o, ok := c.mallory.(interface{ Opened() bool }); ok && !o.Opened() {
		return nil
	}
	open := c.games.Open()
	for i := range open {
		s, err := dispute.DecodeState(open[i].State)
		if err != nil {
			return err
		}
		if open[i].Decided != nil || !c.abandoned(&open[i], &s) || dispute.Overdue(&s, head.Time) {
			return nil
		}
	}
	if len(open) == 0 {
		return nil
	}
	c.say("the attackers let their clocks run")
	return c.chain.Advance(time.Duration(courtParams().ReplyTime+1) * time.Second)
}

// abandoned says whether a game waits for an attacker who will not move: one of a quiet scene, or a node
// that cannot prove what it claimed, or whose move the chain refused, where nobody else can show it to be false.
func (c *tribunal) abandoned(g *ledger.Game, s *dispute.State) bool {
	if c.scene.quiet {
		return !c.waitsForHonest(s)
	}
	n, ok := c.nodes["node1"]
	if !ok || c.waitsForHonest(s) || s.Phase.Turn() != dispute.Node {
		return false
	}
	if !n.node.Stuck(*g) && !c.refused("node1", ledger.Move{Game: g.Key, State: g.State}) {
		return false
	}
	return s.Phase != dispute.Answer || s.Opener != c.n.Accounts["watch"] || c.watch.Stuck(*g)
}

// refused says whether the chain mined an order of a party and refused it.
func (c *tribunal) refused(name string, o ledger.Order) bool {
	now, end := context.WithCancel(c.acting)
	end() // Wait returns what is known
	var revert *chain.RevertError
	_, err := c.links[name].Outbox.Wait(now, o.Key())
	return errors.As(err, &revert) || errors.Is(err, chain.ErrRefused)
}

// waitsForHonest says whether the side to move is no attacker.
func (c *tribunal) waitsForHonest(s *dispute.State) bool {
	who := s.Node
	if s.Phase.Turn() == dispute.Opener {
		who = s.Opener
	}
	for role := range c.card.Fates {
		if c.n.Accounts[role] == claim.Address(who) {
			return false
		}
	}
	return true
}
