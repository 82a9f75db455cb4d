package app

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"elenchus/commitment/claim"
	"elenchus/compute/opset"
	"elenchus/proving/circuit"
	"elenchus/proving/worker"
	"elenchus/settlement/dispute"
)

// wholeProver finishes one of the answers about whole tensors that lead to a phase.
type wholeProver = func(ctx context.Context, game claim.Hash, s dispute.State, w *dispute.Wholes, to dispute.Phase) (dispute.Move, error)

// whole is what node and challenger of an account are given for answers about whole tensors.
func (p *prover) whole(account claim.Address) wholeProver {
	return func(ctx context.Context, game claim.Hash, s dispute.State, w *dispute.Wholes, to dispute.Phase) (dispute.Move, error) {
		return p.proveWhole(ctx, account, game, s, w, to)
	}
}

// proveWhole makes the proof of a whole tensor by the first of its clusters of which the chain has a key and the folder
// the other half. It is ErrCannot where there is none, or its key is still in the making: whoever asked goes on move by
// move.
func (p *prover) proveWhole(ctx context.Context, account claim.Address, game claim.Hash, s dispute.State, w *dispute.Wholes, to dispute.Phase) (dispute.Move, error) {
	for n, x := range w.Clusters {
		on, err := p.chain.ProofKey(ctx, uint8(p.system), circuit.WholeShape(x))
		if err != nil {
			return nil, err
		}
		if on == (claim.Hash{}) {
			continue
		}
		m, err := p.oneWhole(ctx, account, game, &s, w, n, to)
		if !errors.Is(err, worker.ErrNoKey) {
			return m, err
		}
	}
	x := w.Clusters[0]
	name := fmt.Sprintf("shape %x, all of %s, nor of %d longer clusters", circuit.WholeShape(x), x.Target().Descriptor.Op, len(w.Clusters)-1)
	switch {
	case p.wide && p.patient:
		return p.oneWhole(ctx, account, game, &s, w, 0, to)
	case p.wide && p.keysFor(x):
		return nil, fmt.Errorf("%w: the chain has no key of %s: it is made beside the games", ErrCannot, name)
	}
	return nil, fmt.Errorf("%w: the chain has no key of %s", ErrCannot, name)
}

// oneWhole makes the proof by cluster n. It is worker.ErrNoKey where the other half of the chain's key is not at hand.
func (p *prover) oneWhole(ctx context.Context, account claim.Address, game claim.Hash, s *dispute.State, w *dispute.Wholes, n int, to dispute.Phase) (dispute.Move, error) {
	m, err := w.Move(n)
	if err != nil {
		return nil, err
	}
	if phase, err := dispute.Outcome(*s, m); err != nil || phase != to {
		return nil, fmt.Errorf("%w: tensor %d leads to %s, not to %s (%v)", ErrCannot, w.Clusters[n].Target().Tensor, phase, to, err)
	}
	x, err := contestedBy(s, m)
	if err != nil {
		return nil, err
	}
	x.theirs = !p.patient
	return p.finish(ctx, account, game, s, x)
}

// keyQueue are keys of clusters that are to be made beside the games, one at a time.
type keyQueue struct {
	wake chan struct{} // holds one

	mu    sync.Mutex        // guards what follows
	asked map[[32]byte]bool // the shapes that were asked for: whether its key is made, or waits to be
	made  int               // how many of them do
	next  []*opset.Cluster
}

// Bounds of a role: keys of clusters that it makes, each of which its registrar pays for, and shapes whose keys it remembers
// to have failed at.
const (
	maxKeys   = 64
	maxFailed = 1 << 10
)

// keysFor has the key of a cluster made beside the games, once; false if that failed, or too many were.
func (p *prover) keysFor(x *opset.Cluster) bool {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	shape := circuit.WholeShape(x)
	if made, known := q.asked[shape]; known || q.made >= maxKeys || len(q.asked) >= maxKeys+maxFailed {
		return made
	}
	if q.asked == nil {
		q.asked = map[[32]byte]bool{}
	}
	q.asked[shape], q.next = true, append(q.next, x)
	q.made++
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// fails notes that there is no key of a shape: another one may take its place.
func (q *keyQueue) fails(shape [32]byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.asked[shape] = false
	q.made--
}

// makeKeys makes and registers the keys that are asked for, until ctx ends. A circuit that is too wide for the memory is
// refused by its estimate, before it is compiled.
func (p *prover) makeKeys(ctx context.Context) error {
	for {
		p.queue.mu.Lock()
		var x *opset.Cluster
		if len(p.queue.next) > 0 {
			x, p.queue.next = p.queue.next[0], p.queue.next[1:]
		}
		p.queue.mu.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		if x == nil {
			select {
			case <-ctx.Done():
				return nil
			case <-p.queue.wake:
			}
			continue
		}
		if err := p.makeKey(ctx, x); err != nil && ctx.Err() == nil {
			p.queue.fails(circuit.WholeShape(x))
			p.say("no key of all of %s: games go on move by move: %v", x.Target().Descriptor.Op, err)
		}
	}
}

// makeKey makes the key of a cluster and has it registered.
func (p *prover) makeKey(ctx context.Context, x *opset.Cluster) error {
	u := provable{shape: circuit.WholeShape(x), name: "all of " + x.Target().Descriptor.Op.String(), task: &worker.Task{Cluster: x, System: p.system, Keys: p.keys}}
	w, err := startProver(ctx, u.task, u.name, nil)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := p.enter(ctx, u, w.key); err != nil {
		return err
	}
	p.say("key of %s is on the chain: %d constraints, %s, %s key", u.name, w.size.Constraints, p.system, w.key.Origin)
	return nil
}
