package engine

import (
	"context"
	"fmt"

	"elenchus/commitment/manifest"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
)

// Encoder runs an encoder: ids of a text to its vector, the numbers that a claim of the same input
// commits to. It is safe for concurrent use if Split is.
type Encoder struct {
	Manifest *manifest.Manifest // of a model for which EncoderRows says ok; Prepare makes it fast
	Split    machine.Split      // nil: one thread
}

// Embed gives the vector of a text: int32 of model.EncoderBits fraction bits, not scaled to length 1.
// types may be nil: all 0. It ends with ctx between layers, and fails with model.ErrModel for a text
// that the encoder does not take. SPEC 04 §1.4c.
func (e *Encoder) Embed(ctx context.Context, ids, types []int32) ([]int32, error) {
	rows, _, ok := e.Manifest.Model.EncoderRows()
	if !ok {
		return nil, fmt.Errorf("%w: not an encoder", model.ErrModel)
	}
	x, err := model.EncoderInput(ids, types, rows)
	if err != nil {
		return nil, err
	}
	w, c := machine.Workspace{Split: e.Split}, opset.Context{Prompt: x.I32}
	for i := range e.Manifest.Model.Stages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x = w.Run(&e.Manifest.Model.Stages[i], &c, x, nil)
	}
	return append([]int32(nil), x.I32...), nil
}
