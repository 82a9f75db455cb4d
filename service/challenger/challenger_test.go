package challenger_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/service/challenger"
	"elenchus/settlement/ledger"
)

var domain = claim.Domain{ChainID: 1, Arena: claim.Address{1}}

// served is a chain that reports facts once, and the nodes behind it.
type served struct {
	facts    []ledger.Fact
	returned chan struct{}               // closed when report has returned
	batches  map[string]*receipt.Receipt // by URL; a node without one never answers
	orders   chan ledger.Order
}

func (s *served) Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error {
	if err := report(s.facts, ledger.Head{Number: 5, Time: 50}); err != nil {
		return err
	}
	close(s.returned)
	<-ctx.Done()
	return ctx.Err()
}

func (s *served) Submit(_ context.Context, o ledger.Order) error {
	s.orders <- o
	return nil
}

func (s *served) Batch(ctx context.Context, url string, _ claim.Hash) ([]receipt.Place, error) {
	if r := s.batches[url]; r != nil {
		return []receipt.Place{{Receipt: r}}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *served) Receipt(context.Context, string, claim.Hash) (*receipt.Receipt, error) {
	return nil, errors.New("withheld")
}

func (s *served) States(ctx context.Context, _ string, _ claim.Hash, _ int) ([]claim.Hash, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *served) Tensor(ctx context.Context, _ string, _ claim.Hash, _ uint32, _, _, _ int) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *served) post(node claim.Address, url string, root claim.Hash) {
	at := ledger.Ref{Block: 4, Index: uint(len(s.facts))}
	s.facts = append(s.facts, ledger.Fact{Ref: at, Event: ledger.Endpoint{Node: node, URL: url}},
		ledger.Fact{Ref: at, Event: ledger.BatchPosted{Node: node, Root: root, Count: 1, Until: 1000}})
}

// answered is a signed receipt of a model; lie changes the claim before it is signed.
func answered(t *testing.T, man *manifest.Manifest, key *ecdsa.PrivateKey, lie func(*claim.Claim)) *receipt.Receipt {
	t.Helper()
	job := decode.Job{Prompt: []int32{5, 17, 4}, MaxNew: 2}
	c := engine.Computer{Manifest: man}
	a, finish, err := c.Generate(t.Context(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &receipt.Receipt{Domain: domain, Prompt: job.Prompt, Output: a.Outputs, Request: claim.Request{Model: merkle.Hash(man.ID()),
		PromptRoot: trace.IDTree(job.Prompt).Root(), PromptCount: 3, MaxNew: 2, DataClass: claim.Public}}
	r.Claim = claim.Claim{Version: claim.Version, Node: claim.AddressOf(key), RequestDigest: r.Request.Digest(domain),
		Count: uint32(len(a.Outputs)), Finish: finish, StateRoot: a.StateTree().Root(), OutputRoot: trace.IDTree(a.Outputs).Root(),
		Issued: 40, BatchBy: 60, ChallengeUntil: 1000}
	lie(&r.Claim)
	if r.Signature, err = claim.Sign(r.Claim.Digest(domain), key); err != nil {
		t.Fatal(err)
	}
	return r
}

// A node that accepts connections and never answers delays neither games nor the audits of others:
// the chain's report returns, and a lie of another node is challenged.
func TestAHangingNodeHoldsUpNothing(t *testing.T) {
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("node")))
	if err != nil {
		t.Fatal(err)
	}
	lie := answered(t, man, key, func(c *claim.Claim) { c.StateRoot[7] ^= 1 })
	s := &served{returned: make(chan struct{}), orders: make(chan ledger.Order, 8), batches: map[string]*receipt.Receipt{"http://liar": lie}}
	for i := range 5 {
		s.post(claim.Address{0xba, byte(i)}, "http://hangs", claim.Hash{byte(i)})
	}
	s.post(lie.Claim.Node, "http://liar", claim.TreeRoot([]claim.Hash{lie.Claim.Digest(domain)}))
	c, err := challenger.New(challenger.Options{Account: claim.Address{9}, Domain: domain, Chain: s, Source: s, Dir: t.TempDir(),
		Models: []challenger.Model{{Manifest: man, Computer: &engine.Computer{Manifest: man}}}, FetchWithin: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	patience := time.After(20 * time.Second)
	for reported, challenged := false, false; !reported || !challenged; {
		select {
		case <-s.returned:
			reported, s.returned = true, nil
		case o := <-s.orders:
			if _, ok := o.(ledger.Commit); !ok {
				t.Fatalf("order %T", o)
			}
			challenged = true
		case <-patience:
			t.Fatalf("report returned: %v, challenged: %v", reported, challenged)
		}
	}
	cancel()
	if err := errors.Join(<-ended, c.Close()); err != nil {
		t.Fatal(err)
	}
	if v := c.Verdicts()[lie.Claim.ID(domain)]; !v.Known || v.True {
		t.Fatalf("verdict %+v", v)
	}
}

// A lie about a private model is found by who holds weights and secret, and no game is begun: none can
// show it. SPEC 10 §8.5.
func TestAPrivateModelsLiesAreNamedAndNotPlayed(t *testing.T) {
	m := modeltest.Llama(3, modeltest.Config{Vocab: 320, TMax: 300, Dim: 64, Heads: 4, KVHeads: 2, HeadDim: 16, FF: 64, Layers: 1})
	man, err := manifest.BindPrivate(m, &manifest.Secret{1})
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("node")))
	if err != nil {
		t.Fatal(err)
	}
	lie := answered(t, man, key, func(c *claim.Claim) { c.StateRoot[7] ^= 1 })
	s := &served{returned: make(chan struct{}), orders: make(chan ledger.Order, 8), batches: map[string]*receipt.Receipt{"http://liar": lie}}
	s.post(lie.Claim.Node, "http://liar", claim.TreeRoot([]claim.Hash{lie.Claim.Digest(domain)}))
	var log bytes.Buffer
	c, err := challenger.New(challenger.Options{Account: claim.Address{9}, Domain: domain, Chain: s, Source: s, Dir: t.TempDir(),
		Models: []challenger.Model{{Manifest: man, Computer: &engine.Computer{Manifest: man}}}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	id := lie.Claim.ID(domain)
	for !c.Verdicts()[id].Known && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := errors.Join(<-ended, c.Close()); err != nil {
		t.Fatal(err)
	}
	if v := c.Verdicts()[id]; v.True || !strings.Contains(v.Why, "the model is private") || !strings.Contains(log.String(), "no game can refute it") {
		t.Errorf("verdict %+v, log %s", v, &log)
	}
	if len(s.orders) != 0 {
		t.Errorf("order %T", <-s.orders)
	}
}
