package app

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"

	"elenchus/network/chain"
	"elenchus/proving/step"
	"elenchus/proving/worker"
)

// proving is how a role answers about confidential models: what finishes its answers, what runs beside it, and
// what is to be closed.
type proving struct {
	*prover
	tasks []func(context.Context) error
	close func()
}

// proving opens the prover of a role. With a registrar's key it has keys of contested shapes registered as they
// are needed, which is for development; without, the chain must have them, and the folder their other halves.
func (r *Role) proving(ctx context.Context, l *Link) (*proving, error) {
	p := &proving{close: func() {}}
	system, keys, err := r.proofKeys()
	if err != nil {
		return nil, err
	}
	register := func(_ context.Context, i chain.Intent) error {
		return fmt.Errorf("%w: the chain has no key %s: its registrar must add it before such a step is disputed", ErrCannot, i.Key)
	}
	if r.Registrar != "" {
		key, err := KeyFile{r.Registrar, r.Passphrase, AskPassphrase(false)}.Read()
		if err != nil {
			return nil, fmt.Errorf("key of the registrar: %w", err)
		}
		from, err := openLink(ctx, r.RPC, l.Contracts.Addresses(), key, filepath.Join(r.Dir, registrarRole), r.Log.With("account", registrarRole), pace{poll: pollEvery})
		if err != nil {
			return nil, err
		}
		p.tasks = append(p.tasks, from.Run)
		p.close = func() { from.Close() } //nolint:errcheck // the process ends
		register = func(ctx context.Context, i chain.Intent) error { return from.Do(ctx, i) }
	}
	if r.Cluster && r.Registrar == "" {
		return nil, fmt.Errorf("%w: keys of whole tensors are registered when they are made: add --registrar FILE, or leave --cluster out: keys that the chain has are used anyway", ErrCannot)
	}
	p.prover = newProver(keys, l.Contracts, system, register, func(format string, args ...any) { r.Log.Info(fmt.Sprintf(format, args...)) })
	if p.wide = r.Cluster; p.wide {
		p.tasks = append(p.tasks, p.makeKeys)
	}
	return p, nil
}

// proofKeys is the proof system of a role and where its keys lie. A reference string that is not what it should be is
// found here, before anything is disputed.
func (r *Role) proofKeys() (step.System, worker.Folder, error) {
	keys := worker.Folder{Dir: cmp.Or(r.ProofKeys, filepath.Join(r.Dir, "proof-keys")), Make: true, SRS: r.SRS, SRSDigest: r.SRSDigest}
	name := step.Groth16
	if r.SRS != "" {
		name = step.PLONK
	}
	system, ok := step.ParseSystem(cmp.Or(r.ProofSystem, name.String()))
	if !ok || r.SRS != "" && system != step.PLONK {
		return 0, keys, fmt.Errorf("%w: proof system %q: use one of %v, with a reference string %s", ErrCannot, r.ProofSystem, CircuitSystems(), step.PLONK)
	}
	if err := keys.Check(); err != nil {
		return 0, keys, fmt.Errorf("%w: %w", ErrCannot, err)
	}
	return system, keys, nil
}
