package app

import (
	"context"
	"os"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/service/adversary"
)

func tinyEncoder(t *testing.T) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(modeltest.Encoder(3, 7, 12))
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// soaked skips a story that takes seconds unless ELENCHUS_SOAK=1 asks for it.
func soaked(t *testing.T) {
	t.Helper()
	if os.Getenv("ELENCHUS_SOAK") != "1" {
		t.Skip("ELENCHUS_SOAK=1 plays it")
	}
}

// On an honest day the auditor of an encoder's claim who computed every stage earns the fee; who invented a tree
// opens nothing and loses the forfeit. SPEC 11 §4.2, §6.1, §6.3.
func TestHonestDayOfAnEncoder(t *testing.T) {
	t.Parallel()
	sc := sceneOf("lazy-auditor")
	sc.class = claim.Parties
	sc.alone = func(ctx context.Context, c *tribunal) error {
		return c.honestDay(ctx, t)
	}
	card, _ := adversary.Find("lazy-auditor")
	playAudits(t, CourtOptions{Manifest: tinyEncoder(t)}, card, sc, nil)
}

// A false claim about an encoder is found by its auditor, who is paid, and convicted; who attested it loses the
// deposit in a game of its own. SPEC 11 §6.1, §6.2.
func TestWhoAttestsALieOfAnEncoderLosesTheDeposit(t *testing.T) {
	soaked(t)
	t.Parallel()
	seed := seedOfLie(t)
	card := adversary.Card{Name: "byte", Verdict: adversary.Slashed, Fates: map[string]adversary.Fate{"node1": adversary.Forfeits, "mallory": adversary.Pays}}
	playAudits(t, CourtOptions{Manifest: tinyEncoder(t), Seed: seed}, card,
		scene{lie: "byte", class: claim.Parties, audits: true, alone: func(ctx context.Context, c *tribunal) error { return blindAuditor(ctx, t, c) }}, nil)
}

// seedOfLie is the first seed whose fault shows in the encoder's claim.
func seedOfLie(t *testing.T) uint64 {
	t.Helper()
	honest := engine.Computer{Manifest: tinyEncoder(t)}
	c := &tribunal{man: honest.Manifest}
	j, err := c.job(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, want, err := honest.Run(t.Context(), j.Prompt)
	if err != nil {
		t.Fatal(err)
	}
	for seed := uint64(1); seed < 64; seed++ {
		a, err := adversary.New("byte", seed)
		if err != nil {
			t.Fatal(err)
		}
		run, err := runner(a.Computer(honest))
		if err != nil {
			t.Fatal(err)
		}
		if _, states, err := run.Run(t.Context(), j.Prompt); err == nil && states != want {
			return seed
		}
	}
	t.Fatal("no fault shows")
	return 0
}
