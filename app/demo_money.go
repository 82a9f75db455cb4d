package app

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"

	"elenchus/commitment/claim"
	"elenchus/service/adversary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// gas fills the table: the dearest transaction of each kind, and the sum from commit to resolve.
func (d *demo) gas(ctx context.Context) error {
	for _, k := range []string{"post", "commit", "open", "reveal", "pick", "descend", "answer", "resolve", "total"} {
		d.result.Gas[k] = 0
	}
	for tx, what := range d.txs {
		r, err := d.k.Client().Receipt(ctx, common.Hash(tx))
		if err != nil {
			return err
		}
		if _, listed := d.result.Gas[what]; listed { // timeouts count in the total alone
			d.result.Gas[what] = max(d.result.Gas[what], r.GasUsed)
		}
		if !upkeep(what) {
			d.result.Gas["total"] += r.GasUsed
			d.result.Transactions++
		}
	}
	return nil
}

// wealths are what the parties own now.
func (d *demo) wealths(ctx context.Context) (map[string]wealth, error) {
	out := map[string]wealth{}
	for name, a := range d.n.Accounts {
		acc, err1 := d.k.Account(ctx, a)
		credit, err2 := d.k.Credit(ctx, a)
		wallet, err3 := d.k.TokenBalance(ctx, a)
		wei, err4 := d.k.Client().Balance(ctx, common.Address(a))
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return nil, err
		}
		sum, err := acc.Stake.Add(credit)
		if err == nil {
			sum, err = sum.Add(wallet)
		}
		if err == nil && d.k.HasAudits() {
			var held claim.Amount
			if held, err = d.k.AuditHoldings(ctx, a); err == nil {
				sum, err = sum.Add(held)
			}
		}
		if err != nil {
			return nil, err
		}
		out[name] = wealth{sum, wei}
	}
	return out, nil
}

// losses adds up what honest parties are poorer by: tokens, and ether at the fixed rate, without
// the gas of their batches. A party that gained does not make up for one that lost.
func (d *demo) losses(ctx context.Context) error {
	after, err := d.wealths(ctx)
	if err != nil {
		return err
	}
	posts, err := d.postCosts(ctx)
	if err != nil {
		return err
	}
	lost := new(big.Int)
	for name, b := range d.before {
		a := after[name]
		d.result.Balances[name] = a.tokens.String()
		if !d.honest(name) {
			continue
		}
		wei := new(big.Int).Sub(b.wei, a.wei)
		wei.Sub(wei, posts[d.n.Accounts[name]])
		delta := new(big.Int).Sub(b.tokens.Big(), a.tokens.Big())
		delta.Add(delta, toTokens(wei, d.k.Params().TokenPerEther))
		if delta.Sign() > 0 {
			lost.Add(lost, delta)
			d.say("%s is poorer by %s token units", name, delta)
		}
	}
	d.result.HonestLost = json.Number(lost.String())
	return nil
}

func toTokens(wei *big.Int, perEther claim.Amount) *big.Int {
	v := new(big.Int).Mul(wei, perEther.Big())
	return v.Div(v, big.NewInt(1e18))
}

// upkeep says whether a transaction is one that a node sends about its batches whatever happens.
func upkeep(what string) bool { return what == "post" || what == "release" }

// postCosts is what each account paid for posting and releasing batches, in wei.
func (d *demo) postCosts(ctx context.Context) (map[claim.Address]*big.Int, error) {
	out := map[claim.Address]*big.Int{}
	for _, a := range d.n.Accounts {
		out[a] = new(big.Int)
	}
	for tx, what := range d.txs {
		if !upkeep(what) {
			continue
		}
		r, err := d.k.Client().Receipt(ctx, common.Hash(tx))
		if err != nil {
			return nil, err
		}
		t, _, err := d.k.Client().Backend().TransactionByHash(ctx, common.Hash(tx))
		if err != nil {
			return nil, err
		}
		from, err := types.Sender(types.LatestSignerForChainID(d.k.Client().ChainID()), t)
		if err != nil {
			return nil, err
		}
		cost := new(big.Int).Mul(new(big.Int).SetUint64(r.GasUsed), r.EffectiveGasPrice)
		sum := out[claim.Address(from)]
		if sum == nil {
			continue
		}
		sum.Add(sum, cost)
	}
	return out, nil
}

// honest says whether a role plays by the rules in this story.
func (d *demo) honest(role string) bool {
	switch role {
	case "griefer", "impostor", "mallory":
		return false
	case "node1":
		card, known := adversary.Find(d.o.Attack)
		return !known || card.Fates["node1"] != adversary.Forfeits || d.result.Changed != nil && !*d.result.Changed
	case "deployer": // pays for keys of proofs, which are no move of a game
		return false
	case "gateway":
		return d.o.Attack != "hidden-prompt"
	}
	return true
}
