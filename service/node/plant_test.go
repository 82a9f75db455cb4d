package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// planting has the world's node plant one fault for each claim, ten seconds after it; commits end 20 s
// and reveals 40 s after the posting.
func (w *world) planting() {
	honest := engine.Computer{Manifest: w.man}
	n := uint64(0)
	w.o.Plants = &node.Plants{
		Every: 2, Spread: 10,
		Fault: func(context.Context, *node.Model, uint64) (node.Computer, error) { return wrong{&honest}, nil },
		Times: func(posted uint64) sampling.Times {
			return sampling.Times{CommitBy: posted + 20, RevealBy: posted + 40}
		},
		Draw: func(of uint64) uint64 {
			if of == 11 {
				return 10 // as late as can be
			}
			n += 7
			return n % of
		},
	}
}

// wrong claims another last id than it computed.
type wrong struct{ *engine.Computer }

func spoil(a *trace.Answer, finish uint8, err error) (*trace.Answer, uint8, error) {
	if err != nil {
		return nil, 0, err
	}
	b := *a
	b.Outputs = slices.Clone(a.Outputs)
	b.Outputs[len(b.Outputs)-1] ^= 1
	return &b, finish, nil
}

func (c wrong) Generate(ctx context.Context, job decode.Job, emit func(int32) error) (*trace.Answer, uint8, error) {
	return spoil(c.Computer.Generate(ctx, job, emit))
}

func (c wrong) Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error) {
	return spoil(c.Computer.Audit(ctx, job, claimed))
}

func (w *world) shown() (out []ledger.PlantShown, at []uint64) {
	for _, f := range w.chain.Facts() {
		if e, ok := f.Event.(ledger.PlantShown); ok {
			out, at = append(out, e), append(at, f.Time)
		}
	}
	return out, at
}

// A node lays a veil, waits for more than a window, puts the plant into a batch of its own making, and
// shows it when reveals are over, whatever happens between: it restarts in each of these states. The
// claim is false, nobody has its signature, and nobody is given its answer. SPEC 11 §5.
func TestNodesPlantFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.planting()
		n := w.start()
		first, err := n.Serve(t.Context(), w.job(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.run(n, 15*time.Second) // the plant that is due finds no ripe one; it is prepared and veiled
		w.close(n)
		n = w.start()
		w.run(n, 2*window)
		if b := w.batches(); len(b) != 1 || b[0].Count != 1 {
			t.Fatalf("planted before anybody asked: %+v", b)
		}
		if _, err := n.Serve(t.Context(), w.job(2), nil); err != nil {
			t.Fatal(err)
		}
		w.run(n, 30*time.Second)
		w.close(n)
		b := w.batches()
		if len(b) != 3 || b[2].Count != 1 {
			t.Fatalf("batches %+v", b)
		}
		if s, _ := w.shown(); len(s) != 0 {
			t.Fatalf("shown before reveals are over: %+v", s)
		}
		n = w.start()
		fake := w.served(n, b[2].Root)
		w.isPlant(n, fake, first)
		w.runMining(n, window)
		s, at := w.shown()
		key := sampling.BatchKey(n.Address(), b[2].Root)
		if len(s) != 1 || s[0].Claim != fake.ID() || s[0].Case != sampling.Case(fake.ID(), key) || at[0] <= fake.Claim.Issued+40 {
			t.Errorf("shown at %d: %+v; the plant is %x of %d", at, s, fake.ID(), fake.Claim.Issued)
		}
		if refused := w.chain.Refused(n.Address()); len(refused) != 0 {
			t.Error(refused)
		}
		w.runMining(n, 5*window)
		w.isForgotten(n, fake)
	})
}

// isForgotten wants a plant that nobody can play about any more to be a request like others again, also in
// the node's next life.
func (w *world) isForgotten(n *node.Node, fake *receipt.Receipt) {
	w.t.Helper()
	job := node.Job{Request: fake.Request, Prompt: fake.Prompt, Stop: fake.Stop, Sampler: fake.Sampler}
	w.close(n)
	again := w.start()
	defer w.close(again)
	if _, err := again.Serve(w.t.Context(), job, nil); err != nil {
		w.t.Errorf("the plant is not forgotten: %v", err)
	}
}

// served is the only receipt of a batch as everybody may see it.
func (w *world) served(n *node.Node, root claim.Hash) *receipt.Receipt {
	w.t.Helper()
	var body struct{ Receipts []string }
	if err := json.Unmarshal([]byte(get(w.t, n, fmt.Sprintf("/v1/batches/%x", root))), &body); err != nil || len(body.Receipts) != 1 {
		w.t.Fatal(body, err)
	}
	r, err := receipt.Parse(body.Receipts[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// isPlant holds a claim to be false, to serve the states that it commits to, to be signed for nobody, to
// look like an earlier one and to be answered to nobody.
func (w *world) isPlant(n *node.Node, fake, like *receipt.Receipt) {
	t := w.t
	t.Helper()
	a, finish, err := (&engine.Computer{Manifest: w.man}).Audit(t.Context(), fake.Job(), fake.Output)
	if err != nil {
		t.Fatal(err)
	}
	if a.StateTree().Root() == fake.Claim.StateRoot && slices.Equal(a.Outputs, fake.Output) && finish == fake.Claim.Finish {
		t.Error("the plant is true")
	}
	if fake.Signature != (claim.Signature{}) || fake.Request.MaxNew != like.Request.MaxNew || fake.Request.Nonce == like.Request.Nonce ||
		slices.Equal(fake.Prompt, like.Prompt) || len(fake.Prompt) != len(like.Prompt) || fake.Request.User == like.Request.User {
		t.Errorf("the plant is %+v with signature %x", fake.Request, fake.Signature)
	}
	states := get(t, n, fmt.Sprintf("/v1/claims/%x/states", fake.ID()))
	if want := 32 * (len(fake.Prompt) + len(fake.Output) - 1); len(states) != want {
		t.Errorf("%d bytes of states, want %d", len(states), want)
	}
	if list := get(t, n, "/v1/claims"); strings.Count(list, `","`) != 2 {
		t.Errorf("listed: %s", list)
	}
	job := node.Job{Request: fake.Request, Prompt: fake.Prompt, Stop: fake.Stop, Sampler: fake.Sampler}
	if _, err := n.Serve(t.Context(), job, nil); !errors.Is(err, node.ErrBusy) {
		t.Errorf("whoever asks what a plant answers gets %v", err)
	}
	if status, _ := post(n, job); status != http.StatusServiceUnavailable {
		t.Errorf("whoever asks it over HTTP gets %d", status)
	}
}

// A plant that is challenged is shown when commits are over, or when the node's first time is: before
// it can be lost. SPEC 11 §5.4.
func TestPlantsInGamesAreShownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.planting()
		n := w.start()
		defer w.close(n)
		if _, err := n.Serve(t.Context(), w.job(1), nil); err != nil {
			t.Fatal(err)
		}
		w.run(n, 2*window)
		if _, err := n.Serve(t.Context(), w.job(2), nil); err != nil {
			t.Fatal(err)
		}
		w.run(n, 15*time.Second)
		b := w.batches()
		if len(b) != 3 {
			t.Fatalf("batches %+v", b)
		}
		fake := w.served(n, b[len(b)-1].Root)
		began := w.challenge(fake, b[len(b)-1].Root)
		w.runMining(n, 40*time.Second)
		s, at := w.shown()
		if len(s) != 1 || at[0] <= began+8 || at[0] > began+16 {
			t.Errorf("a game from %d on, D1 %d, D2 %d: shown at %d, %v", began, began+8, began+16, at, w.chain.Refused(n.Address()))
		}
	})
}

// runMining is run with a block every second.
func (w *world) runMining(n *node.Node, d time.Duration) {
	end, done := time.Now().Add(d), make(chan struct{})
	go func() {
		for ; time.Now().Before(end); time.Sleep(time.Second) {
			w.chain.Mine()
		}
		close(done)
	}()
	w.run(n, d)
	<-done
}

// Numbers that nobody can plant by are refused.
func TestPlantsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	w.planting()
	w.o.Plants.Every = 1
	if _, err := node.New(w.o); err == nil {
		t.Error("every claim is planted")
	}
	if arenatest.Window != int(window/time.Second) {
		t.Error("the chain in memory has another window")
	}
}

// challenge opens a game about a claim in its batch that names its last state, and says when.
func (w *world) challenge(r *receipt.Receipt, root claim.Hash) uint64 {
	w.t.Helper()
	me := claim.Address{0xc}
	c := w.chain.Account(me)
	m := dispute.OpenMove{Opener: me, T: dispute.AnyState, MaxBond: claim.MaxAmount, Claim: r.Claim, Request: r.Request,
		Sampler: trace.Settings(&r.Sampler), Header: w.man.Header, Batch: &dispute.Inclusion{Root: root}}
	key := dispute.Key(me, r.ID(), m.T, m.Salt)
	if err := c.Submit(w.t.Context(), ledger.Commit{Game: key}); err != nil {
		w.t.Fatal(err)
	}
	if err := c.Submit(w.t.Context(), ledger.Open{Game: key, Payload: m.Encode()}); err != nil {
		w.t.Fatal(err)
	}
	return uint64(time.Now().Unix())
}
