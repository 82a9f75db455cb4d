// Package node serves inference, signs what it computed, posts it in batches and defends it.
//
// It stands on the service floor: requests come in over HTTP, tokens and a receipt go out; the
// claim is stored before anyone sees it, batched, posted through the chain interface, and in every
// game against it the node plays the move that its own re-execution dictates. Invariants: nothing
// is signed twice differently, a stored claim is never lost, a move is a function of the game's
// state, so a restart at any point goes on where it stopped. SPEC 07, 08, 16.
//
//	n, err := node.New(node.Options{Key: key, Domain: d, Chain: chain, Models: models, Dir: dir})
//	go n.Run(ctx)
//	http.Serve(listener, n.Handler())
package node

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// Chain is what the node needs of a chain: what happened, and something to be done, once.
type Chain interface {
	// Follow reports all facts from the first on, then new ones, each with the head they were read
	// at, also when nothing happened, until ctx ends or report fails.
	Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error
	// Submit brings an order about; an order whose key was submitted before is not sent again.
	Submit(ctx context.Context, o ledger.Order) error
}

// Computer runs a model. Audit, where the output is thought to be known, and Step must reproduce what
// Generate did, bit for bit.
type Computer interface {
	Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (*trace.Answer, uint8, error)
	Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error)
	Step(job decode.Job, t int, known []int32) (*trace.Step, error)
}

// Assessor is a Computer that can also say how likely each id was, and which k ids were most likely.
type Assessor interface {
	GenerateOdds(ctx context.Context, job decode.Job, k int, emit func(id int32, o decode.Odds) error) (*trace.Answer, uint8, error)
}

// Model is a model that the node serves. The Computer of an encoder is also a Runner.
type Model struct {
	Name     string
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

// Options configure a node. All fields are required unless said otherwise.
type Options struct {
	Key        *ecdsa.PrivateKey
	Domain     claim.Domain
	Chain      Chain
	Models     []Model
	Dir        string        // state directory
	Window     time.Duration // W of the arena
	BatchEvery time.Duration // 0: 2 s
	Running    int           // answers computed at once; 0: 4
	Waiting    int           // requests that may wait for that; 0: 256, below 0: none
	Log        *slog.Logger  // nil: silent
	Now        func() time.Time
	// Prove finishes answers about confidential models in the state of a game; nil: such games are lost. Errors that
	// match dispute.ErrNotNow are tried again while the state stands.
	Prove func(ctx context.Context, game claim.Hash, s dispute.State, m dispute.Move) (dispute.Move, error)
	// Whole finishes answers about whole tensors of confidential models; nil, or an error: games go on move by move.
	Whole func(ctx context.Context, game claim.Hash, s dispute.State, w *dispute.Wholes, to dispute.Phase) (dispute.Move, error)
	// Plants has the node plant faults; nil: it plants none.
	Plants *Plants
	// CrashPoint, when set, is called at the named points of the life of a claim. Tests kill there.
	CrashPoint func(name string)
	// Draw says whom a place of an audit of one of the node's batches has fallen to, who may so have the data
	// that is kept for parties, and the claim's index in the batch; the auditor is zero where the place is
	// nobody's. nil: there are no audits.
	Draw func(ctx context.Context, p ledger.AuditPlace) (index uint32, auditor claim.Address, err error)
	// Shelf has more models, which come and go; nil: none. With one, Models may be empty.
	Shelf Shelf
}

// Node is a running node. Create it with New.
type Node struct {
	o      Options
	addr   claim.Address
	store  *store
	models map[model32]*Model
	mu     sync.Mutex // guards games, head, recent, posted, stuck, live
	games  ledger.Games
	head   ledger.Head
	recent map[claim.Hash]*trace.Answer
	runs   *admission                       // of jobs
	shows  *admission                       // of re-executions that strangers ask for
	draws  *admission                       // of reads of the chain for who says to be drawn
	own    map[claim.Hash]dispute.Knowledge // by claim; only the follower uses it
	played map[string]bool                  // orders submitted; only the follower uses it
	posted map[claim.Hash]reserve           // own batches on the chain; only the follower writes it
	stuck  map[string]bool                  // moves that were looked for and not found

	live   map[claim.Hash]*live // jobs that are being answered, by request digest
	garden garden

	lastStep  *trace.Step // the last re-execution for a stranger; who holds the place of shows may use it
	lastClaim claim.Hash
}

type model32 = [32]byte

// maxShows is the number of strangers that wait for a re-execution; the next one is told to come
// back, and in a dispute to ask on the chain.
const maxShows = 16

// maxDraws is the number of those who say to be drawn and wait until the chain was asked.
const maxDraws = 64

// ErrUnknownModel says that the node does not serve a model.
var ErrUnknownModel = errors.New("this node does not serve the model")

// ErrRefused says that the node does not take a request.
var ErrRefused = errors.New("request refused")

// New opens the node's state.
func New(o Options) (*Node, error) {
	if o.Key == nil || o.Chain == nil || len(o.Models) == 0 && o.Shelf == nil || o.Window <= 0 {
		return nil, errors.New("a node needs a key, a chain, a window and at least one model")
	}
	if err := o.Plants.check(); err != nil {
		return nil, err
	}
	if o.BatchEvery == 0 {
		o.BatchEvery = 2 * time.Second
	}
	if o.Running <= 0 {
		o.Running = 4
	}
	if o.Waiting == 0 {
		o.Waiting = 256
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{
		o: o, addr: claim.AddressOf(o.Key), models: map[model32]*Model{}, recent: map[claim.Hash]*trace.Answer{},
		runs: newAdmission(o.Running, o.Waiting), shows: newAdmission(1, maxShows), draws: newAdmission(4, maxDraws),
		own: map[claim.Hash]dispute.Knowledge{}, played: map[string]bool{}, posted: map[claim.Hash]reserve{}, stuck: map[string]bool{},
		live: map[claim.Hash]*live{},
	}
	for i := range o.Models {
		m := &o.Models[i]
		if err := servable(m); err != nil {
			return nil, err
		}
		n.models[m.Manifest.ID()] = m
	}
	var err error
	if n.store, err = openStore(o.Dir); err != nil {
		return nil, err
	}
	if err := n.remembered(); err != nil {
		return nil, errors.Join(err, n.store.close())
	}
	return n, nil
}

// Address is the node's account.
func (n *Node) Address() claim.Address { return n.addr }

// Load is how busy a node is.
type Load struct {
	Running, Waiting int // jobs
	Pending          int // claims that are in no batch yet, at most claim.MaxBatch
}

// Load says how busy the node is.
func (n *Node) Load() (Load, error) {
	ids, err := n.store.pending(claim.MaxBatch)
	return Load{Running: len(n.runs.places), Waiting: int(n.runs.waiting.Load()), Pending: len(ids)}, err
}

// Close closes the state directory.
func (n *Node) Close() error { return n.store.close() }

// Run batches and defends until ctx ends. It returns nil then, or the first error that stops it.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const tasks = 3
	errs := make(chan error, tasks)
	go func() { errs <- n.batchLoop(ctx) }()
	go func() { errs <- n.plantLoop(ctx) }()
	go func() {
		errs <- n.o.Chain.Follow(ctx, func(f []ledger.Fact, h ledger.Head) error { return n.observe(ctx, f, h) })
	}()
	err := <-errs
	cancel()
	for range tasks - 1 {
		if next := <-errs; err == nil || errors.Is(err, context.Canceled) {
			err = next
		}
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (n *Node) crash(name string) {
	if n.o.CrashPoint != nil {
		n.o.CrashPoint(name)
	}
}
