package arenatest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/conformance/arenatest"
	"elenchus/engine"
	"elenchus/network/peer"
	"elenchus/service/adversary"
	"elenchus/service/challenger"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// keyOf is a fixed key.
func keyOf(t *testing.T, n byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// tape is a chain that keeps what is sent to it.
type tape struct {
	node.Chain
	mu   *sync.Mutex // guards sent
	sent *bytes.Buffer
}

func (c tape) Submit(ctx context.Context, o ledger.Order) error {
	c.mu.Lock()
	switch o := o.(type) {
	case ledger.Open:
		c.sent.Write(o.Payload)
	case ledger.Move:
		c.sent.Write(o.State)
		c.sent.Write(o.Payload)
	case ledger.Timeout:
		c.sent.Write(o.State)
		c.sent.Write(o.Job)
	case ledger.Resolve:
		c.sent.Write(o.Verdict)
		c.sent.Write(o.Held)
	}
	c.mu.Unlock()
	return c.Chain.Submit(ctx, o)
}

// written is what logs say, without the envelopes of go-ethereum.
func written(facts []ledger.Fact, b *bytes.Buffer) {
	for _, f := range facts {
		switch e := f.Event.(type) {
		case ledger.Opened:
			b.Write(e.Job)
			b.Write(e.State)
		case ledger.Posted:
			b.Write(e.Payload)
		case ledger.Moved:
			b.Write(e.State)
		case ledger.Decided:
			b.Write(e.Verdict)
		case ledger.Resolved:
			b.Write(e.Held)
		}
	}
}

// neighbours are the places i at which the prompt's ids i and i+1 stand next to each other in what was
// written, in any width and order of bytes.
func neighbours(prompt []int32, all []byte) (at []int) {
	for i := range len(prompt) - 1 {
		a, b := uint32(prompt[i]), uint32(prompt[i+1])
		for _, pair := range [][]byte{
			binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, a), b), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, a), b),
			binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(a)), uint64(b)),
			fmt.Appendf(nil, "%d,%d", a, b), fmt.Appendf(nil, "%d %d", a, b),
		} {
			if bytes.Contains(all, pair) {
				at = append(at, i)
				break
			}
		}
	}
	return at
}

// A dispute about a claim of the class parties shows nothing of the prompt but the two ids that its step is
// about: of a lie in the answer none, of a lie at its first id that one and the next, and no node of the
// tree that the prompt would have without salt. SPEC 07 §10.4.
func TestDisputeOfPartiesShowsNoPrompt(t *testing.T) {
	user := keyOf(t, 7)
	for _, c := range []struct {
		attack string
		served bool  // the challenger is the user and is served
		seen   []int // places of neighbours that are seen
	}{{"wrong-token", true, nil}, {"wrong-token", false, nil}, {"model-swap", true, []int{0}}} {
		t.Run(fmt.Sprint(c.attack, c.served), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				prompt := make([]int32, 40)
				for i := range prompt {
					prompt[i] = int32(10 + (i*37)%251)
				}
				sent, r := partiesDispute(t, c.attack, c.served, user, prompt)
				if seen := neighbours(prompt, sent); !slices.Equal(seen, c.seen) {
					t.Errorf("ids of the prompt that are on the chain with the next one: %v, want %v", seen, c.seen)
				}
				bare := trace.IDTree(prompt)
				for i := range uint64(3) {
					if h := bare.At(0, i); bytes.Contains(sent, h[:]) {
						t.Errorf("leaf %d of the prompt without salt is on the chain", i)
					}
				}
				if r.Request.DataClass != claim.Parties || len(sent) < 2000 {
					t.Errorf("%d bytes were written about class %d", len(sent), r.Request.DataClass)
				}
			})
		})
	}
}

// partiesDispute plays a lie about a request of the class parties to its refutation, and returns all that
// reached the chain.
func partiesDispute(t *testing.T, name string, served bool, user *ecdsa.PrivateKey, prompt []int32) ([]byte, *receipt.Receipt) {
	t.Helper()
	man := bind(t)
	attack, err := adversary.New(name, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, man, attack)
	mu, sent := &sync.Mutex{}, &bytes.Buffer{}
	key, honest := keyOf(t, 8), engine.Computer{Manifest: man}
	if err := s.node.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.watch.Close(); err != nil {
		t.Fatal(err)
	}
	s.node, err = node.New(node.Options{Key: key, Domain: domain, Dir: t.TempDir(), Window: window,
		Chain:  tape{attack.Chain(s.chain.Account(claim.AddressOf(key))), mu, sent},
		Models: []node.Model{{Name: "tiny", Manifest: man, Computer: attack.Computer(honest)}}})
	if err != nil {
		t.Fatal(err)
	}
	source := peer.New(&http.Client{Transport: direct{attack.Handler(s.node.Handler())}})
	if served {
		source = source.As(user, domain)
	}
	s.watch, err = challenger.New(challenger.Options{Account: me, Secret: [32]byte{1}, Domain: domain, Source: source, Dir: t.TempDir(),
		Chain: tape{s.chain.Account(me), mu, sent}, Models: []challenger.Model{{Manifest: man, Computer: &honest}}, MaxBond: claim.Units(1 << 40)})
	if err != nil {
		t.Fatal(err)
	}
	s.chain.Announce(s.node.Address(), url)
	s.handed, s.class, s.user = true, claim.Parties, claim.AddressOf(user)
	r, end := s.play(decode.Job{Prompt: prompt, StopIDs: []int32{2, 9}, MaxNew: 8, Temperature: 1 << 16, Seed: 11}, 10*time.Minute)
	if end == nil || dispute.Phase(end.Phase) != dispute.Refuted {
		t.Fatalf("the lie ended as %+v", end)
	}
	written(s.chain.Facts(), sent)
	return sent.Bytes(), r
}

// Public data is served to all; that of parties to who proves to hold the user's key, or was drawn, and
// encrypted to that key; sealed data to nobody. SPEC 07 §10, 15 §2.2, §2.3.
func TestDataIsServedByItsClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		man := bind(t)
		key, user, drawn := keyOf(t, 8), keyOf(t, 7), keyOf(t, 9)
		ch := arenatest.New(domain, dispute.Params{D0: 8, Grace: 8}, time.Now)
		n, err := node.New(node.Options{Key: key, Domain: domain, Dir: t.TempDir(), Window: window, Chain: ch.Account(claim.AddressOf(key)),
			Models: []node.Model{{Name: "tiny", Manifest: man, Computer: &engine.Computer{Manifest: man}}},
			Draw: func(_ context.Context, p ledger.AuditPlace) (uint32, claim.Address, error) {
				return uint32(p.Draw), claim.AddressOf(drawn), nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close() //nolint:errcheck // of a test
		plain := peer.New(&http.Client{Transport: direct{n.Handler()}})
		for class, served := range [][3]int{{0, 0, 0}, {401, 401, 0}, {403, 403, 403}} { // nobody, a stranger, the user
			j := hidden(request(man, job()), uint8(class))
			j.Request.User, j.Request.Nonce = claim.AddressOf(user), uint64(class)
			r, err := n.Serve(t.Context(), j, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range []*peer.Client{plain, plain.As(keyOf(t, 6), domain), plain.As(user, domain)} {
				servedAs(t, c, r, served[i])
			}
		}
		all, _, err := plain.Claims(t.Context(), url, 0)
		if err != nil || len(all) != 1 || all[0].Request.DataClass != claim.Public {
			t.Errorf("listed are %d claims, %v", len(all), err)
		}
		root := batchHidesThem(t, n, ch, plain)
		for class, status := range []int{0, 0, 403} { // the claims of the batch, by their class
			drawnAs(t, plain.As(drawn, domain), n.Address(), root, class, status)
			drawnAs(t, plain.As(user, domain), n.Address(), root, class, 401)
		}
		drawnAs(t, plain.As(drawn, domain), n.Address(), root, 3, 401)
		drawnAs(t, plain.As(drawn, domain), n.Address(), claim.Hash{1}, 0, 404)
	})
}

// drawnAs wants the claim that a draw gave, without its signature, or the status of a refusal.
func drawnAs(t *testing.T, c *peer.Client, node claim.Address, root claim.Hash, class, status int) {
	t.Helper()
	r, err := c.Drawn(t.Context(), url, ledger.AuditPlace{Node: node, Root: root, Draw: uint16(class)})
	var s *peer.StatusError
	switch {
	case status != 0 && (!errors.As(err, &s) || s.Status != status):
		t.Errorf("draw %d: %v, want status %d", class, err, status)
	case status == 0 && (err != nil || int(r.Request.DataClass) != class || len(r.Prompt) == 0 || r.Signature != claim.Signature{}):
		t.Errorf("draw %d: %+v, %v", class, r, err)
	}
}

// servedAs wants receipt, states and a tensor of a claim, or the status of a refusal for each.
func servedAs(t *testing.T, c *peer.Client, r *receipt.Receipt, status int) {
	t.Helper()
	ctx, id := t.Context(), r.Claim.ID(domain)
	got, err1 := c.Receipt(ctx, url, id)
	states, err2 := c.States(ctx, url, id, len(r.Prompt)+len(r.Output)-1)
	tensor, err3 := c.Tensor(ctx, url, id, 1, 0, 0, 1<<16)
	for what, err := range map[string]error{"receipt": err1, "states": err2, "tensor": err3} {
		var s *peer.StatusError
		if (status != 0) != errors.As(err, &s) || status == 0 && err != nil || s != nil && s.Status != status {
			t.Errorf("class %d: %s: %v, want status %d", r.Request.DataClass, what, err, status)
		}
	}
	if status == 0 && (got.Claim != r.Claim || !slices.Equal(got.Prompt, r.Prompt) || len(states) == 0 || len(tensor) == 0) {
		t.Errorf("class %d: %+v, %d states, %d bytes", r.Request.DataClass, got, len(states), len(tensor))
	}
}

// batchHidesThem wants the batch of the three claims to be provable, with the receipt of the public one alone.
func batchHidesThem(t *testing.T, n *node.Node, ch *arenatest.Chain, c *peer.Client) claim.Hash {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- n.Run(ctx) }()
	time.Sleep(10 * time.Second)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, f := range ch.Facts() {
		e, ok := f.Event.(ledger.BatchPosted)
		if !ok {
			continue
		}
		places, err := c.Batch(t.Context(), url, e.Root)
		if err != nil || len(places) != 3 {
			t.Fatalf("%d places, %v", len(places), err)
		}
		var digests []claim.Hash
		shown := 0
		for _, p := range places {
			digests = append(digests, p.Digest(domain))
			if p.Receipt != nil {
				shown++
			}
		}
		if claim.TreeRoot(digests) != e.Root || shown != 1 {
			t.Errorf("%d receipts are shown of a batch with root %x", shown, claim.TreeRoot(digests))
		}
		return e.Root
	}
	t.Fatal("no batch was posted")
	return claim.Hash{}
}
