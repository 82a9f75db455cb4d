package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"elenchus"
	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/network/peer"
	"elenchus/service/gateway"
	"elenchus/service/node"
	"elenchus/settlement/dispute"

	"github.com/ethereum/go-ethereum/crypto"
)

// patient is a computer that waits before it hands out more than three ids until somebody has cancelled.
type patient struct {
	*engine.Computer
	cancelled chan struct{}
}

func (p *patient) Generate(ctx context.Context, job decode.Job, emit func(int32) error) (*trace.Answer, uint8, error) {
	made := 0
	return p.Computer.Generate(ctx, job, func(id int32) error {
		if made++; made > 3 {
			select {
			case <-p.cancelled:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return emit(id)
	})
}

// A client that leaves in the middle of a stream leaves a receipt behind: of the ids until then, with the signature of
// the gateway's key, which is the user. It verifies, execution included. SPEC 16 §4.10.
func TestWhoLeavesHasAReceipt(t *testing.T) {
	d := claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}
	man := toolsModel(t)
	user, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	cancelled := make(chan struct{})
	chain := arenatest.New(d, dispute.Params{D0: 8, Grace: 8}, time.Now)
	n, err := node.New(node.Options{Key: key, Domain: d, Chain: chain.Account(claim.AddressOf(key)), Dir: t.TempDir(), Window: time.Minute,
		Models: []node.Model{{Name: "m", Manifest: man, Computer: &patient{&engine.Computer{Manifest: man, Plain: true}, cancelled}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close() //nolint:errcheck // a test
	var once sync.Once
	face := n.Handler()
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		face.ServeHTTP(w, r)
		if r.URL.Path == "/v1/cancel" {
			once.Do(func() { close(cancelled) })
		}
	}))
	defer served.Close()
	b := &Backend{Domain: d, User: claim.AddressOf(user), Key: user, Peers: peer.New(http.DefaultClient), Nodes: []string{served.URL},
		Entropy: func(p []byte) { _, _ = rand.Read(p) }}
	if err := b.AddModel("m", man); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{}, 1)
	g, err := gateway.New(b, gateway.Options{Observe: func(s gateway.Seen) {
		if s.Answer > 0 {
			over <- struct{}{}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	defer s.Close()
	body := `{"model":"m","messages":[{"role":"user","content":"Once"}],"stream":true,"seed":3,"max_tokens":40}`
	id := leaveStream(t, s.URL, body)
	<-over
	res, err := http.Get(s.URL + "/v1/receipts/" + id)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s, %v", res.StatusCode, text, err)
	}
	r, err := receipt.Parse(string(text))
	if err != nil || r.Claim.Finish != claim.FinishCancelled || r.Claim.Count == 0 || r.Claim.Count > 4 {
		t.Fatalf("%+v, %v", r.Claim, err)
	}
	report, err := elenchus.Verify(t.Context(), string(text), elenchus.Options{Model: elenchus.NewModel(man), Request: []byte(body)})
	if err != nil || report.Outcome() != receipt.Holds {
		t.Fatalf("%+v, %v", report, err)
	}
	for answer, want := range map[string]receipt.Outcome{report.Output: receipt.Holds, report.Output[:1]: receipt.Holds, report.Output + "!": receipt.False} {
		f := elenchus.Options{Model: elenchus.NewModel(man), ExpectOutput: &answer}
		if got, err := elenchus.Verify(t.Context(), string(text), f); err != nil || got.Outcome() != want {
			t.Errorf("%q: %+v, %v", answer, got, err)
		}
	}
	for _, c := range report.Checks {
		if c.Name == "signature" && !strings.Contains(c.Detail, "by the signature of its user") {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
}

// leaveStream reads a stream until something was said and goes away; it returns the id of the receipt to come.
func leaveStream(t *testing.T, url, body string) string {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it is left
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"content":"`) {
			break
		}
	}
	return res.Header.Get("X-Elenchus-Receipt-Id")
}
