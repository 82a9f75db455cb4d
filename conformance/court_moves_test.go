package conformance_test

import (
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/settlement/dispute"
)

// position is a game on a chain of its own, with the move that is due: what is played from it leaves it
// as it was.
type position struct {
	game  trial
	state *state.StateDB
	block *big.Int
	time  uint64
}

// from puts the bar into a position.
func (c *bar) from(p *position) *trial {
	c.cfg.State, c.cfg.BlockNumber, c.cfg.Time = p.state.Copy(), p.block, p.time
	g := p.game
	c.opener = common.Address(g.state.Opener)
	return &g
}

func (c *bar) here(g *trial) position {
	return position{*g, c.cfg.State.Copy(), c.cfg.BlockNumber, c.cfg.Time}
}

// positions are those of the shared games, of every shared question, of a demand that can be met and of a
// descent in a large tensor.
func (c *bar) positions(t testing.TB) (list []position) {
	t.Helper()
	add := func(g *trial) { list = append(list, c.here(g)) }
	for _, g := range c.games {
		c.back(func() {
			c.begin(t, &g)
			for add(&g); c.next(t, &g); add(&g) {
			}
		})
	}
	for _, v := range c.questions {
		c.back(func() {
			g, _, _ := c.asked(t, v)
			g.moves = []moveCase{v}
			add(g)
		})
	}
	c.back(func() {
		g, m := c.demanded(t, rand.New(rand.NewPCG(1, 1)))
		g.moves = []moveCase{{Move: uint8(dispute.KindInclude), Payload: fmt.Sprintf("%x", m.Encode())}}
		add(g)
	})
	c.back(func() {
		g := c.deep(t)
		for add(g); c.next(t, g); add(g) {
		}
	})
	return list
}

// deep is a descent in a tensor of 2^14 leaves, of which the upper levels are chosen.
func (c *bar) deep(t testing.TB) *trial {
	t.Helper()
	g := c.at(t, "settings", 6)
	if g.state.Phase != dispute.Tensor {
		t.Fatalf("settings is in %s", g.state.Phase)
	}
	level := make([]claim.Hash, 64)
	for i := range level {
		level[i] = claim.Hash{byte(i), 1}
	}
	children := dispute.Children{Hashes: slices.Clone(level)}
	child := dispute.Child{Number: 0, Hash: level[0]}
	for ; len(level) > 1; level = level[:len(level)/2] {
		child.Path = append(child.Path, level[1])
		for i := range len(level) / 2 {
			level[i] = merkle.Node(level[2*i], level[2*i+1])
		}
	}
	g.state.Level, g.state.Total, g.state.Leaf, g.state.Subtree = 14, 64<<14, 64, level[0]
	c.place(g)
	g.moves = []moveCase{{Move: uint8(dispute.KindChildren), Payload: fmt.Sprintf("%x", children.Encode())},
		{Move: uint8(dispute.KindChild), Payload: fmt.Sprintf("%x", child.Encode())}}
	return g
}

// deed is one way on from a position.
type deed func(t testing.TB, c *bar, x *trial, g *rand.Rand) string

// deeds are the legal move in time and behind D1, and the timeouts, each somewhere in its interval.
func deeds() []deed {
	legal := func(t testing.TB, c *bar, x *trial, g *rand.Rand) string {
		if len(x.moves) == 0 {
			return "none"
		}
		m, from := x.moves[0], c.mover(&x.state)
		if k := dispute.Kind(m.Move); (k == dispute.KindAnswer || k == dispute.KindInclude) && g.IntN(2) == 0 {
			from = newcomer // anybody may, and is paid for it
		}
		return c.try(t, x, from, dispute.Kind(m.Move), fromHex(t, m.Payload))
	}
	within := func(c *bar, g *rand.Rand, first, last uint64) {
		if first = max(first, c.cfg.Time); first <= last {
			c.cfg.Time = []uint64{first, last, first + g.Uint64N(last-first+1)}[g.IntN(3)]
		}
	}
	return []deed{
		func(t testing.TB, c *bar, x *trial, g *rand.Rand) string {
			within(c, g, 0, x.state.Deadline)
			return legal(t, c, x, g)
		},
		func(t testing.TB, c *bar, x *trial, g *rand.Rand) string {
			within(c, g, x.state.Deadline+1, x.state.Last)
			return legal(t, c, x, g)
		},
		func(t testing.TB, c *bar, x *trial, g *rand.Rand) string {
			within(c, g, x.state.Deadline+1, x.state.Last)
			return c.try(t, x, stranger, dispute.KindTimeout, x.job.Encode())
		},
		func(t testing.TB, c *bar, x *trial, g *rand.Rand) string {
			last := max(x.state.Deadline, x.state.Last)
			within(c, g, last+1, last+1000)
			return c.try(t, x, stranger, dispute.KindTimeout, x.job.Encode())
		},
	}
}

// illegal makes some move that is hardly legal; the twin says whether it is.
func (c *bar) illegal(t testing.TB, x *trial, g *rand.Rand) {
	t.Helper()
	if len(x.moves) == 0 || x.state.Phase.Turn() == dispute.Nobody {
		return
	}
	m := x.moves[0]
	k, payload := dispute.Kind(m.Move), mutate(g, fromHex(t, m.Payload))
	if g.IntN(4) == 0 {
		k = dispute.Kind(3 + g.IntN(11))
	}
	counted := c.moves
	c.moves = map[string]int{} // what is legal by luck is no way to get there again
	defer func() { c.moves = counted }()
	c.back(func() {
		c.cfg.Time += g.Uint64N(40)
		y := *x
		if k != dispute.KindInclude {
			c.try(t, &y, c.mover(&x.state), k, payload)
		}
	})
}

// countOf is how many claims the batch has that an include names.
func (c *bar) countOf(t testing.TB, x *trial, payload []byte) uint32 {
	t.Helper()
	if len(payload) < dispute.JobSize+32 {
		return 0
	}
	key := claim.Keccak(x.state.Node[:], payload[dispute.JobSize:][:32])
	return uint32(c.must(t, stranger, c.arenaAt, c.arena, "batches", [32]byte(key))[0].(uint16))
}

// owed is what the arena owes: the stake, all credits, what burns, and what the game and its verdict hold.
func (c *bar) owed(t testing.TB, escrow claim.Amount, held []byte) *big.Int {
	t.Helper()
	sum := new(big.Int).Add(c.ask(t, "burned"), escrow.Big())
	sum.Add(sum, c.must(t, stranger, c.arenaAt, c.arena, "nodes", c.node)[0].(*big.Int))
	accounts := map[common.Address]bool{c.node: true, c.opener: true, stranger: true, newcomer: true}
	for i := range c.games {
		accounts[common.Address(c.games[i].job.User)] = true
		accounts[common.Address(c.games[i].open.Opener)] = true
	}
	for who := range accounts {
		sum.Add(sum, c.ask(t, "creditOf", who))
	}
	if len(held) > 0 {
		slashed, left := new(big.Int).SetBytes(held[32:48]), new(big.Int).SetBytes(held[64:80])
		sum.Add(sum, left).Add(sum, slashed.Sub(slashed, new(big.Int).Rsh(slashed, 1)))
	}
	return sum
}

// solvent holds the arena's balance to what it owes, to the last unit. SPEC 09 §1.2.
func (c *bar) solvent(t testing.TB, when string, escrow claim.Amount, held []byte) {
	t.Helper()
	has := c.must(t, stranger, c.tokenAt, c.token, "balanceOf", c.arenaAt)[0].(*big.Int)
	if owed := c.owed(t, escrow, held); has.Cmp(owed) != 0 {
		t.Fatalf("%s: the arena has %d and owes %d", when, has, owed)
	}
}

// ended resolves a decided game, and settles: nobody honest loses, the jail holds, and nothing moves any
// more. SPEC 09 §2, §4.
func (c *bar) ended(t testing.TB, x *trial, before *dispute.State) {
	t.Helper()
	stake := func() *big.Int { return c.must(t, stranger, c.arenaAt, c.arena, "nodes", c.node)[0].(*big.Int) }
	had, credit, payee := stake(), c.ask(t, "creditOf", c.opener), c.ask(t, "creditOf", c.node)
	held := c.resolved(t, x)
	c.solvent(t, "resolved", claim.Amount{}, held)
	got := new(big.Int).Sub(c.ask(t, "creditOf", c.opener), credit)
	c.moves["resolve: "+x.state.Phase.String()]++
	if x.state.Phase == dispute.Lost {
		least := 1 // unit that the node gains; of a demand for data it gains nothing
		if x.state.Flags&dispute.FlagDemand != 0 {
			least = 0
		}
		if stake().Cmp(had) != 0 || c.ask(t, "creditOf", c.node).Cmp(payee) < least {
			t.Fatalf("%s: a node that was challenged in vain lost", x.name)
		}
	} else {
		if stake().Cmp(had) >= 0 || got.Cmp(x.state.Escrow.Big()) < 0 {
			t.Fatalf("%s: who was right got %d of %s", x.name, got, x.state.Escrow)
		}
		root := [32]byte{1}
		if name := c.call(t, c.node, "postBatch", root, big.NewInt(1), new(big.Int), new(big.Int).SetUint64(c.cfg.Time+c.p.Window)); name != "Jailed" {
			t.Fatalf("%s: a node in jail posts: %q", x.name, name)
		}
		c.wait(c.p.RewardDelay + 1)
		if name := c.call(t, stranger, "settle", [32]byte(x.state.Case), held); name != "" {
			t.Fatalf("settle: %s", name)
		}
		c.moves["settle"]++
		c.solvent(t, "settled", claim.Amount{}, nil)
		c.wait(c.p.Unbonding)
	}
	c.closed(t, x, before)
}

// closed checks that no call moves a game that is resolved.
func (c *bar) closed(t testing.TB, x *trial, before *dispute.State) {
	t.Helper()
	v := x.state.Verdict(&x.job)
	for _, state := range [][]byte{before.Encode(), x.state.Encode(), v.Encode()} {
		for _, method := range slices.Sorted(maps.Values(methods)) {
			if name := c.call(t, c.mover(before), method, [32]byte(x.key), state, []byte{0}, []byte{}); name != "WrongState" {
				t.Fatalf("%s: %s after the end: %q", x.name, method, name)
			}
		}
		for _, method := range []string{"answer", "include", "timeout", "resolve"} {
			args := []any{[32]byte(x.key), state, x.job.Encode()}
			if name := c.call(t, stranger, method, args...); name != "WrongState" {
				t.Fatalf("%s: %s after the end: %q", x.name, method, name)
			}
		}
	}
}

// transitions are those of the table in 08 §4 for public models; "void" is that of a side that missed D1.
func transitions() (all []string) {
	for _, m := range strings.Fields(`children:states:states-pick children:outputs:outputs-pick children:tensor:tensor-pick
		child:states-pick:states child:states-pick:r1 child:outputs-pick:outputs child:tensor-pick:tensor child:tensor-pick:raw
		reveal:r1:stage stage:stage:r2 stage:stage:rows rows:rows:layer layer:layer:r2 tensors:r2:pick pick:pick:answer pick:pick:tensor
		pick:pick:raw raw:raw:element raw:outputs:outputs-pick element:element:answer element:outputs-pick:r1 answer:answer:refuted
		answer:answer:lost include:demand:lost`) {
		part := strings.Split(m, ":")
		all = append(all, fmt.Sprintf("%s: %s to %s", part[0], part[1], part[2]))
	}
	for p := dispute.States; p <= dispute.Demand; p++ {
		switch p.Turn() {
		case dispute.Node:
			all = append(all, fmt.Sprintf("timeout: %s to %s, void", p, p), fmt.Sprintf("timeout: %s to refuted, void", p))
		case dispute.Opener:
			all = append(all, fmt.Sprintf("timeout: %s to lost", p))
		}
	}
	return append(all, "resolve: lost", "resolve: refuted", "settle")
}

// once plays from a position: some illegal moves, the deed, and the end of a game that it decides.
func (c *bar) once(t testing.TB, p *position, d deed, g *rand.Rand) {
	t.Helper()
	x := c.from(p)
	for range g.IntN(3) {
		c.illegal(t, x, g)
	}
	before := x.state
	if name := d(t, c, x, g); name != "" {
		return
	}
	c.solvent(t, "moved", x.state.Escrow, nil)
	if x.state.Phase.Turn() == dispute.Nobody {
		c.ended(t, x, &before)
	}
}

// From every position of the shared games, whatever is played next: arena and twin agree, the arena is
// solvent to the last unit, whoever was right gets his money, whoever was not goes to jail, and a game that
// is resolved stays so. Every transition is made, the rarest first: a thousand times in a soak. SPEC 08
// §4, §5.8, 09 §1.2.
func TestEveryTransitionIsMade(t *testing.T) {
	t.Parallel()
	times := 1
	if os.Getenv("ELENCHUS_SOAK") != "" {
		times = 1000
	}
	c := newBar(t)
	g := rand.New(rand.NewPCG(4, 77))
	list := c.positions(t)
	clear(c.moves)
	c.wander(t, list, transitions(), times, g)
}

// way is a way on from a position.
type way struct {
	from *position
	deed deed
}

// wander plays every way from every position, and then each transition of the list and each that was found as
// often as it is wanted, the rarest first.
func (c *bar) wander(t testing.TB, list []position, want []string, times int, g *rand.Rand) {
	t.Helper()
	ways := map[string][]way{}
	for i := range list {
		if list[i].game.state.Phase.Turn() == dispute.Nobody {
			x := c.from(&list[i])
			c.ended(t, x, &x.state)
			continue
		}
		for _, d := range deeds() {
			before := maps.Clone(c.moves)
			c.once(t, &list[i], d, g)
			for name, n := range c.moves {
				if n > before[name] {
					ways[name] = append(ways[name], way{&list[i], d})
				}
			}
		}
	}
	wanted := maps.Clone(c.moves) // of demands for data and behind D1, too
	for _, name := range want {
		wanted[name] = 0
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		for n := 0; len(ways[name]) > 0 && c.moves[name] < times && n < 20*times; n++ {
			w := ways[name][g.IntN(len(ways[name]))]
			c.once(t, w.from, w.deed, g)
		}
		if c.moves[name] < times {
			t.Errorf("%s: %d times", name, c.moves[name])
		}
	}
	t.Logf("%d positions\n%s%s", len(list), tally(c.moves).table(), tally(c.reverted).table())
}
