package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
)

// Accuse compares the claim of m with the player's own recomputation and, where the claim is false,
// sets where to open: T.
// states are the accused's state hashes where it served them, else nil; they are used only if they
// lead to the claim's root. It returns false where the claim is true. The sampler fields, roots,
// counts and finish of m must be set.
func (m *OpenMove) Accuse(d claim.Domain, own Knowledge, states []Hash) (bool, error) {
	if field, _ := m.Face(d); field != "" {
		m.T = OnItsFace
		return true, nil
	}
	if m.graph() {
		return m.accuseGraph(own)
	}
	tree, err := own.States()
	if err != nil {
		return false, err
	}
	n := m.states()
	if want := merkle.Depth(n); n == 0 || tree.Depth() != want {
		return false, fmt.Errorf("%w: own state tree of depth %d, the claim's has %d", ErrStuck, tree.Depth(), want)
	}
	if tree.At(tree.Depth(), 0) != m.Claim.StateRoot {
		m.accuseState(tree, states)
		return true, nil
	}
	outputs, _, err := own.Outputs()
	if err != nil {
		return false, err
	}
	if outputs.At(outputs.Depth(), 0) != m.Claim.OutputRoot {
		m.T = AnyOutput
		return true, nil
	}
	return m.accuseFinish(own)
}

func (m *OpenMove) accuseGraph(own Knowledge) (bool, error) {
	step, err := own.Step(0)
	if err != nil {
		return false, err
	}
	b, err := step.Boundaries()
	if err != nil {
		return false, err
	}
	m.T = 0
	return b[len(b)-1] != m.Claim.OutputRoot || trace.BoundaryTree(b).Root() != m.Claim.StateRoot, nil
}

// accuseState names the first state that differs, or asks for the descent to it.
func (m *OpenMove) accuseState(own Tree, states []Hash) {
	m.T = AnyState
	if uint64(len(states)) != m.states() {
		return
	}
	theirs := merkle.NewTree(states, own.Depth(), 0)
	if theirs.Root() != m.Claim.StateRoot {
		return
	}
	for t, h := range states {
		if h != own.At(0, uint64(t)) {
			m.T = uint32(t)
			return
		}
	}
}

// accuseFinish names the last step if its state does not have the claim's finish code.
func (m *OpenMove) accuseFinish(own Knowledge) (bool, error) {
	last := uint32(m.states() - 1)
	p, err := own.Preimage(int64(last))
	if err != nil {
		return false, err
	}
	want := m.Claim.Finish
	if want == claim.FinishCancelled {
		want = claim.FinishRun
	}
	if p.F == want {
		return false, nil
	}
	m.T = last
	return true, nil
}
