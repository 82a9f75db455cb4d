package conformance_test

import (
	"elenchus/compute/opset"
	"elenchus/proving/specimen"
)

// shape1B and shape70B are an op at the shapes of specimen, which new operations are added to.
func shape1B(code opset.Code) (opset.Descriptor, opset.Context)  { return shaped(code, 0) }
func shape70B(code opset.Code) (opset.Descriptor, opset.Context) { return shaped(code, 1) }

func shaped(code opset.Code, i int) (opset.Descriptor, opset.Context) {
	d, c, err := specimen.Element(code, specimen.Shapes()[i])
	if err != nil {
		panic("conformance: " + err.Error())
	}
	return d, c
}
