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
	p := ParamsOf(Devnet)
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
	b, err := NewBatch(&n, token(t, 100_000), 3, token(t, 10_000), 90, 0, p.Window)
	if err != nil || n.Reserved != token(t, 330_000) {
		t.Errorf("§7.3 reserved %s, %v", n.Reserved, err)
	}
	sure, err := b.Sure(token(t, 100_000), token(t, 7_000))
	if err != nil {
		t.Fatal(err)
	}
	hold, err := n.Open(token(t, 107_000), sure)
	if err != nil || hold != token(t, 107_000) || n.Reserved != token(t, 437_000) {
		t.Errorf("§7.3 holds %s, reserved %s, %v", hold, n.Reserved, err)
	}
	paid, err := p.Refute(&v, &n, Win{Hold: hold, Cost: token(t, 6_000), Price: token(t, 2_000)}, 0, 3600)
	if err != nil || paid != (Paid{token(t, 107_000), token(t, 6_000)}) {
		t.Errorf("§7.3 %+v, %v", paid, err)
	}
	if n.Stake != token(t, 393_000) || n.Reserved != token(t, 330_000) {
		t.Errorf("§7.3 left stake %s, reserved %s", n.Stake, n.Reserved)
	}
	_, cut, err := p.Settle(&v, 601)
	want := Cut{Refund: token(t, 6_000), Reward: token(t, 39_400), Burned: token(t, 55_600)}
	if err != nil || cut != want {
		t.Errorf("§7.3 %+v, want %+v, %v", cut, want, err)
	}
}
