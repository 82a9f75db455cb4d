package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// observe folds news of the chain into what the node knows and makes every move that is due.
func (n *Node) observe(ctx context.Context, facts []ledger.Fact, head ledger.Head) error {
	n.mu.Lock()
	n.head = head
	for _, f := range facts {
		n.games.Apply(f)
		n.noteBatch(f)
		n.notePlant(f)
	}
	open := n.games.Open()
	n.mu.Unlock()
	n.forget(open)
	for _, g := range open {
		if g.Node != n.addr {
			continue
		}
		if err := n.play(ctx, g, head.Time); err != nil {
			return err
		}
	}
	if err := n.showPlants(ctx, open, head.Time); err != nil {
		return err
	}
	return n.release(ctx, head.Time)
}

// forget drops what was known of claims that nobody disputes any more.
func (n *Node) forget(open []ledger.Game) {
	maps.DeleteFunc(n.own, func(id claim.Hash, _ dispute.Knowledge) bool {
		return !slices.ContainsFunc(open, func(g ledger.Game) bool { return g.ClaimID == id })
	})
}

// play makes the node's due move in a game, if there is one. A move that cannot be made is logged:
// the clock decides then.
func (n *Node) play(ctx context.Context, g ledger.Game, now uint64) error {
	s, err := dispute.DecodeState(g.State)
	if err != nil {
		return fmt.Errorf("game %x: %w", g.Key, err)
	}
	o, err := n.due(g, &s, now)
	if err != nil || o == nil || n.played[o.Key()] {
		return err
	}
	if m, ok := o.(ledger.Move); ok && s.Phase == dispute.Demand {
		if o, ok, err = n.include(ctx, g, m); err != nil || !ok {
			if err != nil && !errors.Is(err, context.Canceled) {
				n.o.Log.Error("demand not met yet", "game", fmt.Sprintf("%x", g.Key), "err", err)
				err = nil
			}
			return err
		}
	} else if ok {
		if o, err = n.move(ctx, g, s, m); errors.Is(err, context.Canceled) || errors.Is(err, dispute.ErrNotNow) {
			n.o.Log.Info("no move yet", "game", fmt.Sprintf("%x", g.Key), "phase", s.Phase.String(), "err", err)
			return nil
		}
		if err != nil {
			n.o.Log.Error("no move", "game", fmt.Sprintf("%x", g.Key), "phase", s.Phase.String(), "err", err)
			n.played[m.Key()] = true
			n.mu.Lock()
			n.stuck[m.Key()] = true
			n.mu.Unlock()
			return nil
		}
	}
	if err := n.o.Chain.Submit(ctx, o); err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		n.o.Log.Error("move not submitted", "game", fmt.Sprintf("%x", g.Key), "phase", s.Phase.String(), "err", err)
		return nil
	}
	n.played[o.Key()] = true
	n.o.Log.Info("move", "game", fmt.Sprintf("%x", g.Key), "phase", s.Phase.String(), "order", o.Key())
	return nil
}

// due is what a game asks of the node now: nil for nothing. Of a move it says only in which state.
func (n *Node) due(g ledger.Game, s *dispute.State, now uint64) (ledger.Order, error) {
	switch {
	case g.Decided != nil:
		v, err := dispute.DecodeVerdict(g.Decided.Verdict)
		if err != nil {
			return nil, fmt.Errorf("game %x: %w", g.Key, err)
		}
		if v.Phase != dispute.Lost { // the opener resolves what he won
			return nil, nil
		}
		return ledger.Resolve{Game: g.Key, Verdict: g.Decided.Verdict}, nil
	case s.Phase.Turn() == dispute.Opener && dispute.Overdue(s, now):
		return ledger.Timeout{Game: g.Key, State: g.State, Job: g.Job}, nil
	case s.Phase.Turn() == dispute.Node && n.planted(g.ClaimID) != nil:
		return nil, nil // it is shown, and spared so
	case s.Phase.Turn() == dispute.Node && now <= s.Last:
		return ledger.Move{Game: g.Key, State: g.State}, nil
	}
	return nil, nil
}

// Stuck says whether the node looked for its move in the present state of a game and has none that
// defends its claim: the clock decides then.
func (n *Node) Stuck(g ledger.Game) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stuck[ledger.Move{Game: g.Key, State: g.State}.Key()]
}

// move computes the move that the state asks of the node.
func (n *Node) move(ctx context.Context, g ledger.Game, s dispute.State, o ledger.Move) (ledger.Order, error) {
	if s.Phase == dispute.Publication {
		return n.publish(g, s, o)
	}
	job, err := dispute.DecodeJob(g.Job)
	if err != nil {
		return nil, err
	}
	own, err := n.knowledge(ctx, g.ClaimID)
	if err != nil {
		return nil, err
	}
	if m := n.atOnce(ctx, g.Key, s, job, own); m != nil {
		o.Kind, o.Payload = uint8(m.Kind()), m.Encode()
		return o, nil
	}
	m, err := dispute.NextForNode(s, job, own)
	if err != nil {
		return nil, err
	}
	if m.Kind() == dispute.KindAnswer {
		// An answer that shows the claim to be false is the opener's business.
		if phase, err := dispute.Outcome(s, m); err != nil || phase != dispute.Lost {
			return nil, fmt.Errorf("%w: the answer does not defend the claim (%v, %v)", dispute.ErrStuck, phase, err)
		}
		if n.o.Prove != nil {
			if m, err = n.o.Prove(ctx, g.Key, s, m); err != nil {
				return nil, err
			}
		}
	}
	o.Kind, o.Payload = uint8(m.Kind()), m.Encode()
	return o, nil
}

// atOnce is the answer that defends the tensor in hand whole, with its proof, where there is one and it ends more than one
// element would; else nil.
func (n *Node) atOnce(ctx context.Context, game claim.Hash, s dispute.State, j dispute.Job, own dispute.Knowledge) dispute.Move {
	descends := s.Phase == dispute.Tensor || s.Phase == dispute.Answer && s.Flags&dispute.FlagDescended != 0
	if n.o.Whole == nil || s.Class != manifest.Confidential || !descends {
		return nil
	}
	w, err := dispute.WholesForNode(s, j, own)
	if err != nil {
		return nil // and the move by move way says why
	}
	out, err := n.o.Whole(ctx, game, s, w, dispute.Lost)
	if err != nil {
		n.o.Log.Info("no proof of a whole tensor: move by move", "phase", s.Phase.String(), "err", err)
		return nil
	}
	return out
}

// knowledge is what the node knows of its own claim; it is kept while the claim is disputed.
func (n *Node) knowledge(ctx context.Context, id claim.Hash) (dispute.Knowledge, error) {
	if k, ok := n.own[id]; ok {
		return k, nil
	}
	r, m, err := n.stored(id)
	if err != nil {
		return nil, err
	}
	if m.graph() {
		k, err := knowledgeOfGraph(ctx, r, m)
		if err == nil {
			n.own[id] = k
		}
		return k, err
	}
	_, a, _, err := n.answer(ctx, id)
	if err != nil {
		return nil, err
	}
	job := r.Job()
	man, err := m.whole(ctx)
	if err != nil {
		return nil, err
	}
	k := dispute.NewOwn(man, job, a, r.Claim.Count, func(t int) (*trace.Step, error) { return m.Computer.Step(job, t, a.Outputs) })
	n.own[id] = k
	return k, nil
}
