package devchain

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// DefaultChainID is the chain id of an embedded chain unless the caller names another.
const DefaultChainID = 31415

// GasLimit is the gas limit of every block.
const GasLimit = 60_000_000

// Fork names the rules that hold from genesis on. The zero value is Osaka.
type Fork uint8

const (
	// Osaka is the rule set of the Ethereum main network in 2026.
	Osaka Fork = iota
	// Amsterdam is the next rule set, with state priced apart (see the package text).
	Amsterdam
)

// String returns the fork's name in lower case.
func (f Fork) String() string {
	switch f {
	case Osaka:
		return "osaka"
	case Amsterdam:
		return "amsterdam"
	}
	return fmt.Sprintf("fork(%d)", uint8(f))
}

// ParseFork returns the fork called name, as String writes it.
func ParseFork(name string) (Fork, error) {
	for _, f := range []Fork{Osaka, Amsterdam} {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("fork %q is unknown: use osaka or amsterdam", name)
}

// Mode says when a block with transactions may be sealed. The zero value is Governed.
type Mode uint8

const (
	// Governed seals the first transactions after an idle second at once and
	// otherwise one block per second of real time, so that block time never
	// runs ahead of the wall clock.
	Governed Mode = iota
	// OnDemand seals a block as soon as a transaction is ready. Every block
	// moves block time by at least one second, so a burst runs the clock ahead:
	// for deployment and for tests that do not look at time.
	OnDemand
)

// Options says what chain to run. The zero value is a fresh chain in memory
// on a free port, governed, without a funded account.
type Options struct {
	// DataDir holds the chain between runs. Empty: in memory, lost at Close.
	DataDir string
	// ChainID is the chain id; 0 means DefaultChainID.
	ChainID uint64
	// Fork is fixed at genesis; a directory cannot change it.
	Fork Fork
	// Alloc gives accounts their balance in wei at genesis. It is part of the
	// genesis block: a directory must always be started with the same one.
	Alloc map[common.Address]*big.Int
	// Port is the TCP port on 127.0.0.1 for HTTP and WebSocket alike; 0: a free one.
	Port uint16
	// Mode is the sealing rule at start; see SetMode.
	Mode Mode
	// IdleBlock is the age, measured between block timestamps, at which an empty
	// block follows the head so that deadlines pass without transactions.
	// 0 means never; whole seconds from 1 s to 1 h. An empty block takes about
	// 12 kB of disk (measured over 4,000 of them): 1 GB a day at one per second.
	IdleBlock time.Duration
	// IdleMax lets that age grow with an eighth of the time since the last
	// transaction, up to IdleMax: a deadline D after the last transaction is
	// then seen to pass at 1.125 D or IdleMax later, whichever is earlier. 0
	// means no growth; otherwise whole seconds from IdleBlock to 1 h.
	IdleMax time.Duration
	// ExpectCode names accounts that must carry code with the given keccak256
	// hash when the chain is up; Start fails with ErrCode otherwise.
	ExpectCode map[common.Address]common.Hash
	// StartTimeout bounds one attempt to start; 0 means 20 s.
	StartTimeout time.Duration
}

// Errors that callers of Start can match.
var (
	// ErrInUse: another process holds the data directory.
	ErrInUse = errors.New("data directory is in use by another process")
	// ErrGenesis: the data directory belongs to a chain with other options.
	ErrGenesis = errors.New("data directory holds a chain with another genesis")
	// ErrCode: an account lacks the code that Options.ExpectCode demands.
	ErrCode = errors.New("expected contract code is missing")
)

func (o Options) withDefaults() (Options, error) {
	if o.ChainID == 0 {
		o.ChainID = DefaultChainID
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 20 * time.Second
	}
	if o.Fork > Amsterdam {
		return o, fmt.Errorf("%v is unknown: use Osaka or Amsterdam", o.Fork)
	}
	if o.Mode > OnDemand {
		return o, fmt.Errorf("mode %d is unknown: use Governed or OnDemand", o.Mode)
	}
	if o.IdleBlock%time.Second != 0 || o.IdleBlock < 0 || o.IdleBlock > time.Hour {
		return o, fmt.Errorf("idle block after %v is out of range: use 0 or whole seconds up to 1 h", o.IdleBlock)
	}
	if o.IdleMax == 0 {
		o.IdleMax = o.IdleBlock
	}
	if o.IdleMax%time.Second != 0 || o.IdleMax < o.IdleBlock || o.IdleMax > time.Hour {
		return o, fmt.Errorf("longest idle time %v is out of range: use 0 or whole seconds from %v to 1 h", o.IdleMax, o.IdleBlock)
	}
	for a, wei := range o.Alloc {
		if wei == nil || wei.Sign() < 0 || wei.BitLen() > 256 {
			return o, fmt.Errorf("balance %v of %v is out of range: use 0 to 2^256-1 wei", wei, a)
		}
	}
	return o, nil
}
