package node_test

import (
	"context"
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

// Tensors of a claim about a graph model are for who has a game open against it: whoever asks without one gets
// none, its user neither. SPEC 15 §2.5, 11 §8.3a.
func TestTensorsOfGraphModelsAreForOpeners(t *testing.T) {
	w, job := encoding(t)
	n := w.start()
	defer w.close(n)
	key, err := crypto.ToECDSA([]byte("a user's key, 32 bytes as others"))
	if err != nil {
		t.Fatal(err)
	}
	j := job(2, 9, 3)
	j.Request.User = claim.AddressOf(key)
	r, err := n.Serve(t.Context(), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := claim.Sign(claim.FetchDigest(domain, r.ID()), key)
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/v1/claims/%x/steps/0/1/3", r.ID())
	for name, as := range map[string]string{"nobody": "", "the user": "Elenchus " + base64.RawURLEncoding.EncodeToString(sig[:])} {
		if status, _ := fetched(n, path, as); status != 401 {
			t.Errorf("%s asks for a tensor: %d", name, status)
		}
	}
	if status, _ := fetched(n, fmt.Sprintf("/v1/claims/%x", r.ID()), ""); status != 200 {
		t.Errorf("the receipt: %d", status)
	}
}
