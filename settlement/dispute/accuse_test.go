package dispute

import (
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/trace"
	"elenchus/compute/model/modeltest"
)

// An honest claim is not accused; every field that can lie is, and the game is won. GAME §3.4.
func TestAccuse(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	long := tokenJob(11)
	for _, c := range []struct {
		name   string
		lie    *lie
		serve  bool
		edit   func(w *world)
		accuse bool
		at     uint32
	}{
		{name: "honest"},
		{name: "served states", lie: &lie{1, 2, 12, 1, 1 << 9}, serve: true, accuse: true, at: 1},
		{name: "withheld states", lie: &lie{1, 2, 12, 1, 1 << 9}, accuse: true, at: AnyState},
		{name: "output", accuse: true, at: AnyOutput, edit: func(w *world) {
			w.theirs.Outputs[0] ^= 1
			w.open.Claim.OutputRoot = trace.IDTree(w.theirs.Outputs).Root()
		}},
		{name: "finish", accuse: true, at: 5, edit: func(w *world) { w.open.Claim.Finish = 2 }},
		{name: "cancelled", accuse: true, at: 5, edit: func(w *world) {
			w.open.Request.User, w.open.Claim.Finish = claim.AddressOf(userKey(t)), claim.FinishCancelled
			w.open.Cancel = w.cancel(t, w.open.Claim.Count)
		}},
		{name: "cancelled by nobody", accuse: true, at: OnItsFace, edit: func(w *world) { w.open.Claim.Finish = claim.FinishCancelled }},
		{name: "truncated", accuse: true, at: 4, edit: func(w *world) {
			w.theirs.Outputs, w.theirs.States, w.theirs.Hashes = w.theirs.Outputs[:2], w.theirs.States[:6], w.theirs.Hashes[:6]
			w.open.Claim.Count, w.open.Claim.StateRoot = 2, w.theirs.StateTree().Root()
			w.open.Claim.OutputRoot = trace.IDTree(w.theirs.Outputs).Root()
			w.node, w.opener = NewOwn(man, long, w.theirs, 2, nil), NewOwn(man, long, w.mine, 2, nil)
		}},
	} {
		w := tokenWorld(t, man, long, c.lie)
		if c.edit != nil {
			c.edit(w)
			w.sign(t)
		}
		var states []Hash
		if c.serve {
			states = w.theirs.Hashes[1:]
		}
		got, err := w.open.Accuse(domain, w.opener, states)
		if err != nil || got != c.accuse || got && w.open.T != c.at {
			t.Errorf("%s: accused %v at %d, %v; want %v at %d", c.name, got, w.open.T, err, c.accuse, c.at)
			continue
		}
		if !got {
			continue
		}
		g := begin(t, w)
		g.play(honest, false)
		if g.s.Phase != Refuted {
			t.Errorf("%s: ended in %s", c.name, g.s.Phase)
		}
	}
	for _, l := range []*lie{nil, {0, 0, 3, 2, 1 << 4}} {
		w := graphWorld(t, bind(t, modeltest.Toy()), l)
		if got, err := w.open.Accuse(domain, w.opener, nil); err != nil || got != (l != nil) {
			t.Errorf("graph: accused %v, %v", got, err)
		}
	}
}
