package app

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"elenchus/commitment/claim"
	"elenchus/compute/grammar"
	"elenchus/compute/template"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/service/gateway"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

const answerPrice = 1500 // units of the test token

// shop is a gateway that sells answers on an embedded chain with the contracts of the deployment, the token among them.
type shop struct {
	t       *testing.T
	url     string
	gateway *httptest.Server
	link    *Link
	cashier *cashier
	broken  bool // answers fail
}

// newShop opens a shop on the chain of Base Sepolia's number, which x402 has names for in both versions.
func newShop(t *testing.T) *shop {
	t.Helper()
	owner := testKey(t, 1)
	rich := new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))
	embedded, err := devchain.Start(t.Context(), devchain.Options{
		Mode: devchain.OnDemand, ChainID: 84532, Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(owner.PublicKey): rich},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = embedded.Close() })
	c, err := chain.Dial(t.Context(), embedded.HTTP(), 84532)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	signer, err := chain.NewSigner(owner)
	if err != nil {
		t.Fatal(err)
	}
	p := chain.DevnetParams()
	at, err := chain.Deploy(t.Context(), c, signer, p)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t: t}
	if s.link, err = OpenLink(t.Context(), embedded.HTTP(), at, owner, t.TempDir(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.link.Run(life) }()
	if s.cashier, err = newCashier(life, s.link, PayOptions{Price: fmt.Sprint(answerPrice), To: "0x" + strings.Repeat("77", 20)}); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(shelfBackend{s}, gateway.Options{Cashier: s.cashier})
	if err != nil {
		t.Fatal(err)
	}
	s.gateway = httptest.NewServer(g)
	s.url = s.gateway.URL
	t.Cleanup(func() {
		s.gateway.Close()
		end()
		<-ended
		s.cashier.late.Wait()
		_ = s.link.Close()
	})
	return s
}

// testKey is the nth key of a test.
func testKey(t *testing.T, n byte) *ecdsa.PrivateKey {
	t.Helper()
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// mint gives an account tokens.
func (s *shop) mint(to common.Address, units uint64) {
	s.t.Helper()
	i, err := s.link.Contracts.Mint(fmt.Sprintf("mint/%v/%d", to, time.Now().UnixNano()), claim.Address(to), claim.Units(units))
	if err == nil {
		err = s.link.Do(s.t.Context(), i)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// balance is what an account has.
func (s *shop) balance(of common.Address) uint64 {
	s.t.Helper()
	b, err := s.cashier.token.Balance(s.t.Context(), of)
	if err != nil {
		s.t.Fatal(err)
	}
	return b.Uint64()
}

// order is a payment that a client may sign.
type order struct {
	key   *ecdsa.PrivateKey
	nonce byte
	value int64
	after time.Duration // from now
	until time.Duration
	forge bool // somebody else signs
}

// sign writes the header of a payment.
func (s *shop) sign(o order) string {
	s.t.Helper()
	now := time.Now()
	a := chain.Authorization{
		From: crypto.PubkeyToAddress(o.key.PublicKey), To: s.cashier.terms.PayTo, Value: big.NewInt(o.value),
		ValidAfter: big.NewInt(now.Add(o.after).Unix()), ValidBefore: big.NewInt(now.Add(o.until).Unix()), Nonce: [32]byte{o.nonce},
	}
	key := o.key
	if o.forge {
		key = testKey(s.t, 99)
	}
	sig, err := claim.Sign(s.cashier.token.Digest(a), key)
	if err != nil {
		s.t.Fatal(err)
	}
	t := s.cashier.terms
	raw, err := json.Marshal(map[string]any{
		"x402Version": 2,
		"accepted": map[string]any{"scheme": "exact", "network": "eip155:84532", "amount": fmt.Sprint(answerPrice),
			"asset": common.Address(t.Token).Hex(), "payTo": common.Address(t.PayTo).Hex()},
		"payload": map[string]any{"signature": fmt.Sprintf("%#x", sig), "authorization": map[string]string{
			"from": a.From.Hex(), "to": a.To.Hex(), "value": a.Value.String(), "validAfter": a.ValidAfter.String(),
			"validBefore": a.ValidBefore.String(), "nonce": fmt.Sprintf("%#x", a.Nonce),
		}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// ask asks a question with a payment and returns status, code of an error and the header that says what was paid.
func (s *shop) ask(payment string) (status int, code, paid string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url+"/v1/completions", strings.NewReader(`{"model":"shelf","prompt":"a"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Payment-Signature", payment)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	var body struct{ Error struct{ Code string } }
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, body.Error.Code, res.Header.Get("Payment-Response")
}

// A payment moves tokens on the chain, once, and only for an answer.
func TestPaymentsMoveTokens(t *testing.T) {
	s := newShop(t)
	payer, to := testKey(t, 2), common.Address(s.cashier.terms.PayTo)
	from := crypto.PubkeyToAddress(payer.PublicKey)
	s.mint(from, 2*answerPrice)
	good := order{key: payer, nonce: 1, value: answerPrice, after: -time.Hour, until: time.Hour}
	change := func(f func(*order)) order {
		o := good
		f(&o)
		return o
	}
	for _, v := range []struct {
		what   string
		order  order
		broken bool
		status int
		code   string
		taken  uint64 // answers that were paid after it
	}{
		{"forged", change(func(o *order) { o.forge = true }), false, 402, gateway.ReasonSignature, 0},
		{"an answer that fails", good, true, 503, "unavailable", 0},
		{"good, after the failure", good, false, 200, "", 1},
		{"replayed", good, false, 402, gateway.ReasonState, 1},
		{"expired", change(func(o *order) { o.nonce, o.until = 2, -time.Minute }), false, 402, "invalid_exact_evm_payload_authorization_valid_before", 1},
		{"too little", change(func(o *order) { o.nonce, o.value = 2, answerPrice-1 }), false, 402, "invalid_exact_evm_payload_authorization_value_mismatch", 1},
		{"another", change(func(o *order) { o.nonce = 3 }), false, 200, "", 2},
		{"without funds", change(func(o *order) { o.nonce = 4 }), false, 402, gateway.ReasonFunds, 2},
	} {
		s.broken = v.broken
		status, code, paid := s.ask(s.sign(v.order))
		if status != v.status || code != v.code || (paid != "") != (status == 200) {
			t.Fatalf("%s: got %d %q with header %q, want %d %q", v.what, status, code, paid, v.status, v.code)
		}
		if got := s.balance(to); got != v.taken*answerPrice {
			t.Fatalf("%s: %d units were taken, want %d", v.what, got, v.taken*answerPrice)
		}
	}
}

// One balance does not pay two requests at the same time, and a nonce neither.
func TestHeldPaymentsAreSpokenFor(t *testing.T) {
	s := newShop(t)
	payer := testKey(t, 2)
	from := crypto.PubkeyToAddress(payer.PublicKey)
	s.mint(from, answerPrice)
	pay := func(nonce byte) gateway.Payment {
		p := gateway.Payment{From: from, To: s.cashier.terms.PayTo, Value: big.NewInt(answerPrice), ValidAfter: new(big.Int),
			ValidBefore: big.NewInt(1 << 40), Nonce: [32]byte{nonce}}
		sig, err := claim.Sign(s.cashier.token.Digest(authorization(p)), payer)
		if err != nil {
			t.Fatal(err)
		}
		p.Signature = sig
		return p
	}
	refused := func(p gateway.Payment, why string) {
		t.Helper()
		var bad *gateway.PaymentError
		if err := s.cashier.Hold(t.Context(), p); !errors.As(err, &bad) || bad.Reason != why {
			t.Fatalf("got %v, want %s", err, why)
		}
	}
	first, second := pay(1), pay(2)
	if err := s.cashier.Hold(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	refused(first, gateway.ReasonState)
	refused(second, gateway.ReasonFunds)
	s.cashier.Release(first)
	if err := s.cashier.Hold(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	// The payer spends the balance elsewhere between question and answer: nothing is taken, and it is said.
	away := pay(3)
	i, err := s.cashier.token.Transfer("away", authorization(away))
	if err == nil {
		err = s.link.Do(t.Context(), i)
	}
	if err != nil {
		t.Fatal(err)
	}
	var bad *gateway.PaymentError
	if _, err := s.cashier.Settle(t.Context(), second); !errors.As(err, &bad) || bad.Reason != gateway.ReasonState {
		t.Fatalf("got %v, want %s", err, gateway.ReasonState)
	}
	if len(s.cashier.held) != 0 {
		t.Errorf("%d payers are still held", len(s.cashier.held))
	}
}

// The official client of x402 pays, in both versions, with nothing but a key.
func TestOfficialPaymentClient(t *testing.T) {
	packages, err := filepath.Abs("../tools/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("NODE_PATH") == "" {
		t.Setenv("NODE_PATH", packages)
	}
	probe := exec.CommandContext(t.Context(), "node", "-e", "require.resolve('@x402/fetch')")
	if out, err := probe.CombinedOutput(); err != nil {
		if slices.Contains(strings.Split(os.Getenv("ELENCHUS_REQUIRE"), ","), "x402-node") {
			t.Fatalf("x402-node is required and does not load: %v\n%s", err, out)
		}
		t.Skip("@x402/fetch is not installed: npm install in tools")
	}
	s := newShop(t)
	payer := testKey(t, 3)
	s.mint(crypto.PubkeyToAddress(payer.PublicKey), 3*answerPrice)
	out, err := exec.CommandContext(t.Context(), "node", "testdata/pay.cjs", s.url, fmt.Sprintf("%#x", crypto.FromECDSA(payer)),
		common.Address(s.cashier.terms.Token).Hex()).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.balance(s.cashier.terms.PayTo); got != 3*answerPrice {
		t.Errorf("%d units were taken, want %d", got, 3*answerPrice)
	}
}

// shelfBackend answers "b".
type shelfBackend struct{ s *shop }

func (shelfBackend) Models(context.Context) ([]gateway.Model, error) {
	return []gateway.Model{{ID: strings.Repeat("ab", 32), Name: "shelf", ContextLength: 16, Vocab: 256}}, nil
}

func (shelfBackend) Codec(context.Context, string) (gateway.Codec, error) { return shelfCodec{}, nil }

func (b shelfBackend) Submit(context.Context, gateway.Job) (gateway.Stream, error) {
	if b.s.broken {
		return nil, gateway.ErrUnavailable
	}
	return &shelfStream{}, nil
}

func (shelfCodec) Bind(context.Context, []byte, []int32) (*grammar.Grammar, error) {
	return nil, gateway.ErrInvalid
}

type shelfStream struct{ sent bool }

func (*shelfStream) ReceiptID() string { return "" }

func (*shelfStream) Cancel(context.Context, int) (string, error) { return "", gateway.ErrInvalid }

func (s *shelfStream) Next(context.Context) (gateway.Event, error) {
	if s.sent {
		return gateway.Event{Finish: gateway.FinishEOS}, nil
	}
	s.sent = true
	return gateway.Event{Token: 'b'}, nil
}

type shelfCodec struct{}

func (shelfCodec) EncodeChat(template.Conversation) ([]int32, error) { return []int32{'a'}, nil }
func (shelfCodec) Syntax() *template.Syntax                          { return nil }
func (shelfCodec) Effort(template.Effort) (ok, own bool)             { return true, true }
func (shelfCodec) Thoughts(template.Conversation) *template.Thoughts { return nil }
func (shelfCodec) EncodeText(text string) ([]int32, error)           { return []int32{'a'}, nil }
func (shelfCodec) Piece(id int32) string                             { return string(rune(id)) }
func (shelfCodec) NewDecoder([]int32) gateway.Decoder                { return shelfDecoder{} }

type shelfDecoder struct{}

func (shelfDecoder) Write(id int32) string { return string(rune(id)) }
func (shelfDecoder) Flush() string         { return "" }
func (shelfDecoder) Until([]string)        {}
func (shelfDecoder) Aloud(...string)       {}
func (shelfDecoder) Stopped() string       { return "" }
