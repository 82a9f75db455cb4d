package app

import (
	"context"
	"fmt"
	"time"

	"elenchus/commitment/claim"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"

	"github.com/consensys/gnark/frontend"
)

// whole is what node and challenger of an account are given for answers about whole tensors.
func (p *prover) whole(account claim.Address) func(ctx context.Context, s dispute.State, m dispute.ClusterMove) (dispute.Move, error) {
	return func(ctx context.Context, s dispute.State, m dispute.ClusterMove) (dispute.Move, error) {
		return p.proveWhole(ctx, account, s, m)
	}
}

// proveWhole makes the proof of a whole tensor. It is ErrCannot where the chain has no key of the shape and none is to be
// made: whoever asked goes on move by move.
func (p *prover) proveWhole(ctx context.Context, account claim.Address, s dispute.State, m dispute.ClusterMove) (dispute.Move, error) {
	x, err := m.Cluster(&s)
	if err != nil {
		return nil, err
	}
	w, err := circuit.PrepareWhole(x, m.Secret)
	if err != nil {
		return nil, err
	}
	if _, err := circuit.WholeCircuit(x); err != nil {
		return nil, err
	}
	u := provable{circuit.WholeShape(x), "all of " + x.Target().Descriptor.Op.String(), func() frontend.Circuit {
		c, _ := circuit.WholeCircuit(x) // it was made above
		return c
	}}
	if !p.wide {
		on, err := p.chain.ProofKey(ctx, uint8(p.system), u.shape)
		if err != nil {
			return nil, err
		}
		if on == (claim.Hash{}) {
			return nil, fmt.Errorf("%w: the chain has no key of shape %x, %s", ErrCannot, u.shape, u.name)
		}
	}
	key, err := p.key(ctx, u)
	if err != nil {
		return nil, err
	}
	b := step.Binding{Game: s.Slot(), Op: dispute.ClusterCode, Element: uint64(x.Target().Tensor), Chain: p.chain.Addresses().ChainID,
		Verifier: p.chain.Addresses().ProofVerifier(uint8(p.system)), Prover: account}
	assigned, digest, err := w.Assignment(b.Hash())
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	start := time.Now()
	proof, err := key.Prove(assigned)
	if err != nil {
		return nil, err
	}
	p.say("tensor %d, %s of %d leaves: proven whole in %.2f s, %d constraints, %s, %s key", x.Target().Tensor, u.name, x.Leaves(), time.Since(start).Seconds(),
		key.Constraints, p.system, key.Origin)
	return m.With(uint8(p.system), account, p.system.Posted(proof, digest)), nil
}
