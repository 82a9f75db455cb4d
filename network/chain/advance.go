package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// look is what one round sees of the chain.
type look struct {
	head  Head
	nonce uint64 // transactions of the account up to the head
	deep  uint64 // the same, up to the final block
	moved bool   // the head is not that of the round before
	grown bool   // the head of the round before is a block of this chain
}

// advance makes one round: what is on its way first, then what is queued.
func (b *Outbox) advance(ctx context.Context) error {
	b.mu.Lock()
	b.round++
	b.mu.Unlock()
	l, err := b.look(ctx)
	if err != nil {
		return err
	}
	if err := b.revive(l); err != nil {
		return err
	}
	active, err := b.store.active()
	if err != nil {
		return err
	}
	flight, spent := 0, new(big.Int)
	for _, r := range active {
		if err := b.follow(ctx, r, l); err != nil {
			return err
		}
		if r.Phase == signed {
			flight++
			spent.Add(spent, r.cost())
		}
	}
	for _, r := range active {
		if r.Phase != queued || flight >= b.opts.MaxInFlight {
			continue
		}
		if err := b.launch(ctx, r, l, flight, spent); err != nil {
			return err
		}
		if r.Phase == signed {
			flight++
			spent.Add(spent, r.cost())
		}
	}
	b.seen = l.head
	return nil
}

func (b *Outbox) look(ctx context.Context) (l look, err error) {
	if l.head, err = b.c.Head(ctx); err != nil {
		return l, err
	}
	l.moved = l.head.Hash != b.seen.Hash
	if l.grown, err = b.grown(ctx, l.head); err != nil {
		return l, err
	}
	at := func(n uint64) (uint64, error) {
		nonce, err := b.c.eth.NonceAt(ctx, b.signer.Address(), new(big.Int).SetUint64(n))
		if err != nil {
			return 0, fmt.Errorf("read nonce of %v at block %d: %w", b.signer.Address(), n, err)
		}
		return nonce, nil
	}
	if l.nonce, err = at(l.head.Number); err != nil {
		return l, err
	}
	l.deep, err = at(l.head.Number - min(l.head.Number, b.opts.Depth))
	return l, err
}

// grown says whether the chain up to head holds the head of the round before, so that what was mined
// under that one is where it was.
func (b *Outbox) grown(ctx context.Context, head Head) (bool, error) {
	if head.Hash == b.seen.Hash || b.seen.Hash == (common.Hash{}) || head.Number <= b.seen.Number {
		return head.Hash == b.seen.Hash, nil
	}
	before, err := b.c.HeadAt(ctx, new(big.Int).SetUint64(b.seen.Number))
	return err == nil && before.Hash == b.seen.Hash, err
}

// revive puts back on its way what the chain has lost: recorded as mined under
// a nonce that the chain says is not spent.
func (b *Outbox) revive(l look) error {
	rs, err := b.store.fromNonce(l.nonce)
	if err != nil {
		return err
	}
	gap := len(rs) > 0 && rs[0].Nonce > l.nonce
	for _, r := range rs {
		if r.Phase == mined || r.Phase == final {
			if err := b.lost(r); err != nil {
				return err
			}
		}
		if gap {
			b.obstacle(r, fmt.Errorf("%w: nonce %d is next, %d is the first here", ErrNonceGap, l.nonce, rs[0].Nonce))
		}
	}
	return nil
}

// lost sets r back to signed, to be sent again as it is.
func (b *Outbox) lost(r *record) error {
	r.Phase, r.Receipt, r.Failure, r.FailData = signed, nil, "", nil
	b.mu.Lock()
	delete(b.sent, r.Key)
	b.mu.Unlock()
	return b.save(r)
}

// follow looks after an intent that has a nonce.
func (b *Outbox) follow(ctx context.Context, r *record, l look) error {
	switch {
	case r.Phase == mined && l.moved:
		return b.confirm(ctx, r, l)
	case r.Phase == signed && r.Nonce < l.nonce:
		return b.settle(ctx, r, l)
	case r.Phase == signed:
		return b.chase(ctx, r, l)
	}
	return nil
}

// confirm checks that a mined intent is still where it was: after a reorg, and once more before it
// is final. While the chain only grows nothing is asked, however many intents are not final yet.
func (b *Outbox) confirm(ctx context.Context, r *record, l look) error {
	at := r.Receipt.BlockNumber.Uint64()
	if l.grown && at <= b.seen.Number && l.head.Number < at+b.opts.Depth {
		return nil
	}
	receipt, err := b.find(ctx, r)
	if err != nil {
		return err
	}
	switch {
	case receipt == nil:
		return b.lost(r)
	case receipt.BlockHash != r.Receipt.BlockHash:
		return b.record(ctx, r, receipt)
	case l.head.Number >= receipt.BlockNumber.Uint64()+b.opts.Depth:
		r.Phase = final
		return b.save(r)
	}
	return nil
}

// settle finds out what became of a nonce that is spent: one of our attempts,
// or a stranger's transaction. The latter frees the intent for a new nonce only
// once it is final, since a reorg could bring ours back.
func (b *Outbox) settle(ctx context.Context, r *record, l look) error {
	receipt, err := b.find(ctx, r)
	if err != nil {
		return err
	}
	if receipt != nil {
		return b.record(ctx, r, receipt)
	}
	if r.Nonce < l.deep {
		r.Phase, r.Accepted = queued, false
		return b.save(r)
	}
	return nil
}

// find returns the receipt of whichever attempt is mined, nil if none is.
func (b *Outbox) find(ctx context.Context, r *record) (*types.Receipt, error) {
	txs, err := r.attempts()
	if err != nil {
		return nil, err
	}
	for _, tx := range txs {
		receipt, err := b.c.Receipt(ctx, tx.Hash())
		if err == nil && receipt.BlockNumber != nil {
			return receipt, nil
		}
		if err != nil && !errors.Is(err, ErrNotMined) {
			return nil, err
		}
	}
	return nil, nil
}

// record stores that r is mined, and why it failed if it did.
func (b *Outbox) record(ctx context.Context, r *record, receipt *types.Receipt) error {
	b.opts.CrashPoint("mined")
	r.Phase, r.Receipt, r.Failure, r.FailData = mined, receipt, "", nil
	if receipt.Status == types.ReceiptStatusFailed {
		why, err := b.reason(ctx, r, receipt)
		if err != nil {
			return err
		}
		r.Failure, r.FailData = why.Reason, why.Data
	}
	if err := b.save(r); err != nil {
		return err
	}
	b.opts.CrashPoint("recorded")
	b.mu.Lock()
	delete(b.sent, r.Key)
	b.mu.Unlock()
	return nil
}

// reason runs a failed transaction again, on the state after its block and then
// on the state before it, and returns what the EVM said.
func (b *Outbox) reason(ctx context.Context, r *record, receipt *types.Receipt) (*RevertError, error) {
	msg := ethereum.CallMsg{From: b.signer.Address(), To: r.To, Data: r.Data, Value: r.intent().value(), Gas: r.Gas}
	for _, n := range []*big.Int{receipt.BlockNumber, new(big.Int).Sub(receipt.BlockNumber, big.NewInt(1))} {
		_, err := b.c.eth.CallContract(ctx, msg, n)
		if err == nil {
			continue
		}
		var revert *RevertError
		if errors.As(asRevert(err), &revert) {
			return revert, nil
		}
		if !isRPC(err) {
			return nil, fmt.Errorf("ask why intent %q failed: %w", r.Key, err)
		}
	}
	return &RevertError{}, nil
}

// chase gets a signed intent to the node, and raises its fees if it is stuck.
func (b *Outbox) chase(ctx context.Context, r *record, l look) error {
	b.mu.Lock()
	t, known := b.sent[r.Key]
	b.mu.Unlock()
	if !known {
		return b.send(ctx, r)
	}
	if r.Nonce != l.nonce {
		return nil // waits for its turn
	}
	if time.Since(t.first) >= b.opts.StuckAfter {
		return b.raise(ctx, r)
	}
	if time.Since(t.last) < 4*b.opts.Poll {
		return nil
	}
	txs, err := r.attempts()
	if err != nil {
		return err
	}
	if _, _, err := b.c.eth.TransactionByHash(ctx, txs[0].Hash()); !errors.Is(err, ethereum.NotFound) {
		return nil
	}
	// The node forgot it, and with it whatever came after.
	b.mu.Lock()
	clear(b.sent)
	b.mu.Unlock()
	return b.send(ctx, r)
}

// launch signs a queued intent, stores it and sends it. An obstacle is noted and
// is no error; r stays queued then.
func (b *Outbox) launch(ctx context.Context, r *record, l look, flight int, spent *big.Int) error {
	// An attempt under an earlier nonce may have come to life again.
	if receipt, err := b.find(ctx, r); err != nil || receipt != nil {
		if receipt != nil {
			r.Nonce, err = b.nonceOf(r, receipt.TxHash)
			if err == nil {
				err = b.record(ctx, r, receipt)
			}
		}
		return err
	}
	gas, err := b.gas(ctx, r, flight)
	if err != nil || gas == 0 {
		return err
	}
	fees, err := b.fees(ctx, r, l)
	if err != nil || fees.Cap == nil {
		return err
	}
	r.Gas, r.Tip, r.Cap = gas, (*hexutil.Big)(fees.Tip), (*hexutil.Big)(fees.Cap)
	have, err := b.c.Balance(ctx, b.signer.Address())
	if err != nil {
		return err
	}
	if lack := b.lack(r, new(big.Int).Sub(have, spent)); lack != nil {
		b.obstacle(r, lack)
		return nil
	}
	if r.Nonce, err = b.nextNonce(l); err != nil {
		return err
	}
	b.opts.CrashPoint("unsigned")
	r.Accepted = false
	if err := b.sign(r); err != nil {
		return err
	}
	return b.send(ctx, r)
}

// nonceOf returns the nonce of the attempt with the given hash.
func (b *Outbox) nonceOf(r *record, hash common.Hash) (uint64, error) {
	txs, err := r.attempts()
	if err != nil {
		return 0, err
	}
	for _, tx := range txs {
		if tx.Hash() == hash {
			return tx.Nonce(), nil
		}
	}
	return 0, fmt.Errorf("intent %q has no attempt %v", r.Key, hash)
}

// gas returns the gas limit for r; 0 if it cannot go now. A trial run that
// reverts rejects r, unless transactions on their way may change its outcome.
func (b *Outbox) gas(ctx context.Context, r *record, flight int) (uint64, error) {
	if r.GasWish != 0 {
		return r.GasWish, nil
	}
	value := r.intent().value()
	estimate, err := b.c.EstimateGas(ctx, b.signer.Address(), r.To, value, r.Data)
	var revert *RevertError
	switch {
	case err == nil:
		return Margin(estimate), nil
	case errors.As(err, &revert):
		if flight > 0 {
			return 0, nil
		}
		r.Phase, r.Failure, r.FailData, r.Refused = rejected, revert.Reason, revert.Data, false
		return 0, b.save(r)
	case classify(err) == poor:
		have, err := b.c.Balance(ctx, b.signer.Address())
		if err != nil {
			return 0, err
		}
		missing := new(big.Int).Sub(value, have)
		if missing.Sign() > 0 || flight == 0 {
			b.obstacle(r, &InsufficientFundsError{Account: b.signer.Address(), Need: value, Have: have, Missing: missing})
		}
		return 0, nil
	case classify(err) == refused:
		return 0, b.refuse(r, err)
	}
	return 0, fmt.Errorf("estimate gas of intent %q: %w", r.Key, err)
}

// fees returns what to pay; no cap if the chain asks for more than the limit.
func (b *Outbox) fees(ctx context.Context, r *record, l look) (Fees, error) {
	f, err := b.opts.Fees(ctx)
	if err != nil || b.opts.MaxFee == nil || f.Cap.Cmp(b.opts.MaxFee) <= 0 {
		return f, err
	}
	if base := l.head.BaseFee; base == nil || base.Cmp(b.opts.MaxFee) >= 0 {
		b.obstacle(r, fmt.Errorf("%w: %v wei per gas, limit %v", ErrFeeLimit, base, b.opts.MaxFee))
		return Fees{}, nil
	}
	f.Cap = b.opts.MaxFee
	if f.Tip.Cmp(f.Cap) > 0 {
		f.Tip = f.Cap
	}
	return f, nil
}

// lack returns what is missing to pay for r out of have, nil if nothing is.
func (b *Outbox) lack(r *record, have *big.Int) error {
	need := r.cost()
	if have.Cmp(need) >= 0 {
		return nil
	}
	return &InsufficientFundsError{Account: b.signer.Address(), Need: need, Have: have, Missing: new(big.Int).Sub(need, have)}
}

// nextNonce is the first that neither the chain nor an intent on its way has taken.
func (b *Outbox) nextNonce(l look) (uint64, error) {
	rs, err := b.store.fromNonce(l.nonce)
	if err != nil || len(rs) == 0 {
		return l.nonce, err
	}
	return rs[len(rs)-1].Nonce + 1, nil
}

// sign adds an attempt with r's nonce, gas and fees and stores it before anyone
// can see it.
func (b *Outbox) sign(r *record) error {
	tx, err := b.signer.sign(b.c, txData(b.c, r.Nonce, r.Gas, r.fees(), r.To, r.intent().value(), r.Data))
	if err != nil {
		return err
	}
	raw, err := tx.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode intent %q: %w", r.Key, err)
	}
	r.Phase, r.Raw = signed, append(r.Raw, raw)
	if err := b.save(r); err != nil {
		return err
	}
	b.opts.CrashPoint("stored")
	return nil
}
