package devchain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

const (
	host          = "127.0.0.1"
	startAttempts = 3
	startPause    = 250 * time.Millisecond
)

// Start runs a chain and returns when its RPC answers, the head's state is at
// hand, the demanded code is there and the head's timestamp is the present. A
// failed attempt is repeated twice, as a directory may be held for a moment by
// a process that is going down. ctx bounds the start; the chain runs until Close.
//
// Errors to match: ErrInUse, ErrGenesis, ErrCode.
func Start(ctx context.Context, o Options) (*Chain, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		c, err := startWithin(ctx, o)
		if err == nil {
			return c, nil
		}
		if attempt == startAttempts || !retriable(err) {
			return nil, fmt.Errorf("start embedded chain in %q: %w", o.DataDir, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("start embedded chain in %q: %w", o.DataDir, ctx.Err())
		case <-time.After(startPause):
		}
	}
}

// errSlow is final: the attempt that hangs may hold the directory.
var errSlow = errors.New("chain did not come up in time: start the process again")

func retriable(err error) bool {
	return !errors.Is(err, ErrGenesis) && !errors.Is(err, ErrCode) && !errors.Is(err, errSlow)
}

// startWithin makes one attempt. An attempt that outlives its time is closed by
// its own goroutine should it ever come up.
func startWithin(ctx context.Context, o Options) (*Chain, error) {
	ctx, cancel := context.WithTimeout(ctx, o.StartTimeout)
	defer cancel()
	type outcome struct {
		c   *Chain
		err error
	}
	result := make(chan outcome)
	go func() {
		c, err := startOnce(ctx, o)
		select {
		case result <- outcome{c, err}:
		case <-ctx.Done():
			if c != nil {
				c.Close()
			}
		}
	}()
	select {
	case r := <-result:
		return r.c, r.err
	case <-ctx.Done():
		return nil, errors.Join(errSlow, ctx.Err())
	}
}

func startOnce(ctx context.Context, o Options) (*Chain, error) {
	stack, err := node.New(nodeConfig(o))
	if err != nil {
		return nil, translate(err)
	}
	c, err := assemble(stack, o)
	if err != nil {
		return nil, errors.Join(translate(err), stack.Close())
	}
	if err := c.verify(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// assemble joins node, execution and simulated consensus, and starts sealing.
func assemble(stack *node.Node, o Options) (*Chain, error) {
	backend, err := eth.New(stack, ethConfig(o))
	if err != nil {
		return nil, err
	}
	stack.RegisterAPIs([]rpc.API{{
		Namespace: "eth",
		Service:   filters.NewFilterAPI(filters.NewFilterSystem(backend.APIBackend, filters.Config{})),
	}})
	// The period is not used: the beacon is never started, this package seals.
	beacon, err := catalyst.NewSimulatedBeacon(1, common.Address{}, backend)
	if err != nil {
		return nil, err
	}
	if err := stack.Start(); err != nil {
		return nil, err
	}
	backend.SetSynced()
	ctx, cancel := context.WithCancel(context.Background())
	c := &Chain{
		opts: o, stack: stack, eth: backend, beacon: beacon,
		stop: cancel, done: make(chan struct{}), wake: make(chan struct{}, 1),
		gov: governor{mode: o.Mode, idle: o.IdleBlock, most: o.IdleMax},
	}
	c.mu.Lock()
	err = c.seal() // brings the head's timestamp to the present
	c.mu.Unlock()
	if err != nil {
		cancel()
		return nil, err
	}
	go c.run(ctx)
	return c, nil
}

func nodeConfig(o Options) *node.Config {
	c := node.DefaultConfig
	c.Name = "chain"
	c.DataDir = o.DataDir
	if o.DataDir != "" {
		if abs, err := filepath.Abs(o.DataDir); err == nil {
			c.DataDir = abs
		}
	}
	c.IPCPath = ""
	c.P2P = p2p.Config{NoDiscovery: true, NoDial: true}
	c.HTTPHost, c.HTTPPort = host, int(o.Port)
	c.WSHost, c.WSPort = host, int(o.Port)
	c.HTTPModules = []string{"eth", "net", "web3", "txpool"}
	c.WSModules = c.HTTPModules
	c.WSOrigins = []string{"http://localhost", "http://127.0.0.1"}
	return &c
}

func ethConfig(o Options) *ethconfig.Config {
	c := ethconfig.Defaults
	c.Genesis = genesis(o)
	c.SyncMode = ethconfig.FullSync
	c.StateScheme = rawdb.HashScheme
	c.NoPruning = true
	c.SnapshotCache = 0 // a snapshot would have to be rebuilt after a kill
	c.DatabaseCache, c.TrieCleanCache, c.TrieDirtyCache = 32, 16, 16
	c.TransactionHistory, c.LogHistory = 0, 0 // keep all
	c.LogNoHistory = o.DataDir == ""          // an index of logs pays on long chains: it takes a fifth of the time of short ones
	c.Miner.GasCeil = GasLimit
	c.Miner.GasPrice = big.NewInt(1) // 1 wei: the pool and the sealer want the same
	c.TxPool.NoLocals = true
	c.TxPool.AccountSlots, c.TxPool.AccountQueue = 1024, 1024
	c.TxPool.GlobalSlots, c.TxPool.GlobalQueue = 16384, 16384
	c.RPCGasCap = GasLimit
	c.RPCTxFeeCap = 0 // the money is ours
	return &c
}

// translate turns the library's errors into those of this package.
func translate(err error) error {
	var mismatch *core.GenesisMismatchError
	switch {
	case errors.Is(err, node.ErrDatadirUsed):
		return ErrInUse
	case errors.As(err, &mismatch):
		return fmt.Errorf("%w (stored %v, these options %v): give the same chain id, fork and funded accounts, or another directory",
			ErrGenesis, mismatch.Stored, mismatch.New)
	}
	return err
}

// verify asks the chain over its own RPC, as a client will.
func (c *Chain) verify(ctx context.Context) error {
	client, err := rpc.DialContext(ctx, c.HTTP())
	if err != nil {
		return fmt.Errorf("dial %s: %w", c.HTTP(), err)
	}
	defer client.Close()
	var id hexutil.Uint64
	if err := client.CallContext(ctx, &id, "eth_chainId"); err != nil {
		return fmt.Errorf("ask %s for its chain id: %w", c.HTTP(), err)
	}
	if uint64(id) != c.opts.ChainID {
		return fmt.Errorf("%s serves chain %d, not %d", c.HTTP(), uint64(id), c.opts.ChainID)
	}
	for a, want := range c.opts.ExpectCode {
		got, err := c.codeHash(a)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%w: %v has code hash %v, not %v: deploy again or restore the directory", ErrCode, a, got, want)
		}
	}
	return nil
}
