package dispute

import (
	"errors"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
)

// face is a claim with one field that contradicts its request or its model.
type face struct {
	name string
	w    *world
}

func faces(t testing.TB, llama, toy *manifest.Manifest) []face {
	t.Helper()
	var out []face
	for _, c := range []struct {
		name string
		man  *manifest.Manifest
		edit func(m *OpenMove)
	}{
		{"promptCount", llama, func(m *OpenMove) { m.Request.PromptCount = 0 }},
		{"count 0", llama, func(m *OpenMove) { m.Claim.Count = 0 }},
		{"count", llama, func(m *OpenMove) { m.Claim.Count = m.Request.MaxNew + 1 }},
		{"states", llama, func(m *OpenMove) {
			m.Claim.Count = m.Header.TMax + 2 - m.Request.PromptCount
			m.Request.MaxNew = 1 << 20
		}},
		{"finish 0", llama, func(m *OpenMove) { m.Claim.Finish = claim.FinishRun }},
		{"finish", llama, func(m *OpenMove) { m.Claim.Finish = claim.FinishGrammar + 1 }},
		{"graph count", toy, func(m *OpenMove) { m.Claim.Count = 1 }},
		{"graph finish", toy, func(m *OpenMove) { m.Claim.Finish = claim.FinishLength }},
	} {
		var w *world
		if c.man == llama {
			w = tokenWorld(t, c.man, tokenJob(11), nil)
		} else {
			w = graphWorld(t, c.man, nil)
		}
		c.edit(&w.open)
		w.sign(t)
		out = append(out, face{c.name, w})
	}
	return append(out, unsigned(t, llama)...)
}

// A claim that contradicts its own request is refuted by its opening, and cannot be opened otherwise;
// a claim that does not cannot be opened on its face. SPEC 08 §4.8.
func TestFalseOnItsFace(t *testing.T) {
	llama, toy := bind(t, modeltest.Llama(3, modeltest.Tiny())), bind(t, modeltest.Toy())
	for _, f := range faces(t, llama, toy) {
		if lie, err := f.w.open.Accuse(domain, nil, nil); err != nil || !lie || f.w.open.T != OnItsFace {
			t.Errorf("%s: accused %v at %d, %v", f.name, lie, f.w.open.T, err)
		}
		if g := begin(t, f.w); g.s.Phase != Refuted || g.s.Deadline != 0 || g.w.open.Work() != 0 {
			t.Errorf("%s: opened in %s", f.name, g.s.Phase)
		}
		f.w.open.T = 0
		if _, _, err := Begin(f.w.open, Chain{Domain: domain}); !errors.Is(err, ErrClaim) {
			t.Errorf("%s: opened at step 0: %v", f.name, err)
		}
	}
	for _, w := range []*world{tokenWorld(t, llama, tokenJob(11), nil), graphWorld(t, toy, nil)} {
		w.open.T = OnItsFace
		if _, _, err := Begin(w.open, Chain{Domain: domain}); !errors.Is(err, ErrStep) {
			t.Errorf("a sound claim is opened on its face: %v", err)
		}
	}
}

// A claim at the bounds of its request and model is sound.
func TestSoundAtTheBounds(t *testing.T) {
	w := tokenWorld(t, bind(t, modeltest.Llama(3, modeltest.Tiny())), tokenJob(11), nil)
	m := w.open
	m.Request.MaxNew, m.Claim.Finish = 1<<20, claim.FinishGrammar
	m.Claim.Count = m.Header.TMax + 1 - m.Request.PromptCount
	if field, v := m.Face(domain); field != "" {
		t.Errorf("%d states of %d: %s is %d", m.states(), m.Header.TMax, field, v)
	}
	m.Request.MaxNew = m.Claim.Count
	if field, v := m.Face(domain); field != "" {
		t.Errorf("%d outputs of %d: %s is %d", m.Claim.Count, m.Request.MaxNew, field, v)
	}
}
