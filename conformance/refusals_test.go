package conformance_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"

	"elenchus/contracts"
)

// The reasons for which a call about a game, a stake or a batch is refused are those of the list, each of
// which some contract has. SPEC 08 §9.
func TestRefusalsAreTheListedOnes(t *testing.T) {
	listed := listedRefusals(t)
	names := []string{"DisputeArena", "OpenRules", "GameRules", "AnswerRules", "ProofRules", "ClusterRules", "NodeRegistry", "StepVerifier"}
	for _, e := range contracts.Evaluators() {
		names = append(names, e.Name)
	}
	var known []string
	for _, name := range names {
		text, _, err := contracts.Artifact(name)
		if err != nil {
			t.Fatal(err)
		}
		face, err := abi.JSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for e := range face.Errors {
			if !slices.Contains(known, e) {
				known = append(known, e)
			}
		}
	}
	slices.Sort(known)
	for _, e := range known {
		if !slices.Contains(listed, e) {
			t.Errorf("%s is in the contracts and not in 08 §9: list it there", e)
		}
	}
	for _, e := range listed {
		if !slices.Contains(known, e) {
			t.Errorf("%s is in 08 §9 and in no contract", e)
		}
	}
}

// listedRefusals is the closed list of 08 §9.
func listedRefusals(t testing.TB) (listed []string) {
	t.Helper()
	spec, err := os.ReadFile("../docs/spec/08-dispute.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, found := strings.Cut(string(spec), "## §9 Refusals")
	if !found {
		t.Fatal("08 has no §9")
	}
	for _, m := range regexp.MustCompile("`([A-Z][A-Za-z0-9]+)`").FindAllStringSubmatch(list, -1) {
		listed = append(listed, m[1])
	}
	return listed
}
