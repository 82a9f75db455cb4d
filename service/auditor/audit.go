package auditor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"

	"github.com/ethereum/go-ethereum/crypto"
)

// errUnserved says that a node does not serve a drawn claim now.
var errUnserved = errors.New("the claim is not served")

// audit computes a drawn claim, keeps what it found on disk, and commits to it. Who is patient says
// errUnserved of a claim that is not served, and nothing yet on the chain.
func (a *Auditor) audit(ctx context.Context, p ledger.AuditPlace, b *batch, index uint32, t sampling.Times, patient bool) error {
	id := sampling.PlaceID(p)
	r, found, err := a.store.get(id)
	if err != nil {
		return err
	}
	if !found {
		if r, err = a.judge(ctx, p, b, index); err != nil {
			return err
		}
		if patient && len(r.Receipt) == 0 && r.unserved {
			return errUnserved
		}
		r.Posted, r.RevealBy, r.Opening = b.posted, t.RevealBy, t.Opening
		if err := a.store.put(r); err != nil {
			return err
		}
	}
	return a.submit(ctx, ledger.CommitAudit{AuditPlace: p, Hash: sampling.Commit(a.me, id, r.Verdict, r.Salted, r.Nonce)})
}

// judge fetches and computes a drawn claim. The error is ctx's or the disk's: what cannot be checked is
// a verdict.
func (a *Auditor) judge(ctx context.Context, p ledger.AuditPlace, b *batch, index uint32) (record, error) {
	id := sampling.PlaceID(p)
	key := crypto.FromECDSA(a.o.Key)
	rec := record{Audit: id, Place: p, Verdict: sampling.Abstain, Nonce: claim.Keccak([]byte("elenchus/audit/1"), key, id[:])}
	r, open, err := a.fetch(ctx, b, index, &p)
	if ctx.Err() != nil {
		return rec, ctx.Err()
	}
	if err != nil {
		rec.unserved = errors.Is(err, errUnserved)
		a.say(p, rec.Verdict, err.Error())
		return rec, nil
	}
	raw, err := r.Encode()
	if err != nil {
		return rec, err
	}
	rec.Receipt, rec.Open = raw, open.Encode()
	if field, value := open.Face(a.o.Domain); field != "" {
		open.T = dispute.OnItsFace
		rec.Open, rec.Verdict = open.Encode(), sampling.False
		a.say(p, rec.Verdict, fmt.Sprintf("%s is %d", field, value))
		return rec, nil
	}
	return a.compare(ctx, rec, r, open.Batch)
}

// compare judges a claim at a place of a batch by the own computation.
func (a *Auditor) compare(ctx context.Context, rec record, r *receipt.Receipt, at *dispute.Inclusion) (record, error) {
	p, id := rec.Place, rec.Audit
	answer, same, err := a.run(ctx, r)
	switch {
	case ctx.Err() != nil:
		return rec, ctx.Err()
	case err != nil:
		a.say(p, rec.Verdict, err.Error())
		return rec, nil
	case !same:
		rec.Verdict = sampling.False
		a.say(p, rec.Verdict, "computing it gives another answer")
		a.accuse(r, at)
		return rec, nil
	}
	if rec.Salted, err = answer.salted(a.salt(id)); err != nil {
		return rec, err
	}
	rec.Verdict = sampling.True
	a.say(p, rec.Verdict, "")
	return rec, nil
}

// fetch is the receipt of the drawn claim and its opening, or why it cannot be judged: errUnserved where
// its node may be asked again. own is the place that fell to this auditor, nil if none did.
func (a *Auditor) fetch(ctx context.Context, b *batch, index uint32, own *ledger.AuditPlace) (*receipt.Receipt, *dispute.OpenMove, error) {
	a.mu.Lock()
	url := a.urls[b.Node]
	a.mu.Unlock()
	fetch, cancel := context.WithTimeout(ctx, a.o.FetchWithin)
	defer cancel()
	rs, err := a.o.Source.Batch(fetch, url, b.Root)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: its batch: %w", errUnserved, err)
	}
	digests := make([]claim.Hash, len(rs))
	for i, p := range rs {
		digests[i] = p.Digest(a.o.Domain)
	}
	if len(rs) != int(b.Count) || index >= b.Count || claim.TreeRoot(digests) != b.Root {
		return nil, nil, fmt.Errorf("%w: what is served is not the batch", errUnserved)
	}
	r := rs[index].Receipt
	if r == nil {
		if r, err = a.kept(fetch, url, digests[index], own); err != nil {
			return nil, nil, err
		}
	}
	m, err := a.model(r.Request.Model)
	settings := trace.Settings(&r.Sampler)
	switch {
	case err != nil:
		return nil, nil, err
	case r.Domain != a.o.Domain || r.Claim.Node != b.Node || r.Claim.RequestDigest != r.Named() || settings.Extras() != r.Request.Extras:
		return nil, nil, errors.New("the claim is not about the request that comes with it")
	}
	open := &dispute.OpenMove{Opener: a.me, MaxBond: claim.MaxAmount, Claim: r.Claim, Request: r.Request, Sampler: settings, Header: m.Manifest.Header, Cancel: r.Cancel,
		Batch: &dispute.Inclusion{Root: b.Root, Index: uint16(index), Path: claim.NewTree(digests).Path(int(index))}}
	return r, open, nil
}

// kept is the receipt of a claim that its node keeps for parties and drawn auditors. SPEC 15 §2.4.
func (a *Auditor) kept(ctx context.Context, url string, digest claim.Hash, own *ledger.AuditPlace) (*receipt.Receipt, error) {
	if own == nil {
		return nil, errors.New("the claim is kept for its parties")
	}
	r, err := a.o.Source.Drawn(ctx, url, *own)
	if err != nil {
		return nil, fmt.Errorf("%w to its auditor: %w", errUnserved, err)
	}
	if r.Claim.Digest(a.o.Domain) != digest {
		return nil, fmt.Errorf("%w: another claim than the drawn one comes", errUnserved)
	}
	return r, nil
}

// accuse hands a receipt to the challenger.
func (a *Auditor) accuse(r *receipt.Receipt, at *dispute.Inclusion) {
	if a.o.Accuse != nil {
		a.o.Accuse(r, at)
	}
}

// places reveals what was committed to, and closes what can be closed.
func (a *Auditor) places(ctx context.Context, head ledger.Head) error {
	rs, err := a.store.all()
	if err != nil {
		return err
	}
	for i := range rs {
		r := &rs[i]
		a.mu.Lock()
		seed, open := a.seeds[r.Opening]
		said, done := a.revealed[r.Audit]
		times := a.closed[r.Audit]
		a.mu.Unlock()
		switch {
		case !done && open && head.Time <= r.RevealBy:
			err = a.reveal(ctx, r, seed)
		case done && times == 0:
			err = a.close(ctx, r, said, head.Time)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reveal sends the verdict and, where the claim is true, the attestation and the drawn leaf.
func (a *Auditor) reveal(ctx context.Context, rec *record, seed claim.Hash) error {
	o := ledger.RevealAudit{AuditPlace: rec.Place, Verdict: rec.Verdict, Salted: rec.Salted, Nonce: rec.Nonce}
	a.mu.Lock()
	sent := a.sent[o.Key()]
	a.mu.Unlock()
	if sent {
		return nil
	}
	if rec.Verdict != sampling.Abstain {
		o.Open = rec.Open
	}
	if rec.Verdict == sampling.True {
		proof, err := a.prove(ctx, rec, seed)
		if err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("prove audit %x: %w", rec.Audit, err))
		}
		o.Proof = proof
	}
	return a.submit(ctx, o)
}

// prove computes the claim again and opens what was drawn.
func (a *Auditor) prove(ctx context.Context, rec *record, seed claim.Hash) ([]byte, error) {
	r, err := receipt.Decode(rec.Receipt)
	if err != nil {
		return nil, err
	}
	answer, _, err := a.run(ctx, r)
	if err != nil {
		return nil, err
	}
	c := a.attestation(rec, r)
	sig, err := claim.Sign(c.Digest(a.o.Domain), a.o.Key)
	if err != nil {
		return nil, err
	}
	return answer.prove(sig, a.salt(rec.Audit), seed)
}

// salt binds what is computed for an audit to this auditor.
func (a *Auditor) salt(audit claim.Hash) trace.Salt { return trace.Salt{Auditor: a.me, Audit: audit} }

// attestation is the claim that stands for the verdict "true".
func (a *Auditor) attestation(rec *record, r *receipt.Receipt) claim.Claim {
	return sampling.Attestation(r.Claim, a.me, rec.Posted, rec.RevealBy, a.o.Window)
}

// close settles an own place once it pays.
func (a *Auditor) close(ctx context.Context, rec *record, said ledger.AuditRevealed, now uint64) error {
	o := ledger.CloseAudit{AuditPlace: rec.Place, Case: said.Case}
	switch said.Verdict {
	case sampling.True:
		if now <= rec.RevealBy+a.o.Window+a.o.Window/2 {
			return nil
		}
	case sampling.False:
		a.mu.Lock()
		shown := a.shown[said.Case]
		a.mu.Unlock()
		if len(a.cases.Held(said.Case)) == 0 && !a.refuted(said.Case) && !shown {
			return nil
		}
	}
	return a.submit(ctx, o)
}

// refuted says whether a game about a case ended with its refutation.
func (a *Auditor) refuted(id claim.Hash) bool {
	return slices.ContainsFunc(a.games.All(), func(g ledger.Game) bool {
		return g.Resolved != nil && g.Resolved.Case == id && g.Resolved.Phase == uint8(dispute.Refuted)
	})
}
