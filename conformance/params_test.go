package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/settlement/stake"
)

// The table of parameters in the specification holds those of the code, of every profile. SPEC 09 §6.
func TestParameterTableIsTheCode(t *testing.T) {
	text, err := os.ReadFile("../docs/spec/09-money.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) == 6 {
			name := strings.Fields(cells[0])
			if len(name) > 0 {
				rows[name[len(name)-1]] = cells[2:5]
			}
		}
	}
	for i, profile := range []stake.Profile{stake.Devnet, stake.L2, stake.L1} {
		p := stake.ParamsOf(profile)
		if got := strings.TrimSpace(rows["parameter"][i]); got != profile.String() {
			t.Fatalf("column %d is %q", i, got)
		}
		tokens := func(a claim.Amount) string { return a.Div(1e18).String() }
		for name, want := range map[string]any{
			"window": p.Window, "replyTime": p.ReplyTime, "grace": p.Grace, "forcedInclusion": p.ForcedInclusion, "rate": p.Rate,
			"spaceRate": p.SpaceRate, "rewardDelay": p.RewardDelay, "unbonding": p.Unbonding, "reserve": tokens(p.Reserve),
			"refundFactor": p.RefundFactor, "priceCap": p.PriceCap, "tipCap": p.TipCap, "tokenPerEther": tokens(p.TokenPerEther),
			"worstGas": p.WorstGas, "workFee": p.WorkFee,
		} {
			if len(rows[name]) != 3 {
				t.Fatalf("the table has no row for %s", name)
			}
			if got := strings.TrimSpace(rows[name][i]); got != fmt.Sprint(want) {
				t.Errorf("%s of %s is %s, the table says %s", name, profile, fmt.Sprint(want), got)
			}
		}
	}
}
