package dispute

import (
	"bytes"
	"fmt"

	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// Overdue says whether Timeout is a move now: a deadline passed that has not been booked.
func Overdue(s *State, now uint64) bool {
	switch s.Phase.Turn() {
	case Opener:
		return now > s.Deadline
	case Node:
		return now > s.Last || now > s.Deadline && s.Flags&FlagVoid == 0
	}
	return false
}

// expose lists the present children of the subtree in hand as tree has them.
func (s *State) expose(tree Tree) []Hash {
	d := s.descent()
	out := make([]Hash, d.present)
	for i := range out {
		out[i] = tree.At(d.height, d.first+uint64(i))
	}
	return out
}

// leafOf cuts the leaf in hand out of padded tensor bytes.
func (s *State) leafOf(data []byte) ([]byte, error) {
	lo := s.Index * uint64(s.Leaf)
	hi := lo + uint64(s.Leaf)
	if hi > uint64(len(data)) {
		return nil, fmt.Errorf("%w: own tensor has %d bytes, leaf %d ends at %d", ErrStuck, len(data), s.Index, hi)
	}
	return bytes.Clone(data[lo:hi]), nil
}

// NextForNode is the node's move in s from what it knows of its own claim, or ErrStuck.
func NextForNode(s State, j Job, own Knowledge) (Move, error) {
	switch s.Phase {
	case States:
		tree, err := own.States()
		if err != nil {
			return nil, err
		}
		return Children{s.expose(tree)}, nil
	case Outputs:
		tree, data, err := own.Outputs()
		if err != nil {
			return nil, err
		}
		return s.show(tree, data)
	case R1:
		return reveal(&s, j, own)
	}
	if s.Phase.Turn() != Node {
		return nil, fmt.Errorf("%w: phase %s is not the node's", ErrStuck, s.Phase)
	}
	step, err := own.Step(s.T)
	if err != nil {
		return nil, err
	}
	if s.Phase == Rows {
		return rowsMove(&s, step)
	}
	trace, err := step.Stage(int(s.Stage))
	if err != nil {
		return nil, err
	}
	switch s.Phase {
	case R2:
		return tensorsMove(&s, j, own, step, trace)
	case Answer:
		return answerByNode(&s, j, own, trace)
	}
	tree, data, err := trace.Tensor(int(s.Tensor))
	if err != nil {
		return nil, err
	}
	return s.show(tree, data)
}

// show posts children of the subtree in hand, or the leaf where there are none.
func (s *State) show(tree Tree, data []byte) (Move, error) {
	if s.Level > 0 {
		return Children{s.expose(tree)}, nil
	}
	leaf, err := s.leafOf(data)
	return RawLeaf{leaf}, err
}

func reveal(s *State, j Job, own Knowledge) (Move, error) {
	step, err := own.Step(s.T)
	if err != nil {
		return nil, err
	}
	m := Reveal{Job: j}
	if m.Boundaries, err = step.Boundaries(); err != nil || s.graph() {
		return m, err
	}
	t := uint64(s.T)
	if m.Before, err = own.Preimage(int64(t) - 1); err != nil {
		return nil, err
	}
	if m.After, err = own.Preimage(int64(t)); err != nil {
		return nil, err
	}
	if m.Lists, err = own.Lists(); err != nil {
		return nil, err
	}
	if m.Recall, err = own.Recall(s.T); err != nil {
		return nil, err
	}
	states, err := own.States()
	if err != nil {
		return nil, err
	}
	m.StatePath = states.SiblingsTo(0, max(t, 1)-1, t+1, states.Depth())
	if t == 0 {
		if m.PromptLeaf, m.PromptPath, err = own.Prompt(); err != nil {
			return nil, err
		}
	}
	if m.PositionLeaf, m.PositionPath, err = step.Append(); err != nil {
		return nil, err
	}
	if !j.Emits(s.T) {
		return m, nil
	}
	tree, data, err := own.Outputs()
	if err != nil {
		return nil, err
	}
	at := (t - uint64(j.PromptCount-1)) / idsPerLeaf
	if uint64(len(data)) < (at+1)*opset.LeafBytes {
		return nil, fmt.Errorf("%w: own outputs end before leaf %d", ErrStuck, at)
	}
	m.OutputLeaf = bytes.Clone(data[at*opset.LeafBytes : (at+1)*opset.LeafBytes])
	m.OutputPath = tree.SiblingsTo(0, at, at+1, tree.Depth())
	return m, nil
}

// boundaryTree is the list that the boundary tree of step covers.
func boundaryList(s *State, step Step) ([]Hash, error) {
	list, err := step.Boundaries()
	if err != nil || s.graph() {
		return list, err
	}
	leaf, _, err := step.Append()
	return append(append([]Hash(nil), list...), leaf), err
}

func rowsMove(s *State, step Step) (Move, error) {
	list, err := boundaryList(s, step)
	if err != nil {
		return nil, err
	}
	rows, err := step.Rows()
	return RowHashes{rows, treePath(list, len(list)-1)}, err
}

func tensorsMove(s *State, j Job, own Knowledge, step Step, trace Trace) (Move, error) {
	list, err := boundaryList(s, step)
	if err != nil {
		return nil, err
	}
	ds, paths, err := trace.Descriptors()
	if err != nil {
		return nil, err
	}
	m := Tensors{Input: ds[0].Encode(), InputPath: paths[0]}
	if m.Roots, err = trace.Roots(); err != nil {
		return nil, err
	}
	if at, ok := s.inputBoundary(); ok {
		m.FirstPath = treePath(list, int(at))
	}
	if at, ok := s.outputBoundary(); ok {
		m.LastPath = treePath(list, int(at))
	}
	if s.stops() || s.masks() {
		if m.Memory, _, err = recalled(s, &j, own); err != nil {
			return nil, err
		}
	}
	m.HasRows = s.hasRows() && (ds[0].P[1] != 0 || ds[0].P[2] != 0)
	if m.HasRows {
		rows, err := step.Rows()
		if err != nil {
			return nil, err
		}
		m.PositionLeaf, m.PositionPath = list[len(list)-1], treePath(list, len(list)-1)
		at := uint64(s.Stage) - 1
		m.LayerPath = merkle.NewTree(rows, int(s.DLayer), 1+int(s.DRow)).Siblings(0, at, at+1)
	}
	return m, nil
}
