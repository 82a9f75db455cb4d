package dispute

import (
	"fmt"
	"math/bits"

	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// afterNode are the phases in which the opener picks from what the node posted.
var afterNode = [...]Phase{States: StatesPick, Outputs: OutputsPick, Tensor: TensorPick, Raw: Element}

func applyChildren(s *State, m Children) error {
	d := s.descent()
	if uint64(len(m.Hashes)) != d.present || d.present == 0 {
		return fmt.Errorf("%w: %d children, want %d", ErrBadPayload, len(m.Hashes), d.present)
	}
	if got := merkle.RootAt(m.Hashes, d.k, d.height); got != s.Subtree {
		return fmt.Errorf("%w: children lead to %x, want %x", ErrOpening, got[:8], s.Subtree[:8])
	}
	s.Phase = afterNode[s.Phase]
	return nil
}

func applyChild(s *State, m Child) error {
	d := s.descent()
	if uint64(m.Number) >= d.present {
		return fmt.Errorf("%w: child %d of %d", ErrRange, m.Number, d.present)
	}
	if len(m.Path) != d.k {
		return fmt.Errorf("%w: %d siblings, want %d", ErrBadPayload, len(m.Path), d.k)
	}
	if err := opens(s.Subtree, d.k, uint64(m.Number), m.Hash, m.Path); err != nil {
		return err
	}
	s.Level, s.Index, s.Subtree = uint8(d.height), d.first+uint64(m.Number), m.Hash
	switch {
	case s.Phase == TensorPick && s.Level == 0:
		s.Phase = s.bottom()
	case s.Phase == TensorPick:
		s.Phase = Tensor
	case s.Phase == OutputsPick:
		s.Phase = Outputs
	case s.Level > 0:
		s.Phase = States
	default:
		s.found(uint32(s.Index))
	}
	return nil
}

// found ends the descent over states or outputs at step t.
func (s *State) found(t uint32) {
	s.Phase, s.T = R1, t
	s.Level, s.Index, s.Subtree, s.Total, s.Leaf, s.Type = 0, 0, Hash{}, 0, 0, 0
}

// opens checks that one node leads to root, depth levels above it.
func opens(root Hash, depth int, index uint64, node Hash, siblings []Hash) error {
	if err := merkle.VerifyNodes(root, depth, index, []Hash{node}, siblings); err != nil {
		return fmt.Errorf("%w: %w", ErrOpening, err)
	}
	return nil
}

func applyRaw(s *State, m RawLeaf) error {
	if len(m.Bytes) != int(s.Leaf) {
		return fmt.Errorf("%w: leaf of %d bytes, want %d", ErrBadPayload, len(m.Bytes), s.Leaf)
	}
	if got := merkle.Leaf(m.Bytes); got != s.Subtree {
		return fmt.Errorf("%w: leaf hashes to %x, want %x", ErrOpening, got[:8], s.Subtree[:8])
	}
	start := s.Index * uint64(s.Leaf)
	for i, b := range m.Bytes {
		if b != 0 && start+uint64(i) >= s.Total {
			return fmt.Errorf("%w: byte %d of a tensor of %d", ErrPadding, start+uint64(i), s.Total)
		}
	}
	s.Phase = afterNode[s.Phase]
	return nil
}

func applyElement(s *State, m PickElement) error {
	total, perLeaf := s.elements()
	at := s.Index*perLeaf + uint64(m.Element)
	if uint64(m.Element) >= perLeaf || at >= total || m.Element < uint16(s.Level) {
		return fmt.Errorf("%w: element %d of leaf %d, the tree has %d", ErrRange, m.Element, s.Index, total)
	}
	if s.Phase == Element {
		s.Phase, s.Index = Answer, at
		s.Flags |= FlagDescended
		return nil
	}
	if m.Job == nil || m.Job.Hash() != s.JobHash {
		return fmt.Errorf("%w: a pick of an output needs it", ErrBadJob)
	}
	s.found(m.Job.PromptCount - 1 + uint32(at))
	return nil
}

// verifyDescriptor opens the descriptor of a tensor of the stage in hand.
func (s *State) verifyDescriptor(tensorIndex uint8, b []byte, path []Hash) (opset.Descriptor, error) {
	at := descriptorsPerStage*uint64(s.Stage) + uint64(tensorIndex)
	if err := opens(s.GraphRoot, s.graphDepth(), at, merkle.Leaf(b), path); err != nil {
		return opset.Descriptor{}, err
	}
	d, err := opset.Decode(b)
	if err != nil {
		return d, fmt.Errorf("%w: %w", ErrTarget, err)
	}
	c := opset.Context{T: s.T}
	n := d.Shape(&c)
	hi, lo := bits.Mul64(n[0], n[1])
	over, lo := bits.Mul64(lo, n[2])
	if hi != 0 || over != 0 || lo >= 1<<60 {
		return d, fmt.Errorf("%w: a target of %d x %d x %d elements", ErrTarget, n[0], n[1], n[2])
	}
	return d, nil
}

// into puts a tensor in hand for a descent.
func (s *State) into(d *opset.Descriptor, c *opset.Context, root Hash) {
	s.Total, s.Leaf, s.Type, s.Subtree, s.Index = d.Bytes(c), d.Leaf, uint8(d.Type), root, 0
	s.Level = uint8(merkle.Depth(merkle.Leaves(s.Total, int(s.Leaf))))
	s.Phase = Tensor
	if s.Level == 0 {
		s.Phase = s.bottom()
	}
}
