package auditor

import (
	"context"
	"errors"
	"maps"

	"elenchus/commitment/claim"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// due are the batches about which something may be done: reveals of older ones are over.
func (a *Auditor) due(now uint64) map[claim.Hash]*batch {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.batches, func(_ claim.Hash, b *batch) bool {
		return now > a.o.Params.TimesOf(a.o.Beacon, b.posted).RevealBy+a.o.Params.Unbonding
	})
	return maps.Clone(a.batches)
}

// batch enters a batch, posts the rounds that it needs, and audits what fell to this auditor.
func (a *Auditor) batch(ctx context.Context, key claim.Hash, b *batch, head ledger.Head) error {
	t := a.o.Params.TimesOf(a.o.Beacon, b.posted)
	if !b.entered {
		if head.Time > t.CommitBy || !a.pays(ctx, b.Node) {
			return nil
		}
		return a.submit(ctx, ledger.EnterAudits{Node: b.Node, Root: b.Root})
	}
	drawing, err := a.round(ctx, t.Drawing, head.Time)
	if err != nil || !drawing {
		return err
	}
	if !b.looked && head.Time >= b.again && head.Time <= t.CommitBy {
		done, err := a.look(ctx, b, t, head.Time)
		if err != nil {
			return err
		}
		b.looked = done
	}
	_, err = a.round(ctx, t.Opening, head.Time)
	return err
}

// pays says whether a node's fees pay one audit.
func (a *Auditor) pays(ctx context.Context, node claim.Address) bool {
	have, err := a.o.Chain.AuditFees(ctx, node)
	if err != nil {
		return false
	}
	price, err := a.o.Params.Fee.Add(a.o.Params.Reward)
	if err == nil {
		price, err = price.Mul(sampling.Places)
	}
	return err == nil && have.Cmp(price) >= 0
}

// round says whether a round is on the chain, and brings it there once it is due.
func (a *Auditor) round(ctx context.Context, round, now uint64) (bool, error) {
	a.mu.Lock()
	_, known := a.seeds[round]
	asked := a.asked[round]
	a.mu.Unlock()
	if known || asked || now < a.o.Beacon.Time(round) {
		return known, nil
	}
	point, err := a.o.Beacon.Point(ctx, round)
	if err != nil {
		a.o.Log.Warn("beacon gives no round", "round", round, "err", err)
		return false, ctx.Err()
	}
	a.mu.Lock()
	a.asked[round] = true
	a.mu.Unlock()
	return false, a.submit(ctx, ledger.PostRound{Round: round, Point: point})
}

// tries is into how many pauses the time of commits is cut: in half of them a claim that is not served is
// asked for again.
const tries = 16

// look reads whom the draws of a batch fell to and audits the own ones. It is done unless the chain could
// not be read, or a claim was not served and may be later.
func (a *Auditor) look(ctx context.Context, b *batch, t sampling.Times, now uint64) (bool, error) {
	patient, done := now < t.CommitBy-a.o.Params.CommitTime/2, true
	for draw := range b.drawn {
		for place := range uint8(sampling.Places) {
			p := ledger.AuditPlace{Node: b.Node, Root: b.Root, Draw: draw, Place: place}
			index, who, err := a.o.Chain.AuditDraw(ctx, p)
			if err != nil {
				return false, ctx.Err()
			}
			if who != a.me {
				continue
			}
			switch err := a.audit(ctx, p, b, index, t, patient); {
			case errors.Is(err, errUnserved):
				b.again, done = now+max(1, a.o.Params.CommitTime/tries), false
			case err != nil:
				return false, err
			}
		}
	}
	return done, nil
}
