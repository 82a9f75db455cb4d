package stake

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"elenchus/commitment/claim"
)

// With the least slash a cheat that refutes itself, is its own user and names any cost loses more on
// average than the lie brings; with one unit less there is a cheat that does not. SPEC 09 §8.1.
func TestLeastStakeDetersTheCheatThatRefutesItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gain := claim.Units(rapid.Uint64Max(1<<40).Draw(t, "gain"))
		p := Chance{Den: rapid.Uint64Range(1, 1<<20).Draw(t, "den")}
		p.Num = rapid.Uint64Range(1, p.Den).Draw(t, "num")
		s, err := LeastStake(gain, p)
		if err != nil {
			t.Fatal(err)
		}
		params := devnet()
		loses := func(s Amount) bool { // in the mean: num/den of what is burned, against the gain
			cut := params.Split(&Held{Slashed: s, Cost: s, Price: s}) // costs take the half that is not burned
			lost, err := cut.Burned.Mul(p.Num)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := gain.Mul(p.Den)
			if err != nil {
				t.Fatal(err)
			}
			return lost.Cmp(whole) > 0
		}
		if !loses(s) || loses(s.Less(claim.Units(1))) {
			t.Fatalf("S = %s for %s at %d/%d", s, gain, p.Num, p.Den)
		}
	})
	for _, p := range []Chance{{}, {0, 1}, {2, 1}} {
		if _, err := LeastStake(claim.Units(1), p); !errors.Is(err, ErrParams) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// The numbers of SPEC 09 §8.
func TestModesWorkedNumbers(t *testing.T) {
	for name, v := range map[string]struct {
		gain uint64 // thousandths of a token
		p    Chance
		want uint64 // thousandths of a token, without the last unit
	}{
		"§8.2 all claims": {250_000, Chance{1, 1}, 500_000}, "§8.3 audits": {10, Chance{1, 25_000}, 500_000},
		"§8.4 quorum": {2_000, Chance{8, 9}, 4_500}, "§8.6 contradiction": {50_000, Chance{1, 5}, 500_000},
	} {
		got, err := LeastStake(token(t, v.gain), v.p)
		if err != nil || got.Less(claim.Units(1)) != token(t, v.want) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	l2 := ParamsOf(L2)
	bond, err := l2.Bond(0, 0, 0)
	if err != nil || bond.Div(1e12) != claim.Units(1_687_500) {
		t.Errorf("§8.8 bond on l2 %s, %v", bond, err)
	}
	// The base fee may rise to six times that of the opening before the longest branch costs more than its escrow.
	for _, fee := range []uint64{2e8, 7e9} {
		bond, _ := l2.Bond(0, 0, fee)
		if paid, err := l2.Repay(l2.WorstGas-intrinsicGas, 0, 6*fee, 6*fee); err != nil || paid != bond {
			t.Errorf("§8.9 at six times %d the branch costs %s of %s, %v", fee, paid, bond, err)
		}
	}
	if got := l2.Space(255); got != 88 {
		t.Errorf("§8.10 space of 255 games on l2 is %d s", got)
	}
	l1 := ParamsOf(L1)
	if got := l1.Space(255); got != 352 {
		t.Errorf("§8.10 space of 255 games on l1 is %d s", got)
	}
}
