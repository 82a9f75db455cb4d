package devchain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/node"
)

// maxReorg is the deepest Reorg: the simulated consensus finalises every 32 blocks.
const maxReorg = 31

// Chain is a running chain. Its methods may be called from any goroutine.
type Chain struct {
	opts   Options
	stack  *node.Node
	eth    *eth.Ethereum
	beacon *catalyst.SimulatedBeacon

	stop context.CancelFunc
	done chan struct{} // closed when the sealing loop has ended
	wake chan struct{} // asks the loop to look again; holds one

	mu       sync.Mutex // guards sealing and the fields below
	gov      governor
	offset   time.Duration // the chain's clock minus the wall clock
	lastSeal time.Time
	lastTx   uint64 // timestamp of the last block with transactions, or of the start
	barren   bool
	sealErr  error

	closeOnce sync.Once
	closeErr  error
}

// HTTP returns the JSON-RPC address, http://127.0.0.1:port.
func (c *Chain) HTTP() string { return c.stack.HTTPEndpoint() }

// WS returns the WebSocket JSON-RPC address, ws://127.0.0.1:port.
func (c *Chain) WS() string { return c.stack.WSEndpoint() }

// ChainID returns the chain id.
func (c *Chain) ChainID() *big.Int { return new(big.Int).SetUint64(c.opts.ChainID) }

// Fork returns the rules that hold on this chain.
func (c *Chain) Fork() Fork { return c.opts.Fork }

// Err returns why the last block could not be sealed, or nil if it was sealed
// and flushed. The chain goes on trying once per second.
func (c *Chain) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sealErr
}

// SetMode changes when blocks with transactions are sealed, from now on. Going
// back to Governed with the head ahead of the clock keeps the lead from growing;
// it shrinks while no transaction comes.
func (c *Chain) SetMode(m Mode) error {
	if m > OnDemand {
		return fmt.Errorf("mode %d is unknown: use Governed or OnDemand", m)
	}
	c.mu.Lock()
	c.gov.mode = m
	c.mu.Unlock()
	c.poke()
	return nil
}

// Advance moves the chain's clock forward by d (whole seconds, at least one) and
// seals what is pending, so that the head's timestamp is at least d later than
// before. It is for tests of deadlines; the shift is forgotten at Close.
func (c *Chain) Advance(d time.Duration) error {
	if d < time.Second || d%time.Second != 0 {
		return fmt.Errorf("clock cannot move by %v: use whole seconds, at least one", d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	want := c.eth.BlockChain().CurrentBlock().Time + uint64(d/time.Second)
	c.offset += d
	var err error
	for range maxAdjust {
		if err := c.seal(); err != nil {
			return err
		}
		head := c.eth.BlockChain().CurrentBlock()
		if head.Time >= want {
			return nil
		}
		step := time.Duration(want-head.Time) * time.Second
		if err = c.beacon.AdjustTime(step); err == nil {
			return c.flush()
		}
		err = fmt.Errorf("move the chain's clock by %v: %w", step, err)
	}
	return err
}

// maxAdjust is how often Advance seals what came in between before it gives up.
const maxAdjust = 20

// Reorg drops the last depth blocks (1 to 31) with their transactions, and all
// pending ones, and puts one empty block in their place. It is what a crashed or
// dishonest operator can do to a client, for tests of clients.
func (c *Chain) Reorg(depth uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	bc := c.eth.BlockChain()
	head := bc.CurrentBlock().Number.Uint64()
	if depth < 1 || depth > maxReorg || depth > head {
		return fmt.Errorf("reorg by %d blocks at block %d is out of range: use 1 to %d", depth, head, min(maxReorg, head))
	}
	parent := bc.GetBlockByNumber(head - depth)
	if parent == nil {
		return fmt.Errorf("reorg by %d blocks: block %d is missing", depth, head-depth)
	}
	c.eth.TxPool().Clear()
	if _, err := bc.SetCanonical(parent); err != nil {
		return fmt.Errorf("reorg to block %d: %w", head-depth, err)
	}
	if err := c.eth.TxPool().Sync(); err != nil {
		return fmt.Errorf("reorg to block %d: %w", head-depth, err)
	}
	c.eth.TxPool().Clear()
	return c.seal()
}

// Close stops sealing, writes what is pending to disk and frees the port and the
// directory. A second call returns what the first did.
func (c *Chain) Close() error {
	c.closeOnce.Do(func() {
		c.stop()
		<-c.done
		c.closeErr = errors.Join(c.beacon.Stop(), c.stack.Close())
	})
	return c.closeErr
}

// run is the sealing loop; it ends with ctx, and its listener before it.
func (c *Chain) run(ctx context.Context) {
	defer close(c.done)
	fresh, deaf := make(chan struct{}, 1), make(chan struct{})
	go c.listen(ctx, fresh, deaf)
	defer func() { <-deaf }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-fresh:
			c.fresh()
		case <-timer.C:
		}
		timer.Reset(c.step())
	}
}

// listen turns the pool's announcements into one token. It never waits for the
// sealing: the pool announces while sealing waits for the pool.
func (c *Chain) listen(ctx context.Context, fresh chan<- struct{}, deaf chan<- struct{}) {
	defer close(deaf)
	txs := make(chan core.NewTxsEvent, 16)
	sub := c.eth.TxPool().SubscribeTransactions(txs, true)
	defer sub.Unsubscribe()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.Err():
			return
		case <-txs:
			select {
			case fresh <- struct{}{}:
			default:
			}
		}
	}
}

// fresh notes that new transactions came, which the next block may well take.
func (c *Chain) fresh() {
	c.mu.Lock()
	c.barren = false
	c.mu.Unlock()
}

// step seals as many blocks as are due and returns when to look again.
func (c *Chain) step() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		pending, _ := c.eth.TxPool().Stats()
		head := c.eth.BlockChain().CurrentBlock().Time
		seal, wait := c.gov.next(view{
			now:       c.now(),
			head:      head,
			quiet:     time.Duration(head-min(head, c.lastTx)) * time.Second,
			sinceSeal: time.Since(c.lastSeal),
			pending:   pending > 0,
			barren:    c.barren,
		})
		if !seal {
			return wait
		}
		if err := c.seal(); err != nil {
			return time.Second
		}
	}
}

func (c *Chain) now() time.Time { return time.Now().Add(c.offset) }

// seal makes one block of what is pending and flushes it to disk. The caller holds mu.
func (c *Chain) seal() error {
	bc := c.eth.BlockChain()
	before := bc.CurrentBlock()
	pending, _ := c.eth.TxPool().Stats()
	ahead := c.now().Unix() - int64(before.Time)
	if pending > 0 || c.offset == 0 || ahead < 1 || c.beacon.AdjustTime(time.Duration(ahead)*time.Second) != nil {
		c.beacon.Commit()
	}
	after := bc.CurrentBlock()
	if after.Hash() == before.Hash() {
		c.sealErr = fmt.Errorf("block %d was not sealed", before.Number.Uint64()+1)
		return c.sealErr
	}
	c.barren = pending > 0 && after.GasUsed == 0
	if after.GasUsed > 0 || c.lastTx == 0 {
		c.lastTx = after.Time
	}
	return c.flush()
}

// flush makes the head survive a loss of power, and lets the pool see it.
func (c *Chain) flush() error {
	c.lastSeal = time.Now()
	err := c.eth.ChainDb().SyncKeyValue()
	c.sealErr = errors.Join(err, c.eth.TxPool().Sync())
	return c.sealErr
}

func (c *Chain) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// codeHash returns the keccak256 of the code of a at the head, zero if none.
func (c *Chain) codeHash(a common.Address) (common.Hash, error) {
	state, err := c.eth.BlockChain().State()
	if err != nil {
		return common.Hash{}, fmt.Errorf("state of the head is missing: %w", err)
	}
	return state.GetCodeHash(a), nil
}
