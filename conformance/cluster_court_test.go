package conformance_test

import (
	"strings"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/proving/step"
)

// A game about a whole tensor ends on the real services and contracts by PLONK. SPEC 10 §4.7.
func TestClusterGamesEndByPLONK(t *testing.T) {
	if !soak {
		t.Skip("keys of circuits take minutes: ELENCHUS_SOAK=1")
	}
	var story strings.Builder
	o := app.CourtOptions{System: step.PLONK, Attack: "bad-kv", Seed: 1, Manifest: concealed(t), Story: &story, Within: 9 * time.Minute, Confidential: true, Cluster: true}
	r, err := app.Court(t.Context(), o)
	if err == nil {
		err = r.Failure()
	}
	if err != nil || !r.Cluster {
		t.Fatalf("%v, settled whole: %v\n%s", err, r != nil && r.Cluster, &story)
	}
	t.Logf("%d transactions, %d gas, answer %d\n%s", r.Transactions, r.Gas["total"], r.Gas["answer"], &story)
}
