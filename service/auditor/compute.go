package auditor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/settlement/dispute"
	"elenchus/settlement/sampling"
)

// Replayer is the Computer of a graph model: one run, kept for openings.
type Replayer interface {
	Replay(in []int32) (*trace.Step, error)
}

// own is the own computation of a claim: the answer of a token model, or the run of a graph model.
type own struct {
	m      *Model
	r      *receipt.Receipt
	answer *trace.Answer // nil: a graph model
	step   *trace.Step   // of a graph model
}

// run is the own computation of a claim, and whether it gives what is claimed.
func (a *Auditor) run(ctx context.Context, r *receipt.Receipt) (*own, bool, error) {
	m, err := a.model(r.Request.Model)
	if err != nil {
		return nil, false, err
	}
	if m.Manifest.Kind == model.KindGraph {
		return m.replay(r)
	}
	job := r.Job()
	if err := job.Check(m.Manifest.Model); err != nil {
		return nil, false, err
	}
	answer, finish, err := m.Computer.Audit(ctx, job, r.Output)
	if err != nil {
		return nil, false, err
	}
	same := claim.Hash(answer.StateTree().Root()) == r.Claim.StateRoot && slices.Equal(answer.Outputs, r.Output) &&
		finish == r.Claim.Finish && len(answer.Outputs) == int(r.Claim.Count) && claim.Hash(trace.IDTree(answer.Outputs).Root()) == r.Claim.OutputRoot
	return &own{m: m, r: r, answer: answer}, same, nil
}

// replay is the own run of a graph model on the input of a receipt.
func (m *Model) replay(r *receipt.Receipt) (*own, bool, error) {
	by, ok := m.Computer.(Replayer)
	switch {
	case !ok:
		return nil, false, errors.New("what computes here runs no graph models")
	case sampling.Stages(&m.Manifest.Header) == 0:
		return nil, false, errors.New("a graph model of one stage hides nothing that would show who computed it")
	case trace.IDTree(r.Prompt).Root() != r.Request.PromptRoot:
		return nil, false, errors.New("the input is not that of the request")
	}
	step, err := by.Replay(r.Prompt)
	if err != nil {
		return nil, false, err
	}
	b := step.Boundaries()
	return &own{m: m, r: r, step: step}, b[len(b)-1] == r.Claim.OutputRoot && trace.BoundaryTree(b).Root() == r.Claim.StateRoot, nil
}

// rows are the salted rows of the last state of a token model's run.
func (o *own) rows(salt trace.Salt) (*trace.Salted, error) {
	step, err := o.m.Computer.Step(o.r.Job(), len(o.answer.Hashes)-2, o.answer.Outputs)
	if err != nil {
		return nil, err
	}
	return step.Salted(salt), nil
}

// salted is the root of the salted tree over what the run computed. SPEC 11 §4.2.
func (o *own) salted(salt trace.Salt) (claim.Hash, error) {
	if o.step == nil {
		rows, err := o.rows(salt)
		if err != nil {
			return claim.Hash{}, err
		}
		return claim.Hash(rows.Root()), nil
	}
	stages, err := o.step.SaltedStages(salt)
	if err != nil {
		return claim.Hash{}, err
	}
	return claim.Hash(stages.Root()), nil
}

// prove opens what the second round drew, beside the signature of the attestation. SPEC 11 §4.4.
func (o *own) prove(sig claim.Signature, salt trace.Salt, seed claim.Hash) ([]byte, error) {
	h := &o.m.Manifest.Header
	if o.step == nil {
		rows, err := o.rows(salt)
		if err != nil {
			return nil, err
		}
		p, err := sampling.Prove(sig, o.answer, rows, sampling.Leaf(seed, salt.Audit, h, uint64(len(o.answer.Hashes)-1)))
		if err != nil {
			return nil, err
		}
		return p.Encode(), nil
	}
	stages, err := o.step.SaltedStages(salt)
	if err != nil {
		return nil, err
	}
	opening, err := stages.Open(sampling.Stage(seed, salt.Audit, h))
	if err != nil {
		return nil, fmt.Errorf("open what was drawn: %w", err)
	}
	return (&sampling.StageProof{Signature: sig, Opening: *opening}).Encode(), nil
}

// known is what a run shows in a dispute.
func (o *own) known(ctx context.Context) (dispute.Knowledge, error) {
	man := o.m.Manifest
	if o.m.Whole != nil {
		var err error
		if man, err = o.m.Whole(ctx); err != nil {
			return nil, err
		}
	}
	if o.step != nil {
		return dispute.NewOwnGraph(man, o.step), nil
	}
	step := func(t int) (*trace.Step, error) { return o.m.Computer.Step(o.r.Job(), t, o.answer.Outputs) }
	return dispute.NewOwn(man, o.r.Job(), o.answer, o.r.Claim.Count, step), nil
}
