package challenger_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/conformance/arenatest"
	"elenchus/service/challenger"
	"elenchus/settlement/ledger"
)

// A lie that is handed over as a receipt, or found in a batch, is refuted, whatever the node
// serves: everything, nothing or garbage. SPEC 08 §3.
func TestLiesAreRefuted(t *testing.T) {
	for _, c := range []struct {
		name                     string
		withhold, garbage, batch bool
	}{{"served", false, false, false}, {"withheld", true, false, false}, {"garbage", false, true, false}, {"batch", false, false, true}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tamper)
				w.withhold, w.garbage = c.withhold, c.garbage
				var hand func(*challenger.Challenger)
				if hand = w.submit(w.r); c.batch {
					hand = nil
					w.post(w.link)
				}
				v := w.run(5*time.Minute, hand)[w.r.ID()]
				if !v.Known || v.True || v.Why == "" {
					t.Errorf("verdict %+v", v)
				}
				w.refuted()
			})
		})
	}
}

// What equals the own computation is never challenged, nor is what cannot be checked. SPEC 08, GAME rule 32.
func TestOnlyLiesAreChallenged(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *receipt.Receipt)
		known  bool
		why    string
	}{
		{"the truth", func(*receipt.Receipt) {}, true, ""},
		{"another model", func(r *receipt.Receipt) { r.Request.Model[0] ^= 1 }, false, "not about the request"},
		{"another arena", func(r *receipt.Receipt) { r.Domain.ChainID++ }, false, "another arena"},
		{"another request", func(r *receipt.Receipt) { r.Request.Seed++ }, false, "not about the request"},
		{"other prompt ids", func(r *receipt.Receipt) { r.Prompt = []int32{1, 2, 3, 4} }, false, "prompt ids"},
		{"no prompt ids", func(r *receipt.Receipt) { r.Prompt = nil }, false, "prompt ids"},
		{"other stop ids", func(r *receipt.Receipt) { r.Stop = []int32{2, 8} }, false, "stop ids"},
		{"another signature", func(r *receipt.Receipt) { r.Signature[5] ^= 1 }, false, ""},
		{"a claim that nobody signed", func(r *receipt.Receipt) { r.Claim.OutputRoot[0] ^= 1 }, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				r := *w.r
				c.change(&r)
				v := w.run(5*time.Second, w.submit(&r))[r.Claim.ID(theArena)]
				if v.Known != c.known || v.True != c.known || !strings.Contains(v.Why, c.why) {
					t.Errorf("verdict %+v", v)
				}
				if f := w.chain.Facts(); len(f) != 0 {
					t.Errorf("something was done: %+v", f)
				}
			})
		})
	}
}

// A receipt that cannot be checked does not stand in the way of the good one: else whoever lies
// hands over a spoilt copy of his claim first.
func TestSpoiltReceiptsHideNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, tamper)
		spoilt := *w.r
		spoilt.Prompt = []int32{1, 2, 3, 4}
		if spoilt.ID() != w.r.ID() {
			t.Fatal("it is another claim")
		}
		other := *w.r
		other.Sampler.TopK = 5 // the request has no settings
		w.run(5*time.Minute, w.submit(&spoilt, &other, w.r))
		w.refuted()
	})
}

// A receipt outside every batch, of a node without stake, is not worth a game: refuting it would cost
// gas that no slash repays. In a batch, which holds a reserve, the same claim is refuted.
func TestUncoveredReceiptsWaitForTheirBatch(t *testing.T) {
	for name, posted := range map[string]bool{"alone": false, "then in a batch": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tamper)
				w.o.Covered = func(context.Context, claim.Address) bool { return false }
				if posted {
					w.post(w.link)
				}
				w.run(5*time.Minute, w.submit(w.r))
				if posted {
					w.refuted()
				} else if e := w.end(); e != nil {
					t.Errorf("a game was played for nothing: %+v", e)
				}
			})
		})
	}
}

// A batch of spoilt receipts is asked for again, and a claim in a batch needs no signature: else a
// liar serves his batch with other prompt ids or without signatures and is never judged.
func TestSpoiltBatchesHideNothing(t *testing.T) {
	for name, spoil := range map[string]func(*receipt.Receipt){
		"prompt ids": func(r *receipt.Receipt) { r.Prompt = []int32{1, 2, 3, 4} },
		"model":      func(r *receipt.Receipt) { r.Request.Model[0] ^= 1 },
		"signature":  func(r *receipt.Receipt) { r.Signature[9] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tamper)
				w.post(w.link)
				bad := *w.r
				spoil(&bad)
				if w.first = &bad; name == "signature" {
					w.r = &bad // for ever
				}
				w.run(5*time.Minute, nil)
				w.refuted()
			})
		})
	}
}

// A claim that contradicts its own request is refuted by its opening, in a batch or alone, whatever ids
// come with it. SPEC 08 §4.8.
func TestClaimsFalseOnTheirFaceAreRefuted(t *testing.T) {
	for name, batch := range map[string]bool{"receipt": false, "batch": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.r.Request.MaxNew = w.r.Claim.Count - 1
				w.r.Claim.RequestDigest = w.r.Request.Digest(theArena)
				w.r.Prompt = []int32{1}
				w.r.Signature = sign(t, w.r.Claim)
				hand := w.submit(w.r)
				if batch {
					hand = nil
					w.post(w.link)
				}
				v := w.run(time.Minute, hand)[w.r.ID()]
				if !v.Known || v.True || !strings.Contains(v.Why, "face") {
					t.Errorf("verdict %+v", v)
				}
				w.refuted()
			})
		})
	}
}

// Who wins is paid what the verdict holds, after D3.
func TestRewardsAreSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, tamper)
		w.run(5*time.Minute, w.submit(w.r))
		w.refuted()
		c, err := challenger.New(w.o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		var paid []claim.Address
		for range 2 * arenatest.Delay {
			time.Sleep(time.Second)
			w.chain.Mine()
			synctest.Wait()
		}
		cancel()
		if err := errors.Join(<-done, c.Close()); err != nil {
			t.Error(err)
		}
		for _, f := range w.chain.Facts() {
			if e, ok := f.Event.(ledger.Settled); ok {
				paid = append(paid, e.Winner)
			}
		}
		if len(paid) != 1 || paid[0] != me || len(w.chain.Refused(me)) != 0 {
			t.Errorf("paid %x, refused %v", paid, w.chain.Refused(me))
		}
	})
}

// A claim in another node's batch is no claim of that batch: it is opened on its signature, since
// the arena finds batches by node and root.
func TestForeignBatchesAreNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, tamper)
		w.post(w.chain.Account(claim.Address{0xee}))
		w.chain.Announce(claim.Address{0xee}, "http://other.test")
		w.run(5*time.Minute, nil)
		w.refuted()
	})
}

// post announces the node and posts the batch of the one claim from an account.
func (w *world) post(from *arenatest.Account) {
	w.t.Helper()
	w.chain.Announce(w.r.Claim.Node, "http://node.test")
	root := claim.TreeRoot([]claim.Hash{w.r.Claim.Digest(theArena)})
	if err := from.Submit(w.t.Context(), ledger.PostBatch{Root: root, Count: 1, Until: uint64(time.Now().Unix()) + 900}); err != nil {
		w.t.Fatal(err)
	}
}

// A challenger that dies at any point of a challenge goes on where it stopped and makes no move twice.
func TestCrashesLoseNothing(t *testing.T) {
	for _, point := range []string{"challenge recorded, not sent", "committed, not opened", "move computed, not sent"} {
		t.Run(point, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, tamper)
				ctx, die := context.WithCancel(t.Context())
				defer die()
				good := w.o.Chain
				w.o.CrashPoint = func(name string) {
					if name == point && !w.dead.Load() {
						w.dead.Store(true)
						die()
					}
				}
				w.o.Chain = dying{ctx, good}
				w.run(30*time.Second, w.submit(w.r))
				if !w.dead.Load() || w.end() != nil {
					t.Fatal("the point is not reached")
				}
				w.dead.Store(false)
				w.o.CrashPoint, w.o.Chain = nil, good
				w.run(5*time.Minute, nil)
				w.refuted()
				n := 0
				for _, f := range w.chain.Facts() {
					if _, ok := f.Event.(ledger.Committed); ok {
						n++
					}
				}
				if n != 1 {
					t.Errorf("%d commits", n)
				}
			})
		})
	}
}

// dying is a chain that cannot be reached once ctx has ended.
type dying struct {
	ctx context.Context
	challenger.Chain
}

func (d dying) Submit(ctx context.Context, o ledger.Order) error {
	if d.ctx.Err() != nil {
		return errWithheld
	}
	return d.Chain.Submit(ctx, o)
}

// Games lists what is on disk; a queue that is full says so.
func TestSubmitIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	c, err := challenger.New(w.o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing was written
	n := 0
	for ; n < 1<<16 && c.Submit(w.r) == nil; n++ {
	}
	if n == 0 || n == 1<<16 {
		t.Errorf("%d receipts wait", n)
	}
	if g, err := c.Games(); err != nil || len(g) != 0 {
		t.Errorf("games %v, %v", g, err)
	}
	for _, change := range []func(*challenger.Options){
		func(o *challenger.Options) { o.Chain = nil }, func(o *challenger.Options) { o.Source = nil }, func(o *challenger.Options) { o.Models = nil },
	} {
		o := w.o
		change(&o)
		if _, err := challenger.New(o); err == nil {
			t.Error("a challenger without chain, source or models")
		}
	}
}
