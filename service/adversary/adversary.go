// Package adversary is the ordinary node around a false computation: attacks as values.
//
// It stands on the service floor and is used by the demo and by tests, never by a role that earns.
// An attack wraps what a node is given (its computer, its chain, its HTTP face): the node itself is
// the real one, commits honestly to what it did, keeps a complete self-consistent trace and plays
// every move it can. GAME §1 rule 42, SPEC 08 §8.
//
//	a, err := adversary.New("bad-kv", 7)
//	computer := a.Computer(honest)
package adversary

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/engine"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// Names lists the attacks of a node, in the order of the documentation.
func Names() []string {
	return []string{"model-swap", "wrong-token", "truncated", "bad-kv", "needle", "byte", "silent", "biased-sampling", "wrong-penalty", "wrong-stop", "wrong-mask", "withhold",
		"padding", "poisoned-weights", "forged-cancel"}
}

// Refusals lists what a node does about the data of true claims.
func Refusals() []string { return []string{"withheld-data", "garbled-data"} }

// Attack is one way to cheat; the zero value is honest.
type Attack struct {
	Name string
	Seed uint64
	// Step and what follows say where the lie is, once a job ran; for reports.
	Note string
}

// New finds an attack by name.
func New(name string, seed uint64) (*Attack, error) {
	if all := slices.Concat(Names(), Refusals()); !slices.Contains(all, name) {
		return nil, fmt.Errorf("attack %q is none of %s", name, strings.Join(all, ", "))
	}
	return &Attack{Name: name, Seed: seed}, nil
}

// Computer is the interface that nodes compute through.
type Computer interface {
	Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (*trace.Answer, uint8, error)
	Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error)
	Step(job decode.Job, t int, known []int32) (*trace.Step, error)
}

// Computer builds the false computation over an honest one.
func (a *Attack) Computer(honest engine.Computer) Computer {
	c := honest
	switch a.Name {
	case "model-swap":
		c.Manifest = honest.Manifest.With(coarse)
	case "bad-kv":
		c.Tamper = badRow(honest)
	case "needle", "silent", "withhold":
		c.Tamper = needle(honest)
	case "padding":
		c.Tamper = padded(honest)
	case "poisoned-weights":
		c.Manifest = honest.Manifest.With(poison(honest))
	case "truncated":
		c.Tamper = truncate(honest)
	case "biased-sampling":
		c.Tamper = biased(honest)
	case "wrong-penalty":
		c.Tamper = repeats(honest)
	case "wrong-stop":
		c.Tamper = a.misread(honest)
	case "wrong-mask":
		c.Tamper = a.unmask(honest)
	case "byte":
		return a.flipped(honest)
	case "wrong-token":
		return edited{&c, nextID(&c)}
	case "forged-cancel":
		return deserter{&c}
	}
	return &c
}

// coarse keeps the upper four bits of a weight: a 4-bit model under the 8-bit model's name.
func coarse(t *tensor.Tensor) *tensor.Tensor {
	if t.Type != tensor.I8 {
		return t
	}
	out := tensor.New(tensor.I8, t.Shape[:]...)
	for i, w := range t.I8 {
		out.I8[i] = int8(max(-112, min(112, (int(w)+8)>>4<<4)))
	}
	return out
}

// middle is a layer stage in the middle of the model.
func middle(c engine.Computer) int { return 1 + int(c.Manifest.Layers)/2 }

// badRow corrupts the K row that the middle layer writes at the position before the last prompt
// token (or the first): everything later is computed from it.
func badRow(c engine.Computer) trace.Tamper {
	s := middle(c)
	k := int(c.Manifest.Model.Stages[s].Ops[0].P[1])
	return func(stage int, ctx *opset.Context, index int, x *tensor.Tensor) {
		if stage == s && index == k && ctx.T == max(ctx.M, 2)-2 {
			x.I16[len(x.I16)/2] ^= 0x2000
		}
	}
}

// needle changes one coordinate of the residual stream behind the last layer, at the step that
// draws the first token.
func needle(c engine.Computer) trace.Tamper {
	s := int(c.Manifest.Layers)
	last := len(c.Manifest.Model.Stages[s].Ops) - 1
	return func(stage int, ctx *opset.Context, index int, x *tensor.Tensor) {
		if stage == s && index == last && ctx.T+1 == ctx.M {
			x.I32[len(x.I32)/3] = 1 << 27 // 2048.0: the norm sees little else, so the token changes
		}
	}
}

// truncate claims that the answer ended by length after half of the tokens, four at most.
func truncate(c engine.Computer) trace.Tamper {
	s := c.Manifest.Emit()
	f := len(c.Manifest.Model.Stages[s].Ops) - 1
	return func(stage int, ctx *opset.Context, index int, x *tensor.Tensor) {
		if stage == s && index == f && ctx.T+2-ctx.M >= min(4, max(1, ctx.MaxNew/2)) {
			x.I32[0] = opset.FinishLength
		}
	}
}

// biased draws from the tokens that top-p leaves as if those of odd id were not among them, where
// others are: a sampler that prefers its own words.
func biased(c engine.Computer) trace.Tamper {
	s, last := c.Manifest.Emit(), 0
	for i := range c.Manifest.Model.Stages[s].Ops {
		if c.Manifest.Model.Stages[s].Ops[i].Op == opset.Keep {
			last = i
		}
	}
	return func(stage int, _ *opset.Context, index int, x *tensor.Tensor) {
		if stage != s || index != last {
			return
		}
		even := int32(0)
		for id := 0; id < len(x.I32); id += 2 {
			even |= x.I32[id]
		}
		for id := 1; even != 0 && id < len(x.I32); id += 2 {
			x.I32[id] = 0
		}
	}
}

// repeats gives tokens that were drawn before what penalties should take from them, and more: a node that
// sells the same words twice.
func repeats(c engine.Computer) trace.Tamper {
	s, at := c.Manifest.Emit(), -1
	for i := range c.Manifest.Model.Stages[s].Ops {
		if c.Manifest.Model.Stages[s].Ops[i].Op == opset.Penalise {
			at = i
		}
	}
	return func(stage int, ctx *opset.Context, index int, x *tensor.Tensor) {
		if stage != s || index != at {
			return
		}
		for _, id := range ctx.Drawn {
			x.I32[id] = 32 << 16 // more than any logit
		}
	}
}

// misread lies about stop strings: with an even seed it does not see that one is complete and runs on
// after it, with an odd one it sees one in the first token that completes none.
func (a *Attack) misread(c engine.Computer) trace.Tamper {
	s := c.Manifest.Emit()
	state := len(c.Manifest.Model.Stages[s].Ops) - 3
	from, to := int32(opset.StopDone), int32(0)
	a.Note = "runs on after a stop string"
	if a.Seed%2 == 1 {
		from, to = to, from
		a.Note = "stops before a stop string"
	}
	return func(stage int, ctx *opset.Context, index int, x *tensor.Tensor) {
		if stage == s && index == state && ctx.StopLens != 0 && min(x.I32[0], 0) == from {
			x.I32[0] = to
		}
	}
}

// unmask lies about a grammar at the first token: with an even seed it draws one that is refused, and goes on as
// if nothing had happened; with an odd one it refuses the likeliest of several that are allowed.
func (a *Attack) unmask(c engine.Computer) trace.Tamper {
	s := c.Manifest.Emit()
	ops := c.Manifest.Model.Stages[s].Ops
	mask := slices.IndexFunc(ops, func(o machine.Op) bool { return o.Op == opset.Mask })
	a.Note = "draws a token that the grammar refuses"
	if a.Seed%2 == 1 {
		a.Note = "refuses the likeliest token that the grammar allows"
	}
	return func(stage int, ctx *opset.Context, index int, x *tensor.Tensor) {
		switch {
		case stage != s || !ctx.Grammared || ctx.T+1 != ctx.M:
		case index == mask && a.Seed%2 == 0:
			x.I32[refused(x.I32, ctx.Seed)] = 64 << 16 // more than any logit
		case index == mask:
			x.I32[likeliest(x.I32)] = opset.MaskRefused
		case index == len(ops)-4 && x.I32[0] == opset.GrammarDead:
			x.I32[0] = 0
		}
	}
}

// refused is one of the tokens that a mask refuses, the last one if it refuses none.
func refused(logits []int32, seed uint64) int {
	var all []int
	for id, v := range logits {
		if v == opset.MaskRefused {
			all = append(all, id)
		}
	}
	if len(all) == 0 {
		return len(logits) - 1
	}
	return all[seed%uint64(len(all))]
}

// likeliest is the token with the greatest logit.
func likeliest(logits []int32) (best int) {
	for id, v := range logits {
		if v > logits[best] {
			best = id
		}
	}
	return best
}

// deserter ends answers after half of their tokens, four at most, in the name of a user who did not. SPEC 07 §3.5.
type deserter struct{ *engine.Computer }

func (d deserter) half(job decode.Job) decode.Job {
	job.Cut = max(1, min(4, job.MaxNew/2))
	return job
}

func (d deserter) Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (*trace.Answer, uint8, error) {
	return d.Computer.Generate(ctx, d.half(job), emit)
}

func (d deserter) Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error) {
	return d.Computer.Audit(ctx, d.half(job), claimed)
}

// edited changes output ids after an honest run: the states stay honest.
type edited struct {
	*engine.Computer
	change func(out []int32)
}

// nextID makes the middle output id the one after it.
func nextID(c *engine.Computer) func(out []int32) {
	return func(out []int32) { out[len(out)/2] = (out[len(out)/2] + 1) % int32(c.Manifest.Vocab) }
}

// flipID flips a bit of an output id, if the result is an id.
func flipID(c *engine.Computer, at, bit int) func(out []int32) {
	return func(out []int32) {
		i := at % len(out)
		if id := out[i] ^ 1<<bit; int(id) < int(c.Manifest.Vocab) {
			out[i] = id
		}
	}
}

func (e edited) edit(a *trace.Answer) *trace.Answer {
	lie := *a
	lie.Outputs = slices.Clone(a.Outputs)
	e.change(lie.Outputs)
	return &lie
}

func (e edited) Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (*trace.Answer, uint8, error) {
	a, f, err := e.Computer.Generate(ctx, job, nil)
	if err != nil {
		return nil, 0, err
	}
	lie := e.edit(a)
	for _, id := range lie.Outputs {
		if emit == nil {
			break
		}
		if err := emit(id); err != nil {
			return nil, 0, err
		}
	}
	return lie, f, nil
}

func (e edited) Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error) {
	a, f, err := e.Computer.Audit(ctx, job, claimed)
	if err != nil {
		return nil, 0, err
	}
	return e.edit(a), f, nil
}

// flipped flips one bit, chosen by the seed: in a weight, in a cached row, or in an output id.
func (a *Attack) flipped(honest engine.Computer) Computer {
	r := rand.New(rand.NewPCG(a.Seed, 0xb17))
	if honest.Manifest.Kind == model.KindGraph {
		return a.flipStage(honest, r)
	}
	switch r.IntN(3) {
	case 0:
		return a.flipWeight(honest, r)
	case 1:
		return a.flipCache(honest, r)
	}
	bit := r.IntN(8)
	at := r.IntN(1 << 20)
	a.Note = fmt.Sprintf("bit %d of an output id", bit)
	return edited{&honest, flipID(&honest, at, bit)}
}

// flipStage flips one bit of one element that a stage of a graph model computes, in the lower half of its type: what
// follows is computed from it.
func (a *Attack) flipStage(honest engine.Computer, r *rand.Rand) Computer {
	stages := honest.Manifest.Model.Stages
	s := r.IntN(len(stages))
	index := 1 + r.IntN(len(stages[s].Ops)-1)
	op := &stages[s].Ops[index]
	at, bit := r.Uint64N(op.Count(&opset.Context{})), r.IntN(4*op.Type.Size())
	a.Note = fmt.Sprintf("bit %d of element %d of tensor %d of stage %d", bit, at, index, s)
	c := honest
	c.Tamper = func(stage int, _ *opset.Context, i int, x *tensor.Tensor) {
		if stage == s && i == index {
			x.Set(int(at), x.At(int(at))^1<<bit)
		}
	}
	return &c
}

func (a *Attack) flipWeight(honest engine.Computer, r *rand.Rand) Computer {
	var all []*tensor.Tensor
	seen := map[*tensor.Tensor]bool{}
	total := 0
	for s := range honest.Manifest.Model.Stages {
		ops := honest.Manifest.Model.Stages[s].Ops
		for i := range ops {
			if w := ops[i].A; w != nil && w.Type == tensor.I8 && ops[i].Op != opset.StopState && !seen[w] {
				seen[w] = true
				all = append(all, w)
				total += w.Len()
			}
		}
	}
	at, bit := r.IntN(total), r.IntN(8)
	var hit *tensor.Tensor
	for _, w := range all {
		if at < w.Len() {
			hit = w
			break
		}
		at -= w.Len()
	}
	a.Note = fmt.Sprintf("bit %d of weight %d of a matrix %v", bit, at, hit.Shape)
	c := honest
	c.Manifest = honest.Manifest.With(func(t *tensor.Tensor) *tensor.Tensor {
		if t != hit {
			return t
		}
		out := tensor.New(tensor.I8, t.Shape[:]...)
		copy(out.I8, t.I8)
		out.I8[at] ^= int8(1 << bit)
		return out
	})
	return &c
}

func (a *Attack) flipCache(honest engine.Computer, r *rand.Rand) Computer {
	layer, bit, v := r.IntN(int(honest.Manifest.Layers)), r.IntN(16), r.IntN(2)
	when, what := r.Float64(), r.Uint64()
	a.Note = fmt.Sprintf("bit %d of a cached row of layer %d", bit, layer)
	c := honest
	c.Flip = func(job decode.Job, t int, kv *machine.Cache) {
		if t != int(when*float64(len(job.Prompt)+int(job.MaxNew))) {
			return
		}
		rows := kv.K[layer]
		if v == 1 {
			rows = kv.V[layer]
		}
		rows[what%uint64((t+1)*kv.DKV)] ^= int16(1 << bit)
	}
	return &c
}

// Handler is the node's HTTP face as the attack shows it: a needle serves neither tensors nor states,
// who withholds serves answers and nothing else.
func (a *Attack) Handler(h http.Handler) http.Handler {
	all := a.Name == "withhold" || slices.Contains(Refusals(), a.Name)
	if a.Name != "needle" && !all {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hidden := strings.Contains(r.URL.Path, "/steps/") || strings.HasSuffix(r.URL.Path, "/states")
		if all {
			hidden = r.URL.Path != "/v1/jobs" && r.URL.Path != "/v1/node"
		}
		if hidden {
			http.Error(w, `{"error":"not served"}`, http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Chain is the interface through which nodes reach the chain.
type Chain interface {
	Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error
	Submit(ctx context.Context, o ledger.Order) error
}

// Chain is the node's chain as the attack uses it: the silent one makes no move, who keeps data publishes
// none, or what nobody can read.
func (a *Attack) Chain(c Chain) Chain {
	switch a.Name {
	case "silent":
		return mute{c}
	case "withheld-data":
		return keeper{c}
	case "garbled-data":
		return garbler{c}
	}
	return c
}

type keeper struct{ Chain }

func (k keeper) Submit(ctx context.Context, o ledger.Order) error {
	if m, ok := o.(ledger.Move); ok && dispute.Kind(m.Kind) == dispute.KindPublish {
		return nil
	}
	return k.Chain.Submit(ctx, o)
}

type garbler struct{ Chain }

func (g garbler) Submit(ctx context.Context, o ledger.Order) error {
	if m, ok := o.(ledger.Move); ok && dispute.Kind(m.Kind) == dispute.KindPublish {
		m.Payload = slices.Clone(m.Payload)
		m.Payload[len(m.Payload)-1] ^= 1
		o = m
	}
	return g.Chain.Submit(ctx, o)
}

type mute struct{ Chain }

func (m mute) Submit(ctx context.Context, o ledger.Order) error {
	switch o.(type) {
	case ledger.Move, ledger.Timeout, ledger.Resolve:
		return nil
	}
	return m.Chain.Submit(ctx, o)
}
