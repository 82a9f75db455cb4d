package gateway

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Cashier takes payments by the scheme exact of x402: transfers of a token (EIP-3009) that the payer signs and the cashier
// has mined. Many goroutines use it at once. SPEC 16 §13.
type Cashier interface {
	// Terms are what one answer costs. They never change.
	Terms() Terms
	// Hold checks what the chain decides about a payment (signature, nonce, balance, whether the transfer would pass) and
	// sets it aside, so that neither its nonce nor its part of the balance counts for another until Settle or Release.
	// Whoever calls has compared it with the terms. An error is a *PaymentError, or says why the chain could not be asked.
	Hold(ctx context.Context, p Payment) error
	// Settle has a payment that is held mined and returns the hash of the transaction. An error is a *PaymentError if there
	// will be no transfer; it matches ErrUnsettled if there may yet be one.
	Settle(ctx context.Context, p Payment) (tx [32]byte, err error)
	// Release forgets a payment that is held: there will be no transfer.
	Release(p Payment)
}

// ErrUnsettled says that a transfer was handed to the chain and was not mined in time; it may be mined later.
var ErrUnsettled = errors.New("the payment is not mined yet")

// Terms are what a Cashier asks. The zero value asks nothing and is illegal.
type Terms struct {
	ChainID  uint64
	Token    [20]byte // with transferWithAuthorization
	Name     string   // of the token's EIP-712 domain
	Version  string   // of the same
	Decimals uint8    // of the token: for people
	PayTo    [20]byte
	Amount   *big.Int      // smallest units of the token for one answer, 1 to 2^128-1
	Within   time.Duration // how long an authorisation shall be valid, seconds
}

// Payment is a transfer that a payer has authorised. Numbers are from 0 to 2^256-1.
type Payment struct {
	From, To                       [20]byte
	Value, ValidAfter, ValidBefore *big.Int // units of the token; unix seconds
	Nonce                          [32]byte
	Signature                      [65]byte // r, s, v
	version                        int      // of x402: 1 or 2
}

// PaymentError says why a payment is not taken.
type PaymentError struct {
	Reason string // the word of x402
	Text   string // for people
}

// Error is the text.
func (e *PaymentError) Error() string { return e.Text }

// The words of x402 for what can be wrong with a payment.
const (
	reasonPayload   = "invalid_payload"
	reasonVersion   = "invalid_x402_version"
	reasonScheme    = "unsupported_scheme"
	reasonNetwork   = "invalid_network"
	reasonTerms     = "invalid_payment_requirements"
	reasonValue     = "invalid_exact_evm_payload_authorization_value_mismatch"
	reasonRecipient = "invalid_exact_evm_payload_recipient_mismatch"
	reasonEarly     = "invalid_exact_evm_payload_authorization_valid_after"
	reasonLate      = "invalid_exact_evm_payload_authorization_valid_before"

	ReasonSignature = "invalid_exact_evm_payload_signature"
	ReasonFunds     = "insufficient_funds"
	ReasonState     = "invalid_transaction_state" // the nonce was used, or the transfer would revert
)

// maxPayment bounds the header of a payment, in bytes.
const maxPayment = 8 << 10

// paymentText is a payment as it travels, of either version.
type paymentText struct {
	version         int
	scheme, network string // version 1 has them beside the payload, version 2 in what was accepted
	asset, amount   string // version 2 alone
	signature       string
	authorization   map[string]string
}

// decodePayment reads the header of a payment: base64 of a JSON object. What it does not know is ignored.
func decodePayment(header string) (*paymentText, *PaymentError) {
	if len(header) > maxPayment {
		return nil, badPayment(fmt.Sprintf("the header has %d bytes, at most %d are read", len(header), maxPayment))
	}
	raw, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return nil, badPayment("the header is not base64")
	}
	p := &paymentText{authorization: make(map[string]string)}
	f := checkText(raw)
	if f == nil {
		f = inside(raw, "the payment", p.top)
	}
	switch {
	case f != nil:
		return nil, badPayment(f.Message)
	case p.version != 1 && p.version != 2:
		return nil, &PaymentError{reasonVersion, fmt.Sprintf("the payment has x402Version %d: use 2, or 1", p.version)}
	}
	return p, nil
}

func badPayment(text string) *PaymentError {
	return &PaymentError{reasonPayload, "the payment cannot be read: " + text}
}

// top reads a member of the payment.
func (p *paymentText) top(name string, m member) (f *failure) {
	switch name {
	case "x402Version":
		var n int64
		n, f = readInt(m, 0, 1<<16)
		p.version = int(n)
	case "scheme":
		p.scheme, f = readString(m, maxNameText)
	case "network":
		p.network, f = readString(m, maxNameText)
	case "accepted":
		f = inside(m.value, m.name, p.accepted)
	case "payload":
		f = inside(m.value, m.name, p.payload)
	}
	return f
}

func (p *paymentText) accepted(name string, m member) (f *failure) {
	fields := map[string]*string{"scheme": &p.scheme, "network": &p.network, "asset": &p.asset, "amount": &p.amount}
	if into := fields[name]; into != nil {
		*into, f = readString(m, maxNameText)
	}
	return f
}

func (p *paymentText) payload(name string, m member) (f *failure) {
	switch name {
	case "signature":
		p.signature, f = readString(m, maxPayment)
	case "authorization":
		f = inside(m.value, m.name, func(name string, m member) (f *failure) {
			p.authorization[name], f = readString(m, maxNameText)
			return f
		})
	}
	return f
}

// payment is what the text says.
func (p *paymentText) payment() (Payment, *PaymentError) {
	out := Payment{version: p.version}
	signature, err := unhex(p.signature, -1)
	if err != nil {
		return out, badPayment("payload.signature: " + err.Error())
	}
	if len(signature) != len(out.Signature) {
		return out, &PaymentError{ReasonSignature,
			fmt.Sprintf("the signature has %d bytes: 65 of an account with a key are taken, none of contract accounts", len(signature))}
	}
	copy(out.Signature[:], signature)
	for name, into := range map[string][]byte{"from": out.From[:], "to": out.To[:], "nonce": out.Nonce[:]} {
		b, err := unhex(p.authorization[name], len(into))
		if err != nil {
			return out, badPayment("payload.authorization." + name + ": " + err.Error())
		}
		copy(into, b)
	}
	for name, into := range map[string]**big.Int{"value": &out.Value, "validAfter": &out.ValidAfter, "validBefore": &out.ValidBefore} {
		n, ok := decimal(p.authorization[name])
		if !ok {
			return out, badPayment("payload.authorization." + name + " must be a text of decimal digits below 2^256")
		}
		*into = n
	}
	return out, nil
}

// unhex reads 0x and two digits for each of n bytes; below 0: of any number.
func unhex(text string, n int) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	b, err := hex.DecodeString(digits)
	switch {
	case !ok || err != nil:
		return nil, errors.New("it must be 0x and pairs of hex digits")
	case n >= 0 && len(b) != n:
		return nil, fmt.Errorf("it has %d bytes, want %d", len(b), n)
	}
	return b, nil
}

// decimal reads a number of at most 256 bits.
func decimal(text string) (*big.Int, bool) {
	if text == "" || len(text) > 78 || strings.Trim(text, "0123456789") != "" {
		return nil, false
	}
	n, ok := new(big.Int).SetString(text, 10)
	return n, ok && n.BitLen() <= 256
}

// settlement is what became of a payment, for the header of the answer.
type settlement struct {
	Success     bool   `json:"success"`
	Reason      string `json:"errorReason,omitempty"`
	Transaction string `json:"transaction"`
	Network     string `json:"network"`
	Payer       string `json:"payer,omitempty"`
}

// header is the settlement as it travels.
func (s settlement) header() string { return base64.StdEncoding.EncodeToString(marshal(s)) }

// demand is a 402 answer's terms, of version 2.
type demand struct {
	Version  int             `json:"x402Version"`
	Error    string          `json:"error"`
	Resource demandResource  `json:"resource"`
	Accepts  []demandAccepts `json:"accepts"`
}

type demandResource struct {
	URL         string `json:"url"`
	Description string `json:"description"`
	MimeType    string `json:"mimeType"`
}

type demandAccepts struct {
	Scheme  string      `json:"scheme"`
	Network string      `json:"network"`
	Amount  string      `json:"amount"`
	Asset   string      `json:"asset"`
	PayTo   string      `json:"payTo"`
	Timeout int64       `json:"maxTimeoutSeconds"`
	Extra   demandExtra `json:"extra"`
}

type demandExtra struct {
	Method  string `json:"assetTransferMethod,omitempty"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// oldAccepts are the terms of version 1.
type oldAccepts struct {
	Scheme      string          `json:"scheme"`
	Network     string          `json:"network"`
	Amount      string          `json:"maxAmountRequired"`
	Resource    string          `json:"resource"`
	Description string          `json:"description"`
	MimeType    string          `json:"mimeType"`
	Schema      json.RawMessage `json:"outputSchema"`
	PayTo       string          `json:"payTo"`
	Timeout     int64           `json:"maxTimeoutSeconds"`
	Asset       string          `json:"asset"`
	Extra       demandExtra     `json:"extra"`
}

// networkName is the name that version 2 has for a chain.
func networkName(chain uint64) string { return fmt.Sprintf("eip155:%d", chain) }

// oldName is the name that version 1 has for a chain, "" if it has none.
func oldName(chain uint64) string {
	return map[uint64]string{
		8453: "base", 84532: "base-sepolia", 43114: "avalanche", 43113: "avalanche-fuji", 137: "polygon", 80002: "polygon-amoy",
	}[chain]
}
