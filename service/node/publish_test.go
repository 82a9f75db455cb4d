package node_test

import (
	"bytes"
	"crypto/ecdsa"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// demanded opens a demand for the data of a claim and lets the node answer it.
func demanded(t *testing.T, w *world, m *dispute.OpenMove, id claim.Hash) ledger.Game {
	t.Helper()
	user := w.chain.Account(m.Opener)
	key := dispute.Key(m.Opener, id, m.T, m.Salt)
	if err := user.Submit(t.Context(), ledger.Commit{Game: key}); err != nil {
		t.Fatal(err)
	}
	w.chain.Mine()
	if err := user.Submit(t.Context(), ledger.Open{Game: key, Payload: m.Encode()}); err != nil {
		t.Fatal(err)
	}
	return ledger.Game{Key: key}
}

func (w *world) game(t *testing.T, key claim.Hash) ledger.Game {
	t.Helper()
	var games ledger.Games
	for _, f := range w.chain.Facts() {
		games.Apply(f)
	}
	g, ok := games.Game(key)
	if !ok {
		t.Fatalf("game %x was not opened", key)
	}
	return g
}

func pieces(t *testing.T, g ledger.Game) (dispute.State, dispute.Job, []dispute.Publish) {
	t.Helper()
	s, err := dispute.DecodeState(g.State)
	if err != nil {
		t.Fatal(err)
	}
	j, err := dispute.DecodeJob(g.Job)
	if err != nil {
		t.Fatal(err)
	}
	var payloads [][]byte
	for _, p := range g.Posts {
		payloads = append(payloads, p.Payload)
	}
	posts, err := dispute.Posts(&s, j, payloads)
	if err != nil {
		t.Fatal(err)
	}
	return s, j, posts
}

// demandOf is the opening of a demand for the data of a receipt.
func demandOf(w *world, r *receipt.Receipt, who claim.Address, step uint32) *dispute.OpenMove {
	return &dispute.OpenMove{Opener: who, T: step, Salt: dispute.Hash{1}, Claim: r.Claim, Request: r.Request, Header: w.man.Header, Signature: r.Signature}
}

// A node that is asked on the chain for the data of a public claim posts them, whatever it serves.
// SPEC 08 §4.12.
func TestANodePublishesWhatItIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.start()
		defer w.close(n)
		r, err := n.Serve(t.Context(), w.job(1), nil)
		if err != nil {
			t.Fatal(err)
		}
		key := demanded(t, w, demandOf(w, r, claim.Address{0xc}, dispute.Published), r.ID()).Key
		w.run(n, 7*time.Second)
		g := w.game(t, key)
		if g.Decided == nil {
			t.Fatalf("nobody published: %+v", g)
		}
		v, err := dispute.DecodeVerdict(g.Decided.Verdict)
		if err != nil || v.Phase != dispute.Lost || v.Flags != dispute.FlagDemand|dispute.FlagDescended {
			t.Fatalf("the demand ended in %s with flags %d, %v", v.Phase, v.Flags, err)
		}
		s, j, posts := pieces(t, g)
		ids, err := dispute.Assemble(&s, j, posts)
		if err != nil || !slices.Equal(ids.Prompt, r.Prompt) || !slices.Equal(ids.Stop, r.Stop) || !slices.Equal(ids.Output, r.Output) {
			t.Fatalf("published are other ids: %v", err)
		}
	})
}

// Data of parties go to the key of the request's user, and only its holder can read them.
func TestANodeDeliversToTheUserAlone(t *testing.T) {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{3}, 32))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := crypto.ToECDSA(bytes.Repeat([]byte{4}, 32))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n := w.start()
		defer w.close(n)
		job := w.job(1)
		job.Request.DataClass, job.Request.User, job.Salt = claim.Parties, claim.AddressOf(key), [32]byte{0x5a}
		job.Request.PromptRoot = trace.PromptTree(job.Prompt, job.Salt).Root()
		r, err := n.Serve(t.Context(), job, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := demandOf(w, r, claim.AddressOf(key), dispute.Delivered)
		m.To = claim.PointOf(key)
		game := demanded(t, w, m, r.ID()).Key
		w.run(n, 7*time.Second)
		s, j, posts := pieces(t, w.game(t, game))
		if s.Phase != dispute.Check {
			t.Fatalf("the delivery is in %s", s.Phase)
		}
		for _, k := range []*ecdsa.PrivateKey{key, stranger} {
			move, ids, err := dispute.Receive(&s, j, posts, k)
			if err != nil {
				t.Fatal(err)
			}
			if read := move.Shown == nil && slices.Equal(ids.Prompt, r.Prompt) && slices.Equal(ids.Output, r.Output) && ids.Salt == job.Salt; read != (k == key) {
				t.Fatalf("read by the user's key: %v, by this one: %v", k == key, read)
			}
		}
	})
}
