// Package challenger re-computes what nodes claim and takes every lie to the arena.
//
// It stands on the service floor: batches and receipts come in, orders to the chain go out. Each
// claim of a model that it holds is computed again; where the claim differs, a challenge is kept on
// disk, committed, opened and played to the end, whatever strangers do in games of their own.
// Invariants: it never challenges what equals its own computation; a move is a function of the
// game's state, so a restart at any point goes on where it stopped. SPEC 08, GAME rule 32.
//
//	c, err := challenger.New(challenger.Options{Account: me, Chain: chain, Source: peers, Models: models, Dir: dir})
//	err = c.Run(ctx)
package challenger

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
	"elenchus/compute/model"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// Chain is what the challenger needs of a chain; see node.Chain.
type Chain interface {
	Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error
	Submit(ctx context.Context, o ledger.Order) error
}

// Source fetches what nodes serve. Nothing of it is trusted.
type Source interface {
	// Batch returns the claims of a batch in order.
	Batch(ctx context.Context, url string, root claim.Hash) ([]receipt.Place, error)
	// Receipt returns the receipt of a public claim.
	Receipt(ctx context.Context, url string, id claim.Hash) (*receipt.Receipt, error)
	// States returns the n state hashes of a claim.
	States(ctx context.Context, url string, id claim.Hash, n int) ([]claim.Hash, error)
	// Tensor returns at most size bytes of a tensor of a step.
	Tensor(ctx context.Context, url string, id claim.Hash, t uint32, stage, tensor, size int) ([]byte, error)
}

// Computer runs a model honestly, whatever the output is claimed to be.
type Computer interface {
	Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error)
	Step(job decode.Job, t int, known []int32) (*trace.Step, error)
}

// Model is a model that the challenger holds.
type Model struct {
	Manifest *manifest.Manifest // of a model that is not in memory: its header and its bounds alone
	Computer Computer
	// Whole returns the manifest with all tensors, for a dispute; nil: Manifest has them.
	Whole func(ctx context.Context) (*manifest.Manifest, error)
}

// whole is the manifest with all tensors.
func (m *Model) whole(ctx context.Context) (*manifest.Manifest, error) {
	if m.Whole == nil {
		return m.Manifest, nil
	}
	return m.Whole(ctx)
}

// Options configure a challenger. All fields are required unless said otherwise.
type Options struct {
	Account claim.Address
	Secret  [32]byte // salts of commits are derived from it
	Domain  claim.Domain
	Chain   Chain
	Source  Source
	Models  []Model
	// Find returns the model of an id that is none of Models, or nil; nil: there are no others. It is safe
	// for concurrent use.
	Find        func(id [32]byte) *Model
	Dir         string
	MaxBond     claim.Amount  // the most to lock in one game
	FetchWithin time.Duration // the longest to wait for what a node serves; 0: 30 s
	Log         *slog.Logger  // nil: silent
	// Covered says whether a node has stake that a claim outside every batch can be slashed from; nil:
	// always. Without it, anybody could sign lies that cost only those who refute them.
	Covered func(ctx context.Context, node claim.Address) bool
	// Window is W of the arena in seconds: receipts that promise less are refused, and batches that were
	// promised are demanded; 0: neither.
	Window uint64
	// Prove finishes answers about confidential models in the state of a game; nil: the node has to make them. Errors that
	// match dispute.ErrNotNow are tried again while the state stands.
	Prove func(ctx context.Context, game claim.Hash, s dispute.State, m dispute.Move) (dispute.Move, error)
	// Whole finishes one of the answers about whole tensors of confidential models that lead to a phase; nil, or an error:
	// games go on move by move.
	Whole func(ctx context.Context, game claim.Hash, s dispute.State, w *dispute.Wholes, to dispute.Phase) (dispute.Move, error)
	// DataOnly says that it checks nothing: it demands data and plays these demands.
	DataOnly bool
	// Key is that of Account, to which data of its own requests are delivered; nil: they are not asked for.
	Key *ecdsa.PrivateKey
	// Collected, when set, is told how each demand for data ended: the whole receipt, or why there is none.
	Collected func(r *receipt.Receipt, err error)
	// CrashPoint, when set, is called at the named points of a challenge. Tests kill there.
	CrashPoint func(name string)
}

// Challenger is a running challenger. Create it with New.
type Challenger struct {
	o      Options
	store  *store
	models map[[32]byte]*Model
	queue  chan handed   // receipts that were handed over
	wake   chan struct{} // asks the auditor to look again; holds one

	mu      sync.Mutex // guards the fields below
	checked map[claim.Hash]Verdict
	urls    map[claim.Address]string
	batches map[claim.Hash]ledger.BatchPosted // not checked yet
	played  map[string]bool
	stuck   map[string]bool // moves that were looked for and not found
	now     uint64          // time of the head
	answers answers
	awaited waiting                    // without a batch so far
	inBatch map[claim.Hash]uint64      // by digest: end of the batch that it was read in
	spared  map[claim.Hash]bool        // claims that their nodes had planted and have shown
	asked   map[claim.Address][]uint64 // when data of a node's claims were demanded unasked, in the last window

	// What follows belongs to the follower alone.
	games     ledger.Games
	cases     ledger.Cases
	committed map[claim.Hash]uint64 // game -> block of its commit
	own       map[claim.Hash]dispute.Knowledge
	collected map[claim.Hash]uint64 // games whose data were taken up -> time of the head then
}

// Verdict is what the challenger found out about a claim.
type Verdict struct {
	Claim claim.Hash
	True  bool
	Why   string // the first difference, or why it could not be checked
	Known bool   // false: could not be checked
}

// New opens the challenger's state.
func New(o Options) (*Challenger, error) {
	if o.Chain == nil || o.Source == nil || len(o.Models) == 0 && o.Find == nil && !o.DataOnly {
		return nil, errors.New("a challenger needs a chain, a source and at least one model")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FetchWithin <= 0 {
		o.FetchWithin = 30 * time.Second
	}
	for i := range o.Models {
		if m := &o.Models[i]; !m.runs() {
			return nil, fmt.Errorf("model %s is a graph model, and its computer runs none", m.Manifest.ID())
		}
	}
	st, err := openStore(o.Dir)
	if err != nil {
		return nil, err
	}
	c := &Challenger{
		o: o, store: st, models: map[[32]byte]*Model{}, queue: make(chan handed, 1024), checked: map[claim.Hash]Verdict{},
		urls: map[claim.Address]string{}, batches: map[claim.Hash]ledger.BatchPosted{}, committed: map[claim.Hash]uint64{},
		own: map[claim.Hash]dispute.Knowledge{}, collected: map[claim.Hash]uint64{}, played: map[string]bool{}, stuck: map[string]bool{}, wake: make(chan struct{}, 1),
		asked: map[claim.Address][]uint64{}, inBatch: map[claim.Hash]uint64{}, spared: map[claim.Hash]bool{},
	}
	for i := range o.Models {
		c.models[o.Models[i].Manifest.ID()] = &o.Models[i]
	}
	if err := c.recall(); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return c, nil
}

// Close closes the state directory.
func (c *Challenger) Close() error { return c.store.close() }

// runs says whether the computer of a model can compute it.
func (m *Model) runs() bool {
	_, ok := m.Computer.(Replayer)
	return ok || m.Manifest.Kind == model.KindToken
}

// model is the model of an id, if it is held.
func (c *Challenger) model(id [32]byte) (*Model, bool) {
	if m, ok := c.models[id]; ok {
		return m, true
	}
	if c.o.Find == nil {
		return nil, false
	}
	m := c.o.Find(id)
	return m, m != nil && m.runs()
}

// Run watches, audits and plays until ctx ends; it returns nil then, or the error that stopped it.
// Audits wait for nodes and go on beside the games, which wait for nobody.
func (c *Challenger) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, 2)
	go func() { errs <- c.auditLoop(ctx) }()
	go func() {
		errs <- c.o.Chain.Follow(ctx, func(f []ledger.Fact, h ledger.Head) error { return c.observe(ctx, f, h) })
	}()
	err := <-errs
	cancel()
	if second := <-errs; err == nil || errors.Is(err, context.Canceled) {
		err = second
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Verdicts lists what has been checked, by claim id.
func (c *Challenger) Verdicts() map[claim.Hash]Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[claim.Hash]Verdict, len(c.checked))
	for k, v := range c.checked {
		out[k] = v
	}
	return out
}

// Submit takes a receipt to check, as a gateway or a user hands it over. One whose promises bind nobody
// is refused.
func (c *Challenger) Submit(r *receipt.Receipt) error {
	c.mu.Lock()
	now := c.now
	c.mu.Unlock()
	if why := duties(r, c.o.Window, now); why != "" && now != 0 && r.Claim.BatchBy != ^uint64(0) {
		return fmt.Errorf("receipt of node %x: %s: do not rely on it", r.Claim.Node, why)
	}
	return c.hand(handed{r, nil})
}

// SubmitAt takes a receipt to check whose place in a batch on the chain the caller has verified: that is the
// evidence, and the node's signature is not needed. Without a place it is Submit.
func (c *Challenger) SubmitAt(r *receipt.Receipt, at *dispute.Inclusion) error {
	if at == nil {
		return c.Submit(r)
	}
	return c.hand(handed{r, at})
}

// handed is a receipt to check, with its place in a batch if that is known.
type handed struct {
	*receipt.Receipt
	at *dispute.Inclusion
}

func (c *Challenger) hand(h handed) error {
	select {
	case c.queue <- h:
		c.poke()
		return nil
	default:
		return fmt.Errorf("%d receipts are waiting: try again later", cap(c.queue))
	}
}

// Waiting is the number of receipts that wait to be checked.
func (c *Challenger) Waiting() int { return len(c.queue) }

func (c *Challenger) crash(name string) {
	if c.o.CrashPoint != nil {
		c.o.CrashPoint(name)
	}
}

// poke makes the auditor look.
func (c *Challenger) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// observe folds news of the chain into what is known, then plays.
func (c *Challenger) observe(ctx context.Context, facts []ledger.Fact, head ledger.Head) error {
	c.mu.Lock()
	c.now = head.Time
	for _, f := range facts {
		c.note(f)
	}
	c.mu.Unlock()
	c.poke()
	if err := c.open(ctx, head); err != nil {
		return err
	}
	return c.playAll(ctx, head)
}

// note takes a fact; the caller holds mu.
func (c *Challenger) note(f ledger.Fact) {
	c.games.Apply(f)
	c.cases.Apply(f)
	switch e := f.Event.(type) {
	case ledger.Endpoint:
		c.urls[e.Node] = e.URL
	case ledger.PlantShown:
		if e.Arena == c.o.Domain.Arena {
			c.spared[e.Claim] = !f.Removed
		}
	case ledger.BatchPosted:
		if f.Removed || c.o.DataOnly {
			delete(c.batches, e.Root)
			return
		}
		c.batches[e.Root] = e
	case ledger.Committed:
		if f.Removed {
			delete(c.committed, e.Game)
			return
		}
		c.committed[e.Game] = f.Block
	}
}
