// Package ledger says what happened on the chain and what should happen there, as values.
//
// It stands at the bottom of the settlement floor: the network turns logs into Facts and Orders
// into transactions, services fold Facts into what they know and answer with Orders. Invariant:
// an Order has one Key, and an order whose effect is already there is done. SPEC 08.
//
//	var games ledger.Games
//	games.Apply(fact)
//	for _, g := range games.Open() { ... }
package ledger

import (
	"fmt"

	"elenchus/commitment/claim"
)

// Hash and Address are those of claims.
type (
	Hash    = claim.Hash
	Address = claim.Address
)

// Ref is where a fact stands: facts are ordered by (Block, Index).
type Ref struct {
	Block     uint64
	BlockHash Hash
	Time      uint64 // of the block, unix seconds
	Tx        Hash
	Index     uint // of the log in the block
}

// Fact is an event of the contracts. Removed facts were taken back by a reorganisation.
type Fact struct {
	Ref
	Removed bool
	Event   Event
}

// Head is the latest block that was read.
type Head struct{ Number, Time uint64 }

// Event is one of the structures below.
type Event interface{ event() }

// BatchPosted is a batch of claims in the claim book.
type BatchPosted struct {
	Node  Address
	Root  Hash
	Count uint32
	Cover claim.Amount // of each claim beyond the least reserve, token units
	Until uint64       // end of the window
}

// Committed is a hidden challenge.
type Committed struct {
	Game  Hash
	Payer Address
}

// Opened is a challenge that became a game.
type Opened struct {
	Game    Hash
	Node    Address
	ClaimID Hash
	Job     []byte
	State   []byte
}

// Posted is the payload of a move that others need: hashes, raw elements.
type Posted struct {
	Game    Hash
	Move    uint8
	Payload []byte
}

// Moved is a new state of a game.
type Moved struct {
	Game  Hash
	Move  uint8
	State []byte
}

// Decided is the end of play: what Resolve brings.
type Decided struct {
	Game    Hash
	Move    uint8
	Verdict []byte
}

// Convicted is the operation and element on which a claim was refuted.
type Convicted struct {
	Game    Hash
	Op      uint8
	Tensor  uint8
	Element uint64
}

// Resolved is the end of a game and its money, in token units. Case is the claim with its evidence.
type Resolved struct {
	Game    Hash
	Case    Hash
	Phase   uint8
	Voided  bool
	Slashed claim.Amount
	Costs   claim.Amount
	Held    []byte // what Settle and later resolves of the case bring; empty if nothing is held
}

// Settled is the payment of what a verdict held, in token units.
type Settled struct {
	Case   Hash
	Winner Address
	Refund claim.Amount
	Reward claim.Amount
	Burned claim.Amount
}

// Expired is a commit that was not opened in time.
type Expired struct{ Game Hash }

// Endpoint is where a node serves.
type Endpoint struct {
	Node Address
	URL  string
}

func (BatchPosted) event() {}
func (Committed) event()   {}
func (Opened) event()      {}
func (Posted) event()      {}
func (Moved) event()       {}
func (Decided) event()     {}
func (Convicted) event()   {}
func (Resolved) event()    {}
func (Settled) event()     {}
func (Expired) event()     {}
func (Endpoint) event()    {}

// Order is something to bring about on the chain.
type Order interface {
	// Key is unique to the effect: the same order submitted twice is submitted once.
	Key() string
}

// PostBatch posts a batch root over Count claims.
type PostBatch struct {
	Root  Hash
	Count uint32
	Cover claim.Amount
	Until uint64
}

// Commit hides a challenge behind its key.
type Commit struct{ Game Hash }

// Open turns a commit into a game.
type Open struct {
	Game    Hash
	Payload []byte
}

// Move is one of the moves 3 to 13 of a game in a state.
type Move struct {
	Game    Hash
	Kind    uint8
	State   []byte
	Payload []byte
}

// Timeout ends the turn of a side that is late.
type Timeout struct {
	Game  Hash
	State []byte
	Job   []byte
}

// Resolve closes a decided game. Held is what its case holds at that time.
type Resolve struct {
	Game    Hash
	Verdict []byte
	Held    []byte
}

// Settle pays what the verdict on a case holds.
type Settle struct {
	Case Hash
	Held []byte
}

// ReleaseBatch frees the reserve of a batch whose window is over.
type ReleaseBatch struct{ Root Hash }

// Withdraw pulls the account's credit out of the vault.
type Withdraw struct {
	Amount claim.Amount
	Nonce  uint64 // distinguishes withdrawals of one account
}

// Key names the batch.
func (o PostBatch) Key() string { return fmt.Sprintf("batch/%x", o.Root) }

// Key names the game.
func (o Commit) Key() string { return fmt.Sprintf("game/%x/commit", o.Game) }

// Key names the game.
func (o Open) Key() string { return fmt.Sprintf("game/%x/open", o.Game) }

// Key names the game and the state that the move leaves.
func (o Move) Key() string { return fmt.Sprintf("game/%x/%x", o.Game, stateKey(o.State)) }

// Key names the game and the state; the two timeouts of a node's turn differ by the void flag in it.
func (o Timeout) Key() string { return fmt.Sprintf("game/%x/%x/timeout", o.Game, stateKey(o.State)) }

// Key names the game and what the case holds: the chain refuses a resolve that another came before.
func (o Resolve) Key() string { return fmt.Sprintf("game/%x/resolve/%x", o.Game, stateKey(o.Held)) }

// Key names the case and what it holds.
func (o Settle) Key() string { return fmt.Sprintf("settle/%x/%x", o.Case, stateKey(o.Held)) }

// Key names the batch.
func (o ReleaseBatch) Key() string { return fmt.Sprintf("release/%x", o.Root) }

// Key names the withdrawal.
func (o Withdraw) Key() string { return fmt.Sprintf("withdraw/%d", o.Nonce) }

func stateKey(b []byte) []byte {
	h := claim.Keccak(b)
	return h[:12]
}
