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

// signedAnswer is what of a receipt another claim on the same request is held against.
type signedAnswer struct {
	claim     claim.Claim
	signature claim.Signature
	output    []int32
	cancel    claim.Signature
}

// bytes is about what an answer takes in memory.
func (a *signedAnswer) bytes() int { return 512 + 4*len(a.output) }

// Bounds of what is kept of receipts: answers to hold others against, and receipts whose batch is
// awaited. Beyond them go answers whose claims were judged, the oldest first: of two that contradict
// each other one is false, and is refuted by its own check; and of awaited receipts those of the node
// that has the most, in an order that it cannot know (ADR 0046).
const (
	maxAnswers     = 1 << 16
	maxAnswerBytes = 64 << 20
	maxAwaited     = 1 << 16
	maxAwaitBytes  = 512 << 20
)

// answers keeps the first signed answer of each node to each request. The zero value is empty.
type answers struct {
	of    map[question]signedAnswer
	order []question // as they came; those that left stay until they are first
	bytes int
}

// keep takes the first answer to a question.
func (a *answers) keep(q question, x signedAnswer) {
	if a.of == nil {
		a.of = map[question]signedAnswer{}
	}
	a.of[q] = x
	a.order, a.bytes = append(a.order, q), a.bytes+x.bytes()
}

// trim lets go what is over, and of what judged says the oldest until the bounds hold.
func (a *answers) trim(most, mostBytes int, over, judged func(signedAnswer) bool) {
	stay := a.order[:0]
	for _, q := range a.order {
		x, ok := a.of[q]
		full := len(a.of) > most || a.bytes > mostBytes
		if ok && !over(x) && (!full || !judged(x)) {
			stay = append(stay, q)
		} else if ok {
			delete(a.of, q)
			a.bytes -= x.bytes()
		}
	}
	a.order = stay
}

// remember keeps a receipt that its node signed, until its window is over, and returns the earlier
// answer to the same request that says something else, if there is one. A claim that only its place in
// a batch shows is held against it, too.
func (c *Challenger) remember(r *receipt.Receipt) *signedAnswer {
	q := question{r.Claim.Node, r.Request.Digest(r.Domain)}
	signed := claim.VerifySigner(r.Claim.Digest(c.o.Domain), r.Signature, r.Claim.Node) == nil
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.answers.of[q]
	switch {
	case ok && known.claim.ID(c.o.Domain) != r.Claim.ID(c.o.Domain):
		return &known
	case !ok && signed:
		c.answers.keep(q, signedAnswer{r.Claim, r.Signature, r.Output, r.Cancel})
		if len(c.answers.of) > maxAnswers || c.answers.bytes > maxAnswerBytes {
			c.tidyAnswers()
		}
	}
	return nil
}

// tidyAnswers holds answers to their bounds and windows; the caller holds mu.
func (c *Challenger) tidyAnswers() {
	c.answers.trim(maxAnswers*7/8, maxAnswerBytes*7/8,
		func(x signedAnswer) bool { return c.now > x.claim.ChallengeUntil+c.o.Window },
		func(x signedAnswer) bool { return c.checked[x.claim.ID(c.o.Domain)].Known })
}

// contradiction begins a challenge of a claim that another one of its node contradicts, without
// computing anything, and says whether it did. Where only states of claims of unequal counts differ,
// the check of each finds the false one. SPEC 08 §4.9.
func (c *Challenger) contradiction(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion) (bool, error) {
	m, held := c.model(r.Request.Model)
	if !held || c.unfit(r, at) != "" || !truthful(r) {
		return false, nil
	}
	open := c.opening(r, at, m)
	if field, _ := open.Face(c.o.Domain); field != "" {
		return false, nil // it is refuted by that
	}
	other := c.remember(r)
	if other == nil {
		return false, nil
	}
	second := dispute.Second{Claim: other.claim, Signature: other.signature, Cancel: other.cancel}
	found, ok := dispute.Contradiction(open, r.Output, second, other.output)
	if !ok {
		return false, nil
	}
	open.T, open.Second = dispute.Contradicts, found
	id, theirs := r.Claim.ID(c.o.Domain), other.claim.ID(c.o.Domain)
	c.mu.Lock()
	c.checked[id] = Verdict{Claim: id, Known: true, Why: fmt.Sprintf("claim %x of the node says something else about the same request", theirs)}
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
		c.unawait(d)
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
	_, known := c.awaited.of[digest]
	_, posted := c.inBatch[digest]
	c.mu.Unlock()
	if known || posted {
		return nil
	}
	if err := c.store.keep(digest, raw); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awaited.add(digest, c.rank(digest), r, len(raw))
	for len(c.awaited.of) > maxAwaited || c.awaited.bytes > maxAwaitBytes {
		c.forgetOne()
	}
	return nil
}

// rank is a receipt's place in the secret order in which those of a node are forgotten.
func (c *Challenger) rank(digest claim.Hash) claim.Hash {
	return claim.Keccak([]byte("elenchus/forget/1"), c.o.Secret[:], digest[:])
}

// unawait forgets an awaited receipt; the caller holds mu.
func (c *Challenger) unawait(digest claim.Hash) {
	if c.awaited.remove(digest) {
		c.store.drop(digest)
	}
}

// forgetOne drops an awaited receipt of the node that has the most, the one that a secret order puts
// first: a node that floods cannot choose what is forgotten. The caller holds mu.
func (c *Challenger) forgetOne() {
	node, digest := c.awaited.first()
	c.o.Log.Warn("too many receipts await their batch", "node", fmt.Sprintf("%x", node), "forgotten", fmt.Sprintf("%x", digest))
	c.unawait(digest)
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
	c.tidyAnswers()
	var out []*receipt.Receipt
	for digest, r := range c.awaited.of {
		id := r.Claim.ID(c.o.Domain)
		switch {
		case c.now > r.Claim.ChallengeUntil:
			c.unawait(digest)
		case c.now > r.Claim.BatchBy+c.o.Window/4 && c.checked[id].True && !c.store.has(id) && !c.unread(r.Claim.Node):
			out = append(out, r.Receipt)
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
		digest := r.Claim.Digest(c.o.Domain)
		c.awaited.add(digest, c.rank(digest), r, len(raw))
		select {
		case c.queue <- handed{r, nil}: // its verdict was forgotten
		default:
		}
	}
	return nil
}
