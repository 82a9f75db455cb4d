package app

import (
	"cmp"
	"context"
	"fmt"

	"elenchus/compute/opset"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
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
	return Court(ctx, CourtOptions{Attack: o.Attack, Seed: o.Seed, Manifest: man, Story: o.Story, Confidential: o.Answer == AnswerProof, System: system, Cluster: o.Cluster})
}

// convicted tells what an answer has refuted.
func (d *demo) convicted(e ledger.Convicted) {
	if e.Op == dispute.ClusterCode {
		op := "cluster"
		d.result.ConvictedOp, d.result.Cluster = &op, true
		d.say("game %x: tensor %d is false, proven whole", e.Game[:4], e.Tensor)
		return
	}
	op := opset.Code(e.Op).String()
	d.result.ConvictedOp, d.result.ConvictedElement = &op, &e.Element
	d.say("game %x: %s element %d is false", e.Game[:4], op, e.Element)
}
