package conformance_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// link is the link of the deployer's account, which runs until the test ends.
func (r *ring) link() (*app.Link, context.Context) {
	r.t.Helper()
	l, err := app.OpenLink(r.ctx, r.client.URL(), r.k.Addresses(), keyOf(r.t, "deployer"), r.t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, l.Close()); err != nil {
			r.t.Error(err)
		}
	})
	return l, ctx
}

// Who asks for an element of a leaf that a confidential model withholds brings up the credit that this takes, and for no
// other pick. SPEC 09 §3.5.
func TestElementsOfWithheldLeavesAreFunded(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRing(t, devchain.Osaka)
	l, ctx := r.link()
	me := claim.AddressOf(keyOf(t, "deployer"))
	ask := func(s dispute.State) claim.Amount {
		s.T++ // another order each time
		if err := l.Submit(ctx, ledger.Move{Game: claim.Hash{byte(s.Class), byte(s.Phase)}, Kind: uint8(dispute.KindElement), State: s.Encode(),
			Payload: dispute.PickElement{}.Encode()}); err != nil {
			t.Fatal(err)
		}
		return r.credit(me)
	}
	none := ask(dispute.State{Phase: dispute.Element})
	outputs := ask(dispute.State{Phase: dispute.OutputsPick, Class: manifest.Confidential})
	bond, err := r.k.ProofBond(ctx)
	if got := ask(dispute.State{Phase: dispute.Element, Class: manifest.Confidential}); err != nil || got.Cmp(bond) < 0 || !none.IsZero() || !outputs.IsZero() {
		t.Errorf("credits %s, %s and %s, the bond is %s, %v", none, outputs, got, bond, err)
	}
}

// An order whose transaction reverted is sent again once it passes: after a reorganisation of three
// blocks a move can be mined before the one that it answers, and nobody may lose a game by that.
func TestARevertedOrderIsSentAgainWhenItPasses(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRing(t, devchain.Osaka)
	l, ctx := r.link()
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
