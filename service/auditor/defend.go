package auditor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// defend makes every due move in games about own attestations, and closes those that it won.
func (a *Auditor) defend(ctx context.Context, head ledger.Head) error {
	for _, g := range a.games.Open() {
		if g.Node != a.me {
			continue
		}
		if err := a.play(ctx, g, head.Time); err != nil {
			return err
		}
	}
	return nil
}

// play makes the due move in a game, if there is one. A move that cannot be made is logged: the clock
// decides then.
func (a *Auditor) play(ctx context.Context, g ledger.Game, now uint64) error {
	s, err := dispute.DecodeState(g.State)
	if err != nil {
		return fmt.Errorf("game %x: %w", g.Key, err)
	}
	if g.Decided != nil {
		v, err := dispute.DecodeVerdict(g.Decided.Verdict)
		if err != nil || v.Phase != dispute.Lost {
			return err // the opener resolves what he won
		}
		return a.submit(ctx, ledger.Resolve{Game: g.Key, Verdict: g.Decided.Verdict, Held: a.cases.Held(s.Case)})
	}
	if s.Phase.Turn() == dispute.Opener {
		if dispute.Overdue(&s, now) {
			return a.submit(ctx, ledger.Timeout{Game: g.Key, State: g.State, Job: g.Job})
		}
		return nil
	}
	o := ledger.Move{Game: g.Key, State: g.State}
	a.mu.Lock()
	sent := a.sent[o.Key()]
	a.mu.Unlock()
	if sent {
		return nil
	}
	m, err := a.move(ctx, g, s)
	if err != nil {
		a.o.Log.Error("no move", "game", fmt.Sprintf("%x", g.Key), "phase", s.Phase.String(), "err", err)
		return ctx.Err()
	}
	o.Kind, o.Payload = uint8(m.Kind()), m.Encode()
	return a.submit(ctx, o)
}

// move computes the move that the state asks for.
func (a *Auditor) move(ctx context.Context, g ledger.Game, s dispute.State) (dispute.Move, error) {
	job, err := dispute.DecodeJob(g.Job)
	if err != nil {
		return nil, err
	}
	own, ok := a.own[g.ClaimID]
	if !ok {
		if own, err = a.knowledge(ctx, g.ClaimID); err != nil {
			return nil, err
		}
		a.own[g.ClaimID] = own
	}
	m, err := dispute.NextForNode(s, job, own)
	if err != nil || m.Kind() != dispute.KindAnswer {
		return m, err
	}
	next, _, err := dispute.Apply(s, m, dispute.Env{Now: s.Deadline, Mover: a.me})
	if err != nil || next.Phase != dispute.Lost {
		return nil, fmt.Errorf("%w: the answer does not defend the attestation (%v, %v)", dispute.ErrStuck, next.Phase, err)
	}
	return m, nil
}

// knowledge is the own run behind an attestation.
func (a *Auditor) knowledge(ctx context.Context, id claim.Hash) (dispute.Knowledge, error) {
	rs, err := a.store.all()
	if err != nil {
		return nil, err
	}
	for i := range rs {
		if rs[i].Verdict != sampling.True {
			continue
		}
		r, err := receipt.Decode(rs[i].Receipt)
		if err != nil {
			return nil, err
		}
		c := a.attestation(&rs[i], r)
		if c.ID(a.o.Domain) != id {
			continue
		}
		answer, _, err := a.run(ctx, r)
		if err != nil {
			return nil, err
		}
		return answer.known(ctx)
	}
	return nil, fmt.Errorf("claim %x is no attestation of this auditor", id)
}

// suspect has what others attest checked; the caller holds mu. The batch serves the receipt, in which
// the attestation takes the claim's place. SPEC 11 §4.6.
func (a *Auditor) suspect(e ledger.AuditRevealed) {
	b := a.batches[sampling.BatchKey(e.Node, e.Root)]
	if a.o.Accuse == nil || e.Auditor == a.me || e.Verdict != sampling.True || len(e.Signature) != len(claim.Signature{}) || b == nil {
		return
	}
	a.suspects = append(a.suspects, e)
}

// check hands attestations of others to the challenger.
func (a *Auditor) check(ctx context.Context) error {
	a.mu.Lock()
	es := a.suspects
	a.suspects = nil
	a.mu.Unlock()
	for _, e := range es {
		a.mu.Lock()
		b := a.batches[sampling.BatchKey(e.Node, e.Root)]
		a.mu.Unlock()
		index, own, found, err := a.indexOf(ctx, e)
		if err != nil {
			return err
		}
		if b == nil || !found {
			continue
		}
		r, _, err := a.fetch(ctx, b, index, own)
		if err != nil {
			a.o.Log.Warn("attestation not checked", "auditor", fmt.Sprintf("%x", e.Auditor), "why", err)
			continue
		}
		t := a.o.Params.TimesOf(a.o.Beacon, b.posted)
		theirs := *r
		theirs.Claim = sampling.Attestation(r.Claim, e.Auditor, b.posted, t.RevealBy, a.o.Window)
		theirs.Signature = claim.Signature(e.Signature)
		a.accuse(&theirs, nil)
	}
	return nil
}

// indexOf is the place in its batch of the claim that a draw gave, and that of this auditor in the draw, nil
// if it has none.
func (a *Auditor) indexOf(ctx context.Context, e ledger.AuditRevealed) (index uint32, own *ledger.AuditPlace, found bool, err error) {
	for place := range uint8(sampling.Places) {
		p := ledger.AuditPlace{Node: e.Node, Root: e.Root, Draw: e.Draw, Place: place}
		at, who, err := a.o.Chain.AuditDraw(ctx, p)
		if err != nil {
			continue
		}
		if index, found = at, true; who == a.me {
			own = &p
		}
	}
	return index, own, found, ctx.Err()
}

// collect settles places of others whose attestation was refuted: half of the deposit is the winner's.
func (a *Auditor) collect(ctx context.Context) error {
	a.mu.Lock()
	var todo []ledger.CloseAudit
	for _, e := range a.revealed {
		if e.Auditor == a.me || e.Verdict != sampling.True || !a.refuted(e.Case) {
			continue
		}
		for place := range uint8(sampling.Places) {
			p := ledger.AuditPlace{Node: e.Node, Root: e.Root, Draw: e.Draw, Place: place}
			if sampling.PlaceID(p) == e.Audit {
				todo = append(todo, ledger.CloseAudit{AuditPlace: p, Case: e.Case, Held: a.cases.Held(e.Case), Nth: a.closed[e.Audit]})
			}
		}
	}
	a.mu.Unlock()
	slices.SortFunc(todo, func(x, y ledger.CloseAudit) int { return strings.Compare(x.Key(), y.Key()) })
	for _, o := range todo {
		if o.Nth > 1 {
			continue // it is settled
		}
		if err := a.submit(ctx, o); err != nil {
			return err
		}
	}
	return nil
}
