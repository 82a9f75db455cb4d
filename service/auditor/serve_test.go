package auditor

import (
	"context"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// keptChain gives every draw to one auditor and keeps what it submits.
type keptChain struct {
	me   claim.Address
	sent []ledger.Order
}

func (c *keptChain) Follow(context.Context, func([]ledger.Fact, ledger.Head) error) error { return nil }
func (c *keptChain) Submit(_ context.Context, o ledger.Order) error {
	c.sent = append(c.sent, o)
	return nil
}
func (c *keptChain) AuditDraw(context.Context, ledger.AuditPlace) (uint32, claim.Address, error) {
	return 0, c.me, nil
}
func (c *keptChain) AuditFees(context.Context, claim.Address) (claim.Amount, error) {
	return claim.Amount{}, nil
}

// keptSource serves a batch of one claim that is kept for its parties, and refuses whoever was drawn.
type keptSource struct {
	leaf  claim.Hash
	other *receipt.Receipt // what comes instead of the claim; nil: nothing
	asked int
}

func (s *keptSource) Batch(context.Context, string, claim.Hash) ([]receipt.Place, error) {
	return []receipt.Place{{Leaf: s.leaf}}, nil
}

func (s *keptSource) Drawn(context.Context, string, ledger.AuditPlace) (*receipt.Receipt, error) {
	if s.asked++; s.other != nil {
		return s.other, nil
	}
	return nil, errors.New("401")
}

// everySecond is a beacon whose rounds are due each second from 0 on.
type everySecond struct{}

func (everySecond) Round(t uint64) uint64                         { return t + 1 }
func (everySecond) Time(round uint64) uint64                      { return round - 1 }
func (everySecond) Point(context.Context, uint64) ([]byte, error) { return make([]byte, 128), nil }

// A node that serves no drawn auditor is asked again through the first half of the time of commits; then
// the auditor commits that it could not check, which costs it nothing. SPEC 11 §4.1, §6.3.
func TestWhoIsNotServedAsksAgainAndAbstains(t *testing.T) {
	for name, other := range map[string]*receipt.Receipt{"refused": nil, "another claim": {}} {
		t.Run(name, func(t *testing.T) {
			key, err := crypto.GenerateKey()
			if err != nil {
				t.Fatal(err)
			}
			chain, source := &keptChain{me: claim.AddressOf(key)}, &keptSource{leaf: claim.Hash{9}, other: other}
			p := sampling.ParamsOf(0)
			p.CommitTime = 320
			a, err := New(Options{Key: key, Chain: chain, Source: source, Beacon: everySecond{}, Find: func([32]byte) *Model { return nil }, Dir: t.TempDir(), Params: p})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close() //nolint:errcheck // of a test
			b := ledger.BatchPosted{Node: claim.Address{5}, Root: claim.TreeRoot([]claim.Hash{source.leaf}), Count: 1, Until: 1 << 40}
			times := p.TimesOf(everySecond{}, 1000)
			facts := []ledger.Fact{{Ref: ledger.Ref{Time: 1000}, Event: b}, {Event: ledger.AuditEntered{Node: b.Node, Root: b.Root, Drawn: 1}},
				{Event: ledger.BeaconRound{Round: times.Drawing, Seed: claim.Hash{1}}}}
			half := times.CommitBy - p.CommitTime/2
			for now := times.CommitBy - p.CommitTime; now < half; now++ {
				if err := a.observe(t.Context(), facts, ledger.Head{Time: now}); err != nil {
					t.Fatal(err)
				}
				facts = nil
			}
			if source.asked != tries/2*sampling.Places || len(chain.sent) != 0 {
				t.Fatalf("asked %d times, sent %v", source.asked, chain.sent)
			}
			place := ledger.AuditPlace{Node: b.Node, Root: b.Root, Draw: 0, Place: 0}
			if err := a.observe(t.Context(), nil, ledger.Head{Time: half}); err != nil {
				t.Fatal(err)
			}
			r, found, err := a.store.get(sampling.PlaceID(place))
			if err != nil || !found || r.Verdict != sampling.Abstain || len(chain.sent) != sampling.Places {
				t.Fatalf("record %+v, %v, %v; sent %v", r, found, err, chain.sent)
			}
			want := sampling.Commit(chain.me, r.Audit, sampling.Abstain, claim.Hash{}, r.Nonce)
			if got, ok := chain.sent[0].(ledger.CommitAudit); !ok || got.Hash != want {
				t.Errorf("sent %+v, want a commit to %x", chain.sent[0], want)
			}
		})
	}
}
