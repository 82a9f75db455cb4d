package conformance_test

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/settlement/dispute"
	"elenchus/settlement/sampling"
)

// termsOfAudits: what the constructor takes, and what it does not. SPEC 11 §7.
func (h *hall) termsOfAudits() {
	longest := h.p.Delay + h.p.CommitTime + h.p.RevealTime + 2*beaconPeriod + 2*h.bar.p.Window + h.p.GameTime
	for _, x := range []struct {
		reason string
		change func(p *sampling.Params)
	}{
		{"", func(*sampling.Params) {}},
		{"BadParameter", func(p *sampling.Params) { p.Delay = 0 }},
		{"BadParameter", func(p *sampling.Params) { p.CommitTime = 0 }},
		{"BadParameter", func(p *sampling.Params) { p.RevealTime = 0 }},
		{"BadParameter", func(p *sampling.Params) { p.GameTime-- }},
		{"", func(p *sampling.Params) { p.Unbonding = longest }},
		{"BadParameter", func(p *sampling.Params) { p.Unbonding = longest - 1 }},
		{"BadParameter", func(p *sampling.Params) { p.Every = 0 }},
		{"BadParameter", func(p *sampling.Params) { p.Fee = claim.Amount{} }},
		{"BadParameter", func(p *sampling.Params) { p.Deposit, p.Forfeit = claim.Amount{}, claim.Amount{} }},
		{"", func(p *sampling.Params) { p.Forfeit = p.Deposit }},
		{"BadParameter", func(p *sampling.Params) { p.Forfeit = claim.Units(101) }},
	} {
		p := h.p
		x.change(&p)
		h.refuses(x.reason, "Audits", h.bar.arenaAt, h.beacon.at, arguments(p))
		if err := p.Check(h.bar.p.Window, h.bar.p.ReplyTime+h.bar.p.Grace, beaconPeriod); (err == nil) != (x.reason == "") {
			h.Errorf("terms %+v: Go says %v, the contract is to say %q", p, err, x.reason)
		}
	}
}

// seatsOfAudits: who takes, leaves and frees a seat, and when. SPEC 11 §1.1.
func (h *hall) seatsOfAudits() {
	a, b, zero, one := h.auditors[0], h.auditors[1], new(big.Int), big64(1)
	h.want("BadSeat", a, "join", one)
	h.want("BadSeat", a, "quit", zero)
	h.want("BadSeat", a, "reclaim", zero)
	h.want("TransferFailed", stranger, "join", zero)
	h.cfg.Time = 1<<32 - 1
	h.back(func() { h.want("", a, "join", zero) })
	h.cfg.Time++
	h.want("BadSeat", a, "join", zero)
	h.cfg.Time = 1000
	h.want("", a, "join", zero)
	h.want("BadSeat", b, "join", zero)
	h.want("BadSeat", b, "join", big64(2))
	h.want("", b, "join", one)
	h.want("BadSeat", b, "quit", zero)
	h.want("BadSeat", b, "quit", big64(2))
	h.want("BadSeat", b, "reclaim", zero)
	h.want("BadSeat", b, "reclaim", big64(2))
	h.want("OutOfTime", a, "reclaim", zero)
	h.want("", a, "quit", zero)
	h.want("BadSeat", a, "quit", zero)
	h.cfg.Time += h.p.Unbonding
	h.want("OutOfTime", a, "reclaim", zero)
	h.cfg.Time++
	h.want("BadSeat", b, "join", zero)
	h.want("", a, "reclaim", zero)
	h.want("BadSeat", a, "reclaim", zero)
	h.says(big64(100), "credits", a)
	h.want("", b, "join", zero)
	if v := h.want("", stranger, "seats", zero); v[0] != b || v[1] != uint32(1000) || v[2] != uint32(h.cfg.Time) || v[3] != uint32(0) {
		h.Errorf("the seat that was taken again is %v", v)
	}
	h.want("Insufficient", a, "withdraw", big64(101))
	h.want("", a, "withdraw", big64(100))
	h.says(zero, "credits", a)
}

// feesOfAudits: what a node pays in, and when it has it back; tokens that misbehave. SPEC 11 §1.2.
func (h *hall) feesOfAudits() {
	node, most := h.bar.node, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
	more := new(big.Int).Add(most, big.NewInt(1))
	h.want("BadParameter", node, "payFees", node, more)
	h.want("TransferFailed", node, "payFees", node, most)
	h.want("BadParameter", node, "requestFees", more)
	h.want("OutOfTime", node, "withdrawFees")
	h.want("", node, "payFees", node, big64(70))
	for want, asked := range map[uint64]*big.Int{70: most, 69: big64(69)} {
		h.back(func() {
			h.want("", node, "requestFees", asked)
			h.cfg.Time += h.p.Unbonding
			h.want("OutOfTime", node, "withdrawFees")
			h.cfg.Time++
			h.want("", node, "withdrawFees")
			h.says(big64(want), "credits", node)
			h.says(big64(70-want), "fees", node)
			h.want("OutOfTime", node, "withdrawFees")
		})
	}
	h.want("", node, "requestFees", big64(70))
	h.cfg.Time += h.p.Unbonding + 1
	h.want("", node, "withdrawFees")
	token := func(reason string, pay uint64, words ...uint64) {
		h.Helper()
		h.back(func() {
			h.words(h.bar.tokenAt, words...)
			h.want(reason, node, "payFees", node, big64(pay))
		})
	}
	token("TransferFailed", 0, 0) // says that it did not
	token("", 0, 1)               // moves nothing, and nothing is asked
	token("TransferFailed", 5, 1) // moves less than it says
	h.back(func() {
		h.words(h.bar.tokenAt)
		h.want("", node, "withdraw", big64(70)) // says nothing, as some do
	})
	h.back(func() {
		h.words(h.bar.tokenAt, 0)
		h.want("TransferFailed", node, "withdraw", big64(70))
	})
}

// entriesOfAudits: which batches are entered, until when, and for how many draws. SPEC 11 §1.3.
func (h *hall) entriesOfAudits() {
	node, price := h.bar.node, uint64(110)
	h.cfg.Time = 1000
	h.want("BadBatch", stranger, "enter", node, [32]byte{1})
	h.want("BadBatch", stranger, "timesOf", node, [32]byte{1})
	for _, x := range []struct{ count, fees, drawn uint64 }{{1, price - 1, 0}, {1, price, 1}, {2, 9 * price, 1}, {3, 9 * price, 2}, {3, 2*price - 1, 1}, {3, 2 * price, 2}} {
		h.back(func() {
			h.want("", node, "payFees", node, big64(x.fees))
			h.post(x.count, h.cfg.Time+h.bar.p.Window)
			if x.drawn == 0 {
				h.want("Unfunded", stranger, "enter", node, h.root)
				return
			}
			h.want("", stranger, "enter", node, h.root)
			h.says(big64(x.fees-price*x.drawn), "fees", node)
			h.want("", stranger, "drawOf", h.place(x.drawn-1, 1)...)
			h.want("NotDrawn", stranger, "drawOf", h.place(x.drawn, 0)...)
			h.want("NotDrawn", stranger, "drawOf", h.place(0, 2)...)
			h.want("BadBatch", stranger, "enter", node, h.root)
		})
	}
	h.want("", node, "payFees", node, big64(price))
	for late := range uint64(2) {
		h.back(func() {
			h.post(1, h.cfg.Time+h.p.Unbonding-h.p.GameTime+late)
			h.want([]string{"", "BadBatch"}[late], stranger, "enter", node, h.root)
		})
		h.back(func() {
			h.post(1, h.cfg.Time+h.bar.p.Window)
			var commitBy uint64
			h.back(func() { h.want("", stranger, "enter", node, h.root); commitBy = h.times()[1] })
			h.cfg.Time = commitBy + late
			h.want([]string{"", "OutOfTime"}[late], stranger, "enter", node, h.root)
		})
	}
}

// drawsOfAudits: whom the places fall to, as Go draws them. SPEC 11 §3.
func (h *hall) drawsOfAudits() {
	key := func() claim.Hash { return sampling.BatchKey(claim.Address(h.bar.node), h.root) }
	for seats := range 4 {
		h.back(func() {
			h.entered(seats, 10_000, 5)
			if h.holder(0, 0) != (common.Address{}) {
				h.Error("somebody is drawn before the beacon has spoken")
			}
			seed := h.round(h.times()[0])
			for draw := range uint64(3) {
				for place := range uint64(2) {
					index, seat, ok := sampling.Draw(seed, key(), uint16(draw), uint8(place), 5, uint64(seats))
					v := h.want("", stranger, "drawOf", h.place(draw, place)...)
					want := common.Address{}
					if ok {
						want = h.auditors[seat]
					}
					if v[0].(*big.Int).Uint64() != index || v[1].(*big.Int).Uint64() != seat || v[2] != want {
						h.Errorf("%d seats, draw %d, place %d: %v, want %d, %d, %v", seats, draw, place, v, index, seat, want)
					}
				}
			}
		})
	}
}

// holdersOfAudits: who holds a seat in the second before the batch and at it, and is not the node. SPEC 11 §3.3.
func (h *hall) holdersOfAudits() {
	const posted = 10_000
	a, seat := h.auditors[0], new(big.Int)
	h.want("", h.bar.node, "payFees", h.bar.node, big64(110))
	h.cfg.Time = 1000
	h.want("", h.auditors[1], "join", seat)
	h.want("", h.auditors[1], "quit", seat)
	h.cfg.Time += h.p.Unbonding + 1
	h.want("", h.auditors[1], "reclaim", seat)
	for name, x := range map[string]struct {
		joined, left uint64 // 0: never
		held         bool
	}{
		"held":                 {posted - 1, 0, true},
		"joined in its second": {posted, 0, false},
		"left in its second":   {posted - 9, posted, false},
		"left before":          {posted - 9, posted - 1, false},
		"left behind it":       {posted - 9, posted + 1, true},
	} {
		h.back(func() {
			leave := func(now uint64) {
				if h.cfg.Time = now; x.left == now {
					h.want("", a, "quit", seat)
				}
			}
			h.cfg.Time = x.joined
			h.want("", a, "join", seat)
			leave(posted - 1)
			leave(posted)
			h.post(1, posted+h.bar.p.Window)
			h.want("", stranger, "enter", h.bar.node, h.root)
			leave(posted + 1)
			h.round(h.times()[0])
			if held := h.holder(0, 0) == a; held != x.held {
				h.Errorf("%s: the seat is held: %v", name, held)
			}
		})
	}
	h.back(func() { // a node does not audit itself
		h.want("", h.bar.node, "join", seat)
		h.cfg.Time++
		h.post(1, h.cfg.Time+h.bar.p.Window)
		h.want("", stranger, "enter", h.bar.node, h.root)
		h.round(h.times()[0])
		if who := h.holder(0, 0); who != (common.Address{}) {
			h.Errorf("%v audits its own claim", who)
		}
	})
}

// stepsOfAudits: commits and reveals in their time and order. SPEC 11 §4.1, §4.4.
func (h *hall) stepsOfAudits() {
	h.entered(2, 110, 1)
	times := h.times()
	h.round(times[0])
	who, other := h.holder(0, 0), h.holder(0, 1)
	hash := [32]byte(sampling.Commit(claim.Address(who), h.audit(0, 0), 3, claim.Hash{}, claim.Hash{}))
	h.want("NotDrawn", other, "commit", h.place(0, 0, hash)...)
	h.cfg.Time = times[1] + 1
	h.want("OutOfTime", who, "commit", h.place(0, 0, hash)...)
	h.cfg.Time--
	h.want("", who, "commit", h.place(0, 0, hash)...)
	h.want("BadStatus", who, "commit", h.place(0, 0, hash)...)
	h.committed(1, 4)
	h.reveals("OutOfTime", who, 0, 3, [32]byte{}, nil, nil)
	h.cfg.Time = beaconGenesis + (times[2]-1)*beaconPeriod
	h.round(times[2])
	h.reveals("WrongReveal", who, 0, 3, [32]byte{1}, nil, nil)
	h.reveals("WrongReveal", who, 0, 2, [32]byte{}, nil, nil)
	h.reveals("WrongReveal", other, 0, 3, [32]byte{}, nil, nil)
	h.reveals("WrongReveal", other, 1, 4, [32]byte{}, nil, nil) // what he committed to is no verdict
	h.reveals("PayloadLength", who, 0, 3, [32]byte{}, []byte{1}, nil)
	h.reveals("PayloadLength", who, 0, 3, [32]byte{}, nil, []byte{1})
	h.cfg.Time = times[3] + 1
	h.reveals("OutOfTime", who, 0, 3, [32]byte{}, nil, nil)
	h.cfg.Time--
	h.reveals("", who, 0, 3, [32]byte{}, nil, nil)
	h.reveals("BadStatus", who, 0, 3, [32]byte{}, nil, nil)
	h.closes("", 0, claim.Hash{})
	h.says(big64(55), "fees", h.bar.node)
	h.says(new(big.Int), "credits", who)
	h.closes("BadStatus", 0, claim.Hash{})
	h.says(new(big.Int), "burned")
}

// missesOfAudits: who reveals nothing forfeits, unless the beacon was late or nobody was to audit. SPEC 11 §6.3.
func (h *hall) missesOfAudits() {
	h.entered(2, 110, 1)
	times := h.times()
	due := func(round uint64) uint64 { return beaconGenesis + (round-1)*beaconPeriod }
	half := func(round, until uint64) uint64 { return due(round) + (until-due(round))/2 }
	for _, x := range []struct {
		first, second uint64 // seconds behind the last moment at which the round is in time
		taken         uint64
	}{{0, 0, 60}, {1, 0, 0}, {0, 1, 0}} {
		h.back(func() {
			h.cfg.Time = half(times[0], times[1]) + x.first
			h.round(times[0])
			who := h.holder(0, 0)
			h.cfg.Time = half(times[2], times[3]) + x.second
			h.round(times[2])
			h.cfg.Time = times[3]
			h.closes("OutOfTime", 0, claim.Hash{})
			h.cfg.Time++
			h.closes("", 0, claim.Hash{})
			h.says(big64(x.taken), "burned")
			h.says(big64(55), "fees", h.bar.node)
			_, seat, _ := sampling.Draw(h.seed(times[0]), sampling.BatchKey(claim.Address(h.bar.node), h.root), 0, 0, 1, 2)
			v := h.want("", stranger, "seats", big64(seat))
			if ended := v[3] != uint32(0); v[0] != who || ended != (x.taken > 0) || v[4].(*big.Int).Uint64() != 100-x.taken {
				h.Errorf("the seat is %v: %d were taken of 100, and 60 are needed", v, x.taken)
			}
		})
	}
	h.back(func() { // the first round came, the second never
		h.cfg.Time = due(times[0])
		h.round(times[0])
		h.cfg.Time = times[3] + 1
		h.closes("", 0, claim.Hash{})
		h.says(new(big.Int), "burned")
	})
	h.back(func() { // nobody was drawn
		h.cfg.Time = times[3] + 1
		h.closes("", 0, claim.Hash{})
		h.says(new(big.Int), "burned")
		h.says(big64(55), "fees", h.bar.node)
		h.says(new(big.Int), "credits", common.Address{})
	})
}

// seed is that of a round that was posted.
func (h *hall) seed(round uint64) claim.Hash {
	h.Helper()
	return h.beacon.want("", stranger, "seedOf", big64(round))[0].([32]byte)
}

// findsOfAudits: "false" names the drawn claim and is paid where the arena refutes it. SPEC 11 §5.4, §6.2.
func (h *hall) findsOfAudits() {
	h.entered(2, 110, 1)
	times := h.times()
	h.round(times[0])
	who := h.committed(0, sampling.False)
	h.cfg.Time = beaconGenesis + (times[2]-1)*beaconPeriod
	h.round(times[2])
	for reason, open := range map[string][]byte{
		"WrongClaim":    h.named(func(m *dispute.OpenMove) { m.Batch.Index = 1 }),
		"PayloadLength": h.named(nil)[:600],
	} {
		h.reveals(reason, who, 0, sampling.False, [32]byte{}, open, nil)
	}
	h.reveals("WrongClaim", who, 0, sampling.False, [32]byte{}, h.named(func(m *dispute.OpenMove) { m.Batch.Root[5] ^= 1 }), nil)
	h.reveals("WrongClaim", who, 0, sampling.False, [32]byte{}, h.named(func(m *dispute.OpenMove) { m.Claim.Node[5] ^= 1 }), nil)
	h.reveals("WrongClaim", who, 0, sampling.False, [32]byte{}, h.claim.open.Encode(), nil)
	h.reveals("PayloadLength", who, 0, sampling.False, [32]byte{}, h.named(nil), []byte{0})
	h.reveals("", who, 0, sampling.False, [32]byte{}, h.named(nil), nil)
	h.payOfFinds(who, times[1])
}

// payOfFinds: what a find brings that was revealed. SPEC 11 §6.2.
func (h *hall) payOfFinds(who common.Address, commitBy uint64) {
	d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(h.bar.arenaAt)}
	_, sealed := h.claim.open.Sealed(d)
	id := sampling.Case(sealed.ID(d), sampling.BatchKey(claim.Address(h.bar.node), h.root))
	h.closes("WrongReveal", 0, claim.Hash{1})
	ends := h.posted + h.bar.p.Window + h.bar.p.Window/2 + h.p.GameTime
	h.back(func() {
		h.cfg.Time = ends
		h.closes("OutOfTime", 0, id)
		h.cfg.Time++
		h.closes("", 0, id)
		h.says(new(big.Int), "credits", who)
		h.says(big64(55), "fees", h.bar.node)
	})
	refuted := func() {
		if name := h.bar.call(h.TB, h.bar.keysAt, "spare", [32]byte(id)); name != "" {
			h.Fatal(name)
		}
		h.closes("", 0, id)
	}
	paid := func(want uint64) {
		h.Helper()
		h.says(big64(want), "credits", who)
		h.says(big64(55-want), "fees", h.bar.node)
		h.closes("BadStatus", 0, id)
	}
	h.back(func() { refuted(); paid(55) })
	for _, x := range []struct{ shown, pays uint64 }{{commitBy, 5}, {commitBy + 1, 55}} {
		h.back(func() { // the registry says when the plant was shown
			h.words(h.bar.keysAt, x.shown)
			refuted()
			paid(x.pays)
		})
	}
}

// edgesOfAudits are the borders of audits by name.
func edgesOfAudits() map[string]func(h *hall) {
	return map[string]func(h *hall){"terms": (*hall).termsOfAudits, "seats": (*hall).seatsOfAudits, "fees": (*hall).feesOfAudits,
		"entries": (*hall).entriesOfAudits, "draws": (*hall).drawsOfAudits, "holders": (*hall).holdersOfAudits, "steps": (*hall).stepsOfAudits,
		"misses": (*hall).missesOfAudits, "finds": (*hall).findsOfAudits, "abstention": (*hall).abstentionOfAudits,
		"truth":  func(h *hall) { h.truthOf(answeredClaim(h.TB, manifest.Public)) },
		"hidden": func(h *hall) { h.truthOf(answeredClaim(h.TB, manifest.Confidential)) },
		"graph":  func(h *hall) { h.truthOf(ranClaim(h.TB)) }}
}

// On every border of terms, seats, fees, entries, draws, steps and pay, audits do what the specification says, and
// behind it the other thing. SPEC 11.
func TestAuditsAtTheirEdges(t *testing.T) {
	for name, edges := range edgesOfAudits() {
		t.Run(name, func(t *testing.T) { edges(newHall(t)) })
	}
}
