package conformance_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/service/challenger"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// vectorWorld is a node that serves an encoder and a challenger that watches it, on a chain of rules alone.
type vectorWorld struct {
	t     *testing.T
	man   *manifest.Manifest
	chain *arenatest.Chain
	node  *node.Node
	watch *challenger.Challenger
	me    claim.Address
}

// noSource serves nothing: what the challenger does not compute the node must post.
type noSource struct{}

func (noSource) Batch(context.Context, string, claim.Hash) ([]receipt.Place, error) {
	return nil, context.DeadlineExceeded
}

func (noSource) Receipt(context.Context, string, claim.Hash) (*receipt.Receipt, error) {
	return nil, errors.New("withheld")
}

func (noSource) States(context.Context, string, claim.Hash, int) ([]claim.Hash, error) {
	return nil, context.DeadlineExceeded
}

func (noSource) Tensor(context.Context, string, claim.Hash, uint32, int, int, int) ([]byte, error) {
	return nil, context.DeadlineExceeded
}

func newVectorWorld(t *testing.T, theirs, mine trace.Tamper) *vectorWorld {
	t.Helper()
	man, err := manifest.Bind(modeltest.Encoder(5, 6, 64))
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA([]byte("a key of thirty-two bytes, fixed"))
	if err != nil {
		t.Fatal(err)
	}
	domain := claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}
	w := &vectorWorld{t: t, man: man, me: claim.Address{0xc}, chain: arenatest.New(domain, dispute.Params{D0: 8, Grace: 8}, time.Now)}
	w.node, err = node.New(node.Options{
		Key: key, Domain: domain, Chain: w.chain.Account(claim.AddressOf(key)), Dir: t.TempDir(), Window: 90 * time.Second,
		Models: []node.Model{{Name: "vectors", Manifest: man, Computer: &engine.Computer{Manifest: man, Tamper: theirs}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.watch, err = challenger.New(challenger.Options{
		Account: w.me, Secret: [32]byte{1}, Domain: domain, Chain: w.chain.Account(w.me), Source: noSource{}, Dir: t.TempDir(), MaxBond: claim.Units(1 << 40),
		Models: []challenger.Model{{Manifest: man, Computer: &engine.Computer{Manifest: man, Tamper: mine}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// job asks for the vector of a text of three pieces.
func (w *vectorWorld) job() node.Job {
	w.t.Helper()
	in, err := model.EncoderInput([]int32{5, 17, 4}, nil, 6)
	if err != nil {
		w.t.Fatal(err)
	}
	return node.Job{Prompt: in.I32, Request: claim.Request{Model: claim.Hash(w.man.ID()), PromptRoot: trace.IDTree(in.I32).Root(), Nonce: 7}}
}

// run lets both work until a game has ended or the time is over.
func (w *vectorWorld) run(d time.Duration) *ledger.Resolved {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 2)
	go func() { done <- w.node.Run(ctx) }()
	go func() { done <- w.watch.Run(ctx) }()
	var end *ledger.Resolved
	for until := time.Now().Add(d); time.Now().Before(until) && end == nil; {
		time.Sleep(time.Second)
		w.chain.Mine()
		synctest.Wait()
		for _, f := range w.chain.Facts() {
			if e, ok := f.Event.(ledger.Resolved); ok {
				end = &e
			}
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			w.t.Errorf("a role stopped: %v", err)
		}
	}
	if err := w.node.Close(); err != nil {
		w.t.Error(err)
	}
	if err := w.watch.Close(); err != nil {
		w.t.Error(err)
	}
	return end
}

// bentScores changes a row of scores in layer 1.
func bentScores(stage int, _ *opset.Context, i int, x *tensor.Tensor) {
	if stage == 1 && i > 0 && x.Type == tensor.I32 && x.Len() > 40 {
		x.Set(33, x.At(33)^1<<20)
	}
}

// A vector that the encoder does not give is refuted though nothing but the receipt is served; a true
// one is not challenged, and defended against whoever computes otherwise. GAME rule 18, SPEC 08.
func TestClaimsOfEncodersAreJudged(t *testing.T) {
	for _, c := range []struct {
		name         string
		theirs, mine trace.Tamper
		known, true  bool
		end          dispute.Phase // 0: no game
	}{
		{"true", nil, nil, true, true, 0},
		{"false", bentScores, nil, true, false, dispute.Refuted},
		{"wrongly challenged", nil, bentScores, true, false, dispute.Lost},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newVectorWorld(t, c.theirs, c.mine)
				r, err := w.node.Serve(t.Context(), w.job(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := w.watch.Submit(r); err != nil {
					t.Fatal(err)
				}
				limit := 20 * time.Minute
				if c.end == 0 {
					limit = 10 * time.Second
				}
				end := w.run(limit)
				if v := w.watch.Verdicts()[r.ID()]; v.Known != c.known || v.True != c.true {
					t.Errorf("verdict %+v", v)
				}
				if c.end == 0 != (end == nil) || end != nil && dispute.Phase(end.Phase) != c.end {
					t.Errorf("the game ends in %+v, want %v", end, c.end)
				}
			})
		})
	}
}

// The receipt of a vector holds input and output; whoever has the model computes it again. SPEC 07 §8.
func TestReceiptsOfVectorsVerify(t *testing.T) {
	for _, c := range []struct {
		name string
		lie  trace.Tamper
		edit func(r *receipt.Receipt)
		want receipt.Outcome
	}{
		{"true", nil, nil, receipt.Holds},
		{"lie", bentScores, nil, receipt.False},
		{"edited output", nil, func(r *receipt.Receipt) { r.Output[0]++ }, receipt.False},
		{"edited input", nil, func(r *receipt.Receipt) { r.Prompt[1] = 3 }, receipt.False},
		{"stop ids", nil, func(r *receipt.Receipt) { r.Stop = []int32{1} }, receipt.False},
		{"without tensors", nil, func(r *receipt.Receipt) { r.Prompt, r.Output = nil, nil }, receipt.Cannot},
	} {
		w := newVectorWorld(t, c.lie, nil)
		r, err := w.node.Serve(t.Context(), w.job(), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		back, err := receipt.Parse(text)
		if err != nil || !slices.Equal(back.Output, r.Output) || !slices.Equal(back.Prompt, r.Prompt) || !slices.ContainsFunc(r.Output, func(v int32) bool { return v < 0 }) {
			t.Fatalf("%s: %v, read back as %+v", c.name, err, back)
		}
		if c.edit != nil {
			c.edit(back)
			if text, err = back.Text(); err != nil {
				t.Fatal(err)
			}
		}
		report, err := elenchus.Verify(t.Context(), text, elenchus.Options{Model: elenchus.NewModel(w.man)})
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Outcome(); got != c.want && (c.want != receipt.Cannot || got == receipt.Holds) {
			t.Errorf("%s: %v, want %v: %+v", c.name, got, c.want, report.Checks)
		}
		if err := w.node.Close(); err != nil {
			t.Error(err)
		}
		if err := w.watch.Close(); err != nil {
			t.Error(err)
		}
	}
}
