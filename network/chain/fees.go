package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// Fees is what a transaction pays per unit of gas, in wei.
type Fees struct {
	Tip *big.Int // to the block's producer; nil on a chain before EIP-1559
	Cap *big.Int // in all, at most; the gas price on a chain before EIP-1559
}

// SuggestFees returns fees that get a transaction into one of the next blocks:
// the node's tip (at least 1 wei) and a cap of twice the base fee plus the tip.
func (c *Client) SuggestFees(ctx context.Context) (Fees, error) {
	head, err := c.Head(ctx)
	if err != nil {
		return Fees{}, err
	}
	if head.BaseFee == nil {
		price, err := c.eth.SuggestGasPrice(ctx)
		if err != nil {
			return Fees{}, fmt.Errorf("ask for the gas price: %w", err)
		}
		return Fees{Cap: price}, nil
	}
	tip, err := c.eth.SuggestGasTipCap(ctx)
	if err != nil {
		return Fees{}, fmt.Errorf("ask for the priority fee: %w", err)
	}
	if tip.Sign() <= 0 {
		tip = big.NewInt(1)
	}
	limit := new(big.Int).Lsh(head.BaseFee, 1)
	return Fees{Tip: tip, Cap: limit.Add(limit, tip)}, nil
}

// raised returns fees that a pool takes as replacement of f: a quarter more and
// 1 wei (pools ask for a tenth), and at least want.
func (f Fees) raised(want Fees) Fees {
	up := func(old, want *big.Int) *big.Int {
		if old == nil {
			return want
		}
		more := new(big.Int).Rsh(old, 2)
		more.Add(more, old).Add(more, big.NewInt(1))
		if want != nil && want.Cmp(more) > 0 {
			return want
		}
		return more
	}
	r := Fees{Tip: up(f.Tip, want.Tip), Cap: up(f.Cap, want.Cap)}
	if r.Tip != nil && r.Tip.Cmp(r.Cap) > 0 {
		r.Cap = r.Tip
	}
	return r
}

// maxTxGas is the gas limit that Osaka allows a transaction (EIP-7825).
const maxTxGas = 1 << 24

// Margin returns the gas limit for an estimate: half as much again and 50,000,
// cut to what Osaka allows a transaction (16,777,216) unless the estimate alone
// is above that. An estimate runs at the time of the latest block; a move that
// pays for elapsed time costs more when it is mined.
func Margin(estimate uint64) uint64 {
	if estimate > maxTxGas {
		return estimate // only later rules allow it, and they meter most of it as state
	}
	return min(estimate+estimate/2+50_000, maxTxGas)
}

// EstimateGas returns the gas that the call needs on the pending state, without
// margin. A revert is a *RevertError. to nil deploys data.
func (c *Client) EstimateGas(ctx context.Context, from common.Address, to *common.Address, value *big.Int, data []byte) (uint64, error) {
	msg := ethereum.CallMsg{From: from, To: to, Value: value, Data: data}
	gas, err := c.eth.EstimateGasAtBlock(ctx, msg, big.NewInt(int64(rpc.PendingBlockNumber)))
	if err != nil {
		return 0, asRevert(err)
	}
	return gas, nil
}

// txData lays out a transaction of the kind that the chain's fees call for.
func txData(c *Client, nonce, gas uint64, f Fees, to *common.Address, value *big.Int, data []byte) types.TxData {
	if f.Tip == nil {
		return &types.LegacyTx{Nonce: nonce, GasPrice: f.Cap, Gas: gas, To: to, Value: value, Data: data}
	}
	return &types.DynamicFeeTx{ChainID: c.id, Nonce: nonce, GasTipCap: f.Tip, GasFeeCap: f.Cap, Gas: gas, To: to, Value: value, Data: data}
}
