package trace

import (
	"fmt"

	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
)

// SaltedStages are the outputs of a graph model's stages but the last, whose output everybody is shown, and
// their tree with every leaf salted. SPEC 11 §4.2.
type SaltedStages struct {
	step *Step
	salt Salt
}

// StageOpening is one leaf of a stage's output, with the siblings of the three trees. Absent is nil unless the
// output has no leaf of the number that was drawn; then it shows that, and Leaf is the one half the tree before
// it. SPEC 11 §4.4.
type StageOpening struct {
	Depth    int // of the output's tree
	Leaf     [opset.LeafBytes]byte
	Absent   []merkle.Hash // of the leaf that is not there
	Output   []merkle.Hash // of the leaf in the output
	Boundary []merkle.Hash // of the output in the claim's stateRoot
	Salted   []merkle.Hash // of the leaf in the salted tree
}

// SaltedStages builds the salted tree over a graph model's run; ErrTrace for a model of one stage, which hides
// nothing. SPEC 11 §4.2.
func (s *Step) SaltedStages(salt Salt) (*SaltedStages, error) {
	if s.Token() || len(s.bounds) < 3 {
		return nil, fmt.Errorf("%w: %d boundaries of a run without stages that are not served", ErrTrace, len(s.bounds))
	}
	return &SaltedStages{s, salt}, nil
}

// output is the tree over the output of a stage, plain or salted.
func (x *SaltedStages) output(stage int, hash merkle.Hasher) *merkle.Tree {
	return TensorTree(hash, x.step.bounds[stage+1], opset.LeafBytes)
}

// tree is the salted tree above the stages.
func (x *SaltedStages) tree() *merkle.Tree {
	roots := make([]merkle.Hash, len(x.step.bounds)-2)
	for i := range roots {
		roots[i] = x.output(i, x.salt.Leaf).Root()
	}
	return merkle.NewTree(roots, merkle.Depth(uint64(len(roots))), 0)
}

// Root is what a commit is about.
func (x *SaltedStages) Root() merkle.Hash { return x.tree().Root() }

// DrawnLeaf is the number of the leaf that 64 drawn bits name in a tree, and that of the leaf which is opened
// where there is none of it. SPEC 11 §4.2.
func DrawnLeaf(draw uint64, depth int) (leaf, instead uint64) {
	leaf = draw & (1<<uint(depth) - 1)
	return leaf, leaf & (1<<uint(max(depth, 1)-1) - 1)
}

// Open opens what was drawn: a stage but the last, and the leaf of its output that draw names.
func (x *SaltedStages) Open(stage, draw uint64) (*StageOpening, error) {
	s := x.step
	if stage+2 >= uint64(len(s.bounds)) {
		return nil, fmt.Errorf("%w: stage %d of %d outputs that are not served", ErrTrace, stage, len(s.bounds)-2)
	}
	out := s.bounds[stage+1]
	plain := x.output(int(stage), s.man.Hasher())
	o := &StageOpening{Depth: plain.Depth()}
	b := out.Bytes(0, out.Len())
	at, instead := DrawnLeaf(draw, o.Depth)
	if at >= merkle.Leaves(uint64(len(b)), opset.LeafBytes) {
		o.Absent, at = plain.Siblings(0, at, at+1), instead
	}
	copy(o.Leaf[:], leaves(b, opset.LeafBytes, at, at+1))
	o.Output = plain.Siblings(0, at, at+1)
	o.Boundary = BoundaryTree(s.Boundaries()).Siblings(0, stage+1, stage+2)
	o.Salted = append(x.output(int(stage), x.salt.Leaf).Siblings(0, at, at+1), x.tree().Siblings(0, stage, stage+1)...)
	return o, nil
}
