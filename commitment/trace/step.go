package trace

import (
	"encoding/binary"
	"errors"
	"fmt"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// ErrTrace marks something that the trace does not have.
var ErrTrace = errors.New("not in the trace")

// Step is one re-executed step (or a whole graph run) with everything that a dispute may ask for.
type Step struct {
	man       *manifest.Manifest
	Ctx       opset.Context
	Job       decode.Job
	Prev, Now State // graph model: zero
	memories  [2]Memory
	grammar   *merkle.Wide  // made when it is asked for
	counts    *merkle.Table // of S_{t-1}, made when it is asked for
	positions []merkle.Hash
	cache     *machine.Cache
	bounds    []*tensor.Tensor
	split     machine.Split
	tamper    Tamper
	stages    map[int]*Stage
}

// Tamper changes tensors as they are computed; nil for the honest. It must be a function of its
// arguments alone, since a stage may be computed again.
type Tamper func(stage int, c *opset.Context, index int, x *tensor.Tensor)

// replayPass is the number of positions that a replay computes at once.
const replayPass = 16

// Replay runs a job again up to step t and keeps that step. known are the ids that it is thought to
// have drawn: right ones make it faster, wrong ones change nothing. flip, when not nil, is called
// after each step and may disturb the cache. SPEC 05 §3.3, 06.
func Replay(man *manifest.Manifest, job decode.Job, t int, known []int32, split machine.Split, tamper Tamper,
	flip func(t int, kv *machine.Cache)) (*Step, error) {
	if err := job.Check(man.Model); err != nil {
		return nil, err
	}
	job, err := Bound(man.Model, job)
	if err != nil {
		return nil, err
	}
	s := &Step{man: man, Job: job, split: split, tamper: tamper, stages: map[int]*Stage{}}
	s.bounds = make([]*tensor.Tensor, man.Boundaries())
	chain := NewChain(man, &job)
	hooks := decode.Hooks{
		Tensor: tamper,
		Step: func(at int, y decode.Yield, kv *machine.Cache) {
			chain.Append(y, kv)
			if flip != nil && at < t {
				flip(at, kv)
			}
		},
	}
	run, err := decode.New(man.Model, job, split, hooks)
	if err != nil {
		return nil, err
	}
	run.Draft = decode.Known(known)
	batch := replayPass
	if flip != nil {
		batch = 1 // a later position of the pass must see the disturbed cache
	}
	for run.Next() <= t && !run.Done() {
		if run.Next() == t {
			run.Observe(s.watch(t))
		}
		if err := run.Advance(max(1, min(batch, t-run.Next()))); err != nil {
			return nil, err
		}
	}
	if run.Next() <= t {
		return nil, fmt.Errorf("%w: the run ends at step %d, before %d", ErrTrace, run.Next()-1, t)
	}
	s.Prev, s.Now = chain.states[t], chain.states[t+1]
	s.positions, s.cache = chain.positions, run.Cache()
	s.Ctx = decode.Context(man.Model, &job)
	s.Ctx.T, s.Ctx.YPrev = uint32(t), int32(s.Prev.Y)
	if chain.memories != nil {
		s.memories = [2]Memory{chain.memories[t], chain.memories[t+1]}
		s.Ctx.StopState = s.memories[0].Stop
		s.Ctx.GrammarState = binary.BigEndian.Uint32(s.memories[0].Grammar[28:])
	}
	for _, x := range chain.states[min(len(job.Prompt), t+1) : t+1] {
		s.Ctx.Drawn = append(s.Ctx.Drawn, int32(x.Y))
	}
	return s, nil
}

// watch keeps the boundaries of step t.
func (s *Step) watch(t int) Tamper {
	return func(stage int, c *opset.Context, i int, x *tensor.Tensor) {
		if s.tamper != nil {
			s.tamper(stage, c, i, x)
		}
		if int(c.T) == t && stage <= int(s.man.Layers) && i == len(s.man.Model.Stages[stage].Ops)-1 {
			s.bounds[stage] = clone(x)
		}
	}
}

// ReplayGraph runs a graph model on an input and keeps the run.
func ReplayGraph(man *manifest.Manifest, in *tensor.Tensor, split machine.Split, tamper Tamper) (*Step, error) {
	if man.Kind != model.KindGraph {
		return nil, fmt.Errorf("%w: a token model has no single run", ErrTrace)
	}
	first := &man.Model.Stages[0].Ops[0]
	if in.Type != first.Type || uint64(in.Len()) != first.Count(&opset.Context{}) {
		return nil, fmt.Errorf("%w: input of %d %s, the model takes %d %s", ErrTrace, in.Len(), in.Type, first.Count(&opset.Context{}), first.Type)
	}
	s := &Step{man: man, split: split, tamper: tamper, stages: map[int]*Stage{}, bounds: []*tensor.Tensor{clone(in)}}
	s.Ctx.Prompt = s.bounds[0].I32 // a list of ids is what source kind 5 reads
	for i := range man.Model.Stages {
		out := s.run(i)
		s.bounds = append(s.bounds, out[len(out)-1])
	}
	return s, nil
}

func clone(x *tensor.Tensor) *tensor.Tensor {
	y := *x
	y.I8 = append([]int8(nil), x.I8...)
	y.I16 = append([]int16(nil), x.I16...)
	y.I32 = append([]int32(nil), x.I32...)
	y.I64 = append([]int64(nil), x.I64...)
	return &y
}

// Before and After are the memories of S_{t-1} and S_t, zero if the request remembers nothing.
func (s *Step) Before() Memory { return s.memories[0] }

// After is the memory of S_t.
func (s *Step) After() Memory { return s.memories[1] }

// Counts is the count tree of S_{t-1}.
func (s *Step) Counts() *merkle.Table {
	if s.counts == nil {
		read := s.Job.Prompt[:min(len(s.Job.Prompt), int(s.Ctx.T)+1)]
		s.counts = CountTable(read, s.Ctx.Drawn)
	}
	return s.counts
}

// Token says whether the step belongs to a token model.
func (s *Step) Token() bool { return s.man.Kind == model.KindToken }

// Emit says whether the step draws a token.
func (s *Step) Emit() bool { return s.Token() && s.Ctx.T+1 >= s.Ctx.M }

// Head is the head stage of the step.
func (s *Step) Head() int {
	if s.Emit() {
		return s.man.Emit()
	}
	return s.man.Absorb()
}

// Boundaries are the roots b_0..b_L.
func (s *Step) Boundaries() []merkle.Hash {
	out := make([]merkle.Hash, len(s.bounds))
	for i, x := range s.bounds {
		out[i] = Boundary(s.man, x)
	}
	return out
}

// BoundaryTree is the tree over the boundaries of a graph model's run: its root is the stateRoot of the claim.
// SPEC 06 §3.9.
func BoundaryTree(b []merkle.Hash) *merkle.Tree {
	return merkle.NewTree(b, merkle.Depth(uint64(len(b))), 0)
}

// Boundary is the root of an input or output of a stage.
func Boundary(man *manifest.Manifest, x *tensor.Tensor) merkle.Hash {
	return TensorTree(man.Hasher(), x, opset.LeafBytes).Root()
}

// Output is the last boundary: the result of a graph run.
func (s *Step) Output() *tensor.Tensor { return s.bounds[len(s.bounds)-1] }

// PositionLeaf is the position leaf of t.
func (s *Step) PositionLeaf() merkle.Hash { return s.positions[s.Ctx.T] }

// KVSiblings lead the position leaf to KV_t, and the zero leaf to KV_{t-1}.
func (s *Step) KVSiblings() []merkle.Hash {
	t := uint64(s.Ctx.T)
	return s.kvBefore().Siblings(0, t, t+1)
}

// kvBefore is the position tree of KV_{t-1}.
func (s *Step) kvBefore() *merkle.Tree {
	return merkle.NewTree(s.positions[:s.Ctx.T], int(s.man.DPos), s.man.PositionDepth())
}

// positionTree is the tree below the leaf of position p.
func (s *Step) positionTree(p int) *merkle.Tree {
	pieces := positionPieces(nil, make([]byte, opset.KVLeafBytes), s.man, s.cache, p)
	return merkle.NewTree(pieces, s.man.PositionDepth(), 0)
}

// Rows are the L layer rows H(01 | K root | V root) of position t.
func (s *Step) Rows() []merkle.Hash {
	tree := s.positionTree(int(s.Ctx.T))
	out := make([]merkle.Hash, s.man.Layers)
	for l := range out {
		out[l] = tree.At(int(s.man.DRow)+1, uint64(l))
	}
	return out
}

// RowSiblings lead the row of a layer to the position leaf.
func (s *Step) RowSiblings(layer int) []merkle.Hash {
	return s.positionTree(int(s.Ctx.T)).Siblings(int(s.man.DRow)+1, uint64(layer), uint64(layer)+1)
}

// run computes every tensor of a stage.
func (s *Step) run(stage int) []*tensor.Tensor {
	var out []*tensor.Tensor
	w := machine.Workspace{Split: s.split, Observer: capture{stage, s.tamper, &out}}
	w.Run(&s.man.Model.Stages[stage], &s.Ctx, s.input(stage), s.cache)
	return out
}

func (s *Step) input(stage int) *tensor.Tensor {
	switch {
	case !s.Token():
		return s.bounds[stage]
	case stage == 0:
		return model.TokenInput(s.Ctx.YPrev)
	}
	return s.bounds[min(stage, int(s.man.Layers)+1)-1]
}

type capture struct {
	stage  int
	tamper Tamper
	out    *[]*tensor.Tensor
}

func (c capture) Tensor(ctx *opset.Context, i int, x *tensor.Tensor) {
	if c.tamper != nil {
		c.tamper(c.stage, ctx, i, x)
	}
	*c.out = append(*c.out, clone(x))
}

// Stage is a fully materialised stage of a step.
type Stage struct {
	step    *Step
	Number  int
	Tensors []*tensor.Tensor
	trees   []*merkle.Tree
}

// Stage re-executes a stage, once.
func (s *Step) Stage(n int) (*Stage, error) {
	if st, ok := s.stages[n]; ok {
		return st, nil
	}
	if n < 0 || n >= len(s.man.Model.Stages) || s.Token() && n > int(s.man.Layers) && n != s.Head() {
		return nil, fmt.Errorf("%w: step %d has no stage %d", ErrTrace, s.Ctx.T, n)
	}
	st := &Stage{step: s, Number: n, Tensors: s.run(n)}
	st.trees = make([]*merkle.Tree, len(st.Tensors))
	s.stages[n] = st
	return st, nil
}

// Tree is the tree over tensor i.
func (st *Stage) Tree(i int) *merkle.Tree {
	if st.trees[i] == nil {
		st.trees[i] = TensorTree(st.step.man.Hasher(), st.Tensors[i], int(st.op(i).Leaf))
	}
	return st.trees[i]
}

func (st *Stage) op(i int) *machine.Op { return &st.step.man.Model.Stages[st.Number].Ops[i] }

// Roots are the roots of all tensors.
func (st *Stage) Roots() []merkle.Hash {
	out := make([]merkle.Hash, len(st.Tensors))
	for i := range out {
		out[i] = st.Tree(i).Root()
	}
	return out
}

// Leaf is leaf i of tensor index, padded.
func (st *Stage) Leaf(index int, i uint64) []byte {
	return leaves(st.Tensors[index].Bytes(0, st.Tensors[index].Len()), int(st.op(index).Leaf), i, i+1)
}

// leaves cuts whole leaves [a, b) out of bytes, zero-padded.
func leaves(b []byte, leaf int, from, to uint64) []byte {
	out := make([]byte, (to-from)*uint64(leaf))
	if lo := from * uint64(leaf); lo < uint64(len(b)) {
		copy(out, b[lo:])
	}
	return out
}

// grammarTree is the tree over the token table of the request.
func (s *Step) grammarTree() *merkle.Wide {
	if s.grammar == nil {
		s.grammar = merkle.NewWide(s.Ctx.GrammarTable)
	}
	return s.grammar
}

// Opening is a range of leaves with the siblings that lead to its root.
type Opening struct {
	Leaves   []byte
	Siblings []merkle.Hash
}

// Open opens the leaves that cover a read of an operation of this stage. Weights of a private model are opened to
// nobody: each leaf has its own salt, which who is to check the opening does not have. The error matches ErrTrace.
// SPEC 02 §3, 10 §8.5.
func (st *Stage) Open(d *opset.Descriptor, tensorIndex int, r opset.Read) (Opening, error) {
	a, b := r.Leaves()
	switch r.Kind {
	case opset.Tensor:
		x := st.Tensors[r.Index]
		return Opening{leaves(x.Bytes(0, x.Len()), r.Leaf, a, b), st.Tree(int(r.Index)).Siblings(0, a, b)}, nil
	case opset.RootA, opset.RootB:
		if st.step.man.Class == manifest.Private {
			return Opening{}, fmt.Errorf("%w: weights of a private model, by %s", ErrTrace, d.Op)
		}
		o := st.op(tensorIndex)
		w := o.A
		if r.Kind == opset.RootB {
			w = o.B
		}
		return openBytes(st.step.man.Hasher(), w.Bytes(0, w.Len()), r.Leaf, a, b), nil
	case opset.KV:
		return st.step.openKV(r)
	case opset.Prompt:
		if !st.step.Token() {
			x := st.step.bounds[0]
			return openBytes(st.step.man.Hasher(), x.Bytes(0, x.Len()), r.Leaf, a, b), nil
		}
		return openPrompt(st.step.Job.Prompt, st.step.Job.Salt, r), nil
	case opset.Stop:
		return openBytes(merkle.Leaf, IDBytes(st.step.Job.StopIDs), r.Leaf, a, b), nil
	case opset.Counts:
		c := st.step.Counts()
		return Opening{c.Leaves(a, b), c.Siblings(a, b)}, nil
	case opset.Strings:
		return openBytes(merkle.Leaf, st.step.Job.Sampler.StopTable(), r.Leaf, a, b), nil
	case opset.Grammar:
		w := st.step.grammarTree()
		return Opening{w.Leaves(a, b), w.Siblings(a, b)}, nil
	case opset.Bias:
		c := BiasTree(st.step.Job.Sampler.Bias)
		return Opening{c.Leaves(a, b), c.Siblings(a, b)}, nil
	}
	return Opening{}, fmt.Errorf("%w: source kind %d of %s", ErrTrace, r.Kind, d.Op)
}

func openBytes(hash merkle.Hasher, data []byte, leaf int, a, b uint64) Opening {
	return Opening{leaves(data, leaf, a, b), hash.Tree(leaf, data).Siblings(0, a, b)}
}

// openKV opens row pieces of one earlier position in KV_{t-1}.
func (s *Step) openKV(r opset.Read) (Opening, error) {
	a, b := r.Leaves()
	per := uint64(1) << s.man.PositionDepth()
	p := a / per
	if p >= uint64(s.Ctx.T) || (b-1)/per != p {
		return Opening{}, fmt.Errorf("%w: KV leaves [%d,%d) at step %d", ErrTrace, a, b, s.Ctx.T)
	}
	sib := append(s.positionTree(int(p)).Siblings(0, a-p*per, b-p*per), s.kvBefore().Siblings(0, p, p+1)...)
	return Opening{s.kvLeaves(p, a-p*per, b-p*per), sib}, nil
}

// kvLeaves are the bytes of row pieces [a, b) of a position.
func (s *Step) kvLeaves(p, a, b uint64) []byte {
	out := make([]byte, 0, (b-a)*opset.KVLeafBytes)
	per := uint64(1) << s.man.DRow
	for q := a; q < b; q++ {
		layer, isV := q/per/2, q/per%2
		rows := s.cache.K
		if isV == 1 {
			rows = s.cache.V
		}
		row := tensor.Tensor{Type: tensor.I16, I16: rows[layer][int(p)*s.cache.DKV:][:s.cache.DKV], Shape: [3]int{1, 1, s.cache.DKV}}
		out = append(out, leaves(row.Bytes(0, s.cache.DKV), opset.KVLeafBytes, q%per, q%per+1)...)
	}
	return out
}

// Fetch supplies reads of tensor index of this stage as opset.Element wants them.
func (st *Stage) Fetch(index int) opset.Fetch {
	d := &st.op(index).Descriptor
	return func(r opset.Read) ([]byte, error) {
		o, err := st.Open(d, index, r)
		if err != nil {
			return nil, err
		}
		return r.Trim(o.Leaves)
	}
}
