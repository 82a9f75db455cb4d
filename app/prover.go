package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/compute/opset"
	"elenchus/network/chain"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
	"elenchus/settlement/dispute"

	"github.com/consensys/gnark/frontend"
)

// prover makes answers about confidential models. It makes the development key of a shape when it is
// first contested, keeps it by the digest of its circuit, and has it registered. One proof at a time.
type prover struct {
	dir      string // of keys
	chain    *chain.Contracts
	system   step.System
	register func(ctx context.Context, i chain.Intent) error // as the registrar
	say      func(format string, args ...any)
	wide     bool // makes keys of clusters that the chain does not have: minutes, and gigabytes, for one

	mu   sync.Mutex // guards keys, and what is made or registered
	keys map[[32]byte]*step.Key
}

func newProver(dir string, k *chain.Contracts, system step.System, register func(context.Context, chain.Intent) error, say func(string, ...any)) *prover {
	return &prover{dir: dir, chain: k, system: system, register: register, say: say, keys: map[[32]byte]*step.Key{}}
}

// of is the prover of an account: what node and challenger are given.
func (p *prover) of(account claim.Address) func(ctx context.Context, s dispute.State, m dispute.Move) (dispute.Move, error) {
	return func(ctx context.Context, s dispute.State, m dispute.Move) (dispute.Move, error) {
		if a, ok := m.(dispute.ProofMove); ok && !a.Outside {
			return p.prove(ctx, account, s, a)
		}
		return m, nil
	}
}

func (p *prover) prove(ctx context.Context, account claim.Address, s dispute.State, m dispute.ProofMove) (dispute.Move, error) {
	a, err := answerOfMove(&s, &m)
	if err != nil {
		return nil, err
	}
	key, err := p.key(ctx, provable{a.Unit.Shape(), a.Descriptor.Op.String(), a.AnswerCircuit})
	if err != nil {
		return nil, err
	}
	b := step.Binding{Game: s.Slot(), Op: uint8(a.Descriptor.Op), Element: a.Index, Chain: p.chain.Addresses().ChainID,
		Verifier: p.chain.Addresses().ProofVerifier(uint8(p.system)), Prover: account}
	w, err := a.Assignment(b.Hash())
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	start := time.Now()
	proof, err := key.Prove(w)
	if err != nil {
		return nil, err
	}
	p.say("%s, element %d: proven %s in %.2f s, %d constraints, %s, %s key", a.Descriptor.Op, a.Index, trueOrFalse(a.Equal), time.Since(start).Seconds(),
		key.Constraints, p.system, key.Origin)
	digest, err := a.Digest()
	if err != nil {
		return nil, err
	}
	m.Equal = a.Equal
	return m.With(uint8(p.system), account, a.Reads, a.Places, p.system.Posted(proof, digest)), nil
}

func trueOrFalse(v bool) string {
	if v {
		return "true"
	}
	return "false"
}

// answerOfMove is the unit of a move with its leaves.
func answerOfMove(s *dispute.State, m *dispute.ProofMove) (*circuit.Answer, error) {
	d, c, i, err := m.Unit(s)
	if err != nil || m.Secret == nil {
		return nil, errors.Join(err, errors.New("an answer without leaves cannot be proven"))
	}
	k := 0
	return circuit.PrepareAnswer(&d, &c, i, m.Secret.Target, func(opset.Read) ([]byte, error) {
		if k >= len(m.Secret.Leaves) {
			return nil, fmt.Errorf("the answer has the leaves of %d reads", k)
		}
		k++
		return m.Secret.Leaves[k-1], nil
	})
}

// provable is what has a key: its shape, its name for people, its circuit.
type provable struct {
	shape   [32]byte
	name    string
	circuit func() frontend.Circuit
}

// key is the key of a shape; the chain has it when this returns.
func (p *prover) key(ctx context.Context, u provable) (*step.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shape := u.shape
	if k, ok := p.keys[shape]; ok {
		return k, nil
	}
	k, err := p.kept(u)
	if err != nil {
		return nil, err
	}
	words, err := k.Words()
	if err != nil {
		return nil, err
	}
	on, err := p.chain.ProofKey(ctx, uint8(p.system), shape)
	if err != nil {
		return nil, err
	}
	if on == (claim.Hash{}) {
		i, err := p.chain.RegisterProofKey(fmt.Sprintf("proof-key/%x", shape), uint8(p.system), shape, words)
		if err != nil {
			return nil, err
		}
		if err := p.register(ctx, i); err != nil {
			return nil, fmt.Errorf("register the %s key of %s: %w", k.Origin, u.name, err)
		}
	} else if on != claim.Keccak(words) {
		return nil, fmt.Errorf("%w: the chain has another key for shape %x: it can be proven only where that was made", ErrCannot, shape)
	}
	p.keys[shape] = k
	return k, nil
}

// kept reads a key from the folder. One that is not there is made and put there, unless another process was faster.
func (p *prover) kept(u provable) (*step.Key, error) {
	digest, size, err := step.CircuitSize(p.system, u.circuit())
	if err != nil {
		return nil, err
	}
	if err := checkProofRoom(p.system, u.name, size); err != nil {
		return nil, err
	}
	path := keyPath(p.dir, p.system, digest)
	k, err := readKept(path, p.system, u)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = step.DevelopmentKey(p.system, u.circuit(), rand.Reader); err != nil {
		return nil, err
	}
	if err := keepKey(path, k); err != nil {
		return nil, err
	}
	return readKept(path, p.system, u)
}

func readKept(path string, system step.System, u provable) (*step.Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return step.ReadKey(system, u.circuit(), bufio.NewReader(f))
}
