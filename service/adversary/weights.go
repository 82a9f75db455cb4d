package adversary

import (
	"elenchus/commitment/trace"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/engine"
)

// padded goes on behind the end of the answer, up to the length that was asked for: tokens are paid
// by their number.
func padded(c engine.Computer) trace.Tamper {
	s := c.Manifest.Emit()
	f := len(c.Manifest.Model.Stages[s].Ops) - 1
	return func(stage int, ctx *opset.Context, index int, x *tensor.Tensor) {
		if stage == s && index == f && x.I32[0] == opset.FinishEnd {
			x.I32[0] = int32(opset.Limit(ctx))
		}
	}
}

// chunk is the most weights of a leaf of class R. SPEC 02 §3.
const chunk = 512

// poison turns the signs of one row of one matrix of the first layer around: the smallest change of a
// model that its owner can have a use for.
func poison(c engine.Computer) func(*tensor.Tensor) *tensor.Tensor {
	var hit *tensor.Tensor
	for _, o := range c.Manifest.Model.Stages[1].Ops {
		if o.A != nil && o.A.Type == tensor.I8 && o.A.Shape[2] <= chunk { // no block mantissas inside
			hit = o.A // the last: what it gives goes into the residual stream, and so into the rows behind
		}
	}
	return func(t *tensor.Tensor) *tensor.Tensor {
		if t == nil || t != hit {
			return t
		}
		out := tensor.New(tensor.I8, t.Shape[:]...)
		copy(out.I8, t.I8)
		row := t.Shape[1] * t.Shape[2]
		for i := range row {
			out.I8[i] = -max(-127, out.I8[i])
		}
		return out
	}
}
