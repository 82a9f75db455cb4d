package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const payNow = 1800000000 // the clock of fixedOptions

// ledgerCashier is a cashier over a balance in memory.
type ledgerCashier struct {
	chain   uint64
	refuse  error // of Hold
	settles error // of Settle

	mu      sync.Mutex
	held    int
	settled []Payment
}

func (c *ledgerCashier) Terms() Terms {
	return Terms{ChainID: c.chain, Token: [20]byte{1}, Name: "coin", Version: "2", Decimals: 6, PayTo: [20]byte{2}, Amount: big.NewInt(1500),
		Within: 10 * time.Minute}
}

func (c *ledgerCashier) Hold(context.Context, Payment) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse == nil {
		c.held++
	}
	return c.refuse
}

func (c *ledgerCashier) Settle(_ context.Context, p Payment) ([32]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held--
	if c.settles != nil {
		return [32]byte{}, c.settles
	}
	c.settled = append(c.settled, p)
	return [32]byte{7}, nil
}

func (c *ledgerCashier) Release(Payment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held--
}

// fate is what became of payments: how many are set aside and how many were taken.
func (c *ledgerCashier) fate() (held, settled int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held, len(c.settled)
}

// object is a JSON object by paths of names: "payload.authorization.to".
type object map[string]any

func (o object) set(path string, v any) {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		if o[name] = v; v == nil {
			delete(o, name)
		}
		return
	}
	o[name].(object).set(rest, v)
}

// paymentOf is a payment of a version as clients write it, with changes by path.
func paymentOf(version int, changes ...any) string {
	o := object{"x402Version": version, "payload": object{
		"signature": "0x" + strings.Repeat("11", 65),
		"authorization": object{
			"from": "0x" + strings.Repeat("ab", 20), "to": "0x02" + strings.Repeat("00", 19), "value": "1500",
			"validAfter": fmt.Sprint(payNow - 600), "validBefore": fmt.Sprint(payNow + 600), "nonce": "0x" + strings.Repeat("05", 32),
		},
	}}
	if version == 1 {
		o["scheme"], o["network"] = "exact", "base-sepolia"
	} else {
		o["accepted"] = object{"scheme": "exact", "network": "eip155:84532", "amount": "1500", "asset": "0x01" + strings.Repeat("00", 19), "extra": object{}}
	}
	for i := 0; i+1 < len(changes); i += 2 {
		o.set(changes[i].(string), changes[i+1])
	}
	return base64.StdEncoding.EncodeToString(marshal(o))
}

const paidChat = `{"model":"toy/bytes","messages":[{"role":"user","content":"hi"}]}`

func payingGateway(t testing.TB, c *ledgerCashier, b *toyBackend, keys ...string) *Gateway {
	t.Helper()
	o := fixedOptions()
	o.Cashier, o.Keys = c, keys
	return newGateway(t, b, o)
}

// Who has no key is told what to pay, in both versions of x402, on a chain that the older has a name for.
func TestAnswersAreSold(t *testing.T) {
	c := &ledgerCashier{chain: 84532}
	g := payingGateway(t, c, &toyBackend{script: says("hello", FinishEOS)}, "a-key-that-is-long")
	for _, header := range [][]string{nil, {"Authorization", "Bearer made-up-by-an-sdk"}} {
		w := ask(g, "POST", "/v1/chat/completions", paidChat, header...)
		if w.Code != http.StatusPaymentRequired {
			t.Fatalf("got %d %s, want 402", w.Code, w.Body)
		}
		raw, err := base64.StdEncoding.DecodeString(w.Header().Get("Payment-Required"))
		if err != nil {
			t.Fatal(err)
		}
		want := `{"x402Version":2,"error":"this request costs 0.0015 coin: pay as the terms say (x402), or send a key of this gateway",` +
			`"resource":{"url":"http://127.0.0.1/v1/chat/completions","description":"an answer of a model, with a receipt","mimeType":"application/json"},` +
			`"accepts":[{"scheme":"exact","network":"eip155:84532","amount":"1500","asset":"0x0100000000000000000000000000000000000000",` +
			`"payTo":"0x0200000000000000000000000000000000000000","maxTimeoutSeconds":600,"extra":{"assetTransferMethod":"eip3009","name":"coin","version":"2"}}]}`
		if string(raw) != want {
			t.Errorf("terms:\n%s\nwant\n%s", raw, want)
		}
		var body struct {
			Version int `json:"x402Version"`
			Accepts []oldAccepts
			Error   struct{ Type, Code string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Version != 1 || len(body.Accepts) != 1 || body.Error.Code != "payment_required" {
			t.Fatalf("body %s: %v", w.Body, err)
		}
		if a := body.Accepts[0]; a.Network != "base-sepolia" || a.Amount != "1500" || a.Resource != "http://127.0.0.1/v1/chat/completions" {
			t.Errorf("terms of version 1: %+v", a)
		}
	}
	if w := ask(g, "POST", "/v1/chat/completions", paidChat, "Authorization", "Bearer a-key-that-is-long"); w.Code != http.StatusOK {
		t.Errorf("who has a key is asked to pay: %d", w.Code)
	}
	three := strings.Replace(paidChat, `{`, `{"n":3,`, 1)
	if w := ask(g, "POST", "/v1/chat/completions", three); !strings.Contains(w.Body.String(), `"maxAmountRequired":"4500"`) {
		t.Errorf("three answers are not three prices: %s", w.Body)
	}
	if w := ask(g, "GET", "/v1/models", ""); !strings.Contains(w.Body.String(), `"request":"0.0015"`) {
		t.Errorf("the models do not name the price: %s", w.Body)
	}
	cheap := strings.Replace(paidChat, `{`, `{"provider":{"max_price":{"request":"0.001"}},`, 1)
	if w := ask(g, "POST", "/v1/chat/completions", cheap); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "max_price") {
		t.Errorf("a price above max_price: %d %s", w.Code, w.Body)
	}
	if held, settled := c.fate(); held != 0 || settled != 0 {
		t.Errorf("%d held and %d taken without a payment", held, settled)
	}
}

// A whole answer says in a header that it was paid, a stream in its last chunk; each once.
func TestPaidAnswers(t *testing.T) {
	for _, v := range []struct {
		what, path, body, header, reply, place string
		version                                int
	}{
		{"version 2", "/v1/chat/completions", paidChat, "Payment-Signature", "Payment-Response", "", 2},
		{"version 1", "/v1/chat/completions", paidChat, "X-Payment", "X-Payment-Response", "", 1},
		{"messages", "/v1/messages", paidChat, "Payment-Signature", "Payment-Response", "", 2},
		{"ollama", "/api/chat", strings.Replace(paidChat, "{", `{"stream":false,`, 1), "Payment-Signature", "Payment-Response", "", 2},
		{"a stream", "/v1/chat/completions", strings.Replace(paidChat, "{", `{"stream":true,`, 1), "Payment-Signature", "", `"elenchus_payment":"`, 2},
		{"a stream of messages", "/v1/messages", strings.Replace(paidChat, "{", `{"stream":true,`, 1), "Payment-Signature", "", `"elenchus_payment":"`, 2},
		{"lines", "/api/chat", paidChat, "Payment-Signature", "", `"elenchus_payment":"`, 2},
		{"responses", "/v1/responses", `{"model":"toy/bytes","input":"hi","stream":true}`, "Payment-Signature", "", `"elenchus_payment":"`, 2},
	} {
		t.Run(v.what, func(t *testing.T) {
			c := &ledgerCashier{chain: 84532}
			g := payingGateway(t, c, &toyBackend{script: says("hello", FinishEOS)})
			w := ask(g, "POST", v.path, v.body, v.header, paymentOf(v.version))
			text := w.Header().Get(v.reply)
			if v.place != "" {
				_, text, _ = strings.Cut(w.Body.String(), v.place)
				text, _, _ = strings.Cut(text, `"`)
			}
			raw, err := base64.StdEncoding.DecodeString(text)
			var said settlement
			if err == nil {
				err = json.Unmarshal(raw, &said)
			}
			if w.Code != http.StatusOK || err != nil || !said.Success || said.Transaction != "0x07"+strings.Repeat("00", 31) {
				t.Fatalf("got %d %q %v, settlement %q", w.Code, w.Body, err, raw)
			}
			if held, settled := c.fate(); held != 0 || settled != 1 {
				t.Errorf("%d held and %d taken", held, settled)
			}
		})
	}
}

// What a payment can be wrong in: each has its own word, and nothing is taken.
func TestWrongPayments(t *testing.T) {
	auth := "payload.authorization."
	for _, v := range []struct {
		what    string
		payment string
		status  int
		code    string
	}{
		{"no base64", "{}", 400, reasonPayload},
		{"no JSON", base64.StdEncoding.EncodeToString([]byte("pay")), 400, reasonPayload},
		{"too long", strings.Repeat("A", maxPayment+4), 400, reasonPayload},
		{"another version", paymentOf(2, "x402Version", 3), 400, reasonVersion},
		{"version 1 in the header of 2", paymentOf(1), 400, reasonVersion},
		{"another scheme", paymentOf(2, "accepted.scheme", "upto"), 402, reasonScheme},
		{"another network", paymentOf(2, "accepted.network", "eip155:1"), 402, reasonNetwork},
		{"another token", paymentOf(2, "accepted.asset", "0x"+strings.Repeat("09", 20)), 402, reasonTerms},
		{"no token", paymentOf(2, "accepted.asset", nil), 402, reasonTerms},
		{"another receiver", paymentOf(2, auth+"to", "0x"+strings.Repeat("09", 20)), 402, reasonRecipient},
		{"too little", paymentOf(2, auth+"value", "1499"), 402, reasonValue},
		{"too much", paymentOf(2, auth+"value", "1501"), 402, reasonValue},
		{"expired", paymentOf(2, auth+"validBefore", fmt.Sprint(payNow)), 402, reasonLate},
		{"soon to expire", paymentOf(2, auth+"validBefore", fmt.Sprint(payNow+29)), 402, reasonLate},
		{"not yet valid", paymentOf(2, auth+"validAfter", fmt.Sprint(payNow)), 402, reasonEarly},
		{"a number that is none", paymentOf(2, auth+"value", "0x5dc"), 400, reasonPayload},
		{"a number above 256 bits", paymentOf(2, auth+"validBefore", strings.Repeat("9", 78)), 400, reasonPayload},
		{"no nonce", paymentOf(2, auth+"nonce", nil), 400, reasonPayload},
		{"a contract's signature", paymentOf(2, "payload.signature", "0x"+strings.Repeat("11", 96)), 402, ReasonSignature},
	} {
		t.Run(v.what, func(t *testing.T) {
			c := &ledgerCashier{chain: 84532}
			b := &toyBackend{script: says("hello", FinishEOS)}
			w := ask(payingGateway(t, c, b), "POST", "/v1/chat/completions", paidChat, "Payment-Signature", v.payment)
			var body struct{ Error struct{ Code string } }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != v.status || body.Error.Code != v.code {
				t.Errorf("got %d %s (%v), want %d %s", w.Code, w.Body, err, v.status, v.code)
			}
			if has := w.Header().Get("Payment-Required") != ""; has != (v.status == 402) {
				t.Errorf("terms come with %d: %v", v.status, has)
			}
			if held, settled := c.fate(); held != 0 || settled != 0 || len(b.jobs) != 0 {
				t.Errorf("%d held, %d taken, %d jobs", held, settled, len(b.jobs))
			}
		})
	}
}

// Nobody pays for an answer that fails, and nobody gets a whole answer whose payment does.
func TestPaymentsOfFailures(t *testing.T) {
	streamed := strings.Replace(paidChat, "{", `{"stream":true,`, 1)
	gone := errors.New("nonce used")
	for _, v := range []struct {
		what    string
		body    string
		c       *ledgerCashier
		b       *toyBackend
		status  int
		settled int
		says    string
	}{
		{"the node dies", paidChat, &ledgerCashier{}, &toyBackend{script: says("he", 0), after: fmt.Errorf("%w: it left", ErrUnavailable)}, 503, 0, "unavailable"},
		{"it dies in the middle of a stream", streamed, &ledgerCashier{},
			&toyBackend{script: says("he", 0), after: fmt.Errorf("%w: it left", ErrUnavailable)}, 200, 0, "unavailable"},
		{"no node takes the job", paidChat, &ledgerCashier{}, &toyBackend{err: map[string]error{"toy/bytes": ErrBusy}}, 429, 0, "rate_limit_exceeded"},
		{"the chain cannot be asked", paidChat, &ledgerCashier{refuse: errors.New("connection refused")}, &toyBackend{script: says("hello", FinishEOS)},
			503, 0, "cannot be checked now"},
		{"the chain refuses before", paidChat, &ledgerCashier{refuse: &PaymentError{ReasonFunds, "too poor"}}, &toyBackend{script: says("hello", FinishEOS)},
			402, 0, ReasonFunds},
		{"the chain refuses after", paidChat, &ledgerCashier{settles: &PaymentError{ReasonState, "spent"}}, &toyBackend{script: says("hello", FinishEOS)},
			402, 0, ReasonState},
		{"it refuses after a stream", streamed, &ledgerCashier{settles: &PaymentError{ReasonState, "spent"}}, &toyBackend{script: says("hello", FinishEOS)},
			200, 0, ReasonState},
		{"it is slow", paidChat, &ledgerCashier{settles: fmt.Errorf("%w: %w", ErrUnsettled, gone)}, &toyBackend{script: says("hello", FinishEOS)}, 200, 0, "hello"},
	} {
		t.Run(v.what, func(t *testing.T) {
			v.c.chain = 84532
			w := ask(payingGateway(t, v.c, v.b), "POST", "/v1/chat/completions", v.body, "Payment-Signature", paymentOf(2))
			if w.Code != v.status || !strings.Contains(w.Body.String(), v.says) {
				t.Errorf("got %d %s, want %d and %q", w.Code, w.Body, v.status, v.says)
			}
			if held, settled := v.c.fate(); held != 0 || settled != v.settled {
				t.Errorf("%d held and %d taken", held, settled)
			}
			spent := strings.Contains(v.what, "refuses after")
			if spent && v.status == 402 && w.Header().Get("Payment-Response") == "" {
				t.Error("no header says that the payment failed")
			}
			if spent && strings.Contains(w.Body.String(), receipt) {
				t.Error("an answer that is not paid carries a receipt")
			}
			if strings.Contains(w.Body.String(), "nonce used") {
				t.Error("an error of the chain reached the client")
			}
		})
	}
}

// Who reads a stream and leaves before its end pays what was sent.
func TestWhoLeavesAStreamPays(t *testing.T) {
	c := &ledgerCashier{chain: 84532}
	g := payingGateway(t, c, &toyBackend{script: says("hello", 0), ends: make(chan error, 1)})
	url, stop, result := serve(t, g)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, "POST", url+"/v1/chat/completions", strings.NewReader(strings.Replace(paidChat, "{", `{"stream":true,`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Payment-Signature", paymentOf(2))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := res.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	leave()
	_ = res.Body.Close()
	stop()
	if err := <-result; err != nil { // once the handler has returned
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	if held, settled := c.fate(); held != 0 || settled != 1 {
		t.Errorf("%d held and %d taken", held, settled)
	}
}

// FuzzPayment: no header makes the reader panic, and what is read is in its bounds.
func FuzzPayment(f *testing.F) {
	for _, version := range []int{1, 2} {
		raw, err := base64.StdEncoding.DecodeString(paymentOf(version))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	b := &bill{terms: (&ledgerCashier{chain: 84532}).Terms(), amount: big.NewInt(1500)}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, version := range []int{1, 2} {
			p, bad := b.read(purse{header: base64.StdEncoding.EncodeToString(raw), version: version}, time.Unix(payNow, 0))
			if bad == nil && (p.Value.Cmp(b.amount) != 0 || p.To != b.terms.PayTo || p.ValidBefore.BitLen() > 256) {
				t.Errorf("a payment that does not fit was taken: %+v", p)
			}
			if bad != nil && (bad.Reason == "" || bad.Text == "") {
				t.Errorf("a refusal without a reason: %+v", bad)
			}
		}
	})
}
