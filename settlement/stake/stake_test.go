package stake

import (
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"elenchus/commitment/claim"
)

func devnet() Params {
	return Params{Unbonding: 600, Reserve: claim.Units(testReserve), SpaceRate: 1e6, Window: 90, ReplyTime: 8, Grace: 8, Rate: 50, RewardDelay: 30, PriceCap: 2e9, TipCap: 1e9,
		TokenPerEther: claim.Units(3_000_000_000), WorstGas: 3_000_000, WorkFee: claim.Units(10), RefundFactor: 5}
}

func amount(t *rapid.T, name string) Amount {
	a := Amount{Lo: rapid.Uint64().Draw(t, name)}
	if rapid.Bool().Draw(t, name+" wide") {
		a.Hi = rapid.Uint64().Draw(t, name+" hi")
	}
	return a
}

func add(t *rapid.T, as ...Amount) Amount {
	t.Helper()
	var s Amount
	for _, a := range as {
		var err error
		if s, err = s.Add(a); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// SPEC 08 §6: at least half of every slash is burned, and every unit of it goes somewhere.
func TestSlashIsConservedAndHalfBurned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := devnet()
		p.RefundFactor = rapid.Uint64Range(1, 1000).Draw(t, "K")
		slashed, cost, price := amount(t, "slashed"), amount(t, "cost"), amount(t, "price")
		costs := cost.Min(slashed.Div(2))
		later := amount(t, "later").Min(slashed.Div(2).Less(costs)) // what later winners were repaid out of it
		h := Held{Slashed: slashed, Cost: cost, Left: slashed.Div(2).Less(costs).Less(later), Price: price}
		c := p.Split(&h)
		if add(t, costs, later, h.Rests()) != slashed || add(t, c.Refund, c.Reward, c.Burned) != h.Rests() {
			t.Fatalf("%+v of %s", c, slashed)
		}
		if c.Burned.Cmp(slashed.Less(slashed.Div(2))) < 0 {
			t.Fatalf("burned %s of %s", c.Burned, slashed)
		}
		if c.Reward.Cmp(saturate(saturate(cost.Mul(3)).Add(slashed.Div(5)))) > 0 {
			t.Fatalf("reward %s", c.Reward)
		}
	})
}

func TestForfeitIsConserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := amount(t, "escrow")
		node, burned := Forfeit(e)
		if add(t, node, burned) != e || burned.Cmp(node) < 0 {
			t.Fatalf("%s = %s + %s", e, node, burned)
		}
	})
}

// The bond pays for the longest branch of replies at 1.5 times the price that it assumes.
func TestBondCoversTheReplies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := devnet()
		fee, games, work := rapid.Uint64Max(1e12).Draw(t, "fee"), rapid.Uint64Max(400).Draw(t, "games"), rapid.Uint64Max(1<<20).Draw(t, "work")
		bond, err := p.Bond(games, work, fee)
		if err != nil {
			t.Fatal(err)
		}
		half, _ := p.CommitBond()
		if bond.Cmp(saturate(half.Mul(2))) < 0 {
			t.Fatalf("bond %s is below both halves of %s", bond, half)
		}
		more, _ := p.Bond(games+8, work, fee)
		if games < 8*maxDoublings && more.Cmp(bond) <= 0 {
			t.Fatalf("8 more games cost %s after %s", more, bond)
		}
		price := max(4*fee, p.PriceCap)
		if paid, _ := p.Repay(p.WorstGas-intrinsicGas, 0, price, price); paid.Cmp(bond) > 0 {
			t.Fatalf("the longest branch costs %s, the bond is %s", paid, bond)
		}
	})
}

// At the bounds of the constructor nothing wraps: it is an error.
func TestBondAtTheBounds(t *testing.T) {
	p := devnet()
	p.PriceCap, p.WorstGas, p.TokenPerEther, p.WorkFee = 1e15, 100_000_000, maxFactor, maxFactor
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CommitBond(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Bond(8*maxDoublings, 1, 1<<63); !errors.Is(err, claim.ErrAmount) {
		t.Fatalf("got %v", err)
	}
	if _, err := p.Repay(1<<63, 1<<50, 1<<63, 1<<63); !errors.Is(err, claim.ErrAmount) {
		t.Fatalf("got %v", err)
	}
}

func TestParamsRefused(t *testing.T) {
	for name, edit := range map[string]func(*Params){
		"window": func(p *Params) { p.Window = 3 }, "reply": func(p *Params) { p.ReplyTime = 0 },
		"grace": func(p *Params) { p.Grace = 90*day + 1 }, "rate": func(p *Params) { p.Rate = 0 },
		"price": func(p *Params) { p.PriceCap = 0 }, "tip": func(p *Params) { p.TipCap = 1e15 + 1 },
		"gas": func(p *Params) { p.WorstGas = 1 }, "factor": func(p *Params) { p.RefundFactor = 1001 },
		"delay": func(p *Params) { p.RewardDelay = 0 }, "token": func(p *Params) { p.TokenPerEther = Amount{} },
		"fee": func(p *Params) { p.WorkFee = claim.MaxAmount },
	} {
		p := devnet()
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		edit(&p)
		if err := p.Check(); !errors.Is(err, ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A later game with an earlier commit takes what is held over until D3; a still later one does not.
func TestEarliestCommitGetsTheReward(t *testing.T) {
	p := devnet()
	n := Node{Stake: claim.Units(5000)}
	var v Verdict
	win := func(who byte, at uint32, now uint64) Paid {
		hold, err := n.Open(claim.Units(1000), Amount{})
		if err != nil {
			t.Fatal(err)
		}
		paid, err := p.Refute(&v, &n, Win{Opener: claim.Address{who}, CommittedAt: at, Hold: hold, Cost: claim.Units(1)}, now, 60)
		if err != nil {
			t.Fatal(err)
		}
		return paid
	}
	if got := win(1, 50, 100); got != (Paid{claim.Units(1000), claim.Units(1)}) {
		t.Fatalf("the first one gets %+v", got)
	}
	for i, late := range []uint32{60, 40, 30} {
		now := []uint64{101, 100 + p.RewardDelay, 100 + p.RewardDelay + 1}[i]
		if got := win(byte(2+i), late, now); got != (Paid{claim.Units(1), claim.Units(1)}) {
			t.Fatalf("a later one gets %+v", got)
		}
	}
	if _, _, err := p.Settle(&v, 100+p.RewardDelay); !errors.Is(err, ErrSettle) {
		t.Fatal(err)
	}
	who, cut, err := p.Settle(&v, 100+p.RewardDelay+1)
	want := Cut{Reward: claim.Units(203), Burned: claim.Units(796)}
	if err != nil || who != (claim.Address{3}) || cut != want {
		t.Fatalf("%x gets %+v, %v", who[:1], cut, err)
	}
	if _, _, err := p.Settle(&v, 1<<40); !errors.Is(err, ErrSettle) {
		t.Fatal("settled twice")
	}
}

// SPEC 08 §4 move 2 and §5.1, at the bounds.
func TestOpenWindowAndQueue(t *testing.T) {
	p := devnet()
	for _, c := range []struct {
		commitBlock, commitTime, block, now, end uint64
		ok                                       bool
	}{
		{5, 100, 6, 101, 100, true}, {5, 100, 5, 101, 200, false}, {5, 100, 6, 145, 200, true},
		{5, 100, 6, 146, 200, false}, {5, 101, 6, 110, 100, false},
	} {
		if err := p.CheckOpen(c.commitBlock, c.commitTime, c.block, c.now, c.end); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrCommit) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if q := p.Queue(100, 50, 51); q != 102 {
		t.Errorf("queue %d", q)
	}
	if q := p.Queue(100, 500, 50); q != 501 {
		t.Errorf("queue %d", q)
	}
}

// Repay is the meter of the arena in exact integers.
func TestRepay(t *testing.T) {
	p := devnet()
	// 100,000 gas and 1,000 bytes: 137,000 gas at 2 gwei and 3 * 10^9 units an ether.
	want := new(big.Int).Div(big.NewInt(137_000*2*3), big.NewInt(1))
	if got, err := p.Repay(100_000, 1000, 2e9, 1e9); err != nil || got.Big().Cmp(want) != 0 {
		t.Errorf("got %s, want %s, %v", got, want, err)
	}
	if got, _ := p.Repay(0, 1000, 9e9, 1e9); got != claim.Units(61_000*2*3) {
		t.Errorf("calldata floor: %s", got)
	}
}

// Where the stake was one reserve and a partner of the liar refutes first, who wins later is repaid out
// of what is held, up to the half that burns; not for a commit of a time when all knew. SPEC 09 §4.5.
func TestLaterWinnersAreRepaidOutOfWhatRests(t *testing.T) {
	p := devnet()
	n := Node{Stake: claim.Units(1000)}
	var v Verdict
	win := func(at uint32, cost, now uint64) Paid {
		hold, err := n.Open(claim.Units(1000), Amount{})
		if err != nil {
			t.Fatal(err)
		}
		paid, err := p.Refute(&v, &n, Win{Opener: claim.Address{byte(at)}, CommittedAt: at, Hold: hold, Cost: claim.Units(cost), Price: claim.Units(2)}, now, 60)
		if err != nil {
			t.Fatal(err)
		}
		return paid
	}
	late := uint32(100 + p.ReplyTime)
	for _, x := range []struct {
		at        uint32
		cost, now uint64
		want      Paid
		left      uint64
	}{
		{50, 100, 100, Paid{claim.Units(1000), claim.Units(100)}, 400},
		{60, 70, 101, Paid{Amount{}, claim.Units(70)}, 330},
		{late, 30, 200, Paid{Amount{}, claim.Units(30)}, 300},
		{late + 1, 30, 200, Paid{}, 300},
		{70, 500, 210, Paid{Amount{}, claim.Units(300)}, 0},
		{71, 1, 211, Paid{}, 0},
	} {
		if got := win(x.at, x.cost, x.now); got != x.want || v.Held.Left != claim.Units(x.left) {
			t.Fatalf("committed at %d: %+v and %s left, want %+v and %d", x.at, got, v.Held.Left, x.want, x.left)
		}
	}
	if _, cut, err := p.Settle(&v, v.Held.SettleAt+1); err != nil || cut != (Cut{Burned: claim.Units(500)}) {
		t.Fatalf("%+v, %v", cut, err)
	}
}
