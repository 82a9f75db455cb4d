package conformance_test

import (
	"crypto/rand"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"

	"github.com/consensys/gnark/frontend"
)

// tampering is one thing that is wrong with a proof, and why it is refused.
type tampering struct {
	name, want string
	edit       func(proof []byte) []byte
}

// tampered are the ways to spoil a posted proof of a system, whose digest is its last word. SPEC 10 §5.5.
func tampered(y step.System) []tampering {
	set := func(at int, v byte) func(p []byte) []byte {
		return func(p []byte) []byte { p[at] = v; return p }
	}
	list := []tampering{
		{"nothing", "ProofLength", func([]byte) []byte { return nil }},
		{"a byte less", "ProofLength", func(p []byte) []byte { return p[:len(p)-1] }},
		{"a byte more", "ProofLength", func(p []byte) []byte { return append(p, 0) }},
		{"twice", "ProofLength", func(p []byte) []byte { return append(p, p...) }},
		{"2,000 bytes", "ProofLength", func([]byte) []byte { return make([]byte, 2000) }},
		{"a point off the curve", "BadPoint", func(p []byte) []byte { p[31] ^= 1; return p }},
		{"a coordinate beyond the field", "BadPoint", set(0, 0xff)},
		{"a point at infinity", "ProofRefused", func(p []byte) []byte { clear(p[:64]); return p }},
		{"another digest", "ProofRefused", func(p []byte) []byte { p[len(p)-1] ^= 1; return p }},
		{"a digest beyond the field", "ScalarOutOfField", func(p []byte) []byte { p[len(p)-32] = 0xff; return p }},
	}
	if y == step.PLONK {
		list = append(list, tampering{"another opening", "ProofRefused", func(p []byte) []byte { p[6*64+31] ^= 1; return p }},
			tampering{"an opening beyond the field", "ScalarOutOfField", set(6*64, 0xff)})
	}
	return list
}

// replays are bindings that a proof could have been made for instead. SPEC 10 §4.3.
var replays = []struct {
	name string
	edit func(b *step.Binding)
}{
	{"another game or claim", func(b *step.Binding) { b.Game[0] ^= 1 }},
	{"another chain", func(b *step.Binding) { b.Chain++ }},
	{"another verifier", func(b *step.Binding) { b.Verifier[0] ^= 1 }},
	{"another prover", func(b *step.Binding) { b.Prover[0] ^= 1 }},
	{"another operation", func(b *step.Binding) { b.Op ^= 1 }},
	{"another element or tensor", func(b *step.Binding) { b.Element++ }},
}

// systems are answers about elements by each proof system: what holds, and what is wrong with proof, key or binding.
func (w *elementWorld) systems(row place) {
	for _, n := range []*notary{w.notary, w.plonk} {
		name := n.system.String() + ": "
		for _, p := range []place{row, {row.stage, row.tensor, row.index, true, false}, {row.stage, row.tensor, row.index, false, true}, {row.stage, row.tensor, row.index, true, true}} {
			if n.system == step.PLONK {
				s, m := w.answer(p)
				w.add(name+map[bool]string{true: "false", false: "true"}[p.lies]+map[bool]string{true: ", its leaf withheld", false: ""}[p.descended], "", s,
					n.prove(s, m, claim.Address{9}).Encode())
			}
		}
		s, m := w.answer(row)
		good := n.prove(s, m, claim.Address{9})
		for _, x := range tampered(n.system) {
			bad := good
			bad.Proof = x.edit(slices.Clone(good.Proof))
			w.add(name+x.name, x.want, s, bad.Encode())
		}
		for _, x := range replays {
			w.add(name+"a proof for "+x.name, "ProofRefused", s, n.proveBound(s, m, claim.Address{9}, x.edit).Encode())
		}
		foreign := newNotary(w.t, n.chain, n.site, func([32]byte, []byte) {}) // of another setup: of another string, for PLONK
		foreign.system = n.system
		w.add(name+"a proof by the key of another setup", "ProofRefused", s, foreign.prove(s, m, claim.Address{9}).Encode())
		other := good
		other.System = uint8(step.Groth16 + step.PLONK - n.system)
		w.add(name+"a proof under the number of the other system", "ProofLength", s, other.Encode())
	}
}

// systems are answers about a whole tensor by each proof system, as those about elements.
func (w *clusterWorld) systems(others map[step.System]*step.Key) {
	for _, y := range []step.System{step.Groth16, step.PLONK} {
		name, same := y.String()+": ", func(*step.Binding) {}
		s, seen := w.state(dispute.Pick, w.tensor)
		m := w.move(s, seen, w.tensor)
		good := w.proveBy(y, w.keys[y], s, m, same)
		if y == step.PLONK {
			w.add(name+"a tensor that is false", s, good.Encode(), dispute.Refuted, "")
			true1, seen := w.state(dispute.Answer, 0)
			w.add(name+"a tensor that is true", true1, w.proveBy(y, w.keys[y], true1, w.move(true1, seen, 0), same).Encode(), dispute.Lost, "")
		}
		for _, x := range tampered(y) {
			bad := good
			bad.Proof = x.edit(slices.Clone(good.Proof))
			w.add(name+x.name, s, bad.Encode(), 0, x.want)
		}
		for _, x := range replays {
			w.add(name+"a proof for "+x.name, s, w.proveBy(y, w.keys[y], s, m, x.edit).Encode(), 0, "ProofRefused")
		}
		w.add(name+"a proof by the key of another setup", s, w.proveBy(y, others[y], s, m, same).Encode(), 0, "ProofRefused")
		other := good
		other.System = uint8(step.Groth16 + step.PLONK - y)
		w.add(name+"a proof under the number of the other system", s, other.Encode(), 0, "ProofLength")
	}
}

// developedWhole is a development key of a whole tensor's circuit.
func developedWhole(t *testing.T, y step.System, c frontend.Circuit) *step.Key {
	t.Helper()
	k, err := step.DevelopmentKey(y, c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
