package conformance_test

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/settlement/dispute"
)

// edgy is a bar at which something is done on a border and just behind it.
type edgy struct {
	*bar
	testing.TB
	g *rand.Rand
}

// want compares the reason of a refusal, "" for none.
func (e *edgy) want(what, got, reason string) {
	e.Helper()
	if got != reason {
		e.Errorf("%s: the arena says %q, want %q", what, got, reason)
	}
}

func (e *edgy) do(from common.Address, method string, args ...any) string {
	e.Helper()
	return e.call(e.TB, from, method, args...)
}

// number is a power of two with something added.
func number(power uint, plus int64) *big.Int {
	return new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), power), big.NewInt(plus))
}

// stakeOf are stake and what of it is reserved.
func (e *edgy) stakeOf() (stake, reserved *big.Int) {
	e.Helper()
	n := e.must(e.TB, stranger, e.arenaAt, e.arena, "nodes", e.node)
	return n[0].(*big.Int), n[1].(*big.Int)
}

// edgesOfBatches are those of posting and releasing.
func (e *edgy) edgesOfBatches() {
	soon := new(big.Int).SetUint64(e.cfg.Time + e.p.Window)
	post := func(count int64, cover, until *big.Int, reason string) {
		e.Helper()
		e.back(func() { e.want("post", e.do(e.node, "postBatch", hash(e.g), big.NewInt(count), cover, until), reason) })
	}
	zero, rest := new(big.Int), new(big.Int).Sub(rich, e.p.Reserve.Big())
	post(8192, zero, soon, "")
	post(8193, zero, soon, "BadCount")
	post(1, zero, new(big.Int).Sub(soon, big.NewInt(1)), "WindowTooShort")
	post(1, zero, number(40, -1), "")
	post(1, zero, number(40, 0), "BadBatch")
	post(1, number(128, -1), soon, "Insufficient")
	post(1, number(128, 0), soon, "BadBatch")
	post(1, rest, soon, "")
	post(1, new(big.Int).Add(rest, big.NewInt(1)), soon, "Insufficient")
	root := hash(e.g)
	e.want("post", e.do(e.node, "postBatch", root, big.NewInt(2), big.NewInt(3), soon), "")
	e.cfg.Time = soon.Uint64() + e.p.Window/2
	e.want("release", e.do(stranger, "releaseBatch", e.node, root), "NotReleasable")
	e.cfg.Time++
	e.want("release", e.do(stranger, "releaseBatch", e.node, root), "")
	if _, reserved := e.stakeOf(); reserved.Sign() != 0 {
		e.Errorf("%d is reserved", reserved)
	}
	e.want("release twice", e.do(stranger, "releaseBatch", e.node, root), "NoBatch")
}

// edgesOfStake are those of what comes in and goes out.
func (e *edgy) edgesOfStake() {
	one := big.NewInt(1)
	most := new(big.Int).Sub(number(88, -1), rich)
	e.must(e.TB, e.node, e.tokenAt, e.token, "mint", e.node, number(90, 0))
	e.must(e.TB, e.node, e.tokenAt, e.token, "approve", e.arenaAt, number(90, 0))
	e.want("deposit", e.do(e.node, "deposit", new(big.Int).Add(most, one)), "BadParameter")
	e.back(func() { e.want("deposit", e.do(e.node, "deposit", most), "") })
	e.want("fund", e.do(e.node, "fund", number(128, 0)), "BadParameter")
	e.want("fund", e.do(e.node, "fund", number(128, -1)), "TransferFailed")
	e.want("unbond", e.do(e.node, "requestUnbond", new(big.Int).Add(rich, one)), "Insufficient")
	credit := e.ask(e.TB, "creditOf", e.node)
	e.want("withdraw", e.do(e.node, "withdraw", new(big.Int).Add(credit, one)), "Insufficient")
	e.back(func() { e.want("withdraw", e.do(e.node, "withdraw", credit), "") })
	leave := func(amount, want *big.Int) {
		e.Helper()
		e.back(func() {
			e.want("unbond", e.do(e.node, "requestUnbond", amount), "")
			e.cfg.Time += e.p.Unbonding
			e.want("leave", e.do(e.node, "withdrawStake"), "Locked")
			e.cfg.Time++
			got, reason := e.send(e.TB, e.node, e.arenaAt, e.arena, "withdrawStake")
			if e.want("leave", reason, ""); reason == "" && got[0].(*big.Int).Cmp(want) != 0 {
				e.Errorf("%d of %d left, want %d", got[0], amount, want)
			}
			if stake, _ := e.stakeOf(); stake.Cmp(new(big.Int).Sub(rich, want)) != 0 {
				e.Errorf("%d is left", stake)
			}
		})
	}
	leave(big.NewInt(5), big.NewInt(5))
	leave(rich, rich)
	soon := new(big.Int).SetUint64(e.cfg.Time + e.p.Window)
	e.want("post", e.do(e.node, "postBatch", hash(e.g), one, big.NewInt(7), soon), "")
	leave(rich, new(big.Int).Sub(rich, new(big.Int).Add(e.p.Reserve.Big(), big.NewInt(7))))
}

// edgesOfJail are those of a node that was convicted: its batches must be over before it leaves.
func (e *edgy) edgesOfJail() {
	root, until := hash(e.g), e.games[0].open.Claim.ChallengeUntil+e.p.Window
	e.want("post", e.do(e.node, "postBatch", root, big.NewInt(1), new(big.Int), new(big.Int).SetUint64(until)), "")
	x, held := e.convicted(e.TB)
	e.want("unbond", e.do(e.node, "requestUnbond", big.NewInt(5)), "")
	settleAt := e.cfg.Time + e.p.RewardDelay
	e.cfg.Time = settleAt
	e.want("settle", e.do(stranger, "settle", [32]byte(x.state.Case), held), "NothingToSettle")
	e.cfg.Time++
	e.back(func() {
		e.want("settle short", e.do(stranger, "settle", [32]byte(x.state.Case), held[:len(held)-1]), "WrongHeld")
		e.want("settle long", e.do(stranger, "settle", [32]byte(x.state.Case), append(bytes.Clone(held), 0)), "WrongHeld")
		e.want("settle", e.do(stranger, "settle", [32]byte(x.state.Case), held), "")
		e.want("settle twice", e.do(stranger, "settle", [32]byte(x.state.Case), held), "NothingToSettle")
	})
	e.cfg.Time = max(until+e.p.Window/2, settleAt+e.p.Unbonding) + 1
	e.want("leave", e.do(e.node, "withdrawStake"), "Locked")
	e.want("release", e.do(stranger, "releaseBatch", e.node, root), "")
	e.want("leave", e.do(e.node, "withdrawStake"), "")
}

// edgesOfCommits are those of commit, open and expire.
func (e *edgy) edgesOfCommits() {
	half := e.p.Window / 2
	open := func(x *trial, at, later uint64, reason string) {
		e.Helper()
		e.back(func() {
			e.cfg.Time, e.opener = at, common.Address(x.open.Opener)
			e.want("commit", e.do(stranger, "commit", [32]byte(x.key)), "")
			e.wait(later)
			e.want("open", e.do(e.opener, "open", x.payload, []byte{}), reason)
		})
	}
	x := e.claimed(e.TB, e.g, nodeKey(e.TB), nil)
	open(x, x.commitTime(), half, "")
	open(x, x.commitTime(), half+1, "OutOfTime")
	open(x, x.open.Claim.ChallengeUntil, 1, "")
	open(x, x.open.Claim.ChallengeUntil+1, 1, "WindowOver")
	bond, err := e.p.Bond(0, x.open.Work(), e.cfg.BaseFee.Uint64())
	if err != nil {
		e.Fatal(err)
	}
	x = e.claimed(e.TB, e.g, nodeKey(e.TB), func(m *dispute.OpenMove) { m.MaxBond = bond })
	open(x, x.commitTime(), 1, "")
	x = e.claimed(e.TB, e.g, nodeKey(e.TB), func(m *dispute.OpenMove) { m.MaxBond = bond.Less(claim.Units(1)) })
	open(x, x.commitTime(), 1, "BondTooHigh")
	for i := range e.games {
		if d := &e.games[i]; d.open.T == dispute.NotIncluded {
			open(d, d.open.Claim.BatchBy, 1, "TooEarly")
			open(d, d.open.Claim.BatchBy+1, 1, "")
		}
	}
	key := hash(e.g)
	e.want("commit", e.do(stranger, "commit", key), "")
	e.cfg.Time += half
	e.want("expire", e.do(stranger, "expire", key), "TooEarly")
	e.cfg.Time++
	e.want("expire", e.do(stranger, "expire", key), "")
	e.want("expire twice", e.do(stranger, "expire", key), "NoCommit")
}

// edgesOfClocks are those of moves and timeouts; Go is held to them, too.
func (e *edgy) edgesOfClocks() {
	at := func(n int, f func(x *trial)) { e.back(func() { f(e.at(e.TB, "row", n)) }) }
	over := func(x *trial, time uint64, reason string) {
		e.Helper()
		e.cfg.Time = time
		e.want("timeout", e.try(e.TB, x, stranger, dispute.KindTimeout, x.job.Encode()), reason)
	}
	legal := func(x *trial, time uint64, reason string) {
		e.Helper()
		e.cfg.Time = time
		e.want("move", e.play(e.TB, x, func(p []byte) []byte { return p }), reason)
	}
	for n := range 10 {
		at(n, func(x *trial) {
			if x.state.Phase.Turn() == dispute.Opener {
				over(x, x.state.Deadline, "TooEarly")
				e.back(func() { y := *x; legal(&y, x.state.Deadline, "") })
				e.back(func() { y := *x; legal(&y, x.state.Deadline+1, "TooLate") })
				over(x, x.state.Deadline+1, "")
				return
			}
			deadline, last := x.state.Deadline, x.state.Last
			over(x, deadline, "TooEarly")
			for _, time := range []uint64{deadline, deadline + 1, last} {
				e.back(func() { y := *x; legal(&y, time, "") })
			}
			e.back(func() { y := *x; legal(&y, last+1, "TooLate") })
			over(x, deadline+1, "")
			over(x, deadline+1, "TooEarly")
			over(x, last, "TooEarly")
			e.want("timeout with a longer job", e.do(stranger, "timeout", [32]byte(x.key), x.state.Encode(), append(x.job.Encode(), 0)), "PayloadLength")
			over(x, last+1, "")
			e.swapped(x)
		})
	}
}

// swapped brings the verdict of a decided game as the state of one that runs.
func (e *edgy) swapped(x *trial) {
	e.Helper()
	v := x.state.Verdict(&x.job)
	for _, method := range methods {
		e.want(method+" with a verdict", e.do(e.node, method, [32]byte(x.key), v.Encode(), []byte{0}, []byte{}), "WrongState")
	}
	for _, method := range []string{"answer", "include", "timeout"} {
		e.want(method+" with a verdict", e.do(stranger, method, [32]byte(x.key), v.Encode(), x.job.Encode()), "WrongState")
	}
	e.want("resolve with what nobody holds", e.do(stranger, "resolve", [32]byte(x.key), v.Encode(), []byte{1}), "WrongHeld")
}

// edgesOfSignatures are those of moves that somebody else sends.
func (e *edgy) edgesOfSignatures() {
	x := e.at(e.TB, "row", 0)
	payload, method := fromHex(e.TB, x.moves[0].Payload), methods[dispute.Kind(x.moves[0].Move)]
	slot := e.cfg.State.GetState(e.arenaAt, e.slotOf(x.key, e.slots))
	d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(e.arenaAt)}
	good, err := claim.Sign(chain.MoveDigest(d, x.key, claim.Hash(slot), payload), nodeKey(e.TB))
	if err != nil {
		e.Fatal(err)
	}
	move := func(from common.Address, signature []byte, reason string) {
		e.Helper()
		e.back(func() {
			e.want("signed move", e.do(from, method, [32]byte(x.key), x.state.Encode(), payload, signature), reason)
		})
	}
	other, twisted := mirror(good), good
	twisted[3] ^= 1
	move(stranger, good[:], "")
	move(stranger, other[:], "BadSignature")
	for _, v := range []byte{0, 1, 26, 29} {
		s := good
		s[64] = v
		move(stranger, s[:], "BadSignature")
	}
	move(stranger, append(make([]byte, 64), 27), "BadSignature")
	move(stranger, good[:64], "BadSignature")
	move(stranger, append(bytes.Clone(good[:]), 0), "BadSignature")
	move(stranger, append(new(big.Int).Rsh(curveOrder, 1).FillBytes(make([]byte, 64)), 27), "BadSignature")
	move(stranger, nil, "NotParty")
	e.must(e.TB, e.node, e.keysAt, e.keys, "setDelegate", stranger, true)
	move(stranger, nil, "")
	move(newcomer, nil, "NotParty")
	e.must(e.TB, e.node, e.keysAt, e.keys, "setDelegate", stranger, false)
	move(stranger, nil, "NotParty")
	e.want("resolve with a state", e.do(stranger, "resolve", [32]byte(x.key), x.state.Encode(), []byte{}), "WrongState")
	e.want("spare", e.do(stranger, "spare", hash(e.g)), "NotParty")
	e.want("spare", e.do(e.keysAt, "spare", hash(e.g)), "")
}

// edgesOfKeys are those of keys that sign claims in the node's name.
func (e *edgy) edgesOfKeys() {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{0x33}, 32))
	if err != nil {
		e.Fatal(err)
	}
	e.must(e.TB, e.node, e.keysAt, e.keys, "addKey", common.Address(claim.AddressOf(key)))
	open := func(at uint64, reason string) {
		e.Helper()
		e.back(func() {
			x := e.claimed(e.TB, e.g, key, func(m *dispute.OpenMove) { m.Key, m.Claim.ChallengeUntil = claim.AddressOf(key), at })
			e.cfg.Time = at
			e.want("commit", e.do(stranger, "commit", [32]byte(x.key)), "")
			e.wait(1)
			e.opener = common.Address(x.open.Opener)
			e.want("open by a key", e.do(e.opener, "open", x.payload, []byte{}), reason)
		})
	}
	open(1<<24, "")
	e.must(e.TB, e.node, e.keysAt, e.keys, "retireKey", common.Address(claim.AddressOf(key)))
	open(e.cfg.Time+e.p.Unbonding, "")
	open(e.cfg.Time+e.p.Unbonding+1, "NotKey")
}

// edgesOfPauses are those of the guardian.
func (e *edgy) edgesOfPauses() {
	const week = 7 * 24 * 3600
	pause := func(until uint64, reason string) {
		e.Helper()
		e.want("pause", e.do(guardian, "setPause", new(big.Int).SetUint64(until)), reason)
	}
	post := func(reason string) {
		e.Helper()
		until := new(big.Int).SetUint64(e.cfg.Time + e.p.Window)
		e.back(func() {
			e.want("post in a pause", e.do(e.node, "postBatch", hash(e.g), big.NewInt(1), new(big.Int), until), reason)
		})
	}
	e.cfg.Time = 1 << 24
	from := e.cfg.Time
	pause(from+week+1, "BadPause")
	pause(from+100, "")
	post("Paused")
	e.cfg.Time = from + 100
	post("Paused")
	e.back(func() { e.crowd(e.TB); post("") })
	pause(from+week+1, "BadPause")
	e.back(func() { pause(from+week, "") })
	e.cfg.Time++
	post("")
	e.cfg.Time = from + 199
	pause(e.cfg.Time+50, "BadPause")
	e.cfg.Time++
	pause(e.cfg.Time, "")
	pause(0, "")
	post("Paused")
	e.cfg.Time++
	post("")
}

// edgesOfEnds are who gets what of a bond when the opener is wrong, and what remains of it. SPEC 09 §4.3.
func (e *edgy) edgesOfEnds() {
	lost := func(x *trial, forfeit, half func(escrow *big.Int) *big.Int, voided bool) {
		e.Helper()
		before := []*big.Int{e.ask(e.TB, "creditOf", e.opener), e.ask(e.TB, "creditOf", e.node), e.ask(e.TB, "burned")}
		e.resolved(e.TB, x)
		escrow := x.state.Escrow.Big()
		gone, got := forfeit(escrow), half(escrow)
		want := []*big.Int{new(big.Int).Sub(escrow, gone), got, new(big.Int).Sub(gone, got)}
		for i, now := range []*big.Int{e.ask(e.TB, "creditOf", e.opener), e.ask(e.TB, "creditOf", e.node), e.ask(e.TB, "burned")} {
			if now.Sub(now, before[i]).Cmp(want[i]) != 0 {
				e.Errorf("%s: of %d share %d is %d, want %d", x.name, escrow, i, now, want[i])
			}
		}
		v := e.must(e.TB, stranger, e.arenaAt, e.arena, "verdicts", [32]byte(x.state.Case))
		if v[0] != voided || v[1] != false {
			e.Errorf("%s: the case is voided: %v, refuted: %v", x.name, v[0], v[1])
		}
	}
	part := func(n int64) func(*big.Int) *big.Int {
		return func(v *big.Int) *big.Int { return new(big.Int).Div(v, big.NewInt(n)) }
	}
	for _, late := range []bool{false, true} {
		e.back(func() {
			x := e.at(e.TB, "row", 0)
			if late {
				e.cfg.Time = x.state.Deadline + 1
			}
			e.want("move", e.play(e.TB, x, func(p []byte) []byte { return p }), "")
			e.cfg.Time = x.state.Deadline + 1
			e.want("timeout", e.try(e.TB, x, stranger, dispute.KindTimeout, x.job.Encode()), "")
			lost(x, part(1), part(2), late)
		})
	}
	e.back(func() {
		x, m := e.demanded(e.TB, e.g)
		e.want("include", e.try(e.TB, x, stranger, dispute.KindInclude, m.Encode()), "")
		lost(x, part(4), func(v *big.Int) *big.Int { v = part(4)(v); return v.Rsh(v, 1) }, false)
	})
	e.back(func() {
		x := e.at(e.TB, "published", 0)
		for x.state.Phase == dispute.Publication && e.next(e.TB, x) {
		}
		lost(x, part(8), func(*big.Int) *big.Int { return new(big.Int) }, false)
	})
}

// On every border of time, money, signatures and pauses the arena does what the specification says, and
// just behind it the other thing. SPEC 08 §4, §5, 09 §1 to §4, §10.
func TestArenaAtItsEdges(t *testing.T) {
	c := newBar(t)
	for _, edges := range []func(e *edgy){(*edgy).edgesOfBatches, (*edgy).edgesOfStake, (*edgy).edgesOfJail, (*edgy).edgesOfCommits,
		(*edgy).edgesOfClocks, (*edgy).edgesOfSignatures, (*edgy).edgesOfKeys, (*edgy).edgesOfPauses, (*edgy).edgesOfEnds} {
		c.back(func() { edges(&edgy{c, t, rand.New(rand.NewPCG(4, 78))}) })
	}
}
