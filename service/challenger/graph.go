package challenger

import (
	"context"
	"fmt"

	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/settlement/dispute"
)

// Replayer is the Computer of a graph model: one run, kept for openings.
type Replayer interface {
	Replay(in []int32) (*trace.Step, error)
}

// takes says why a model could not have answered the request of a receipt, or nil.
func (m *Model) takes(r *receipt.Receipt) error {
	if !r.Request.Graph() || m.Manifest.Kind == model.KindToken {
		job := r.Job()
		return job.Check(m.Manifest.Model)
	}
	if len(m.Manifest.Model.Stages) == 0 {
		return nil // not in memory: what replays it says so
	}
	first := &m.Manifest.Model.Stages[0].Ops[0]
	if n := first.Count(&opset.Context{}); uint64(len(r.Prompt)) != n {
		return fmt.Errorf("an input of %d elements, the model takes %d", len(r.Prompt), n)
	}
	return nil
}

// computeGraph is the own run of a graph model on the input of a receipt.
func (m *Model) computeGraph(ctx context.Context, r *receipt.Receipt) (dispute.Knowledge, error) {
	if err := m.takes(r); err != nil {
		return nil, err
	}
	step, err := m.Computer.(Replayer).Replay(r.Prompt)
	if err != nil {
		return nil, err
	}
	man, err := m.whole(ctx)
	if err != nil {
		return nil, err
	}
	return dispute.NewOwnGraph(man, step), nil
}
