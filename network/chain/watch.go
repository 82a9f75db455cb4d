package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// ErrDeepReorg: the chain changed below the depth that is watched. What was
// reported before may be wrong: start again from the first block.
var ErrDeepReorg = errors.New("chain was reorganised deeper than watched")

// Query says which logs to watch. The zero value of a field means any.
type Query struct {
	Addresses []common.Address
	Topics    [][]common.Hash // as in eth_getLogs
}

// WatchOptions says from where and how often to watch.
type WatchOptions struct {
	Query Query
	// From is the first block of interest.
	From uint64
	// Depth is how many blocks below the head may still change; 0 means 32.
	Depth uint64
	// Interval is the pause between looks at the head; 0 means 500 ms.
	Interval time.Duration
	// MaxRange bounds one eth_getLogs, in blocks; 0 means 2000.
	MaxRange uint64
}

// Batch is what changed between two looks at the chain.
type Batch struct {
	// Removed are logs reported before whose block is gone, newest first.
	Removed []types.Log
	// Added are new logs in the chain's order.
	Added []types.Log
	// Head is the head that was seen.
	Head Head
	// Safe is the block from which a restart loses nothing. Logs at or above it
	// come again after a restart: know a log by its block hash and index.
	Safe uint64
}

// watcher is the state of one Watch.
type watcher struct {
	c      *Client
	o      WatchOptions
	seen   []types.Log // reported, at or above next-Depth, in the chain's order
	head   Head        // the last that was reported; zero at first
	next   uint64      // the first block that was never asked for
	anchor Head        // a block at the depth, to notice deeper changes
}

// Watch reports logs until ctx ends or report fails, and returns why it ended.
// It calls report in the caller's goroutine, for every new head, also without
// logs. Failures of the connection are retried forever at the interval.
// The error matches ErrDeepReorg if the chain changed below the depth.
func (c *Client) Watch(ctx context.Context, o WatchOptions, report func(context.Context, Batch) error) error {
	if o.Depth == 0 {
		o.Depth = 32
	}
	if o.Interval <= 0 {
		o.Interval = 500 * time.Millisecond
	}
	if o.MaxRange == 0 {
		o.MaxRange = 2000
	}
	w := &watcher{c: c, o: o, next: o.From}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		more, err := w.poll(ctx, report)
		var final reportError
		switch {
		case errors.As(err, &final):
			return final.err
		case errors.Is(err, ErrDeepReorg):
			return err
		case err == nil && more:
			timer.Reset(0)
		default:
			timer.Reset(o.Interval)
		}
	}
}

// reportError marks an error of the caller's function.
type reportError struct{ err error }

func (e reportError) Error() string { return e.err.Error() }

// poll looks at the chain once. more is true while it has blocks to catch up.
func (w *watcher) poll(ctx context.Context, report func(context.Context, Batch) error) (more bool, err error) {
	head, err := w.c.Head(ctx)
	if err != nil {
		return false, err
	}
	if head.Hash == w.head.Hash && w.next > head.Number {
		return false, nil
	}
	if err := w.checkAnchor(ctx); err != nil {
		return false, err
	}
	if head.Number < w.o.From {
		return false, nil
	}
	from := w.next - min(w.next, w.o.Depth)
	from = max(from, w.o.From)
	to := min(head.Number, max(w.next, from)+w.o.MaxRange-1)
	var logs []types.Log
	if from <= to {
		if logs, err = w.logs(ctx, from, to); err != nil {
			return false, err
		}
	}
	// The range was asked by number: it means something only if head still is the head's chain.
	again, err := w.c.HeadAt(ctx, new(big.Int).SetUint64(head.Number))
	if err != nil || again.Hash != head.Hash {
		return true, err
	}
	return w.deliver(ctx, head, from, to, logs, report)
}

// checkAnchor fails if the block at the depth is not the one seen before.
func (w *watcher) checkAnchor(ctx context.Context) error {
	if w.anchor.Hash == (common.Hash{}) {
		return nil
	}
	now, err := w.c.HeadAt(ctx, new(big.Int).SetUint64(w.anchor.Number))
	if errors.Is(err, ethereum.NotFound) || err == nil && now.Hash != w.anchor.Hash {
		return fmt.Errorf("%w: block %d was %v", ErrDeepReorg, w.anchor.Number, w.anchor.Hash)
	}
	return err
}

func (w *watcher) logs(ctx context.Context, from, to uint64) ([]types.Log, error) {
	logs, err := w.c.eth.FilterLogs(ctx, ethereum.FilterQuery{
		FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(to),
		Addresses: w.o.Query.Addresses, Topics: w.o.Query.Topics,
	})
	if err != nil {
		return nil, fmt.Errorf("read logs of blocks %d to %d: %w", from, to, err)
	}
	return logs, nil
}

// deliver compares the logs of blocks from..to with those seen before, reports
// the difference and moves on.
func (w *watcher) deliver(ctx context.Context, head Head, from, to uint64, logs []types.Log, report func(context.Context, Batch) error) (bool, error) {
	b := Batch{Head: head}
	b.Added, b.Removed = compare(w.seen, logs)
	next := to + 1
	b.Safe = max(w.o.From, next-min(next, w.o.Depth))
	anchor := w.anchor
	if b.Safe > 0 {
		at, err := w.c.HeadAt(ctx, new(big.Int).SetUint64(b.Safe-1))
		if err != nil {
			return false, err
		}
		anchor = at
	}
	if err := report(ctx, b); err != nil {
		return false, reportError{err}
	}
	w.seen = above(logs, b.Safe)
	w.head, w.next, w.anchor = head, next, anchor
	return next <= head.Number, nil
}

type logID struct {
	block common.Hash
	index uint
}

func idOf(l types.Log) logID { return logID{l.BlockHash, l.Index} }

// compare returns what now has and was lacks, in order, and the reverse, newest first.
func compare(was, now []types.Log) (added, removed []types.Log) {
	old, fresh := map[logID]bool{}, map[logID]bool{}
	for _, l := range was {
		old[idOf(l)] = true
	}
	for _, l := range now {
		if !old[idOf(l)] && !fresh[idOf(l)] {
			added = append(added, l)
		}
		fresh[idOf(l)] = true
	}
	for i := len(was) - 1; i >= 0; i-- {
		if !fresh[idOf(was[i])] {
			l := was[i]
			l.Removed = true
			removed = append(removed, l)
		}
	}
	return added, removed
}

// above returns the logs of blocks from n on.
func above(logs []types.Log, n uint64) []types.Log {
	var kept []types.Log
	for _, l := range logs {
		if l.BlockNumber >= n {
			kept = append(kept, l)
		}
	}
	return kept
}
