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
	Cover claim.Amount // exclusive reserve for declared values, token units
	Until uint64       // end of the window
}

// Committed is a hidden challenge.
type Committed struct {
	Game  Hash
	Payer Address
}

// Opened is a challenge that became a game; the Moved that follows carries its state.
type Opened struct {
	Game    Hash
	Node    Address
	ClaimID Hash
	Job     []byte
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

// Convicted is the operation and element on which a claim was refuted.
type Convicted struct {
	Game    Hash
	Op      uint8
	Tensor  uint8
	Element uint64
}

// Resolved is the end of a game and its money, in token units.
type Resolved struct {
	Game    Hash
	ClaimID Hash
	Phase   uint8
	Voided  bool
	Slashed claim.Amount
	Costs   claim.Amount
	Refund  claim.Amount
	Reward  claim.Amount
}

// Settled is the payment of a held reward.
type Settled struct {
	ClaimID Hash
	Winner  Address
	Reward  claim.Amount
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
}

// Resolve closes a decided game.
type Resolve struct {
	Game  Hash
	State []byte
	Job   []byte
}

// Settle pays the held reward of a refuted claim.
type Settle struct{ ClaimID Hash }

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

// Key names the game.
func (o Resolve) Key() string { return fmt.Sprintf("game/%x/resolve", o.Game) }

// Key names the claim.
func (o Settle) Key() string { return fmt.Sprintf("settle/%x", o.ClaimID) }

// Key names the batch.
func (o ReleaseBatch) Key() string { return fmt.Sprintf("release/%x", o.Root) }

// Key names the withdrawal.
func (o Withdraw) Key() string { return fmt.Sprintf("withdraw/%d", o.Nonce) }

func stateKey(b []byte) []byte {
	h := claim.Keccak(b)
	return h[:12]
}
