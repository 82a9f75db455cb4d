package conformance_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"elenchus/compute/opset"
	"elenchus/conformance/opsample"
	"elenchus/proving/circuit"

	"github.com/consensys/gnark/frontend/cs/r1cs"
)

// Elements of one shape have one circuit, and the shape hardly depends on the index: keys are made
// per shape. SPEC 10 §5.
func TestElementsOfOneShapeHaveOneCircuit(t *testing.T) {
	t.Parallel()
	tries, compared := 2, 0
	if soak {
		tries = 60
	}
	for _, op := range opset.Codes() {
		if !circuit.Has(op) {
			continue
		}
		r := rand.New(rand.NewPCG(55, uint64(op)))
		for range tries {
			d, c, first := opsample.Sample(r, op)
			seen := map[[32]byte][]byte{}
			for _, i := range []uint64{first, r.Uint64N(d.Count(&c)), (first + 16) % d.Count(&c), (first + 1) % d.Count(&c)} {
				s := opsample.NewSupply(r, &d, opsample.Log)
				x, err := circuit.Prepare(&d, &c, i, s.Fetch)
				if err != nil {
					t.Fatal(err)
				}
				if cellsOf(x) > 40 && !soak {
					continue
				}
				system := written(t, compiled(t, x, r1cs.NewBuilder))
				shape := x.Shape()
				if was, ok := seen[shape]; ok {
					compared++
					if !bytes.Equal(was, system) {
						t.Errorf("%s: elements %d and %d are of one shape and have two circuits (%+v)", op, first, i, d)
					}
				}
				seen[shape] = system
			}
		}
	}
	t.Logf("%d pairs compared", compared)
	if compared < 50 {
		t.Errorf("only %d pairs were compared", compared)
	}
}
