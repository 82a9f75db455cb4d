package dispute

import (
	"encoding/binary"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
)

func applyReveal(s *State, m Reveal) error {
	if m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: it hashes to %x, want %x", ErrBadJob, m.Job.Hash(), s.JobHash)
	}
	if len(m.Boundaries) != m.Job.Boundaries() {
		return fmt.Errorf("%w: %d boundaries, want %d", ErrBadPayload, len(m.Boundaries), m.Job.Boundaries())
	}
	if s.graph() {
		return revealGraph(s, &m)
	}
	if m.Job.KVDepth() > merkle.MaxDepth {
		return fmt.Errorf("%w: a KV tree of depth %d", ErrBadJob, m.Job.KVDepth())
	}
	if err := m.Job.checkLists(m.Lists); err != nil {
		return err
	}
	k, err := m.remember(s.T)
	if err != nil {
		return err
	}
	if err := checkStates(s, &m, &k); err != nil {
		return err
	}
	if err := checkAppend(s, &m); err != nil {
		return err
	}
	if err := checkOutput(s, &m); err != nil {
		return err
	}
	s.YPrev, s.Y, s.F, s.KV = m.Before.Y, m.After.Y, m.After.F, m.Before.KV
	s.keep(&m, &k)
	if !m.Job.Emits(s.T) {
		s.Flags |= FlagAbsorb
	}
	tree := append(append([]Hash(nil), m.Boundaries...), m.PositionLeaf)
	s.Boundaries, s.Phase = claim.TreeRoot(tree), Stage
	return nil
}

// keep puts the memory in the state if there is one.
func (s *State) keep(m *Reveal, k *Memory) {
	if !m.Job.Sampler.Remembers(m.Lists) {
		return
	}
	s.Flags |= FlagMemory
	s.KV = k.Hash()
	if m.Job.Sampler.StopLengths != 0 {
		s.Flags |= FlagStops
	}
	if m.Lists.Grammar != (Hash{}) {
		s.Flags |= FlagGrammar
	}
}

func revealGraph(s *State, m *Reveal) error {
	last := m.Boundaries[len(m.Boundaries)-1]
	if m.Boundaries[0] != m.Job.PromptRoot || last != m.Job.OutputRoot {
		return fmt.Errorf("%w: boundaries must begin with the input root and end with the output root", ErrOpening)
	}
	if got := Hash(trace.BoundaryTree(m.Boundaries).Root()); got != m.Job.StateRoot {
		return fmt.Errorf("%w: the boundaries have root %x, the claim's stateRoot is %x", ErrOpening, got, m.Job.StateRoot)
	}
	s.Boundaries, s.Phase = claim.TreeRoot(m.Boundaries), Stage
	return nil
}

// checkStates ties both preimages to the state tree and to the claim's finish.
func checkStates(s *State, m *Reveal, k *Memory) error {
	j := &m.Job
	before := m.Before.Hash(s.T)
	after := m.After
	after.Previous = before
	if err := openStates(j.StateRoot, j.StateDepth(), s.T, before, after.Hash(s.T+1), m.StatePath); err != nil {
		return err
	}
	if s.T == 0 {
		if err := checkEmpty(m); err != nil {
			return err
		}
	}
	if err := checkMemory(s, m, k); err != nil {
		return err
	}
	if m.Before.F != 0 {
		return fmt.Errorf("%w: step %d follows a finish %d", ErrContradiction, s.T, m.Before.F)
	}
	want := uint8(0)
	if uint64(s.T)+1 == j.States() && j.Finish != claim.FinishCancelled {
		want = j.Finish
	}
	if m.After.F != want {
		return fmt.Errorf("%w: finish %d at step %d, want %d", ErrContradiction, m.After.F, s.T, want)
	}
	return nil
}

// checkEmpty says that the preimage before step 0 is that of S_{-1}: the first prompt id, an empty KV
// tree, no predecessor. SPEC 06 §3.2.
func checkEmpty(m *Reveal) error {
	j := &m.Job
	if len(m.PromptLeaf) != opset.LeafBytes {
		return fmt.Errorf("%w: prompt leaf of %d bytes, want %d", ErrBadPayload, len(m.PromptLeaf), opset.LeafBytes)
	}
	if err := opens(j.PromptRoot, j.PromptDepth(), 0, merkle.Leaf(m.PromptLeaf), m.PromptPath); err != nil {
		return err
	}
	if id := binary.LittleEndian.Uint32(m.PromptLeaf); m.Before.Y != id {
		return fmt.Errorf("%w: y before step 0 is %d, the first prompt id is %d", ErrContradiction, m.Before.Y, id)
	}
	if m.Before.KV != merkle.Zero(j.KVDepth()) || m.Before.Previous != (Hash{}) {
		return fmt.Errorf("%w: before step 0 there is KV %x after %x", ErrOpening, m.Before.KV[:8], m.Before.Previous[:8])
	}
	return nil
}

// openStates opens S_{t-1} and S_t, at t = 0 only the latter, in the state tree.
func openStates(root Hash, depth int, t uint32, before, after Hash, path []Hash) error {
	nodes, at := []Hash{before, after}, uint64(t)-1
	if t == 0 {
		nodes, at = nodes[1:], 0
	}
	if err := merkle.VerifyNodes(root, depth, at, nodes, path); err != nil {
		return fmt.Errorf("%w: states before and after step %d: %w", ErrOpening, t, err)
	}
	return nil
}

// checkAppend says that KV_t is KV_{t-1} with the position leaf at t. SPEC 06 §2.2.
func checkAppend(s *State, m *Reveal) error {
	j := &m.Job
	depth, t := int(j.DPos), uint64(s.T)
	if t>>uint(depth) != 0 {
		return fmt.Errorf("%w: position %d in a tree of depth %d", ErrRange, t, depth)
	}
	if err := opens(m.Before.KV, depth, t, merkle.Zero(j.LeafDepth()), m.PositionPath); err != nil {
		return fmt.Errorf("KV root before: %w", err)
	}
	if err := opens(m.After.KV, depth, t, m.PositionLeaf, m.PositionPath); err != nil {
		return fmt.Errorf("KV root after: %w", err)
	}
	return nil
}

// checkOutput says that output t-(m-1) of the claim is y_t.
func checkOutput(s *State, m *Reveal) error {
	j := &m.Job
	if !j.Emits(s.T) {
		return nil
	}
	if len(m.OutputLeaf) != opset.LeafBytes {
		return fmt.Errorf("%w: output leaf of %d bytes", ErrBadPayload, len(m.OutputLeaf))
	}
	o := uint64(s.T - (j.PromptCount - 1))
	if err := opens(j.OutputRoot, j.OutputDepth(), o/idsPerLeaf, merkle.Leaf(m.OutputLeaf), m.OutputPath); err != nil {
		return err
	}
	if got := binary.LittleEndian.Uint32(m.OutputLeaf[4*(o%idsPerLeaf):]); got != m.After.Y {
		return fmt.Errorf("%w: output %d is %d, y of step %d is %d", ErrContradiction, o, got, s.T, m.After.Y)
	}
	return nil
}

func applyStage(s *State, m PickStage) error {
	switch {
	case m.Stage == StageKV && !s.graph():
		s.Stage, s.Phase = m.Stage, Rows
		return nil
	case s.graph() && m.Stage >= s.Layers, !s.graph() && m.Stage > s.Layers && m.Stage != s.headStage():
		return fmt.Errorf("%w: stage %d with %d layers", ErrRange, m.Stage, s.Layers)
	}
	s.Stage, s.Phase = m.Stage, R2
	return nil
}

func applyRows(s *State, m RowHashes) error {
	if len(m.Rows) != int(s.Layers) {
		return fmt.Errorf("%w: %d rows, want %d", ErrBadPayload, len(m.Rows), s.Layers)
	}
	if merkle.Depth(uint64(len(m.Rows))) > int(s.DLayer) || int(s.DLayer)+1+int(s.DRow) > merkle.MaxDepth {
		return fmt.Errorf("%w: %d layers in a tree of depth %d", ErrRange, len(m.Rows), s.DLayer)
	}
	leaf := merkle.RootAt(m.Rows, int(s.DLayer), 1+int(s.DRow))
	if err := s.inBoundaries(uint32(s.Layers)+1, leaf, m.Path); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	s.Tensors, s.Phase = claim.TreeRoot(m.Rows), Layer
	return nil
}

// inBoundaries opens a hash in the boundary tree.
func (s *State) inBoundaries(index uint32, h Hash, path []Hash) error {
	return inTree(s.Boundaries, s.boundaryCount(), index, h, path)
}

// inTree opens a hash in a keccak tree.
func inTree(root Hash, count, index uint32, h Hash, path []Hash) error {
	if err := claim.VerifyLeaf(root, count, index, h, path); err != nil {
		return fmt.Errorf("%w: %w", ErrOpening, err)
	}
	return nil
}

func applyLayer(s *State, m PickLayer) error {
	if m.Layer >= s.Layers {
		return fmt.Errorf("%w: layer %d of %d", ErrRange, m.Layer, s.Layers)
	}
	s.Stage, s.Phase = m.Layer+1, R2
	return nil
}
