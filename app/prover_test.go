package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/network/chain"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"
)

// A proof that nobody needs any more ends: when the game has another state, or none, and when its role stops; a chain that
// does not answer, and a state that stands, end nothing. ADR 0075.
func TestAProofNobodyNeedsEnds(t *testing.T) {
	state, game := claim.Hash{1}, claim.Hash{2}
	answers := []struct {
		slot chain.Slot
		err  error
	}{{chain.Slot{}, errors.New("no connection")}, {chain.Slot(state), nil}, {chain.Slot{3}, nil}}
	asked := 0
	p := &prover{slot: func(_ context.Context, of claim.Hash) (chain.Slot, error) {
		if of != game || asked >= len(answers) {
			t.Errorf("asked for game %x, %d times", of, asked+1)
			return chain.Slot{}, nil
		}
		asked++
		return answers[asked-1].slot, answers[asked-1].err
	}}
	ctx, release := p.whileItStands(t.Context(), game, state)
	<-ctx.Done()
	release()
	if err := notNow(ctx, context.Canceled); !errors.Is(err, dispute.ErrNotNow) || asked != len(answers) {
		t.Errorf("after %d answers: %v", asked, err)
	}

	stopped, stop := context.WithCancel(t.Context())
	ctx, release = p.whileItStands(stopped, claim.Hash{}, state)
	defer release()
	stop()
	<-ctx.Done()
	if err := notNow(ctx, ctx.Err()); !errors.Is(err, context.Canceled) || errors.Is(err, dispute.ErrNotNow) {
		t.Errorf("a role that stops: %v", err)
	}
	if err := notNow(t.Context(), ErrNoRoom); !errors.Is(err, dispute.ErrNotNow) || !errors.Is(err, ErrNoRoom) {
		t.Errorf("no memory at the moment: %v", err)
	}
}

// A role proves by PLONK where its keys follow from a reference string, which it looks at before anything is disputed.
// SPEC 10 §5.11.
func TestRolesTakeReferenceStrings(t *testing.T) {
	srs := filepath.Join(t.TempDir(), "srs")
	if err := os.WriteFile(srs, []byte("powers"), 0o600); err != nil {
		t.Fatal(err)
	}
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte("powers")))
	for _, c := range []struct {
		role   Role
		system step.System // 0: refused
	}{
		{Role{}, step.Groth16}, {Role{ProofSystem: "plonk"}, step.PLONK}, {Role{SRS: srs, SRSDigest: digest}, step.PLONK},
		{Role{SRS: srs, SRSDigest: digest, ProofSystem: "plonk"}, step.PLONK},
		{Role{SRS: srs, SRSDigest: digest, ProofSystem: "groth16"}, 0}, {Role{ProofSystem: "other"}, 0},
		{Role{SRS: srs, SRSDigest: digest[2:] + "00"}, 0}, {Role{SRS: srs + "x", SRSDigest: digest}, 0},
	} {
		c.role.Dir = "d"
		got, keys, err := c.role.proofKeys()
		if got != c.system || (err == nil) != (c.system != 0) || err != nil && !errors.Is(err, ErrCannot) {
			t.Errorf("%s, %q: %s, %v", c.role.ProofSystem, c.role.SRS, got, err)
		}
		if want := filepath.Join("d", "proof-keys"); keys.Dir != want || keys.SRS != c.role.SRS {
			t.Errorf("keys in %s of %s", keys.Dir, keys.SRS)
		}
	}
}

// A key that could not be made leaves its place to another one, and nobody is told that it is in the making; so many are
// made at most as a registrar is to pay for.
func TestKeysBesideGamesAreBounded(t *testing.T) {
	p := &prover{queue: keyQueue{wake: make(chan struct{}, 1)}}
	cluster := func(n uint32) *opset.Cluster {
		d := opset.Descriptor{Op: opset.ReLU, Type: tensor.I32, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: n}},
			Src: [4]opset.Source{{Kind: opset.Tensor, Index: 1}}, P: [11]int64{int64(n)}}
		x, err := opset.NewCluster([]opset.Operator{{Tensor: 2, Descriptor: d}}, &opset.Context{M: 1})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for n := range uint32(maxKeys) {
		for range 2 { // asked for again it is the same one
			if !p.keysFor(cluster(n + 1)) {
				t.Fatalf("key %d is not made", n)
			}
		}
	}
	if len(p.queue.next) != maxKeys || p.keysFor(cluster(100)) {
		t.Errorf("%d keys wait", len(p.queue.next))
	}
	p.queue.fails(circuit.WholeShape(cluster(1)))
	if p.keysFor(cluster(1)) || !p.keysFor(cluster(100)) || p.keysFor(cluster(101)) {
		t.Error("a key that failed is said to be made, or keeps its place")
	}
}
