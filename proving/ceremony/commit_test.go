package ceremony_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"elenchus/proving/ceremony"
	"elenchus/proving/step"

	"github.com/consensys/gnark/frontend"
)

// committing is a circuit that commits to a wire, as range checks by lookups do: x = y, and a challenge of x is not 0.
type committing struct {
	Y frontend.Variable `gnark:",public"`
	X frontend.Variable
}

func (c *committing) Define(api frontend.API) error {
	api.AssertIsEqual(c.X, c.Y)
	challenge, err := api.Compiler().(frontend.Committer).Commit(c.X)
	if err != nil {
		return err
	}
	api.AssertIsDifferent(challenge, 0)
	return nil
}

// A circuit that commits to wires has no key that a contract reads, in either system, and no ceremony: contracts know no
// hash to the field, so that no second commitment can go unchecked. SPEC 10 §2.8, §5.7.
func TestCircuitsThatCommitHaveNoKeys(t *testing.T) {
	for _, y := range []step.System{step.Groth16, step.PLONK} {
		k, err := step.DevelopmentKey(y, &committing{}, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Words(); !errors.Is(err, step.ErrKey) || !strings.Contains(err.Error(), "commits to wires") {
			t.Errorf("%s: %v", y, err)
		}
	}
	if _, err := ceremony.New(&committing{}); !errors.Is(err, step.ErrKey) || !strings.Contains(err.Error(), "commits to wires") {
		t.Errorf("a ceremony: %v", err)
	}
}
