package dispute

import (
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
)

// remembered is an R1 of made-up states of a request that counts and has stop strings and a grammar: of
// the first step, which reads the prompt, or of the second, which draws.
type remembered struct {
	t       uint32
	lists   claim.Lists
	yPrev   uint32
	y       uint32
	counts  *merkle.Table // of S_{t-1}
	recall  Recall
	forge   func(aux Hash) Hash // what S_t hashes for its AUX
	shown   func(m *Reveal)     // what the node shows in the place of the truth
	settled claim.Sampler
}

func remember(step uint32) *remembered {
	p := &remembered{t: step, lists: claim.Lists{Bias: Hash{1}, Stop: Hash{2}, Grammar: Hash{3}}, yPrev: 5, y: 17,
		counts: trace.CountTable([]int32{5}, nil)}
	p.settled = claim.Sampler{Repetition: 70000, StopLengths: 4, Lists: p.lists.Hash()}
	if step > 0 {
		p.yPrev, p.y, p.counts = 17, 290, trace.CountTable([]int32{5, 17}, nil)
		p.recall.Stop, p.recall.Grammar = [2]uint32{0, 2}, [2]Hash{{}, {9}}
	}
	return p
}

// build gives the state before R1 and R1, of a model of one layer, two ids of a prompt and one drawn.
func (p *remembered) build() (State, Reveal) {
	r := p.recall
	leaf := uint64(p.y/countsPerLeaf) % (1 << merkle.TableDepth)
	r.CountLeaf, r.CountPath = p.counts.Leaves(leaf, leaf+1), p.counts.Siblings(leaf, leaf+1)
	ids := []int32{5, 17}
	if p.t == 0 {
		ids[0] = int32(p.yPrev)
	}
	prompt := trace.IDTree(ids)
	j := Job{PromptRoot: prompt.Root(), PromptCount: 2, Count: 1, MaxNew: 1, Vocabulary: 300, TMax: 4, Layers: 1, Kind: TokenModel,
		Finish: claim.FinishLength, DPos: 2, Sampler: p.settled}
	out := trace.IDBytes([]int32{int32(p.y)})
	j.OutputRoot = merkle.Root(opset.LeafBytes, out)
	rows := []Hash{{7}, {8}}
	kv := func(n uint32) *merkle.Tree { return merkle.NewTree(rows[:n], int(j.DPos), j.LeafDepth()) }
	m := Reveal{Job: j, Lists: p.lists, Recall: r, Boundaries: []Hash{{4}, {5}}, PositionLeaf: rows[p.t],
		PositionPath: kv(p.t).Siblings(0, uint64(p.t), uint64(p.t)+1)}
	m.Before, m.After = Preimage{Y: p.yPrev, KV: kv(p.t).Root()}, Preimage{Y: p.y, KV: kv(p.t + 1).Root()}
	if p.t > 0 {
		m.Before.Previous, m.After.F = Hash{6}, claim.FinishLength
		m.OutputLeaf = padTo(out, opset.LeafBytes)
	} else {
		m.PromptLeaf = padTo(trace.IDBytes(ids), opset.LeafBytes)
	}
	_, _ = m.remember(p.t)
	if p.forge != nil {
		m.After.Aux = p.forge(m.After.Aux)
	}
	before := m.Before.Hash(p.t)
	m.After.Previous = before
	states := []Hash{m.After.Hash(p.t + 1), {11}}
	if p.t > 0 {
		states = []Hash{before, states[0]}
	}
	tree := merkle.NewTree(states, 1, 0)
	m.Job.StateRoot, m.StatePath = tree.Root(), tree.Siblings(0, max(uint64(p.t), 1)-1, uint64(p.t)+1)
	if p.shown != nil {
		p.shown(&m)
	}
	return State{Phase: R1, T: p.t, Layers: 1, JobHash: m.Job.Hash()}, m
}

// memoryRules records for every rule about memories a move that only this rule refuses, and the moves that
// pass. SPEC 06 §3.5, 08 §7.5, §7.7.
func (c *collector) memoryRules() {
	c.t.Helper()
	for step := range uint32(2) {
		c.name = "memory"
		s, m := remember(step).build()
		c.move(s, m)
	}
	for _, rule := range []struct {
		name string
		step uint32
		edit func(p *remembered)
	}{
		{"lists of another job", 1, func(p *remembered) { p.shown = func(m *Reveal) { m.Lists.Bias[0] ^= 1 } }},
		{"stop strings while the prompt is read", 0, func(p *remembered) { p.recall.Stop[1] = 1 }},
		{"a grammar while the prompt is read", 0, func(p *remembered) { p.recall.Grammar[1] = Hash{1} }},
		{"counts before the first step", 0, func(p *remembered) { p.counts = trace.CountTable([]int32{5, 6}, nil) }},
		{"no counts before the first step", 0, func(p *remembered) { p.counts = merkle.NewTable() }},
		{"stop strings before the first step", 0, func(p *remembered) { p.recall.Stop = [2]uint32{1, 1} }},
		{"a grammar before the first step", 0, func(p *remembered) { p.recall.Grammar = [2]Hash{{1}, {1}} }},
		{"a token beyond the counts", 1, func(p *remembered) { p.y = merkle.TableElements }},
		{"a first id beyond the counts", 0, func(p *remembered) { p.yPrev = merkle.TableElements }},
		{"another count after the step", 1, func(p *remembered) { p.forge = func(a Hash) Hash { a[0] ^= 1; return a } }},
		{"another count before the step", 1, func(p *remembered) { p.shown = func(m *Reveal) { m.Recall.CountLeaf[8] ^= 1 } }},
	} {
		c.name = "memory: " + rule.name
		p := remember(rule.step)
		rule.edit(p)
		s, m := p.build()
		c.refused(s, KindReveal, m.Encode())
	}
	c.stopState()
}

// stopState records an R2 of EMIT whose third last tensor is the stop state of S_t, and those that are not.
func (c *collector) stopState() {
	s, r := remember(1).build()
	k, err := r.remember(1)
	if err != nil {
		c.t.Fatal(err)
	}
	s.Phase, s.Stage, s.Flags, s.KV, s.Y, s.F = R2, 2, FlagMemory|FlagStops, k.Hash(), r.After.Y, r.After.F
	in := opset.Descriptor{Op: opset.Input, Type: 3, Leaf: opset.LeafBytes, Dims: [3]opset.Dim{{C: 1}, {C: 1}, {C: 8}}, P: [11]int64{4}}
	d := in.Encode()
	leaves := make([]Hash, 2*descriptorsPerStage+1)
	leaves[2*descriptorsPerStage] = merkle.Leaf(d[:])
	graph := merkle.NewTree(leaves, r.Job.GraphDepth(), 0)
	s.GraphRoot = graph.Root()
	bounds := []Hash{{4}, {5}, r.PositionLeaf}
	s.Boundaries = claim.TreeRoot(bounds)
	m := Tensors{Input: d, InputPath: graph.Siblings(0, 2*descriptorsPerStage, 2*descriptorsPerStage+1),
		Roots: []Hash{{5}, s.idLeaf(k.Stop), s.idLeaf(s.Y), s.idLeaf(uint32(s.F))}, FirstPath: treePath(bounds, 1), Memory: k}
	c.name = "stop state"
	c.move(s, m)
	other := m
	other.Roots = append([]Hash{m.Roots[0], s.idLeaf(k.Stop + 1)}, m.Roots[2:]...)
	c.refused(s, KindTensors, other.Encode())
	other = m
	other.Memory.Before.Stop++
	c.refused(s, KindTensors, other.Encode())
}

// Counts, bias and their sum of states in memory decide what penalise sees; a job that has none has the
// state root that it had. SPEC 06 §3.5.
func TestMemoryFollowsTheSettings(t *testing.T) {
	plain, counted := tokenJob(11), penaltyJob()
	if trace.Remember(&plain) != nil || trace.Remember(&counted) == nil {
		t.Fatal("what is remembered does not follow from the settings")
	}
	biased := tokenJob(11)
	biased.Sampler.Bias = []opset.TokenBias{{ID: 3, Value: 1}}
	if trace.Remember(&biased) != nil {
		t.Fatal("a bias alone is remembered")
	}
	job := decode.Job{Prompt: []int32{4, 4, 9}, Sampler: counted.Sampler}
	if want := trace.CountTable([]int32{4}, nil).Root(); trace.Remember(&job).Counts != want {
		t.Fatal("S_{-1} has counted something else than the first id")
	}
}
