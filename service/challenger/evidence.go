package challenger

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
)

// question names what a node was asked: it may give one answer to it. SPEC 07 §3.2.
type question struct {
	node    claim.Address
	request claim.Hash
}

// duties says which promise of a receipt is none, or "": a batch that comes too late to be demanded, a
// window that is too short, a time that is still to come. SPEC 07 §3.3, §6.
func duties(r *receipt.Receipt, window, now uint64) string {
	c := &r.Claim
	switch {
	case window == 0:
		return ""
	case c.Issued > now+window:
		return fmt.Sprintf("it is issued at %d, %d s from now", c.Issued, c.Issued-now)
	case c.ChallengeUntil < c.Issued+window:
		return fmt.Sprintf("challengeUntil %d leaves less than %d s from %d on", c.ChallengeUntil, window, c.Issued)
	case c.BatchBy > c.ChallengeUntil-window/2:
		return fmt.Sprintf("batchBy %d is after %d: the batch could not be demanded in time", c.BatchBy, c.ChallengeUntil-window/2)
	}
	return ""
}

// remember keeps a receipt that its node signed, until its window is over, and returns the earlier one
// about the same request that says something else, if there is one.
func (c *Challenger) remember(r *receipt.Receipt) *receipt.Receipt {
	if claim.VerifySigner(r.Claim.Digest(c.o.Domain), r.Signature, r.Claim.Node) != nil {
		return nil // its place in a batch shows it; without a signature it is no second claim
	}
	q := question{r.Claim.Node, r.Request.Digest(r.Domain)}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.answers[q]
	for _, x := range known {
		if x.Claim.ID(c.o.Domain) != r.Claim.ID(c.o.Domain) {
			return x
		}
	}
	if len(known) == 0 {
		c.answers[q] = append(known, r)
	}
	return nil
}

// contradiction begins a challenge of a claim that another one of its node contradicts, without
// computing anything, and says whether it did. SPEC 08 §4.9.
func (c *Challenger) contradiction(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion) (bool, error) {
	other := c.remember(r)
	m, held := c.model(r.Request.Model)
	if other == nil || !held || c.unfit(r, at) != "" || !truthful(r) || !truthful(other) {
		return false, nil
	}
	open := c.opening(r, at, m)
	if field, _ := open.Face(c.o.Domain); field != "" {
		return false, nil // it is refuted by that
	}
	second := dispute.Second{Claim: other.Claim, Signature: other.Signature, Cancel: other.Cancel}
	found, ok := dispute.Contradiction(open, r.Output, second, other.Output)
	if !ok {
		return false, nil
	}
	open.T, open.Second = dispute.Contradicts, found
	id := r.Claim.ID(c.o.Domain)
	c.mu.Lock()
	c.checked[id] = Verdict{Claim: id, Known: true, Why: fmt.Sprintf("claim %x of the node says something else about the same request", other.ID())}
	c.mu.Unlock()
	return true, c.challenge(ctx, r, open)
}

// truthful says that the output ids of a receipt are those of its claim.
func truthful(r *receipt.Receipt) bool {
	return int(r.Claim.Count) == len(r.Output) && trace.IDTree(r.Output).Root() == r.Claim.OutputRoot
}

// included notes the claims of a batch that was read.
func (c *Challenger) included(digests []claim.Hash, until uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range digests {
		c.inBatch[d] = until
		if _, ok := c.awaited[d]; ok {
			delete(c.awaited, d)
			c.store.drop(d)
		}
	}
}

// await keeps a receipt that came without a batch until its claim is in one, on disk too: its node may
// never post it. SPEC 07 §3.3.
func (c *Challenger) await(r *receipt.Receipt) error {
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	digest := r.Claim.Digest(c.o.Domain)
	c.mu.Lock()
	_, known := c.awaited[digest]
	_, posted := c.inBatch[digest]
	c.mu.Unlock()
	if known || posted {
		return nil
	}
	if err := c.store.keep(digest, raw); err != nil {
		return err
	}
	c.mu.Lock()
	c.awaited[digest] = r
	c.mu.Unlock()
	return nil
}

// demand asks the chain for the batches that nodes promised for receipts held here and did not post:
// the claim is found true, so that only this is wrong with it. SPEC 08 §4.10.
func (c *Challenger) demand(ctx context.Context) error {
	if c.o.Window == 0 {
		return nil
	}
	for _, r := range c.overdue() {
		m, held := c.model(r.Request.Model)
		if !held || !c.covered(ctx, r) {
			continue
		}
		open := c.opening(r, nil, m)
		open.T = dispute.NotIncluded
		c.o.Log.Warn("a batch was promised and is not posted", "claim", fmt.Sprintf("%x", r.ID()), "batchBy", r.Claim.BatchBy)
		if err := c.challenge(ctx, r, open); err != nil {
			return err
		}
	}
	return nil
}

// overdue are the receipts whose batch has been due for a quarter of a window and is unknown, while no
// batch of their node is still to be read: a demand that is met costs a quarter of its bond. What nobody
// can demand any more is dropped.
func (c *Challenger) overdue() []*receipt.Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.inBatch, func(_ claim.Hash, until uint64) bool { return c.now > until+c.o.Window })
	maps.DeleteFunc(c.answers, func(_ question, rs []*receipt.Receipt) bool { return c.now > rs[0].Claim.ChallengeUntil+c.o.Window })
	var out []*receipt.Receipt
	for digest, r := range c.awaited {
		id := r.Claim.ID(c.o.Domain)
		switch {
		case c.now > r.Claim.ChallengeUntil:
			delete(c.awaited, digest)
			c.store.drop(digest)
		case c.now > r.Claim.BatchBy+c.o.Window/4 && c.checked[id].True && !c.store.has(id) && !c.unread(r.Claim.Node):
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *receipt.Receipt) int { return bytes.Compare(a.Signature[:], b.Signature[:]) })
	return out
}

// unread says whether a batch of a node waits to be read; the caller holds mu.
func (c *Challenger) unread(node claim.Address) bool {
	for _, b := range c.batches {
		if b.Node == node {
			return true
		}
	}
	return false
}

// recall takes up the receipts that an earlier life kept.
func (c *Challenger) recall() error {
	raws, err := c.store.kept()
	if err != nil {
		return err
	}
	for _, raw := range raws {
		r, err := receipt.Decode(raw)
		if err != nil {
			return err
		}
		c.awaited[r.Claim.Digest(c.o.Domain)] = r
		select {
		case c.queue <- r: // its verdict was forgotten
		default:
		}
	}
	return nil
}
