package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"time"
)

const (
	settleMargin  = 20 * time.Second // that an authorisation is still valid when the work is over, so that its transfer can be mined
	settlePatient = 30 * time.Second // for a transfer to be mined
	shortestWork  = 10 * time.Second // that an authorisation must leave for the work
)

// purse is what a request says about payment.
type purse struct {
	free    bool   // a key pays, or nobody asks
	url     string // of what is asked for
	header  string // the payment; empty: none
	version int    // of the header it came in
}

// purse reads what a request says about payment.
func (g *Gateway) purse(w http.ResponseWriter, r *http.Request) purse {
	if g.options.Cashier == nil || owner(w) != "" {
		return purse{free: true}
	}
	p := purse{url: "http://" + r.Host + r.URL.Path, header: r.Header.Get("Payment-Signature"), version: 2}
	if r.TLS != nil {
		p.url = "https" + p.url[4:]
	}
	if p.header == "" {
		p.header, p.version = r.Header.Get("X-Payment"), 1
	}
	return p
}

// bill is what a request costs.
type bill struct {
	terms  Terms
	amount *big.Int
	url    string
}

// refuse asks for payment, or says why a payment is not taken. The terms go with it.
func (b *bill) refuse(reason, message string) *failure {
	f := failed(http.StatusPaymentRequired, "payment_required", "", reason, message)
	f.bill = b
	return f
}

// charge is the payment of a request in the making; nil: it is free. Nobody pays for an answer that fails: the transfer is
// made once the answer is complete. SPEC 16 §13.4.
type charge struct {
	cashier Cashier
	bill    *bill
	payment Payment
	log     *slog.Logger
	over    bool // settled, or not to be
}

// charge looks at the payment for a number of answers and sets it aside. The context that it returns ends while there is
// still time to have the transfer mined.
func (g *Gateway) charge(ctx context.Context, p purse, answers int) (*charge, context.Context, context.CancelFunc, error) {
	if p.free {
		return nil, ctx, func() {}, nil
	}
	c := g.options.Cashier
	terms := c.Terms()
	b := &bill{terms: terms, amount: new(big.Int).Mul(terms.Amount, big.NewInt(int64(answers))), url: p.url}
	if p.header == "" {
		return nil, ctx, nil, b.refuse("payment_required", fmt.Sprintf(
			"this request costs %s %s: pay as the terms say (x402), or send a key of this gateway", units(b.amount, terms.Decimals), clip(terms.Name, 64)))
	}
	pay, bad := b.read(p, g.options.Now())
	if bad != nil {
		return nil, ctx, nil, b.fail(bad)
	}
	if err := c.Hold(ctx, pay); err != nil {
		if errors.As(err, &bad) {
			return nil, ctx, nil, b.fail(bad)
		}
		return nil, ctx, nil, fmt.Errorf("%w: the payment cannot be checked now: %w", ErrUnavailable, err)
	}
	ctx, cancel := context.WithDeadlineCause(ctx, until(pay.ValidBefore, g.options.Now()), errLatePayment)
	return &charge{cashier: c, bill: b, payment: pay, log: g.log}, ctx, cancel, nil
}

// bill looks at the payment for the answers of a run; the function that it returns gives back what was not taken.
func (g *Gateway) bill(ctx context.Context, r *run) (context.Context, func(), error) {
	p, most := r.request.purse, r.request.maxPrice
	if most != nil && !p.free {
		cost, _ := new(big.Rat).SetString(g.price())
		if cost.Mul(cost, new(big.Rat).SetInt64(int64(len(r.strands)))).Cmp(most) > 0 {
			return ctx, nil, badParam("provider.max_price.request", "this request costs "+cost.FloatString(priceDigits)+", more than provider.max_price.request allows")
		}
	}
	c, ctx, cancel, err := g.charge(ctx, p, len(r.strands))
	if err != nil {
		return ctx, nil, err
	}
	r.charge = c
	return ctx, func() { cancel(); c.close() }, nil
}

// priceDigits are those after the point of a price in a message.
const priceDigits = 8

// price is what an answer costs who has no key, in whole tokens.
func (g *Gateway) price() string {
	if g.options.Cashier == nil {
		return "0"
	}
	t := g.options.Cashier.Terms()
	return units(t.Amount, t.Decimals)
}

// errLatePayment ends an answer that takes longer than its payment is valid.
var errLatePayment = fmt.Errorf("%w: the payment ran out before the answer was complete; nothing was taken", ErrUnavailable)

// until is when the work that a payment is for must be over. A far end is as good as none.
func until(before *big.Int, now time.Time) time.Time {
	left := 24 * time.Hour
	if before.Cmp(big.NewInt(now.Add(left).Unix())) < 0 {
		left = time.Unix(before.Int64(), 0).Add(-settleMargin).Sub(now)
	}
	return time.Now().Add(left) // contexts have the system's clock
}

// fail is the answer to a payment that is not taken: a payment that cannot be read is a bad request.
func (b *bill) fail(e *PaymentError) *failure {
	if e.Reason == reasonPayload || e.Reason == reasonVersion {
		return failed(http.StatusBadRequest, "invalid_request_error", "", e.Reason, e.Text)
	}
	return b.refuse(e.Reason, e.Text)
}

// read reads a payment and compares it with the bill.
func (b *bill) read(p purse, now time.Time) (Payment, *PaymentError) {
	text, bad := decodePayment(p.header)
	if bad != nil {
		return Payment{}, bad
	}
	if text.version != p.version {
		return Payment{}, &PaymentError{reasonVersion, fmt.Sprintf("a payment of version %d came in the header of version %d", text.version, p.version)}
	}
	network := networkName(b.terms.ChainID)
	if text.version == 1 {
		network = oldName(b.terms.ChainID)
	}
	switch {
	case text.scheme != "exact":
		return Payment{}, &PaymentError{reasonScheme, fmt.Sprintf("the scheme %q is not taken: use exact", clip(text.scheme, 40))}
	case text.network != network || network == "":
		return Payment{}, &PaymentError{reasonNetwork, fmt.Sprintf("the payment is on network %q, this gateway takes them on %q", clip(text.network, 40), network)}
	}
	if text.version == 2 {
		if token, err := unhex(text.asset, len(b.terms.Token)); err != nil || [20]byte(token) != b.terms.Token {
			return Payment{}, &PaymentError{reasonTerms, fmt.Sprintf("the payment is of the token %q, this gateway takes %#x", clip(text.asset, 50), b.terms.Token)}
		}
	}
	pay, bad := text.payment()
	if bad == nil {
		bad = b.compare(pay, now)
	}
	return pay, bad
}

// compare holds a payment to the bill.
func (b *bill) compare(p Payment, now time.Time) *PaymentError {
	seconds := big.NewInt(now.Unix())
	least := big.NewInt(now.Add(settleMargin + shortestWork).Unix())
	switch {
	case p.To != b.terms.PayTo:
		return &PaymentError{reasonRecipient, fmt.Sprintf("the payment goes to %#x, this gateway is paid at %#x", p.To, b.terms.PayTo)}
	case p.Value.Cmp(b.amount) != 0:
		return &PaymentError{reasonValue, fmt.Sprintf("the payment is of %s units, this request costs %s", p.Value, b.amount)}
	case p.ValidAfter.Cmp(seconds) >= 0:
		return &PaymentError{reasonEarly, fmt.Sprintf("the payment is valid after %s, and it is %s: sign it for a time that has begun", p.ValidAfter, seconds)}
	case p.ValidBefore.Cmp(seconds) <= 0:
		return &PaymentError{reasonLate, fmt.Sprintf("the payment expired at %s, and it is %s", p.ValidBefore, seconds)}
	case p.ValidBefore.Cmp(least) < 0:
		return &PaymentError{reasonLate, fmt.Sprintf("the payment expires at %s, before an answer can be made and the transfer mined: sign it for %d s",
			p.ValidBefore, int64(b.terms.Within/time.Second))}
	}
	return nil
}

// settle has the payment mined and returns the header that says so. An error means that there was no payment and shall be
// no answer. The client may have gone: what it was sent is paid.
func (c *charge) settle(ctx context.Context) (string, error) {
	if c == nil || c.over {
		return "", nil
	}
	c.over = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatient)
	defer cancel()
	tx, err := c.cashier.Settle(ctx, c.payment)
	said := settlement{Success: err == nil, Network: c.network(), Payer: fmt.Sprintf("%#x", c.payment.From)}
	var bad *PaymentError
	switch {
	case err == nil:
		said.Transaction = fmt.Sprintf("%#x", tx)
		return said.header(), nil
	case errors.As(err, &bad):
		f := c.bill.refuse(bad.Reason, bad.Text)
		said.Reason = bad.Reason
		f.settled = c.name() + ": " + said.header()
		return "", f
	}
	// What may be taken must be answered; it is the gateway's risk.
	c.log.LogAttrs(ctx, slog.LevelWarn, "a payment is not mined yet", slog.String("payer", said.Payer), slog.String("error", err.Error()))
	return "", nil
}

// collect settles before a whole answer is sent, and says so in its header.
func (c *charge) collect(ctx context.Context, w http.ResponseWriter) error {
	paid, err := c.settle(ctx)
	if paid != "" {
		w.Header().Set(c.name(), paid)
	}
	return err
}

// name is the header that answers a payment.
func (c *charge) name() string {
	if c.payment.version == 1 {
		return "X-Payment-Response"
	}
	return "Payment-Response"
}

// network is the name of the payment's network.
func (c *charge) network() string {
	if c.payment.version == 1 {
		return oldName(c.bill.terms.ChainID)
	}
	return networkName(c.bill.terms.ChainID)
}

// close gives back what was not taken.
func (c *charge) close() {
	if c != nil && !c.over {
		c.over = true
		c.cashier.Release(c.payment)
	}
}

// units is an amount as people write it: with the token's decimals.
func units(amount *big.Int, decimals uint8) string {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	r := new(big.Rat).SetFrac(amount, scale)
	text := r.FloatString(int(decimals))
	for decimals > 0 && text[len(text)-1] == '0' {
		text = text[:len(text)-1]
		decimals--
	}
	if text[len(text)-1] == '.' {
		text = text[:len(text)-1]
	}
	return text
}

// show writes the terms into the headers of an answer, and returns the members that clients of version 1 read in its body.
func (b *bill) show(h http.Header, message string) []byte {
	t := &b.terms
	extra := demandExtra{"eip3009", t.Name, t.Version}
	resource := demandResource{b.url, "an answer of a model, with a receipt", "application/json"}
	token, to, seconds := fmt.Sprintf("%#x", t.Token), fmt.Sprintf("%#x", t.PayTo), int64(t.Within/time.Second)
	h.Set("Payment-Required", base64.StdEncoding.EncodeToString(marshal(demand{2, message, resource, []demandAccepts{
		{"exact", networkName(t.ChainID), b.amount.String(), token, to, seconds, extra},
	}})))
	old := oldName(t.ChainID)
	if old == "" {
		return nil
	}
	extra.Method = ""
	terms := marshal([]oldAccepts{{
		Scheme: "exact", Network: old, Amount: b.amount.String(), Resource: resource.URL, Description: resource.Description, MimeType: resource.MimeType,
		Schema: []byte("null"), PayTo: to, Timeout: seconds, Asset: token, Extra: extra,
	}})
	return append([]byte(`"x402Version":1,"accepts":`), terms...)
}
