package node_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/engine"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// encoding is a world whose model is an encoder, and an input of a text.
func encoding(t *testing.T) (*world, func(ids ...int32) node.Job) {
	t.Helper()
	w := newWorld(t)
	var err error
	if w.man, err = manifest.Bind(modeltest.Encoder(3, 7, 12)); err != nil {
		t.Fatal(err)
	}
	w.o.Models = []node.Model{{Name: "encoder", Manifest: w.man, Computer: &engine.Computer{Manifest: w.man}}}
	return w, func(ids ...int32) node.Job {
		in, err := model.EncoderInput(ids, nil, 7)
		if err != nil {
			t.Fatal(err)
		}
		return node.Job{Prompt: in.I32, Request: claim.Request{Model: claim.Hash(w.man.ID()), PromptRoot: trace.IDTree(in.I32).Root()}}
	}
}

// A node plants in an encoder's claims, too: a text of its own, a false boundary, no signature. SPEC 11 §5.6a.
func TestAPlantInAnEncoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, job := encoding(t)
		w.planting()
		honest := engine.Computer{Manifest: w.man}
		last := len(w.man.Model.Stages[1].Ops) - 1
		w.o.Plants.Fault = func(_ context.Context, _ *node.Model, seed uint64) (node.Computer, error) {
			return &engine.Computer{Manifest: w.man, Tamper: func(stage int, _ *opset.Context, i int, x *tensor.Tensor) {
				if stage == 1 && i == last {
					x.Set(int(seed%7), x.At(int(seed%7))^1)
				}
			}}, nil
		}
		n := w.start()
		defer func() { w.close(n) }()
		if _, err := n.Serve(t.Context(), job(2, 9, 5, 3), nil); err != nil {
			t.Fatal(err)
		}
		w.run(n, 15*time.Second)
		w.run(n, 2*window)
		like, err := n.Serve(t.Context(), job(2, 6, 3), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.run(n, 30*time.Second)
		b := w.batches()
		if len(b) != 3 || b[2].Count != 1 {
			t.Fatalf("batches %+v", b)
		}
		fake := w.served(n, b[2].Root)
		_, states, err := honest.Run(t.Context(), fake.Prompt)
		if err != nil || states == fake.Claim.StateRoot || fake.Signature != (claim.Signature{}) || !fake.Request.Graph() ||
			slices.Equal(fake.Prompt, like.Prompt) || fake.Request.Nonce == like.Request.Nonce {
			t.Errorf("the plant is %+v, computed are boundaries of %x: %v", fake.Claim, states, err)
		}
	})
}

// Tensors of a claim about a graph model are for who has a game open against it, and of a claim of parties for its user
// alone, where he has one: whoever asks without a game gets none, its user neither. SPEC 15 §2.5, 11 §8.3a.
func TestTensorsOfGraphModelsAreForOpeners(t *testing.T) {
	for _, class := range []uint8{claim.Public, claim.Parties} {
		synctest.Test(t, func(t *testing.T) { tensorsOfGraphs(t, class) })
	}
}

func tensorsOfGraphs(t *testing.T, class uint8) {
	w, job := encoding(t)
	n := w.start()
	defer w.close(n)
	user, err1 := crypto.ToECDSA([]byte("a user's key, 32 bytes as others"))
	opener, err2 := crypto.ToECDSA([]byte("the key of one that has a game.."))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	j := job(2, 9, 3)
	j.Request.User, j.Request.DataClass = claim.AddressOf(user), class
	r, err := n.Serve(t.Context(), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	asks := func(key *ecdsa.PrivateKey) int {
		as := ""
		if key != nil {
			sig, err := claim.Sign(claim.FetchDigest(domain, r.ID()), key)
			if err != nil {
				t.Fatal(err)
			}
			as = "Elenchus " + base64.RawURLEncoding.EncodeToString(sig[:])
		}
		status, _ := fetched(n, fmt.Sprintf("/v1/claims/%x/steps/0/1/3", r.ID()), as)
		return status
	}
	if got := [3]int{asks(nil), asks(user), asks(opener)}; got != [3]int{401, 401, 401} {
		t.Errorf("%s: nobody has a game: %v", claim.ClassName(class), got)
	}
	for _, key := range []*ecdsa.PrivateKey{opener, user} {
		c := w.chain.Account(claim.AddressOf(key))
		m := dispute.OpenMove{Opener: claim.AddressOf(key), MaxBond: claim.MaxAmount, Claim: r.Claim, Request: r.Request, Header: w.man.Header, Signature: r.Signature}
		game := dispute.Key(m.Opener, r.ID(), m.T, m.Salt)
		if err := c.Submit(t.Context(), ledger.Commit{Game: game}); err != nil {
			t.Fatal(err)
		}
		if err := c.Submit(t.Context(), ledger.Open{Game: game, Payload: m.Encode()}); err != nil {
			t.Fatal(err)
		}
		w.run(n, time.Second)
		want := 200
		if key == opener && class == claim.Parties {
			want = 401 // a game makes nobody a party
		}
		if got := asks(key); got != want {
			t.Errorf("%s: who has a game: %d, want %d (opener %v)", claim.ClassName(class), got, want, key == opener)
		}
	}
	if asks(nil) != 401 {
		t.Error("nobody asks for a tensor")
	}
}
