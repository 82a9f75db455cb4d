package dispute

import (
	"fmt"
	"math"

	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// Named is a descriptor with its siblings in the graph tree.
type Named struct {
	Descriptor [opset.DescriptorSize]byte
	Path       []Hash
}

// Ends are the descriptors that say how large input and output of a graph model are: of tensor 0 of stage 0, of
// tensor 0 of the last stage, whose first parameter says how many tensors that has, and of the last of these.
// SPEC 08 §7.2.
type Ends struct{ Input, First, Last Named }

// Describer opens descriptors in the graph tree; *manifest.Manifest is one.
type Describer interface {
	Descriptor(stage, tensor int) (opset.Descriptor, []merkle.Hash, error)
}

// EndsOf are those of a model of so many stages.
func EndsOf(m Describer, stages int) (*Ends, error) {
	open := func(stage, tensor int) (Named, opset.Descriptor, error) {
		d, path, err := m.Descriptor(stage, tensor)
		if err != nil {
			return Named{}, d, fmt.Errorf("descriptor %d of stage %d: %w", tensor, stage, err)
		}
		return Named{d.Encode(), path}, d, nil
	}
	e := new(Ends)
	var err error
	if e.Input, _, err = open(0, 0); err != nil {
		return nil, err
	}
	var first opset.Descriptor
	if e.First, first, err = open(stages-1, 0); err != nil {
		return nil, err
	}
	e.Last, _, err = open(stages-1, int(first.P[0])-1)
	return e, err
}

// ends says whether the payload has descriptors: a demand for the data of a graph model.
func (m *OpenMove) ends() bool { return m.graph() && m.data() }

// data says whether the move asks for data.
func (m *OpenMove) data() bool { return m.T == Published || m.T == Delivered }

func (w *writer) ends(e *Ends) {
	for _, n := range []*Named{&e.Input, &e.First, &e.Last} {
		w.bytes(n.Descriptor[:]).hashes(n.Path)
	}
}

func (r *reader) ends(depth int) *Ends {
	e := new(Ends)
	for _, n := range []*Named{&e.Input, &e.First, &e.Last} {
		n.Descriptor, n.Path = r.descriptor(), r.hashes(uint64(depth))
	}
	return e
}

// graphDepth is the depth of a graph model's graph tree. SPEC 06 §1.3.
func (m *OpenMove) graphDepth() int { return 7 + merkle.Depth(uint64(m.Header.Layers)) }

// measure puts the sizes of a graph model's input and output in the state.
func (m *OpenMove) measure(s *State) error {
	if m.Ends == nil || m.Header.Layers == 0 {
		return fmt.Errorf("%w: no descriptors of input and output", ErrStep)
	}
	at := State{Flags: FlagGraph, Layers: m.Header.Layers, GraphRoot: m.Header.Graph}
	input, _, err := at.size(0, 0, &m.Ends.Input)
	if err != nil {
		return err
	}
	last := m.Header.Layers - 1
	_, tensors, err := at.size(last, 0, &m.Ends.First)
	if err != nil {
		return err
	}
	if tensors < 1 || tensors > descriptorsPerStage {
		return fmt.Errorf("%w: a last stage of %d tensors", ErrStep, tensors)
	}
	output, _, err := at.size(last, uint8(tensors-1), &m.Ends.Last)
	if err != nil {
		return err
	}
	s.YPrev, s.Y = input, output
	return nil
}

// size is how many bytes a tensor has, and the first parameter of its descriptor.
func (s *State) size(stage uint16, tensor uint8, n *Named) (uint32, int64, error) {
	s.Stage = stage
	d, err := s.verifyDescriptor(tensor, n.Descriptor[:], n.Path)
	if err != nil {
		return 0, 0, err
	}
	total := d.Bytes(&opset.Context{})
	if d.Leaf != opset.LeafBytes || total > math.MaxUint32 {
		return 0, 0, fmt.Errorf("%w: %d bytes in leaves of %d", ErrTarget, total, d.Leaf)
	}
	return uint32(total), d.P[0], nil
}
