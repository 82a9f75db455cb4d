package conformance_test

import (
	"strings"
	"testing"
	"time"

	"elenchus/app"
	"elenchus/proving/step"
)

// Games about whole tensors end on the real services and contracts by chains of operators, and by PLONK. SPEC 10 §4.7.
func TestClusterGamesEndByChainsAndByPLONK(t *testing.T) {
	if !soak {
		t.Skip("keys of circuits take minutes: ELENCHUS_SOAK=1; TestChainsOfOperatorsAnswer plays the answers without proofs")
	}
	for name, o := range map[string]app.CourtOptions{"chains": {Chains: true}, "plonk": {System: step.PLONK}} {
		t.Run(name, func(t *testing.T) {
			var story strings.Builder
			o.Attack, o.Seed, o.Manifest, o.Story, o.Within, o.Confidential, o.Cluster = "bad-kv", 1, concealed(t), &story, 9*time.Minute, true, true
			r, err := app.Court(t.Context(), o)
			if err == nil {
				err = r.Failure()
			}
			if err != nil || !r.Cluster {
				t.Fatalf("%v, settled whole: %v\n%s", err, r != nil && r.Cluster, &story)
			}
			t.Logf("%d transactions, %d gas, answer %d\n%s", r.Transactions, r.Gas["total"], r.Gas["answer"], &story)
		})
	}
}
