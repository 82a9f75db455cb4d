// Package stake does the money of the game: bonds, repayments, reserves, slashes and who gets them.
//
// It stands above claim and beside nothing: the arena, the vault and the book of claims are its
// twins in Solidity. All amounts are token units. Invariants: what comes in is what is there plus
// what went out, to the unit; at least half of every slash is burned; the escrow of a game pays
// for its replies before anybody shares it; what a game holds of a node's stake is there when it is
// decided. SPEC 08 §5, §6, 09.
//
//	bond, err := p.Bond(node.Games, work, baseFee)
//	cut := p.Split(held)
package stake

import (
	"errors"
	"fmt"
	"math/big"

	"elenchus/commitment/claim"
)

// Amount is a number of token units.
type Amount = claim.Amount

// Errors that callers match.
var (
	ErrParams       = errors.New("parameter out of range")
	ErrInsufficient = errors.New("not enough token units")
	ErrLocked       = errors.New("stake is locked")
	ErrJailed       = errors.New("node is jailed")
	ErrGames        = errors.New("too many games are open against the node")
	ErrBatch        = errors.New("batch is not valid")
	ErrCommit       = errors.New("commit cannot be opened now")
	ErrBond         = errors.New("bond is above what the opener accepted")
	ErrSettle       = errors.New("nothing to settle")
	ErrHeld         = errors.New("not what the verdict on the case holds")
)

// base is 1.5 times the price of replies that take so much gas, in token units.
// WorstGas * price * 3 * TokenPerEther <= 10^8 * 2^66 * 3 * 10^30 needs more than 128 bits.
func (p *Params) base(price *big.Int, gas uint64) *big.Int {
	v := new(big.Int).SetUint64(gas)
	v.Mul(v, price).Mul(v, big.NewInt(3)).Mul(v, p.TokenPerEther.Big())
	return v.Div(v, big.NewInt(2e18))
}

// CommitBond is what a commit locks.
func (p *Params) CommitBond() (Amount, error) {
	v := p.base(new(big.Int).SetUint64(p.PriceCap), p.WorstGas)
	return claim.AmountFromBig(v.Rsh(v, 1))
}

// maxDoublings bounds how often open games double a bond.
const maxDoublings = 32

// Bond is what commit and open lock together: base * 2^(open games / 8) plus the fee for the work,
// in positions. baseFee is in wei. ErrAmount (of claim) above 2^128-1.
func (p *Params) Bond(openGames, work, baseFee uint64) (Amount, error) {
	return p.bond(openGames, work, baseFee, p.WorstGas)
}

// BondOfData is Bond for a demand of data in pieces, each a move of the node. SPEC 09 §3.4.
func (p *Params) BondOfData(openGames, pieces, baseFee uint64) (Amount, error) {
	return p.bond(openGames, 0, baseFee, max(p.WorstGas, pieces*MoveGas))
}

// ProofGas is what an answer by proof takes at most, by either proof system. SPEC 09 §3.5.
const ProofGas = 600_000

// ProofBond is what an opener adds to the escrow when he asks for an element of a leaf that the node withheld and answers
// about by proofs. baseFee is in wei. SPEC 09 §3.5.
func (p *Params) ProofBond(baseFee uint64) (Amount, error) {
	return claim.AmountFromBig(p.base(p.priceAt(baseFee), ProofGas))
}

// priceAt is the gas price in wei that bonds are for: PriceCap, or four times the base fee.
func (p *Params) priceAt(baseFee uint64) *big.Int {
	price := new(big.Int).SetUint64(baseFee)
	price.Lsh(price, 2)
	if limit := new(big.Int).SetUint64(p.PriceCap); price.Cmp(limit) < 0 {
		return limit
	}
	return price
}

func (p *Params) bond(openGames, work, baseFee, replies uint64) (Amount, error) {
	v := p.base(p.priceAt(baseFee), replies)
	v.Lsh(v, uint(min(openGames/8, maxDoublings)))
	fee := p.WorkFee.Big()
	return claim.AmountFromBig(v.Add(v, fee.Mul(fee, new(big.Int).SetUint64(work))))
}

// Gas of a transaction that the arena's meter does not see.
const (
	intrinsicGas = 21_000
	byteGas      = 16
	floorByteGas = 40
)

// Repay is what a move that used gas, with calldata of so many bytes, is worth in token units: the
// larger of execution price and calldata floor, at most TipCap above the base fee. gas includes
// what the arena adds for its tail. Prices are in wei.
func (p *Params) Repay(gas, calldata, gasPrice, baseFee uint64) (Amount, error) {
	used := new(big.Int).SetUint64(intrinsicGas + byteGas*calldata)
	used.Add(used, new(big.Int).SetUint64(gas))
	if floor := new(big.Int).SetUint64(intrinsicGas + floorByteGas*calldata); used.Cmp(floor) < 0 {
		used = floor
	}
	price := new(big.Int).SetUint64(baseFee)
	price.Add(price, new(big.Int).SetUint64(p.TipCap))
	if paid := new(big.Int).SetUint64(gasPrice); paid.Cmp(price) < 0 {
		price = paid
	}
	used.Mul(used, price).Mul(used, p.TokenPerEther.Big())
	return claim.AmountFromBig(used.Div(used, big.NewInt(1e18)))
}

// Cut is what a verdict held, divided. Refund goes to the user, Reward to the earliest winning
// committer after a delay.
type Cut struct{ Refund, Reward, Burned Amount }

// Split divides what a verdict holds: what is left of the half that is not burned, in the order refund
// (at most K times the price), reward (3 times the costs and a fifth of the slash). SPEC 09 §4.4.
func (p *Params) Split(h *Held) Cut {
	var c Cut
	c.Refund = saturate(h.Price.Mul(p.RefundFactor)).Min(h.Left)
	c.Reward = saturate(saturate(h.Cost.Mul(3)).Add(h.Slashed.Div(5))).Min(h.Left.Less(c.Refund))
	c.Burned = h.Rests().Less(c.Refund).Less(c.Reward)
	return c
}

// saturate turns an overflow into the largest amount; the callers take a minimum of it.
func saturate(a Amount, err error) Amount {
	if err != nil {
		return claim.MaxAmount
	}
	return a
}

// Forfeit divides what is left of the escrow of a lost challenge: half to the node, the rest,
// rounded up, is burned.
func Forfeit(escrow Amount) (node, burned Amount) {
	node = escrow.Div(2)
	return node, escrow.Less(node)
}

// Return divides what is left of the escrow of a demand that was met: a quarter is forfeit, the rest goes
// back to the opener, who could not know better. SPEC 09 §4.3.
func Return(escrow Amount) (opener, node, burned Amount) {
	forfeit := escrow.Div(4)
	node, burned = Forfeit(forfeit)
	return escrow.Less(forfeit), node, burned
}

// ReturnOfData divides what is left of the escrow of a demand for data that was met: an eighth is burned.
// The node gets nothing but its gas, or it would earn by not serving. SPEC 09 §4.3.
func ReturnOfData(escrow Amount) (opener, burned Amount) {
	burned = escrow.Div(8)
	return escrow.Less(burned), burned
}

// Queue is when a node has worked off its queue with work more positions: max(now, queue) plus
// ceil(work / rate) seconds.
func (p *Params) Queue(now, queue, work uint64) uint64 {
	return max(now, queue) + (work+p.Rate-1)/p.Rate
}

// CheckOpen says ErrCommit unless a commit of that block and time may be opened in this block at
// this time, on a claim whose window ends at windowEnd. SPEC 08 §4.
func (p *Params) CheckOpen(commitBlock, commitTime, block, now, windowEnd uint64) error {
	switch {
	case block <= commitBlock:
		return fmt.Errorf("%w: in block %d, committed in %d", ErrCommit, block, commitBlock)
	case now > commitTime+p.Window/2:
		return fmt.Errorf("%w: at %d, it ended at %d", ErrCommit, now, commitTime+p.Window/2)
	case commitTime > windowEnd:
		return fmt.Errorf("%w: committed at %d, the claim's window ended at %d", ErrCommit, commitTime, windowEnd)
	}
	return nil
}
