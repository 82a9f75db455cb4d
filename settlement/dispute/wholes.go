package dispute

import (
	"fmt"
	"slices"

	"elenchus/compute/opset"
)

// maxWholes bounds the clusters that are looked at in a state.
const maxWholes = 16

// Wholes are the answers about whole tensors that a player can make in a state, as far as there are keys of their
// clusters. Nobody has to make one: the moves of NextForOpener and NextForNode lead to the same verdict. WholesForOpener
// and WholesForNode make them. SPEC 08 §4.13.
type Wholes struct {
	// Clusters are what each answer proves, at least one: by tensor, and for each the one of fewest operators first, then
	// with what makes its inputs, too.
	Clusters []*opset.Cluster

	state State
	job   Job
	trace Trace
	roots []Hash
	ds    []opset.Descriptor
	paths [][]Hash
}

// WholesForOpener are the answers that refute a tensor whole: the first that differs from the own one, or another that
// does and can be made of tensors that do not; in a phase with a tensor in hand that one. ErrStuck says that there are none.
func WholesForOpener(s State, j Job, seen []Move, own Knowledge) (*Wholes, error) {
	posted, err := last[Tensors](seen)
	if err != nil {
		return nil, err
	}
	trace, mine, err := ownStage(&s, own)
	if err != nil {
		return nil, err
	}
	var targets []int
	differs := make([]bool, len(mine))
	for i := 1; i < len(mine) && i < len(posted.Roots); i++ {
		differs[i] = posted.Roots[i] != mine[i]
		if differs[i] && (s.Phase == Pick || i == int(s.Tensor)) {
			targets = append(targets, i)
		}
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("%w: no tensor of the stage is known to be false", ErrStuck)
	}
	return wholesOf(s, j, trace, posted.Roots, targets, differs)
}

// WholesForNode are the answers that defend the tensor in hand whole. ErrStuck says that there are none.
func WholesForNode(s State, j Job, own Knowledge) (*Wholes, error) {
	if s.Phase == Pick {
		return nil, fmt.Errorf("%w: no tensor is in hand", ErrStuck)
	}
	trace, roots, err := ownStage(&s, own)
	if err != nil {
		return nil, err
	}
	return wholesOf(s, j, trace, roots, []int{int(s.Tensor)}, make([]bool, len(roots)))
}

// ownStage is the own computation of the stage in dispute, with the roots of its tensors.
func ownStage(s *State, own Knowledge) (Trace, []Hash, error) {
	step, err := own.Step(s.T)
	if err != nil {
		return nil, nil, err
	}
	trace, err := step.Stage(int(s.Stage))
	if err != nil {
		return nil, nil, err
	}
	roots, err := trace.Roots()
	return trace, roots, err
}

// wholesOf are the clusters that give targets out of tensors that do not differ.
func wholesOf(s State, j Job, trace Trace, roots []Hash, targets []int, differs []bool) (*Wholes, error) {
	if !s.settles() {
		return nil, fmt.Errorf("%w: phase %s, class %d", ErrStuck, s.Phase, s.Class)
	}
	w := &Wholes{state: s, job: j, trace: trace, roots: roots}
	var err error
	if w.ds, w.paths, err = trace.Descriptors(); err != nil {
		return nil, err
	}
	if targets[len(targets)-1] >= len(w.ds) || len(roots) != len(w.ds) {
		return nil, fmt.Errorf("%w: own stage has %d tensors, %d were posted", ErrStuck, len(w.ds), len(roots))
	}
	var why error
	for _, i := range targets {
		if err := w.chain(i, differs); why == nil {
			why = err
		}
	}
	if len(w.Clusters) == 0 {
		return nil, fmt.Errorf("%w: %w", ErrStuck, why)
	}
	return w, nil
}

// chain adds the clusters that give a tensor: with the operators of the tensors that differ and that it is made from, then
// with those that make its inputs, for as long as these can be proven at once. Its error is why there is none.
func (w *Wholes) chain(target int, differs []bool) error {
	set, found := []int{target}, false
	for len(w.Clusters) < maxWholes {
		x, err := w.cluster(set)
		if err != nil && !found {
			return err
		}
		if err != nil {
			return nil //nolint:nilerr // the shorter ones stand
		}
		needed, more := w.behind(x, differs)
		if len(needed) == 0 {
			w.Clusters, found = append(w.Clusters, x), true
			needed = more
		}
		if len(needed) == 0 {
			return nil
		}
		set = append(set, needed...)
		slices.Sort(set)
	}
	return nil
}

// cluster is that of the operators of some tensors, ascending.
func (w *Wholes) cluster(tensors []int) (*opset.Cluster, error) {
	c := w.state.context(&w.job)
	var operators []opset.Operator
	for _, i := range tensors {
		operators = append(operators, opset.Operator{Tensor: uint8(i), Descriptor: w.ds[i]})
	}
	return opset.NewCluster(operators, &c)
}

// behind are the tensors that a cluster reads and that differ, and those that some cluster gives.
func (w *Wholes) behind(x *opset.Cluster, differs []bool) (needed, more []int) {
	for i := range x.Inputs {
		at := int(x.Inputs[i].Source.Index)
		if x.Inputs[i].Source.Kind != opset.Tensor || at >= len(w.ds) {
			continue
		}
		if differs[at] {
			needed = append(needed, at)
		}
		if at > 0 && w.ds[at].Op.Clusters() {
			more = append(more, at)
		}
	}
	return needed, more
}

// Move is the answer about cluster n: it opens its operators and all that they read, from the own trace under the posted
// roots. Its proof has still to be made.
func (w *Wholes) Move(n int) (m ClusterMove, err error) {
	x := w.Clusters[n]
	target := x.Target()
	m = ClusterMove{Job: w.job, Root: w.roots[target.Tensor], RootPath: treePath(w.roots, int(target.Tensor))}
	for k := range x.Operators {
		o := &x.Operators[k]
		m.Operators = append(m.Operators, ClusterOperator{Tensor: o.Tensor, Descriptor: o.Descriptor.Encode(), GraphPath: w.paths[o.Tensor],
			First: uint16(opset.Data(x.First[k])), Last: uint16(opset.Data(x.Last[k]))})
	}
	_, data, err := w.trace.Tensor(int(target.Tensor))
	if err != nil {
		return m, err
	}
	m.Leaves = w.state.hasher().Leaves(int(target.Descriptor.Leaf), data)
	for i := range x.Inputs {
		in := &x.Inputs[i]
		by := target
		if in.Operator >= 0 {
			by = &x.Operators[in.Operator]
		}
		q := in.Read()
		leaves, o, err := openRead(w.trace, &by.Descriptor, w.roots, q)
		if err != nil {
			return m, err
		}
		m.Secret = append(m.Secret, leaves)
		m.Inputs = append(m.Inputs, ClusterInput{Tensor: o.Tensor, Root: o.Root, RootPath: o.RootPath,
			Hashes: w.state.hasher().Leaves(q.Leaf, leaves), Siblings: o.Siblings})
	}
	return m, nil
}
