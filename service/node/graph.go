package node

import (
	"context"
	"errors"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/settlement/dispute"
	"elenchus/settlement/sampling"
)

// Runner is the Computer of a graph model: an encoder, whose output is the vector of a text. Replay
// must reproduce what Run did, bit for bit.
type Runner interface {
	// Run gives the output and the root over all boundaries. SPEC 06 §3.9.
	Run(ctx context.Context, in []int32) (out []int32, states merkle.Hash, err error)
	Replay(in []int32) (*trace.Step, error)
}

var errNoStates = fmt.Errorf("%w: a claim about a graph model has no states", errNotFound)

// servable says why the node cannot serve a model, or nil.
func servable(m *Model) error {
	if m.Manifest.Kind == model.KindToken {
		return nil
	}
	if _, ok := m.Computer.(Runner); !ok {
		return fmt.Errorf("model %s is a graph model, and its computer runs none", m.Name)
	}
	return nil
}

// graph says whether a model is one.
func (m *Model) graph() bool { return m.Manifest.Kind == model.KindGraph }

// audited says whether audits can find out that somebody did not compute: of a graph model of one stage they open
// nothing. SPEC 11 §4.1.
func (m *Model) audited() bool { return !m.graph() || sampling.Stages(&m.Manifest.Header) > 0 }

// checkGraph refuses an input that is not the one of the request; whether the model takes it is known
// when it is in memory. SPEC 07 §2.
func checkGraph(j *Job, m *Model) error {
	switch {
	case !j.Request.Graph():
		return fmt.Errorf("%w: model %s makes vectors: promptCount is 0 and the prompt its input tensor", ErrRefused, m.Name)
	case len(j.Stop) > 0 || !j.Sampler.None() || j.Odds != nil || j.Salt != [32]byte{}:
		return fmt.Errorf("%w: a graph model has neither stop ids nor a sampler nor odds nor a salt", ErrRefused)
	}
	if got := trace.IDTree(j.Prompt).Root(); got != j.Request.PromptRoot {
		return fmt.Errorf("%w: the input has root %x, the request says %x", ErrRefused, got, j.Request.PromptRoot)
	}
	return nil
}

// run computes the output of a graph model when its turn has come.
func (n *Node) run(ctx context.Context, m *Model, j *Job) (out []int32, states merkle.Hash, err error) {
	if err := n.runs.enter(ctx); err != nil {
		return nil, states, err
	}
	defer n.runs.leave()
	out, states, err = m.Computer.(Runner).Run(ctx, j.Prompt) // servable has asked
	if errors.Is(err, model.ErrModel) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return out, states, err
}

// serveGraph computes a job of a graph model and returns the receipt, stored already. SPEC 07 §3.
func (n *Node) serveGraph(ctx context.Context, m *Model, j *Job) (*receipt.Receipt, error) {
	out, states, err := n.run(ctx, m, j)
	if err != nil {
		return nil, err
	}
	n.crash("before signing")
	r, err := n.signed(j, claim.Claim{StateRoot: states, OutputRoot: trace.IDTree(out).Root()}, out, claim.Signature{})
	if err != nil {
		return nil, err
	}
	if r, err = n.keep(r); err != nil {
		return nil, err
	}
	n.o.Log.Info("claim", "claim", fmt.Sprintf("%x", r.Claim.ID(n.o.Domain)), "elements", len(out))
	return r, nil
}

// knowledgeOfGraph is what the node knows of its own claim about a graph model.
func knowledgeOfGraph(ctx context.Context, r *receipt.Receipt, m *Model) (dispute.Knowledge, error) {
	man, err := m.whole(ctx)
	if err != nil {
		return nil, err
	}
	step, err := m.Computer.(Runner).Replay(r.Prompt)
	if err != nil {
		return nil, err
	}
	return dispute.NewOwnGraph(man, step), nil
}

// runner is what runs a graph model, if by does.
func runner(by Computer) (Runner, error) {
	run, ok := by.(Runner)
	if !ok {
		return nil, fmt.Errorf("%w: what computes here runs no graph models", ErrRefused)
	}
	return run, nil
}

// replay is step t of a claim, computed again by what computed it.
func (m *Model) replay(by Computer, r *receipt.Receipt, t int) (*trace.Step, error) {
	if !m.graph() {
		return by.Step(r.Job(), t, r.Output)
	}
	if t != 0 {
		return nil, errors.Join(trace.ErrTrace, fmt.Errorf("step %d of a graph model, which has one", t))
	}
	run, err := runner(by)
	if err != nil {
		return nil, err
	}
	return run.Replay(r.Prompt)
}
