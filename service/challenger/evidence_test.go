package challenger_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/service/challenger"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// told is a chain that reports what a test tells it, and nodes that serve one receipt for every batch.
type told struct {
	news   chan news
	orders chan ledger.Order
	serves *receipt.Receipt
}

type news struct {
	head  ledger.Head
	facts []ledger.Fact
	seen  chan struct{}
}

func (s *told) Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n := <-s.news:
			if err := report(n.facts, n.head); err != nil {
				return err
			}
			close(n.seen)
		}
	}
}

func (s *told) Submit(_ context.Context, o ledger.Order) error {
	s.orders <- o
	return nil
}

func (s *told) Batch(context.Context, string, claim.Hash) ([]receipt.Place, error) {
	return []receipt.Place{{Receipt: s.serves}}, nil
}

func (s *told) Receipt(context.Context, string, claim.Hash) (*receipt.Receipt, error) {
	return nil, errors.New("withheld")
}

func (s *told) States(context.Context, string, claim.Hash, int) ([]claim.Hash, error) {
	return nil, errors.New("withheld")
}

func (s *told) Tensor(context.Context, string, claim.Hash, uint32, int, int, int) ([]byte, error) {
	return nil, errors.New("withheld")
}

// watcher is a challenger at work on a chain that the test tells.
type watcher struct {
	*challenger.Challenger
	t    *testing.T
	s    *told
	stop func()
}

// window is W of the tests; receipts of `answered` are issued at 40.
const window = 90

func watch(t *testing.T, man *manifest.Manifest, dir string) *watcher {
	t.Helper()
	s := &told{news: make(chan news), orders: make(chan ledger.Order, 16)}
	c, err := challenger.New(challenger.Options{Account: claim.Address{9}, Domain: domain, Chain: s, Source: s, Dir: dir, Window: window,
		MaxBond: claim.MaxAmount, Models: []challenger.Model{{Manifest: man, Computer: &engine.Computer{Manifest: man}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	w := &watcher{Challenger: c, t: t, s: s}
	w.stop = func() {
		cancel()
		if err := errors.Join(<-ended, c.Close()); err != nil {
			t.Error(err)
		}
	}
	return w
}

// head tells a block and waits until the challenger has seen it.
func (w *watcher) head(number, time uint64, facts ...ledger.Fact) {
	n := news{ledger.Head{Number: number, Time: time}, facts, make(chan struct{})}
	w.s.news <- n
	<-n.seen
}

// opened is the opening that the challenger sends after its next commit.
func (w *watcher) opened() dispute.OpenMove {
	w.t.Helper()
	o, ok := (<-w.s.orders).(ledger.Commit)
	if !ok {
		w.t.Fatalf("the first order is %T", o)
	}
	w.head(100, 162, ledger.Fact{Ref: ledger.Ref{Block: 100}, Event: ledger.Committed{Game: o.Game}})
	w.head(101, 163)
	for {
		next, ok := (<-w.s.orders).(ledger.Open)
		if !ok {
			continue
		}
		m, err := dispute.DecodeOpen(next.Payload, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		return m
	}
}

func evidence(t *testing.T) (*manifest.Manifest, *ecdsa.PrivateKey) {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("node")))
	if err != nil {
		t.Fatal(err)
	}
	return man, key
}

func honest(*claim.Claim) {}

// Two answers of a node to one request are brought before the arena together, without computing the
// second; the same answer signed twice is none. SPEC 07 §3.2, 08 §4.9.
func TestContradictionsAreBroughtByThemselves(t *testing.T) {
	man, key := evidence(t)
	first := answered(t, man, key, honest)
	again := answered(t, man, key, func(c *claim.Claim) { c.Issued, c.BatchBy = 41, 61 })
	other := answered(t, man, key, func(c *claim.Claim) { c.StateRoot[3] ^= 1 })
	w := watch(t, man, t.TempDir())
	defer w.stop()
	w.head(1, 50)
	for _, r := range []*receipt.Receipt{first, again, other} {
		if err := w.Submit(r); err != nil {
			t.Fatal(err)
		}
	}
	m := w.opened()
	if m.T != dispute.Contradicts || m.Second == nil || m.Second.Claim.StateRoot != first.Claim.StateRoot || m.Claim.StateRoot != other.Claim.StateRoot {
		t.Fatalf("opened %+v", m)
	}
	if v := w.Verdicts()[other.ID()]; !v.Known || v.True || !strings.Contains(v.Why, "something else") {
		t.Errorf("verdict %+v", v)
	}
	if v := w.Verdicts()[first.ID()]; !v.Known || !v.True {
		t.Errorf("the first: %+v", v)
	}
}

// A batch that was promised for a receipt is demanded once the promise is broken, by a life that never
// saw the receipt come, too; and not while it may come or once it came. SPEC 07 §3.3, 08 §4.10.
func TestDemandsAreMadeByThemselves(t *testing.T) {
	man, key := evidence(t)
	r := answered(t, man, key, honest)
	dir := t.TempDir()
	w := watch(t, man, dir)
	w.head(1, 50)
	if err := w.Submit(r); err != nil {
		t.Fatal(err)
	}
	for number := uint64(2); !w.Verdicts()[r.ID()].True; number++ {
		w.head(number, 55)
	}
	w.head(90, 60+window/4) // a node may be late
	w.stop()
	if len(w.s.orders) != 0 {
		t.Fatalf("an order before the batch is due: %T", <-w.s.orders)
	}
	w = watch(t, man, dir)
	w.head(91, 61+window/4)
	if m := w.opened(); m.T != dispute.NotIncluded || m.Claim.StateRoot != r.Claim.StateRoot || m.Batch != nil {
		t.Fatalf("opened %+v", m)
	}
	w.stop()

	w = watch(t, man, t.TempDir())
	defer w.stop()
	w.s.serves = r
	at := ledger.Ref{Block: 2}
	w.head(2, 55, ledger.Fact{Ref: at, Event: ledger.Endpoint{Node: r.Claim.Node, URL: "http://node"}},
		ledger.Fact{Ref: at, Event: ledger.BatchPosted{Node: r.Claim.Node, Root: claim.TreeRoot([]claim.Hash{r.Claim.Digest(domain)}), Count: 1, Until: 1000}})
	for number := uint64(3); !w.Verdicts()[r.ID()].True; number++ {
		w.head(number, 55)
	}
	if err := w.Submit(r); err != nil {
		t.Fatal(err)
	}
	for number := uint64(200); w.Waiting() > 0; number++ {
		w.head(number, 170)
	}
	w.head(300, 171)
	if len(w.s.orders) != 0 {
		t.Fatalf("an order about a claim in a batch: %T", <-w.s.orders)
	}
}

// Receipts whose promises bind nobody are refused when they come. SPEC 07 §3.3, §6.
func TestDutiesOfReceiptsAreChecked(t *testing.T) {
	man, key := evidence(t)
	w := watch(t, man, t.TempDir())
	defer w.stop()
	w.head(1, 50)
	for want, spoil := range map[string]func(*claim.Claim){
		"batchBy":        func(c *claim.Claim) { c.BatchBy = c.ChallengeUntil - window/2 + 1 },
		"challengeUntil": func(c *claim.Claim) { c.ChallengeUntil = c.Issued + window - 1 },
		"issued":         func(c *claim.Claim) { c.Issued = 50 + window + 1 },
	} {
		if err := w.Submit(answered(t, man, key, spoil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := w.Submit(answered(t, man, key, honest)); err != nil {
		t.Error(err)
	}
}
