package app

import (
	"context"
	"fmt"

	"elenchus/commitment/claim"
	"elenchus/proving/circuit"
	"elenchus/proving/worker"
	"elenchus/settlement/dispute"
)

// whole is what node and challenger of an account are given for answers about whole tensors.
func (p *prover) whole(account claim.Address) func(ctx context.Context, game claim.Hash, s dispute.State, m dispute.ClusterMove) (dispute.Move, error) {
	return func(ctx context.Context, game claim.Hash, s dispute.State, m dispute.ClusterMove) (dispute.Move, error) {
		return p.proveWhole(ctx, account, game, s, m)
	}
}

// proveWhole makes the proof of a whole tensor. It is ErrCannot where the chain has no key of the shape and none is to be
// made: whoever asked goes on move by move.
func (p *prover) proveWhole(ctx context.Context, account claim.Address, game claim.Hash, s dispute.State, m dispute.ClusterMove) (dispute.Move, error) {
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
	name := "all of " + x.Target().Descriptor.Op.String()
	u := provable{circuit.WholeShape(x), name, fmt.Sprintf("tensor %d, %s of %d leaves: proven whole", x.Target().Tensor, name, x.Leaves()), &worker.Task{Cluster: x}}
	if !p.wide {
		on, err := p.chain.ProofKey(ctx, uint8(p.system), u.shape)
		if err != nil {
			return nil, err
		}
		if on == (claim.Hash{}) {
			return nil, fmt.Errorf("%w: the chain has no key of shape %x, %s", ErrCannot, u.shape, u.name)
		}
	}
	b := p.binding(&s, account).OfWhole(x)
	proof, err := p.work(ctx, game, s.Slot(), u, worker.WitnessOfWhole(w, b))
	if err != nil {
		return nil, err
	}
	hashes, err := w.Hashes()
	if err != nil {
		return nil, err
	}
	digest, err := circuit.Digest(hashes)
	if err != nil {
		return nil, err
	}
	return m.With(uint8(p.system), account, p.system.Posted(proof, digest)), nil
}
