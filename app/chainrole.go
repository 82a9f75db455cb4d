package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"time"

	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/service/adversary"

	"github.com/ethereum/go-ethereum/common"
)

// ChainRole is the embedded chain as a process of its own.
type ChainRole struct {
	Dir   string
	Port  uint16 // 0 picks one
	Fork  string // osaka or amsterdam
	Alloc []common.Address
	Ready io.Writer
	Log   *slog.Logger
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
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return c.Close()
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
