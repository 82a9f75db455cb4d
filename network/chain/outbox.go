package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// Options tunes an outbox. The zero value is right for a public chain.
type Options struct {
	// Depth is how many blocks on top make a block final; 0 means 12.
	Depth uint64
	// Poll is the pause between looks at the chain; 0 means 250 ms.
	Poll time.Duration
	// StuckAfter is how long the transaction that is next in turn may wait
	// before it is sent again with higher fees; 0 means 30 s.
	StuckAfter time.Duration
	// MaxInFlight bounds transactions signed and not mined; 0 means 16, which
	// is what pools keep for one account.
	MaxInFlight int
	// MaxFee is the most to pay per gas, in wei; nil means no limit.
	MaxFee *big.Int
	// Fees replaces Client.SuggestFees if not nil.
	Fees func(context.Context) (Fees, error)
	// CrashPoint is called at the named steps "unsigned", "stored", "sent",
	// "mined" and "recorded" with the program's life at stake: a test may end
	// the process or the goroutine there.
	CrashPoint func(step string)
}

// Outbox gets each submitted intent mined exactly once, for one account on one
// chain. It alone may send for that account. Its methods may be called from any
// goroutine; Run must be running for anything to move.
type Outbox struct {
	c      *Client
	signer *Signer
	opts   Options
	store  *store

	wake chan struct{} // asks Run to look again; holds one
	seen Head          // the head of the last round; Run's own

	mu       sync.Mutex             // guards the fields below
	changed  chan struct{}          // closed and replaced when an intent moves
	round    uint64                 // number of the round that Run is in
	problems map[string]problem     // why an intent does not move, by key
	sent     map[string]transmitted // what this process sent, by key
	running  bool
	err      error // why the last round failed
}

// problem is an obstacle and the round in which it was met last.
type problem struct {
	err   error
	round uint64
}

// transmitted is when the newest attempt was sent first and last.
type transmitted struct{ first, last time.Time }

// OpenOutbox opens the outbox file at path, which it makes if need be. It fails
// with ErrOtherAccount if the file belongs to another chain id, genesis or account.
func OpenOutbox(ctx context.Context, path string, c *Client, s *Signer, o Options) (*Outbox, error) {
	genesis, err := c.HeadAt(ctx, new(big.Int))
	if err != nil {
		return nil, err
	}
	if o.Depth == 0 {
		o.Depth = 12
	}
	if o.Poll <= 0 {
		o.Poll = 250 * time.Millisecond
	}
	if o.StuckAfter <= 0 {
		o.StuckAfter = 30 * time.Second
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 16
	}
	if o.Fees == nil {
		o.Fees = c.SuggestFees
	}
	if o.CrashPoint == nil {
		o.CrashPoint = func(string) {}
	}
	st, err := openStore(path, fmt.Sprintf("account %v on chain %v with genesis %v", s.Address(), c.id, genesis.Hash))
	if err != nil {
		return nil, err
	}
	return &Outbox{
		c: c, signer: s, opts: o, store: st,
		wake: make(chan struct{}, 1), changed: make(chan struct{}),
		problems: map[string]problem{}, sent: map[string]transmitted{},
	}, nil
}

// Close frees the file. Run must have ended.
func (b *Outbox) Close() error { return b.store.db.Close() }

// Account returns the sender.
func (b *Outbox) Account() common.Address { return b.signer.Address() }

// Submit stores the intent; it is on disk when Submit returns. A key that is
// known already makes it a no-op, if the rest is the same (else ErrKeyReused),
// except after a rejection: nothing was sent then, and the intent is tried again.
// Intents are sent in the order of submission, but one that cannot be paid or
// was rejected does not hold up the next.
func (b *Outbox) Submit(ctx context.Context, i Intent) error {
	if err := errors.Join(i.check(), ctx.Err()); err != nil {
		return err
	}
	if err := b.store.submit(i); err != nil {
		return fmt.Errorf("submit: %w", err)
	}
	b.poke()
	return nil
}

// Wait returns the receipt of an intent once it is mined; it may still move in
// a reorg, which the outbox mends (Receipt.Final tells).
//
// A mined transaction that reverted gives both its receipt and a *RevertError.
// Without a receipt, the error is a *RevertError if the trial run reverted,
// ErrRefused if the node does not take such a transaction (both: nothing was
// sent, Submit may try again), *InsufficientFundsError, ErrFeeLimit or
// ErrNonceGap while that keeps the intent from moving (it goes on by itself
// later), ErrUnknownKey, or that of ctx.
func (b *Outbox) Wait(ctx context.Context, key string) (*Receipt, error) {
	b.mu.Lock()
	began := b.round
	b.mu.Unlock()
	for {
		b.mu.Lock()
		changed, p, met := b.changed, b.problems[key], false
		met = p.err != nil && p.round > began
		b.mu.Unlock()
		r, err := b.store.get(key)
		if err != nil {
			return nil, err
		}
		if receipt, err, done := r.outcome(); done {
			return receipt, err
		}
		if met {
			return nil, fmt.Errorf("intent %q waits: %w", key, p.err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// outcome is what Wait returns for r, if r has come to an end.
func (r *record) outcome() (_ *Receipt, err error, done bool) {
	switch r.Phase {
	case mined, final:
		receipt := &Receipt{Receipt: r.Receipt, Final: r.Phase == final}
		if r.Receipt.Status == 0 {
			receipt.Revert = &RevertError{Data: r.FailData, Reason: r.Failure}
			return receipt, receipt.Revert, true
		}
		return receipt, nil, true
	case rejected:
		if r.Refused {
			return nil, fmt.Errorf("%w: intent %q: %s", ErrRefused, r.Key, r.Failure), true
		}
		return nil, &RevertError{Data: r.FailData, Reason: r.Failure}, true
	}
	return nil, nil, false
}

// Pending returns the keys of intents that are not final, in order of submission.
func (b *Outbox) Pending() ([]string, error) {
	rs, err := b.store.active()
	var keys []string
	for _, r := range rs {
		keys = append(keys, r.Key)
	}
	return keys, err
}

// Forget removes a final or rejected intent from the file; its key is free
// again. Without it the file keeps every intent, about its calldata twice.
func (b *Outbox) Forget(key string) error { return b.store.forget(key) }

// Err returns why the last look at the chain failed, nil if it did not.
func (b *Outbox) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Run moves intents until ctx ends, and returns ctx's error. Failures of the
// connection are retried (see Err). One Run at a time.
func (b *Outbox) Run(ctx context.Context) error {
	b.mu.Lock()
	if b.running {
		b.mu.Unlock()
		return errors.New("outbox is running already")
	}
	b.running = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.running = false
		b.mu.Unlock()
	}()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.wake:
		case <-timer.C:
		}
		err := b.advance(ctx)
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
		timer.Reset(b.opts.Poll)
	}
}

func (b *Outbox) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// save stores r and tells those who wait.
func (b *Outbox) save(r *record) error {
	if err := b.store.put(r); err != nil {
		return fmt.Errorf("store intent %q: %w", r.Key, err)
	}
	b.mu.Lock()
	delete(b.problems, r.Key)
	b.tell()
	b.mu.Unlock()
	return nil
}

// obstacle notes why r does not move, for those who wait.
func (b *Outbox) obstacle(r *record, err error) {
	b.mu.Lock()
	b.problems[r.Key] = problem{err, b.round}
	b.tell()
	b.mu.Unlock()
}

// tell wakes every Wait. The caller holds mu.
func (b *Outbox) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}
