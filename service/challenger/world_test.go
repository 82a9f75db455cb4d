package challenger_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"sync/atomic"
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
	"elenchus/compute/tensor"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/service/challenger"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

var (
	theArena = claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}
	me       = claim.Address{0xc}
)

// world is a node that plays by the book around whatever it computed, and serves what it wants.
type world struct {
	t     *testing.T
	man   *manifest.Manifest
	chain *arenatest.Chain
	link  *arenatest.Account // the node's
	o     challenger.Options

	computer engine.Computer
	r        *receipt.Receipt
	answer   *trace.Answer
	withhold bool
	garbage  bool
	silent   bool             // publishes nothing
	first    *receipt.Receipt // served in place of r the first time
	dead     atomic.Bool      // ends a run
}

// tamper changes the residual stream behind layer 1 at step 2.
func tamper(stage int, c *opset.Context, i int, x *tensor.Tensor) {
	if stage == 1 && c.T == 2 && i > 0 && x.Type == tensor.I32 && len(x.I32) == 24 {
		x.I32[7] ^= 1 << 22
	}
}

func job() decode.Job {
	return decode.Job{Prompt: []int32{5, 17, 290, 4}, StopIDs: []int32{2, 9}, MaxNew: 5, Temperature: 1 << 16, Seed: 3}
}

func newWorld(t *testing.T, lie trace.Tamper) *world {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, man: man, chain: arenatest.New(theArena, dispute.Params{D0: 8, Grace: 8}, time.Now), computer: engine.Computer{Manifest: man, Tamper: lie}}
	w.o = challenger.Options{Account: me, Secret: [32]byte{1}, Domain: theArena, Chain: w.chain.Account(me), Source: w, Dir: t.TempDir(),
		Models: []challenger.Model{{Manifest: man, Computer: &engine.Computer{Manifest: man}}}, MaxBond: claim.Units(1 << 40)}
	w.claim(job())
	w.link = w.chain.Account(w.r.Claim.Node)
	return w
}

// claim computes and signs.
func (w *world) claim(j decode.Job) {
	w.t.Helper()
	a, finish, err := w.computer.Generate(w.t.Context(), j, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.answer = a
	q := claim.Request{Model: claim.Hash(w.man.ID()), PromptRoot: trace.IDTree(j.Prompt).Root(), PromptCount: uint32(len(j.Prompt)), MaxNew: j.MaxNew,
		Temperature: j.Temperature, Seed: j.Seed, StopRoot: trace.IDTree(j.StopIDs).Root(), StopCount: uint8(len(j.StopIDs)),
		Extras: trace.Settings(&j.Sampler).Extras()}
	now := uint64(time.Now().Unix())
	c := claim.Claim{Version: claim.Version, Node: claim.AddressOf(nodeKey(w.t)), RequestDigest: q.Digest(theArena), Count: uint32(len(a.Outputs)), Finish: finish,
		StateRoot: a.StateTree().Root(), OutputRoot: trace.IDTree(a.Outputs).Root(), Issued: now, BatchBy: now + 60, ChallengeUntil: now + 1000}
	w.r = &receipt.Receipt{Domain: theArena, Request: q, Claim: c, Signature: sign(w.t, c), Prompt: j.Prompt, Stop: j.StopIDs, Output: a.Outputs, Sampler: j.Sampler}
}

// nodeKey is the key of the node.
func nodeKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA([]byte("a key of thirty-two bytes, fixed"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign is the node's signature of a claim.
func sign(t *testing.T, c claim.Claim) claim.Signature {
	t.Helper()
	sig, err := claim.Sign(c.Digest(theArena), nodeKey(t))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

var errWithheld = errors.New("withheld")

// Batch serves the one claim.
func (w *world) Batch(context.Context, string, claim.Hash) ([]receipt.Place, error) {
	if w.withhold {
		return nil, errWithheld
	}
	if r := w.first; r != nil {
		w.first = nil
		return []receipt.Place{{Receipt: r}}, nil
	}
	return []receipt.Place{{Receipt: w.r}}, nil
}

// Receipt serves the whole receipt.
func (w *world) Receipt(context.Context, string, claim.Hash) (*receipt.Receipt, error) {
	if w.withhold {
		return nil, errWithheld
	}
	return w.r, nil
}

// States serves the node's states.
func (w *world) States(_ context.Context, _ string, _ claim.Hash, n int) ([]claim.Hash, error) {
	switch {
	case w.withhold:
		return nil, errWithheld
	case w.garbage:
		return make([]claim.Hash, n), nil
	}
	return w.answer.Hashes[1:], nil
}

// Tensor serves the node's tensors.
func (w *world) Tensor(_ context.Context, _ string, _ claim.Hash, t uint32, stage, i, _ int) ([]byte, error) {
	switch {
	case w.withhold:
		return nil, errWithheld
	case w.garbage:
		return []byte("no tensor"), nil
	}
	step, err := w.computer.Step(job(), int(t), nil)
	if err != nil {
		return nil, err
	}
	st, err := step.Stage(stage)
	if err != nil || i >= len(st.Tensors) {
		return nil, errors.Join(errWithheld, err)
	}
	return st.Tensors[i].Bytes(0, st.Tensors[i].Len()), nil
}

// move plays the node's side of every open game once.
func (w *world) move() {
	w.t.Helper()
	var games ledger.Games
	for _, f := range w.chain.Facts() {
		games.Apply(f)
	}
	own := dispute.NewOwn(w.man, job(), w.answer, w.r.Claim.Count, func(t int) (*trace.Step, error) { return w.computer.Step(job(), t, nil) })
	for _, g := range games.Open() {
		s, err := dispute.DecodeState(g.State)
		if err != nil || s.Phase.Turn() != dispute.Node || s.Phase == dispute.Answer {
			continue
		}
		j, err := dispute.DecodeJob(g.Job)
		if err != nil {
			w.t.Fatal(err)
		}
		if s.Phase == dispute.Publication {
			w.publish(s, j, g)
			continue
		}
		if m, err := dispute.NextForNode(s, j, own); err == nil {
			_ = w.link.Submit(w.t.Context(), ledger.Move{Game: g.Key, State: g.State, Kind: uint8(m.Kind()), Payload: m.Encode()}) // what reverts is lost by the clock
		}
	}
}

// publish posts a piece of the claim's ids, unless the node is silent.
func (w *world) publish(s dispute.State, j dispute.Job, g ledger.Game) {
	w.t.Helper()
	if w.silent {
		return
	}
	m, err := dispute.NextPiece(&s, j, &dispute.IDs{Prompt: w.r.Prompt, Stop: w.r.Stop, Output: w.r.Output, Salt: w.r.Salt, Lists: w.r.Sampler.Lists()}, nodeKey(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	_ = w.link.Submit(w.t.Context(), ledger.Move{Game: g.Key, State: g.State, Kind: uint8(m.Kind()), Payload: m.Encode()})
}

// end is how a game ended, nil if none did.
func (w *world) end() *ledger.Resolved {
	for _, f := range w.chain.Facts() {
		if e, ok := f.Event.(ledger.Resolved); ok {
			return &e
		}
	}
	return nil
}

// run lets a challenger run beside the node; before is called once it is there.
func (w *world) run(d time.Duration, before func(c *challenger.Challenger)) map[claim.Hash]challenger.Verdict {
	w.t.Helper()
	c, err := challenger.New(w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error)
	if before != nil {
		before(c)
	}
	go func() { done <- c.Run(ctx) }()
	for until := time.Now().Add(d); time.Now().Before(until) && w.end() == nil && !w.dead.Load(); {
		time.Sleep(time.Second)
		w.move()
		w.chain.Mine()
		synctest.Wait()
	}
	cancel()
	if err := <-done; err != nil {
		w.t.Errorf("the challenger stopped: %v", err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			w.t.Error(err)
		}
	}()
	return c.Verdicts()
}

func (w *world) submit(rs ...*receipt.Receipt) func(*challenger.Challenger) {
	return func(c *challenger.Challenger) {
		for _, r := range rs {
			if err := c.Submit(r); err != nil {
				w.t.Error(err)
			}
		}
	}
}

// caseOf is the case of the last game that was opened about a claim.
func (w *world) caseOf(id claim.Hash) (c claim.Hash) {
	w.t.Helper()
	for _, f := range w.chain.Facts() {
		if e, ok := f.Event.(ledger.Opened); ok && e.ClaimID == id {
			s, err := dispute.DecodeState(e.State)
			if err != nil {
				w.t.Fatal(err)
			}
			c = s.Case
		}
	}
	return c
}

func (w *world) refuted() {
	w.t.Helper()
	if e := w.end(); e == nil || dispute.Phase(e.Phase) != dispute.Refuted || e.Case != w.caseOf(w.r.ID()) {
		w.t.Errorf("the lie ends in %+v", e)
	}
	if bad := w.chain.Refused(me); len(bad) != 0 {
		w.t.Errorf("moves were reverted: %v", bad)
	}
}
