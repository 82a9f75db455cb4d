package conformance_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/proving/beacon"
	"elenchus/settlement/dispute"
	"elenchus/settlement/sampling"
)

// hall is a bar with audits under a local beacon. What it asks goes to Audits.
type hall struct {
	*stand
	bar      *bar
	local    *beacon.Local
	beacon   *stand
	p        sampling.Params
	auditors [3]common.Address
	root     [32]byte // of the batch of the claim alone
	posted   uint64
	claim    *trial
}

// auditTerms are those of the hall.
func auditTerms() sampling.Params {
	u := claim.Units
	return sampling.Params{Delay: 3, CommitTime: 30, RevealTime: 30, GameTime: 41 * 16, Unbonding: 4000, Every: 2,
		Fee: u(5), Reward: u(50), Deposit: u(100), Forfeit: u(60)}
}

// arguments are the terms as the constructor takes them.
func arguments(p sampling.Params) any {
	return struct {
		Delay, CommitTime, RevealTime, GameTime, Unbonding, Every uint64
		Fee, Reward, Deposit, Forfeit                             *big.Int
	}{p.Delay, p.CommitTime, p.RevealTime, p.GameTime, p.Unbonding, p.Every, p.Fee.Big(), p.Reward.Big(), p.Deposit.Big(), p.Forfeit.Big()}
}

const (
	beaconGenesis = 40
	beaconPeriod  = 4
)

func newHall(t testing.TB) *hall {
	t.Helper()
	c := newBar(t)
	local, err := beacon.NewLocal([32]byte{3}, beaconGenesis, beaconPeriod)
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{bar: c, local: local, p: auditTerms(), auditors: [3]common.Address{account(0x31), account(0x32), account(0x33)}}
	h.stand, h.beacon = &stand{judge: c.judge, TB: t}, &stand{judge: c.judge, TB: t}
	h.beacon.face, h.beacon.at = c.deploy(t, "Beacon", keyWords(t, &local.Chain), big64(beaconGenesis), big64(beaconPeriod))
	h.face, h.at = c.deploy(t, "Audits", c.arenaAt, h.beacon.at, arguments(h.p))
	for _, who := range append(h.auditors[:], c.node) {
		c.must(t, who, c.tokenAt, c.token, "mint", who, big64(100_000))
		c.must(t, who, c.tokenAt, c.token, "approve", h.at, big64(100_000))
	}
	return h
}

// post posts a batch of the node in which the claim is the only one, or of more.
func (h *hall) post(count uint64, until uint64) {
	h.Helper()
	d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(h.bar.arenaAt)}
	h.claim = h.bar.claimed(h.TB, rand.New(rand.NewPCG(1, 9)), nodeKey(h.TB), nil)
	_, sealed := h.claim.open.Sealed(d)
	h.root = [32]byte(claim.TreeRoot([]claim.Hash{sealed.Digest(d)}))
	if count != 1 {
		h.root[0] ^= byte(count)
	}
	h.posted = h.cfg.Time
	if name := h.bar.call(h.TB, h.bar.node, "postBatch", h.root, big64(count), new(big.Int), big64(until)); name != "" {
		h.Fatal(name)
	}
}

// entered joins seats, pays fees, waits a second, and posts and enters a batch.
func (h *hall) entered(seats int, fees, count uint64) {
	h.Helper()
	h.cfg.Time = 1000
	for i := range seats {
		h.want("", h.auditors[i], "join", big64(uint64(i)))
	}
	h.cfg.Time++
	h.want("", h.bar.node, "payFees", h.bar.node, big64(fees))
	h.post(count, h.cfg.Time+h.bar.p.Window)
	h.want("", stranger, "enter", h.bar.node, h.root)
}

// times are round, end of commits, opening round and end of reveals.
func (h *hall) times() (v [4]uint64) {
	h.Helper()
	for i, x := range h.want("", stranger, "timesOf", h.bar.node, h.root) {
		v[i] = x.(*big.Int).Uint64()
	}
	return v
}

// round posts a round of the beacon; its seed.
func (h *hall) round(n uint64) claim.Hash {
	h.Helper()
	s, err := h.local.Sign(n)
	if err != nil {
		h.Fatal(err)
	}
	point := s.Point()
	h.beacon.want("", stranger, "post", big64(n), point[:])
	return s.Seed()
}

// place is the arguments that name a place of a draw.
func (h *hall) place(draw, place uint64, more ...any) []any {
	return append([]any{h.bar.node, h.root, big64(draw), big64(place)}, more...)
}

// holder is who is to audit a place.
func (h *hall) holder(draw, place uint64) common.Address {
	h.Helper()
	return h.want("", stranger, "drawOf", h.place(draw, place)...)[2].(common.Address)
}

func (h *hall) audit(draw, place uint64) claim.Hash {
	return sampling.ID(sampling.BatchKey(claim.Address(h.bar.node), h.root), uint16(draw), uint8(place))
}

// committed is a commit to a verdict by who holds the place; the nonce is 0.
func (h *hall) committed(place uint64, verdict uint8) common.Address {
	h.Helper()
	who := h.holder(0, place)
	h.want("", who, "commit", h.place(0, place, [32]byte(sampling.Commit(claim.Address(who), h.audit(0, place), verdict, claim.Hash{}, claim.Hash{})))...)
	return who
}

// reveals reveals a verdict about what open shows.
func (h *hall) reveals(reason string, who common.Address, place uint64, verdict uint8, nonce [32]byte, open, proof []byte) {
	h.Helper()
	h.want(reason, who, "reveal", h.place(0, place, verdict, [32]byte{}, nonce, open, proof)...)
}

func (h *hall) closes(reason string, place uint64, caseID claim.Hash) {
	h.Helper()
	h.want(reason, stranger, "close", h.place(0, place, [32]byte(caseID), []byte{})...)
}

// named is the opening of the claim by its place in the batch.
func (h *hall) named(change func(m *dispute.OpenMove)) []byte {
	m := h.claim.open
	m.Signature, m.Batch = claim.Signature{}, &dispute.Inclusion{Root: h.root}
	if change != nil {
		change(&m)
	}
	return m.Encode()
}
