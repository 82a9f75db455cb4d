package conformance_test

import (
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/settlement/dispute"

	"github.com/ethereum/go-ethereum/crypto"
)

// rememberingJob is a request to the default model that has every list and remembers everything: penalties, a bias, stop
// strings and a grammar.
func rememberingJob(t *testing.T) (*manifest.Manifest, decode.Job) {
	t.Helper()
	plain, tok := stories(t)
	man, err := manifest.BindAs(plain.Model, manifest.Confidential)
	if err != nil {
		t.Fatal(err)
	}
	a, err := grammar.Schema([]byte(`{"type":"string","minLength":4,"maxLength":8}`))
	if err != nil {
		t.Fatal(err)
	}
	v, err := trace.Vocabulary(man.Model)
	if err != nil {
		t.Fatal(err)
	}
	g, err := trace.BindGrammar(v, &grammar.Grammar{Source: a.Encode()}, man.Model.EndIDs)
	if err != nil {
		t.Fatal(err)
	}
	return man, decode.Job{Prompt: template.Prompt(tok, "Tom has"), MaxNew: 4, StopIDs: man.Model.EndIDs, Temperature: 1 << 16, Seed: 5,
		Sampler: decode.Sampler{Repetition: 80000, Presence: 1 << 15, Frequency: -3000, Bias: []opset.TokenBias{{ID: 7, Value: 1 << 17}},
			Stops: []string{"zz", "rl na"}, Grammar: g}}
}

// asked is a game in phase ANSWER about an element of EMIT, in the second step that draws, and the node's answer without
// its proof. Its moves are the twin's.
func (w *elementWorld) asked(t *testing.T, man *manifest.Manifest, job decode.Job, tensor uint8, index uint64, lies bool) (dispute.State, dispute.ProofMove) {
	t.Helper()
	var l *lie
	if lies {
		l = &lie{t: len(job.Prompt), stage: man.Emit(), tensor: int(tensor), element: index, mask: 1}
	}
	c := tokenClaim(t, man, job, l, nil)
	key, d := nodeKey(t), claim.Domain{ChainID: w.chain}
	c.open.Claim.Node, c.open.Opener, c.open.T = claim.Address(crypto.PubkeyToAddress(key.PublicKey)), claim.Address{3}, uint32(len(job.Prompt))
	c.sign(t, d, key)
	s, j, err := dispute.Begin(c.open, dispute.Chain{Domain: d, Now: 50, Queue: 50})
	if err != nil {
		t.Fatal(err)
	}
	for s.Phase != dispute.Answer {
		var m dispute.Move
		switch s.Phase {
		case dispute.Stage:
			m = dispute.PickStage{Stage: uint16(man.Emit())}
		case dispute.Pick:
			m = dispute.PickTensor{Tensor: tensor, Index: index}
		default:
			if m, err = dispute.NextForNode(s, j, c.node); err != nil {
				t.Fatal(err)
			}
		}
		mover := s.Node
		if s.Phase.Turn() == dispute.Opener {
			mover = s.Opener
		}
		if s, _, err = dispute.Apply(s, m, dispute.Env{Now: s.Deadline, Mover: mover}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := dispute.NextForNode(s, j, c.node)
	if err != nil {
		t.Fatal(err)
	}
	return s, m.(dispute.ProofMove)
}

// requests are answers that show lists and memories of a request: what a list gives, what the states remember, and either
// changed.
func (w *elementWorld) requests(t *testing.T) {
	man, job := rememberingJob(t)
	for _, op := range []opset.Code{opset.Penalise, opset.Mask, opset.StopState, opset.GrammarState} {
		tensor := uint8(emitTensor(man, op))
		index := uint64(0)
		if op == opset.Penalise {
			index = 7 // which is biased
		}
		s, m := w.asked(t, man, job, tensor, index, false)
		good := w.prove(s, m, claim.Address{9})
		name := op.String() + " of a request that remembers: "
		w.add(name+"true", "", s, good.Encode())
		lied, false1 := w.asked(t, man, job, tensor, index, true)
		w.add(name+"false", "", lied, w.prove(lied, false1, claim.Address{9}).Encode())
		with := func(what, want string, edit func(m *dispute.ProofMove)) {
			m := good
			m.Reads = slices.Clone(m.Reads)
			for i := range m.Reads {
				m.Reads[i].Shown, m.Reads[i].Siblings = slices.Clone(m.Reads[i].Shown), slices.Clone(m.Reads[i].Siblings)
			}
			edit(&m)
			w.add(name+what, want, s, m.Encode())
		}
		with("the other verdict", "ProofRefused", func(m *dispute.ProofMove) { m.Equal = !m.Equal })
		with("another bias", "NotOpened", func(m *dispute.ProofMove) { m.Lists.Bias[31] ^= 1 })
		with("another grammar", "NotOpened", func(m *dispute.ProofMove) { m.Lists.Grammar[31] ^= 1 })
		with("other counts", "NotOpened", func(m *dispute.ProofMove) { m.Memory.Before.Counts[31] ^= 1 })
		with("another stop state", "NotOpened", func(m *dispute.ProofMove) { m.Memory.Before.Stop ^= 1 })
		with("another grammar state", "NotOpened", func(m *dispute.ProofMove) { m.Memory.Before.Grammar[31] ^= 1 })
		for i, r := range good.Reads {
			if len(r.Shown) > 0 {
				with("another leaf of read "+string(rune('0'+i)), "NotOpened", func(m *dispute.ProofMove) { m.Reads[i].Shown[0] ^= 1 })
			}
		}
	}
}
