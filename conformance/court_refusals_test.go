package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/vm/runtime"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/compute/opset"
	"elenchus/conformance/opsample"
	"elenchus/contracts"
	"elenchus/settlement/dispute"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
)

// offence is a call that the contracts must refuse for one reason of 08 §9; the number makes it another
// one each time. It returns the reason that they gave.
type offence struct {
	reason string
	commit func(t testing.TB, c *bar, g *rand.Rand) string
}

// at is a game of that name in the position before its n-th move.
func (c *bar) at(t testing.TB, name string, n int) *trial {
	t.Helper()
	for _, g := range c.games {
		if g.name == name {
			g.moves = slices.Clone(g.moves)
			c.begin(t, &g)
			for range n {
				c.next(t, &g)
			}
			return &g
		}
	}
	t.Fatalf("no game %q", name)
	return nil
}

// play is the legal move of the position with what change makes of it.
func (c *bar) play(t testing.TB, g *trial, change func(p []byte) []byte) string {
	t.Helper()
	m := g.moves[0]
	return c.try(t, g, c.mover(&g.state), dispute.Kind(m.Move), change(fromHex(t, m.Payload)))
}

// nodeKey is the key with which the claims of the shared games are signed.
func nodeKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// claimed is an opening of a claim of its own, signed with a key, as change wants it.
func (c *bar) claimed(t testing.TB, g *rand.Rand, key *ecdsa.PrivateKey, change func(m *dispute.OpenMove)) *trial {
	t.Helper()
	d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(c.arenaAt)}
	x := c.games[0]
	m := x.open
	binary.BigEndian.PutUint64(m.Salt[:], g.Uint64())
	m.Request.Nonce = g.Uint64()
	if change != nil {
		change(&m)
	}
	_, sealed := m.Sealed(d)
	if m.Batch == nil {
		var err error
		if m.Signature, err = claim.Sign(sealed.Digest(d), key); err != nil {
			t.Fatal(err)
		}
	}
	x.open, x.payload, x.key = m, m.Encode(), dispute.Key(m.Opener, sealed.ID(d), m.T, m.Salt)
	return &x
}

// opens commits and opens; the reason is that of the open. Go refuses the opening, too, where only its form
// decides.
func (c *bar) opens(t testing.TB, x *trial) string {
	t.Helper()
	c.cfg.Time, c.opener = max(c.cfg.Time, x.commitTime()), common.Address(x.open.Opener)
	if name := c.call(t, stranger, "commit", [32]byte(x.key)); name != "" {
		return name
	}
	c.wait(1)
	return c.call(t, c.opener, "open", x.payload, []byte{})
}

// plainly is a claim of the node as it should be, but for one change.
func plainly(change func(m *dispute.OpenMove, g *rand.Rand)) func(t testing.TB, c *bar, g *rand.Rand) string {
	return func(t testing.TB, c *bar, g *rand.Rand) string {
		return c.opens(t, c.claimed(t, g, nodeKey(t), func(m *dispute.OpenMove) { change(m, g) }))
	}
}

// hash is a random one.
func hash(g *rand.Rand) (h [32]byte) {
	for i := 0; i < 32; i += 8 {
		binary.BigEndian.PutUint64(h[i:], g.Uint64())
	}
	return h
}

// among is a number from a to b.
func among(g *rand.Rand, a, b uint64) *big.Int {
	return new(big.Int).SetUint64(a + g.Uint64N(b-a+1))
}

// offences are those about who, when, openings, payloads, stakes, batches and names; evaluators and
// constructors have theirs below.
func offences() []offence {
	return slices.Concat(whoAndWhen(), openings(), payloads(), money(), batches(), names(), evaluations(), deployments())
}

// crowd has as many games against the node as it can have. Its slot is written, because so many bonds cost
// more than there is.
func (c *bar) crowd(t testing.TB) {
	t.Helper()
	slot := c.nodeSlot
	v := c.cfg.State.GetState(c.arenaAt, slot)
	v[31-216/8] = 255
	c.cfg.State.SetState(c.arenaAt, slot, v)
	if games, _ := c.nodeOf(t); games != 255 {
		t.Fatalf("%d games", games)
	}
}

// demanded is a demand for the batch of a claim, and what meets it.
func (c *bar) demanded(t testing.TB, g *rand.Rand) (*trial, dispute.Include) {
	t.Helper()
	x := c.at(t, "demand", 0)
	root := [32]byte(claim.NewTree([]claim.Hash{x.state.GraphRoot}).Root())
	if name := c.call(t, c.node, "postBatch", root, big.NewInt(1), among(g, 0, 9), among(g, c.cfg.Time+c.p.Window, 1<<39)); name != "" {
		t.Fatal(name)
	}
	return x, dispute.Include{Job: x.job, Root: root}
}

// place writes the trial's state into its slot.
func (c *bar) place(x *trial) {
	c.cfg.State.SetState(c.arenaAt, c.slotOf(x.key, c.slots), common.Hash(x.state.Slot()))
}

// describe gives the game's stage a tensor with that descriptor: its encoding and its opening.
func (c *bar) describe(t testing.TB, x *trial, d *opset.Descriptor, tensor int) (encoded, path []byte) {
	t.Helper()
	e := d.Encode()
	node := merkle.Leaf(e[:])
	stages, index := uint64(x.state.Layers), 128*uint64(x.state.Stage)+uint64(tensor)
	if x.state.Flags&dispute.FlagGraph == 0 {
		stages += 3
	}
	for level := 7 + merkle.Depth(stages); level > 0; level-- {
		sibling := claim.Hash{byte(level)}
		if path = append(path, sibling[:]...); index&1 == 0 {
			node = merkle.Node(node, sibling)
		} else {
			node = merkle.Node(sibling, node)
		}
		index >>= 1
	}
	x.state.GraphRoot = node
	c.place(x)
	return e[:], path
}

// answers answers one of the shared questions after its descriptor was changed; the reason is that of the
// contracts.
func (c *bar) answers(t testing.TB, v moveCase, change func(d *opset.Descriptor)) string {
	t.Helper()
	x, payload, d := c.asked(t, v)
	change(&d)
	at := dispute.JobSize
	_, path := c.describe(t, x, &d, int(x.state.Tensor))
	e := d.Encode()
	return c.call(t, stranger, "answer", [32]byte(x.key), x.state.Encode(),
		slices.Concat(payload[:at], e[:], path, payload[at+len(e)+len(path):]))
}

// asked is a game in which one of the shared questions is to be answered.
func (c *bar) asked(t testing.TB, v moveCase) (*trial, []byte, opset.Descriptor) {
	t.Helper()
	x := c.at(t, "served", 0)
	payload, state := fromHex(t, v.Payload), fromHex(t, v.State)
	s, err := dispute.DecodeState(state)
	if err != nil {
		t.Fatal(err)
	}
	if x.job, err = dispute.DecodeJob(payload[:dispute.JobSize]); err != nil {
		t.Fatal(err)
	}
	live := x.state
	s.Case, s.Node, s.Opener, s.CommittedAt, s.Escrow, s.Hold, s.Cost = live.Case, live.Node, live.Opener, live.CommittedAt, live.Escrow, live.Hold, live.Cost
	s.Deadline, s.Last = live.Deadline, live.Last
	x.state = s
	c.place(x)
	d, err := opset.Decode(payload[dispute.JobSize:][:opset.DescriptorSize])
	if err != nil {
		t.Fatal(err)
	}
	return x, payload, d
}

// convicted is a game in which the node lost its stake, and what the verdict holds.
func (c *bar) convicted(t testing.TB) (*trial, []byte) {
	t.Helper()
	x := c.at(t, "face count 0", 0)
	return x, c.resolved(t, x)
}

// resolved ends a decided game; it returns what the verdict holds.
func (c *bar) resolved(t testing.TB, x *trial) []byte {
	t.Helper()
	v := x.state.Verdict(&x.job)
	if name := c.call(t, stranger, "resolve", [32]byte(x.key), v.Encode(), []byte{}); name != "" {
		t.Fatalf("resolve: %s", name)
	}
	values := c.event(t, "Resolved", c.last("Resolved"))
	return values[len(values)-1].([]byte)
}

// create runs a constructor; it returns the custom error of its refusal.
func (c *bar) create(t testing.TB, name string, args ...any) string {
	t.Helper()
	face, creation := artifactOf(t, name)
	packed, err := face.Pack("", args...)
	if err != nil {
		t.Fatal(err)
	}
	out, _, _, err := runtime.Create(append(creation, packed...), c.cfg)
	if err == nil {
		return ""
	}
	return refusal(out, face, c.arena, c.registry)
}

// Every reason of the closed list is given, each time for what it is the reason of: a thousand times in a
// soak. SPEC 08 §9.
func TestEveryRefusalIsReached(t *testing.T) {
	times := 2
	if os.Getenv("ELENCHUS_SOAK") != "" {
		times = 1000
	}
	c := newBar(t)
	count := map[string]int{}
	for _, o := range offences() {
		for n := range times {
			c.back(func() {
				g := rand.New(rand.NewPCG(uint64(n), 8))
				if got := o.commit(t, c, g); got != o.reason {
					t.Errorf("%s, %d: the contracts say %q", o.reason, n, got)
				}
				count[o.reason]++
			})
			if t.Failed() && n > 20 {
				break
			}
		}
	}
	// Deliveries and proofs of confidential answers have tests of their own, which say why they refuse.
	elsewhere := []string{"BadPoint", "NotShared", "BadFlag", "BadPlace", "BadCluster"}
	for _, name := range listedRefusals(t) {
		if count[name] < times && !slices.Contains(elsewhere, name) {
			t.Errorf("%s was reached %d times", name, count[name])
		}
	}
}

// sampled is a question to the evaluator of an operation.
func sampled(t testing.TB, g *rand.Rand, op opset.Code) (descriptor, context []byte, index uint64, data []byte) {
	t.Helper()
	d, x, index := opsample.Sample(g, op)
	s := opsample.NewSupply(g, &d, opsample.Log)
	if _, err := opset.Element(&d, &x, index, s.Fetch); err != nil {
		t.Fatal(err)
	}
	_, data = recorded(s)
	e, y := d.Encode(), x.Encode()
	return e[:], y[:], index, data
}

// artifactOf are interface and creation code of a contract.
func artifactOf(t testing.TB, name string) (abi.ABI, []byte) {
	t.Helper()
	text, creation, err := contracts.Artifact(name)
	if err != nil {
		t.Fatal(err)
	}
	face, err := abi.JSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return face, creation
}
