package conformance_test

import (
	"testing"

	"elenchus/compute/opset"
	"elenchus/proving/circuit"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
)

// Circuits of answers take the public inputs that verifiers compute from what is stated, for one permutation of
// the digest's sponge and for more of both widths, and no other in the place of one. SPEC 10 §4.6.
func TestAnswersBindWhatIsStatedInThreeInputs(t *testing.T) {
	for op, leaves := range map[opset.Code]int{opset.ReLU: 2, opset.Add: 3, opset.Score: 4, opset.Row: 5, opset.MatMul: 18} {
		a := answerOf(t, op, true)
		hashes, err := a.Hashes()
		if err != nil || len(hashes) != leaves {
			t.Fatalf("%s: %d hashes, want %d: %v", op, len(hashes), leaves, err)
		}
		w, err := a.Assignment([32]byte{1})
		if err != nil {
			t.Fatal(err)
		}
		full, err := frontend.NewWitness(w, circuit.Curve.ScalarField())
		if err != nil {
			t.Fatal(err)
		}
		system, err := circuit.Compile(a.AnswerCircuit(), r1cs.NewBuilder)
		if err != nil {
			t.Fatal(err)
		}
		hints := solver.WithHints(circuit.Hints()...)
		if err := system.IsSolved(full, hints); err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		values, one := full.Vector().(fr.Vector), fr.One()
		for i, name := range []string{"challenge", "digest", "sum"} {
			was := values[i]
			values[i].Add(&values[i], &one)
			if system.IsSolved(full, hints) == nil {
				t.Errorf("%s: the circuit takes another %s", op, name)
			}
			values[i] = was
		}
	}
}

// What is stated decides on the inputs, each part of it: a leaf of zero at either end, too.
func TestInputsOfAnswersDependOnAllThatIsStated(t *testing.T) {
	h := func(v byte) circuit.Input { return circuit.Input{31: v} }
	seen := map[[3]circuit.Input]int{}
	for i, c := range []struct {
		bind   byte
		equal  bool
		hashes []circuit.Input
	}{
		{0, false, nil}, {0, true, nil}, {1, false, nil}, {0, false, []circuit.Input{h(0)}}, {0, false, []circuit.Input{h(0), h(0)}},
		{0, false, []circuit.Input{h(1)}}, {0, true, []circuit.Input{h(1)}}, {0, false, []circuit.Input{h(1), h(0)}}, {0, false, []circuit.Input{h(0), h(1)}},
		{0, false, []circuit.Input{h(2), h(0)}}, {0, false, []circuit.Input{h(1), h(0), h(0)}},
	} {
		x, err := circuit.Public([32]byte{c.bind}, c.equal, c.hashes)
		if err != nil {
			t.Fatal(err)
		}
		for name, key := range map[string][3]circuit.Input{"inputs": [3]circuit.Input(x), "sum": {2: x[2]}} {
			if name == "sum" && len(c.hashes) == 0 {
				continue // a constant: the head
			}
			if other, ok := seen[key]; ok {
				t.Errorf("case %d has the %s of case %d", i, name, other)
			}
			seen[key] = i
		}
	}
	if _, err := circuit.Public([32]byte{}, true, []circuit.Input{beyondField()}); err == nil {
		t.Error("a hash of the order itself is taken")
	}
}

func beyondField() (out circuit.Input) {
	circuit.Curve.ScalarField().FillBytes(out[:])
	return out
}
