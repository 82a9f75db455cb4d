package dispute

import (
	"bytes"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/compute/opset"
)

// treePath is the path of hash i in the keccak tree over list.
func treePath(list []Hash, i int) []Hash { return claim.NewTree(list).Path(i) }

// target is the leaf that holds the picked element as the node posted it.
type target struct {
	leaf     []byte
	siblings []Hash
}

// targetIn cuts the leaf of an element out of a tensor.
func targetIn(s *State, d *opset.Descriptor, tree Tree, data []byte) (target, error) {
	at := s.Index * uint64(d.Type.Size()) / uint64(d.Leaf)
	hi := (at + 1) * uint64(d.Leaf)
	if hi > uint64(len(data)) {
		return target{}, fmt.Errorf("%w: tensor has %d bytes, leaf %d ends at %d", ErrStuck, len(data), at, hi)
	}
	return target{bytes.Clone(data[hi-uint64(d.Leaf) : hi]), tree.SiblingsTo(0, at, at+1, tree.Depth())}, nil
}

// recalled are the memory that R1 left in the state and the lists of the request, as a player knows
// them.
func recalled(s *State, j *Job, own Knowledge) (m Memory, l claim.Lists, err error) {
	if l, err = own.Lists(); err != nil || s.Flags&FlagMemory == 0 {
		return m, l, err
	}
	before, err := own.Preimage(int64(s.T) - 1)
	if err != nil {
		return m, l, err
	}
	r, err := own.Recall(s.T)
	if err != nil {
		return m, l, err
	}
	b, a, err := r.memories(j, s.T, s.Y)
	return Memory{before.KV, b, a.Stop, a.Grammar}, l, err
}

func answerByNode(s *State, j Job, own Knowledge, trace Trace) (Move, error) {
	memory, lists, err := recalled(s, &j, own)
	if err != nil {
		return nil, err
	}
	roots, err := trace.Roots()
	if err != nil {
		return nil, err
	}
	m := AnswerMove{Job: j, Lists: lists, Memory: memory}
	return answer(s, m, trace, roots, func(d *opset.Descriptor) (target, error) {
		tree, data, err := trace.Tensor(int(s.Tensor))
		if err != nil {
			return target{}, err
		}
		return targetIn(s, d, tree, data)
	})
}

// answer opens the picked element and all that it depends on: inputs from the player's own trace,
// roots as they were posted, the target from find.
func answer(s *State, m AnswerMove, trace Trace, roots []Hash, find func(*opset.Descriptor) (target, error)) (Move, error) {
	ds, paths, err := trace.Descriptors()
	if err != nil {
		return nil, err
	}
	if int(s.Tensor) >= len(ds) || len(roots) != int(s.Count) {
		return nil, fmt.Errorf("%w: own stage has %d tensors, the game %d", ErrStuck, len(ds), s.Count)
	}
	d, c := &ds[s.Tensor], m.context(s)
	m.Descriptor, m.GraphPath = d.Encode(), paths[s.Tensor]
	if s.Index >= d.Count(&c) {
		m.Outside = true
		return answered(s, m)
	}
	goal, err := find(d)
	if err != nil {
		return nil, err
	}
	m.Leaf, m.Descended = goal.leaf, s.Flags&FlagDescended != 0
	if !m.Descended {
		m.Siblings, m.Root, m.RootPath = goal.siblings, roots[s.Tensor], treePath(roots, int(s.Tensor))
	}
	_, err = opset.Element(d, &c, s.Index, func(q opset.Read) ([]byte, error) {
		leaves, o, err := openRead(trace, d, roots, q)
		if err != nil {
			return nil, err
		}
		m.Data, m.Reads = append(m.Data, leaves...), append(m.Reads, o)
		return q.Trim(leaves)
	})
	if err != nil {
		return nil, err
	}
	return answered(s, m)
}

// openRead opens a read of a stage tensor from the own trace under the posted roots, any other from
// its source.
func openRead(trace Trace, d *opset.Descriptor, roots []Hash, q opset.Read) ([]byte, ReadOpening, error) {
	if q.Kind != opset.Tensor {
		leaves, siblings, err := trace.Source(d, q)
		return leaves, ReadOpening{Siblings: siblings}, err
	}
	tree, data, err := trace.Tensor(int(q.Index))
	if err != nil {
		return nil, ReadOpening{}, err
	}
	a, b := q.Leaves()
	if hi := b * uint64(q.Leaf); hi > uint64(len(data)) || int(q.Index) >= len(roots) {
		return nil, ReadOpening{}, fmt.Errorf("%w: own tensor %d has %d bytes, read ends at %d", ErrStuck, q.Index, len(data), hi)
	}
	o := ReadOpening{Tensor: true, Root: roots[q.Index], RootPath: treePath(roots, int(q.Index)),
		Siblings: tree.SiblingsTo(0, a, b, tree.Depth())}
	return data[a*uint64(q.Leaf) : b*uint64(q.Leaf)], o, nil
}
