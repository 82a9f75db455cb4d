package engine

import (
	"context"
	"fmt"

	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

// Run gives the output of a graph model on an input, both int32, and the root over its boundaries: what its
// claim commits to. It ends with ctx between stages, and fails with model.ErrModel for another model or an
// input of another size.
func (c *Computer) Run(ctx context.Context, in []int32) (out []int32, states merkle.Hash, err error) {
	defer c.Seals.sound(&err)
	if c.Tamper != nil {
		step, err := c.Replay(in)
		if err != nil {
			return nil, states, err
		}
		return step.Output().I32, trace.BoundaryTree(step.Boundaries()).Root(), nil
	}
	if err := GraphInput(c.Manifest.Model, in); err != nil {
		return nil, states, err
	}
	var roots []merkle.Hash
	out, err = runGraph(ctx, c.Manifest.Model, in, c.Split, func(x *tensor.Tensor) { roots = append(roots, trace.Boundary(c.Manifest, x)) })
	return out, trace.BoundaryTree(roots).Root(), err
}

// Hidden is the mean of the residual stream behind the last layer over the positions of ids, each
// element rounded down: a vector of a text from a model that was made for answers. No claim is about it.
// It ends with ctx between blocks of positions, and fails with decode.ErrJob for ids that do not fit.
func (c *Computer) Hidden(ctx context.Context, ids []int32) (_ []int32, err error) {
	defer c.Seals.sound(&err)
	free, err := c.Rows.take(ctx, c.Manifest, &decode.Job{Prompt: ids})
	if err != nil {
		return nil, err
	}
	defer free()
	var sum []int64 // at most 2^20 positions of 2^31
	err = decode.Hidden(c.Manifest.Model, ids, c.Split, func(_ int, x []int32) error {
		if sum == nil {
			sum = make([]int64, len(x))
		}
		for i, v := range x {
			sum[i] += int64(v)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	out := make([]int32, len(sum))
	for i, v := range sum {
		out[i] = int32(floorDiv(v, int64(len(ids))))
	}
	return out, nil
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Replay runs a graph model and keeps the run for openings; see trace.ReplayGraph.
func (c *Computer) Replay(in []int32) (_ *trace.Step, err error) {
	defer c.Seals.sound(&err)
	if err := GraphInput(c.Manifest.Model, in); err != nil {
		return nil, err
	}
	return trace.ReplayGraph(c.Manifest, row(in), c.Split, c.Tamper)
}

// GraphInput says why in is no input of a graph model from int32 to int32, matching model.ErrModel.
func GraphInput(m *model.Model, in []int32) error {
	if m.Kind != model.KindGraph {
		return fmt.Errorf("%w: a token model has no single run", model.ErrModel)
	}
	first, last := &m.Stages[0].Ops[0], m.Stages[len(m.Stages)-1].Ops
	if out := &last[len(last)-1]; first.Type != tensor.I32 || out.Type != tensor.I32 {
		return fmt.Errorf("%w: a graph from %s to %s, want int32 on both sides", model.ErrModel, first.Type, out.Type)
	}
	if n := first.Count(&opset.Context{}); uint64(len(in)) != n {
		return fmt.Errorf("%w: an input of %d elements, the model takes %d", model.ErrModel, len(in), n)
	}
	return nil
}

// row is a tensor of one row that owns its elements.
func row(in []int32) *tensor.Tensor {
	x := tensor.New(tensor.I32, 1, 1, len(in))
	copy(x.I32, in)
	return x
}
