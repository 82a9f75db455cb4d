package decode

import (
	"fmt"

	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Pass is a walk over the weights for positions of one run or of several; it owns the memory that
// they need. The zero value is of one thread. It is not safe for concurrent use.
type Pass struct {
	Split machine.Split // nil: one thread

	m       *model.Model
	see     func(stage int, c *opset.Context, index int, x *tensor.Tensor)
	body    machine.Workspace
	heads   machine.Workspace
	runs    []*Run // of each position, as the three below
	ctx     []opset.Context
	kv      []*machine.Cache
	x       []*tensor.Tensor
	emits   []int // positions whose step draws
	refused map[*Run]bool
}

// headsAtOnce bounds the memory of heads: each position of one has tensors of the vocabulary.
const headsAtOnce = 16

// Advance advances runs of one model together, each by up to batch steps; see Run.Advance. Runs that
// are observed (Hooks.Tensor) go alone.
func (p *Pass) Advance(runs []*Run, batch int) error {
	if len(runs) == 0 {
		return nil
	}
	p.begin(runs[0].m, runs[0].hooks.Tensor)
	defer p.forget()
	for _, r := range runs {
		if r.m != p.m || len(runs) > 1 && r.hooks.Tensor != nil {
			return fmt.Errorf("%w: runs of different models, or observed ones, in one pass", ErrJob)
		}
		if r.Done() {
			continue
		}
		if r.t >= r.positions {
			return fmt.Errorf("%w: position %d is beyond the cache", ErrJob, r.t)
		}
		p.add(r, r.block(batch))
		r.work.Passes++
	}
	if len(p.ctx) == 0 {
		return nil
	}
	p.layers()
	p.absorb()
	p.emit()
	return nil
}

// begin forgets the last pass.
func (p *Pass) begin(m *model.Model, see func(int, *opset.Context, int, *tensor.Tensor)) {
	p.m, p.see = m, see
	p.runs, p.ctx, p.kv, p.emits, p.refused = p.runs[:0], p.ctx[:0], p.kv[:0], p.emits[:0], map[*Run]bool{}
	p.body.Split, p.heads.Split = p.Split, p.Split
}

// forget lets go of the runs of the pass, whose rows may be all that somebody waits for.
func (p *Pass) forget() {
	clear(p.runs)
	clear(p.ctx)
	clear(p.kv)
	p.refused = nil
}

// add takes steps of a run into the pass.
func (p *Pass) add(r *Run, c []opset.Context) {
	r.work.Positions += len(c)
	r.reserve(int(c[len(c)-1].T))
	for i := range c {
		if c[i].T+1 >= c[i].M {
			p.emits = append(p.emits, len(p.ctx))
		}
		p.runs, p.ctx, p.kv = append(p.runs, r), append(p.ctx, c[i]), append(p.kv, r.cache)
	}
}

// layers runs embed and layers, stage by stage over all positions.
func (p *Pass) layers() {
	for len(p.x) < len(p.ctx) {
		p.x = append(p.x, nil)
	}
	in := make([]*tensor.Tensor, len(p.ctx))
	for i := range p.ctx {
		in[i] = model.TokenInput(p.ctx[i].YPrev)
	}
	for s := range p.m.Layers + 1 {
		for i, x := range p.stage(&p.body, s, p.ctx, in, p.kv) {
			p.keep(i, x)
		}
		copy(in, p.x)
	}
}

// keep copies a stage's output out of the workspace.
func (p *Pass) keep(i int, x *tensor.Tensor) {
	if p.x[i] == nil || len(p.x[i].I32) != len(x.I32) {
		p.x[i] = tensor.New(tensor.I32, x.Shape[:]...)
	}
	copy(p.x[i].I32, x.I32)
}

type observer struct {
	stage int
	f     func(stage int, c *opset.Context, index int, x *tensor.Tensor)
}

func (o observer) Tensor(c *opset.Context, index int, x *tensor.Tensor) { o.f(o.stage, c, index, x) }

func (p *Pass) stage(w *machine.Workspace, s int, c []opset.Context, in []*tensor.Tensor, kv []*machine.Cache) []*tensor.Tensor {
	w.Observer = nil
	if p.see != nil {
		w.Observer = observer{s, p.see}
	}
	return w.RunCaches(&p.m.Stages[s], c, in, kv)
}

// absorb ends the steps that draw nothing.
func (p *Pass) absorb() {
	for i, r := range p.runs {
		if c := &p.ctx[i]; c.T+1 < c.M {
			last := p.stage(&p.heads, p.m.Layers+2, p.ctx[i:i+1], p.x[i:i+1], p.kv[i:i+1])
			r.complete(int(c.T), Yield{Y: last[0].I32[0]})
		}
	}
}

// emit draws, step by step: the first token of a run that is not the one guessed ends its part.
func (p *Pass) emit() {
	for at := p.emits; len(at) > 0; {
		var c []opset.Context
		var in []*tensor.Tensor
		var kv []*machine.Cache
		var who []int
		for ; len(at) > 0 && len(who) < headsAtOnce; at = at[1:] {
			if i := at[0]; !p.refused[p.runs[i]] {
				c, in, kv, who = append(c, p.ctx[i]), append(in, p.x[i]), append(kv, p.kv[i]), append(who, i)
			}
		}
		if len(who) == 0 {
			return
		}
		p.stage(&p.heads, p.m.Layers+1, c, in, kv)
		for k, i := range who {
			if r := p.runs[i]; !p.refused[r] {
				p.refused[r] = !r.emit(&p.ctx[i], p.heads.TensorsAt(k), p.next(i))
			}
		}
	}
}

// next is the context of the same run that follows position i of the pass, nil if there is none.
func (p *Pass) next(i int) *opset.Context {
	if i+1 < len(p.runs) && p.runs[i+1] == p.runs[i] {
		return &p.ctx[i+1]
	}
	return nil
}
