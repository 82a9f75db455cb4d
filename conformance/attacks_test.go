package conformance_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
	"elenchus/service/adversary"
)

// brief are the attacks that every run plays; those that only a node's lie makes are played on the twin
// of the contracts in arenatest, the others take real time.
func brief(name string) bool {
	switch name {
	case "copycat", "self-slash", "late-friend", "reorg", "flood", "crash-resign", "starved-precompile", "hostile-model", "withhold", "equivocation",
		"forged-cancel", "garbled-data":
		return true
	}
	return os.Getenv("ELENCHUS_SOAK") != ""
}

// Every attack of the kit, against the real services and contracts, ends as its card says: the
// verdict, nobody honest poorer by a token unit, and the attackers poorer. GAME §1 rule 42, SPEC 09 §8.
func TestEveryAttackEndsAsItsCardSays(t *testing.T) {
	for _, card := range adversary.Catalogue() {
		if !brief(card.Name) {
			continue
		}
		t.Run(card.Name, func(t *testing.T) {
			t.Parallel()
			man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
			if err != nil {
				t.Fatal(err)
			}
			var story strings.Builder
			o := app.CourtOptions{Attack: card.Name, Seed: 1, Manifest: man, Story: &story, Games: 6, Within: 9 * time.Minute}
			if os.Getenv("ELENCHUS_SOAK") != "" {
				o.Games, o.Within = 500, time.Hour // as many of them as may be open against a node
			}
			r, err := app.Court(t.Context(), o)
			if err == nil {
				err = r.Failure()
			}
			if err != nil {
				t.Errorf("%v\n%s", err, &story)
				return
			}
			t.Logf("%s, %d moves, attackers lost %s, %.1f s", r.Verdict, r.Moves, r.AttackersLost, r.Seconds)
		})
	}
}

// attackTable is the part of docs/attacks.md that the cards say.
func attackTable() string {
	var b strings.Builder
	b.WriteString("| attack | what it does | verdict | cost | gain | pays from |\n|---|---|---|---|---|---|\n")
	for _, c := range adversary.Catalogue() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", c.Name, c.Does, c.Verdict, c.Cost, c.Gain, c.PaysFrom)
	}
	return b.String()
}

// The table of the documentation is that of the kit. ELENCHUS_UPDATE=1 rewrites it.
func TestTheTableOfAttacksIsThatOfTheKit(t *testing.T) {
	freshTable(t, "../docs/attacks.md", "cards", attackTable())
}

// freshTable holds the part of a file between the comments NAME and end of NAME to what it is made from; ELENCHUS_UPDATE=1
// rewrites it.
func freshTable(t *testing.T, file, name, want string) {
	t.Helper()
	from, to := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), from)
	got, tail, ok2 := strings.Cut(rest, to)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks %q or %q", file, from, to)
	}
	if got == want {
		return
	}
	if os.Getenv("ELENCHUS_UPDATE") != "1" {
		t.Fatalf("%s: the %s say\n%s", file, name, want)
	}
	if err := os.WriteFile(file, []byte(head+from+want+to+tail), 0o600); err != nil {
		t.Fatal(err)
	}
}
