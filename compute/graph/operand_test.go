package graph_test

import (
	"errors"
	"testing"

	"elenchus/compute/graph"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// A model tensor has the shape that the operation reads and the values that its bounds assume. G12.
func TestOperandsAreChecked(t *testing.T) {
	tests := map[string]struct {
		op     opset.Code
		kind   uint8
		change func(x *tensor.Tensor) *tensor.Tensor
	}{
		"elements":  {opset.MatMul, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.Shape[0]--; return x }},
		"type":      {opset.MatMul, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.Type = tensor.I16; return x }},
		"leaves":    {opset.MatMul, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.Shape[0], x.Shape[2] = x.Shape[2], x.Shape[0]; return x }},
		"padding":   {opset.MatMul, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.I8[len(x.I8)-1] = 1; return x }},
		"mantissa":  {opset.Row, opset.RootB, func(x *tensor.Tensor) *tensor.Tensor { x.I32[2] = 1 << 24; return x }},
		"negative":  {opset.Row, opset.RootB, func(x *tensor.Tensor) *tensor.Tensor { x.I32[0] = -1 << 31; return x }},
		"angle":     {opset.RoPE, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.I32[7] = 1<<30 + 1; return x }},
		"none":      {opset.MatMul, opset.RootA, func(*tensor.Tensor) *tensor.Tensor { return nil }},
		"kind":      {opset.MatMul, opset.RootB, func(x *tensor.Tensor) *tensor.Tensor { return x }},
		"code":      {opset.MatMulBlock, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.I8[63] = 1; return x }},
		"block":     {opset.MatMulG4, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.I8[35] = 0x7f; return x }},
		"beyond":    {opset.MatMulBlock, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.I8[x.Shape[2]-1] = 1; return x }},
		"layout":    {opset.MatMulG4, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.Shape[2]++; return x }},
		"embedding": {opset.EmbedBlock, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.I8[63] = 1; return x }},
		"bytes":     {opset.StopState, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { x.Shape[0]--; return x }},
		"place":     {opset.StopState, opset.RootB, func(x *tensor.Tensor) *tensor.Tensor { x.I32[6] = 1 << 20; return x }},
		"before":    {opset.StopState, opset.RootB, func(x *tensor.Tensor) *tensor.Tensor { x.I32[6] = -1; return x }},
		"long":      {opset.StopState, opset.RootB, func(x *tensor.Tensor) *tensor.Tensor { x.I32[1] = 129; return x }},
		"operation": {opset.Input, opset.RootA, func(x *tensor.Tensor) *tensor.Tensor { return tensor.New(tensor.I8, 1) }},
	}
	for name, test := range tests {
		c, stage := modeltest.Tiny(), 1
		if test.op >= opset.MatMulBlock {
			c = modeltest.Blocks()
		}
		if test.op == opset.EmbedBlock {
			stage = 0
		}
		if test.op == opset.StopState {
			stage = 3
		}
		ops := modeltest.Llama(3, c).Stages[stage].Ops
		for i := range ops {
			o := &ops[i]
			if o.Op != test.op {
				continue
			}
			x := o.A
			if o.Op == opset.Row || test.op == opset.StopState && test.kind == opset.RootB {
				x = o.B
			}
			if x != nil && (test.kind == opset.RootA || x == o.B) {
				if err := graph.CheckOperand(&o.Descriptor, test.kind, x); err != nil {
					t.Errorf("%s: the tensor before the change: %v", name, err)
				}
			}
			if err := graph.CheckOperand(&o.Descriptor, test.kind, test.change(x)); !errors.Is(err, graph.ErrWeights) {
				t.Errorf("%s: %v", name, err)
			}
			break
		}
	}
}
