package step

import (
	"errors"
	"fmt"
	"io"

	"elenchus/proving/circuit"
	"elenchus/proving/iden3"

	cs "github.com/consensys/gnark/constraint/bn254"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
)

// Export writes what a Groth16 key proves, an R1CS and all values of a satisfying assignment, in the formats
// of circom's tools: for provers of others. It returns ErrKey for a key of another system, and ErrWitness.
func (k *Key) Export(assignment frontend.Circuit, system, witness io.Writer) error {
	s, ok := k.system.(*cs.R1CS)
	if !ok {
		return fmt.Errorf("%w: a %s key: only %s has an R1CS", ErrKey, k.System, Groth16)
	}
	w, err := frontend.NewWitness(assignment, circuit.Curve.ScalarField())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	solved, err := s.Solve(w, solver.WithHints(circuit.Hints()...))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrWitness, err)
	}
	return errors.Join(iden3.WriteSystem(system, s), iden3.WriteWitness(witness, solved.(*cs.R1CSSolution).W))
}
