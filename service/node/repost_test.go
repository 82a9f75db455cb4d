package node_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/service/node"
	"elenchus/settlement/ledger"
)

// stubborn is a chain that takes a batch only when it is submitted the third time.
type stubborn struct {
	node  claim.Address
	tries atomic.Int32
	batch chan ledger.BatchPosted
}

func (s *stubborn) Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error {
	select {
	case b := <-s.batch:
		return report([]ledger.Fact{{Ref: ledger.Ref{Block: 1}, Event: b}}, ledger.Head{Number: 1, Time: 1})
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stubborn) Submit(_ context.Context, o ledger.Order) error {
	if p, ok := o.(ledger.PostBatch); ok && s.tries.Add(1) == 3 {
		s.batch <- ledger.BatchPosted{Node: s.node, Root: p.Root, Count: p.Count, Until: p.Until}
	}
	return nil
}

// A batch that the chain refused, because the stake was not free, is submitted until the chain has it.
func TestARefusedBatchIsPostedLater(t *testing.T) {
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("node")))
	if err != nil {
		t.Fatal(err)
	}
	s := &stubborn{node: claim.AddressOf(key), batch: make(chan ledger.BatchPosted, 1)}
	n, err := node.New(node.Options{Key: key, Domain: claim.Domain{ChainID: 1}, Chain: s, Dir: t.TempDir(), Window: time.Minute,
		BatchEvery: time.Millisecond, Models: []node.Model{{Name: "tiny", Manifest: man, Computer: &engine.Computer{Manifest: man}}}})
	if err != nil {
		t.Fatal(err)
	}
	prompt := []int32{5, 17, 4}
	if _, err := n.Serve(t.Context(), node.Job{Prompt: prompt, Request: claim.Request{Model: merkle.Hash(man.ID()),
		PromptRoot: trace.IDTree(prompt).Root(), PromptCount: 3, MaxNew: 1, DataClass: claim.Public}}, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := n.Run(ctx); err != nil { // it ends when Follow does, after the batch was reported
		t.Fatal(err)
	}
	if got := s.tries.Load(); got < 3 || ctx.Err() != nil {
		t.Fatalf("submitted %d times, %v", got, ctx.Err())
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
