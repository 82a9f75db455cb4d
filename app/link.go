// Package app builds each role of the network from services and adapters.
//
// It stands between the command and the floors below: `up`, single roles, the demo and tests use
// the same wiring. Nothing here decides what is true; it opens, connects, starts and stops.
//
//	l, err := app.OpenLink(ctx, rpc, deployment, key, dir, log)
package app

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"elenchus/app/meter"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/network/chain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"

	"github.com/ethereum/go-ethereum/common"
)

// Link connects a role to a deployment: facts in, orders out through the role's own outbox.
type Link struct {
	Contracts *chain.Contracts
	Outbox    *chain.Outbox
	account   claim.Address
	log       *slog.Logger
	poll      time.Duration
	meter     *meter.Set // nil: nobody looks
	sight     sight
}

// pollEvery is how often a role looks at the chain.
const pollEvery = 250 * time.Millisecond

// OpenLink dials the chain, checks the deployment and opens the outbox in dir.
func OpenLink(ctx context.Context, rpc string, at chain.Addresses, key *ecdsa.PrivateKey, dir string, log *slog.Logger) (*Link, error) {
	return openLink(ctx, rpc, at, key, dir, log, pace{poll: pollEvery})
}

// pace is how often a role looks at the chain, how it changes the fees that the chain suggests (nil:
// not at all), and how many of its transactions may wait to be mined (0: what pools keep).
type pace struct {
	poll     time.Duration
	fees     func(chain.Fees) chain.Fees
	inFlight int
}

// openLink is OpenLink at a pace of the caller's choice.
func openLink(ctx context.Context, rpc string, at chain.Addresses, key *ecdsa.PrivateKey, dir string, log *slog.Logger, p pace) (*Link, error) {
	c, err := chain.Dial(ctx, rpc, at.ChainID)
	if err != nil {
		return nil, fmt.Errorf("reach the chain at %s: %w", rpc, err)
	}
	k, err := chain.Load(ctx, c, at)
	if err != nil {
		return nil, err
	}
	s, err := chain.NewSigner(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	o := chain.Options{Poll: p.poll, MaxInFlight: p.inFlight, CrashPoint: crashPoint("outbox ")}
	if p.fees != nil {
		o.Fees = func(ctx context.Context) (chain.Fees, error) {
			f, err := c.SuggestFees(ctx)
			if err != nil {
				return f, err
			}
			return p.fees(f), nil
		}
	}
	box, err := chain.OpenOutbox(ctx, filepath.Join(dir, "outbox.db"), c, s, o)
	if err != nil {
		return nil, err
	}
	return &Link{Contracts: k, Outbox: box, account: claim.AddressOf(key), log: log, poll: p.poll}, nil
}

// Close frees the outbox and the connection; Run must have ended.
func (l *Link) Close() error {
	defer l.Contracts.Client().Close()
	return l.Outbox.Close()
}

// Run moves the outbox until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	err := l.Outbox.Run(ctx)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Follow reports facts from the deployment's first block on. See node.Chain.
func (l *Link) Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error {
	o := chain.FactOptions{Interval: l.poll}
	return l.Contracts.Watch(ctx, o, func(_ context.Context, b chain.FactBatch) error {
		return report(b.Facts, l.noteFacts(b))
	})
}

// Submit hands an order to the outbox and watches over its fate in the log. See node.Chain.
func (l *Link) Submit(ctx context.Context, o ledger.Order) error {
	i, err := l.intent(o)
	if err != nil {
		return err
	}
	l.covered(ctx, o)
	if err := l.Outbox.Submit(ctx, i); err != nil {
		return err
	}
	l.count(o, "submitted", 0)
	go l.watch(ctx, i, o)
	return nil
}

// covered sees to the credit that an order takes, before it is sent and before it is sent again: others of the account may
// have taken it. Where that fails the order is sent all the same.
func (l *Link) covered(ctx context.Context, o ledger.Order) bool {
	if err := l.cover(ctx, o); err != nil {
		l.log.Warn("the account's credit may be below what an element takes", "order", o.Key(), "err", err)
	}
	return true
}

// cover brings the credit up to twice what an order takes from it that asks for an element of a leaf which a confidential
// model withholds: the base fee may rise until it is mined. SPEC 09 §3.5.
func (l *Link) cover(ctx context.Context, o ledger.Order) error {
	m, ok := o.(ledger.Move)
	if !ok || dispute.Kind(m.Kind) != dispute.KindElement {
		return nil
	}
	s, err := dispute.DecodeState(m.State)
	if err != nil || s.Phase != dispute.Element || s.Class != manifest.Confidential {
		return err
	}
	bond, err := l.Contracts.ProofBond(ctx)
	if err != nil {
		return err
	}
	twice, err := bond.Add(bond)
	if err != nil {
		return err
	}
	return l.holdCredit(ctx, twice)
}

// How long watch looks whether an order would pass now: longer than blocks of a public chain can be
// taken back. From the 400th look on it looks less and less often.
const (
	watchFor   = time.Hour
	oftenLooks = 400
	seldom     = time.Minute
)

// watch reports what became of an intent and, where its transaction reverted, sends it again as soon
// as it would pass, however often: after a reorganisation a move can be mined before the move that it
// answers, and its author must not be late by that. What others brought about never passes again.
func (l *Link) watch(ctx context.Context, i chain.Intent, o ledger.Order) {
	key := i.Key
	for n := 1; l.report(ctx, i.Key, o) && l.covered(ctx, o) && l.passes(ctx, i); n++ {
		i.Key = fmt.Sprintf("%s/again/%d", key, n)
		l.log.Warn("transaction sent again", "order", key, "time", n)
		if err := l.Outbox.Submit(ctx, i); err != nil {
			l.log.Warn("transaction failed", "order", i.Key, "err", err)
			return
		}
	}
}

// passes waits until an intent would not revert at the head, for watchFor at most.
func (l *Link) passes(ctx context.Context, i chain.Intent) bool {
	pause := l.poll
	for look, waited := 0, time.Duration(0); waited < watchFor; look++ {
		if _, err := l.Contracts.Client().Call(ctx, common.Address(l.account), *i.To, i.Data); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
		if waited += pause; look >= oftenLooks {
			pause = min(2*pause, max(seldom, l.poll))
		}
	}
	return false
}

func (l *Link) intent(o ledger.Order) (chain.Intent, error) {
	if r, ok := o.(ledger.ReleaseBatch); ok {
		return l.Contracts.ReleaseBatch(l.account, r)
	}
	i, err := l.Contracts.Intent(o)
	if _, ok := o.(ledger.PostBatch); ok {
		i.Gas = 0 // with a trial run: what the stake does not cover is refused, not reverted, and may come again
	}
	return i, err
}

// report logs what became of an intent; it ends with ctx. A revert, which it returns, is news, not a
// failure: an opponent or a friend may have been faster.
func (l *Link) report(ctx context.Context, key string, o ledger.Order) (reverted bool) {
	r, err := l.Outbox.Wait(ctx, key)
	switch {
	case errors.Is(err, context.Canceled):
	case err != nil && r != nil:
		l.count(o, "reverted", r.GasUsed)
		l.log.Warn("transaction reverted", "order", key, "block", r.BlockNumber, "index", r.TransactionIndex, "err", l.Contracts.Explain(err))
		return true
	case err != nil:
		l.count(o, "failed", 0)
		l.log.Warn("transaction failed", "order", key, "err", l.Contracts.Explain(err))
	default:
		l.count(o, "mined", r.GasUsed)
		l.log.Debug("mined", "order", key, "block", r.BlockNumber, "index", r.TransactionIndex, "gas", r.GasUsed)
	}
	return false
}

// Do submits intents one after the other and waits until all are mined.
func (l *Link) Do(ctx context.Context, intents ...chain.Intent) error {
	for _, i := range intents {
		if err := l.Outbox.Submit(ctx, i); err != nil {
			return err
		}
	}
	for _, i := range intents {
		if _, err := l.Outbox.Wait(ctx, i.Key); err != nil {
			return fmt.Errorf("%s: %w", i.Key, l.Contracts.Explain(err))
		}
	}
	return nil
}

// ReadDeployment reads the addresses that chain deploy or up wrote.
func ReadDeployment(path string) (chain.Addresses, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return chain.Addresses{}, fmt.Errorf("read the deployment: %w", err)
	}
	a, err := chain.DecodeAddresses(b)
	if err != nil {
		return a, fmt.Errorf("deployment %s: %w", path, err)
	}
	return a, nil
}
