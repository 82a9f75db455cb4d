package conformance_test

import (
	"context"
	"errors"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// fresh gives a claim its particulars and the node's signature as evidence.
func (r *ring) fresh(c *claimed) *claimed {
	r.prepare(c)
	c.sign(r.t, r.k.Domain(), r.node.key)
	return c
}

// harmfulLie looks for an element and a mask that change a state of an honest claim; nil if none is
// found.
func harmfulLie(t *testing.T, honest *claimed, job decode.Job, at, stage, i int, g *rand.Rand) *lie {
	t.Helper()
	d := &honest.man.Model.Stages[stage].Ops[i].Descriptor
	w := 8 * d.Type.Size()
	for _, bit := range []int{w - 2, w / 2, w * 3 / 4, w / 3, 0, w - 2, w - 2, w - 2, w / 2, w / 2} {
		l := &lie{at, stage, i, g.Uint64N(d.Count(&opset.Context{T: uint32(at)})), 1 << bit, nil}
		run, finish := tokenRun(t, honest.man, job, l.tamper())
		if finish != claim.FinishRun && finish <= claim.FinishGrammar && !slices.Equal(run.Hashes, honest.theirs.Hashes) {
			return l
		}
	}
	return nil
}

// served hands out the node's tensors of the game.
func (c *claimed) served(t uint32, stage, i int) ([]byte, bool) {
	step, err := c.node.Step(t)
	if err != nil {
		return nil, false
	}
	tr, err := step.Stage(stage)
	if err != nil {
		return nil, false
	}
	_, data, err := tr.Tensor(i)
	return data, err == nil
}

// hunt plays a game about one lie of each operation that the stages have at a step and that done
// lacks, with the states withheld, with the step named, and with the tensor served in turn.
func (r *ring) hunt(man *manifest.Manifest, job decode.Job, at int, done map[opset.Code]bool) {
	r.t.Helper()
	g := rand.New(rand.NewPCG(5, uint64(at)))
	honest := tokenClaim(r.t, man, job, nil, nil)
	for s := range man.Model.Stages {
		emit := at+1 >= len(job.Prompt)
		if man.Emit() == s && !emit || man.Absorb() == s && emit {
			continue
		}
		for i := 1; i < len(man.Model.Stages[s].Ops); i++ {
			op := man.Model.Stages[s].Ops[i].Op
			if done[op] {
				continue
			}
			done[op] = false
			if l := harmfulLie(r.t, honest, job, at, s, i, g); l != nil {
				r.convictOnce(tokenClaim(r.t, man, job, l, nil), l, int(op))
				done[op] = true
			}
		}
	}
}

// Each operation of a Llama refutes a lie about one of its elements. GAME rule 32.
func TestEveryOperationConvictsOnChain(t *testing.T) {
	if os.Getenv("ELENCHUS_SOAK") == "" {
		t.Skip("lies that matter by themselves: TestEveryOperationIsConvicted plays all operations; set ELENCHUS_SOAK=1")
	}
	r := newEmbeddedRing(t, devchain.Osaka)
	man := bound(t, modeltest.Llama(3, modeltest.Tiny()))
	done := map[opset.Code]bool{}
	for _, seed := range []uint64{11, 12, 13, 14} {
		job := tokenTestJob(seed)
		if seed%2 == 0 {
			job.Temperature = 0
		}
		for at := len(job.Prompt) - 2; at < len(job.Prompt); at++ {
			r.hunt(man, job, at, done)
		}
	}
	for op, ok := range done {
		if !ok {
			t.Errorf("no lie about %s was convicted", op)
		}
	}
	t.Logf("%d operations", len(done))
	r.gasTable()
}

func (r *ring) convictOnce(c *claimed, l *lie, n int) {
	r.t.Helper()
	if n%3 == 1 {
		c.name()
	}
	m := r.start(r.fresh(c))
	if n%3 == 2 {
		m.serves = c.served
	}
	m.play(r.opener)
	m.convicted(l)
	m.resolve()
}

// Rows of several leaves, and KV rows of several: the largest answers that a small machine makes.
func TestWideModelOnChain(t *testing.T) {
	if os.Getenv("ELENCHUS_SOAK") == "" {
		t.Skip("takes a minute: set ELENCHUS_SOAK=1")
	}
	man, job := bound(t, modeltest.Llama(3, modeltest.Wide())), tokenTestJob(11)
	for _, fork := range []devchain.Fork{devchain.Osaka, devchain.Amsterdam} {
		t.Run(fork.String(), func(t *testing.T) {
			r := newEmbeddedRing(t, fork)
			r.hunt(man, job, len(job.Prompt)-1, map[opset.Code]bool{})
			r.gasTable()
		})
	}
}

// A list of outputs that was edited after an honest run contradicts its states. GAME §3.4.
func TestEditedOutputIsRefutedOnChain(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	c := tokenClaim(t, bound(t, modeltest.Llama(3, modeltest.Tiny())), tokenTestJob(11), nil, nil)
	c.open.T = dispute.AnyOutput
	edited := *c.theirs
	edited.Outputs = append([]int32(nil), edited.Outputs...)
	edited.Outputs[1] ^= 1
	c.node = dispute.NewOwn(c.man, tokenTestJob(11), &edited, uint32(len(edited.Outputs)), nil)
	tree, _, err := c.node.Outputs()
	if err != nil {
		t.Fatal(err)
	}
	c.open.Claim.OutputRoot = tree.At(tree.Depth(), 0)
	m := r.start(r.fresh(c))
	for m.state.Phase != dispute.R1 {
		who, move, err := r.opener, dispute.Move(nil), error(nil)
		if m.state.Phase.Turn() == dispute.Opener {
			move, err = dispute.NextForOpener(m.state, m.job, m.seen(), c.opener, dispute.Withheld)
		} else {
			who = r.node
			move, err = dispute.NextForNode(m.state, m.job, c.node)
		}
		if err != nil {
			t.Fatal(err)
		}
		m.move(who, move)
	}
	move, err := dispute.NextForNode(m.state, m.job, c.node)
	if err != nil {
		t.Fatal(err)
	}
	order := ledger.Move{Game: m.key, Kind: uint8(move.Kind()), State: m.state.Encode(), Payload: move.Encode()}
	// Whatever the node reveals contradicts either its states or its outputs.
	r.wantError(dispute.ErrContradiction, r.node)(r.k.Intent(order))
	env := dispute.Env{Now: m.state.Deadline, Mover: r.node.address, Params: r.k.Params().Clocks()}
	if _, _, err := dispute.Apply(m.state, move, env); !errors.Is(err, dispute.ErrContradiction) {
		t.Fatalf("the twin says %v", err)
	}
	m.silence(r.opener, true)
	if m.resolve().Phase != uint8(dispute.Refuted) {
		t.Fatal("not refuted")
	}
}

// silence lets the clock of the side to move run out; with a node at its first deadline, too.
func (m *match) silence(who *actor, void bool) {
	m.t.Helper()
	timeout := func() (chain.Intent, error) {
		return m.k.Intent(ledger.Timeout{Game: m.key, State: m.state.Encode(), Job: m.job.Encode()})
	}
	step := func(until uint64) {
		m.wantError(dispute.ErrEarly, who)(timeout())
		m.later(until - m.head().Time + 1)
		m.follow(dispute.Timeout{}, who.address, m.do(who, "timeout")(timeout()))
	}
	if m.state.Phase.Turn() == dispute.Opener {
		step(m.state.Deadline)
		return
	}
	if void {
		step(m.state.Deadline)
	}
	step(m.state.Last)
}

// A side that falls silent loses, the node with its claim void before. SPEC 08 §5.
func TestSilenceLosesOnChain(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	toy := bound(t, modeltest.Toy())
	wrong := toyLie(t)
	m := r.start(r.fresh(graphClaim(t, toy, nil, wrong)))
	move, err := dispute.NextForNode(m.state, m.job, m.c.node)
	if err != nil {
		t.Fatal(err)
	}
	m.move(r.node, move)
	m.silence(r.node, false)
	if end := m.resolve(); end.Phase != uint8(dispute.Lost) || end.Voided {
		t.Fatalf("a silent opener: %+v", end)
	}
	// Late, but not too late: the claim is void and the game goes on.
	m = r.start(r.fresh(graphClaim(t, toy, nil, wrong)))
	r.later(m.state.Deadline - r.head().Time + 1)
	if move, err = dispute.NextForNode(m.state, m.job, m.c.node); err != nil {
		t.Fatal(err)
	}
	m.move(r.node, move)
	if m.state.Flags&dispute.FlagVoid == 0 {
		t.Fatal("a late move did not void the claim")
	}
	m.play(r.node)
	if end := m.resolve(); end.Phase != uint8(dispute.Lost) || !end.Voided {
		t.Fatalf("a late node: %+v", end)
	}
	for _, void := range []bool{true, false} {
		m = r.start(r.fresh(graphClaim(t, toy, nil, wrong)))
		m.silence(r.opener, void)
		late, err := dispute.NextForNode(m.state, m.job, m.c.node)
		if err == nil {
			t.Fatalf("%s is still a move", late.Kind())
		}
		if end := m.resolve(); end.Phase != uint8(dispute.Refuted) || !end.Voided {
			t.Fatalf("a silent node: %+v", end)
		}
	}
}

// anyMove is a legal move of an opener who knows nothing.
func (m *match) anyMove(g *rand.Rand) dispute.Move {
	s, seen := &m.state, m.seen()
	switch s.Phase {
	case dispute.StatesPick, dispute.TensorPick:
		posted := seen[len(seen)-1].(dispute.Children).Hashes
		k := min(6, int(s.Level))
		i := g.Uint64N(uint64(len(posted)))
		tree := merkle.NewTree(posted, k, int(s.Level)-k)
		return dispute.Child{Number: uint8(i), Hash: posted[i], Path: tree.Siblings(0, i, i+1)}
	case dispute.Stage:
		head := s.Layers + 1
		if s.Flags&dispute.FlagAbsorb != 0 {
			head++
		}
		return dispute.PickStage{Stage: []uint16{dispute.StageKV, head, uint16(g.IntN(int(s.Layers) + 1))}[g.IntN(3)]}
	case dispute.Layer:
		return dispute.PickLayer{Layer: uint16(g.IntN(int(s.Layers)))}
	case dispute.Pick:
		return m.anyTensor(g, seen[len(seen)-1].(dispute.Tensors))
	case dispute.Element:
		size := uint64(1) << (s.Type - 1)
		return dispute.PickElement{Element: uint16(g.Uint64N(min(uint64(s.Leaf), s.Total-s.Index*uint64(s.Leaf)) / size))}
	}
	m.t.Fatalf("phase %s", s.Phase)
	return nil
}

func (m *match) anyTensor(g *rand.Rand, posted dispute.Tensors) dispute.Move {
	i := 1 + g.IntN(int(m.state.Count)-1)
	d, path, err := m.c.man.Descriptor(int(m.state.Stage), i)
	if err != nil {
		m.t.Fatal(err)
	}
	if g.IntN(2) == 0 {
		c := m.job.Context(m.state.T, int32(m.state.YPrev))
		return dispute.PickTensor{Tensor: uint8(i), Index: g.Uint64N(d.Count(&c) + 2)}
	}
	return dispute.PickTensor{Tensor: uint8(i), Index: dispute.Descend, Root: posted.Roots[i],
		RootPath: claim.NewTree(posted.Roots).Path(i), Descriptor: d.Encode(), GraphPath: path}
}

// An honest node wins against an opener who picks anything whatever, and no reply costs it more
// than it is repaid. GAME rules 30, 36.
func TestHonestNodeNeverLosesOnChain(t *testing.T) {
	t.Parallel()
	for _, fork := range []devchain.Fork{devchain.Osaka, devchain.Amsterdam} {
		t.Run(fork.String(), func(t *testing.T) {
			r := newEmbeddedRing(t, fork)
			man := bound(t, modeltest.Llama(3, modeltest.Tiny()))
			for seed := range uint64(randomOpeners()) {
				g := rand.New(rand.NewPCG(seed, 9))
				m := r.start(r.fresh(tokenClaim(t, man, tokenTestJob(11), nil, nil)))
				for m.state.Phase.Turn() != dispute.Nobody {
					if m.state.Phase.Turn() == dispute.Opener {
						m.move(r.opener, m.anyMove(g))
						continue
					}
					move, err := dispute.NextForNode(m.state, m.job, m.c.node)
					if err != nil {
						t.Fatalf("seed %d: %v", seed, err)
					}
					m.move(r.node, move)
				}
				if end := m.resolve(); end.Phase != uint8(dispute.Lost) || end.Voided {
					t.Fatalf("seed %d: %+v by %v", seed, end, m.path)
				}
			}
			r.repayTable()
			r.gasTable()
		})
	}
}

// repayTable prints the least share of its gas that a move of the node was repaid.
func (r *ring) repayTable() {
	for kind, share := range r.repaid {
		r.t.Logf("%s is repaid %d %% of its gas at least", kind, share)
	}
}

// notePay compares what the arena credited with what a move of the node cost.
func (r *ring) notePay(kind dispute.Kind, credit claim.Amount, receipt *chain.Receipt) {
	wei := new(big.Int).Mul(new(big.Int).SetUint64(receipt.GasUsed), receipt.EffectiveGasPrice)
	cost := wei.Mul(wei, r.k.Params().TokenPerEther.Big())
	cost.Div(cost, big.NewInt(1e18))
	share := new(big.Int).Mul(credit.Big(), big.NewInt(100))
	share.Div(share, cost)
	if old, ok := r.repaid[kind]; !ok || share.Int64() < old {
		r.repaid[kind] = share.Int64()
	}
}

// A stranger may carry what a party or its delegate signed; a delegate may move itself; neither may
// do more. SPEC 08 §4.1.
func TestSignedMovesAreCarriedOnChain(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRing(t, devchain.Osaka)
	carrier, hand := r.newActor(t, "deployer"), claim.AddressOf(keyOf(t, "hand"))
	r.do(r.node, "setDelegate")(r.k.SetDelegate("hand", hand, true))
	if ok, err := r.k.IsDelegate(r.ctx, r.node.address, hand); err != nil || !ok {
		t.Fatalf("delegate %v, %v", ok, err)
	}
	c := r.fresh(graphClaim(t, bound(t, modeltest.Toy()), nil, toyLie(t)))
	m := r.start(c)
	move, err := dispute.NextForNode(m.state, m.job, c.node)
	if err != nil {
		t.Fatal(err)
	}
	order := ledger.Move{Game: m.key, Kind: uint8(move.Kind()), State: m.state.Encode(), Payload: move.Encode()}
	digest := chain.MoveDigest(r.k.Domain(), m.key, m.state.Slot(), order.Payload)
	r.wantError(dispute.ErrMover, carrier)(r.k.Intent(order))
	byOpener, err := claim.Sign(digest, r.opener.key)
	if err != nil {
		t.Fatal(err)
	}
	r.wantError(dispute.ErrMover, carrier)(r.k.SignedMove(order, byOpener[:]))
	r.wantError(chain.ErrSignature, carrier)(r.k.SignedMove(order, byOpener[:64]))
	stale := chain.MoveDigest(r.k.Domain(), m.key, claim.Hash{1}, order.Payload)
	byHand, err := claim.Sign(stale, keyOf(t, "hand"))
	if err != nil {
		t.Fatal(err)
	}
	r.wantError(dispute.ErrMover, carrier)(r.k.SignedMove(order, byHand[:]))
	if byHand, err = claim.Sign(digest, keyOf(t, "hand")); err != nil {
		t.Fatal(err)
	}
	before := r.credit(carrier.address)
	r.do(carrier, "reveal")(r.k.SignedMove(order, byHand[:]))
	if m.state = m.onChain(); m.state.Phase != dispute.Stage {
		t.Fatalf("phase %s", m.state.Phase)
	}
	if r.credit(carrier.address).Cmp(before) <= 0 {
		t.Fatal("the carrier was not repaid")
	}
	m.play(r.node)
	m.resolve()
}

// The earliest commit among the winners takes the reward. SPEC 08 §6.
func TestEarlierCommitTakesTheRewardOnChain(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRing(t, devchain.Osaka)
	toy, l := bound(t, modeltest.Toy()), toyLie(t)
	first := r.fresh(graphClaim(t, toy, l, nil))
	second := *first
	late := r.newActor(t, "deployer")
	r.do(late, "mint")(r.k.Mint("mint", late.address, tokens(1000)))
	r.do(late, "approve")(r.k.Approve("approve", tokens(1000)))
	r.do(late, "fund")(r.k.Fund("fund", tokens(1000)))
	early := r.start(first)
	r.opener, late = late, r.opener
	second.open.Opener, second.open.Salt = r.opener.address, claim.Hash{9}
	m := r.start(&second)
	m.play(r.opener)
	m.convicted(l)
	won := m.resolve()
	quick := r.opener.address
	if held, err := stake.DecodeHeld(won.Held); err != nil || held.Winner != quick || held.Slashed != won.Slashed {
		t.Fatalf("%+v, %v", won, err)
	}
	r.opener = late
	early.play(r.opener)
	early.convicted(l)
	// Without what the case holds nobody resolves it, so that nobody can keep the winner from it.
	verdict := early.state.Verdict(&early.job)
	for _, held := range [][]byte{nil, won.Held[1:], append([]byte{1}, won.Held[1:]...)} {
		r.wantError(chain.ErrHeld, r.node)(r.k.Intent(ledger.Resolve{Game: early.key, Verdict: verdict.Encode(), Held: held}))
	}
	end := early.resolve()
	if end.Slashed != end.Costs || end.Costs.IsZero() {
		t.Fatalf("the second refutation: %+v", end)
	}
	held, err := stake.DecodeHeld(end.Held)
	if err != nil || held.Winner != r.opener.address || held.Winner == quick || held.Slashed != won.Slashed {
		t.Fatalf("%+v, %v", held, err)
	}
	r.later(r.k.Params().RewardDelay + 1)
	r.do(r.opener, "settle")(r.k.Intent(ledger.Settle{Case: early.state.Case, Held: end.Held}))
}

// A claim that contradicts its own request is refuted by its opening. SPEC 08 §4.8.
func TestFalseOnItsFaceOnChain(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	c := tokenClaim(t, bound(t, modeltest.Llama(3, modeltest.Tiny())), tokenTestJob(11), nil, nil)
	c.open.Request.MaxNew = c.open.Claim.Count - 1
	c.open.T = dispute.OnItsFace
	m := r.start(r.fresh(c))
	if m.state.Phase != dispute.Refuted {
		t.Fatalf("opened in %s", m.state.Phase)
	}
	end := m.resolve()
	if loss := mustAdd(r.k.Params().Reserve, c.open.Claim.Value); end.Slashed != loss || end.Phase != uint8(dispute.Refuted) || end.Voided {
		t.Fatalf("resolved as %+v, want a slash of %v", end, loss)
	}
	if a := r.account(); !a.Jailed || a.Games != 0 || !a.Reserved.IsZero() {
		t.Fatalf("node has %+v", a)
	}
	r.paysOut(m, end)
}

// A claim that was only signed and one in a batch are two cases: the reserve of a batch is taken
// though the node refuted itself by its signature before. SPEC 09 §4.2.
func TestSelfRefutationSparesNoBatchOnChain(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	toy, l := bound(t, modeltest.Toy()), toyLie(t)
	signed := r.fresh(graphClaim(t, toy, l, nil))
	posted := *signed
	r.post(&posted)
	posted.open.Salt = claim.Hash{9}
	first := r.start(signed)
	second := r.start(&posted)
	loss := mustAdd(r.k.Params().Reserve, signed.open.Claim.Value)
	for _, m := range []*match{first, second} {
		before := r.account()
		m.play(r.opener)
		m.convicted(l)
		if end := m.resolve(); end.Slashed != loss || r.account().Stake != before.Stake.Less(loss) {
			t.Fatalf("resolved as %+v, want a slash of %v", end, loss)
		}
	}
}

// Stake leaves after its term and a commit that is not opened burns its bond.
func TestStakeLeavesAndCommitsExpireOnChain(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	before, err := r.k.Burned(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	commit := ledger.Commit{Game: claim.Hash{7}}
	r.do(r.opener, "commit")(r.k.Intent(commit))
	r.wantError(chain.ErrTaken, r.opener)(r.k.Intent(commit))
	r.wantError(dispute.ErrEarly, r.opener)(r.k.Intent(ledger.Expire{Game: commit.Game}))
	r.do(r.node, "requestUnbond")(r.k.RequestUnbond("unbond", tokens(4000)))
	r.wantError(chain.ErrLocked, r.node)(r.k.WithdrawStake("early"))
	r.wantError(chain.ErrFunds, r.node)(r.k.RequestUnbond("much", tokens(40_000)))
	r.later(r.k.Params().Unbonding + 1)
	r.do(r.opener, "expire")(r.k.Intent(ledger.Expire{Game: commit.Game}))
	r.wantError(chain.ErrNoCommit, r.opener)(r.k.Intent(ledger.Expire{Game: commit.Game}))
	bond, err := r.k.CommitBond()
	if err != nil {
		t.Fatal(err)
	}
	if after, err := r.k.Burned(r.ctx); err != nil || after != mustAdd(before, bond) {
		t.Fatalf("burned %v, was %v, %v", after, before, err)
	}
	r.do(r.node, "withdrawStake")(r.k.WithdrawStake("leave"))
	if got, err := r.k.TokenBalance(r.ctx, r.node.address); err != nil || got != tokens(4000) {
		t.Fatalf("node has %v, %v", got, err)
	}
	if got := r.account(); got.Free() != tokens(6000) {
		t.Fatalf("%+v", got)
	}
}

func mustAdd(a, b claim.Amount) claim.Amount {
	sum, err := a.Add(b)
	if err != nil {
		panic(err)
	}
	return sum
}

// A fact whose block is gone is reported as removed, and comes again when the outbox mends it.
func TestRemovedFactsAreReported(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRing(t, devchain.Osaka)
	var events []bool // Removed, of the second endpoint
	done := errors.New("seen")
	r.do(r.node, "setEndpoint")(r.k.SetEndpoint("second", "http://127.0.0.1:2"))
	reorged := false
	err := r.k.Watch(r.ctx, chain.FactOptions{Interval: time.Millisecond}, func(_ context.Context, b chain.FactBatch) error {
		for _, f := range b.Facts {
			if e, ok := f.Event.(ledger.Endpoint); ok && e.URL == "http://127.0.0.1:2" && e.Node == r.node.address {
				events = append(events, f.Removed)
			}
		}
		if len(events) == 1 && !reorged {
			reorged = true
			return r.embedded.Reorg(1)
		}
		if len(events) == 3 {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || !slices.Equal(events, []bool{false, true, false}) {
		t.Fatalf("removed: %v, %v", events, err)
	}
}

// randomOpeners is how many wrong openers an honest node meets.
func randomOpeners() int {
	if os.Getenv("ELENCHUS_SOAK") != "" {
		return 30
	}
	return 3
}
