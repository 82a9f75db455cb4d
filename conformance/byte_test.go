package conformance_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"elenchus/app"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/network/devchain"
	"elenchus/service/adversary"
	"elenchus/settlement/dispute"
)

// flips is how many bits are flipped, each somewhere else.
const flips = 100

// bitClaim is the claim of a node with one bit flipped: in a weight, a cached row or an output id.
func bitClaim(t *testing.T, man *manifest.Manifest, job decode.Job, seed uint64) (c *claimed, where string) {
	t.Helper()
	attack, err := adversary.New("byte", seed)
	if err != nil {
		t.Fatal(err)
	}
	honest := engine.Computer{Manifest: man}
	flipped := attack.Computer(honest)
	c = &claimed{man: man}
	var finish uint8
	if c.theirs, finish, err = flipped.Generate(t.Context(), job, nil); err != nil {
		t.Fatal(err)
	}
	if c.mine, _, err = honest.Generate(t.Context(), job, nil); err != nil {
		t.Fatal(err)
	}
	n := uint32(len(c.theirs.Outputs))
	c.node = dispute.NewOwn(man, job, c.theirs, n, func(at int) (*trace.Step, error) { return flipped.Step(job, at, c.theirs.Outputs) })
	c.opener = dispute.NewOwn(man, job, c.mine, n, func(at int) (*trace.Step, error) { return honest.Step(job, at, c.theirs.Outputs) })
	c.open = dispute.OpenMove{Header: man.Header,
		Claim: claim.Claim{Count: n, Finish: finish, StateRoot: c.theirs.StateTree().Root(), OutputRoot: trace.IDTree(c.theirs.Outputs).Root()},
		Request: claim.Request{PromptRoot: trace.IDTree(job.Prompt).Root(), PromptCount: uint32(len(job.Prompt)), MaxNew: job.MaxNew,
			Temperature: job.Temperature, Seed: job.Seed, StopRoot: trace.IDTree(job.StopIDs).Root(), StopCount: uint8(len(job.StopIDs))}}
	return c, attack.Note
}

// same says whether a claim is, bit for bit, the one that the honest computation gives.
func (c *claimed) same() bool {
	return slices.Equal(c.theirs.Hashes, c.mine.Hashes) && slices.Equal(c.theirs.Outputs, c.mine.Outputs)
}

// clocks are those of the twin's games.
var clocks = dispute.Params{D0: 8, Grace: 8}

// duel plays the rules alone, without a chain, and returns the last state and effect. A node whose
// own moves contradict its claim falls silent.
func (c *claimed) duel(t *testing.T) (dispute.State, dispute.Effect) {
	t.Helper()
	key, d := keyOf(t, "node"), claim.Domain{ChainID: 1, Arena: claim.Address{1}}
	c.open.Claim.Node, c.open.Opener = claim.AddressOf(key), claim.Address{2}
	c.sign(t, d, key)
	s, j, err := dispute.Begin(c.open, dispute.Chain{Domain: d, Now: 1000, CommittedAt: 900, Queue: 1000, Params: clocks})
	if err != nil {
		t.Fatal(err)
	}
	var seen []dispute.Move
	var last dispute.Effect
	for moves := 0; s.Phase.Turn() != dispute.Nobody; moves++ {
		if moves > 60 {
			t.Fatal("no end in sight")
		}
		env := dispute.Env{Now: s.Deadline, Mover: s.Opener, Params: clocks}
		m, err := dispute.NextForOpener(s, j, seen, c.opener, c.served)
		if s.Phase.Turn() == dispute.Node {
			env.Mover = s.Node
			m, err = dispute.NextForNode(s, j, c.node)
		}
		if err != nil {
			t.Fatalf("phase %s: %v", s.Phase, err)
		}
		next, effect, err := dispute.Apply(s, m, env)
		if err != nil && s.Phase.Turn() == dispute.Node {
			m, env.Now = dispute.Timeout{}, s.Last+1
			next, effect, err = dispute.Apply(s, m, env)
		}
		if err != nil {
			t.Fatalf("phase %s, %s: %v", s.Phase, m.Kind(), err)
		}
		s, last, seen = next, effect, append(seen, m)
	}
	return s, last
}

// refute plays the same game on a chain, and wants the same end.
func (r *ring) refute(c *claimed, want dispute.Effect) {
	r.t.Helper()
	m := r.start(r.fresh(c))
	m.serves = c.served
	for m.state.Phase.Turn() != dispute.Nobody {
		if m.state.Phase.Turn() == dispute.Node {
			move, err := dispute.NextForNode(m.state, m.job, c.node)
			if err != nil {
				r.t.Fatal(err)
			}
			if _, _, err := dispute.Apply(m.state, move, dispute.Env{Now: m.state.Deadline, Mover: r.node.address, Params: r.k.Params().Clocks()}); err != nil {
				m.silence(r.opener, true)
				continue
			}
			m.move(r.node, move)
			continue
		}
		move, err := dispute.NextForOpener(m.state, m.job, m.seen(), c.opener, m.serves)
		if err != nil {
			r.t.Fatalf("phase %s: %v", m.state.Phase, err)
		}
		m.move(r.opener, move)
	}
	end := m.resolve()
	if end.Phase != uint8(dispute.Refuted) || end.Slashed.IsZero() {
		r.t.Fatalf("resolved as %+v", end)
	}
	g, _ := m.games.Game(m.key)
	if (g.Convicted != nil) != want.Convicts || want.Convicts && (g.Convicted.Op != want.Op || g.Convicted.Element != want.Element) {
		r.t.Fatalf("convicted of %+v, by the twin of %+v", g.Convicted, want)
	}
}

// A flipped bit anywhere is found and refuted, or it changed nothing at all: then the claim is the
// honest one. Every fifth false claim is also played on a chain; ELENCHUS_SOAK plays all of them
// there, about the model that everybody starts with.
func TestEveryFlippedBitIsRefutedOrHarmless(t *testing.T) {
	t.Parallel()
	full := modeltest.Config{Vocab: 300, TMax: 300, Dim: 64, Heads: 4, KVHeads: 2, HeadDim: 16, FF: 128, Layers: 2} // no padding
	man, job, every := bound(t, modeltest.Llama(3, full)), tokenTestJob(11), 5
	if os.Getenv("ELENCHUS_SOAK") != "" {
		real, _, err := app.LoadModel("default")
		if err != nil {
			t.Fatal(err)
		}
		man, every = real, 1
	}
	job.MaxNew = 6
	r := newEmbeddedRing(t, devchain.Osaka)
	kinds := []string{"of weight", "of a cached row", "of an output id"}
	refuted, harmless, onChain := make([]int, len(kinds)), 0, 0
	for seed := range uint64(flips) {
		c, where := bitClaim(t, man, job, seed)
		lie, err := c.open.Accuse(claim.Domain{}, c.opener, c.theirs.Hashes[1:])
		if err != nil {
			t.Fatalf("seed %d, %s: %v", seed, where, err)
		}
		if lie == c.same() {
			t.Fatalf("seed %d, %s: accused %v, the claim is the honest one: %v", seed, where, lie, c.same())
		}
		if !lie {
			harmless++
			continue
		}
		s, effect := c.duel(t)
		if s.Phase != dispute.Refuted {
			t.Fatalf("seed %d, %s: ended %s", seed, where, s.Phase)
		}
		i := slices.IndexFunc(kinds, func(kind string) bool { return strings.Contains(where, kind) })
		if refuted[i]++; refuted[i]%every == 1%every {
			r.refute(c, effect)
			onChain++
		}
	}
	for i, n := range refuted {
		if n == 0 {
			t.Errorf("no flipped bit of %s was refuted", kinds[i])
		}
	}
	t.Logf("of %d flips %d changed nothing, refuted %v %v, %d of them on chain", flips, harmless, refuted, kinds, onChain)
}
