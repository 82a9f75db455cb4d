package dispute

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
)

// lies walks every tensor of every stage that occurs at step t and picks one element of each.
func lies(man *manifest.Manifest, t, m int, r *rand.Rand) []*lie {
	var out []*lie
	for s := range man.Model.Stages {
		emit := t+1 >= m
		if man.Emit() == s && !emit || man.Absorb() == s && emit {
			continue
		}
		for i := range man.Model.Stages[s].Ops[1:] {
			c := opset.Context{T: uint32(t)}
			n := man.Model.Stages[s].Ops[i+1].Count(&c)
			out = append(out, &lie{t, s, i + 1, r.Uint64N(n), 1})
		}
	}
	return out
}

func convicted(t *testing.T, g *game, l *lie, op opset.Code) {
	t.Helper()
	want := Effect{Credit: g.last.Credit, Over: true, Convicts: true, Op: uint8(op), Tensor: uint8(l.tensor), Element: l.element}
	if g.s.Phase != Refuted || int(g.s.T) != l.t || int(g.s.Stage) != l.stage || g.last != want {
		t.Fatalf("lie %+v (%s) ended in %s at step %d, stage %d with %+v", *l, op, g.s.Phase, g.s.T, g.s.Stage, g.last)
	}
}

// A lie in one element of one tensor is refuted at exactly that element, whatever the node
// withholds. GAME rule 32.
func TestOneElementLieIsRefutedAtThatElement(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	r := rand.New(rand.NewPCG(1, 2))
	refuted := map[opset.Code]int{}
	greedy := tokenJob(12)
	greedy.Temperature = 0
	greedy.Sampler.Stops = []string{"abba!", "b?", "aabab\n"} // none of which is ever complete
	keep(t, man, &greedy)
	refuteAll(t, man, tokenJob(11), r, refuted)
	refuteAll(t, man, greedy, r, refuted)
	for s := range man.Model.Stages {
		for _, o := range man.Model.Stages[s].Ops[1:] {
			if refuted[o.Op] == 0 {
				t.Errorf("no lie about %s was ever refuted", o.Op)
			}
		}
	}
	t.Log(refuted)
}

// refuteAll plays one game about every tensor of four steps.
func refuteAll(t *testing.T, man *manifest.Manifest, job decode.Job, r *rand.Rand, refuted map[opset.Code]int) {
	for _, at := range []int{0, 1, len(job.Prompt) - 1, len(job.Prompt)} {
		for i, l := range lies(man, at, len(job.Prompt), r) {
			w := harmful(t, man, job, l, r)
			if w == nil {
				continue
			}
			switch i % 3 {
			case 1:
				w.open.T = AnyState
			case 2:
				w.serveAll()
			}
			g := begin(t, w)
			g.play(honest, false)
			op := man.Model.Stages[l.stage].Ops[l.tensor].Op
			convicted(t, g, l, op)
			refuted[op]++
		}
	}
}

// harmful looks for a mask and an element that make something claimed false; nil if none is found.
func harmful(t *testing.T, man *manifest.Manifest, job decode.Job, l *lie, r *rand.Rand) *world {
	c := opset.Context{T: uint32(l.t)}
	d := &man.Model.Stages[l.stage].Ops[l.tensor].Descriptor
	w := 8 * d.Type.Size()
	bits := []int{0, w / 3, w / 2, w / 2, w * 3 / 4, w - 2, w - 2}
	if d.Op == opset.Rank { // a rank is less than the vocabulary or than the sum of its weights
		bits = []int{8, 29, 30, 31, 32, 33}
	}
	for _, bit := range bits {
		l.mask, l.element = 1<<bit, r.Uint64N(d.Count(&c))
		if w := tokenWorld(t, man, job, l); w.name() {
			return w
		}
	}
	return nil
}

// A graph model has no steps; the same holds.
func TestOneElementLieOfAGraphIsRefuted(t *testing.T) {
	for _, m := range []*manifest.Manifest{bind(t, modeltest.Toy()), bind(t, modeltest.MLP(5))} {
		r := rand.New(rand.NewPCG(3, 4))
		for s := range m.Model.Stages {
			for i := range m.Model.Stages[s].Ops[1:] {
				n := m.Model.Stages[s].Ops[i+1].Count(&opset.Context{})
				l := &lie{0, s, i + 1, r.Uint64N(n), 1 << 9}
				w := graphWorld(t, m, l)
				if own := graphWorld(t, m, nil); own.open.Claim.OutputRoot == w.open.Claim.OutputRoot {
					continue
				}
				if i%2 == 1 {
					w.serveAll()
				}
				g := begin(t, w)
				g.play(honest, false)
				convicted(t, g, l, m.Model.Stages[s].Ops[i+1].Op)
			}
		}
	}
}

// An output list that was edited after an honest run contradicts its own states. GAME §3.4.
func TestEditedOutputIsRefuted(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	job := tokenJob(11)
	w := tokenWorld(t, man, job, nil)
	w.theirs.Outputs[1] ^= 1
	w.open.T = AnyOutput
	_, data, _ := w.node.Outputs()
	w.open.Claim.OutputRoot = idRoot(data)
	w.sign(t)
	g := begin(t, w)
	g.play(honest, false)
	if g.s.Phase != Refuted || int(g.s.T) != len(job.Prompt) {
		t.Fatalf("ended in %s at step %d", g.s.Phase, g.s.T)
	}
}

// anyPick makes a legal pick without any knowledge.
func anyPick(r *rand.Rand) func(*game) (Move, error) {
	return func(g *game) (Move, error) {
		s := &g.s
		switch s.Phase {
		case StatesPick, TensorPick, OutputsPick:
			if s.Phase == OutputsPick && s.Level == 0 {
				total, per := s.elements()
				return PickElement{uint16(r.Uint64N(min(per, total-s.Index*per))), &g.j}, nil
			}
			posted, err := last[Children](g.seen)
			if err != nil {
				return nil, err
			}
			i := r.IntN(len(posted.Hashes))
			return s.pickChild(posted, i), nil
		case Stage:
			n := int(s.Layers)
			if s.graph() {
				return PickStage{uint16(r.IntN(n))}, nil
			}
			return PickStage{[]uint16{StageKV, s.headStage(), uint16(r.IntN(n + 1))}[r.IntN(3)]}, nil
		case Layer:
			return PickLayer{uint16(r.IntN(int(s.Layers)))}, nil
		case Pick:
			return anyTensor(g, r)
		case Element:
			total, per := s.elements()
			return PickElement{Element: uint16(r.Uint64N(min(per, total-s.Index*per)))}, nil
		}
		return nil, fmt.Errorf("%w: phase %s", ErrStuck, s.Phase)
	}
}

func anyTensor(g *game, r *rand.Rand) (Move, error) {
	s := &g.s
	i := 1 + r.IntN(int(s.Count)-1)
	d, path, err := g.w.man.Descriptor(int(s.Stage), i)
	if err != nil {
		return nil, err
	}
	if r.IntN(2) == 0 {
		c := s.context(&g.j)
		return PickTensor{Tensor: uint8(i), Index: r.Uint64N(d.Count(&c) + 2)}, nil
	}
	posted, err := last[Tensors](g.seen)
	return PickTensor{Tensor: uint8(i), Index: Descend, Root: posted.Roots[i], RootPath: treePath(posted.Roots, i),
		Descriptor: d.Encode(), GraphPath: path}, err
}

// An honest node wins against an opener who picks anything whatever. GAME rule 30.
func TestHonestNodeNeverLoses(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	graph := bind(t, modeltest.MLP(5))
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 9))
		w := tokenWorld(t, man, tokenJob(11), nil)
		switch seed % 4 {
		case 0:
			w = graphWorld(t, graph, nil)
		case 1:
			w.open.T = AnyOutput
		case 2:
			w.open.T = uint32(r.IntN(len(w.theirs.Hashes) - 1))
		}
		g := begin(t, w)
		g.play(anyPick(r), true)
		if g.s.Phase != Lost || g.s.Flags&FlagVoid != 0 {
			t.Fatalf("seed %d: ended in %s, flags %d, after %d moves", seed, g.s.Phase, g.s.Flags, g.moves)
		}
	}
}
