package app

import (
	"context"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/engine"
	"elenchus/proving/beacon"
	"elenchus/service/adversary"
	"elenchus/service/node"
	"elenchus/settlement/sampling"

	"github.com/ethereum/go-ethereum/common"
)

// fault is what plants are made of: one bit of a weight, of a cached row or of an output id.
const fault = "byte"

// plants are those of a node under the audits of its deployment; nil if it plants none.
func (r *Role) plants(ctx context.Context, l *Link, pool *engine.Pool) (*node.Plants, error) {
	if r.Plant == 0 {
		return nil, nil //nolint:nilnil // there are none
	}
	if !l.Contracts.HasAudits() {
		return nil, fmt.Errorf("--plant %d: the deployment has no audits", r.Plant)
	}
	p, genesis, period, err := l.Contracts.AuditTerms(ctx)
	if err != nil {
		return nil, err
	}
	return &node.Plants{Every: r.Plant, Users: r.PlantUsers, Fault: faultsOf(pool), Times: timesOf(p, genesis, period)}, nil
}

// timesOf are the times of audits under a beacon.
func timesOf(p sampling.Params, genesis, period uint64) func(uint64) sampling.Times {
	rounds := &beacon.Chain{Genesis: genesis, Period: period}
	return func(posted uint64) sampling.Times { return p.TimesOf(rounds, posted) }
}

// faultsOf are the faults of models as a node holds them.
func faultsOf(pool *engine.Pool) func(context.Context, *node.Model, uint64) (node.Computer, error) {
	return func(_ context.Context, m *node.Model, seed uint64) (node.Computer, error) {
		if _, err := adversary.New(fault, seed); err != nil {
			return nil, err
		}
		return &faulty{m: m, pool: pool, seed: seed}, nil
	}
}

// faulty computes with a fault. Each use takes the model of then, which may have left the memory since.
type faulty struct {
	m    *node.Model
	pool *engine.Pool
	seed uint64
}

func (f *faulty) with(ctx context.Context, use func(adversary.Computer) error) error {
	man, err := f.m.Manifest, error(nil)
	if f.m.Whole != nil {
		man, err = f.m.Whole(ctx)
	}
	if err != nil {
		return err
	}
	a, err := adversary.New(fault, f.seed)
	if err != nil {
		return err
	}
	return use(a.Computer(*computer(man, f.pool)))
}

// Generate is node.Computer.
func (f *faulty) Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (a *trace.Answer, finish uint8, err error) {
	err = f.with(ctx, func(c adversary.Computer) error {
		var err error
		a, finish, err = c.Generate(ctx, job, emit)
		return err
	})
	return a, finish, err
}

// Audit is node.Computer.
func (f *faulty) Audit(ctx context.Context, job decode.Job, claimed []int32) (a *trace.Answer, finish uint8, err error) {
	err = f.with(ctx, func(c adversary.Computer) error {
		var err error
		a, finish, err = c.Audit(ctx, job, claimed)
		return err
	})
	return a, finish, err
}

// Step is node.Computer.
func (f *faulty) Step(job decode.Job, t int, known []int32) (s *trace.Step, err error) {
	err = f.with(context.Background(), func(c adversary.Computer) error {
		var err error
		s, err = c.Step(job, t, known)
		return err
	})
	return s, err
}

// runner is what runs a graph model with a fault.
func runner(c adversary.Computer) (node.Runner, error) {
	run, ok := c.(node.Runner)
	if !ok {
		return nil, fmt.Errorf("%w: what computes here runs no graph models", node.ErrRefused)
	}
	return run, nil
}

// Run is node.Runner.
func (f *faulty) Run(ctx context.Context, in []int32) (out []int32, states merkle.Hash, err error) {
	err = f.with(ctx, func(c adversary.Computer) error {
		run, err := runner(c)
		if err == nil {
			out, states, err = run.Run(ctx, in)
		}
		return err
	})
	return out, states, err
}

// Replay is node.Runner.
func (f *faulty) Replay(in []int32) (s *trace.Step, err error) {
	err = f.with(context.Background(), func(c adversary.Computer) error {
		run, err := runner(c)
		if err == nil {
			s, err = run.Replay(in)
		}
		return err
	})
	return s, err
}

// PlantFor takes the accounts of the operator's under whose requests plants are made.
func (r *Role) PlantFor(texts []string) error {
	for _, s := range texts {
		if !common.IsHexAddress(s) {
			return fmt.Errorf("--plant-user %q is no account: write 0x and 40 hex digits", s)
		}
		r.PlantUsers = append(r.PlantUsers, claim.Address(common.HexToAddress(s)))
	}
	return nil
}
