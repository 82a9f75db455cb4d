package conformance_test

import (
	"context"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"testing"
	"time"

	"elenchus/commitment/claim"
	"elenchus/compute/model/modeltest"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// A node that computed one element wrongly loses its reserve, and the opener gets all back that the
// game cost him.
func liarIsSlashed(t *testing.T, r *ring, c *claimed, l *lie) {
	r.prepare(c)
	r.post(c)
	before, funds := r.account(), r.credit(r.opener.address)
	m := r.start(c)
	m.play(r.opener)
	m.convicted(l)
	end := m.resolve()
	loss, _ := r.k.Params().Reserve.Add(c.open.Claim.Value)
	if end.Slashed != loss || end.Phase != uint8(dispute.Refuted) || end.Voided {
		t.Fatalf("resolved as %+v, want a slash of %v", end, loss)
	}
	after := r.account()
	if after.Stake != before.Stake.Less(loss) || !after.Jailed || after.Games != 0 {
		t.Fatalf("node has %+v, had %+v", after, before)
	}
	if got := r.credit(r.opener.address); got.Cmp(funds) < 0 {
		t.Fatalf("opener has %v, had %v", got, funds)
	}
	r.paysOut(m, end)
	all := r.credit(r.opener.address)
	r.do(r.opener, "withdraw")(r.k.Intent(ledger.Withdraw{Amount: all, Nonce: r.nonce}))
	if got, err := r.k.TokenBalance(r.ctx, r.opener.address); err != nil || got != all {
		t.Fatalf("opener withdrew %v of %v, %v", got, all, err)
	}
}

// paysOut wants what a verdict holds to be what the event said, and to be paid after D3, once.
func (r *ring) paysOut(m *match, end ledger.Resolved) {
	r.t.Helper()
	v, err := r.k.Verdict(r.ctx, m.state.Case)
	hash := claim.Keccak(end.Held)
	hash[31] &^= 3
	if err != nil || !v.Refuted || v.Held != hash {
		r.t.Fatalf("verdict %+v, %v", v, err)
	}
	held, err := stake.DecodeHeld(end.Held)
	if err != nil || held.Winner != r.opener.address || held.Slashed != end.Slashed || held.User != m.c.open.Request.User {
		r.t.Fatalf("holds %+v, %v", held, err)
	}
	settle := ledger.Settle{Case: m.state.Case, Held: end.Held}
	r.wantError(chain.ErrSettle, r.opener)(r.k.Intent(settle))
	r.wantError(chain.ErrHeld, r.opener)(r.k.Intent(ledger.Settle{Case: m.state.Case, Held: append([]byte{1}, end.Held[1:]...)}))
	r.wantError(chain.ErrJailed, r.node)(r.k.Intent(ledger.PostBatch{Root: claim.Hash{1}, Count: 1, Until: r.head().Time + 1000}))
	r.later(r.k.Params().RewardDelay + 1)
	p := stake.Params{RefundFactor: r.k.Params().RefundFactor}
	cut := p.Split(&held)
	before, user, burned := r.credit(r.opener.address), r.credit(held.User), r.burned()
	r.do(r.opener, "settle")(r.k.Intent(settle))
	if got := r.credit(r.opener.address); got != mustAdd(before, cut.Reward) || cut.Reward.IsZero() {
		r.t.Fatalf("opener has %v after %v and a reward of %v", got, before, cut.Reward)
	}
	if got := r.credit(held.User); got != mustAdd(user, cut.Refund) || r.burned() != mustAdd(burned, cut.Burned) {
		r.t.Fatalf("user has %v after %v, burned %v after %v: want %+v", got, user, r.burned(), burned, cut)
	}
	if v, err = r.k.Verdict(r.ctx, m.state.Case); err != nil || !v.Refuted || v.Held != (claim.Hash{}) {
		r.t.Fatalf("verdict %+v, %v", v, err)
	}
	r.wantError(chain.ErrSettle, r.opener)(r.k.Intent(settle))
}

func (r *ring) burned() claim.Amount {
	b, err := r.k.Burned(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// An honest node keeps its stake and is repaid more than its gas, whatever an opener believes.
func honestIsWhole(t *testing.T, r *ring, c *claimed) {
	r.prepare(c)
	r.post(c)
	before, credit := r.account(), r.credit(r.node.address)
	m := r.start(c)
	r.wantError(dispute.ErrMover, r.opener)(r.k.Intent(ledger.Move{Game: m.key, Kind: uint8(dispute.KindReveal), State: m.state.Encode()}))
	r.wantError(dispute.ErrEarly, r.opener)(r.k.Intent(ledger.Timeout{Game: m.key, State: m.state.Encode(), Job: m.job.Encode()}))
	r.wantError(dispute.ErrBadState, r.node)(r.k.Intent(ledger.Timeout{Game: m.key, State: make([]byte, dispute.StateSize), Job: m.job.Encode()}))
	m.play(r.node)
	if end := m.resolve(); end.Phase != uint8(dispute.Lost) || !end.Slashed.IsZero() || end.Voided {
		t.Fatalf("resolved as %+v", end)
	}
	after := r.account()
	if after.Stake != before.Stake || after.Jailed || after.Games != 0 {
		t.Fatalf("node has %+v, had %+v", after, before)
	}
	gained, err := r.credit(r.node.address).Sub(credit)
	if err != nil {
		t.Fatal(err)
	}
	cost := new(big.Int).Mul(m.spent, r.k.Params().TokenPerEther.Big())
	if cost.Div(cost, big.NewInt(1e18)); gained.Big().Cmp(cost) < 0 {
		t.Fatalf("node gained %v, its gas was worth %v", gained, cost)
	}
	release := ledger.ReleaseBatch{Root: c.open.Batch.Root}
	r.wantError(chain.ErrBatch, r.opener)(r.k.ReleaseBatch(r.node.address, release))
	r.later(r.k.Params().Window + 61 + r.k.Params().Window/2)
	r.do(r.node, "releaseBatch")(r.k.ReleaseBatch(r.node.address, release))
	if got := r.account(); !got.Reserved.IsZero() {
		t.Fatalf("reserved %v after the release", got.Reserved)
	}
}

// watched wants Watch to report the facts of the receipts.
func (r *ring) watched() {
	r.t.Helper()
	var got []ledger.Fact
	stop := errors.New("enough")
	err := r.k.Watch(r.ctx, chain.FactOptions{Interval: time.Millisecond}, func(_ context.Context, b chain.FactBatch) error {
		got = append(got, b.Facts...)
		if b.Head.Number >= r.head().Number {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		r.t.Fatal(err)
	}
	want := slices.Clone(r.facts)
	for i := range want {
		h, err := r.client.HeadAt(r.ctx, new(big.Int).SetUint64(want[i].Block))
		if err != nil {
			r.t.Fatal(err)
		}
		want[i].Time = h.Time
	}
	if !reflect.DeepEqual(got, want) {
		r.t.Fatalf("Watch reports %d facts, the receipts hold %d", len(got), len(want))
	}
}

// toyLie is a lie about a product of the toy model that survives the ReLU.
func toyLie(t *testing.T) *lie {
	man := bound(t, modeltest.Toy())
	honest := graphClaim(t, man, nil, nil).open.Claim.OutputRoot
	for e := range uint64(4) {
		for _, mask := range []int64{1 << 9, -1 << 20} {
			l := &lie{tensor: 1, element: e, mask: mask}
			if graphClaim(t, man, l, nil).open.Claim.OutputRoot != honest {
				return l
			}
		}
	}
	t.Fatal("no lie about a product of the toy has an effect")
	return nil
}

// The whole walk on real contracts: honest first, since a convicted node is jailed.
func games(t *testing.T, r *ring) {
	toy := bound(t, modeltest.Toy())
	config := modeltest.Tiny()
	config.Layers = 3
	llama := bound(t, modeltest.Llama(3, config))
	wrong := toyLie(t)
	middle := &lie{t: 4, stage: 2, tensor: 9, element: 3, mask: 1 << 9}
	job := tokenTestJob(11)
	honestIsWhole(t, r, graphClaim(t, toy, nil, wrong))
	honest := tokenClaim(t, llama, job, nil, middle)
	if !honest.differs() {
		t.Fatal("the opener's error has no effect")
	}
	honestIsWhole(t, r, honest)
	liar := tokenClaim(t, llama, job, middle, nil)
	if !liar.differs() {
		t.Fatal("the lie has no effect")
	}
	liarIsSlashed(t, r, liar, middle)
	r.watched()
	r.gasTable()
}

func TestGamesOnEmbeddedChain(t *testing.T) {
	t.Parallel()
	games(t, newEmbeddedRing(t, devchain.Osaka))
}

func TestGamesUnderAmsterdam(t *testing.T) {
	t.Parallel()
	games(t, newEmbeddedRing(t, devchain.Amsterdam))
}

// Anvil, which shares no code with the embedded chain, plays the same games for the same gas: what differs
// is data that happens to have more zero bytes.
func TestGamesOnAnvil(t *testing.T) {
	t.Parallel()
	r, osaka := newAnvilRing(t), newEmbeddedRing(t, devchain.Osaka)
	games(t, r)
	games(t, osaka)
	if len(r.used) != len(osaka.used) {
		t.Fatalf("%d calls on anvil, %d on the embedded chain", len(r.used), len(osaka.used))
	}
	for call, gas := range r.used {
		if most := osaka.used[call]; max(gas, most)-min(gas, most) > most/100+200 {
			t.Errorf("%s takes %d gas on anvil, %d on the embedded chain", call, gas, most)
		}
	}
}

// The smallest model: a stage of three operations.
func TestToyLiarIsSlashed(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	l := toyLie(t)
	liarIsSlashed(t, r, graphClaim(t, bound(t, modeltest.Toy()), l, nil), l)
	r.watched()
}
