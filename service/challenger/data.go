package challenger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/model"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// bare says that a receipt names its claim but does not hold the data that it is about. A request without prompt
// ids to a token model is false on its face.
func (c *Challenger) bare(r *receipt.Receipt) bool {
	m, held := c.model(r.Request.Model)
	graph := held && m.Manifest.Kind == model.KindGraph
	return r.Missing != (receipt.Missing{}) || len(r.Prompt) == 0 && len(r.Output) == 0 && (r.Request.PromptCount > 0 || graph)
}

// complete finds the ids of a public claim that came without them: from its node, or by a demand that
// the node publish them on the chain. What was published is checked when it is there. SPEC 08 §4.12.
func (c *Challenger) complete(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion) error {
	id := r.Claim.ID(c.o.Domain)
	m, held := c.model(r.Request.Model)
	why := evident(r, c.o.Domain, at)
	switch {
	case why == "" && r.Request.DataClass != claim.Public:
		why = "it came without its ids, which are for its parties"
	case why == "" && !held:
		why = fmt.Sprintf("model %x is not held here", r.Request.Model)
	}
	if why != "" {
		c.conclude(id, Verdict{Claim: id, Why: why})
		return nil
	}
	if whole := c.fetched(ctx, r); whole != nil {
		return c.audit(ctx, whole, at)
	}
	if !c.mayAsk(r.Claim.Node) {
		c.conclude(id, Verdict{Claim: id, Why: fmt.Sprintf("its node does not serve the ids, and %d of its claims were asked for on the chain within a window", maxAsked)})
		return nil
	}
	c.conclude(id, Verdict{Claim: id, Why: "its node does not serve the ids: they are demanded on the chain"})
	open := c.opening(r, at, m)
	open.T = dispute.Published
	if m.Manifest.Kind == model.KindGraph { // by the model: a request may say that it has ids
		man, err := m.whole(ctx)
		if err != nil {
			return err
		}
		if open.Ends, err = dispute.EndsOf(man, int(man.Layers)); err != nil {
			return err
		}
	}
	return c.ask(ctx, r, open)
}

// maxAsked bounds the demands for data of one node's claims that nobody asked for, within a window: one that
// is met costs an eighth of what is left of its bond, and a node can have as many as it signs receipts without
// serving their ids. SPEC 09 §8.11.
const maxAsked = 4

// mayAsk says whether data of another claim of a node may be demanded, and counts it. Without a window all may.
func (c *Challenger) mayAsk(node claim.Address) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.o.Window == 0 {
		return true
	}
	maps.DeleteFunc(c.asked, func(_ claim.Address, at []uint64) bool { return c.now > at[len(at)-1]+c.o.Window })
	at := slices.DeleteFunc(c.asked[node], func(at uint64) bool { return c.now > at+c.o.Window })
	may := len(at) < maxAsked
	if may {
		at = append(at, c.now)
	}
	c.asked[node] = at
	return may
}

func (c *Challenger) conclude(id claim.Hash, v Verdict) {
	c.mu.Lock()
	c.checked[id] = v
	c.mu.Unlock()
}

// fetched is the whole receipt if the node serves it.
func (c *Challenger) fetched(ctx context.Context, r *receipt.Receipt) *receipt.Receipt {
	id := r.Claim.ID(c.o.Domain)
	fetch, cancel := context.WithTimeout(ctx, c.o.FetchWithin)
	defer cancel()
	got, err := c.o.Source.Receipt(fetch, c.endpoint(r.Claim.Node), id)
	if err != nil || got.Claim != r.Claim || got.Request != r.Request || consistent(got) != "" {
		c.o.Log.Info("ids are withheld", "claim", fmt.Sprintf("%x", id), "err", err)
		return nil
	}
	return got
}

// Demand asks the chain for the data of a claim that this account may have: those of a public claim, or of
// one of its own requests, encrypted to Options.Key. Collect gives them once they are there. man is whole if the
// model is a graph model.
func (c *Challenger) Demand(ctx context.Context, r *receipt.Receipt, man *manifest.Manifest) (claim.Hash, error) {
	open := c.openingOf(r, nil, man.Header)
	open.T = dispute.Published
	if man.Kind == model.KindGraph {
		var err error
		if open.Ends, err = dispute.EndsOf(man, int(man.Layers)); err != nil {
			return claim.Hash{}, fmt.Errorf("claim %x: %w", r.ID(), err)
		}
	}
	if r.Request.DataClass != claim.Public {
		if c.o.Key == nil {
			return claim.Hash{}, fmt.Errorf("the data of claim %x are of class %s: the key of its user is needed", r.ID(), claim.ClassName(r.Request.DataClass))
		}
		open.T, open.To = dispute.Delivered, claim.PointOf(c.o.Key)
	}
	if why := evident(r, c.o.Domain, nil); why != "" {
		return claim.Hash{}, fmt.Errorf("claim %x: %s", r.ID(), why)
	}
	// What the arena would refuse costs no commit.
	if _, _, err := dispute.Begin(*open, dispute.Chain{Domain: c.o.Domain}); err != nil {
		return claim.Hash{}, fmt.Errorf("claim %x: %w", r.ID(), err)
	}
	return dispute.Key(open.Opener, r.ID(), open.T, open.Salt), c.ask(ctx, r, open)
}

// ask keeps a demand on disk and commits to it, once.
func (c *Challenger) ask(ctx context.Context, r *receipt.Receipt, open *dispute.OpenMove) error {
	id := r.Claim.ID(c.o.Domain)
	key := dispute.Key(open.Opener, id, open.T, open.Salt)
	if _, err := c.store.get(key); err == nil {
		return nil
	}
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	if err := c.store.put(record{Game: key, Claim: id, Open: open.Encode(), Receipt: raw, Data: true}); err != nil {
		return err
	}
	c.o.Log.Info("demand for data", "claim", fmt.Sprintf("%x", id), "game", fmt.Sprintf("%x", key))
	return c.submit(ctx, ledger.Commit{Game: key})
}

// collect takes up what was published for a demand of ours, once: it is checked like every receipt.
func (c *Challenger) collect(rec record, g ledger.Game) {
	if _, done := c.collected[g.Key]; g.Decided == nil || done {
		return
	}
	c.collected[g.Key] = c.now
	r, err := c.whole(rec, g)
	if c.o.Collected != nil {
		c.o.Collected(r, err)
	}
	if err != nil {
		c.o.Log.Warn("no data", "game", fmt.Sprintf("%x", g.Key), "err", err)
		return
	}
	if c.o.DataOnly {
		return
	}
	select {
	case c.queue <- handed{r, nil}:
		c.poke()
	default:
		c.o.Log.Warn("too many receipts wait; what was published is not checked", "claim", fmt.Sprintf("%x", r.ID()))
	}
}

// patienceOfData is for how many seconds the node may resolve a demand that it met.
const patienceOfData = 60

// takesBack says that what is left of the bond of a met demand waits for its opener: the node, which
// gets nothing of it, does not resolve the game.
func (c *Challenger) takesBack(game claim.Hash, v *dispute.Verdict) bool {
	since, ok := c.collected[game]
	return ok && v.Flags&dispute.FlagDemand != 0 && c.now > since+patienceOfData
}

// whole is the receipt of a demand with the ids that were posted.
func (c *Challenger) whole(rec record, g ledger.Game) (*receipt.Receipt, error) {
	s, j, posts, err := postsOf(g)
	if err != nil {
		return nil, err
	}
	r, err := receipt.Decode(rec.Receipt)
	if err != nil {
		return nil, err
	}
	ids, err := dispute.Assemble(&s, j, posts)
	if s.Phase == dispute.Check && c.o.Key != nil {
		var m dispute.Decrypt
		if m, ids, err = dispute.Receive(&s, j, posts, c.o.Key); err == nil && m.Shown != nil {
			err = fmt.Errorf("%w: piece %d of the delivery is garbled", dispute.ErrOpening, m.Shown.Piece)
		}
	}
	if err != nil {
		return nil, err
	}
	r.Prompt, r.Stop, r.Output = ids.Prompt, ids.Stop, ids.Output
	r.Salt = ids.Salt
	if r.Missing != (receipt.Missing{}) {
		if r.Sampler, err = r.Sampler.WithLists(ids.Lists); err != nil {
			return nil, fmt.Errorf("the lists that the request commits to are none: %w", err)
		}
		r.Missing = receipt.Missing{}
	}
	return r, nil
}

// postsOf are the pieces that were posted in a game.
func postsOf(g ledger.Game) (dispute.State, dispute.Job, []dispute.Publish, error) {
	s, err := dispute.DecodeState(g.State)
	if err != nil {
		return s, dispute.Job{}, nil, err
	}
	j, err := dispute.DecodeJob(g.Job)
	if err != nil {
		return s, j, nil, err
	}
	payloads := make([][]byte, len(g.Posts))
	for i, p := range g.Posts {
		payloads[i] = p.Payload
	}
	posts, err := dispute.Posts(&s, j, payloads)
	return s, j, posts, err
}

// received is the opener's move at the end of a delivery.
func (c *Challenger) received(g ledger.Game) (dispute.Move, error) {
	s, j, posts, err := postsOf(g)
	if err != nil {
		return nil, err
	}
	if c.o.Key == nil {
		return nil, fmt.Errorf("%w: no key to decrypt with", dispute.ErrStuck)
	}
	m, _, err := dispute.Receive(&s, j, posts, c.o.Key)
	return m, err
}
