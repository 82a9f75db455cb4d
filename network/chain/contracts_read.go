package chain

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"elenchus/commitment/claim"
	"elenchus/settlement/stake"
)

// read calls a view that returns one value.
func read[T any](ctx context.Context, k *Contracts, contract string, at common.Address, method string, args ...any) (T, error) {
	var zero T
	data, err := k.bind.pack(contract, method, args...)
	if err != nil {
		return zero, err
	}
	out, err := k.c.Call(ctx, common.Address{}, at, data)
	if err != nil {
		return zero, fmt.Errorf("read %s.%s: %w", contract, method, k.Explain(err))
	}
	values, err := k.bind.of[contract].Unpack(method, out)
	if err != nil {
		return zero, fmt.Errorf("read %s.%s: %w", contract, method, err)
	}
	v, ok := values[0].(T)
	if !ok || len(values) != 1 {
		return zero, fmt.Errorf("read %s.%s: it returns %T, want one %T", contract, method, values[0], zero)
	}
	return v, nil
}

// readStruct calls a view that returns several values into the fields of out.
func (k *Contracts) readStruct(ctx context.Context, out any, contract string, at common.Address, method string, args ...any) error {
	data, err := k.bind.pack(contract, method, args...)
	if err != nil {
		return err
	}
	b, err := k.c.Call(ctx, common.Address{}, at, data)
	if err != nil {
		return fmt.Errorf("read %s.%s: %w", contract, method, k.Explain(err))
	}
	if err := k.bind.of[contract].UnpackIntoInterface(out, method, b); err != nil {
		return fmt.Errorf("read %s.%s: %w", contract, method, err)
	}
	return nil
}

func (k *Contracts) amount(ctx context.Context, contract string, at common.Address, method string, args ...any) (claim.Amount, error) {
	v, err := read[*big.Int](ctx, k, contract, at, method, args...)
	if err != nil {
		return claim.Amount{}, err
	}
	return claim.AmountFromBig(v)
}

// Account is what the arena holds about a node. Amounts are token units, times unix seconds.
type Account struct {
	Stake     claim.Amount
	Reserved  claim.Amount // by batches and open games; may be above Stake
	Unbonding claim.Amount // announced to leave
	UnlockAt  uint64
	Queue     uint64 // when the node's queue of reveals is worked off
	Games     uint32 // open
	Jailed    bool
}

// Free is the stake that can back new batches.
func (a Account) Free() claim.Amount { return a.Stake.Less(a.Reserved).Less(a.Unbonding) }

// Account returns the stake of a node; that of a stranger is zero.
func (k *Contracts) Account(ctx context.Context, node claim.Address) (Account, error) {
	var v struct {
		Stake, Reserved, Unbonding, UnlockAt, Queue, Games *big.Int
		Jailed                                             bool
	}
	if err := k.readStruct(ctx, &v, arenaName, k.at.Arena, "nodes", common.Address(node)); err != nil {
		return Account{}, err
	}
	a := Account{UnlockAt: v.UnlockAt.Uint64(), Queue: v.Queue.Uint64(), Games: uint32(v.Games.Uint64()), Jailed: v.Jailed}
	return a, amounts(v.Stake, &a.Stake, v.Reserved, &a.Reserved, v.Unbonding, &a.Unbonding)
}

// amounts converts pairs of *big.Int and *claim.Amount.
func amounts(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		a, err := claim.AmountFromBig(pairs[i].(*big.Int))
		if err != nil {
			return err
		}
		*pairs[i+1].(*claim.Amount) = a
	}
	return nil
}

// Credit returns what an account can withdraw or put down as bonds, in token units.
func (k *Contracts) Credit(ctx context.Context, who claim.Address) (claim.Amount, error) {
	return k.amount(ctx, arenaName, k.at.Arena, "creditOf", common.Address(who))
}

// Burned returns the token units that nobody can move any more.
func (k *Contracts) Burned(ctx context.Context) (claim.Amount, error) {
	return k.amount(ctx, arenaName, k.at.Arena, "burned")
}

// TokenBalance returns the tokens of an account outside the vault. It fails with claim.ErrAmount
// above 2^128-1.
func (k *Contracts) TokenBalance(ctx context.Context, who claim.Address) (claim.Amount, error) {
	return k.amount(ctx, tokenName, k.at.Token, "balanceOf", common.Address(who))
}

// Allowance returns what the vault may pull from an account, at most 2^128-1 token units.
func (k *Contracts) Allowance(ctx context.Context, who claim.Address) (claim.Amount, error) {
	v, err := read[*big.Int](ctx, k, tokenName, k.at.Token, "allowance", common.Address(who), k.at.Arena)
	if err != nil {
		return claim.Amount{}, err
	}
	if v.BitLen() > 128 {
		return claim.MaxAmount, nil
	}
	return claim.AmountFromBig(v)
}

// Slot is what the arena holds under a game's key: nothing, a commit, or the hash of the state.
type Slot [32]byte

// Empty says that there is neither commit nor game.
func (s Slot) Empty() bool { return s == Slot{} }

// Commit returns block number and time of a commit; ok is false if the slot holds none.
func (s Slot) Commit() (number, time uint64, ok bool) {
	number, time = binary.BigEndian.Uint64(s[16:]), binary.BigEndian.Uint64(s[24:])
	return number, time, !s.Empty() && [16]byte(s[:16]) == [16]byte{}
}

// Slot returns the slot of a game.
func (k *Contracts) Slot(ctx context.Context, game claim.Hash) (Slot, error) {
	v, err := read[[32]byte](ctx, k, arenaName, k.at.Arena, "slots", game)
	return Slot(v), err
}

// Verdict is what became of a case: a claim with its evidence.
type Verdict struct {
	Refuted bool
	Voided  bool       // a deadline D1 was missed
	Held    claim.Hash // of what Settle will pay, without its two lowest bits; zero if nothing is held
}

// Verdict returns what became of a case (dispute.CaseID); the zero value if nothing did.
func (k *Contracts) Verdict(ctx context.Context, id claim.Hash) (Verdict, error) {
	var v struct {
		Voided, Refuted bool
		Held            [32]byte
	}
	if err := k.readStruct(ctx, &v, arenaName, k.at.Arena, "verdicts", id); err != nil {
		return Verdict{}, err
	}
	return Verdict{Refuted: v.Refuted, Voided: v.Voided, Held: v.Held}, nil
}

// BatchRecord is what the arena holds about a batch.
type BatchRecord struct {
	Count  uint32 // claims; 0 for a batch that was never posted or was released
	Until  uint64 // end of its window, unix seconds
	Posted uint64 // unix seconds, 0 if it never was
	Cover  claim.Amount
}

// Batch returns the record of a node's batch.
func (k *Contracts) Batch(ctx context.Context, node claim.Address, root claim.Hash) (BatchRecord, error) {
	var v struct {
		Count                uint16
		Until, Posted, Cover *big.Int
	}
	key := claim.Keccak(node[:], root[:])
	if err := k.readStruct(ctx, &v, arenaName, k.at.Arena, "batches", key); err != nil {
		return BatchRecord{}, err
	}
	out := BatchRecord{Count: uint32(v.Count), Until: v.Until.Uint64(), Posted: v.Posted.Uint64()}
	return out, amounts(v.Cover, &out.Cover)
}

// OpenedBy returns how many games that an account opened are not resolved.
func (k *Contracts) OpenedBy(ctx context.Context, who claim.Address) (uint64, error) {
	n, err := k.amount(ctx, arenaName, k.at.Arena, "openedBy", common.Address(who))
	return n.Lo, err
}

// IsDelegate says whether delegate may move for party in games.
func (k *Contracts) IsDelegate(ctx context.Context, party, delegate claim.Address) (bool, error) {
	return read[bool](ctx, k, registryName, k.at.Registry, "isDelegate", common.Address(party), common.Address(delegate))
}

// CommitBond returns what a commit locks, in token units. It never changes.
func (k *Contracts) CommitBond() (claim.Amount, error) { return k.params.CommitBond() }

// OpeningBond returns what commit and open lock together at the base fee of the latest block,
// against a node as it is now and for work positions of re-execution. The base fee may rise until
// the open is mined: accept more in OpenMove.MaxBond. SPEC 08 §6.
func (k *Contracts) OpeningBond(ctx context.Context, node claim.Address, work uint64) (claim.Amount, error) {
	games, baseFee, err := k.opening(ctx, node)
	if err != nil {
		return claim.Amount{}, err
	}
	return k.params.Bond(games, work, baseFee)
}

// DataBond is OpeningBond for a demand of data in so many pieces. SPEC 09 §3.4.
func (k *Contracts) DataBond(ctx context.Context, node claim.Address, pieces uint64) (claim.Amount, error) {
	games, baseFee, err := k.opening(ctx, node)
	if err != nil {
		return claim.Amount{}, err
	}
	return k.params.BondOfData(games, pieces, baseFee)
}

// opening is what a bond depends on: the open games against a node, and the base fee in wei.
func (k *Contracts) opening(ctx context.Context, node claim.Address) (games, baseFee uint64, err error) {
	account, err := k.Account(ctx, node)
	if err != nil {
		return 0, 0, err
	}
	baseFee, err = k.baseFee(ctx)
	return uint64(account.Games), baseFee, err
}

// ProofBond returns what asking for an element of a leaf that a confidential model withholds takes from the opener's
// credit, at the base fee of the latest block. SPEC 09 §3.5.
func (k *Contracts) ProofBond(ctx context.Context) (claim.Amount, error) {
	fee, err := k.baseFee(ctx)
	if err != nil {
		return claim.Amount{}, err
	}
	return k.params.ProofBond(fee)
}

// baseFee is that of the latest block, in wei.
func (k *Contracts) baseFee(ctx context.Context) (uint64, error) {
	head, err := k.c.Head(ctx)
	if err != nil || head.BaseFee == nil {
		return 0, err
	}
	if !head.BaseFee.IsUint64() {
		return 0, claim.ErrAmount
	}
	return head.BaseFee.Uint64(), nil
}

// readParams reads the immutables of the arena.
func (k *Contracts) readParams(ctx context.Context) (DeployParams, error) {
	p := DeployParams{Token: k.at.Token}
	profile, err := k.amount(ctx, arenaName, k.at.Arena, "PROFILE")
	if err != nil {
		return p, err
	}
	p.Profile = stake.Profile(profile.Lo)
	if p.Guardian, err = read[common.Address](ctx, k, arenaName, k.at.Arena, "GUARDIAN"); err != nil {
		return p, err
	}
	for _, f := range []struct {
		method string
		small  *uint64
		amount *claim.Amount
	}{
		{"UNBONDING", &p.Unbonding, nil},
		{"RESERVE", nil, &p.Reserve},
		{"WINDOW", &p.Window, nil},
		{"REPLY_TIME", &p.ReplyTime, nil},
		{"GRACE", &p.Grace, nil},
		{"FORCED_INCLUSION", &p.ForcedInclusion, nil},
		{"RATE", &p.Rate, nil},
		{"SPACE_RATE", &p.SpaceRate, nil},
		{"REWARD_DELAY", &p.RewardDelay, nil},
		{"PRICE_CAP", &p.PriceCap, nil},
		{"TIP_CAP", &p.TipCap, nil},
		{"TOKEN_PER_ETHER", nil, &p.TokenPerEther},
		{"WORST_GAS", &p.WorstGas, nil},
		{"WORK_FEE", nil, &p.WorkFee},
		{"REFUND_FACTOR", &p.RefundFactor, nil},
	} {
		v, err := k.amount(ctx, arenaName, k.at.Arena, f.method)
		if err != nil {
			return p, err
		}
		if f.amount != nil {
			*f.amount = v
		} else {
			*f.small = v.Lo
		}
	}
	return p, nil
}
