package app

import (
	"context"
	"fmt"

	"elenchus/commitment/claim"
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
	x, err := contestedBy(&s, m)
	if err != nil {
		return nil, err
	}
	if !p.wide {
		on, err := p.chain.ProofKey(ctx, uint8(p.system), x.shape)
		if err != nil {
			return nil, err
		}
		if on == (claim.Hash{}) {
			return nil, fmt.Errorf("%w: the chain has no key of shape %x, %s", ErrCannot, x.shape, x.name)
		}
	}
	return p.finish(ctx, account, game, &s, x)
}
