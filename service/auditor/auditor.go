// Package auditor computes the claims that a beacon draws for it, says what it found, and is paid.
//
// It stands on the service floor: facts come in, orders to the chain go out. A drawn claim is computed
// again; the auditor commits to a tree over the rows of that run, salted with its address, and reveals
// after the second round. Who finds a claim true signs it as its own and defends that attestation in
// every game; a false one is a challenger's business. Invariants: it attests only what equals its own
// computation; what it committed to is on disk before it is sent, so a restart goes on where it
// stopped. SPEC 11.
//
//	a, err := auditor.New(auditor.Options{Key: key, Chain: chain, Source: peers, Models: models, Dir: dir})
//	err = a.Run(ctx)
package auditor

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// Chain is what the auditor needs of a chain; see node.Chain.
type Chain interface {
	Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error
	Submit(ctx context.Context, o ledger.Order) error
	// AuditDraw says whom a place of an entered batch has fallen to, zero for nobody.
	AuditDraw(ctx context.Context, p ledger.AuditPlace) (index uint32, auditor claim.Address, err error)
	// AuditFees are what a node has paid in advance.
	AuditFees(ctx context.Context, node claim.Address) (claim.Amount, error)
}

// Source fetches what nodes serve. Nothing of it is trusted.
type Source interface {
	Batch(ctx context.Context, url string, root claim.Hash) ([]receipt.Place, error)
	// Drawn is the receipt of a claim that is kept for its parties, at a place that fell to this auditor.
	Drawn(ctx context.Context, url string, p ledger.AuditPlace) (*receipt.Receipt, error)
}

// Computer runs a model; see challenger.Computer.
type Computer interface {
	Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error)
	Step(job decode.Job, t int, known []int32) (*trace.Step, error)
}

// Model is a model that the auditor holds.
type Model struct {
	Manifest *manifest.Manifest // of a model that is not in memory: its header and its bounds alone
	Computer Computer
	// Whole returns the manifest with all tensors, for a dispute; nil: Manifest has them.
	Whole func(ctx context.Context) (*manifest.Manifest, error)
}

// Beacon says when rounds are due and, once they are, gives x and y of their signatures.
type Beacon interface {
	sampling.Rounds
	Point(ctx context.Context, round uint64) ([]byte, error)
}

// Options configure an auditor. All fields are required unless said otherwise.
type Options struct {
	Key    *ecdsa.PrivateKey
	Domain claim.Domain
	Chain  Chain
	Source Source
	Beacon Beacon
	Models []Model
	Find   func(id [32]byte) *Model // the model of an id that is none of Models, or nil; nil: there are no others
	Dir    string
	Params sampling.Params
	Window uint64 // W of the arena, seconds
	// Accuse takes receipts that may be false to a challenger, with their place in a batch if that, and not a
	// signature, shows whose they are; nil: nobody does.
	Accuse      func(r *receipt.Receipt, at *dispute.Inclusion)
	FetchWithin time.Duration // the longest to wait for a batch; 0: 30 s
	Log         *slog.Logger  // nil: silent
}

// batch is a batch that may be, or is, audited.
type batch struct {
	ledger.BatchPosted
	posted  uint64
	entered bool
	drawn   uint16
	looked  bool   // the draws were read
	again   uint64 // when a claim that was not served is asked for again, seconds of the chain
}

// Auditor is a running auditor. Create it with New.
type Auditor struct {
	o      Options
	me     claim.Address
	store  *store
	models map[[32]byte]*Model

	mu       sync.Mutex // guards the fields below
	urls     map[claim.Address]string
	batches  map[claim.Hash]*batch // by batch key
	seeds    map[uint64]claim.Hash // of rounds that were posted
	asked    map[uint64]bool       // rounds that were sent
	revealed map[claim.Hash]ledger.AuditRevealed
	closed   map[claim.Hash]uint8 // by audit: how often
	shown    map[claim.Hash]bool  // cases that their nodes had planted
	paid     claim.Amount
	sent     map[string]bool
	suspects []ledger.AuditRevealed // attestations of others that were not looked at

	// What follows belongs to the follower alone.
	games ledger.Games
	cases ledger.Cases
	own   map[claim.Hash]dispute.Knowledge // of attestations in dispute
}

// New opens the auditor's state.
func New(o Options) (*Auditor, error) {
	if o.Key == nil || o.Chain == nil || o.Source == nil || o.Beacon == nil || len(o.Models) == 0 && o.Find == nil {
		return nil, errors.New("an auditor needs a key, a chain, a source, a beacon and at least one model")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FetchWithin <= 0 {
		o.FetchWithin = 30 * time.Second
	}
	s, err := openStore(o.Dir)
	if err != nil {
		return nil, err
	}
	a := &Auditor{o: o, me: claim.AddressOf(o.Key), store: s, models: map[[32]byte]*Model{}, urls: map[claim.Address]string{},
		batches: map[claim.Hash]*batch{}, seeds: map[uint64]claim.Hash{}, asked: map[uint64]bool{}, sent: map[string]bool{},
		revealed: map[claim.Hash]ledger.AuditRevealed{}, closed: map[claim.Hash]uint8{}, shown: map[claim.Hash]bool{}, own: map[claim.Hash]dispute.Knowledge{}}
	for i := range o.Models {
		a.models[o.Models[i].Manifest.ID()] = &o.Models[i]
	}
	return a, nil
}

// model is the model of an id.
func (a *Auditor) model(id [32]byte) (*Model, error) {
	m := a.models[id]
	if m == nil && a.o.Find != nil {
		m = a.o.Find(id)
	}
	if m == nil {
		return nil, fmt.Errorf("model %x is not held here", id)
	}
	return m, nil
}

// Close frees the auditor's state; Run must have ended.
func (a *Auditor) Close() error { return a.store.close() }

// Run audits until ctx ends.
func (a *Auditor) Run(ctx context.Context) error {
	err := a.o.Chain.Follow(ctx, func(facts []ledger.Fact, head ledger.Head) error { return a.observe(ctx, facts, head) })
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Report is what an auditor has done so far.
type Report struct {
	Audits int          // places that were revealed
	Paid   claim.Amount // token units
}

// Report says what was done and paid so far.
func (a *Auditor) Report() Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := Report{Paid: a.paid}
	for _, x := range a.revealed {
		if x.Auditor == a.me {
			r.Audits++
		}
	}
	return r
}

// observe folds news of the chain into what is known, and does what is due.
func (a *Auditor) observe(ctx context.Context, facts []ledger.Fact, head ledger.Head) error {
	a.mu.Lock()
	for _, f := range facts {
		a.note(f)
	}
	a.mu.Unlock()
	for key, b := range a.due(head.Time) {
		if err := a.batch(ctx, key, b, head); err != nil {
			return err
		}
	}
	if err := a.places(ctx, head); err != nil {
		return err
	}
	if err := a.check(ctx); err != nil {
		return err
	}
	if err := a.collect(ctx); err != nil {
		return err
	}
	return a.defend(ctx, head)
}

// note takes a fact; the caller holds mu. Seats, draws and places are read from the chain when they are
// needed, so that what a reorganisation takes back is only sent again.
func (a *Auditor) note(f ledger.Fact) {
	a.games.Apply(f)
	a.cases.Apply(f)
	if e, ok := f.Event.(ledger.PlantShown); ok && e.Arena == a.o.Domain.Arena {
		a.shown[e.Case] = !f.Removed
	}
	if f.Removed {
		a.forget(f)
		return
	}
	switch e := f.Event.(type) {
	case ledger.Endpoint:
		a.urls[e.Node] = e.URL
	case ledger.BatchPosted:
		a.batches[sampling.BatchKey(e.Node, e.Root)] = &batch{BatchPosted: e, posted: f.Time}
	case ledger.AuditEntered:
		if b := a.batches[sampling.BatchKey(e.Node, e.Root)]; b != nil {
			b.entered, b.drawn = true, e.Drawn
		}
	case ledger.BeaconRound:
		a.seeds[e.Round] = e.Seed
	case ledger.AuditRevealed:
		a.revealed[e.Audit] = e
		a.suspect(e)
	case ledger.AuditClosed:
		a.closed[e.Audit]++
		if e.Auditor == a.me {
			a.paid, _ = a.paid.Add(e.Paid) // a sum of what was paid out of one token's supply
		}
	}
}

// forget takes a fact back; the caller holds mu.
func (a *Auditor) forget(f ledger.Fact) {
	switch e := f.Event.(type) {
	case ledger.BatchPosted:
		delete(a.batches, sampling.BatchKey(e.Node, e.Root))
	case ledger.AuditEntered:
		if b := a.batches[sampling.BatchKey(e.Node, e.Root)]; b != nil {
			b.entered, b.looked = false, false
		}
	case ledger.BeaconRound:
		delete(a.seeds, e.Round)
	case ledger.AuditRevealed:
		delete(a.revealed, e.Audit)
	case ledger.AuditClosed:
		a.closed[e.Audit]--
	}
}

// submit hands an order to the chain once; what the chain refuses is logged, not fatal.
func (a *Auditor) submit(ctx context.Context, o ledger.Order) error {
	a.mu.Lock()
	known := a.sent[o.Key()]
	a.sent[o.Key()] = true
	a.mu.Unlock()
	if known {
		return nil
	}
	if err := a.o.Chain.Submit(ctx, o); err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		a.o.Log.Error("order not submitted", "order", o.Key(), "err", err)
		return nil
	}
	a.o.Log.Info("order", "order", o.Key())
	return nil
}

// say logs what an audit found.
func (a *Auditor) say(p ledger.AuditPlace, verdict uint8, why string) {
	a.o.Log.Info("audit", "node", fmt.Sprintf("%x", p.Node), "root", fmt.Sprintf("%x", p.Root), "draw", p.Draw, "place", p.Place,
		"verdict", verdict, "why", why)
}
