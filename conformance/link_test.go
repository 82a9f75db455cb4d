package conformance_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/settlement/ledger"
)

// An order whose transaction reverted is sent again once it passes: after a reorganisation of three
// blocks a move can be mined before the one that it answers, and nobody may lose a game by that.
func TestARevertedOrderIsSentAgainWhenItPasses(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRing(t, devchain.Osaka)
	l, err := app.OpenLink(r.ctx, r.client.URL(), r.k.Addresses(), keyOf(t, "deployer"), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-done, l.Close()); err != nil {
			t.Error(err)
		}
	}()
	funds, me, game := tokens(1000), claim.AddressOf(keyOf(t, "deployer")), claim.Hash{7}
	for _, i := range []func() (chain.Intent, error){
		func() (chain.Intent, error) { return r.k.Mint("mint", me, funds) }, func() (chain.Intent, error) { return r.k.Approve("approve", funds) },
		func() (chain.Intent, error) { return r.k.Fund("fund", funds) }, func() (chain.Intent, error) { return r.k.Intent(ledger.Commit{Game: game}) },
	} {
		x, err := i()
		if err == nil {
			err = l.Do(ctx, x)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	expire := ledger.Expire{Game: game}
	if err := l.Submit(ctx, expire); err != nil {
		t.Fatal(err)
	}
	var revert *chain.RevertError
	if _, err := l.Outbox.Wait(ctx, expire.Key()); !errors.As(err, &revert) {
		t.Fatalf("an early order: %v", err)
	}
	r.later(r.k.Params().Window)
	for { // until the context ends
		slot, err := r.k.Slot(ctx, game)
		if err != nil {
			t.Fatal(err)
		}
		if slot == (chain.Slot{}) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
