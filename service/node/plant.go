package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/sampling"
)

// Plants have a node make some of its claims false on purpose, on jobs of its own, so that approving
// blindly is dangerous also where nobody lies. SPEC 11 §5.
type Plants struct {
	// Every: one of so many claims that the node posts is planted, at least 2.
	Every uint64
	// Users are accounts of the operator's, whose requests the plants look like; empty: each names an
	// account that nobody has, which tells it from others.
	Users []claim.Address
	// Fault is a false computation of a model, another one for each seed, the same for the same.
	Fault func(ctx context.Context, m *Model, seed uint64) (Computer, error)
	// Times are those of the audits of a batch that was posted at a time.
	Times func(posted uint64) sampling.Times
	// Spread is how many seconds at most a plant waits after the claim that it was drawn for; 0: 60.
	Spread uint64
	// Draw is uniform in 0..n-1, n at least 1, and known to nobody else; nil: the system's randomness.
	Draw func(n uint64) uint64
}

// plant is a claim that is false on purpose. It is on disk before its veil is laid.
type plant struct {
	Claim   claim.Hash
	Salt    claim.Hash
	Asked   claim.Hash // digest of its request
	Seed    uint64     // of its fault
	Receipt []byte     // without times and signature, until it is out
	Veiled  uint64     // chain time of the veil; 0: not on the chain
	Out     bool       // it is among the node's claims
	Root    claim.Hash
	Posted  uint64 // chain time of its batch; 0: not on the chain
	Shown   bool
}

// garden is what a node has planted.
type garden struct {
	mu     sync.Mutex // guards the fields below
	plants map[claim.Hash]*plant
	asked  map[claim.Hash]bool // digests of their requests
	kept   []uint64            // times of the latest claims
	due    []uint64            // when plants are to be among them
}

// maxStock bounds the plants that wait, each of which took a run of the model.
const maxStock = 256

// check says why plants cannot be planted, or nil.
func (p *Plants) check() error {
	if p == nil {
		return nil
	}
	if p.Every < 2 || p.Fault == nil || p.Times == nil {
		return fmt.Errorf("one of %d claims cannot be planted: use at least 2, a fault and the times of audits", p.Every)
	}
	return nil
}

// remembered are the plants of earlier lives.
func (n *Node) remembered() error {
	n.garden.plants, n.garden.asked = map[claim.Hash]*plant{}, map[claim.Hash]bool{}
	all, err := n.store.plants()
	for i := range all {
		p := &all[i]
		n.garden.plants[p.Claim], n.garden.asked[p.Asked] = p, true
	}
	return err
}

// planted is the plant behind a claim, or nil.
func (n *Node) planted(id claim.Hash) *plant {
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	return n.garden.plants[id]
}

// computer is what a claim was computed with: a plant's fault, or the model.
func (n *Node) computer(ctx context.Context, id claim.Hash, m *Model) (Computer, error) {
	p := n.planted(id)
	if p == nil {
		return m.Computer, nil
	}
	if n.o.Plants == nil {
		return nil, fmt.Errorf("claim %x was planted: start the node with plants", id)
	}
	return n.o.Plants.Fault(ctx, m, p.Seed)
}

// taken refuses a request that a plant answers: its user would get a false answer, or the node would
// sign a second one.
func (n *Node) taken(digest claim.Hash) error {
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	if n.garden.asked[digest] {
		return fmt.Errorf("%w: ask again later", ErrBusy)
	}
	return nil
}

// draw is uniform in 0..n-1.
func (p *Plants) draw(n uint64) uint64 {
	if p.Draw != nil {
		return p.Draw(n)
	}
	return uniform(n)
}

// grew counts a claim that was kept and draws whether a plant follows it.
func (n *Node) grew(at uint64) {
	p := n.o.Plants
	if p == nil {
		return
	}
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	n.garden.kept = append(n.garden.kept, at)
	if p.draw(p.Every-1) != 0 {
		return
	}
	spread := p.Spread
	if spread == 0 {
		spread = 60
	}
	n.garden.due = append(n.garden.due, at+p.draw(spread+1))
}

// ripens is how long a veil lies before its plant is posted: longer than a window, also when the chain
// takes back a few blocks. SPEC 11 §5.2.
func (n *Node) ripens() uint64 { w := uint64(n.o.Window / time.Second); return w + w/8 + 1 }

// plantLoop keeps plants in stock and puts them among the claims when they are due.
func (n *Node) plantLoop(ctx context.Context) error {
	if n.o.Plants == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(n.o.BatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := n.tend(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.o.Log.Error("nothing planted", "err", err)
		}
	}
}

// tend does what is due about plants: it lays veils, releases what is ripe, and prepares another one.
func (n *Node) tend(ctx context.Context) error {
	if err := n.veil(ctx); err != nil {
		return err
	}
	if err := n.releasePlants(); err != nil {
		return err
	}
	if n.wanted() == 0 {
		return nil
	}
	return n.sow(ctx)
}

// veil lays the veils of plants that have none on the chain. The chain takes each once.
func (n *Node) veil(ctx context.Context) error {
	n.garden.mu.Lock()
	var veils []claim.Hash
	for id, p := range n.garden.plants {
		if p.Veiled == 0 && !p.Out {
			veils = append(veils, sampling.Veil(n.addr, id, p.Salt))
		}
	}
	n.garden.mu.Unlock()
	for _, v := range veils {
		if err := n.o.Chain.Submit(ctx, ledger.LayVeils{Veils: []claim.Hash{v}}); err != nil {
			return fmt.Errorf("veil %x: %w", v, err)
		}
	}
	return nil
}

// wanted is how many plants are missing from the stock: it lasts for twice the claims that came while
// one ripens.
func (n *Node) wanted() uint64 {
	now, ripens := n.now(), n.ripens()
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	n.garden.kept = slices.DeleteFunc(n.garden.kept, func(at uint64) bool { return at+ripens < now })
	stock := uint64(0)
	for _, p := range n.garden.plants {
		if !p.Out {
			stock++
		}
	}
	want := min(1+2*uint64(len(n.garden.kept))/n.o.Plants.Every, maxStock)
	return want - min(want, stock)
}

// releasePlants puts ripe plants among the claims, one for each that is due. Where none is ripe, none
// is planted.
func (n *Node) releasePlants() error {
	now := n.now()
	n.mu.Lock()
	head := n.head.Time
	n.mu.Unlock()
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	var later []uint64
	for _, at := range n.garden.due {
		if at > now {
			later = append(later, at)
			continue
		}
		for _, p := range sorted(n.garden.plants) {
			if p.Out || p.Veiled == 0 || head <= p.Veiled+n.ripens() {
				continue
			}
			if err := n.putOut(p, now); err != nil {
				return err
			}
			break
		}
	}
	n.garden.due = later
	return nil
}

// sorted are the plants in the order of their ids, which nobody chooses.
func sorted(m map[claim.Hash]*plant) []*plant {
	return slices.SortedFunc(maps.Values(m), func(a, b *plant) int { return slices.Compare(a.Claim[:], b.Claim[:]) })
}

// putOut makes a plant one of the node's claims; the caller holds the garden's mu.
func (n *Node) putOut(p *plant, now uint64) error {
	r, err := receipt.Decode(p.Receipt)
	if err != nil {
		return err
	}
	window := uint64(n.o.Window / time.Second)
	r.Claim.Issued, r.Claim.BatchBy, r.Claim.ChallengeUntil = now, now+window, now+2*window
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	if _, err := n.store.put(p.Claim, raw); err != nil {
		return err
	}
	p.Out, p.Receipt = true, nil
	n.o.Log.Debug("planted", "claim", fmt.Sprintf("%x", p.Claim))
	return n.store.putPlant(*p)
}

// notePlant takes news of the chain about plants.
func (n *Node) notePlant(f ledger.Fact) {
	at := f.Time
	if f.Removed {
		at = 0
	}
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	switch e := f.Event.(type) {
	case ledger.PlantVeiled:
		if e.Node != n.addr {
			return
		}
		for id, p := range n.garden.plants {
			if sampling.Veil(n.addr, id, p.Salt) == e.Veil {
				p.Veiled = at
				n.keepPlant(p)
			}
		}
	case ledger.PlantShown:
		if p := n.garden.plants[e.Claim]; p != nil && e.Node == n.addr && e.Arena == n.o.Domain.Arena {
			p.Shown = !f.Removed
			n.keepPlant(p)
		}
	case ledger.BatchPosted:
		if e.Node != n.addr || len(n.garden.plants) == 0 {
			return
		}
		ids, _, err := n.store.batchOf(e.Root)
		if err != nil {
			return // posted by an earlier life with another state
		}
		for _, id := range ids {
			if p := n.garden.plants[id]; p != nil {
				p.Root, p.Posted = e.Root, at
				n.keepPlant(p)
			}
		}
	}
}

func (n *Node) keepPlant(p *plant) {
	if err := n.store.putPlant(*p); err != nil {
		n.o.Log.Error("plant not kept", "claim", fmt.Sprintf("%x", p.Claim), "err", err)
	}
}

// showPlants shows what nobody need be kept guessing about any more: plants whose reveals are over, and
// those in a game once commits or its D1 are over. A node that plants no more shows all. SPEC 11 §5.4.
func (n *Node) showPlants(ctx context.Context, open []ledger.Game, now uint64) error {
	n.weed(open, now)
	n.garden.mu.Lock()
	var todo []ledger.ShowPlant
	for _, p := range sorted(n.garden.plants) {
		if p.Posted == 0 || p.Shown {
			continue
		}
		var t sampling.Times
		if n.o.Plants != nil {
			t = n.o.Plants.Times(p.Posted)
		}
		if now > t.RevealBy || n.pressed(open, p.Claim, now, t) {
			todo = append(todo, ledger.ShowPlant{Root: p.Root, Claim: p.Claim, Salt: p.Salt})
		}
	}
	n.garden.mu.Unlock()
	for _, o := range todo {
		if n.played[o.Key()] {
			continue
		}
		if err := n.o.Chain.Submit(ctx, o); err != nil {
			if errors.Is(err, context.Canceled) {
				return err
			}
			n.o.Log.Error("plant not shown", "claim", fmt.Sprintf("%x", o.Claim), "err", err)
			continue
		}
		n.played[o.Key()] = true
		n.o.Log.Info("plant shown", "claim", fmt.Sprintf("%x", o.Claim))
	}
	return nil
}

// weed forgets plants that were shown, once no game about them is open or can be opened: commits end three
// windows after the batch, or half a window later by the node's clock, openings half a window after that. The
// claim stays among the node's; its request is answered again. Only the follower changes plants that were
// shown, and it is the caller, so that the disk may be waited for without the garden's mu.
func (n *Node) weed(open []ledger.Game, now uint64) {
	n.garden.mu.Lock()
	var gone []claim.Hash
	for id, p := range n.garden.plants {
		disputed := slices.ContainsFunc(open, func(g ledger.Game) bool { return g.ClaimID == id })
		if p.Shown && p.Posted != 0 && now > p.Posted+5*uint64(n.o.Window/time.Second) && !disputed {
			gone = append(gone, id)
		}
	}
	n.garden.mu.Unlock()
	if len(gone) == 0 {
		return
	}
	if err := n.store.dropPlants(gone); err != nil {
		n.o.Log.Error("plants not forgotten", "plants", len(gone), "err", err)
		return
	}
	n.garden.mu.Lock()
	defer n.garden.mu.Unlock()
	for _, id := range gone {
		p := n.garden.plants[id]
		delete(n.garden.plants, id)
		delete(n.garden.asked, p.Asked)
		delete(n.played, ledger.ShowPlant{Root: p.Root, Claim: id, Salt: p.Salt}.Key())
	}
}

// pressed says whether a game about a plant asks to show it: commits are over, or D1 is.
func (n *Node) pressed(open []ledger.Game, id claim.Hash, now uint64, t sampling.Times) bool {
	return slices.ContainsFunc(open, func(g ledger.Game) bool {
		if g.Node != n.addr || g.ClaimID != id {
			return false
		}
		s, err := dispute.DecodeState(g.State)
		return err != nil || now > t.CommitBy || now > s.Deadline || s.Phase.Turn() != dispute.Node
	})
}

// saltOf hides the plant of a claim; only the node's key gives it.
func (n *Node) saltOf(id claim.Hash) claim.Hash {
	return claim.Keccak([]byte("elenchus/plant/1"), crypto.FromECDSA(n.o.Key), id[:])
}
