package app

import (
	"cmp"
	"context"
	"fmt"

	"elenchus/proving/step"
)

// demoInCourt plays a story of the kit with the model that was asked for.
func demoInCourt(ctx context.Context, o DemoOptions) (*DemoResult, error) {
	system, ok := step.ParseSystem(cmp.Or(o.System, step.Groth16.String()))
	if !ok {
		return nil, fmt.Errorf("%w: proof system %q: use one of %v", ErrCannot, o.System, CircuitSystems())
	}
	man, _, err := LoadModel(o.Model)
	if err != nil {
		return nil, err
	}
	return Court(ctx, CourtOptions{Attack: o.Attack, Seed: o.Seed, Manifest: man, Story: o.Story, Confidential: o.Answer == AnswerProof, System: system})
}
