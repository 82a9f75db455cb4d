package stake

import (
	"testing"

	"elenchus/commitment/claim"
)

// token parses thousandths of a token: 45_019 is 45.019 token.
func token(t *testing.T, thousandths uint64) Amount {
	t.Helper()
	a, err := claim.Units(1e15).Mul(thousandths)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// SPEC 09 §7, the worked numbers, with the devnet parameters of §6.
func TestWorkedNumbers(t *testing.T) {
	p := Params{Window: 90, ReplyTime: 8, Grace: 8, Rate: 100, RewardDelay: 600, PriceCap: 4e9, TipCap: 1e9,
		TokenPerEther: token(t, 3_000_000), WorstGas: 2_500_000, WorkFee: claim.Units(1e15), RefundFactor: 3}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	if half, err := p.CommitBond(); err != nil || half != token(t, 22_500) {
		t.Errorf("§7.1 commitBond %s, %v", half, err)
	}
	for games, want := range map[uint64]uint64{0: 45_019, 7: 45_019, 8: 90_019, 24: 360_019} {
		if bond, err := p.Bond(games, 19, 1e9); err != nil || bond != token(t, want) {
			t.Errorf("§7.1 bond with %d open games %s, %v", games, bond, err)
		}
	}
	if paid, err := p.Repay(579_000, 0, 2e9, 1e9); err != nil || paid != token(t, 3_600) {
		t.Errorf("§7.2 repaid %s, %v", paid, err)
	}
	if node, burned := Forfeit(token(t, 41_419)); node != burned || node != token(t, 41_419).Div(2) {
		t.Errorf("§7.2 node %s, burned %s", node, burned)
	}
	n, v := Node{Stake: token(t, 500_000)}, Verdict{}
	b, err := NewBatch(&n, token(t, 100_000), 1, token(t, 7_000), 90, 0, p.Window)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := p.Refute(&v, &n, &b, Win{Cost: token(t, 6_000), Price: token(t, 2_000), Value: token(t, 7_000)}, token(t, 100_000), 0, 3600)
	want := Cut{Costs: token(t, 6_000), Refund: token(t, 6_000), // 39.4 and 55.6, with the reward cut to 25 bits
		Reward: Amount{Hi: 2, Lo: 2506510478352580608}, Burned: Amount{Hi: 3, Lo: 259769153099661312}}
	if err != nil || cut != want {
		t.Errorf("§7.3 %+v, want %+v, %v", cut, want, err)
	}
	if n.Stake != token(t, 393_000) || !n.Reserved.IsZero() {
		t.Errorf("§7.3 left stake %s, reserved %s", n.Stake, n.Reserved)
	}
}

// A reward keeps its 25 highest bits and is never rounded up. SPEC 09 §4.3.
func TestRewardKeepsItsHighestBits(t *testing.T) {
	for _, c := range []struct{ in, want Amount }{
		{Amount{}, Amount{}}, {Amount{Lo: 1<<25 - 1}, Amount{Lo: 1<<25 - 1}}, {Amount{Lo: 1<<26 - 1}, Amount{Lo: 1<<26 - 2}},
		{Amount{Lo: ^uint64(0)}, Amount{Lo: (1<<25 - 1) << 39}}, {Amount{Hi: 1, Lo: 1}, Amount{Hi: 1}},
		{Amount{Hi: 1<<25 - 1, Lo: 7}, Amount{Hi: 1<<25 - 1}}, {claim.MaxAmount, Amount{Hi: (1<<25 - 1) << 39}},
	} {
		if got := keep(c.in); got != c.want {
			t.Errorf("keep(%s) = %s, want %s", c.in, got, c.want)
		}
	}
}
