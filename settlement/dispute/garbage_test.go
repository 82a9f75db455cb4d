package dispute

import (
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/compute/model/modeltest"
)

// liar posts hashes that it does not have: garbage, or the opener's own where its own are false.
type liar struct {
	g *game
	r *rand.Rand
}

func (l liar) mix(own, honest []Hash) []Hash {
	out := slices.Clone(own)
	for i := range out {
		switch l.r.IntN(6) {
		case 0:
			out[i] = claim.Keccak(out[i][:])
		case 1, 2:
			out[i] = honest[i]
		}
	}
	return out
}

func (l liar) move() (Move, error) {
	s := l.g.s
	m, err := NextForNode(s, l.g.j, l.g.w.node)
	if err != nil {
		return nil, err
	}
	step, err := l.g.w.opener.Step(s.T)
	if err != nil {
		return nil, err
	}
	switch v := m.(type) {
	case Reveal:
		honest, err := step.Boundaries()
		v.Boundaries = l.mix(v.Boundaries, honest)
		return v, err
	case Tensors:
		trace, err := step.Stage(int(s.Stage))
		if err != nil {
			return nil, err
		}
		honest, err := trace.Roots()
		v.Roots = l.mix(v.Roots, honest)
		return v, err
	}
	return m, nil
}

// Whatever hashes a lying node posts, the honest opener wins: by an answer or because the node can
// show nothing under them. GAME rules 25 to 32.
func TestLiarWithInventedHashesIsRefuted(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	lies := []*lie{{1, 2, 12, 1, 1 << 9}, {3, 3, drawnToken(man), 0, 1}, {0, 2, int(man.Model.Stages[2].Ops[0].P[1]), 3, 1 << 9}, {4, 0, 1, 5, 1 << 12}}
	byAnswer := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		w := tokenWorld(t, man, tokenJob(11), lies[seed%4])
		if !w.name() {
			t.Fatal("harmless")
		}
		g := begin(t, w)
		for g.s.Phase.Turn() != Nobody {
			g.now++
			var m Move
			var err error
			mover := g.s.Opener
			if g.s.Phase.Turn() == Node && g.s.Phase != Answer {
				m, err = liar{g, r}.move()
				mover = g.s.Node
			} else {
				m, err = honest(g)
			}
			if err == nil {
				err = g.apply(m, mover)
			}
			if err != nil {
				g.stall(err)
			}
		}
		if g.s.Phase != Refuted {
			t.Fatalf("seed %d: ended in %s", seed, g.s.Phase)
		}
		if g.last.Convicts {
			byAnswer++
		}
	}
	if byAnswer == 0 || byAnswer == 200 {
		t.Fatalf("%d of 200 games ended with an answer: the test covers one way alone", byAnswer)
	}
}
