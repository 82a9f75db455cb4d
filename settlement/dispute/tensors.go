package dispute

import (
	"encoding/binary"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

func applyTensors(s *State, m Tensors) error {
	d, err := s.verifyDescriptor(0, m.Input[:], m.InputPath)
	if err != nil {
		return err
	}
	if err := checkInput(&d, len(m.Roots)); err != nil {
		return err
	}
	if err := checkFirst(s, &m); err != nil {
		return err
	}
	if err := checkLast(s, &m); err != nil {
		return err
	}
	if d.P[1] != 0 || d.P[2] != 0 {
		if !s.hasRows() {
			return fmt.Errorf("%w: stage %d makes KV rows", ErrRange, s.Stage)
		}
		if err := checkRow(s, &m, m.Roots[d.P[1]], m.Roots[d.P[2]]); err != nil {
			return err
		}
	}
	s.Count, s.Tensors, s.Phase = uint8(len(m.Roots)), claim.TreeRoot(m.Roots), Pick
	return nil
}

// checkInput checks the descriptor of tensor 0 against the number of roots. SPEC 08 §7.7.
func checkInput(d *opset.Descriptor, roots int) error {
	n, k, v := d.P[0], d.P[1], d.P[2]
	if d.Op != opset.Input || n < 2 || n > descriptorsPerStage || k < 0 || k >= n || v < 0 || v >= n {
		return fmt.Errorf("%w: tensor 0 is %s with %d tensors, rows %d and %d", ErrStage, d.Op, n, k, v)
	}
	if int64(roots) != n {
		return fmt.Errorf("%w: %d roots, want %d", ErrBadPayload, roots, n)
	}
	return nil
}

func checkFirst(s *State, m *Tensors) error {
	if at, ok := s.inputBoundary(); ok {
		return s.inBoundaries(at, m.Roots[0], m.FirstPath)
	}
	if want := s.idLeaf(s.YPrev); m.Roots[0] != want {
		return fmt.Errorf("%w: input is %x, want the leaf of id %d", ErrOpening, m.Roots[0][:8], s.YPrev)
	}
	return nil
}

func checkLast(s *State, m *Tensors) error {
	if at, ok := s.outputBoundary(); ok {
		return s.inBoundaries(at, m.Roots[len(m.Roots)-1], m.LastPath)
	}
	if s.absorb() {
		return endIn(m.Roots, s.idLeaf(s.Y))
	}
	if err := endIn(m.Roots, s.idLeaf(s.Y), s.idLeaf(uint32(s.F))); err != nil || !s.stops() && !s.masks() {
		return err
	}
	return s.checkStatesOf(m)
}

// checkStatesOf says that the third last tensor of EMIT is the state of the stop strings in S_t, and the
// fourth last that of the grammar, where the request has them.
func (s *State) checkStatesOf(m *Tensors) error {
	n := len(m.Roots)
	if err := s.checkKept(&m.Memory); err != nil {
		return err
	}
	if s.stops() {
		if err := endIn(m.Roots[:max(n-2, 0)], s.idLeaf(m.Memory.Stop)); err != nil {
			return err
		}
	}
	if !s.masks() {
		return nil
	}
	state := binary.BigEndian.Uint32(m.Memory.Grammar[28:])
	if m.Memory.Grammar != trace.GrammarState(state) {
		return fmt.Errorf("%w: a state of the grammar of more than 32 bits", ErrOpening)
	}
	return endIn(m.Roots[:max(n-3, 0)], s.idLeaf(state))
}

// endIn says that roots end in those of the state.
func endIn(roots []Hash, want ...Hash) error {
	if len(want) > len(roots) {
		return fmt.Errorf("%w: a head without the tensors of the state", ErrStage)
	}
	if !slices.Equal(roots[len(roots)-len(want):], want) {
		return fmt.Errorf("%w: the last tensors of the head are not those of the state", ErrOpening)
	}
	return nil
}

// checkRow says that the K and V rows of the stage are those of the position leaf.
func checkRow(s *State, m *Tensors, k, v Hash) error {
	if err := s.inBoundaries(uint32(s.Layers)+1, m.PositionLeaf, m.PositionPath); err != nil {
		return err
	}
	if err := opens(m.PositionLeaf, int(s.DLayer), uint64(s.Stage-1), merkle.Node(k, v), m.LayerPath); err != nil {
		return fmt.Errorf("rows: %w", err)
	}
	return nil
}

func applyPick(s *State, m PickTensor) error {
	if m.Tensor == 0 || m.Tensor >= s.Count {
		return fmt.Errorf("%w: tensor %d of %d", ErrRange, m.Tensor, s.Count)
	}
	if m.Index != Descend {
		s.Tensor, s.Index, s.Phase = m.Tensor, m.Index, Answer
		return nil
	}
	if err := inTree(s.Tensors, uint32(s.Count), uint32(m.Tensor), m.Root, m.RootPath); err != nil {
		return err
	}
	d, err := s.verifyDescriptor(m.Tensor, m.Descriptor[:], m.GraphPath)
	if err != nil {
		return err
	}
	c := opset.Context{T: s.T}
	s.Tensor = m.Tensor
	s.into(&d, &c, m.Root)
	return nil
}

func applyAnswer(s *State, m AnswerMove, effect *Effect) error {
	if s.Class == manifest.Confidential {
		return fmt.Errorf("%w: an answer about this model is a proof and shows no leaf", ErrConfidential)
	}
	if m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: it hashes to %x, want %x", ErrBadJob, m.Job.Hash(), s.JobHash)
	}
	d, err := s.verifyDescriptor(s.Tensor, m.Descriptor[:], m.GraphPath)
	if err != nil {
		return err
	}
	c := m.context(s)
	if s.Index >= d.Count(&c) {
		s.Phase = Lost
		return nil
	}
	if err := m.checkMemory(s); err != nil {
		return err
	}
	posted, err := verifyTarget(s, &m, &d, &c)
	if err != nil {
		return err
	}
	reads, value, err := readsOf(&d, &c, s.Index, m.Data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadPayload, err)
	}
	if err := verifyReads(s, &m, &d, reads); err != nil {
		return err
	}
	s.Phase = Lost
	if posted != value {
		s.Phase = Refuted
		effect.Convicts, effect.Op, effect.Tensor, effect.Element = true, uint8(d.Op), s.Tensor, s.Index
	}
	return nil
}

// checkMemory says that lists and memory are those of job and state.
func (m *AnswerMove) checkMemory(s *State) error {
	if err := m.Job.checkLists(m.Lists); err != nil {
		return err
	}
	if s.Flags&FlagMemory == 0 {
		return nil
	}
	return s.checkKept(&m.Memory)
}

// checkKept says that a memory is the one that R1 left.
func (s *State) checkKept(m *Memory) error {
	if got := m.Hash(); got != s.KV {
		return fmt.Errorf("%w: the memory hashes to %x, want %x", ErrOpening, got[:8], s.KV[:8])
	}
	return nil
}

// verifyTarget opens the picked element and reads what the node posted there.
func verifyTarget(s *State, m *AnswerMove, d *opset.Descriptor, c *opset.Context) (int64, error) {
	if len(m.Leaf) != int(d.Leaf) {
		return 0, fmt.Errorf("%w: target leaf of %d bytes, want %d", ErrBadPayload, len(m.Leaf), d.Leaf)
	}
	at := s.Index * uint64(d.Type.Size())
	leaf := at / uint64(d.Leaf)
	if s.Flags&FlagDescended != 0 {
		if got := merkle.Leaf(m.Leaf); got != s.Subtree {
			return 0, fmt.Errorf("%w: target leaf hashes to %x, want %x", ErrOpening, got[:8], s.Subtree[:8])
		}
	} else {
		if err := inTree(s.Tensors, uint32(s.Count), uint32(s.Tensor), m.Root, m.RootPath); err != nil {
			return 0, err
		}
		depth := merkle.Depth(merkle.Leaves(d.Bytes(c), int(d.Leaf)))
		if err := opens(m.Root, depth, leaf, merkle.Leaf(m.Leaf), m.Siblings); err != nil {
			return 0, err
		}
	}
	return tensor.Element(d.Type, m.Leaf[at%uint64(d.Leaf):], 0), nil
}

// verifyReads opens every read against the root that its kind names.
func verifyReads(s *State, m *AnswerMove, d *opset.Descriptor, reads []opset.Read) error {
	if len(reads) != len(m.Reads) {
		return fmt.Errorf("%w: %d reads opened, want %d", ErrBadPayload, len(m.Reads), len(reads))
	}
	data := m.Data
	for i, q := range reads {
		a, b, depth := m.Job.cover(q)
		n := (b - a) * uint64(q.Leaf)
		root, err := rootOf(s, m, d, q, &m.Reads[i])
		if err != nil {
			return err
		}
		if err := merkle.Verify(root, depth, a, q.Leaf, data[:n], m.Reads[i].Siblings); err != nil {
			return fmt.Errorf("%w: read %d: %w", ErrOpening, i, err)
		}
		data = data[n:]
	}
	return nil
}

func rootOf(s *State, m *AnswerMove, d *opset.Descriptor, q opset.Read, o *ReadOpening) (Hash, error) {
	switch q.Kind {
	case opset.Tensor:
		return o.Root, inTree(s.Tensors, uint32(s.Count), uint32(q.Index), o.Root, o.RootPath)
	case opset.RootA:
		return d.RootA, nil
	case opset.RootB:
		return d.RootB, nil
	case opset.KV:
		if s.Flags&FlagMemory != 0 {
			return m.Memory.KV, nil
		}
		return s.KV, nil
	case opset.Counts:
		return m.Memory.Before.Counts, nil
	case opset.Bias:
		return m.Lists.Bias, nil
	case opset.Strings:
		return m.Lists.Stop, nil
	case opset.Grammar:
		return m.Lists.Grammar, nil
	case opset.Prompt:
		return m.Job.PromptRoot, nil
	case opset.Stop:
		return m.Job.StopRoot, nil
	}
	return Hash{}, fmt.Errorf("%w: read of source kind %d", ErrRead, q.Kind)
}
