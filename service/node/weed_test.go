package node

import (
	"context"
	"testing"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/settlement/sampling"

	"github.com/ethereum/go-ethereum/crypto"
	bolt "go.etcd.io/bbolt"
)

// gardener is a node that plants, on a chain that is not asked.
func gardener(t *testing.T, dir string, man *manifest.Manifest) *Node {
	t.Helper()
	key, err := crypto.ToECDSA([]byte("a key of thirty-two bytes, fixed"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(Options{Key: key, Chain: struct{ Chain }{}, Dir: dir, Window: time.Minute,
		Models: []Model{{Name: "tiny", Manifest: man, Computer: &engine.Computer{Manifest: man}}},
		Plants: &Plants{Every: 2, Fault: func(context.Context, *Model, uint64) (Computer, error) { return nil, nil },
			Times: func(uint64) sampling.Times { return sampling.Times{} }}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// shownPlant is a false claim like a true one that went all its way.
func shownPlant(t *testing.T, n *Node, like *receipt.Receipt, nonce uint64) claim.Hash {
	t.Helper()
	r := *like
	r.Request.Nonce, r.Signature = nonce, claim.Signature{}
	r.Claim.RequestDigest, r.Claim.StateRoot = r.Named(), claim.Hash{1}
	if err := n.plant(&r, 1); err != nil {
		t.Fatal(err)
	}
	p := n.planted(r.ID())
	if err := n.putOut(p, 1); err != nil {
		t.Fatal(err)
	}
	p.Shown, p.Posted = true, 1
	n.keepPlant(p)
	return p.Claim
}

func (s *store) commits(t *testing.T) (id int) {
	t.Helper()
	if err := s.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// A plant that is forgotten is still false: no later plant looks like it, in no life of the node, and plants that are
// forgotten together cost one write of the disk. SPEC 11 §5.
func TestForgottenPlantsAreNoModels(t *testing.T) {
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n := gardener(t, dir, man)
	prompt := []int32{5, 17, 290, 4}
	honest, err := n.Serve(t.Context(), Job{Prompt: prompt, Request: claim.Request{Model: claim.Hash(man.ID()), MaxNew: 2,
		PromptRoot: trace.IDTree(prompt).Root(), PromptCount: 4, StopRoot: trace.IDTree(nil).Root()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := []claim.Hash{shownPlant(t, n, honest, 7), shownPlant(t, n, honest, 8), shownPlant(t, n, honest, 9)}
	before := n.store.commits(t)
	n.weed(nil, 1<<40)
	if got := n.store.commits(t) - before; got != 1 {
		t.Errorf("%d plants are forgotten in %d writes", len(ids), got)
	}
	for life := range 2 {
		for _, id := range ids {
			if n.planted(id) != nil {
				t.Errorf("life %d: plant %x is not forgotten", life, id)
			}
		}
		for _, draw := range []func(uint64) uint64{func(uint64) uint64 { return 0 }, func(n uint64) uint64 { return n - 1 }} {
			n.o.Plants.Draw = draw
			if like, other, err := n.alike(); err != nil || like == nil || like.ID() != honest.ID() || other.ID() != honest.ID() {
				t.Errorf("life %d: a plant would look like %+v and %+v, %v", life, like, other, err)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		n = gardener(t, dir, man)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
