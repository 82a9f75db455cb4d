package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/network/chain"
	"elenchus/network/peer"
	"elenchus/proving/beacon"
	"elenchus/service/auditor"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"

	"github.com/ethereum/go-ethereum/common"
)

// courtAudits are terms in which nobody is late on however slow a machine, under courtParams.
func courtAudits() sampling.Params {
	p := sampling.ParamsOf(0)
	p.CommitTime, p.RevealTime, p.GameTime, p.Unbonding = 86_400, 86_400, 7_200_000, 8_000_000
	return p
}

// deployAudits adds audits under a local beacon to the court's deployment.
func (c *tribunal) deployAudits(ctx context.Context, client *chain.Client, s *chain.Signer) error {
	head, err := client.Head(ctx)
	if err != nil {
		return err
	}
	local, err := beacon.NewLocal(claim.Keccak([]byte("elenchus/court/beacon")), head.Time, 3)
	if err != nil {
		return err
	}
	c.beacon = rounds{local}
	words, err := local.Words()
	if err != nil {
		return err
	}
	key := chain.BeaconKey{Words: words, Genesis: local.Genesis, Period: local.Period}
	c.n.Addresses, err = chain.DeployAudits(ctx, client, s, c.n.Addresses, key, courtAudits())
	return err
}

// seats brings fees of node1 and seats of those who audit.
func (c *tribunal) seats(ctx context.Context, names ...string) error {
	p := courtAudits()
	fees, err := p.Deposit.Mul(1)
	if err != nil {
		return err
	}
	for i, name := range append([]string{"node1"}, names...) {
		l := c.links[name]
		mint, err1 := l.Contracts.Mint("audits/mint/"+name, l.account, p.Deposit)
		approve, err2 := l.Contracts.ApproveAudits("audits/approve/"+name, p.Deposit)
		put, err3 := l.Contracts.JoinAudits("audits/put/"+name, uint64(max(i, 1)-1))
		if name == "node1" {
			put, err3 = l.Contracts.PayAuditFees("audits/put/"+name, l.account, fees)
		}
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		if err := l.Do(ctx, mint, approve, put); err != nil {
			return err
		}
	}
	var err2 error
	c.before, err2 = c.wealths(ctx)
	return errors.Join(err2, c.chain.Advance(time.Minute))
}

// auditor is an auditor of the court that computes with a computer.
func (c *tribunal) auditor(name string, by auditor.Computer, accuse bool) (*auditor.Auditor, error) {
	o := auditor.Options{Key: c.keys[name], Domain: c.k.Domain(), Chain: c.links[name], Source: peer.New(httpClient()).As(c.keys[name], c.k.Domain()), Beacon: c.beacon,
		Models: []auditor.Model{{Manifest: c.man, Computer: by}}, Dir: filepath.Join(c.dir, name, "audits"), Params: courtAudits(),
		Window: courtParams().Window, Log: c.o.Log.With("role", name)}
	if accuse {
		o.Accuse = c.accuse
	}
	a, err := auditor.New(o)
	if err != nil {
		return nil, err
	}
	c.auditors = append(c.auditors, a)
	c.do(c.acting, a.Run)
	return a, nil
}

// drawn waits until the batch of a receipt is entered and its draw is known, and says whose its places are.
func (c *tribunal) drawn(ctx context.Context, node string) (map[claim.Address]ledger.AuditPlace, sampling.Times, error) {
	var posted, entered *ledger.Fact
	err := c.until(ctx, func(f ledger.Fact) bool {
		switch e := f.Event.(type) {
		case ledger.BatchPosted:
			if e.Node == c.n.Accounts[node] {
				posted = &f
			}
		case ledger.AuditEntered:
			entered = &f
		}
		return posted != nil && entered != nil
	})
	if err != nil {
		return nil, sampling.Times{}, err
	}
	p := courtAudits()
	t := p.TimesOf(c.beacon, posted.Time)
	out := map[claim.Address]ledger.AuditPlace{}
	for len(out) < sampling.Places {
		for place := range uint8(sampling.Places) {
			at := ledger.AuditPlace{Node: c.n.Accounts[node], Root: posted.Event.(ledger.BatchPosted).Root, Place: place}
			_, who, err := c.k.AuditDraw(ctx, at)
			if err != nil {
				return nil, t, err
			}
			if who != (claim.Address{}) {
				out[who] = at
			}
		}
		if err := c.pause(ctx); err != nil {
			return nil, t, err
		}
	}
	return out, t, nil
}

// pause waits a little, or fails with what failed a party.
func (c *tribunal) pause(ctx context.Context) error {
	select {
	case err := <-c.errs:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(courtPoll):
		return nil
	}
}

// until reads facts from the first block on until one is the last that is waited for.
func (c *tribunal) until(ctx context.Context, last func(ledger.Fact) bool) error {
	done := errors.New("seen")
	err := c.k.Watch(ctx, chain.FactOptions{Interval: courtPoll}, func(ctx context.Context, b chain.FactBatch) error {
		for _, f := range b.Facts {
			if !f.Removed && last(f) {
				return done
			}
		}
		return c.pause(ctx)
	})
	if errors.Is(err, done) {
		return nil
	}
	return err
}

// comes waits until a place has a status.
func (c *tribunal) comes(ctx context.Context, p ledger.AuditPlace, status uint8) error {
	for {
		got, err := c.k.AuditStatus(ctx, p)
		if err != nil || got == status {
			return err
		}
		if err := c.pause(ctx); err != nil {
			return fmt.Errorf("place %d of the audit has status %d, not %d: %w", p.Place, got, status, err)
		}
	}
}

// skipTo moves the chain's clock beyond a time.
func (c *tribunal) skipTo(ctx context.Context, at uint64) error {
	head, err := c.k.Client().Head(ctx)
	if err != nil || head.Time > at {
		return err
	}
	return c.chain.Advance(time.Duration(at+1-head.Time) * time.Second)
}

// lazyAuditor draws two auditors of a true claim: one computes it, the other says "true" about a tree
// that it has invented.
func lazyAuditor(ctx context.Context, c *tribunal) error {
	if err := c.seats(ctx, "watch", "mallory"); err != nil {
		return err
	}
	if _, err := c.auditor("watch", computer(c.man, nil), false); err != nil {
		return err
	}
	c.do(ctx, c.tick)
	if _, err := c.ask(ctx, "node1"); err != nil {
		return err
	}
	places, t, err := c.drawn(ctx, "node1")
	if err != nil {
		return err
	}
	honest, lazy := places[c.n.Accounts["watch"]], places[c.n.Accounts["mallory"]]
	invented, nonce := claim.Keccak([]byte("a tree of nothing")), claim.Keccak([]byte("nonce"))
	id := sampling.ID(sampling.BatchKey(lazy.Node, lazy.Root), lazy.Draw, lazy.Place)
	commit := ledger.CommitAudit{AuditPlace: lazy, Hash: sampling.Commit(c.n.Accounts["mallory"], id, sampling.True, invented, nonce)}
	if err := c.attack(ctx, commit, true); err != nil {
		return err
	}
	c.say("a beacon draws the claim for two auditors; mallory commits to a tree that it has invented")
	if err := c.comes(ctx, honest, statusCommitted); err != nil {
		return err
	}
	if err := c.skipTo(ctx, t.CommitBy+4); err != nil {
		return err
	}
	if err := c.comes(ctx, honest, sampling.True); err != nil {
		return err
	}
	if err := c.cannotReveal(ctx, lazy, invented, nonce); err != nil {
		return err
	}
	if err := c.skipTo(ctx, t.RevealBy+2*courtParams().Window); err != nil {
		return err
	}
	if err := c.attack(ctx, ledger.CloseAudit{AuditPlace: lazy}, true); err != nil {
		return err
	}
	if err := c.comes(ctx, honest, statusPaid); err != nil {
		return err
	}
	return c.boughtAudits(1)
}

// Statuses of a place beside the verdicts: SPEC 11 §6, contract Audits.
const (
	statusCommitted = 16
	statusPaid      = 4
	statusDone      = 5
)

// cannotReveal sends mallory's reveal with what the honest auditor has shown, which opens nothing of hers.
func (c *tribunal) cannotReveal(ctx context.Context, p ledger.AuditPlace, root, nonce claim.Hash) error {
	var shown ledger.RevealAudit
	if shown.Open, shown.Proof = c.lastReveal(ctx); len(shown.Proof) == 0 {
		return errors.New("the honest auditor has revealed no proof")
	}
	shown.AuditPlace, shown.Verdict, shown.Salted, shown.Nonce = p, sampling.True, root, nonce
	i, err := c.links["mallory"].intent(shown)
	if err != nil {
		return err
	}
	_, err = c.k.Client().Call(ctx, common.Address(c.n.Accounts["mallory"]), *i.To, i.Data)
	if err == nil {
		return errors.New("mallory reveals what the honest auditor computed")
	}
	c.say("mallory cannot open what was drawn: %v", c.k.Explain(err))
	return nil
}

// lastReveal are opening and proof of the honest auditor's reveal, out of its transaction.
func (c *tribunal) lastReveal(ctx context.Context) (open, proof []byte) {
	var tx claim.Hash
	err := c.until(ctx, func(f ledger.Fact) bool {
		_, ok := f.Event.(ledger.AuditRevealed)
		tx = f.Tx
		return ok
	})
	if err != nil {
		return nil, nil
	}
	t, _, err := c.k.Client().Backend().TransactionByHash(ctx, common.Hash(tx))
	if err != nil {
		return nil, nil
	}
	open, proof, _ = c.k.RevealData(t.Data())
	return open, proof
}

// boughtAudits takes what node1 paid for audits out of what it had: it bought something.
func (c *tribunal) boughtAudits(n uint64) error {
	p := courtAudits()
	price, err := p.Fee.Mul(n)
	if err != nil {
		return err
	}
	b := c.before["node1"]
	b.tokens = b.tokens.Less(price)
	c.before["node1"] = b
	return nil
}

// accuse hands a receipt to the court's challenger.
func (c *tribunal) accuse(r *receipt.Receipt, at *dispute.Inclusion) {
	if err := c.watch.SubmitAt(r, at); err != nil {
		c.o.Log.Error("receipt not checked", "err", err)
	}
}
