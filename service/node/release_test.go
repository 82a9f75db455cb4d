package node_test

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/service/node"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// look is what a chain reports at one head.
type look struct {
	time  uint64
	facts []ledger.Fact
	want  int // batches released by then
}

// story is a chain that reports looks one after the other.
type story struct {
	t        *testing.T
	looks    []look
	released []claim.Hash
	over     chan struct{}
}

func (s *story) Follow(ctx context.Context, report func([]ledger.Fact, ledger.Head) error) error {
	for i, l := range s.looks {
		if err := report(l.facts, ledger.Head{Number: uint64(i + 1), Time: l.time}); err != nil {
			return err
		}
		if len(s.released) != l.want {
			s.t.Errorf("at time %d %d batches are released, want %d", l.time, len(s.released), l.want)
		}
	}
	close(s.over)
	<-ctx.Done()
	return ctx.Err()
}

func (s *story) Submit(_ context.Context, o ledger.Order) error {
	if r, ok := o.(ledger.ReleaseBatch); ok {
		s.released = append(s.released, r.Root)
	}
	return nil
}

// The stake behind a batch comes back: the node releases it once, half a window after its end, whatever
// games go on, and not again after a restart.
func TestNodeReleasesItsReserve(t *testing.T) {
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("node")))
	if err != nil {
		t.Fatal(err)
	}
	me, game := claim.AddressOf(key), claim.Hash{7}
	block := uint64(0)
	fact := func(e ledger.Event) ledger.Fact {
		block++
		return ledger.Fact{Ref: ledger.Ref{Block: block}, Event: e}
	}
	job := dispute.Job{}
	state := dispute.State{Node: me, Phase: dispute.Stage, Deadline: 1 << 40, Last: 1 << 41, JobHash: job.Hash()}
	posted := func(of claim.Address, root byte, until uint64) ledger.Fact {
		return fact(ledger.BatchPosted{Node: of, Root: claim.Hash{root}, Count: 1, Until: until})
	}
	removed := posted(me, 4, 120)
	gone := removed
	gone.Removed = true
	s := &story{t: t, over: make(chan struct{}), looks: []look{
		{50, []ledger.Fact{posted(me, 1, 100), posted(claim.Address{9}, 2, 60), posted(me, 3, 100), removed}, 0},
		{99, []ledger.Fact{fact(ledger.BatchReleased{Node: me, Root: claim.Hash{3}}), gone}, 0},
		{100, []ledger.Fact{fact(ledger.Opened{Game: game, Node: me, Job: job.Encode(), State: state.Encode()})}, 0},
		{130, nil, 0},
		{131, nil, 1},
		{200, nil, 1},
	}}
	n, err := node.New(node.Options{Key: key, Domain: claim.Domain{ChainID: 1}, Chain: s, Dir: t.TempDir(), Window: time.Minute,
		Models: []node.Model{{Name: "tiny", Manifest: man, Computer: &engine.Computer{Manifest: man}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	select {
	case <-s.over:
	case err := <-ended:
		t.Fatalf("the node ended: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if len(s.released) != 1 || s.released[0] != (claim.Hash{1}) {
		t.Fatalf("released %x", s.released)
	}
}
