package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"time"

	"elenchus/app/meter"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/service/adversary"
	"elenchus/settlement/ledger"

	"github.com/ethereum/go-ethereum/common"
)

// ChainRole is the embedded chain as a process of its own.
type ChainRole struct {
	Dir     string
	Port    uint16 // 0 picks one
	Fork    string // osaka or amsterdam
	Alloc   []common.Address
	Metrics string // address of the operator's face; "": none
	Ready   io.Writer
	Log     *slog.Logger
}

// allocEther is what each named account owns at genesis.
const allocEther = 1_000_000

// Run serves the embedded chain until ctx ends.
func (r *ChainRole) Run(ctx context.Context) error {
	fork, err := devchain.ParseFork(r.Fork)
	if err != nil {
		return err
	}
	o := devchain.Options{
		DataDir: r.Dir, Port: r.Port, Fork: fork, Alloc: map[common.Address]*big.Int{},
		IdleBlock: time.Second, IdleMax: time.Minute,
	}
	ether := new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)
	for _, a := range r.Alloc {
		o.Alloc[a] = new(big.Int).Mul(ether, big.NewInt(allocEther))
	}
	c, err := devchain.Start(ctx, o)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(r.Ready, "chain", c.HTTP()); err != nil {
		return err
	}
	face := newOps(meter.Chain)
	err = together(ctx, func(ctx context.Context) error { return r.follow(ctx, c, face) }, func(ctx context.Context) error {
		return face.serve(ctx, r.Metrics, func(url string) error {
			_, err := fmt.Fprintln(r.Ready, metricsLine, url)
			return err
		})
	})
	return errors.Join(err, c.Close())
}

// follow asks the chain for its head every second, and whether it still runs.
func (r *ChainRole) follow(ctx context.Context, c *devchain.Chain, face *ops) error {
	var seen sight
	face.need("chain", seen.reachable)
	face.before(func() { seen.measure(face.meter) })
	rpc, err := chain.Dial(ctx, c.HTTP(), c.ChainID().Uint64())
	if err != nil {
		return err
	}
	defer rpc.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if h, err := rpc.Head(ctx); err == nil {
			seen.saw(ledger.Head{Number: h.Number, Time: h.Time})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := c.Err(); err != nil {
				return fmt.Errorf("the embedded chain stopped: %w", err)
			}
		}
	}
}

// Impostor runs the stranger who moves in other people's games, until ctx ends.
func (r *Role) Impostor(ctx context.Context) error {
	l, err := r.linkAt(ctx, pace{poll: 20 * time.Millisecond, fees: overbid})
	if err != nil {
		return err
	}
	defer l.Close() //nolint:errcheck // the process ends
	i := &adversary.Impostor{Chain: l, Log: r.Log}
	return together(ctx, l.Run, i.Run, func(ctx context.Context) error {
		if _, err := fmt.Fprintln(r.Ready, "impostor running"); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	})
}

// overbid pays for a place before everyone else's in the block.
func overbid(f chain.Fees) chain.Fees {
	extra := big.NewInt(5e9)
	return chain.Fees{Tip: new(big.Int).Add(f.Tip, extra), Cap: new(big.Int).Add(f.Cap, extra)}
}
