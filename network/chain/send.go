package chain

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// answer is what a node's reply to a transaction means.
type answer uint8

const (
	taken   answer = iota // it is in the pool, or was mined already
	cheap                 // the pool wants a higher fee, or holds another one with this nonce
	poor                  // the account cannot pay
	refused               // no pool of this chain takes it, ever
	unclear               // the node could not be asked, or said something else
)

// answers lists what the known nodes say, in lower case; the first match counts.
var answers = []struct {
	text string
	is   answer
}{
	{"already known", taken},
	{"already imported", taken},
	{"known transaction", taken},
	{"nonce too low", taken},
	{"nonce is too low", taken},
	{"underpriced", cheap},
	{"max fee per gas less than block base fee", cheap},
	{"fee too low", cheap},
	{"insufficient funds", poor},
	{"intrinsic gas", refused},
	{"exceeds block gas limit", refused},
	{"gas limit too high", refused},
	{"gas limit is too high", refused},
	{"gas required exceeds", refused},
	{"floor data gas", refused},
	{"oversized", refused},
	{"initcode", refused},
	{"exceeds the configured cap", refused},
	{"not supported", refused},
}

func classify(err error) answer {
	if err == nil {
		return taken
	}
	if !isRPC(err) {
		return unclear
	}
	text := strings.ToLower(err.Error())
	for _, a := range answers {
		if strings.Contains(text, a.text) {
			return a.is
		}
	}
	return unclear
}

// send gives the newest attempt of r to the node.
func (b *Outbox) send(ctx context.Context, r *record) error {
	txs, err := r.attempts()
	if err != nil {
		return err
	}
	err = b.c.eth.SendTransaction(ctx, txs[0])
	b.opts.CrashPoint("sent")
	switch classify(err) {
	case taken:
		b.transmitted(r)
		if !r.Accepted {
			r.Accepted = true
			return b.save(r)
		}
		return nil
	case cheap:
		if r.Accepted || len(r.Raw) > 1 {
			b.transmitted(r) // the pool has one of ours; a stuck one is raised in its time
			return nil
		}
		b.transmitted(r)
		return b.raise(ctx, r)
	case poor:
		return b.unpaid(ctx, r, err)
	case refused:
		if last, e := b.isLast(r); e == nil && last && !r.Accepted {
			return b.refuse(r, err)
		}
		b.obstacle(r, fmt.Errorf("%w: %v", ErrRefused, err))
		return nil
	}
	return fmt.Errorf("send intent %q: %w", r.Key, err)
}

// transmitted notes that the newest attempt of r is with the node.
func (b *Outbox) transmitted(r *record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.sent[r.Key]
	t.last = time.Now()
	if t.first.IsZero() {
		t.first = t.last
	}
	b.sent[r.Key] = t
}

// isLast tells whether r holds the highest nonce, so that giving it up leaves no gap.
func (b *Outbox) isLast(r *record) (bool, error) {
	rs, err := b.store.fromNonce(r.Nonce)
	return len(rs) == 1, err
}

// refuse ends an intent that no node takes. Nothing was passed on, so its nonce is free.
func (b *Outbox) refuse(r *record, why error) error {
	r.Phase, r.Failure, r.FailData, r.Refused = rejected, printable(why.Error()), nil, true
	return b.save(r)
}

// unpaid deals with an account that was emptied between the check and the
// sending. An attempt that no node ever took gives its nonce back.
func (b *Outbox) unpaid(ctx context.Context, r *record, why error) error {
	have, err := b.c.Balance(ctx, b.signer.Address())
	if err != nil {
		return err
	}
	lack := b.lack(r, have)
	if lack == nil {
		lack = fmt.Errorf("%w: %v", ErrRefused, why)
	}
	if last, err := b.isLast(r); err != nil {
		return err
	} else if last && !r.Accepted {
		r.Phase = queued
		if err := b.save(r); err != nil {
			return err
		}
	}
	b.obstacle(r, lack)
	return nil
}

// raise signs r again under the same nonce with higher fees, and sends that. At
// most one of the attempts can be mined.
func (b *Outbox) raise(ctx context.Context, r *record) error {
	want, err := b.opts.Fees(ctx)
	if err != nil {
		return err
	}
	f := r.fees().raised(want)
	if b.opts.MaxFee != nil && f.Cap.Cmp(b.opts.MaxFee) > 0 {
		b.obstacle(r, fmt.Errorf("%w: nonce %d needs %v wei per gas, limit %v", ErrFeeLimit, r.Nonce, f.Cap, b.opts.MaxFee))
		return nil
	}
	have, err := b.c.Balance(ctx, b.signer.Address())
	if err != nil {
		return err
	}
	probe := *r
	probe.Cap = (*hexutil.Big)(new(big.Int).Set(f.Cap))
	if lack := b.lack(&probe, have); lack != nil {
		b.obstacle(r, lack)
		return nil
	}
	r.Tip, r.Cap = (*hexutil.Big)(f.Tip), (*hexutil.Big)(f.Cap)
	if err := b.sign(r); err != nil {
		return err
	}
	txs, err := r.attempts()
	if err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.sent, r.Key)
	b.mu.Unlock()
	err = b.c.eth.SendTransaction(ctx, txs[0])
	if a := classify(err); a == unclear {
		return fmt.Errorf("send intent %q with higher fees: %w", r.Key, err)
	} else if a == taken && !r.Accepted {
		r.Accepted = true
		if err := b.save(r); err != nil {
			return err
		}
	}
	b.transmitted(r)
	return nil
}
