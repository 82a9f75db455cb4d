package app

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/network/chain"
	"elenchus/service/gateway"

	"github.com/ethereum/go-ethereum/common"
)

// PayOptions say what a gateway asks of requests without a key. The zero value asks nothing.
type PayOptions struct {
	Price string // units of the token for one answer; "" or 0: nothing
	Token string // address of a token with transferWithAuthorization; "": the deployment's
	To    string // address that is paid; "": the gateway's account. No other gateway's, or an authorisation pays two
}

const (
	payWithin   = 10 * time.Minute // that an authorisation shall be valid
	settleGas   = 200_000          // of one transfer at most, which the gateway pays
	keptIntents = 256              // of settled payments in the outbox
	payInFlight = 64               // transfers that may wait to be mined
)

// errPay marks options of payment that cannot be.
var errPay = errors.New("payments")

// cashier takes payments of one token on the chain of a link. See gateway.Cashier.
type cashier struct {
	link  *Link
	token *chain.SignedToken
	terms gateway.Terms
	life  context.Context //nolint:containedctx // of the role: transfers are watched for longer than the requests they pay

	late sync.WaitGroup // those who wait for transfers that outlast their requests

	mu      sync.Mutex                      // guards what follows
	held    map[payer]map[[32]byte]*big.Int // units that are spoken for, by payer and nonce
	settled []string                        // keys in the outbox, the oldest first
}

type payer = [20]byte

// newCashier looks at the token and at where to pay. Its outbox must run.
func newCashier(ctx context.Context, l *Link, o PayOptions) (*cashier, error) {
	price, err := claim.ParseAmount(o.Price)
	if err != nil || price.IsZero() {
		return nil, fmt.Errorf("%w: the price %q is no number of token units above 0", errPay, o.Price)
	}
	at, to := l.Contracts.Addresses().Token, common.Address(l.account)
	for _, a := range []struct {
		name, text string
		into       *common.Address
	}{{"token", o.Token, &at}, {"address to pay to", o.To, &to}} {
		if a.text == "" {
			continue
		}
		if !common.IsHexAddress(a.text) {
			return nil, fmt.Errorf("%w: the %s %q is no address", errPay, a.name, a.text)
		}
		*a.into = common.HexToAddress(a.text)
	}
	token, err := l.Contracts.SignedToken(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPay, err)
	}
	return &cashier{
		link: l, token: token, life: ctx, held: make(map[payer]map[[32]byte]*big.Int),
		terms: gateway.Terms{
			ChainID: l.Contracts.Client().ChainID().Uint64(), Token: at, Name: token.Name, Version: token.Version,
			Decimals: token.Decimals, PayTo: to, Amount: price.Big(), Within: payWithin,
		},
	}, nil
}

// Terms are what one answer costs.
func (c *cashier) Terms() gateway.Terms { return c.terms }

// Hold checks a payment against the chain and sets it aside.
func (c *cashier) Hold(ctx context.Context, p gateway.Payment) error {
	a := authorization(p)
	if err := claim.VerifySigner(c.token.Digest(a), a.Signature, p.From); err != nil {
		return &gateway.PaymentError{Reason: gateway.ReasonSignature, Text: fmt.Sprintf("the payment is not signed by %v: %v", a.From, err)}
	}
	before, ok := c.take(p)
	if !ok {
		return used(p)
	}
	err := c.check(ctx, a, before)
	if err != nil {
		c.Release(p)
	}
	return err
}

// take sets a payment aside unless its nonce is; before is what of the payer's was spoken for.
func (c *cashier) take(p gateway.Payment) (before *big.Int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := c.held[p.From]
	if _, twice := mine[p.Nonce]; twice {
		return nil, false
	}
	before = new(big.Int)
	for _, amount := range mine {
		before.Add(before, amount)
	}
	if mine == nil {
		mine = make(map[[32]byte]*big.Int)
		c.held[p.From] = mine
	}
	mine[p.Nonce] = p.Value
	return before, true
}

// check asks the chain whether a transfer would pass, and whether this gateway could have it mined.
func (c *cashier) check(ctx context.Context, a chain.Authorization, before *big.Int) error {
	spent, err := c.token.Used(ctx, a.From, a.Nonce)
	if err != nil {
		return err
	}
	if spent {
		return used(gateway.Payment{From: a.From, Nonce: a.Nonce})
	}
	have, err := c.token.Balance(ctx, a.From)
	if err != nil {
		return err
	}
	if need := new(big.Int).Add(before, a.Value); have.Cmp(need) < 0 {
		return &gateway.PaymentError{Reason: gateway.ReasonFunds, Text: fmt.Sprintf(
			"%v has %s units; this payment, with those of its other requests here, needs %s", a.From, have, need)}
	}
	me := common.Address(c.link.account)
	var revert *chain.RevertError
	if err := c.token.Try(ctx, me, a); errors.As(err, &revert) {
		return &gateway.PaymentError{Reason: gateway.ReasonState, Text: "the token refuses the transfer: " + c.link.Contracts.Explain(err).Error()}
	} else if err != nil {
		return err
	}
	fees, err := c.link.Contracts.Client().SuggestFees(ctx)
	if err != nil {
		return err
	}
	wei, err := c.link.Contracts.Client().Balance(ctx, me)
	if err == nil && wei.Cmp(new(big.Int).Mul(fees.Cap, big.NewInt(settleGas))) < 0 {
		err = fmt.Errorf("account %v has %s wei, not enough for the gas of a transfer: fund it", me, wei)
	}
	return err
}

func used(p gateway.Payment) error {
	return &gateway.PaymentError{Reason: gateway.ReasonState, Text: fmt.Sprintf(
		"the nonce %#x of %v was used or cancelled, or pays another request: sign a new payment", p.Nonce, common.Address(p.From))}
}

// Release forgets a payment.
func (c *cashier) Release(p gateway.Payment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held[p.From], p.Nonce)
	if len(c.held[p.From]) == 0 {
		delete(c.held, p.From)
	}
}

// Settle has a payment mined.
func (c *cashier) Settle(ctx context.Context, p gateway.Payment) (tx [32]byte, err error) {
	key := fmt.Sprintf("pay/%x/%x", p.From, p.Nonce)
	i, err := c.token.Transfer(key, authorization(p))
	if err == nil {
		err = c.link.Outbox.Submit(c.life, i)
	}
	if err != nil {
		c.Release(p)
		return tx, &gateway.PaymentError{Reason: "unexpected_settle_error", Text: "the transfer cannot be sent: " + err.Error()}
	}
	r, err := c.wait(ctx, key)
	if errors.Is(err, gateway.ErrUnsettled) {
		c.late.Go(func() { // the payment stays held until its fate is known
			_, _ = c.wait(c.life, key)
			c.Release(p)
		})
		return tx, err
	}
	c.Release(p)
	c.forget(key)
	if err != nil {
		return tx, err
	}
	return r.TxHash, nil
}

// wait is Outbox.Wait, also while a lack of gas money or the chain's fees hold the transfer up.
func (c *cashier) wait(ctx context.Context, key string) (*chain.Receipt, error) {
	for {
		r, err := c.link.Outbox.Wait(ctx, key)
		var revert *chain.RevertError
		switch {
		case err == nil:
			return r, nil
		case errors.As(err, &revert), errors.Is(err, chain.ErrRefused):
			return nil, &gateway.PaymentError{Reason: gateway.ReasonState, Text: "the token refuses the transfer: " + c.link.Contracts.Explain(err).Error()}
		case ctx.Err() != nil, errors.Is(err, chain.ErrUnknownKey):
			return nil, fmt.Errorf("%w: %w", gateway.ErrUnsettled, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", gateway.ErrUnsettled, err)
		case <-time.After(c.link.poll):
		}
	}
}

// forget takes old transfers off the outbox once they are final.
func (c *cashier) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled = append(c.settled, key)
	for len(c.settled) > keptIntents && c.link.Outbox.Forget(c.settled[0]) == nil {
		c.settled = c.settled[1:]
	}
}

// authorization is a payment as the token reads it.
func authorization(p gateway.Payment) chain.Authorization {
	return chain.Authorization{From: p.From, To: p.To, Value: p.Value, ValidAfter: p.ValidAfter, ValidBefore: p.ValidBefore,
		Nonce: p.Nonce, Signature: p.Signature}
}
