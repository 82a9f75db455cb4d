// Package decode turns a prompt into an answer, step by step.
//
// It stands at the top of the compute floor: step t feeds y_{t-1} at position t through embed,
// layers and head, and yields y_t and f_t. Prompt positions may be taken several at a time; sums
// are exact, so the grouping changes no bit. Commitments are made by whoever listens to Hooks.
// SPEC 05, 06 §3.
//
//	r, err := decode.New(m, decode.Job{Prompt: ids, MaxNew: 64})
//	for !r.Done() {
//		err = r.Advance(1)
//	}
package decode

import (
	"errors"
	"fmt"

	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// ErrJob marks a request that the model cannot run.
var ErrJob = errors.New("request does not fit the model")

// MaxTemperature is the highest temperature, 2.0 in Q16.
const MaxTemperature = 2 << 16

// Job is what a request fixes of a generation.
type Job struct {
	Prompt      []int32
	StopIDs     []int32
	MaxNew      uint32
	Temperature uint32 // Q16, 0 is greedy
	Seed        uint64
	Sampler     Sampler
}

// Check says whether the model can run the job; the error names the value and the limit.
func (j *Job) Check(m *model.Model) error {
	switch {
	case m.Kind != model.KindToken:
		return fmt.Errorf("%w: a graph model has no tokens", ErrJob)
	case len(j.Prompt) < 1 || len(j.Prompt) > m.TMax:
		return fmt.Errorf("%w: prompt of %d tokens, want 1..%d", ErrJob, len(j.Prompt), m.TMax)
	case j.MaxNew < 1 || j.MaxNew > 1<<20:
		return fmt.Errorf("%w: max new tokens %d, want 1..%d", ErrJob, j.MaxNew, 1<<20)
	case j.Temperature > MaxTemperature:
		return fmt.Errorf("%w: temperature %d/65536 is above 2", ErrJob, j.Temperature)
	case len(j.StopIDs) > opset.MaxStop:
		return fmt.Errorf("%w: %d stop ids, at most %d", ErrJob, len(j.StopIDs), opset.MaxStop)
	}
	if err := j.Sampler.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrJob, err)
	}
	for i, id := range j.Prompt {
		if id < 0 || int(id) >= m.Vocab {
			return fmt.Errorf("%w: prompt id %d at %d, the vocabulary has %d", ErrJob, id, i, m.Vocab)
		}
	}
	return nil
}

// Hooks see a run; every field may be nil.
type Hooks struct {
	// Tensor is called for each tensor of each stage as soon as it is computed and may change it:
	// what follows is computed from what it leaves. With it, stages materialise every tensor.
	Tensor func(stage int, c *opset.Context, index int, x *tensor.Tensor)
	// Step is called when step t is complete; the cache holds the rows of positions 0..t.
	Step func(t int, y, f int32, cache *machine.Cache)
}

// Run is one generation. It is not safe for concurrent use.
type Run struct {
	m     *model.Model
	job   Job
	hooks Hooks
	ctx   opset.Context
	cache *machine.Cache
	work  machine.Workspace
	t     int // next step
	yPrev int32
	f     int32
	out   []int32
	x     []*tensor.Tensor
	// Logits, when set, receives the head's int32 logits at each EMIT step, valid during the call.
	Logits func(t int, logits []int32)
}

// New prepares a run; the split may be nil.
func New(m *model.Model, job Job, split machine.Split, hooks Hooks) (*Run, error) {
	if err := job.Check(m); err != nil {
		return nil, err
	}
	n := min(m.TMax, len(job.Prompt)+int(job.MaxNew))
	r := &Run{m: m, job: job, hooks: hooks, yPrev: job.Prompt[0], cache: machine.NewCache(m.Layers, n, m.DKV)}
	r.ctx = Context(m, &job)
	r.work.Split = split
	return r, nil
}

// Context is the part of the operations' context that does not change from step to step.
func Context(m *model.Model, job *Job) opset.Context {
	return opset.Context{
		M: uint32(len(job.Prompt)), MaxNew: job.MaxNew, TMax: uint32(m.TMax), Temperature: job.Temperature,
		Seed: job.Seed, StopCount: uint8(len(job.StopIDs)), Prompt: job.Prompt, StopIDs: job.StopIDs,
		TopK: job.Sampler.TopK, TopP: job.Sampler.TopP, MinP: job.Sampler.MinP,
	}
}

// Done says whether the answer is complete.
func (r *Run) Done() bool { return r.f != opset.FinishRun }

// Finish is the finish code, 0 while running.
func (r *Run) Finish() int32 { return r.f }

// Output are the ids produced so far; the run owns them.
func (r *Run) Output() []int32 { return r.out }

// Next is the step that Advance takes first.
func (r *Run) Next() int { return r.t }

// Cache is the KV cache; rows below Next are valid.
func (r *Run) Cache() *machine.Cache { return r.cache }

// Advance takes up to batch steps at once: as many prompt positions as are left below it, or one
// step that draws. It does nothing when the run is done.
func (r *Run) Advance(batch int) error {
	if r.Done() {
		return nil
	}
	n := max(1, min(batch, len(r.job.Prompt)-1-r.t))
	ctx := make([]opset.Context, n)
	for i := range ctx {
		ctx[i] = r.at(r.t + i)
	}
	if err := r.layers(ctx); err != nil {
		return err
	}
	for i := range ctx {
		r.head(&ctx[i], r.x[i])
	}
	return nil
}

// at is the context of step t, all of whose inputs but y of a drawn token are the prompt's.
func (r *Run) at(t int) opset.Context {
	c := r.ctx
	c.T = uint32(t)
	c.YPrev = r.yPrev
	if t < len(r.job.Prompt) {
		c.YPrev = r.job.Prompt[t]
	}
	return c
}

// layers runs embed and layers, stage by stage over all positions of the batch.
func (r *Run) layers(ctx []opset.Context) error {
	if last := int(ctx[len(ctx)-1].T); (last+1)*r.m.DKV > len(r.cache.K[0]) {
		return fmt.Errorf("%w: position %d is beyond the cache", ErrJob, last)
	}
	for len(r.x) < len(ctx) {
		r.x = append(r.x, nil)
	}
	in := make([]*tensor.Tensor, len(ctx))
	for i := range ctx {
		in[i] = model.TokenInput(ctx[i].YPrev)
	}
	for s := range r.m.Layers + 1 {
		for i, x := range r.batch(s, ctx, in) {
			r.keep(i, x)
		}
		copy(in, r.x)
	}
	return nil
}

// keep copies a stage's output out of the workspace.
func (r *Run) keep(i int, x *tensor.Tensor) {
	if r.x[i] == nil || len(r.x[i].I32) != len(x.I32) {
		r.x[i] = tensor.New(tensor.I32, x.Shape[:]...)
	}
	copy(r.x[i].I32, x.I32)
}

type observer struct {
	stage int
	f     func(stage int, c *opset.Context, index int, x *tensor.Tensor)
}

func (o observer) Tensor(c *opset.Context, index int, x *tensor.Tensor) { o.f(o.stage, c, index, x) }

func (r *Run) stage(s int, c *opset.Context, in *tensor.Tensor) *tensor.Tensor {
	return r.batch(s, []opset.Context{*c}, []*tensor.Tensor{in})[0]
}

// batch runs a stage over positions that follow each other.
func (r *Run) batch(s int, c []opset.Context, in []*tensor.Tensor) []*tensor.Tensor {
	r.work.Observer = nil
	if r.hooks.Tensor != nil {
		r.work.Observer = observer{s, r.hooks.Tensor}
	}
	return r.work.RunBatch(&r.m.Stages[s], c, in, r.cache)
}

// head completes step c.T from the last layer's output.
func (r *Run) head(c *opset.Context, x *tensor.Tensor) {
	s := r.m.Layers + 2
	emit := c.T+1 >= c.M
	if emit {
		s--
	}
	last := r.stage(s, c, x)
	r.yPrev = last.I32[0]
	if emit {
		t := r.work.Tensors()
		r.yPrev, r.f = t[len(t)-2].I32[0], last.I32[0]
		r.out = append(r.out, r.yPrev)
		if r.Logits != nil {
			r.Logits(int(c.T), r.logits(s, t))
		}
	}
	r.t = int(c.T) + 1
	if r.hooks.Step != nil {
		r.hooks.Step(int(c.T), r.yPrev, r.f, r.cache)
	}
}

// logits are what the head takes the greedy key of.
func (r *Run) logits(s int, t []*tensor.Tensor) []int32 {
	for i := range r.m.Stages[s].Ops {
		if o := &r.m.Stages[s].Ops[i]; o.Op == opset.ArgKey {
			return t[o.Src[0].Index].I32
		}
	}
	return nil
}

// LogitBits are the fraction bits of logits: they are natural-log units in Q16. SPEC 04 §2.
const LogitBits = 16

// Teacher feeds ids one after the other, whatever the model would draw, and hands the logits after
// each position to visit: the program of a claim, its head run at every position. The slice is
// valid during the call.
func Teacher(m *model.Model, ids []int32, split machine.Split, visit func(t int, logits []int32)) error {
	r, err := New(m, Job{Prompt: ids, MaxNew: 1}, split, Hooks{})
	if err != nil {
		return err
	}
	for t := range ids {
		c := []opset.Context{r.at(t)}
		if err := r.layers(c); err != nil {
			return err
		}
		r.stage(m.Layers+1, &c[0], r.x[0])
		visit(t, r.logits(m.Layers+1, r.work.Tensors()))
	}
	return nil
}
