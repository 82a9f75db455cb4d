package receipt_test

import (
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
)

// penalised makes the world's request one with penalties and a bias, answered honestly.
func (w *world) penalised(t *testing.T) {
	t.Helper()
	w.r.Sampler = decode.Sampler{Repetition: 80_000, Presence: -1 << 14, Frequency: 1 << 14, Bias: []opset.TokenBias{{ID: 70, Value: 3 << 16}, {ID: 101, Value: -1}}}
	w.r.Request.Extras = trace.Settings(&w.r.Sampler).Extras()
	own := run(t, w.man, w.r.Job())
	w.r.Output = slices.Clone(own.Output)
	c := &w.r.Claim
	c.Count, c.Finish, c.StateRoot, c.OutputRoot = uint32(len(own.Output)), own.Finish, own.StateRoot, trace.IDTree(own.Output).Root()
	w.sign(t)
	w.include(0)
	text, err := receipt.AnswerText(w.tok, w.r.Job(), w.r.Output)
	if err != nil {
		t.Fatal(err)
	}
	w.facts.Own, w.facts.Answers = own, []string{text}
	w.facts.Asked.Sampler = w.r.Sampler
	w.facts.Asked.Sampler.Bias = slices.Clone(w.r.Sampler.Bias)
}

// A receipt of a request with penalties and a bias holds in every check and after it was text; what the
// node was asked otherwise, what it signed otherwise and what it left out of its states is found. SPEC 07 §9.
func TestReceiptsOfPenalisedRequests(t *testing.T) {
	for _, c := range []struct {
		name, fails string
		lie         func(t *testing.T, w *world)
	}{
		{"honest", "", func(*testing.T, *world) {}},
		{"read back from text", "", func(t *testing.T, w *world) {
			text, err := w.r.Text()
			if err == nil {
				w.r, err = receipt.Parse(text)
			}
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"no penalty was asked for", "request", func(_ *testing.T, w *world) { w.facts.Asked.Sampler.Presence = 0 }},
		{"another bias was asked for", "request", func(_ *testing.T, w *world) { w.facts.Asked.Sampler.Bias[1].Value = -2 }},
		{"the receipt has another bias", "ids request", func(_ *testing.T, w *world) { w.r.Sampler.Bias[0].ID = 71 }},
		{"the receipt has another penalty", "ids request", func(_ *testing.T, w *world) { w.r.Sampler.Frequency++ }},
		{"states without counts", "execution", func(t *testing.T, w *world) {
			plain := w.r.Job()
			plain.Sampler.Repetition, plain.Sampler.Presence, plain.Sampler.Frequency = 0, 0, 0
			w.r.Claim.StateRoot = run(t, w.man, plain).StateRoot
			w.sign(t)
			w.include(0)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.penalised(t)
			c.lie(t, w)
			rep := receipt.Verify(w.r, w.facts)
			if got := outcomes(rep, receipt.False); got != c.fails {
				t.Errorf("false: %q, want %q\n%+v", got, c.fails, rep.Checks)
			}
			if c.fails == "" && outcomes(rep, receipt.Holds) != strings.Join(receipt.CheckNames(), " ") {
				t.Errorf("holds: %s\n%+v", outcomes(rep, receipt.Holds), rep.Checks)
			}
		})
	}
}
