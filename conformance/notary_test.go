package conformance_test

import (
	"crypto/rand"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/proving/check"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"

	"github.com/ethereum/go-ethereum/common"
)

// notary proves elements of confidential models by Groth16, and is the twin of the verifier that has its keys.
type notary struct {
	t      testing.TB
	system step.System
	chain  uint64
	site   common.Address // of the verifier
	keys   map[[32]byte]*step.Key
	words  map[[32]byte][]byte
	enters func(shape [32]byte, words []byte) // gives the chain a new key
}

func newNotary(t testing.TB, chain uint64, site common.Address, enters func(shape [32]byte, words []byte)) *notary {
	return &notary{t: t, system: step.Groth16, chain: chain, site: site, keys: map[[32]byte]*step.Key{}, words: map[[32]byte][]byte{}, enters: enters}
}

// key is the key of an answer's shape, which the chain has.
func (n *notary) key(a *circuit.Answer) *step.Key {
	n.t.Helper()
	shape := a.Unit.Shape()
	if k := n.keys[shape]; k != nil {
		return k
	}
	k, err := step.DevelopmentKey(n.system, a.AnswerCircuit(), rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	words, err := k.Words()
	if err != nil {
		n.t.Fatal(err)
	}
	n.enters(shape, words)
	n.keys[shape], n.words[shape] = k, words
	return k
}

// prove finishes an answer that was made in a state, for an account.
func (n *notary) prove(s dispute.State, m dispute.ProofMove, prover claim.Address) dispute.ProofMove {
	n.t.Helper()
	return n.proveBound(s, m, prover, func(*step.Binding) {})
}

// proveBound is prove with a proof for what another binding says.
func (n *notary) proveBound(s dispute.State, m dispute.ProofMove, prover claim.Address, edit func(b *step.Binding)) dispute.ProofMove {
	n.t.Helper()
	d, c, i, err := m.Unit(&s)
	if err != nil {
		n.t.Fatal(err)
	}
	a, err := circuit.PrepareAnswer(&d, &c, i, m.Secret.Target, circuit.InOrder(m.Secret.Leaves))
	if err != nil {
		n.t.Fatal(err)
	}
	b := step.Binding{Game: s.Slot(), Op: uint8(d.Op), Element: i, Chain: n.chain, Verifier: n.site, Prover: prover}
	edit(&b)
	w, err := a.Assignment(b.Hash())
	if err != nil {
		n.t.Fatal(err)
	}
	proof, err := n.key(a).Prove(w)
	if err != nil {
		n.t.Fatal(err)
	}
	digest, err := a.Digest()
	if err != nil {
		n.t.Fatal(err)
	}
	m.Equal = a.Equal
	return m.With(uint8(n.system), prover, a.Reads, a.Places, n.system.Posted(proof, digest))
}

// decide is the twin of the verifier.
func (n *notary) decide(p *dispute.Proven) error {
	u := circuit.Unit{Descriptor: p.Descriptor, Context: p.Context, Index: p.Index, Reads: p.Reads, Places: p.Places}
	words := n.words[u.Shape()]
	if p.System != uint8(n.system) || words == nil {
		return check.ErrShape
	}
	leaves := make([][32]byte, len(p.Hashes))
	for i, h := range p.Hashes {
		leaves[i] = h
	}
	about := &check.Statement{Game: p.Slot, Op: uint8(p.Descriptor.Op), Element: p.Index, Chain: n.chain, Verifier: n.site, Prover: p.Prover, Equal: p.Equal}
	return check.Answer(words, about, leaves, p.Proof)
}
