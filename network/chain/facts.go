package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// ErrLog: a log of a contract is not one that its interface declares.
var ErrLog = errors.New("log does not fit the interface of its contract")

// FactOptions says from where and how often to watch; see WatchOptions.
type FactOptions struct {
	From     uint64 // first block; 0 means the block of the deployment
	Depth    uint64
	Interval time.Duration
	MaxRange uint64
}

// FactBatch is what changed between two looks at the chain.
type FactBatch struct {
	// Facts are those taken back, marked Removed, newest first, then new ones in the chain's order.
	Facts []ledger.Fact
	// Head is the head that was seen.
	Head Head
	// Safe is the block from which a restart loses nothing; facts at or above it come again.
	Safe uint64
}

// Watch reports what happens in the contracts, as Client.Watch does with logs: until ctx ends or
// report fails, in the caller's goroutine, for every new head. Events without a fact (credits and
// stakes that are better read) are left out.
func (k *Contracts) Watch(ctx context.Context, o FactOptions, report func(context.Context, FactBatch) error) error {
	w := WatchOptions{From: o.From, Depth: o.Depth, Interval: o.Interval, MaxRange: o.MaxRange,
		Query: Query{Addresses: k.sources()}}
	if w.From == 0 {
		w.From = k.at.Block
	}
	return k.c.Watch(ctx, w, func(ctx context.Context, b Batch) error {
		out := FactBatch{Head: b.Head, Safe: b.Safe}
		for _, logs := range [][]types.Log{b.Removed, b.Added} {
			for _, l := range logs {
				f, ok, err := k.Fact(l)
				if err != nil {
					return err
				}
				if !ok {
					continue
				}
				if f.Time == 0 && !l.Removed {
					if f.Time, err = k.timeOf(ctx, l, o.Interval); err != nil {
						return err
					}
				}
				out.Facts = append(out.Facts, f)
			}
		}
		return report(ctx, out)
	})
}

// sources are the contracts whose logs are facts.
func (k *Contracts) sources() []common.Address {
	out := []common.Address{k.at.Arena, k.at.Registry}
	if k.HasAudits() {
		out = append(out, k.at.Beacon, k.at.Audits)
	}
	return out
}

// timeOf asks for the time of a log's block where the node did not send it with the log, until ctx
// ends. A block that is gone by now has time 0: its facts are about to be removed.
func (k *Contracts) timeOf(ctx context.Context, l types.Log, pause time.Duration) (uint64, error) {
	if pause <= 0 {
		pause = 500 * time.Millisecond
	}
	for {
		h, err := k.c.eth.HeaderByHash(ctx, l.BlockHash)
		switch {
		case err == nil:
			return h.Time, nil
		case errors.Is(err, ethereum.NotFound):
			return 0, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// Fact reads a log of the deployment; ok is false for events that are no facts and for logs of
// other contracts. The time of the block is 0 if the node does not send it with logs. The error
// matches ErrLog.
func (k *Contracts) Fact(l types.Log) (f ledger.Fact, ok bool, err error) {
	if !slices.Contains(k.sources(), l.Address) {
		return f, false, nil
	}
	if len(l.Topics) == 0 {
		return f, false, fmt.Errorf("%w: no topic", ErrLog)
	}
	e, known := k.bind.events[l.Topics[0]]
	if !known {
		return f, false, fmt.Errorf("%w: topic %v", ErrLog, l.Topics[0])
	}
	if len(l.Topics)-1 != len(e.Inputs)-len(e.Inputs.NonIndexed()) {
		return f, false, fmt.Errorf("%w: %s with %d topics", ErrLog, e.Name, len(l.Topics))
	}
	values, err := e.Inputs.NonIndexed().Unpack(l.Data)
	if err != nil {
		return f, false, fmt.Errorf("%w: %s: %w", ErrLog, e.Name, err)
	}
	decode, ok := decoders[e.Name]
	if !ok {
		decode, ok = auditDecoders[e.Name]
	}
	if !ok {
		return f, false, nil
	}
	r := fields{topics: l.Topics[1:], values: values}
	f = ledger.Fact{Removed: l.Removed, Event: decode(&r), Ref: ledger.Ref{Block: l.BlockNumber,
		BlockHash: claim.Hash(l.BlockHash), Time: l.BlockTimestamp, Tx: claim.Hash(l.TxHash), Index: l.Index}}
	if r.err != nil {
		return ledger.Fact{}, false, fmt.Errorf("%w: %s: %w", ErrLog, e.Name, r.err)
	}
	return f, true, nil
}

// fields takes the indexed and the other values of an event in order.
type fields struct {
	topics []common.Hash
	values []any
	err    error
}

func (r *fields) hash() (h claim.Hash) {
	if len(r.topics) == 0 {
		r.err = errors.New("an indexed value is missing")
		return h
	}
	h, r.topics = claim.Hash(r.topics[0]), r.topics[1:]
	return h
}

func (r *fields) address() claim.Address {
	h := r.hash()
	return claim.Address(h[12:])
}

// next is the next value that is not indexed.
func next[T any](r *fields) (v T) {
	if len(r.values) == 0 {
		r.err = errors.New("a value is missing")
		return v
	}
	v, ok := r.values[0].(T)
	if !ok {
		r.err = fmt.Errorf("value is %T, want %T", r.values[0], v)
	}
	r.values = r.values[1:]
	return v
}

func (r *fields) amount() claim.Amount {
	v := next[*big.Int](r)
	if v == nil {
		return claim.Amount{}
	}
	a, err := claim.AmountFromBig(v)
	if err != nil {
		r.err = err
	}
	return a
}

// uint is a number that the contract keeps below 2^64.
func (r *fields) uint() uint64 {
	a := r.amount()
	if a.Hi != 0 {
		r.err = fmt.Errorf("number %v is above 2^64-1", a)
	}
	return a.Lo
}

// decoders read the events that are facts. Go evaluates the calls in a literal from left to right,
// so that the fields stand in the order of the declarations.
var decoders = map[string]func(*fields) ledger.Event{
	"BatchPosted": func(r *fields) ledger.Event {
		return ledger.BatchPosted{Node: r.address(), Root: r.hash(), Count: uint32(r.uint()), Cover: r.amount(), Until: r.uint()}
	},
	"BatchReleased": func(r *fields) ledger.Event {
		return ledger.BatchReleased{Node: r.address(), Root: r.hash(), Amount: r.amount()}
	},
	"Committed": func(r *fields) ledger.Event { return ledger.Committed{Game: r.hash(), Payer: r.address()} },
	"Expired":   func(r *fields) ledger.Event { return ledger.Expired{Game: r.hash()} },
	"Opened":    opened,
	"Posted": func(r *fields) ledger.Event {
		return ledger.Posted{Game: r.hash(), Move: next[uint8](r), Payload: next[[]byte](r)}
	},
	"Moved": func(r *fields) ledger.Event {
		return ledger.Moved{Game: r.hash(), Move: next[uint8](r), State: next[[]byte](r)}
	},
	"Convicted": func(r *fields) ledger.Event {
		return ledger.Convicted{Game: r.hash(), Op: next[uint8](r), Tensor: next[uint8](r), Element: next[uint64](r)}
	},
	"Decided": func(r *fields) ledger.Event {
		return ledger.Decided{Game: r.hash(), Move: next[uint8](r), Verdict: next[[]byte](r)}
	},
	"Resolved": func(r *fields) ledger.Event {
		return ledger.Resolved{Game: r.hash(), Case: r.hash(), Phase: next[uint8](r), Voided: next[bool](r),
			Slashed: r.amount(), Costs: r.amount(), Held: next[[]byte](r)}
	},
	"Settled": func(r *fields) ledger.Event {
		return ledger.Settled{Case: r.hash(), Winner: r.address(), Refund: r.amount(), Reward: r.amount(), Burned: r.amount()}
	},
	"Endpoint": func(r *fields) ledger.Event { return ledger.Endpoint{Node: r.address(), URL: next[string](r)} },
}

// opened rebuilds job and state of an opening from its record.
func opened(r *fields) ledger.Event {
	e := ledger.Opened{Game: r.hash(), Node: r.address(), ClaimID: r.hash()}
	job, state, err := dispute.DecodeRecord(next[[]byte](r))
	if err != nil && r.err == nil {
		r.err = err
	}
	e.Job, e.State = job.Encode(), state.Encode()
	return e
}
