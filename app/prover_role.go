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
	dir := cmp.Or(r.ProofKeys, filepath.Join(r.Dir, "proof-keys"))
	p.prover = newProver(worker.Folder{Dir: dir, Make: true}, l.Contracts, step.Groth16, register, func(format string, args ...any) { r.Log.Info(fmt.Sprintf(format, args...)) })
	return p, nil
}
