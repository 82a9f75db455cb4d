package conformance_test

import (
	"bytes"
	"errors"
	"math/big"
	"reflect"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

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
	proves *notary // finishes answers about confidential models; nil: there are none
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
	if pieces := c.open.Pieces(); pieces > 0 {
		if bond, err = r.k.DataBond(r.ctx, r.node.address, pieces); err != nil {
			r.t.Fatal(err)
		}
	}
	receipt := r.do(r.opener, "open")(r.k.Intent(ledger.Open{Game: m.key, Payload: c.open.Encode()}))
	now := r.timeOf(receipt)
	p := r.k.Params()
	chainView := dispute.Chain{Domain: d, Now: now, CommittedAt: committed, Escrow: bond, Hold: r.hold(c, account), Params: p.Clocks(),
		Queue: max(now, account.Queue) + (c.open.Work()+p.Rate-1)/p.Rate, BatchCount: 3, Space: p.Space(uint64(account.Games) + 1)}
	g, _ := r.games.Game(m.key)
	opened, err := dispute.DecodeState(g.State)
	if err != nil {
		r.t.Fatal(err)
	}
	m.state, chainView.Gas = opened, opened.Cost
	want, job, err := dispute.Begin(c.open, chainView)
	if err != nil {
		r.t.Fatalf("the twin refuses what the arena opened: %v", err)
	}
	m.job = job
	if m.same(want); want.Phase.Turn() != dispute.Nobody {
		m.onChain()
	} else {
		m.decided(want)
	}
	if !bytes.Equal(g.Job, job.Encode()) {
		r.t.Fatal("job of the event is not the twin's")
	}
	return m
}

// hold is what the twin holds of the node's stake for a game about the claim.
func (r *ring) hold(c *claimed, before chain.Account) claim.Amount {
	r.t.Helper()
	reserve := r.k.Params().Reserve
	var batch *stake.Batch
	if c.open.Batch != nil {
		b, err := r.k.Batch(r.ctx, r.node.address, c.open.Batch.Root)
		if err != nil {
			r.t.Fatal(err)
		}
		batch = &stake.Batch{Count: uint64(b.Count), Until: b.Until, Cover: b.Cover}
	}
	sure, err := batch.Sure(reserve, c.open.Claim.Value)
	if err != nil {
		r.t.Fatal(err)
	}
	n := stake.Node{Stake: before.Stake, Reserved: before.Reserved, Games: uint64(before.Games)}
	hold, err := n.Open(mustAdd(reserve, c.open.Claim.Value), sure)
	if err != nil {
		r.t.Fatal(err)
	}
	if after := r.account(); after.Reserved != n.Reserved || uint64(after.Games) != n.Games {
		r.t.Fatalf("the node's account is %+v, the twin's %+v", after, n)
	}
	return hold
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

// proofBond is what an element added in the block of a transaction.
func (m *match) proofBond(receipt *chain.Receipt) claim.Amount {
	m.t.Helper()
	h, err := m.client.HeadAt(m.ctx, receipt.BlockNumber)
	if err != nil {
		m.t.Fatal(err)
	}
	p := m.k.Params()
	bond, err := p.ProofBond(h.BaseFee.Uint64())
	if err != nil {
		m.t.Fatal(err)
	}
	return bond
}

// decided wants the event of the end and the slot to say what the twin's last state leaves.
func (m *match) decided(want dispute.State) {
	m.t.Helper()
	g, _ := m.games.Game(m.key)
	if g.Decided == nil {
		m.t.Fatal("the game is not decided")
	}
	v := want.Verdict(&m.job)
	if !bytes.Equal(g.Decided.Verdict, v.Encode()) {
		got, err := dispute.DecodeVerdict(g.Decided.Verdict)
		m.t.Fatalf("arena %+v, %v\ntwin %+v", got, err, v)
	}
	slot, err := m.k.Slot(m.ctx, m.key)
	if err != nil || claim.Hash(slot) != v.Slot() {
		m.t.Fatalf("slot %x is not the hash of the verdict, %v", slot, err)
	}
	m.state = want
}

// cost is what the chain says that the game has cost the opener.
func (m *match) cost() claim.Amount {
	m.t.Helper()
	if g, _ := m.games.Game(m.key); g.Decided != nil {
		v, err := dispute.DecodeVerdict(g.Decided.Verdict)
		if err != nil {
			m.t.Fatal(err)
		}
		return v.Cost
	}
	return m.onChain().Cost
}

// follow makes a move of the chain in the twin and compares.
func (m *match) follow(move dispute.Move, mover claim.Address, receipt *chain.Receipt) dispute.Effect {
	m.t.Helper()
	gas, err := m.cost().Sub(m.state.Cost)
	if err != nil {
		m.t.Fatal(err)
	}
	env := dispute.Env{Now: m.timeOf(receipt), Mover: mover, Gas: gas, Space: m.space(), BatchCount: 3, Params: m.k.Params().Clocks()}
	if m.proves != nil {
		env.Proofs, env.ProofBond = m.proves.decide, m.proofBond(receipt)
	}
	want, effect, err := dispute.Apply(m.state, move, env)
	if err != nil {
		m.t.Fatalf("the twin refuses %s, which the arena took: %v", move.Kind(), err)
	}
	if effect.Over {
		m.decided(want)
		return effect
	}
	m.state = m.onChain()
	m.same(want)
	return effect
}

// space is by how much the open games of both sides lengthen deadlines.
func (m *match) space() dispute.Space {
	m.t.Helper()
	opened, err := m.k.OpenedBy(m.ctx, m.opener.address)
	if err != nil {
		m.t.Fatal(err)
	}
	p := m.k.Params()
	return dispute.Space{Node: p.Space(uint64(m.account().Games)), Opener: p.Space(opened)}
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
	if a, ok := move.(dispute.ProofMove); ok && !a.Outside {
		move = m.proves.prove(m.state, a, who.address)
	}
	kind := move.Kind()
	order := ledger.Move{Game: m.key, Kind: uint8(kind), State: m.state.Encode(), Payload: move.Encode()}
	receipt := m.do(who, kind.String())(m.k.Intent(order))
	if who == m.node {
		m.spent.Add(m.spent, new(big.Int).Mul(new(big.Int).SetUint64(receipt.GasUsed), receipt.EffectiveGasPrice))
	}
	before := m.state.Phase.Turn()
	m.path = append(m.path, kind)
	m.last = m.follow(move, who.address, receipt)
	if before == dispute.Node {
		m.notePay(kind, m.last.Credit, receipt)
	}
}

// resolve closes the game and returns what the event said.
func (m *match) resolve() ledger.Resolved {
	m.t.Helper()
	verdict := m.state.Verdict(&m.job)
	m.do(m.opener, "resolve")(m.k.Intent(ledger.Resolve{Game: m.key, Verdict: verdict.Encode(), Held: m.cases.Held(m.state.Case)}))
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
