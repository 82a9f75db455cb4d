package model

import (
	"fmt"

	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Dense is one layer of an MLP: y = x W + bias, then ReLU, then the shift to the next i16 input.
type Dense struct {
	W     Matrix
	Bias  *tensor.Tensor // i32 [rows] in the fraction bits of the row results, or nil
	ReLU  bool
	Shift int64 // row result to the i16 output; unused in the last layer, whose output is i32
}

// MLP lays a multi-layer perceptron out as a graph model, one stage per layer. The input is i16
// [columns of the first matrix], the output i32 [rows of the last]. GAME rule 18.
func MLP(layers []Dense) (*Model, error) {
	if len(layers) == 0 || len(layers) > 1<<10 {
		return nil, fmt.Errorf("%w: %d layers, want 1..1024", ErrModel, len(layers))
	}
	m := &Model{Kind: KindGraph, Layers: len(layers)}
	k := layers[0].W.K
	for i := range layers {
		l := &layers[i]
		if l.W.W == nil || l.W.Rows() < 1 || k < 1 || k > maxFF {
			return nil, fmt.Errorf("%w: layer %d has no weights or %d columns", ErrModel, i, k)
		}
		n := l.W.Rows()
		if err := l.W.check(fmt.Sprintf("layer %d", i), n, k); err != nil {
			return nil, err
		}
		if l.Bias != nil && (l.Bias.Type != tensor.I32 || l.Bias.Len() != n) {
			return nil, fmt.Errorf("%w: bias of layer %d is not int32 [%d]", ErrModel, i, n)
		}
		g := newStage(tensor.I16, k, 0)
		y := g.linear(0, &l.W, tensor.I32, 0)
		if l.Bias != nil {
			y = g.add(opset.Add, tensor.I32, vec(n), []int64{int64(n)}, y)
			g.root(y, 1, opset.RootA, l.Bias)
		}
		if l.ReLU {
			y = g.add(opset.ReLU, tensor.I32, vec(n), []int64{int64(n)}, y)
		}
		if i < len(layers)-1 {
			g.add(opset.Quant, tensor.I16, vec(n), []int64{int64(n), l.Shift}, y)
		}
		m.Stages = append(m.Stages, g.done(-1, 0, 0))
		k = n
	}
	return m, nil
}
