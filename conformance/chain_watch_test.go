package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"elenchus/network/chain"
	"elenchus/network/devchain"

	"github.com/ethereum/go-ethereum/common"
)

// A reorg takes logs back, and their successors come once.
func TestWatchFollowsReorgs(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	ctx, cancel := context.WithCancel(testContext(t))
	batches := make(chan chain.Batch)
	done := make(chan error, 1)
	go func() {
		done <- bed.client.Watch(ctx, chain.WatchOptions{
			Query: chain.Query{Addresses: []common.Address{bed.counter}},
			Depth: 8, Interval: 2 * time.Millisecond, MaxRange: 2,
		}, func(ctx context.Context, b chain.Batch) error {
			select {
			case batches <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	live, removed := map[int64]int{}, 0
	follow := func(want map[int64]int) {
		t.Helper()
		for fmt.Sprint(live) != fmt.Sprint(want) {
			select {
			case b := <-batches:
				for _, l := range b.Removed {
					live[l.Topics[0].Big().Int64()]--
					removed++
					if live[l.Topics[0].Big().Int64()] == 0 {
						delete(live, l.Topics[0].Big().Int64())
					}
				}
				for _, l := range b.Added {
					live[l.Topics[0].Big().Int64()]++
				}
			case <-ctx.Done():
				t.Fatalf("saw %v, want %v", live, want)
			}
		}
	}
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		for i := range 3 {
			bed.mined(t, b, bed.call(fmt.Sprint(i)))
		}
	})
	follow(map[int64]int{1: 1, 2: 1, 3: 1})
	if err := bed.Reorg(2); err != nil { // nobody sends them again: the outbox is closed
		t.Fatal(err)
	}
	follow(map[int64]int{1: 1})
	bed.with(t, bed.opts, func(b *chain.Outbox) {
		wait(t, "the count to come back", func() bool { return bed.count(t) == 3 })
	})
	follow(map[int64]int{1: 1, 2: 1, 3: 1})
	if removed != 2 {
		t.Fatalf("%d logs were taken back", removed)
	}
	cancel()
	for {
		select {
		case <-batches:
			continue
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("watch ended with %v", err)
			}
		}
		return
	}
}

func TestWatchNoticesAReorgBelowItsDepth(t *testing.T) {
	bed := newOutboxBed(t, devchain.OnDemand)
	for range 6 {
		if err := bed.Advance(time.Second); err != nil {
			t.Fatal(err)
		}
	}
	once := false
	err := bed.client.Watch(testContext(t), chain.WatchOptions{Depth: 2, Interval: time.Millisecond},
		func(_ context.Context, b chain.Batch) error {
			if !once {
				once = true
				return bed.Reorg(5)
			}
			return nil
		})
	if !errors.Is(err, chain.ErrDeepReorg) {
		t.Fatalf("watch ended with %v", err)
	}
}
