package conformance_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/app"
	"elenchus/commitment/manifest"
)

// anybodyProves is told of a game that waits for its answer, proves what is in dispute there from what the chain and the
// node tell, and checks the file; what cannot be proven is refused by its reason. With send the answer is sent before
// those of the parties. SPEC 10 §4.7.
type anybodyProves struct {
	man   *manifest.Manifest
	whole bool
	send  bool
	game  app.GameProofOptions // what worked, once it was told
	store app.Store
	file  []byte
}

func (a *anybodyProves) told(dir string) func(ctx context.Context, g app.ProvenGame) error {
	return func(ctx context.Context, g app.ProvenGame) error {
		var err error
		if a.store, err = app.OpenStore(dir); err != nil {
			return err
		}
		key, err := crypto.ToECDSA(crypto.Keccak256([]byte("elenchus/court/user"))) // which has ether, and is no party of the game
		if err != nil {
			return err
		}
		look := &app.ChainLookup{RPC: g.RPC, At: g.At}
		a.game = app.GameProofOptions{Chain: look, Game: fmt.Sprintf("%x", g.Game), Key: key, Keys: g.Keys, Whole: a.whole}
		if err := a.refused(ctx); err != nil {
			return err
		}
		if a.send {
			a.game.Outbox = filepath.Join(dir, "prove")
		}
		r, err := a.store.ProveGame(ctx, a.game)
		if err != nil {
			return err
		}
		a.file = r.Proof
		if r.Equal != a.whole || r.Of == nil || r.Of.Sent != a.send || (r.Whole != nil) != a.whole {
			return fmt.Errorf("proven: %+v of %+v", r, r.Of)
		}
		return a.verified(ctx, g)
	}
}

// refused asks for what cannot be proven.
func (a *anybodyProves) refused(ctx context.Context) error {
	if _, err := a.store.ProveGame(ctx, a.game); !errors.Is(err, app.ErrNoModel) || !strings.Contains(err.Error(), a.man.ID().String()) {
		return fmt.Errorf("a model that is not in the store: %w", err)
	}
	if _, err := a.store.Add(a.man, "hidden"); err != nil {
		return err
	}
	for _, c := range []struct {
		why    string
		want   error
		change func(o *app.GameProofOptions)
	}{
		{"no game", app.ErrNothingKnown, func(o *app.GameProofOptions) { o.Game = strings.Repeat("0", 64) }},
		{"at least 8 digits", app.ErrCannot, func(o *app.GameProofOptions) { o.Game = "abc" }},
		{"that sends it alone", app.ErrCannot, func(o *app.GameProofOptions) { o.Key = nil }},
		{"is not the account of the key", app.ErrCannot, func(o *app.GameProofOptions) { o.Prover = strings.Repeat("0", 39) + "1" }},
		{"--model default is", app.ErrCannot, func(o *app.GameProofOptions) { o.Model = "default" }},
		{"the chain has no key of shape", app.ErrCannot, func(o *app.GameProofOptions) { o.System = "plonk" }},
		{"its other half is not in", app.ErrCannot, func(o *app.GameProofOptions) { o.Keys += "x" }},
	} {
		o := a.game
		c.change(&o)
		if _, err := a.store.ProveGame(ctx, o); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.why) {
			return fmt.Errorf("%s: %w", c.why, err)
		}
	}
	return nil
}

// verified checks the file with the keys of the game, and what the chain says of it.
func (a *anybodyProves) verified(ctx context.Context, g app.ProvenGame) error {
	r, err := app.VerifyProofWith(g.Keys, a.file)
	if err != nil {
		return err
	}
	if err := a.game.Chain.Standing(ctx, r); err != nil {
		return err
	}
	now := "the answer can be sent"
	if a.send {
		now = "answers nothing any more"
	}
	if !r.Holds || r.Of != a.game.Game || !strings.Contains(r.Now, now) || r.Game == r.Of {
		return fmt.Errorf("the file says %+v", r)
	}
	return nil
}

// over says why nothing is to be proven in the game when it is over.
func (a *anybodyProves) over(ctx context.Context) error {
	if len(a.file) == 0 {
		return errors.New("nobody was told of the game")
	}
	a.game.Outbox = ""
	if _, err := a.store.ProveGame(ctx, a.game); !errors.Is(err, app.ErrCannot) || !strings.Contains(err.Error(), "is resolved") {
		return fmt.Errorf("a game that is over: %w", err)
	}
	return nil
}

// An answer that somebody proved who is no party of the game, from what the chain and the node tell, decides it; those of
// the parties come too late. SPEC 08 §4.1, 10 §4.3.
func TestAnybodyAnswersByProof(t *testing.T) {
	if !soak {
		t.Skip("plays a second confidential game: ELENCHUS_SOAK=1; TestConfidentialGameShowsNoLeaf proves without sending")
	}
	a := &anybodyProves{man: concealed(t), send: true}
	var story strings.Builder
	r, err := app.Court(t.Context(), app.CourtOptions{Attack: "bad-kv", Seed: 1, Manifest: a.man, Story: &story, Confidential: true, Proven: a.told(t.TempDir())})
	if err == nil {
		err = r.Failure()
	}
	if err != nil || len(a.file) == 0 {
		t.Fatalf("%v, %d bytes, %x\n%s", err, len(a.file), sha256.Sum256(a.file), &story)
	}
}
