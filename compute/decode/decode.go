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

// ErrCut is what the consumer of ids says to end an answer before the id that it is offered.
var ErrCut = errors.New("the answer is cut off")

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
	Cut         uint32 // ids after which the user ended the answer; 0: never. SPEC 05 §2.5
	// Salt is what the request hides the ids of its prompt with where they are committed to, zero if it is
	// public. No answer depends on it. SPEC 06 §3.8.
	Salt [32]byte
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
	if (j.Sampler.Counts() || len(j.Sampler.Bias) > 0) && !draws(m, opset.Penalise) {
		return fmt.Errorf("%w: the model has no penalties and no bias; import it again", ErrJob)
	}
	if err := j.checkGrammar(m); err != nil {
		return err
	}
	if n := len(j.Sampler.Bias); n > 0 && int(j.Sampler.Bias[n-1].ID) >= m.Vocab {
		return fmt.Errorf("%w: a bias of id %d, the vocabulary has %d", ErrJob, j.Sampler.Bias[n-1].ID, m.Vocab)
	}
	for i, id := range j.Prompt {
		if id < 0 || int(id) >= m.Vocab {
			return fmt.Errorf("%w: prompt id %d at %d, the vocabulary has %d", ErrJob, id, i, m.Vocab)
		}
	}
	return nil
}

// checkGrammar says whether the model can keep to the grammar of the job, if it has one.
func (j *Job) checkGrammar(m *model.Model) error {
	switch {
	case j.Sampler.Grammar == nil:
		return nil
	case !draws(m, opset.Mask):
		return fmt.Errorf("%w: the model knows no grammars; import it again", ErrJob)
	case len(j.StopIDs) == 0:
		return fmt.Errorf("%w: an answer that keeps to a grammar ends with a stop id, and there is none", ErrJob)
	}
	return nil
}

// draws says whether the logits of a model pass through an operation: those of models that were imported
// before there was one do not. Of a model of which only the outline is at hand nothing is known: the job is
// checked again when the whole is.
func draws(m *model.Model, op opset.Code) bool {
	if len(m.Stages) == 0 {
		return true
	}
	for i := range m.Stages[m.Layers+1].Ops {
		if m.Stages[m.Layers+1].Ops[i].Op == op {
			return true
		}
	}
	return false
}

// Hooks see a run; every field may be nil.
type Hooks struct {
	// Tensor is called for each tensor of each stage as soon as it is computed and may change it:
	// what follows is computed from what it leaves. With it, stages materialise every tensor.
	Tensor func(stage int, c *opset.Context, index int, x *tensor.Tensor)
	// Step is called when step t is complete; the cache holds the rows of positions 0..t.
	Step func(t int, y Yield, cache *machine.Cache)
}

// Yield is what a step yields beside rows.
type Yield struct {
	Y    int32  // y_t
	F    int32  // f_t
	Stop uint32 // state of the stop strings, 0 without them and in the prompt

	Grammar uint32 // state of the grammar, 0 without one and in the prompt
}

// Run is one generation. It is not safe for concurrent use.
type Run struct {
	m         *model.Model
	job       Job
	hooks     Hooks
	ctx       opset.Context
	cache     *machine.Cache
	positions int // that the run may reach; the cache grows with it
	pass      Pass
	t         int // next step
	yPrev     int32
	stop      uint32 // state of the stop strings after the last step
	grammar   uint32 // that of the grammar
	f         int32
	out       []int32
	work      Work
	// Logits, when set, receives the head's int32 logits at each EMIT step, valid during the call.
	Logits func(t int, logits []int32)
	// Draft, when set, guesses the ids that follow prompt and output, most at most. A pass computes
	// the positions of its guesses too and keeps those that were drawn: what comes out is the same,
	// whatever is guessed. SPEC 05 §3.3.
	Draft func(output []int32, most int) []int32
}

// Work is what a run has cost so far.
type Work struct {
	Passes    int // walks over the weights
	Positions int // positions computed
	Adopted   int // positions whose rows were there already
	Drafted   int // guessed ids that were fed
	Accepted  int // those of them that were drawn
}

// cacheStep is the number of positions behind the prompt that a cache begins with.
const cacheStep = 64

// reserve makes room for position t: half as much again where there is not enough, so that rows are moved
// few times, and no more than the run may reach. Who asks for many tokens and gets few takes the memory of
// few.
func (r *Run) reserve(t int) {
	if have := r.cache.Positions(); t >= have {
		r.cache.Grow(min(r.positions, max(t+1, have+have/2)))
	}
}

// New prepares a run; the split may be nil.
func New(m *model.Model, job Job, split machine.Split, hooks Hooks) (*Run, error) {
	if err := job.Check(m); err != nil {
		return nil, err
	}
	if g := job.Sampler.Grammar; g != nil && g.Table == nil {
		return nil, fmt.Errorf("%w: the grammar is not bound to the tokens of the model", ErrJob)
	}
	n := min(m.TMax, len(job.Prompt)+int(job.MaxNew))
	r := &Run{m: m, job: job, hooks: hooks, yPrev: job.Prompt[0], cache: machine.NewCache(m.Layers, min(n, len(job.Prompt)+cacheStep), m.DKV), positions: n}
	r.ctx = Context(m, &job)
	r.pass.Split = split
	return r, nil
}

// Context is the part of the operations' context that does not change from step to step.
func Context(m *model.Model, job *Job) opset.Context {
	c := opset.Context{
		M: uint32(len(job.Prompt)), MaxNew: job.MaxNew, TMax: uint32(m.TMax), Temperature: job.Temperature,
		Seed: job.Seed, StopCount: uint8(len(job.StopIDs)), Prompt: job.Prompt, StopIDs: job.StopIDs,
		TopK: job.Sampler.TopK, TopP: job.Sampler.TopP, MinP: job.Sampler.MinP, Repetition: job.Sampler.Repetition,
		Presence: job.Sampler.Presence, Frequency: job.Sampler.Frequency, Biased: len(job.Sampler.Bias) > 0, Biases: job.Sampler.Bias,
		StopLens: job.Sampler.StopLengths(), StopTable: job.Sampler.StopTable(),
	}
	if g := job.Sampler.Grammar; g != nil {
		c.Grammared, c.GrammarTable = true, g.Table
	}
	return c
}

// Done says whether the answer is complete, or ended where its user ended it.
func (r *Run) Done() bool { return r.Finish() != opset.FinishRun }

// Finish is the finish code, 0 while running.
func (r *Run) Finish() int32 {
	if r.f == opset.FinishRun && r.job.Cut > 0 && len(r.out) >= int(r.job.Cut) {
		return opset.FinishCancelled
	}
	return r.f
}

// Output are the ids produced so far; the run owns them.
func (r *Run) Output() []int32 { return r.out }

// Next is the step that Advance takes first.
func (r *Run) Next() int { return r.t }

// Cache is the KV cache; rows below Next are valid.
func (r *Run) Cache() *machine.Cache { return r.cache }

// Work is what the run has cost so far.
func (r *Run) Work() Work { return r.work }

// Observe makes f the Hooks.Tensor of what follows.
func (r *Run) Observe(f func(stage int, c *opset.Context, index int, x *tensor.Tensor)) {
	r.hooks.Tensor = f
}

// Known is the Draft of somebody who thinks to know the whole output; after the first id that is
// not the claimed one it is silent until both agree again.
func Known(output []int32) func(output []int32, most int) []int32 {
	fed := output[:max(0, len(output)-1)] // the last id is not fed
	return func(out []int32, _ int) []int32 {
		if n := len(out); n == 0 || n < len(fed) && out[n-1] == fed[n-1] {
			return fed[n:]
		}
		return nil
	}
}

// Adopt takes the rows of positions 0..n-1 as they stand in the cache and ends their steps, all of
// the prompt: whoever put them there knows them to be those of this model after these ids. It is
// for a run that has not begun; the last position of the prompt is always computed.
func (r *Run) Adopt(n int) error {
	if r.t != 0 || n < 0 || n >= len(r.job.Prompt) {
		return fmt.Errorf("%w: rows of %d positions at step %d, the prompt has %d ids", ErrJob, n, r.t, len(r.job.Prompt))
	}
	r.work.Adopted = n
	for t := range n {
		r.complete(t, Yield{Y: r.job.Prompt[t+1]})
	}
	return nil
}

// Advance takes up to batch steps at once: prompt positions, one step that draws, and the steps
// behind it whose inputs Draft guessed. It does nothing when the run is done.
func (r *Run) Advance(batch int) error { return r.pass.Advance([]*Run{r}, batch) }

// at is the context of step t, all of whose inputs but y of a drawn token are the prompt's.
func (r *Run) at(t int) opset.Context {
	c := r.ctx
	c.T = uint32(t)
	c.YPrev, c.StopState, c.GrammarState = r.yPrev, r.stop, r.grammar
	if t < len(r.job.Prompt) {
		c.YPrev = r.job.Prompt[t]
	}
	if c.Counted() {
		c.Drawn = r.out
	}
	return c
}

// block are the contexts of the next steps: those whose inputs are known, and those after a guess.
func (r *Run) block(batch int) []opset.Context {
	m, end := len(r.job.Prompt), min(r.positions, len(r.job.Prompt)+int(r.job.MaxNew)-1)
	n := max(1, min(batch, end-r.t))
	c := make([]opset.Context, 0, n)
	for t := r.t; len(c) == 0 || len(c) < n && t < m; t++ {
		c = append(c, r.at(t))
	}
	if r.Draft == nil || len(c) == n {
		return c
	}
	guess := r.Draft(r.out, n-len(c))
	drawn := r.out[:len(r.out):len(r.out)] // guesses count as drawn for those behind them
	for _, id := range guess[:min(len(guess), n-len(c))] {
		if id < 0 || int(id) >= r.m.Vocab {
			break
		}
		next := r.at(r.t + len(c))
		last := &c[len(c)-1]
		next.YPrev, next.StopState, next.GrammarState = id, r.head().NextStop(last, id), r.head().NextGrammar(last, id)
		if next.Counted() {
			drawn = append(drawn, id)
			next.Drawn = drawn
		}
		c = append(c, next)
		r.work.Drafted++
	}
	return c
}

// head is the stage that draws.
func (r *Run) head() *machine.Stage { return &r.m.Stages[r.m.Layers+1] }

// complete ends step t.
func (r *Run) complete(t int, y Yield) {
	r.yPrev, r.f, r.stop, r.grammar, r.t = y.Y, y.F, y.Stop, y.Grammar, t+1
	if r.hooks.Step != nil {
		r.hooks.Step(t, y, r.cache)
	}
}

// emit ends the EMIT step of c from the head's tensors and says whether the step of next, if there
// is one, was computed from what came out.
func (r *Run) emit(c *opset.Context, t []*tensor.Tensor, next *opset.Context) bool {
	n := len(t)
	y := Yield{t[n-2].I32[0], t[n-1].I32[0], uint32(t[n-3].I32[0]), uint32(t[n-4].I32[0])}
	r.out = append(r.out, y.Y)
	if r.Logits != nil {
		r.Logits(int(c.T), r.logits(r.m.Layers+1, t))
	}
	r.complete(int(c.T), y)
	good := next != nil && !r.Done() && next.YPrev == y.Y && next.StopState == y.Stop &&
		next.GrammarState == y.Grammar
	if good {
		r.work.Accepted++
	}
	return good
}

// logits are those of the model, before penalties, bias and grammar.
func (r *Run) logits(s int, t []*tensor.Tensor) []int32 {
	for i := range r.m.Stages[s].Ops {
		if o := &r.m.Stages[s].Ops[i]; o.Op == opset.ArgKey {
			x := o.Src[0].Index
			for before := &r.m.Stages[s].Ops[x]; before.Op == opset.Penalise || before.Op == opset.Mask; before = &r.m.Stages[s].Ops[x] {
				x = before.Src[0].Index
			}
			return t[x].I32
		}
	}
	return nil
}

// LogitBits are the fraction bits of logits: they are natural-log units in Q16. SPEC 04 §2.
const LogitBits = 16

// Teacher feeds ids, some at a time, whatever the model would draw, and hands the logits after each
// position to visit, in order: the program of a claim, its head run at every position. The slice is
// valid during the call.
func Teacher(m *model.Model, ids []int32, split machine.Split, visit func(t int, logits []int32)) error {
	return blocks(m, ids, split, func(r *Run, first int, c []opset.Context) error {
		p := &r.pass
		for lo := 0; lo < len(c); lo += headsAtOnce {
			hi := min(len(c), lo+headsAtOnce)
			p.stage(&p.heads, m.Layers+1, p.ctx[lo:hi], p.x[lo:hi], p.kv[lo:hi])
			for i := lo; i < hi; i++ {
				visit(first+i, r.logits(m.Layers+1, p.heads.TensorsAt(i-lo)))
			}
		}
		return nil
	})
}
