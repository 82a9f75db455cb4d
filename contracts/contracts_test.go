package contracts_test

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"

	"elenchus/compute/opset"
	"elenchus/contracts"
)

// maxRuntime is the code size limit of EIP-170.
const maxRuntime = 24576

// Every op but input has exactly one evaluator, whose artifact parses and fits a contract. SPEC 02 §4.
func TestEveryOpHasOneEvaluator(t *testing.T) {
	seen := map[opset.Code]string{}
	for _, e := range contracts.Evaluators() {
		text, creation, err := contracts.Artifact(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := abi.JSON(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		if _, ok := parsed.Methods["evaluate"]; !ok || len(creation) == 0 {
			t.Errorf("%s cannot evaluate", e.Name)
		}
		code, err := contracts.Runtime(e.Name)
		if err != nil || len(code) == 0 || len(code) > maxRuntime {
			t.Errorf("%s: %d bytes of code, error %v", e.Name, len(code), err)
		}
		for _, op := range e.Ops {
			if other := seen[opset.Code(op)]; other != "" {
				t.Errorf("op %d is in %s and in %s", op, other, e.Name)
			}
			seen[opset.Code(op)] = e.Name
		}
	}
	for _, code := range opset.Codes() {
		if seen[code] == "" {
			t.Errorf("op %s has no evaluator", code)
		}
	}
	if len(seen) != len(opset.Codes()) {
		t.Errorf("%d ops have evaluators, the op set has %d", len(seen), len(opset.Codes()))
	}
}

func TestUnknownArtifactIsRefused(t *testing.T) {
	if _, _, err := contracts.Artifact("Nothing"); err == nil || !strings.Contains(err.Error(), `"Nothing"`) {
		t.Errorf("got %v", err)
	}
}
