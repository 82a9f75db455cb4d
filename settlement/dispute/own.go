package dispute

import (
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
)

// Own is the Knowledge of a player that holds the model: it keeps the states of a run and replays
// the one step that is disputed. It is not safe for concurrent use.
type Own struct {
	man    *manifest.Manifest
	job    decode.Job
	answer *trace.Answer
	count  uint32
	replay func(t int) (*trace.Step, error)
	at     uint32
	step   *trace.Step
}

// NewOwn is the knowledge of a run of a token model, for a claim of count outputs. replay runs the
// job again up to a step; nil means trace.Replay without tamper.
func NewOwn(man *manifest.Manifest, job decode.Job, answer *trace.Answer, count uint32, replay func(t int) (*trace.Step, error)) *Own {
	if replay == nil {
		replay = func(t int) (*trace.Step, error) { return trace.Replay(man, job, t, nil, nil, nil, nil) }
	}
	return &Own{man: man, job: job, answer: answer, count: count, replay: replay}
}

// NewOwnGraph is the knowledge of a run of a graph model.
func NewOwnGraph(man *manifest.Manifest, run *trace.Step) *Own { return &Own{man: man, step: run} }

// States is the tree over the own states, cut or padded to the claim's count.
func (o *Own) States() (Tree, error) {
	if o.answer == nil {
		return nil, fmt.Errorf("%w: a graph model has no states", ErrStuck)
	}
	n := len(o.job.Prompt) + int(o.count) - 1
	hashes := make([]Hash, n)
	copy(hashes, o.answer.Hashes[1:])
	return merkle.NewTree(hashes, merkle.Depth(uint64(n)), 0), nil
}

// Outputs are the own output ids, cut or padded to the claim's count.
func (o *Own) Outputs() (Tree, []byte, error) {
	if o.answer == nil {
		return nil, nil, fmt.Errorf("%w: a graph model has no output ids", ErrStuck)
	}
	ids := make([]int32, o.count)
	copy(ids, o.answer.Outputs)
	data := padTo(trace.IDBytes(ids), opset.LeafBytes)
	return merkle.BytesTree(opset.LeafBytes, data), data, nil
}

// Prompt is leaf 0 of the prompt ids and its siblings.
func (o *Own) Prompt() ([]byte, []Hash, error) {
	if o.answer == nil {
		return nil, nil, fmt.Errorf("%w: a graph model has no prompt ids", ErrStuck)
	}
	leaf := padTo(trace.PromptLeaves(o.job.Prompt, o.job.Salt), opset.LeafBytes)[:opset.LeafBytes]
	return leaf, trace.PromptTree(o.job.Prompt, o.job.Salt).Siblings(0, 0, 1), nil
}

// Preimage is what the own S_t hashes.
func (o *Own) Preimage(t int64) (Preimage, error) {
	if o.answer == nil || t < -1 || t+1 >= int64(len(o.answer.States)) {
		return Preimage{}, fmt.Errorf("%w: the own run has no state %d", ErrStuck, t)
	}
	s := o.answer.States[t+1]
	return Preimage{Y: s.Y, F: s.F, KV: s.KV, Aux: s.Aux, Previous: s.Prev}, nil
}

// Lists are those of the job.
func (o *Own) Lists() (claim.Lists, error) { return trace.Lists(&o.job.Sampler), nil }

// Recall is what the own states remember around step t.
func (o *Own) Recall(t uint32) (r Recall, err error) {
	if o.answer == nil || o.answer.Memories == nil {
		return r, nil
	}
	if int(t)+1 >= len(o.answer.Memories) {
		return r, fmt.Errorf("%w: the own run has no state %d", ErrStuck, t)
	}
	before, after := o.answer.Memories[t], o.answer.Memories[t+1]
	r.Stop, r.Grammar = [2]uint32{before.Stop, after.Stop}, [2]Hash{before.Grammar, after.Grammar}
	if o.job.Sampler.Counts() {
		leaf := uint64(o.answer.States[t+1].Y / countsPerLeaf)
		table := o.counts(int(t))
		r.CountLeaf, r.CountPath = table.Leaves(leaf, leaf+1), table.Siblings(leaf, leaf+1)
	}
	return r, nil
}

// counts is the count tree of the own S_{t-1}.
func (o *Own) counts(t int) *merkle.Table {
	read, drawn := o.job.Prompt[:min(len(o.job.Prompt), t+1)], []int32(nil)
	for _, s := range o.answer.States[min(len(read), t+1) : t+1] {
		drawn = append(drawn, int32(s.Y))
	}
	return trace.CountTable(read, drawn)
}

// Step replays step t; the latest one is kept.
func (o *Own) Step(t uint32) (Step, error) {
	if o.step == nil || o.answer != nil && o.at != t {
		s, err := o.replay(int(t))
		if err != nil {
			return nil, err
		}
		o.step, o.at = s, t
	}
	return ownStep{o.man, o.step}, nil
}

type ownStep struct {
	man  *manifest.Manifest
	step *trace.Step
}

func (s ownStep) Boundaries() ([]Hash, error) { return s.step.Boundaries(), nil }
func (s ownStep) Rows() ([]Hash, error)       { return s.step.Rows(), nil }
func (s ownStep) Append() (Hash, []Hash, error) {
	return s.step.PositionLeaf(), s.step.KVSiblings(), nil
}

func (s ownStep) Stage(n int) (Trace, error) {
	st, err := s.step.Stage(n)
	return ownTrace{s.man, st}, err
}

type ownTrace struct {
	man   *manifest.Manifest
	stage *trace.Stage
}

func (t ownTrace) Descriptors() ([]opset.Descriptor, [][]Hash, error) {
	n := len(t.stage.Tensors)
	ds, paths := make([]opset.Descriptor, n), make([][]Hash, n)
	for i := range ds {
		var err error
		if ds[i], paths[i], err = t.man.Descriptor(t.stage.Number, i); err != nil {
			return nil, nil, err
		}
	}
	return ds, paths, nil
}

func (t ownTrace) Roots() ([]Hash, error) { return t.stage.Roots(), nil }

func (t ownTrace) Tensor(i int) (Tree, []byte, error) {
	if i < 0 || i >= len(t.stage.Tensors) {
		return nil, nil, fmt.Errorf("%w: stage %d has no tensor %d", ErrStuck, t.stage.Number, i)
	}
	x := t.stage.Tensors[i]
	d, _, err := t.man.Descriptor(t.stage.Number, i)
	return t.stage.Tree(i), padTo(x.Bytes(0, x.Len()), int(d.Leaf)), err
}

func (t ownTrace) Source(d *opset.Descriptor, r opset.Read) ([]byte, []Hash, error) {
	for i := range t.stage.Tensors {
		if own, _, err := t.man.Descriptor(t.stage.Number, i); err == nil && own == *d {
			o, err := t.stage.Open(d, i, r)
			return o.Leaves, o.Siblings, err
		}
	}
	return nil, nil, fmt.Errorf("%w: stage %d has no operation %s of that form", ErrStuck, t.stage.Number, d.Op)
}

// padTo pads bytes with zeros to whole leaves, at least one.
func padTo(b []byte, leaf int) []byte {
	out := make([]byte, merkle.Leaves(uint64(len(b)), leaf)*uint64(leaf))
	copy(out, b)
	return out
}
