package conformance_test

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"

	"github.com/ethereum/go-ethereum/ethclient"
)

// concealed is a small model whose leaves are whole blocks of 64 bytes.
func concealed(t *testing.T) *manifest.Manifest {
	t.Helper()
	m := modeltest.Llama(3, modeltest.Config{Vocab: 320, TMax: 300, Dim: 64, Heads: 4, KVHeads: 2, HeadDim: 16, FF: 64, Layers: 2})
	man, err := manifest.BindAs(m, manifest.Confidential)
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// windowSize is how many bytes in a row give a secret away.
const windowSize = 8

// secrets are runs of bytes of weights and activations that no chance brings into a transaction.
type secrets map[[windowSize]byte]string

// add takes every aligned run of a tensor that is not mostly zeros or signs.
func (s secrets) add(what string, x *tensor.Tensor) {
	b := x.Bytes(0, x.Len())
	for i := 0; i+windowSize <= len(b); i += windowSize {
		w := [windowSize]byte(b[i:])
		plain := bytes.Count(w[:], []byte{0}) + bytes.Count(w[:], []byte{0xff})
		if plain < windowSize/2 {
			s[w] = fmt.Sprintf("%s at byte %d", what, i)
		}
	}
}

// in is the first secret that lies in data, "" if none does.
func (s secrets) in(data []byte) string {
	for i := 0; i+windowSize <= len(data); i++ {
		if what, ok := s[[windowSize]byte(data[i:])]; ok {
			return what
		}
	}
	return ""
}

// secretsOf are the weights of a model and the tensors of every step of an answer.
func secretsOf(man *manifest.Manifest, r *receipt.Receipt) (secrets, error) {
	s := secrets{}
	for n := range man.Model.Stages {
		for i := range man.Model.Stages[n].Ops {
			o := &man.Model.Stages[n].Ops[i]
			for _, x := range []*tensor.Tensor{o.A, o.B} {
				if x != nil && o.Op != opset.StopState { // the bytes of tokens are those of the tokenizer
					s.add(fmt.Sprintf("stage %d tensor %d: weights", n, i), x)
				}
			}
		}
	}
	job := r.Job()
	for t := range len(r.Prompt) + len(r.Output) - 1 {
		at, err := trace.Replay(man, job, t, r.Output, nil, nil, nil)
		if err != nil {
			return nil, err
		}
		for n := 1; n <= int(man.Layers); n++ {
			st, err := at.Stage(n)
			if err != nil {
				return nil, err
			}
			for i, x := range st.Tensors {
				s.add(fmt.Sprintf("step %d stage %d tensor %d", t, n, i), x)
			}
		}
	}
	return s, nil
}

// published is everything that a chain shows of transactions: calldata, topics and data of events.
func published(ctx context.Context, rpc string) ([][]byte, error) {
	c, err := ethclient.DialContext(ctx, rpc)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	last, err := c.BlockNumber(ctx)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for n := uint64(0); n <= last; n++ {
		b, err := c.BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			return nil, err
		}
		for _, tx := range b.Transactions() {
			r, err := c.TransactionReceipt(ctx, tx.Hash())
			if err != nil {
				return nil, err
			}
			out = append(out, tx.Data())
			for _, l := range r.Logs {
				out = append(out, l.Data)
			}
		}
	}
	return out, nil
}

// A lie about a confidential model is refuted by a proof, and neither calldata nor events have eight
// bytes in a row of its weights or activations. GAME hole 18, SPEC 10 §6.4.
func TestConfidentialGameShowsNoLeaf(t *testing.T) {
	t.Parallel()
	scanConfidentialGame(t, false)
	if soak { // the key of a cluster takes longer
		scanConfidentialGame(t, true)
	}
}

// scanConfidentialGame plays the game by answers about elements or about whole tensors, and looks for secrets.
func scanConfidentialGame(t *testing.T, cluster bool) {
	t.Helper()
	man := concealed(t)
	var story strings.Builder
	scanned := 0
	o := app.CourtOptions{Attack: "bad-kv", Seed: 1, Manifest: man, Story: &story, Within: 9 * time.Minute, Confidential: true, Cluster: cluster}
	anybody := &anybodyProves{man: man}
	if !cluster { // whole tensors are answered before an element is asked for
		o.Proven = anybody.told(t.TempDir())
	}
	o.Inspect = func(ctx context.Context, rpc string, asked map[string]*receipt.Receipt) error {
		hidden, err := secretsOf(man, asked["node1"])
		if err != nil {
			return err
		}
		var planted []byte
		for w := range hidden {
			planted = append([]byte{1, 2, 3}, w[:]...)
			break
		}
		if len(hidden) < 1000 || hidden.in(planted) == "" {
			return fmt.Errorf("%d secrets, and one that lies in %x is not found", len(hidden), planted)
		}
		all, err := published(ctx, rpc)
		if err != nil {
			return err
		}
		for _, b := range all {
			scanned += len(b)
			if what := hidden.in(b); what != "" {
				return fmt.Errorf("a transaction shows %s", what)
			}
		}
		if o.Proven != nil {
			return anybody.over(ctx)
		}
		return nil
	}
	r, err := app.Court(t.Context(), o)
	if err == nil {
		err = r.Failure()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &story)
	}
	if r.Answer != app.AnswerProof || r.ConvictedOp == nil || r.Cluster != cluster || scanned < 10_000 {
		t.Fatalf("answered by %q, convicted %v, %d bytes scanned\n%s", r.Answer, r.ConvictedOp, scanned, &story)
	}
}

// Who withholds a confidential leaf proves its elements one after the other and is convicted at the one
// that is false; a true claim is defended by one proof. SPEC 08 §4.11.
func TestConfidentialGamesEnd(t *testing.T) {
	if !soak {
		t.Skip("keys of circuits take minutes: ELENCHUS_SOAK=1")
	}
	attacks := []string{"rich-griefer", "needle", "withhold", "model-swap", "wrong-token", "poisoned-weights", "byte", "truncated",
		"biased-sampling", "wrong-penalty", "wrong-stop", "wrong-mask", "silent", "padding"}
	for _, name := range attacks {
		t.Run(name, func(t *testing.T) {
			var story strings.Builder
			// nil: the default model, where a needle changes the answer
			r, err := app.Court(t.Context(), app.CourtOptions{Attack: name, Seed: 1, Story: &story, Within: 9 * time.Minute, Confidential: true})
			if err == nil {
				err = r.Failure()
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, &story)
			}
		})
	}
}

// The same lie is played with and without answers about whole tensors: the game that has them is shorter by more than
// two transactions and costs less gas. ADR 0074, SPEC 08 §4.13.
func TestClusterAnswersShortenGames(t *testing.T) {
	if !soak {
		t.Skip("keys of circuits take minutes: ELENCHUS_SOAK=1")
	}
	play := func(cluster bool) *app.DemoResult {
		var story strings.Builder
		r, err := app.Court(t.Context(), app.CourtOptions{Attack: "needle", Seed: 1, Story: &story, Within: 9 * time.Minute, Confidential: true, Cluster: cluster})
		if err == nil {
			err = r.Failure()
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, &story)
		}
		return r
	}
	with, without := play(true), play(false)
	t.Logf("transactions %d and %d, gas %d and %d", with.Transactions, without.Transactions, with.Gas["total"], without.Gas["total"])
	if !with.Cluster || without.Cluster || with.Transactions+2 > without.Transactions || with.Gas["total"] >= without.Gas["total"] {
		t.Errorf("cluster %v and %v, transactions %d and %d", with.Cluster, without.Cluster, with.Transactions, without.Transactions)
	}
}
