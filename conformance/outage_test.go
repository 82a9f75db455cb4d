package conformance_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"elenchus/compute/model/modeltest"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/stake"
)

// margin is what a block of a move may come later than asked, in seconds.
const margin = 30

// halted plays a game whose chain stands still before every move: for `node` seconds where the node is to
// move, for `opener` seconds where the opener is. The first block behind a stop has the move.
func (m *match) halted(opener func() dispute.Move, node, open uint64) {
	m.t.Helper()
	for m.state.Phase.Turn() != dispute.Nobody {
		if len(m.path) > 60 {
			m.t.Fatalf("no end in sight: %v", m.path)
		}
		if m.state.Phase.Turn() == dispute.Opener {
			m.later(open)
			m.move(m.opener, opener())
			continue
		}
		m.later(node)
		move, err := dispute.NextForNode(m.state, m.job, m.c.node)
		if err != nil {
			m.t.Fatalf("phase %s after %v: %v", m.state.Phase, m.path, err)
		}
		m.move(m.node, move)
	}
}

// knows is the next move of an opener who computed the answer.
func (m *match) knows() dispute.Move {
	m.t.Helper()
	move, err := dispute.NextForOpener(m.state, m.job, m.seen(), m.c.opener, dispute.Withheld)
	if err != nil {
		m.t.Fatalf("phase %s after %v: %v", m.state.Phase, m.path, err)
	}
	return move
}

// A sequencer that stands still before every move, for as long as its chain lets it and twice that long,
// takes no stake of an honest node and saves no liar: the claim of who was late is void. What
// is lost behind grace, where the assumption of law 3 fails, is lost by who was kept out. SPEC 08 §5.6.
func TestGamesThroughOutages(t *testing.T) {
	t.Parallel()
	p := chain.DeployParams{Params: stake.ParamsOf(stake.L2)}
	r := newProfileRing(t, devchain.Osaka, p)
	r.calm()
	man := bound(t, modeltest.Llama(3, modeltest.Tiny()))
	stops := []uint64{p.ReplyTime - margin, p.ForcedInclusion, 2*p.ForcedInclusion - margin, p.ReplyTime + p.Grace - margin}
	for _, stop := range stops {
		t.Run(fmt.Sprintf("honest %d s", stop), func(t *testing.T) {
			r.t = t
			r.honestThroughStops(t, tokenClaim(t, man, tokenTestJob(11), nil, nil), stop, stop > p.ReplyTime)
		})
	}
	for _, stop := range stops {
		t.Run(fmt.Sprintf("liar %d s", stop), func(t *testing.T) {
			r.t = t
			l := toyLie(t)
			r.liarThroughStops(t, graphClaim(t, bound(t, modeltest.Toy()), l, nil), l, stop, stop > p.ReplyTime)
		})
	}
	t.Run("longer than grace", func(t *testing.T) {
		r.t = t
		m := r.start(r.fresh(graphClaim(t, bound(t, modeltest.Toy()), nil, toyLie(t))))
		m.silence(r.node, false)
		if end := m.resolve(); end.Phase != uint8(dispute.Refuted) || end.Slashed.IsZero() {
			t.Fatalf("a node that a chain kept out for longer than grace: %+v", end)
		}
	})
}

// calm mines until the price of gas is what the cap of the profile expects, so that bonds do not follow it.
func (r *ring) calm() {
	r.t.Helper()
	for new(big.Int).Mul(r.head().BaseFee, big.NewInt(4)).Cmp(new(big.Int).SetUint64(r.params.PriceCap)) > 0 {
		r.later(1)
	}
}

// honestThroughStops wants a true claim to stand as far as stops allow, and the stake to be whole.
func (r *ring) honestThroughStops(t *testing.T, c *claimed, stop uint64, late bool) {
	t.Helper()
	before := r.account()
	m := r.start(r.fresh(c))
	g := rand.New(rand.NewPCG(stop, 9))
	m.halted(func() dispute.Move { return m.anyMove(g) }, stop, stop)
	end := m.resolve()
	if end.Phase != uint8(dispute.Lost) || end.Voided != late || !end.Slashed.IsZero() {
		t.Fatalf("an honest node: %+v by %v", end, m.path)
	}
	if after := r.account(); after.Stake != before.Stake || after.Reserved != before.Reserved || after.Games != before.Games || after.Jailed {
		t.Fatalf("an honest node has %+v, had %+v", after, before)
	}
}

// liarThroughStops wants a lie to be convicted and its opener to be whole.
func (r *ring) liarThroughStops(t *testing.T, c *claimed, l *lie, stop uint64, late bool) {
	t.Helper()
	r.refill()
	funds := r.credit(r.opener.address)
	m := r.start(r.fresh(c))
	m.halted(m.knows, stop, stop)
	m.convicted(l)
	end := m.resolve()
	if end.Phase != uint8(dispute.Refuted) || end.Voided != late || end.Slashed.IsZero() {
		t.Fatalf("a liar: %+v by %v", end, m.path)
	}
	if got := r.credit(r.opener.address); got.Cmp(funds) < 0 {
		t.Fatalf("the opener has %v, had %v", got, funds)
	}
}
