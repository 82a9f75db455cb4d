package engine

import (
	"context"
	"fmt"
	"math"

	"elenchus/commitment/manifest"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
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
	return runGraph(ctx, e.Manifest.Model, x.I32, e.Split, func(*tensor.Tensor) {})
}

// runGraph runs the stages of a graph model; the result is the caller's. see is shown each boundary, which
// is lent.
func runGraph(ctx context.Context, m *model.Model, in []int32, split machine.Split, see func(*tensor.Tensor)) ([]int32, error) {
	x := row(in)
	see(x)
	w, c := machine.Workspace{Split: split}, opset.Context{Prompt: x.I32}
	for i := range m.Stages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x = w.Run(&m.Stages[i], &c, x, nil)
		see(x)
	}
	return append([]int32(nil), x.I32...), nil
}

// Floats are the numbers of a vector of an encoder as users get them, scaled to length 1 if unit. A
// vector of zeros stays one. SPEC 04 §4.2.
func Floats(v []int32, unit bool) []float32 {
	scale := math.Ldexp(1, -model.EncoderBits)
	if unit {
		square := 0.0
		for _, x := range v {
			square += float64(float64(x) * float64(x))
		}
		if scale = 0; square > 0 {
			scale = 1 / math.Sqrt(square)
		}
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) * scale)
	}
	return out
}
