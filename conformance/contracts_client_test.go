package conformance_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/compute/model/modeltest"
	"elenchus/network/chain"
	"elenchus/network/chain/anviltest"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// actor is an account with its outbox.
type actor struct {
	key     *ecdsa.PrivateKey
	address claim.Address
	box     *chain.Outbox
}

// ring is a deployment with a node, an opener and a user, on some chain.
type ring struct {
	t      *testing.T
	ctx    context.Context
	client *chain.Client
	k      *chain.Contracts
	node   *actor
	opener *actor
	user   claim.Address
	later  func(seconds uint64) // moves the chain's clock
	games  ledger.Games         // from the receipts
	facts  []ledger.Fact
	used   map[string]uint64      // the most gas of each call
	repaid map[dispute.Kind]int64 // the least share of its gas that a move of the node got back, percent
	nonce  uint64

	embedded *devchain.Chain // nil on anvil
}

func keyOf(t *testing.T, name string) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte(name)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var ringNames = []string{"deployer", "node", "opener"}

// newEmbeddedRing deploys on an embedded chain.
func newEmbeddedRing(t *testing.T, fork devchain.Fork) *ring {
	t.Helper()
	alloc := map[common.Address]*big.Int{}
	for _, name := range ringNames {
		alloc[crypto.PubkeyToAddress(keyOf(t, name).PublicKey)] = new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
	}
	c, err := devchain.Start(t.Context(), devchain.Options{Mode: devchain.OnDemand, Fork: fork, Alloc: alloc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := newRing(t, c.HTTP(), devchain.DefaultChainID)
	r.embedded = c
	r.later = func(seconds uint64) {
		if err := c.Advance(time.Duration(seconds) * time.Second); err != nil {
			t.Fatal(err)
		}
	}
	r.begin(t)
	return r
}

// newAnvilRing deploys on anvil, which shares no code with the embedded chain.
func newAnvilRing(t *testing.T) *ring {
	t.Helper()
	anvil := anviltest.Start(t, "--hardfork", "osaka")
	r := newRing(t, anvil.URL, 31337)
	rpc := func(method string, args ...any) {
		if err := r.client.Backend().Client().CallContext(r.ctx, nil, method, args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range ringNames {
		wei := new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
		rpc("anvil_setBalance", crypto.PubkeyToAddress(keyOf(t, name).PublicKey), (*hexutil.Big)(wei))
	}
	r.later = func(seconds uint64) {
		rpc("evm_increaseTime", seconds)
		rpc("evm_mine")
	}
	r.begin(t)
	return r
}

func newRing(t *testing.T, url string, id uint64) *ring {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	client, err := chain.Dial(ctx, url, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &ring{t: t, ctx: ctx, client: client, user: claim.Address{0xd}, used: map[string]uint64{}, repaid: map[dispute.Kind]int64{}}
}

// begin deploys and endows the actors.
func (r *ring) begin(t *testing.T) {
	t.Helper()
	signer, err := chain.NewSigner(keyOf(t, "deployer"))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	at, err := chain.Deploy(r.ctx, r.client, signer, chain.DevnetParams())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("deployed in %v", time.Since(start).Round(time.Millisecond))
	record, err := at.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if at, err = chain.DecodeAddresses(record); err != nil {
		t.Fatal(err)
	}
	if r.k, err = chain.Load(r.ctx, r.client, at); err != nil {
		t.Fatal(err)
	}
	if got := r.k.Params(); got.Token == (common.Address{}) {
		t.Fatal("no token")
	} else if got.Token = (common.Address{}); got != chain.DevnetParams() {
		t.Fatalf("parameters are %+v", got)
	}
	r.node, r.opener = r.newActor(t, "node"), r.newActor(t, "opener")
	funds := tokens(10_000)
	for _, a := range []*actor{r.node, r.opener} {
		r.do(a, "mint")(r.k.Mint("mint", a.address, funds))
		r.do(a, "approve")(r.k.Approve("approve", funds))
	}
	r.do(r.node, "deposit")(r.k.Deposit("deposit", funds))
	r.do(r.opener, "fund")(r.k.Fund("fund", funds))
	r.do(r.node, "setEndpoint")(r.k.SetEndpoint("url", "http://127.0.0.1:1"))
}

func tokens(n uint64) claim.Amount {
	a, err := claim.Units(1e18).Mul(n)
	if err != nil {
		panic(err)
	}
	return a
}

func (r *ring) newActor(t *testing.T, name string) *actor {
	t.Helper()
	a := &actor{key: keyOf(t, name)}
	a.address = claim.AddressOf(a.key)
	signer, err := chain.NewSigner(a.key)
	if err != nil {
		t.Fatal(err)
	}
	o := chain.Options{Poll: 3 * time.Millisecond, Depth: 64}
	if a.box, err = chain.OpenOutbox(r.ctx, filepath.Join(t.TempDir(), name+".db"), r.client, signer, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.box.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		a.box.Close()
	})
	return a
}

// do sends an intent, waits for it, and takes its facts. It fails if the call reverts.
func (r *ring) do(a *actor, name string) func(chain.Intent, error) *chain.Receipt {
	return func(i chain.Intent, err error) *chain.Receipt {
		r.t.Helper()
		if err == nil {
			err = a.box.Submit(r.ctx, i)
		}
		if err != nil {
			r.t.Fatalf("%s: %v", name, err)
		}
		receipt, err := a.box.Wait(r.ctx, i.Key)
		if err != nil {
			r.t.Fatalf("%s: %v", name, r.k.Explain(err))
		}
		r.used[name] = max(r.used[name], receipt.GasUsed)
		if spare := i.Gas - receipt.GasUsed; i.Gas < receipt.GasUsed*5/4 {
			r.t.Errorf("%s leaves %d of %d gas: raise its limit", name, spare, i.Gas)
		}
		for _, l := range receipt.Logs {
			f, ok, err := r.k.Fact(*l)
			if err != nil {
				r.t.Fatal(err)
			}
			if ok {
				r.games.Apply(f)
				r.facts = append(r.facts, f)
			}
		}
		return receipt
	}
}

// try runs an intent without sending it.
func (r *ring) try(from claim.Address) func(chain.Intent, error) error {
	return func(i chain.Intent, err error) error {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
		_, err = r.client.Call(r.ctx, common.Address(from), *i.To, i.Data)
		return r.k.Explain(err)
	}
}

// gasTable prints what each call used at most, and compares with the ceilings.
func (r *ring) gasTable() {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "calls_gas.txt"))
	if err != nil {
		r.t.Fatal(err)
	}
	ceilings := map[string][2]uint64{}
	for line := range strings.Lines(string(text)) {
		var name string
		var osaka, amsterdam uint64
		if _, err := fmt.Sscan(line, &name, &osaka, &amsterdam); err == nil {
			ceilings[name] = [2]uint64{osaka * 1000, amsterdam * 1000}
		}
	}
	column := 0
	if r.embedded != nil && r.embedded.Fork() == devchain.Amsterdam {
		column = 1
	}
	var lines []string
	for name, gas := range r.used {
		lines = append(lines, fmt.Sprintf("%-12s %9d", name, gas))
		if most := ceilings[name][column]; gas > most {
			r.t.Errorf("%s uses %d gas, its ceiling is %d", name, gas, most)
		}
	}
	slices.Sort(lines)
	r.t.Logf("most gas by call:\n%s", strings.Join(lines, "\n"))
}

func (r *ring) head() chain.Head {
	h, err := r.client.Head(r.ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// prepare gives a claim its node, user, times, price and a nonce of its own.
func (r *ring) prepare(c *claimed) {
	r.nonce++
	now := r.head().Time
	o := &c.open
	o.Opener, o.Salt, o.MaxBond = r.opener.address, claim.Keccak([]byte{byte(r.nonce)}), claim.MaxAmount
	o.Claim.Node, o.Claim.Value = r.node.address, tokens(7)
	o.Claim.Issued, o.Claim.BatchBy, o.Claim.ChallengeUntil = now, now+30, now+r.k.Params().Window+60
	o.Request.User, o.Request.Price, o.Request.Nonce = r.user, tokens(5), r.nonce
}

// post puts the claim in a batch of three on the chain.
func (r *ring) post(c *claimed) {
	root := c.batch(r.t, r.k.Domain(), 3, 1)
	r.do(r.node, "postBatch")(r.k.Intent(ledger.PostBatch{Root: root, Count: 3, Cover: tokens(7),
		Until: r.head().Time + r.k.Params().Window + 60}))
}

// match is one game on the chain beside its twin.
type match struct {
	*ring
	c     *claimed
	key   claim.Hash
	state dispute.State
	job   dispute.Job
	path  []dispute.Kind
	spent *big.Int // wei that the node paid for its moves
	last  dispute.Effect
	// serves is what the node hands out beside the game; nil means nothing.
	serves dispute.Served
}

// start commits and opens, and compares the first state with the twin's.
func (r *ring) start(c *claimed) *match {
	r.t.Helper()
	d := r.k.Domain()
	_, cl := c.open.Sealed(d)
	m := &match{ring: r, c: c, key: dispute.Key(r.opener.address, cl.ID(d), c.open.T, c.open.Salt), spent: new(big.Int)}
	r.do(r.opener, "commit")(r.k.Intent(ledger.Commit{Game: m.key}))
	slot, err := r.k.Slot(r.ctx, m.key)
	if err != nil {
		r.t.Fatal(err)
	}
	_, committed, ok := slot.Commit()
	if !ok {
		r.t.Fatalf("slot %x is no commit", slot)
	}
	account := r.account()
	bond, err := r.k.OpeningBond(r.ctx, r.node.address, c.open.Work())
	if err != nil {
		r.t.Fatal(err)
	}
	receipt := r.do(r.opener, "open")(r.k.Intent(ledger.Open{Game: m.key, Payload: c.open.Encode()}))
	now := r.timeOf(receipt)
	p := r.k.Params()
	chainView := dispute.Chain{Domain: d, Now: now, CommittedAt: committed, Escrow: bond, Params: p.Clocks(),
		Queue: max(now, account.Queue) + (c.open.Work()+p.Rate-1)/p.Rate, BatchCount: 3}
	m.state = m.onChain()
	chainView.Gas = m.state.Cost
	want, job, err := dispute.Begin(c.open, chainView)
	if err != nil {
		r.t.Fatalf("the twin refuses what the arena opened: %v", err)
	}
	m.same(want)
	m.job = job
	if g, _ := r.games.Game(m.key); !bytes.Equal(g.Job, job.Encode()) {
		r.t.Fatal("job of the event is not the twin's")
	}
	return m
}

func (r *ring) account() chain.Account {
	a, err := r.k.Account(r.ctx, r.node.address)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *ring) timeOf(receipt *chain.Receipt) uint64 {
	h, err := r.client.HeadAt(r.ctx, receipt.BlockNumber)
	if err != nil {
		r.t.Fatal(err)
	}
	return h.Time
}

// onChain is the state of the last event, which the slot must hold.
func (m *match) onChain() dispute.State {
	m.t.Helper()
	g, ok := m.games.Game(m.key)
	if !ok {
		m.t.Fatal("game was not opened")
	}
	s, err := dispute.DecodeState(g.State)
	if err != nil {
		m.t.Fatal(err)
	}
	slot, err := m.k.Slot(m.ctx, m.key)
	if err != nil {
		m.t.Fatal(err)
	}
	if claim.Hash(slot) != s.Slot() {
		m.t.Fatalf("slot %x is not the hash of the event's state", slot)
	}
	return s
}

func (m *match) same(want dispute.State) {
	m.t.Helper()
	if m.state == want {
		return
	}
	a, b := reflect.ValueOf(m.state), reflect.ValueOf(want)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			m.t.Errorf("%s: arena %v, twin %v", a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
	m.t.FailNow()
}

// seen are the node's moves, read from logs alone.
func (m *match) seen() []dispute.Move {
	m.t.Helper()
	g, _ := m.games.Game(m.key)
	var out []dispute.Move
	posts := g.Posts
	for i := 1; i < len(g.Moves) && len(posts) > 0; i++ {
		if g.Moves[i].Move != posts[0].Move {
			continue
		}
		before, err := dispute.DecodeState(g.Moves[i-1].State)
		if err != nil {
			m.t.Fatal(err)
		}
		move, err := dispute.DecodeMove(&before, dispute.Kind(posts[0].Move), posts[0].Payload)
		if err != nil {
			m.t.Fatalf("posted %s: %v", dispute.Kind(posts[0].Move), err)
		}
		out, posts = append(out, move), posts[1:]
	}
	if len(posts) > 0 {
		m.t.Fatalf("%d posts without a move", len(posts))
	}
	return out
}

// play moves for both sides until the game is decided. answers says who opens the picked element.
func (m *match) play(answers *actor) {
	m.t.Helper()
	served := m.serves
	if served == nil {
		served = dispute.Withheld
	}
	for m.state.Phase.Turn() != dispute.Nobody {
		if len(m.path) > 60 {
			m.t.Fatalf("no end in sight: %v", m.path)
		}
		who, move, err := m.opener, dispute.Move(nil), error(nil)
		if m.state.Phase.Turn() == dispute.Opener || m.state.Phase == dispute.Answer && answers == m.opener {
			move, err = dispute.NextForOpener(m.state, m.job, m.seen(), m.c.opener, served)
		} else {
			who = m.node
			move, err = dispute.NextForNode(m.state, m.job, m.c.node)
		}
		if err != nil {
			m.t.Fatalf("phase %s after %v: %v", m.state.Phase, m.path, err)
		}
		m.move(who, move)
	}
}

// move sends a move and compares the arena's state with the twin's.
func (m *match) move(who *actor, move dispute.Move) {
	m.t.Helper()
	kind := move.Kind()
	order := ledger.Move{Game: m.key, Kind: uint8(kind), State: m.state.Encode(), Payload: move.Encode()}
	receipt := m.do(who, kind.String())(m.k.Intent(order))
	if who == m.node {
		m.spent.Add(m.spent, new(big.Int).Mul(new(big.Int).SetUint64(receipt.GasUsed), receipt.EffectiveGasPrice))
	}
	before := m.state
	m.state = m.onChain()
	m.path = append(m.path, kind)
	gas, err := m.state.Cost.Sub(before.Cost)
	if err != nil {
		m.t.Fatal(err)
	}
	env := dispute.Env{Now: m.timeOf(receipt), Mover: who.address, Gas: gas, Params: m.k.Params().Clocks()}
	want, effect, err := dispute.Apply(before, move, env)
	if err != nil {
		m.t.Fatalf("the twin refuses %s, which the arena took: %v", kind, err)
	}
	m.same(want)
	m.last = effect
	if before.Phase.Turn() == dispute.Node {
		m.notePay(kind, effect.Credit, receipt)
	}
}

// resolve closes the game and returns what the event said.
func (m *match) resolve() ledger.Resolved {
	m.t.Helper()
	m.do(m.opener, "resolve")(m.k.Intent(ledger.Resolve{Game: m.key, State: m.state.Encode(), Job: m.job.Encode()}))
	g, _ := m.games.Game(m.key)
	if g.Resolved == nil {
		m.t.Fatal("no event of the end")
	}
	return *g.Resolved
}

// convicted wants the game to have ended on the lie.
func (m *match) convicted(l *lie) {
	m.t.Helper()
	op := m.c.man.Model.Stages[l.stage].Ops[l.tensor].Op
	g, _ := m.games.Game(m.key)
	want := ledger.Convicted{Game: m.key, Op: uint8(op), Tensor: uint8(l.tensor), Element: l.element}
	if g.Convicted == nil || *g.Convicted != want || int(m.state.Stage) != l.stage || int(m.state.T) != l.t {
		m.t.Fatalf("lie %+v (%s) ended in %s at step %d stage %d with %+v by %v",
			*l, op, m.state.Phase, m.state.T, m.state.Stage, g.Convicted, m.path)
	}
	if !m.last.Convicts || m.last.Op != want.Op || m.last.Element != want.Element {
		m.t.Fatalf("the twin says %+v", m.last)
	}
}

func (r *ring) credit(who claim.Address) claim.Amount {
	a, err := r.k.Credit(r.ctx, who)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// wantError runs an intent dry and wants a sentinel.
func (r *ring) wantError(want error, from *actor) func(chain.Intent, error) {
	return func(i chain.Intent, err error) {
		r.t.Helper()
		if err := r.try(from.address)(i, err); !errors.Is(err, want) {
			r.t.Fatalf("%s: %v, want %v", i.Key, err, want)
		}
	}
}

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
	v, err := r.k.Verdict(r.ctx, m.state.ClaimID)
	if err != nil || !v.Refuted || v.Winner != r.opener.address || v.Reward != end.Reward || v.Reward.IsZero() {
		t.Fatalf("verdict %+v, %v", v, err)
	}
	r.wantError(chain.ErrSettle, r.opener)(r.k.Intent(ledger.Settle{ClaimID: m.state.ClaimID}))
	r.wantError(chain.ErrJailed, r.node)(r.k.Intent(ledger.PostBatch{Root: claim.Hash{1}, Count: 1, Until: r.head().Time + 1000}))
	r.later(r.k.Params().RewardDelay + 1)
	r.do(r.opener, "settle")(r.k.Intent(ledger.Settle{ClaimID: m.state.ClaimID}))
	all := r.credit(r.opener.address)
	r.do(r.opener, "withdraw")(r.k.Intent(ledger.Withdraw{Amount: all, Nonce: r.nonce}))
	if got, err := r.k.TokenBalance(r.ctx, r.opener.address); err != nil || got != all {
		t.Fatalf("opener withdrew %v of %v, %v", got, all, err)
	}
}

// An honest node keeps its stake and is repaid more than its gas, whatever an opener believes.
func honestIsWhole(t *testing.T, r *ring, c *claimed) {
	r.prepare(c)
	r.post(c)
	before, credit := r.account(), r.credit(r.node.address)
	m := r.start(c)
	r.wantError(dispute.ErrMover, r.opener)(r.k.Intent(ledger.Move{Game: m.key, Kind: uint8(dispute.KindReveal), State: m.state.Encode()}))
	r.wantError(dispute.ErrEarly, r.opener)(r.k.Intent(ledger.Timeout{Game: m.key, State: m.state.Encode()}))
	r.wantError(dispute.ErrBadState, r.node)(r.k.Intent(ledger.Timeout{Game: m.key, State: make([]byte, dispute.StateSize)}))
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
	r.later(r.k.Params().Window + 61)
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

func TestGamesOnEmbeddedChain(t *testing.T) { games(t, newEmbeddedRing(t, devchain.Osaka)) }

func TestGamesUnderAmsterdam(t *testing.T) { games(t, newEmbeddedRing(t, devchain.Amsterdam)) }

func TestGamesOnAnvil(t *testing.T) { games(t, newAnvilRing(t)) }

// The smallest model: a stage of three operations.
func TestToyLiarIsSlashed(t *testing.T) {
	r := newEmbeddedRing(t, devchain.Osaka)
	l := toyLie(t)
	liarIsSlashed(t, r, graphClaim(t, bound(t, modeltest.Toy()), l, nil), l)
	r.watched()
}
