package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// A node that was away until a claim should have been in a batch, and is asked for it on the chain,
// posts the batch and shows it: nobody slashes it. SPEC 08 §4.10.
func TestADemandIsMet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.start()
		defer w.close(n)
		r, err := n.Serve(t.Context(), w.job(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		me := claim.Address{0xc}
		user := w.chain.Account(me)
		m := dispute.OpenMove{Opener: me, T: dispute.NotIncluded, Salt: dispute.Hash{1}, Claim: r.Claim, Request: r.Request,
			Header: w.man.Header, Signature: r.Signature}
		key := dispute.Key(me, r.ID(), m.T, m.Salt)
		demand := func() error {
			if err := user.Submit(t.Context(), ledger.Commit{Game: key}); err != nil {
				return err
			}
			w.chain.Mine()
			return user.Submit(t.Context(), ledger.Open{Game: key, Payload: m.Encode()})
		}
		time.Sleep(time.Duration(r.Claim.BatchBy-r.Claim.Issued+1) * time.Second)
		if err := demand(); err != nil {
			t.Fatal(err)
		}
		w.run(n, 7*time.Second)
		var games ledger.Games
		for _, f := range w.chain.Facts() {
			games.Apply(f)
		}
		g, ok := games.Game(key)
		if !ok || g.Decided == nil || len(w.batches()) != 1 {
			t.Fatalf("%d batches, %+v", len(w.batches()), g)
		}
		v, err := dispute.DecodeVerdict(g.Decided.Verdict)
		if err != nil || v.Phase != dispute.Lost || v.Flags != dispute.FlagDemand {
			t.Fatalf("the demand ended in %s with flags %d, %v", v.Phase, v.Flags, err)
		}
	})
}
