package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/proving/step"
	"elenchus/proving/worker"
	"elenchus/settlement/dispute"
)

// prover makes answers about confidential models. It makes the development key of a shape when it is
// first contested, keeps it by the digest of its circuit, and has it registered. One proof at a time, each in a
// process of its own, which ends when nobody needs it any more.
type prover struct {
	keys     worker.Folder
	chain    *chain.Contracts
	system   step.System
	register func(ctx context.Context, i chain.Intent) error // as the registrar
	say      func(format string, args ...any)
	slot     func(ctx context.Context, game claim.Hash) (chain.Slot, error)
	turn     chan struct{} // holds one value while a proof is made
	wide     bool          // makes keys of clusters that the chain does not have: minutes, and gigabytes, for one
	patient  bool          // waits for them: where clocks allow it. Else makeKeys makes them beside the games
	queue    keyQueue
}

func newProver(keys worker.Folder, k *chain.Contracts, system step.System, register func(context.Context, chain.Intent) error, say func(string, ...any)) *prover {
	return &prover{keys: keys, chain: k, system: system, register: register, say: say, slot: k.Slot, turn: make(chan struct{}, 1),
		queue: keyQueue{wake: make(chan struct{}, 1)}}
}

// Proofs that fail because their process died are tried so often.
const proofTries = 3

// of is the prover of an account: what node and challenger are given. Errors match dispute.ErrNotNow where the
// same answer may be possible later.
func (p *prover) of(account claim.Address) func(ctx context.Context, game claim.Hash, s dispute.State, m dispute.Move) (dispute.Move, error) {
	return func(ctx context.Context, game claim.Hash, s dispute.State, m dispute.Move) (dispute.Move, error) {
		if a, ok := m.(dispute.ProofMove); ok && !a.Outside {
			return p.prove(ctx, account, game, s, a)
		}
		return m, nil
	}
}

func (p *prover) prove(ctx context.Context, account claim.Address, game claim.Hash, s dispute.State, m dispute.Move) (dispute.Move, error) {
	x, err := contestedBy(&s, m)
	if err != nil {
		return nil, err
	}
	return p.finish(ctx, account, game, &s, x)
}

// finish makes the proof of an answer in a state.
func (p *prover) finish(ctx context.Context, account claim.Address, game claim.Hash, s *dispute.State, x *contested) (dispute.Move, error) {
	proof, err := p.work(ctx, game, s.Slot(), x.provable, x.witness(p.binding(s, account)))
	if err != nil {
		return nil, err
	}
	return x.posted(p.system, account, proof)
}

// binding is what a proof of an account in a state is bound to, but for operation and element.
func (p *prover) binding(s *dispute.State, account claim.Address) step.Binding {
	at := p.chain.Addresses()
	return step.Binding{Game: s.Slot(), Chain: at.ChainID, Verifier: at.ProofVerifier(uint8(p.system)), Prover: account}
}

// provable is what has a key: its shape, its name and what is to be proven for people, its circuit.
type provable struct {
	shape        [32]byte
	name, proven string
	task         *worker.Task // system and keys are the prover's
	theirs       bool         // the chain has its key: another one that were made here could not prove
}

// work makes a proof for the state of a game, one at a time; a process that dies is tried again.
func (p *prover) work(ctx context.Context, game, state claim.Hash, u provable, w *worker.Witness) ([]byte, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.turn }()
	ctx, release := p.whileItStands(ctx, game, state)
	defer release()
	u.task.System, u.task.Keys = p.system, p.keys
	u.task.Keys.Make = p.keys.Make && (!u.theirs || p.keys.SRS != "")
	for try := 1; ; try++ {
		proof, err := p.try(ctx, u, w)
		if err == nil {
			return proof, nil
		}
		if !errors.Is(err, worker.ErrLost) || try == proofTries {
			return nil, notNow(ctx, err)
		}
		p.say("%v: once more", err)
	}
}

func (p *prover) try(ctx context.Context, u provable, w *worker.Witness) ([]byte, error) {
	start := time.Now()
	x, err := startProver(ctx, u.task, u.name, nil)
	if err != nil {
		return nil, err
	}
	defer x.Close()
	if err := p.enter(ctx, u, x.key); err != nil {
		return nil, err
	}
	ready := time.Now()
	proof, err := x.Prove(ctx, w)
	if err != nil {
		return nil, err
	}
	p.say("%s in %.2f s, key ready after %.2f s, %d constraints, %s, %s key", u.proven, time.Since(ready).Seconds(), ready.Sub(start).Seconds(),
		x.size.Constraints, p.system, x.key.Origin)
	return proof, nil
}

// errMoved ends a proof that nobody needs any more.
var errMoved = fmt.Errorf("%w: the game went on meanwhile", dispute.ErrNotNow)

// notNow is why a proof was ended: by its role, or because the game went on.
func notNow(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, ErrNoRoom) {
		return fmt.Errorf("%w: %w", dispute.ErrNotNow, err)
	}
	return err
}

// whileItStands is a context that ends when the arena holds another state of a game than the one that is to be answered,
// or none: decided, timed out or moved. A game of zero is not looked after.
func (p *prover) whileItStands(ctx context.Context, game claim.Hash, state claim.Hash) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if game == (claim.Hash{}) {
		return ctx, func() { cancel(nil) }
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(pollEvery); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
			}
			if at, err := p.slot(ctx, game); err == nil && at != chain.Slot(state) {
				cancel(errMoved)
			}
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

func trueOrFalse(v bool) string {
	if v {
		return "true"
	}
	return "false"
}

// enter has a key registered if the chain has none of its shape.
func (p *prover) enter(ctx context.Context, u provable, k *worker.KeyInfo) error {
	shape := u.shape
	on, err := p.chain.ProofKey(ctx, uint8(p.system), shape)
	if err != nil {
		return err
	}
	if on == claim.Keccak(k.Words) {
		return nil
	}
	if on != (claim.Hash{}) {
		return fmt.Errorf("%w: the chain has another key for shape %x: it can be proven only where that was made", ErrCannot, shape)
	}
	i, err := p.chain.RegisterProofKey(fmt.Sprintf("proof-key/%x", shape), uint8(p.system), shape, k.Words)
	if err != nil {
		return err
	}
	if err := p.register(ctx, i); err != nil {
		return fmt.Errorf("register the %s key of %s: %w", k.Origin, u.name, err)
	}
	return nil
}

// proverProcess is a worker with its key.
type proverProcess struct {
	*worker.Process
	size *worker.Size
	key  *worker.KeyInfo
}

// startProver starts a worker of this program and has its key read or made, unless the machine has not the memory
// for its proof.
func startProver(ctx context.Context, t *worker.Task, name string, stage func(string)) (*proverProcess, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("%w: this program cannot start itself to prove: %w", ErrCannot, err)
	}
	if err := checkWholeRoom(t.System, t.Cluster, name); err != nil {
		return nil, err
	}
	p, size, err := worker.Start(ctx, exe, t, stage)
	if err != nil {
		return nil, err
	}
	x := &proverProcess{Process: p, size: size}
	if err = checkProofRoom(t.System, name, size.Constraints); err == nil {
		x.key, err = p.Key(ctx)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return x, nil
}
