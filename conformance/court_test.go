package conformance_test

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/stake"
)

// bar is the whole arena in an EVM without a chain, at the address for which the shared games are
// signed. Its clock is set by hand, anybody can be the sender, and every position is a snapshot away.
type bar struct {
	*rules
	arena, token, keys       abi.ABI // of the arena, its token, the registry of nodes
	arenaAt, tokenAt, keysAt common.Address
	p                        stake.Params
	node, opener             common.Address
	games                    []trial
	questions                []moveCase     // one for every operation
	nodeSlot                 common.Hash    // where the arena keeps the node's stake
	slots                    uint64         // storage position of the mapping of slots
	moves                    map[string]int // what was done, by name
	reverted                 map[string]int // why calls reverted, by name
	decides                  dispute.Proofs // of the twin; nil where nothing is proven
	metered                                 // of the last call
}

// The arena of the shared games, and its guardian.
var (
	vectorArena = common.Address{0xa}
	guardian    = common.Address{0x6a}
	stranger    = common.Address{0x57}
	newcomer    = common.Address{0x58} // has no account
)

const vectorChain = 31337

// newBar deploys the arena with the parameters of a development chain: the node of the shared games has
// a stake, its openers credit.
func newBar(t testing.TB) *bar {
	t.Helper()
	if stagedBar != nil {
		c := *stagedBar
		rules := *c.rules
		rules.judge = rules.judge.copy()
		rules.cfg.BaseFee = c.cfg.BaseFee
		c.rules, c.moves, c.reverted = &rules, map[string]int{}, map[string]int{}
		return &c
	}
	c := &bar{rules: newRules(t), moves: map[string]int{}, reverted: map[string]int{}}
	config := *c.cfg.ChainConfig
	config.ChainID = big.NewInt(vectorChain)
	c.cfg.ChainConfig = &config
	c.cfg.BaseFee, c.cfg.GasPrice = big.NewInt(1e9), big.NewInt(1e9)
	c.cfg.BlockNumber, c.cfg.Time = big.NewInt(10), 50
	p := chain.DevnetParams()
	p.Guardian = guardian
	p.SpaceRate = 100_000
	c.p = p.Params
	c.token, c.tokenAt = c.deploy(t, "TestToken")
	c.keys, c.keysAt = c.deploy(t, "NodeRegistry")
	var at common.Address
	c.arena, at = c.deploy(t, "DisputeArena", chain.ArenaArguments(c.tokenAt, p, c.keysAt, c.openAt, c.gameAt, c.answerAt)...)
	c.arenaAt = vectorArena
	c.cfg.State.SetCode(c.arenaAt, c.cfg.State.GetCode(at), 0)
	c.cfg.State.SetNonce(c.arenaAt, 1, 0)
	open, err := dispute.DecodeOpen(fromHex(t, vectorsOf[openCase](t, "dispute/opens.json")[0].Payload), 0)
	if err != nil {
		t.Fatal(err)
	}
	c.node, c.opener = common.Address(open.Claim.Node), common.Address(open.Opener)
	c.enrich(t, c.node, "deposit")
	for _, who := range []common.Address{c.opener, c.node, stranger} {
		c.enrich(t, who, "fund")
	}
	c.slots, c.nodeSlot = c.slotsAt(t), c.stakeAt(t)
	c.games, c.questions = trials(t), vectorsOf[moveCase](t, "dispute/answers.json")
	return c
}

// rich is what whoever plays has, in token units.
var rich = new(big.Int).Exp(big.NewInt(10), big.NewInt(25), nil)

// enrich mints tokens to an account and has it deposit or fund them.
func (c *bar) enrich(t testing.TB, who common.Address, method string) {
	t.Helper()
	c.must(t, who, c.tokenAt, c.token, "mint", who, rich)
	c.must(t, who, c.tokenAt, c.token, "approve", c.arenaAt, rich)
	c.must(t, who, c.arenaAt, c.arena, method, rich)
}

// send is a transaction: what it returns, or the custom error of its refusal.
func (c *bar) send(t testing.TB, from, to common.Address, face abi.ABI, method string, args ...any) ([]any, string) {
	t.Helper()
	input, err := face.Pack(method, args...)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	out, name := c.raw(from, to, input)
	if name != "" {
		return nil, name
	}
	values, err := face.Unpack(method, out)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return values, ""
}

func (c *bar) raw(from, to common.Address, input []byte) (out []byte, name string) {
	c.cfg.Origin = from
	out, left, err := c.judge.call(to, input)
	c.metered = metered{c.cfg.GasLimit - left, len(input)}
	c.cfg.State.Finalise(c.cfg.ChainConfig.Rules(c.cfg.BlockNumber, true, c.cfg.Time)) // the transaction is over: what the next one writes costs as much as on a chain
	if err != nil {
		name = refusal(out, c.arena, c.game, c.answer, c.open, c.proofs, c.verifier, c.abi, c.registry, c.keys, c.token)
		c.reverted[name]++
	}
	return out, name
}

// must is a transaction that passes.
func (c *bar) must(t testing.TB, from, to common.Address, face abi.ABI, method string, args ...any) []any {
	t.Helper()
	values, name := c.send(t, from, to, face, method, args...)
	if name != "" {
		t.Fatalf("%s from %s: %s", method, from, name)
	}
	return values
}

// call is a transaction to the arena.
func (c *bar) call(t testing.TB, from common.Address, method string, args ...any) string {
	t.Helper()
	_, name := c.send(t, from, c.arenaAt, c.arena, method, args...)
	return name
}

// ask reads a number from the arena.
func (c *bar) ask(t testing.TB, method string, args ...any) *big.Int {
	t.Helper()
	return c.must(t, stranger, c.arenaAt, c.arena, method, args...)[0].(*big.Int)
}

// back undoes everything that f does to the chain.
func (c *bar) back(f func()) {
	cfg := *c.cfg
	c.cfg.State = cfg.State.Copy()
	f()
	*c.cfg = cfg
}

// wait mines a block that many seconds later.
func (c *bar) wait(seconds uint64) {
	c.cfg.BlockNumber = new(big.Int).Add(c.cfg.BlockNumber, big.NewInt(1))
	c.cfg.Time += seconds
}

// slotOf is where the arena keeps a game.
func (c *bar) slotOf(key [32]byte, position uint64) common.Hash {
	return common.Hash(claim.Keccak(key[:], common.BigToHash(new(big.Int).SetUint64(position)).Bytes()))
}

// slotsAt finds the mapping of slots: where a commit is written.
func (c *bar) slotsAt(t testing.TB) (position uint64) {
	t.Helper()
	found := false
	c.back(func() {
		key := [32]byte{1}
		if name := c.call(t, c.opener, "commit", key); name != "" {
			t.Fatal(name)
		}
		for ; position < 64 && !found; position++ {
			found = c.cfg.State.GetState(c.arenaAt, c.slotOf(key, position)) != common.Hash{}
		}
	})
	if !found {
		t.Fatal("no slot was written by a commit")
	}
	return position - 1
}

// stakeAt finds where the stake of the node is written.
func (c *bar) stakeAt(t testing.TB) common.Hash {
	t.Helper()
	key := common.BytesToHash(c.node[:])
	for position := range uint64(64) {
		slot := c.slotOf(key, position)
		if v := c.cfg.State.GetState(c.arenaAt, slot); new(big.Int).SetBytes(v[21:]).Cmp(rich) == 0 && v[0] == 0 {
			return slot
		}
	}
	t.Fatal("no slot was written by a deposit")
	return common.Hash{}
}

// trial is a game that the court plays.
type trial struct {
	name    string
	open    dispute.OpenMove
	payload []byte
	key     claim.Hash
	job     dispute.Job
	state   dispute.State
	moves   []moveCase // the legal ones of the vector, in order
	refused []moveCase // the others
}

// trials are the shared games that can be played from open on.
func trials(t testing.TB) (list []trial) {
	t.Helper()
	moves := vectorsOf[moveCase](t, "dispute/moves.json")
	for _, v := range vectorsOf[openCase](t, "dispute/opens.json") {
		if v.Error != "" {
			continue
		}
		g := trial{name: v.Game, payload: fromHex(t, v.Payload), key: claim.Hash(fromHex(t, v.Key))}
		var err error
		if g.open, err = dispute.DecodeOpen(g.payload, 0); err != nil {
			t.Fatal(err)
		}
		g.open.MaxBond = claim.MaxAmount
		g.payload = g.open.Encode()
		if g.job, err = dispute.DecodeJob(fromHex(t, v.Job)); err != nil {
			t.Fatal(err)
		}
		for _, m := range moves {
			switch {
			case m.Game != v.Game:
			case m.Next != "":
				g.moves = append(g.moves, m)
			default:
				g.refused = append(g.refused, m)
			}
		}
		list = append(list, g)
	}
	return list
}

// commitTime is when the commit of a game is allowed: within its window, and behind batchBy for a demand.
func (g *trial) commitTime() uint64 {
	if g.open.T == dispute.NotIncluded {
		return g.open.Claim.BatchBy + 1
	}
	return g.open.Claim.ChallengeUntil - 10
}

// begin commits and opens the game, and holds its state to the twin.
func (c *bar) begin(t testing.TB, g *trial) {
	t.Helper()
	if c.opener = common.Address(g.open.Opener); c.ask(t, "creditOf", c.opener).Sign() == 0 {
		c.enrich(t, c.opener, "fund")
	}
	c.cfg.Time = max(c.cfg.Time, g.commitTime())
	committed := c.cfg.Time
	if name := c.call(t, stranger, "commit", [32]byte(g.key)); name != "" {
		t.Fatalf("%s: commit: %s", g.name, name)
	}
	c.wait(2)
	games, queue := c.nodeOf(t)
	if name := c.call(t, c.opener, "open", g.payload, []byte{}); name != "" {
		t.Fatalf("%s: open: %s", g.name, name)
	}
	record := c.event(t, "Opened", c.last("Opened"))[1].([]byte)
	job, head, err := dispute.DecodeRecord(record)
	if err != nil || job != g.job {
		t.Fatalf("%s: %v, job %+v", g.name, err, job)
	}
	bond, err := c.p.Bond(games, g.open.Work(), c.cfg.BaseFee.Uint64())
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := dispute.Begin(g.open, dispute.Chain{Domain: claim.Domain{ChainID: vectorChain, Arena: claim.Address(c.arenaAt)},
		Now: c.cfg.Time, CommittedAt: committed, Queue: c.p.Queue(c.cfg.Time, queue, g.open.Work()), Escrow: bond, Hold: head.Hold,
		Gas: head.Cost, Space: c.p.Space(games + 1), Params: c.clocks()})
	if err != nil {
		t.Fatalf("%s: Go refuses what the chain opened: %v", g.name, err)
	}
	g.state = want
	c.holds(t, g)
	c.moves["open to "+want.Phase.String()]++
}

func (c *bar) clocks() dispute.Params {
	return dispute.Params{D0: c.p.ReplyTime, Grace: c.p.Grace}
}

// nodeOf reads the open games and the queue of the node.
func (c *bar) nodeOf(t testing.TB) (games, queue uint64) {
	t.Helper()
	n := c.must(t, stranger, c.arenaAt, c.arena, "nodes", c.node)
	return n[5].(*big.Int).Uint64(), n[4].(*big.Int).Uint64()
}

// holds checks that the slot has the state, or the verdict of a game that is decided.
func (c *bar) holds(t testing.TB, g *trial) {
	t.Helper()
	want := g.state.Slot()
	if g.state.Phase.Turn() == dispute.Nobody {
		v := g.state.Verdict(&g.job)
		want = v.Slot()
	}
	if got := c.cfg.State.GetState(c.arenaAt, c.slotOf(g.key, c.slots)); got != common.Hash(want) {
		t.Fatalf("%s in %s: the slot is %x, the twin has %x: %+v", g.name, g.state.Phase, got, want, g.state)
	}
}

// logged is one event of the arena.
type logged struct {
	topic common.Hash
	data  []byte
}

// last is the newest event of these names.
func (c *bar) last(names ...string) logged {
	all := c.cfg.State.Logs()
	for i := len(all) - 1; i >= 0; i-- {
		for _, name := range names {
			if all[i].Topics[0] == c.arena.Events[name].ID {
				return logged{all[i].Topics[0], all[i].Data}
			}
		}
	}
	return logged{}
}

// event decodes the data of an event that is not indexed; the first value is dropped where it is the move.
func (c *bar) event(t testing.TB, name string, l logged) []any {
	t.Helper()
	if l.topic != c.arena.Events[name].ID {
		t.Fatalf("the last event is %x, want %s", l.topic, name)
	}
	values, err := c.arena.Events[name].Inputs.NonIndexed().Unpack(l.data)
	if err != nil {
		t.Fatal(err)
	}
	return append([]any{nil}[:2-min(len(values), 2)], values...)
}

// spent is what the arena booked for the last move.
func (c *bar) spent(t testing.TB, before *dispute.State) claim.Amount {
	t.Helper()
	l := c.last("Moved", "Decided")
	var cost claim.Amount
	if l.topic == c.arena.Events["Decided"].ID {
		v, err := dispute.DecodeVerdict(c.event(t, "Decided", l)[1].([]byte))
		if err != nil {
			t.Fatal(err)
		}
		cost = v.Cost
	} else {
		s, err := dispute.DecodeState(c.event(t, "Moved", l)[1].([]byte))
		if err != nil {
			t.Fatal(err)
		}
		cost = s.Cost
	}
	paid, err := cost.Sub(before.Cost)
	if err != nil {
		t.Fatal(err)
	}
	return paid
}

// methods name the moves of the arena.
var methods = map[dispute.Kind]string{dispute.KindChildren: "children", dispute.KindChild: "child", dispute.KindReveal: "reveal",
	dispute.KindStage: "stage", dispute.KindRows: "rows", dispute.KindLayer: "layer", dispute.KindTensors: "tensors",
	dispute.KindPick: "pick", dispute.KindRaw: "raw", dispute.KindElement: "element",
	dispute.KindPublish: "publish", dispute.KindDecrypt: "decrypt"}

// try makes a move in the arena and with the twin: both refuse it, or both reach the same state, clocks and
// escrow included. It reports the reason of a refusal.
func (c *bar) try(t testing.TB, g *trial, from common.Address, k dispute.Kind, payload []byte) string {
	t.Helper()
	before, logs := g.state, len(c.cfg.State.Logs())
	var name string
	switch {
	case k == dispute.KindAnswer || k == dispute.KindInclude || k == dispute.KindTimeout:
		name = c.call(t, from, map[dispute.Kind]string{dispute.KindAnswer: "answer", dispute.KindInclude: "include",
			dispute.KindTimeout: "timeout"}[k], [32]byte(g.key), before.Encode(), payload)
	default:
		name = c.call(t, from, methods[k], [32]byte(g.key), before.Encode(), payload, []byte{})
	}
	used := metered{c.used, c.sent}
	env := dispute.Env{Now: c.cfg.Time, Mover: claim.Address(from), Params: c.clocks(), Space: c.space(t), Proofs: c.decides}
	if k == dispute.KindInclude {
		env.BatchCount = c.countOf(t, g, payload)
	}
	var err error
	if env.ProofBond, err = c.p.ProofBond(c.cfg.BaseFee.Uint64()); err != nil {
		t.Fatal(err)
	}
	if name == "" {
		env.Gas = c.spent(t, &before)
	}
	next, err := c.twinOf(g, k, payload, env)
	if (err == nil) != (name == "") {
		t.Fatalf("%s in %s, %s at %d: Go says %v, the chain %q\nstate %x\npayload %x", g.name, before.Phase, k, c.cfg.Time, err, name,
			before.Encode(), payload)
	}
	if err != nil {
		return name
	}
	g.state = next
	c.holds(t, g)
	c.tells(t, g, k, payload, &before, logs)
	c.booked(t, g, k, &before, used)
	void := ""
	if next.Flags&dispute.FlagVoid != before.Flags&dispute.FlagVoid {
		void = ", void"
	}
	c.moves[k.String()+": "+before.Phase.String()+" to "+next.Phase.String()+void]++
	return ""
}

func (c *bar) twinOf(g *trial, k dispute.Kind, payload []byte, env dispute.Env) (dispute.State, error) {
	var m dispute.Move = dispute.Timeout{}
	if k == dispute.KindTimeout {
		if !bytes.Equal(payload, g.job.Encode()) {
			return g.state, dispute.ErrBadJob
		}
	} else {
		var err error
		if m, err = dispute.DecodeMove(&g.state, k, payload); err != nil {
			return g.state, err
		}
	}
	next, _, err := dispute.Apply(g.state, m, env)
	return next, err
}

// space is by how much the games of both sides lengthen their deadlines.
func (c *bar) space(t testing.TB) dispute.Space {
	t.Helper()
	games, _ := c.nodeOf(t)
	return dispute.Space{Node: c.p.Space(games), Opener: c.p.Space(c.ask(t, "openedBy", c.opener).Uint64())}
}

// mover is who has to make a move.
func (c *bar) mover(s *dispute.State) common.Address {
	if s.Phase.Turn() == dispute.Opener {
		return c.opener
	}
	return c.node
}

// next makes the move of the vector, or reports that there is none.
func (c *bar) next(t testing.TB, g *trial) bool {
	t.Helper()
	if len(g.moves) == 0 {
		return false
	}
	m := g.moves[0]
	if name := c.try(t, g, c.mover(&g.state), dispute.Kind(m.Move), fromHex(t, m.Payload)); name != "" {
		t.Fatalf("%s move %d: %s", g.name, m.Move, name)
	}
	g.moves = g.moves[1:]
	return true
}

// The shared games are played on the arena as they stand, each move held to the twin with its clocks and
// its money. SPEC 08 §4, §5.
func TestCourtPlaysTheSharedGames(t *testing.T) {
	base := newBar(t)
	for _, g := range base.games {
		base.back(func() {
			base.begin(t, &g)
			for base.next(t, &g) {
			}
		})
	}
	if len(base.moves) < 26 {
		t.Errorf("%d transitions were played: %v", len(base.moves), base.moves)
	}
}
