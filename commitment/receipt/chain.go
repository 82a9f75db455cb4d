package receipt

import (
	"fmt"

	"elenchus/commitment/claim"
)

// Chain is what the contracts say about a claim. Times are unix seconds of the chain.
type Chain struct {
	Domain  claim.Domain // of the deployment that was asked
	Now     uint64
	Window  uint64     // seconds that every claim must stay open to challenge
	Batch   *Inclusion // nil: the claim is in no batch that was read
	Unread  string     // why some batch of the node could not be read
	Refuted bool
	Voided  bool // the node missed a deadline of a game about this claim
}

// Inclusion is the place of a claim in a batch on the chain.
type Inclusion struct {
	Root   claim.Hash
	Count  uint32
	Index  uint32
	Path   []claim.Hash
	Posted uint64
	Until  uint64 // end of the batch's own window
}

// noChain is the outcome without a chain.
func (f *Facts) noChain() (Outcome, string) {
	if f.NoChain != "" {
		return Cannot, f.NoChain
	}
	return Unasked, "no chain was asked"
}

// inclusion: a claim outside of every batch can be challenged by its signature alone, but stake is
// reserved only for batches. SPEC 07 §5.
func inclusion(r *Receipt, f *Facts) (Outcome, string) {
	c := f.Chain
	if c == nil {
		return f.noChain()
	}
	if r.Domain != c.Domain {
		return False, fmt.Sprintf("the claim was signed for arena 0x%x on chain %d, this is arena 0x%x on chain %d",
			r.Domain.Arena, r.Domain.ChainID, c.Domain.Arena, c.Domain.ChainID)
	}
	if c.Batch == nil {
		return notIncluded(r, c)
	}
	b := c.Batch
	if err := claim.VerifyLeaf(b.Root, b.Count, b.Index, r.Claim.Digest(r.Domain), b.Path); err != nil {
		return False, err.Error()
	}
	return Holds, fmt.Sprintf("claim %d of %d in batch %x, posted at %d", b.Index, b.Count, b.Root, b.Posted)
}

func notIncluded(r *Receipt, c *Chain) (Outcome, string) {
	by := r.Claim.BatchBy
	switch {
	case c.Now <= by:
		return Pending, fmt.Sprintf("in no batch yet; the node has %d s left, until %d", by-c.Now, by)
	case c.Unread != "":
		return Cannot, "in no batch that could be read: " + c.Unread
	}
	return False, fmt.Sprintf("in no batch, although the node signed that it would be by %d; the chain's time is %d", by, c.Now)
}

// window: SPEC 07 §6.
func window(r *Receipt, f *Facts) (Outcome, string) {
	c := f.Chain
	if c == nil {
		return f.noChain()
	}
	k := &r.Claim
	if k.ChallengeUntil < k.Issued || k.ChallengeUntil-k.Issued < c.Window {
		return False, fmt.Sprintf("issued at %d and open to challenge until %d, less than the %d s of this deployment", k.Issued, k.ChallengeUntil, c.Window)
	}
	until := k.ChallengeUntil
	if c.Batch != nil {
		until = max(until, c.Batch.Until)
	}
	if c.Now < until {
		return Holds, fmt.Sprintf("open to challenge for another %d s, until %d", until-c.Now, until)
	}
	return Holds, fmt.Sprintf("over since %d: the claim can no longer be challenged", until)
}

func verdict(r *Receipt, f *Facts) (Outcome, string) {
	switch c := f.Chain; {
	case c == nil:
		return f.noChain()
	case r.Domain != c.Domain:
		return Cannot, "another deployment was asked than the one that the claim was signed for"
	case c.Refuted:
		return False, "the claim was refuted on the chain"
	case c.Voided:
		return False, "the claim is void: its node missed a deadline of a game about it"
	}
	return Holds, "nothing on the chain speaks against the claim"
}
