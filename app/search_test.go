package app

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/importer"
	"elenchus/models"
	"elenchus/network/peer"
	"elenchus/service/gateway"

	"github.com/ethereum/go-ethereum/crypto"
)

// mortal is a node that sends ids and breaks off after some of them, or signs a receipt after all.
type mortal struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	ids   []int32
	after int // ids before it breaks off; len(ids): never
	asked int
	wants any // the logprobs that it was asked for
}

func (n *mortal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		_, _ = fmt.Fprintf(w, `{"address":"0x%x"}`, claim.AddressOf(n.key))
		return
	}
	n.asked++
	body, _ := io.ReadAll(r.Body)
	var asked map[string]any
	if err := json.Unmarshal(body, &asked); err != nil {
		n.t.Error(err)
	}
	n.wants = asked["logprobs"]
	for _, id := range n.ids[:n.after] {
		_, _ = fmt.Fprintf(w, "{\"token\":%d,\"logprob\":-65536,\"top\":[[%d,-5]]}\n", id, id)
	}
	if n.after == len(n.ids) {
		n.sign(w, asked["request"].(string))
	}
}

func (n *mortal) sign(w io.Writer, request string) {
	d := claim.Domain{ChainID: 7, Arena: claim.Address{1}}
	q, err := claim.DecodeRequest(raw64(n.t, request))
	if err != nil {
		n.t.Error(err)
		return
	}
	c := claim.Claim{
		Version: claim.Version, Node: claim.AddressOf(n.key), RequestDigest: q.Digest(d), Count: uint32(len(n.ids)),
		Finish: claim.FinishLength, OutputRoot: trace.IDTree(n.ids).Root(),
	}
	sig, err := claim.Sign(c.Digest(d), n.key)
	if err != nil {
		n.t.Error(err)
		return
	}
	text, err := (&receipt.Receipt{Domain: d, Request: q, Claim: c, Signature: sig, Prompt: []int32{1, 2}, Output: n.ids}).Text()
	if err != nil {
		n.t.Error(err)
	}
	_, _ = fmt.Fprintf(w, "{\"receipt\":%q}\n", text)
}

// nodes starts nodes and a backend over them.
func nodes(t *testing.T, all ...*mortal) (*Backend, gateway.Job) {
	t.Helper()
	man, err := importer.Bytes(models.Default(), importer.Options{Bits: 8})
	if err != nil {
		t.Fatal(err)
	}
	b := &Backend{Domain: claim.Domain{ChainID: 7, Arena: claim.Address{1}}, Peers: peer.New(http.DefaultClient), Entropy: func([]byte) {}}
	for _, n := range all {
		n.t = t
		if n.key, err = crypto.GenerateKey(); err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(n)
		t.Cleanup(s.Close)
		b.Nodes = append(b.Nodes, s.URL)
	}
	if err := b.AddModel("m", man); err != nil {
		t.Fatal(err)
	}
	return b, gateway.Job{Model: man.ID().String(), Prompt: []int32{1, 2}, MaxNew: 9}
}

// drain reads an answer to its end.
func drain(t *testing.T, b *Backend, j gateway.Job) (ids []int32, receipt string, err error) {
	t.Helper()
	s, err := b.Submit(t.Context(), j)
	if err != nil {
		return nil, "", err
	}
	for {
		e, err := s.Next(t.Context())
		if err != nil || e.Finish != 0 {
			return ids, e.Receipt, err
		}
		if (e.Odds != nil) != j.Logprobs || e.Odds != nil && (e.Odds.Drawn.ID != e.Token || e.Odds.Drawn.Log != -65536 || e.Odds.Top[0].Log != -5) {
			t.Errorf("odds %+v", e.Odds)
		}
		ids = append(ids, e.Token)
	}
}

// TestAnswersOutliveTheirNode: a node that dies in the middle of an answer is replaced by another, which goes on where
// it ended. One that goes on differently is not believed. SPEC 16 §4.9.
func TestAnswersOutliveTheirNode(t *testing.T) {
	want := []int32{5, 6, 7, 8}
	for _, c := range []struct {
		name  string
		nodes []*mortal
		ids   []int32
		err   string
	}{
		{"whole", []*mortal{{ids: want, after: 4}}, want, ""},
		{"died in the middle", []*mortal{{ids: want, after: 2}, {ids: want, after: 4}}, want, ""},
		{"died before its first id", []*mortal{{ids: want, after: 0}, {ids: want, after: 4}}, want, ""},
		{"died before its receipt", []*mortal{{ids: []int32{5, 6, 7, 8, 9}, after: 4}, {ids: []int32{5, 6, 7, 8, 9}, after: 5}}, []int32{5, 6, 7, 8, 9}, ""},
		{"all died", []*mortal{{ids: want, after: 2}, {ids: want, after: 3}}, want[:3], "the answer broke off"},
		{"goes on differently", []*mortal{{ids: want, after: 3}, {ids: []int32{5, 9, 7, 8}, after: 4}}, want[:3], "id 1 of the answer is 9, and was 6"},
		{"ends early", []*mortal{{ids: want, after: 3}, {ids: want[:2], after: 2}}, want[:3], "id 2 of the answer is -1, and was 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, j := nodes(t, c.nodes...)
			ids, receipt, err := drain(t, b, j)
			if !slices.Equal(ids, c.ids) || (err == nil) != (c.err == "") || (receipt == "") != (c.err != "") {
				t.Fatalf("ids %v, receipt %q, %v", ids, receipt, err)
			}
			if err != nil && (!errors.Is(err, gateway.ErrUnavailable) || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%v, want %q", err, c.err)
			}
		})
	}
}

// TestNodesAreAskedForOdds: the number of alternatives reaches the node, and nothing where none are wanted.
func TestNodesAreAskedForOdds(t *testing.T) {
	n := &mortal{ids: []int32{5}, after: 1}
	b, j := nodes(t, n)
	j.Logprobs, j.TopLogprobs = true, 1
	if _, _, err := drain(t, b, j); err != nil || n.wants != float64(1) {
		t.Errorf("asked for %v: %v", n.wants, err)
	}
}

// TestRoutes: the words of a route choose and order the nodes. SPEC 16 §9.
func TestRoutes(t *testing.T) {
	b, _ := nodes(t, &mortal{}, &mortal{}, &mortal{})
	b.learnNames(t.Context())
	name := func(i int) string { return b.hosts[b.Nodes[i]].address }
	host := strings.TrimPrefix(b.Nodes[2], "http://")
	b.completed(b.Nodes[0], 10, 1e9)
	b.completed(b.Nodes[1], 10, 2e9)
	b.completed(b.Nodes[2], 30, 1e9)
	b.answered(b.Nodes[0], 3e6)
	b.answered(b.Nodes[1], 2e6)
	b.answered(b.Nodes[2], 4e6)
	for _, c := range []struct {
		route gateway.Route
		want  []int
	}{
		{gateway.Route{}, []int{0, 1, 2}},
		{gateway.Route{Only: []string{name(1)}}, []int{1}},
		{gateway.Route{Only: []string{strings.ToUpper(name(1)), host}}, []int{1, 2}},
		{gateway.Route{Ignore: []string{name(0)}}, []int{1, 2}},
		{gateway.Route{Order: []string{host, b.Nodes[1]}}, []int{2, 1, 0}},
		{gateway.Route{Order: []string{host, "nobody"}, NoFallbacks: true}, []int{2}},
		{gateway.Route{NoFallbacks: true}, []int{0}},
		{gateway.Route{Sort: "latency"}, []int{1, 0, 2}},
		{gateway.Route{Sort: "throughput"}, []int{2, 0, 1}},
		{gateway.Route{Sort: "price"}, []int{0, 1, 2}},
	} {
		b.turn.Store(0)
		got, err := b.order(t.Context(), &c.route, "m")
		want := make([]string, len(c.want))
		for i, n := range c.want {
			want[i] = b.Nodes[n]
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v: %v, %v, want %v", c.route, got, err, want)
		}
	}
	b.answered(b.Nodes[0], -1)
	b.turn.Store(0)
	if got, err := b.order(t.Context(), &gateway.Route{}, "m"); err != nil || got[2] != b.Nodes[0] {
		t.Errorf("a node that failed is asked in the order %v, %v", got, err)
	}
	if _, err := b.order(t.Context(), &gateway.Route{Only: []string{"nobody"}}, "m"); !errors.Is(err, gateway.ErrInvalid) {
		t.Errorf("a route to nobody: %v", err)
	}
}

func raw64(t *testing.T, text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Error(err)
	}
	return b
}
