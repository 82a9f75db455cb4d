package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// gasOf bounds the gas of each call: fixed, and for every byte of calldata. The figures are at least
// twice what conformance measures under Osaka and Amsterdam (testdata/calls_gas.txt) and what an
// answer may cost at most (345,000). Unused gas is not paid.
type gasOf struct{ fixed, perByte uint64 }

func (g gasOf) limit(data []byte) uint64 {
	return min(g.fixed+g.perByte*uint64(len(data)), maxTxGas)
}

// moveMethods are the arena's functions of moves with a payload and a signature.
var moveMethods = map[dispute.Kind]string{
	dispute.KindChildren: "children", dispute.KindChild: "child", dispute.KindReveal: "reveal", dispute.KindStage: "stage",
	dispute.KindRows: "rows", dispute.KindLayer: "layer", dispute.KindTensors: "tensors", dispute.KindPick: "pick",
	dispute.KindRaw: "raw", dispute.KindElement: "element", dispute.KindPublish: "publish", dispute.KindDecrypt: "decrypt",
}

var (
	plainGas    = gasOf{500_000, 130} // one or two new slots and a log
	openGas     = gasOf{1_000_000, 130}
	moveGas     = gasOf{500_000, 130}
	answerGas   = gasOf{1_500_000, 130}
	proofKeyGas = gasOf{1_000_000, 500} // the key's words become code
	closeGas    = gasOf{1_500_000, 130} // a new credit and a verdict
)

// Intent is the transaction that brings an order about, for the outbox of the account that it
// belongs to: the order's key, and a gas limit of its own, so that it is sent without a trial run
// (an opponent's move may make a trial fail that will not fail when mined, and the reverse).
// Moves carry no signature: the sender is the party or its delegate.
func (k *Contracts) Intent(o ledger.Order) (Intent, error) {
	switch o := o.(type) {
	case ledger.PostBatch:
		return k.intent(o.Key(), plainGas, arenaName, k.at.Arena, "postBatch",
			o.Root, new(big.Int).SetUint64(uint64(o.Count)), o.Cover.Big(), new(big.Int).SetUint64(o.Until))
	case ledger.Commit:
		return k.intent(o.Key(), plainGas, arenaName, k.at.Arena, "commit", o.Game)
	case ledger.Expire:
		return k.intent(o.Key(), plainGas, arenaName, k.at.Arena, "expire", o.Game)
	case ledger.Open:
		return k.intent(o.Key(), openGas, arenaName, k.at.Arena, "open", o.Payload, []byte{})
	case ledger.Move:
		return k.SignedMove(o, nil)
	case ledger.Timeout:
		return k.intent(o.Key(), moveGas, arenaName, k.at.Arena, "timeout", o.Game, o.State, o.Job)
	case ledger.Resolve:
		return k.intent(o.Key(), closeGas, arenaName, k.at.Arena, "resolve", o.Game, o.Verdict, present(o.Held))
	case ledger.Settle:
		return k.intent(o.Key(), plainGas, arenaName, k.at.Arena, "settle", o.Case, o.Held)
	case ledger.Withdraw:
		return k.intent(o.Key(), plainGas, arenaName, k.at.Arena, "withdraw", o.Amount.Big())
	}
	if i, ok, err := k.plantIntent(o); ok {
		return i, err
	}
	if i, ok, err := k.auditIntent(o); ok {
		return i, err
	}
	return Intent{}, fmt.Errorf("order %T has no transaction", o)
}

// present is b where abi wants bytes that are not nil.
func present(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// SignedMove is a move that anyone may carry: signature is 65 bytes r, s, v of the party or its
// delegate over MoveDigest, or empty if the sender is one of them.
func (k *Contracts) SignedMove(o ledger.Move, signature []byte) (Intent, error) {
	kind := dispute.Kind(o.Kind)
	if kind == dispute.KindAnswer {
		return k.intent(o.Key(), answerGas, arenaName, k.at.Arena, "answer", o.Game, o.State, o.Payload)
	}
	if kind == dispute.KindInclude {
		return k.intent(o.Key(), closeGas, arenaName, k.at.Arena, "include", o.Game, o.State, o.Payload)
	}
	method, ok := moveMethods[kind]
	if !ok {
		return Intent{}, fmt.Errorf("move %d has no function with a payload: use 3 to 13 and 16 to 18", o.Kind)
	}
	return k.intent(o.Key(), moveGas, arenaName, k.at.Arena, method, o.Game, o.State, o.Payload, present(signature))
}

// SignedOpen is an open that anyone may send for the opener; the signature is over MoveDigest with
// the commit's slot as the state.
func (k *Contracts) SignedOpen(o ledger.Open, signature []byte) (Intent, error) {
	return k.intent(o.Key(), openGas, arenaName, k.at.Arena, "open", o.Payload, signature)
}

// MoveDigest is what a party signs to let someone else send its move: slot is the game's slot
// before it. SPEC 08 §4.1.
func MoveDigest(d claim.Domain, game, slot claim.Hash, payload []byte) claim.Hash {
	kind := claim.Keccak([]byte("Move(bytes32 game,bytes32 state,bytes32 payload)"))
	body := claim.Keccak(payload)
	return d.Digest(claim.Keccak(kind[:], game[:], slot[:], body[:]))
}

// ReleaseBatch frees the reserve of a node's batch whose window is over; anyone may send it.
func (k *Contracts) ReleaseBatch(node claim.Address, o ledger.ReleaseBatch) (Intent, error) {
	return k.intent(o.Key(), plainGas, arenaName, k.at.Arena, "releaseBatch", common.Address(node), o.Root)
}

// The intents below concern the sender's own account. They are not unique by content: key names
// the effect, and with the same key they happen once.

// Mint creates test tokens for an account; other tokens have no such function.
func (k *Contracts) Mint(key string, to claim.Address, amount claim.Amount) (Intent, error) {
	return k.intent(key, plainGas, tokenName, k.at.Token, "mint", common.Address(to), amount.Big())
}

// Approve lets the vault pull up to amount tokens.
func (k *Contracts) Approve(key string, amount claim.Amount) (Intent, error) {
	return k.intent(key, plainGas, tokenName, k.at.Token, "approve", k.at.Arena, amount.Big())
}

// Deposit adds approved tokens to the sender's stake.
func (k *Contracts) Deposit(key string, amount claim.Amount) (Intent, error) {
	return k.intent(key, plainGas, arenaName, k.at.Arena, "deposit", amount.Big())
}

// Fund adds approved tokens to the sender's credit, from which bonds are taken.
func (k *Contracts) Fund(key string, amount claim.Amount) (Intent, error) {
	return k.intent(key, plainGas, arenaName, k.at.Arena, "fund", amount.Big())
}

// RequestUnbond announces that stake shall leave; it replaces an earlier announcement.
func (k *Contracts) RequestUnbond(key string, amount claim.Amount) (Intent, error) {
	return k.intent(key, plainGas, arenaName, k.at.Arena, "requestUnbond", amount.Big())
}

// WithdrawStake pays the announced stake out.
func (k *Contracts) WithdrawStake(key string) (Intent, error) {
	return k.intent(key, plainGas, arenaName, k.at.Arena, "withdrawStake")
}

// SetEndpoint publishes where the sender's node serves, 1 to 512 bytes; an empty url withdraws it.
func (k *Contracts) SetEndpoint(key, url string) (Intent, error) {
	if url == "" {
		return k.intent(key, plainGas, registryName, k.at.Registry, "clearEndpoint")
	}
	return k.intent(key, plainGas, registryName, k.at.Registry, "setEndpoint", url)
}

// RegisterProofKey adds the key of a shape of units for a proof system under the first numerics
// version. SPEC 10 §5.2.
func (k *Contracts) RegisterProofKey(name string, system uint8, shape [32]byte, words []byte) (Intent, error) {
	return k.intent(name, proofKeyGas, verifierName, k.at.ProofVerifier(system), "register", proofVersion, shape, words)
}

// proofVersion is the numerics version whose proof keys games use.
const proofVersion = uint16(1)

// ProofKey is the hash of the key of a shape for a proof system, zero if there is none.
func (k *Contracts) ProofKey(ctx context.Context, system uint8, shape [32]byte) (claim.Hash, error) {
	h, err := read[[32]byte](ctx, k, verifierName, k.at.ProofVerifier(system), "keyHash", proofVersion, shape)
	return claim.Hash(h), err
}

// AddKey lets key sign claims in the sender's name; a key that was retired never comes back.
func (k *Contracts) AddKey(name string, key claim.Address) (Intent, error) {
	return k.intent(name, plainGas, registryName, k.at.Registry, "addKey", common.Address(key))
}

// RetireKey ends the use of a key: what it signed is evidence for commits of U more seconds.
func (k *Contracts) RetireKey(name string, key claim.Address) (Intent, error) {
	return k.intent(name, plainGas, registryName, k.at.Registry, "retireKey", common.Address(key))
}

// RegisterModel says on chain that the sender stands for the model of a header. SPEC 10 §8.4.
func (k *Contracts) RegisterModel(key string, header []byte) (Intent, error) {
	return k.intent(key, plainGas, registryName, k.at.Registry, "registerModel", header)
}

// SetDelegate lets delegate make the sender's moves in games, or ends that.
func (k *Contracts) SetDelegate(key string, delegate claim.Address, allowed bool) (Intent, error) {
	return k.intent(key, plainGas, registryName, k.at.Registry, "setDelegate", common.Address(delegate), allowed)
}

func (k *Contracts) intent(key string, gas gasOf, contract string, to common.Address, method string, args ...any) (Intent, error) {
	data, err := k.bind.pack(contract, method, args...)
	if err != nil {
		return Intent{}, err
	}
	i := Intent{Key: key, To: &to, Data: data, Gas: gas.limit(data)}
	return i, i.check()
}
