package challenger_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/engine"
	"elenchus/service/challenger"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// stripped is a receipt without the ids that it is about.
func stripped(r *receipt.Receipt) *receipt.Receipt {
	b := r.Bare()
	b.Salt = r.Salt
	return b
}

// phases are how the games ended that were decided, in order.
func (w *world) phases() (out []dispute.Phase) {
	w.t.Helper()
	for _, f := range w.chain.Facts() {
		if e, ok := f.Event.(ledger.Decided); ok {
			v, err := dispute.DecodeVerdict(e.Verdict)
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, v.Phase)
		}
	}
	return out
}

// The ids of a public claim that its node does not serve are demanded on the chain; what is published
// there is checked like what is served, and a lie is refuted. Silence is refuted as well. SPEC 08 §4.12.
func TestWithheldDataAreDemanded(t *testing.T) {
	for name, c := range map[string]struct {
		lie, serves, silent, lists bool
		want                       []dispute.Phase
	}{
		"served":             {want: nil, serves: true},
		"published":          {want: []dispute.Phase{dispute.Lost}},
		"a lie is published": {want: []dispute.Phase{dispute.Lost, dispute.Refuted}, lie: true},
		"with lists":         {want: []dispute.Phase{dispute.Lost}, lists: true},
		"a lie with lists":   {want: []dispute.Phase{dispute.Lost, dispute.Refuted}, lists: true, lie: true},
		"silence":            {want: []dispute.Phase{dispute.Refuted}, silent: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				if c.lie {
					w = newWorld(t, tamper)
				}
				if c.lists {
					j := job()
					j.Sampler = decode.Sampler{TopK: 40, Bias: []opset.TokenBias{{ID: 7, Value: 1 << 16}}, Stops: []string{"zzz"}}
					w.claim(j)
				}
				w.withhold, w.silent = !c.serves, c.silent
				v := w.run(50*time.Second, w.submit(stripped(w.r)))[w.r.ID()]
				if got := w.phases(); !slices.Equal(got, c.want) {
					t.Fatalf("games ended %v, want %v; verdict %+v", got, c.want, v)
				}
				if v.Known == c.silent || v.True != (!c.lie && !c.silent) {
					t.Fatalf("verdict %+v", v)
				}
			})
		})
	}
}

// A receipt that names its lists and is served again as it is asks for them once; one that is false whatever they are is
// refuted on its face, and nobody is asked for anything.
func TestNamedListsHideNothing(t *testing.T) {
	lists := receipt.Missing{Lists: claim.Lists{Bias: claim.Hash{1}, Data: claim.Hash{2}, Bytes: 10}}
	t.Run("an input of a graph model", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			man, err := manifest.Bind(modeltest.Encoder(3, 7, 12))
			if err != nil {
				t.Fatal(err)
			}
			w.o.Models = []challenger.Model{{Manifest: man, Computer: &engine.Computer{Manifest: man}}}
			r := w.r
			r.Missing, r.Prompt, r.Stop, r.Output = lists, []int32{1}, nil, []int32{1}
			r.Request = claim.Request{Model: claim.Hash(man.ID()), PromptRoot: trace.IDTree(r.Prompt).Root(), Extras: r.Settings().Extras()}
			r.Claim.Count, r.Claim.Finish, r.Claim.RequestDigest = 0, 0, r.Request.Digest(theArena)
			r.Signature, w.silent = sign(t, r.Claim), true
			if w.run(50*time.Second, w.submit(r)); !slices.Equal(w.phases(), []dispute.Phase{dispute.Refuted}) {
				t.Errorf("the games ended %v", w.phases())
			}
		})
	})
	t.Run("false on its face", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.r
			r.Missing = lists
			r.Request.Extras = r.Settings().Extras()
			r.Claim.Finish, r.Claim.RequestDigest = 9, r.Request.Digest(theArena)
			r.Signature = sign(t, r.Claim)
			w.withhold = true
			w.run(20*time.Second, w.submit(r))
			if p := w.phases(); !slices.Equal(p, []dispute.Phase{dispute.Refuted}) {
				t.Errorf("the games ended %v", p)
			}
		})
	})
}

// What the arena would refuse is refused before a bond is locked.
func TestADemandThatNobodyOwesIsNotMade(t *testing.T) {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.r
		hide(r, claim.Address{0x55})
		r.Claim.RequestDigest = r.Request.Digest(theArena)
		r.Signature = sign(t, r.Claim)
		w.o.Key = key
		w.run(3*time.Second, func(c *challenger.Challenger) {
			if _, err := c.Demand(t.Context(), stripped(r), w.man); !errors.Is(err, dispute.ErrStep) {
				t.Errorf("the data of somebody else: %v", err)
			}
		})
		if len(w.chain.Facts()) != 0 {
			t.Errorf("%d facts on the chain", len(w.chain.Facts()))
		}
	})
}

// hide makes a receipt one of the class parties.
func hide(r *receipt.Receipt, user claim.Address) {
	r.Request.DataClass, r.Request.User, r.Salt = claim.Parties, user, [32]byte{0x5a}
	r.Request.PromptRoot = trace.PromptTree(r.Prompt, r.Salt).Root()
}

// The user of a request of parties has its data delivered: he alone reads them.
func TestTheUserTakesADelivery(t *testing.T) {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		who := claim.AddressOf(key)
		r := w.r
		hide(r, who)
		r.Claim.RequestDigest = r.Request.Digest(theArena)
		r.Signature = sign(t, r.Claim)
		var got *receipt.Receipt
		w.o.Account, w.o.Chain, w.o.Key = who, w.chain.Account(who), key
		w.o.Collected = func(r *receipt.Receipt, err error) { got = r }
		w.withhold = true
		w.run(40*time.Second, func(c *challenger.Challenger) {
			if _, err := c.Demand(t.Context(), stripped(r), w.man); err != nil {
				t.Error(err)
			}
		})
		if p := w.phases(); !slices.Equal(p, []dispute.Phase{dispute.Lost}) {
			t.Fatalf("the delivery ended %v", p)
		}
		if got == nil || !slices.Equal(got.Prompt, r.Prompt) || !slices.Equal(got.Output, r.Output) || !slices.Equal(got.Stop, r.Stop) || got.Salt != r.Salt {
			t.Fatalf("delivered is %+v", got)
		}
	})
}
