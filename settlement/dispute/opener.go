package dispute

import (
	"bytes"
	"fmt"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// last is the latest move of its kind among seen.
func last[M Move](seen []Move) (m M, err error) {
	for i := len(seen) - 1; i >= 0; i-- {
		if m, ok := seen[i].(M); ok {
			return m, nil
		}
	}
	return m, fmt.Errorf("%w: no %s among the %d moves seen", ErrStuck, m.Kind(), len(seen))
}

// NextForOpener is the opener's move in s: always the first thing in topological order that differs
// from its own recomputation, so that all inputs of the element it ends with are its own. seen are
// the moves of this game in order. In Answer it answers itself where it can. ErrStuck says that it
// is the node's turn or that nothing differs. SPEC 08 §4.
func NextForOpener(s State, j Job, seen []Move, own Knowledge, served Served) (Move, error) {
	switch s.Phase {
	case StatesPick:
		tree, err := own.States()
		if err != nil {
			return nil, err
		}
		return s.differing(seen, tree)
	case OutputsPick:
		tree, data, err := own.Outputs()
		if err != nil {
			return nil, err
		}
		return s.narrow(j, seen, tree, data)
	}
	if s.Phase.Turn() != Opener && s.Phase != Answer {
		return nil, fmt.Errorf("%w: phase %s is the node's", ErrStuck, s.Phase)
	}
	step, err := own.Step(s.T)
	if err != nil {
		return nil, err
	}
	switch s.Phase {
	case Stage:
		return pickStage(&s, seen, step)
	case Layer:
		return pickLayer(seen, step)
	}
	trace, err := step.Stage(int(s.Stage))
	if err != nil {
		return nil, err
	}
	switch s.Phase {
	case Pick:
		return pickTensor(&s, j, seen, trace, served)
	case Answer:
		return answerByOpener(&s, j, seen, trace, served)
	}
	tree, data, err := trace.Tensor(int(s.Tensor))
	if err != nil {
		return nil, err
	}
	return s.narrow(j, seen, tree, data)
}

// narrow picks the first differing child, or in a leaf the first differing element.
func (s *State) narrow(j Job, seen []Move, tree Tree, data []byte) (Move, error) {
	if s.Phase == TensorPick || s.Phase == OutputsPick && s.Level > 0 {
		return s.differing(seen, tree)
	}
	if s.Phase == Element && s.Class == manifest.Confidential {
		return PickElement{Element: uint16(s.Level)}, nil // nobody shows the leaf: its elements are proven in turn
	}
	posted, err := last[RawLeaf](seen)
	if err != nil {
		return nil, err
	}
	mine, err := s.leafOf(data)
	if err != nil {
		return nil, err
	}
	total, perLeaf := s.elements()
	size := uint64(s.Leaf) / perLeaf
	if uint64(len(posted.Bytes)) != uint64(s.Leaf) {
		return nil, fmt.Errorf("%w: posted leaf has %d bytes, want %d", ErrStuck, len(posted.Bytes), s.Leaf)
	}
	for e := uint64(0); e < perLeaf && s.Index*perLeaf+e < total; e++ {
		if !bytes.Equal(posted.Bytes[e*size:(e+1)*size], mine[e*size:(e+1)*size]) {
			m := PickElement{Element: uint16(e)}
			if s.Phase == OutputsPick {
				m.Job = &j
			}
			return m, nil
		}
	}
	return nil, fmt.Errorf("%w: leaf %d equals the own one", ErrStuck, s.Index)
}

// differing picks the first posted child that is not the own one.
func (s *State) differing(seen []Move, tree Tree) (Move, error) {
	posted, err := last[Children](seen)
	if err != nil {
		return nil, err
	}
	d, mine := s.descent(), s.expose(tree)
	if len(posted.Hashes) != len(mine) {
		return nil, fmt.Errorf("%w: %d children posted, own tree has %d", ErrStuck, len(posted.Hashes), len(mine))
	}
	for i, h := range posted.Hashes {
		if h != mine[i] {
			return s.pickChild(posted, i), nil
		}
	}
	return nil, fmt.Errorf("%w: children at level %d equal the own ones", ErrStuck, d.height)
}

// pickChild names child i of those posted.
func (s *State) pickChild(posted Children, i int) Child {
	d := s.descent()
	tree := merkle.NewTree(posted.Hashes, d.k, d.height)
	return Child{uint8(i), posted.Hashes[i], tree.Siblings(0, uint64(i), uint64(i)+1)}
}

func pickStage(s *State, seen []Move, step Step) (Move, error) {
	posted, err := last[Reveal](seen)
	if err != nil {
		return nil, err
	}
	mine, err := step.Boundaries()
	if err != nil {
		return nil, err
	}
	if len(mine) != len(posted.Boundaries) {
		return nil, fmt.Errorf("%w: %d boundaries posted, own step has %d", ErrStuck, len(posted.Boundaries), len(mine))
	}
	for i, b := range posted.Boundaries {
		switch {
		case b == mine[i]:
		case !s.graph():
			return PickStage{uint16(i)}, nil
		case i > 0:
			return PickStage{uint16(i - 1)}, nil
		default:
			return nil, fmt.Errorf("%w: the own input is not that of the request", ErrStuck)
		}
	}
	if s.graph() {
		return nil, fmt.Errorf("%w: all boundaries equal the own ones", ErrStuck)
	}
	leaf, _, err := step.Append()
	if err != nil {
		return nil, err
	}
	if leaf != posted.PositionLeaf {
		return PickStage{StageKV}, nil
	}
	return PickStage{s.headStage()}, nil
}

func pickLayer(seen []Move, step Step) (Move, error) {
	posted, err := last[RowHashes](seen)
	if err != nil {
		return nil, err
	}
	mine, err := step.Rows()
	if err != nil {
		return nil, err
	}
	for i, h := range posted.Rows {
		if i >= len(mine) || h != mine[i] {
			return PickLayer{uint16(i)}, nil
		}
	}
	return nil, fmt.Errorf("%w: all rows equal the own ones", ErrStuck)
}

func pickTensor(s *State, j Job, seen []Move, trace Trace, served Served) (Move, error) {
	posted, err := last[Tensors](seen)
	if err != nil {
		return nil, err
	}
	mine, err := trace.Roots()
	if err != nil {
		return nil, err
	}
	ds, paths, err := trace.Descriptors()
	if err != nil {
		return nil, err
	}
	if len(posted.Roots) != len(mine) || len(ds) != len(mine) {
		return nil, fmt.Errorf("%w: %d tensors posted, own stage has %d", ErrStuck, len(posted.Roots), len(mine))
	}
	for i := 1; i < len(mine); i++ {
		if posted.Roots[i] == mine[i] {
			continue
		}
		c := s.context(&j)
		if at, ok := servedLie(s, &ds[i], &c, i, posted.Roots[i], trace, served); ok {
			return PickTensor{Tensor: uint8(i), Index: at}, nil
		}
		return PickTensor{Tensor: uint8(i), Index: Descend, Root: posted.Roots[i], RootPath: treePath(posted.Roots, i),
			Descriptor: ds[i].Encode(), GraphPath: paths[i]}, nil
	}
	return nil, fmt.Errorf("%w: all tensors equal the own ones", ErrStuck)
}

// servedLie finds the first element that differs in what the accused served of tensor i.
func servedLie(s *State, d *opset.Descriptor, c *opset.Context, i int, root Hash, trace Trace, served Served) (uint64, bool) {
	data, ok := served(s.T, int(s.Stage), i)
	if !ok {
		return 0, false
	}
	data = padTo(data, int(d.Leaf))
	if _, ok := s.checkServed(d, c, root, data); !ok {
		return 0, false
	}
	_, mine, err := trace.Tensor(i)
	if err != nil || len(mine) != len(data) {
		return 0, false
	}
	size := d.Type.Size()
	for e := range d.Count(c) {
		if lo := int(e) * size; !bytes.Equal(data[lo:lo+size], mine[lo:lo+size]) {
			return e, true
		}
	}
	return 0, false
}

// shownIn begins an answer with what the accused showed in R1 of lists and memories. A graph model has
// neither.
func shownIn(s *State, j Job, seen []Move) (AnswerMove, error) {
	if s.graph() {
		return AnswerMove{Job: j}, nil
	}
	shown, err := last[Reveal](seen)
	if err != nil {
		return AnswerMove{}, err
	}
	m := AnswerMove{Job: j, Lists: shown.Lists}
	if s.Flags&FlagMemory != 0 {
		m.Memory, err = shown.remember(s.T)
	}
	return m, err
}

// answerByOpener answers for the accused, from the leaf it posted or the tensor it served.
func answerByOpener(s *State, j Job, seen []Move, trace Trace, served Served) (Move, error) {
	posted, err := last[Tensors](seen)
	if err != nil {
		return nil, err
	}
	m, err := shownIn(s, j, seen)
	if err != nil {
		return nil, err
	}
	return answer(s, m, trace, posted.Roots, func(d *opset.Descriptor) (target, error) {
		if s.Flags&FlagDescended != 0 {
			raw, err := last[RawLeaf](seen)
			return target{leaf: raw.Bytes}, err
		}
		c := s.context(&j)
		data, ok := served(s.T, int(s.Stage), int(s.Tensor))
		if !ok {
			return target{}, fmt.Errorf("%w: tensor %d was not served", ErrStuck, s.Tensor)
		}
		data = padTo(data, int(d.Leaf))
		tree, ok := s.checkServed(d, &c, posted.Roots[s.Tensor], data)
		if !ok {
			return target{}, fmt.Errorf("%w: tensor %d as served is not the posted one", ErrStuck, s.Tensor)
		}
		return targetIn(s, d, tree, data)
	})
}
