package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A node whose clock is wrong by hours serves, and promises and posts by the chain's time: challengers take its
// receipts, no promise is over when it is made, and batches come in time. SPEC 07 §6, 15 §3.4.
func TestAWrongClockPromisesByTheChain(t *testing.T) {
	for _, skew := range []time.Duration{-5 * time.Hour, 0, 5 * time.Hour, -1 << 61} {
		t.Run(fmt.Sprint(skew), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.o.Now = func() time.Time { return time.Now().Add(skew) }
				n := w.start()
				defer w.close(n)
				w.run(n, 5*time.Second) // it has seen the chain
				r, err := n.Serve(t.Context(), w.job(1), nil)
				if err != nil {
					t.Fatal(err)
				}
				now, all := uint64(time.Now().Unix()), uint64(window/time.Second)
				c := r.Claim
				if c.Issued+60 < now || c.Issued > now+all/2 || c.BatchBy <= now || c.ChallengeUntil < now+all || c.BatchBy > c.ChallengeUntil-all/2 {
					t.Errorf("at %d it is issued at %d, with a batch by %d and a challenge until %d", now, c.Issued, c.BatchBy, c.ChallengeUntil)
				}
				w.run(n, 10*time.Second)
				b := w.batches()
				if len(b) != 1 || b[0].Until < now+all || b[0].Until > now+5*all {
					t.Errorf("at %d it posts %+v", now, b)
				}
			})
		})
	}
}

// Without a chain a node answers, keeps its claims, and posts them when the chain is back, also after a new start.
func TestAnswersWaitForTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.start()
		for seed := range uint64(3) {
			if _, err := n.Serve(t.Context(), w.job(seed+1), nil); err != nil {
				t.Fatal(err)
			}
		}
		if load, err := n.Load(); err != nil || load.Pending != 3 || len(w.batches()) != 0 {
			t.Errorf("%+v, %v, batches %v", load, err, w.batches())
		}
		w.close(n)
		n = w.start()
		defer w.close(n)
		w.run(n, 10*time.Second)
		if load, err := n.Load(); err != nil || load.Pending != 0 || len(w.batches()) != 1 {
			t.Errorf("with a chain: %+v, %v, batches %v", load, err, w.batches())
		}
	})
}
