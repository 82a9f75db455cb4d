package app

import (
	"cmp"
	"context"
	"path/filepath"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/network/chain"
	"elenchus/proving/step"
	"elenchus/proving/worker"
	"elenchus/settlement/dispute"
)

// ProvenGame is a game that waits for an answer of which the chain has the key.
type ProvenGame struct {
	RPC  string
	At   chain.Addresses
	Keys string // folder of the keys' other halves
	Game claim.Hash
}

// conceal makes the model a confidential one, and a prover with development keys.
func (c *tribunal) conceal(ctx context.Context) error {
	man, err := manifest.BindAs(c.man.Model, manifest.Confidential)
	if err != nil {
		return err
	}
	c.man, c.result.Answer, c.result.System = man, AnswerProof, cmp.Or(c.o.System, step.Groth16).String()
	l, err := openLink(ctx, c.chain.HTTP(), c.n.Addresses, c.keys[registrarRole], filepath.Join(c.dir, registrarRole), c.o.Log.With("role", registrarRole),
		pace{poll: courtPoll, inFlight: 256})
	if err != nil {
		return err
	}
	c.links[registrarRole] = l
	c.do(ctx, l.Run)
	c.prove = newProver(worker.Folder{Dir: filepath.Join(c.dir, "keys"), Make: true}, c.k, cmp.Or(c.o.System, step.Groth16), func(ctx context.Context, i chain.Intent) error { return l.Do(ctx, i) }, c.say)
	c.prove.wide, c.prove.patient = true, true
	return nil
}

// whole is what a party finishes answers about whole tensors with; nil where it makes none.
func (c *tribunal) whole(account claim.Address) wholeProver {
	if c.prove == nil || !c.o.Cluster {
		return nil
	}
	return c.prove.whole(account)
}

// prover is what a party finishes answers with; nil where answers show leaves.
func (c *tribunal) prover(account claim.Address) func(context.Context, claim.Hash, dispute.State, dispute.Move) (dispute.Move, error) {
	if c.prove == nil {
		return nil
	}
	prove := c.prove.of(account)
	if c.o.Proven == nil {
		return prove
	}
	return func(ctx context.Context, game claim.Hash, s dispute.State, m dispute.Move) (dispute.Move, error) {
		out, err := prove(ctx, game, s, m)
		if err != nil {
			return nil, err
		}
		c.shown.Do(func() { err = c.o.Proven(ctx, ProvenGame{c.chain.HTTP(), c.n.Addresses, c.prove.keys.Dir, game}) })
		return out, err
	}
}
