package step

import (
	"fmt"

	"elenchus/compute/opset"
	"elenchus/proving/circuit"

	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/frontend/cs/scs"
)

// EstimateWhole is about how many constraints the circuit of a cluster has, from parts of it that are compiled alone: of
// circuits that would take gigabytes to compile it takes megabytes and less than a second. It is not below the size
// unless elements between differ from first, middle and last. It returns the errors of circuit.WholeCircuit.
func EstimateWhole(s System, x *opset.Cluster) (constraints int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", circuit.ErrUnit, r)
		}
	}()
	var builder frontend.NewBuilder = scs.NewBuilder
	if s == Groth16 {
		builder = r1cs.NewBuilder
	}
	parts, err := circuit.Parts(x)
	if err != nil {
		return 0, err
	}
	for _, alternatives := range parts {
		dearest := 0
		for i := range alternatives {
			c, err := alternatives[i].Compile(builder)
			if err != nil {
				return 0, err
			}
			dearest = max(dearest, c.GetNbConstraints()*alternatives[i].Times)
		}
		constraints += dearest
	}
	return constraints, nil
}
