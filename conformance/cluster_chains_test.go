package conformance_test

import (
	"bytes"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/proving/circuit"
	"elenchus/settlement/dispute"
)

// Where several tensors of a stage are false each of them has answers, by clusters of up to 8 operators that read nothing
// false: every one refutes it, and one that reads something false is not among them. Whoever defends a tensor has chains
// behind it, too, and every one ends the game. SPEC 08 §4.13, 10 §4.8.
func TestChainsOfOperatorsAnswer(t *testing.T) {
	w := newClusterWorld(t)
	s, _ := w.state(dispute.Pick, 0)
	posted := append([]dispute.Hash(nil), w.roots...)
	false3, false4 := uint8(3), uint8(4) // norm_inv and norm_apply
	posted[false3][0] ^= 1
	posted[false4][0] ^= 1
	s.Tensors = claim.NewTree(posted).Root()
	all, err := dispute.WholesForOpener(s, w.job, []dispute.Move{dispute.Tensors{Roots: posted}}, w.own)
	if err != nil {
		t.Fatal(err)
	}
	longest := map[uint8]int{}
	for n, x := range all.Clusters {
		target := x.Target().Tensor
		w.ends(s, all, n, dispute.Refuted, target)
		longest[target] = max(longest[target], len(x.Operators))
		if first := x.Operators[0].Tensor; first > false3 {
			t.Errorf("tensor %d is made from tensor %d on, and tensor %d is false", target, first, false3)
		}
	}
	if len(all.Clusters[0].Operators) != 1 || longest[false3] != 3 || longest[false4] != 4 {
		t.Errorf("longest chains %v, want 3 operators of tensor 3 and 4 of tensor 4", longest)
	}

	s, _ = w.state(dispute.Answer, 0)
	s.Tensor = false4
	all, err = dispute.WholesForNode(s, w.job, w.own)
	if err != nil {
		t.Fatal(err)
	}
	for n := range all.Clusters {
		w.ends(s, all, n, dispute.Lost, false4)
	}
	if n := len(all.Clusters); n < 3 || len(all.Clusters[0].Operators) != 1 {
		t.Errorf("%d ways to defend tensor %d", n, false4)
	}
}

// ends makes answer n, whose proof is believed, and says where it must lead.
func (w *clusterWorld) ends(s dispute.State, all *dispute.Wholes, n int, to dispute.Phase, tensor uint8) {
	w.t.Helper()
	m, err := all.Move(n)
	if err != nil {
		w.t.Fatal(err)
	}
	x := all.Clusters[n]
	whole, err := circuit.PrepareWhole(x, m.Secret)
	if err != nil {
		w.t.Fatal(err)
	}
	if hashes := s.Class.Hasher().Leaves(int(x.Target().Descriptor.Leaf), whole.Target); !slices.Equal(hashes, m.Leaves) {
		w.t.Errorf("tensor %d by %d operators: another than the own one", tensor, len(x.Operators))
	}
	sent, err := dispute.DecodeMove(&s, dispute.KindAnswer, m.Encode())
	if err != nil || !bytes.Equal(sent.Encode(), m.Encode()) {
		w.t.Fatalf("tensor %d by %d operators: %v", tensor, len(x.Operators), err)
	}
	next, effect, err := dispute.Apply(s, sent, dispute.Env{Now: s.Deadline, Proofs: func(*dispute.Proven) error { return nil }})
	if err != nil || next.Phase != to || effect.Convicts != (to == dispute.Refuted) || effect.Convicts && effect.Tensor != tensor {
		w.t.Errorf("tensor %d by %d operators leads to %s (%v), want %s", tensor, len(x.Operators), next.Phase, err, to)
	}
}
