package challenger

import (
	"context"
	"fmt"
	"slices"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// auditBatch fetches and checks the claims of a batch.
func (c *Challenger) auditBatch(ctx context.Context, b ledger.BatchPosted) error {
	url, ok := c.urls[b.Node]
	if !ok {
		return fmt.Errorf("node %x has registered no endpoint", b.Node)
	}
	rs, err := c.o.Source.Batch(ctx, url, b.Root)
	if err != nil {
		return err
	}
	digests := make([]claim.Hash, len(rs))
	for i, r := range rs {
		digests[i] = r.Claim.Digest(c.o.Domain)
	}
	if len(rs) != int(b.Count) || claim.TreeRoot(digests) != b.Root {
		return fmt.Errorf("the %d receipts served are not the %d claims of the batch", len(rs), b.Count)
	}
	tree := claim.NewTree(digests)
	for i, r := range rs {
		at := &dispute.Inclusion{Root: b.Root, Index: uint16(i), Path: tree.Path(i)}
		if err := c.audit(ctx, r, at); err != nil {
			return err
		}
	}
	return nil
}

// job is what the machine needs of a receipt.
func job(r *receipt.Receipt) decode.Job {
	q := &r.Request
	return decode.Job{Prompt: r.Prompt, StopIDs: r.Stop, MaxNew: q.MaxNew, Temperature: q.Temperature, Seed: q.Seed}
}

// audit checks one claim, once, and begins a challenge if it is false. at is its place in a batch,
// nil when only the node's signature is at hand.
func (c *Challenger) audit(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion) error {
	id := r.Claim.ID(c.o.Domain)
	c.mu.Lock()
	_, done := c.checked[id]
	c.mu.Unlock()
	if done || c.store.has(id) {
		return nil
	}
	v, own, err := c.verify(ctx, r)
	if err != nil {
		return err
	}
	v.Claim = id
	c.mu.Lock()
	c.checked[id] = v
	c.mu.Unlock()
	c.o.Log.Info("claim checked", "claim", fmt.Sprintf("%x", id), "known", v.Known, "true", v.True, "why", v.Why)
	if !v.Known || v.True {
		return nil
	}
	return c.challenge(ctx, r, at, own)
}

// verify re-computes a claim. The error is ctx's; what cannot be checked is a verdict.
func (c *Challenger) verify(ctx context.Context, r *receipt.Receipt) (Verdict, *trace.Answer, error) {
	m, ok := c.models[r.Request.Model]
	if !ok {
		return Verdict{Why: fmt.Sprintf("model %x is not held here", r.Request.Model)}, nil, nil
	}
	if why := consistent(r, c.o.Domain); why != "" {
		return Verdict{Why: why}, nil, nil
	}
	j := job(r)
	if err := j.Check(m.Manifest.Model); err != nil {
		return Verdict{Why: err.Error()}, nil, nil
	}
	own, finish, err := m.Computer.Generate(ctx, j, nil)
	if err != nil {
		return Verdict{}, nil, err
	}
	v := Verdict{Known: true, True: true}
	cl := &r.Claim
	switch {
	case int(cl.Count) != len(own.Outputs):
		v.True, v.Why = false, fmt.Sprintf("%d tokens are claimed, %d computed", cl.Count, len(own.Outputs))
	case cl.Finish != finish:
		v.True, v.Why = false, fmt.Sprintf("finish %d is claimed, %d computed", cl.Finish, finish)
	case cl.OutputRoot != trace.IDTree(own.Outputs).Root():
		v.True, v.Why = false, "the output ids differ"
	case cl.StateRoot != own.StateTree().Root():
		v.True, v.Why = false, "the states differ"
	}
	return v, own, nil
}

// consistent says why the ids of a receipt are not those that its request commits to, or "".
func consistent(r *receipt.Receipt, d claim.Domain) string {
	q := &r.Request
	switch {
	case r.Claim.RequestDigest != q.Digest(d):
		return "the claim is not about the request that comes with it"
	case len(r.Prompt) == 0 || int(q.PromptCount) != len(r.Prompt) || trace.IDTree(r.Prompt).Root() != q.PromptRoot:
		return "the prompt ids are not those of the request"
	case int(q.StopCount) != len(r.Stop) || len(r.Stop) > 0 && trace.IDTree(r.Stop).Root() != q.StopRoot:
		return "the stop ids are not those of the request"
	}
	if err := r.Claim.Check(*q); err != nil {
		return err.Error()
	}
	if err := claim.VerifySigner(r.Claim.Digest(d), r.Signature, r.Claim.Node); err != nil {
		return err.Error()
	}
	return ""
}

// challenge decides where to open, keeps the opening on disk and commits to it.
func (c *Challenger) challenge(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion, own *trace.Answer) error {
	m := c.models[r.Request.Model]
	id := r.Claim.ID(c.o.Domain)
	states := c.servedStates(ctx, r)
	t := where(r, own, states)
	salt := claim.Keccak([]byte("elenchus/salt/1"), c.o.Secret[:], id[:])
	open := dispute.OpenMove{
		Opener: c.o.Account, T: t, Salt: salt, MaxBond: c.o.MaxBond, Claim: r.Claim, Request: r.Request, Header: m.Manifest.Header,
		Batch: at, Signature: r.Signature,
	}
	prompt := trace.IDBytes(r.Prompt)
	open.PromptLeaf = append(slices.Clone(prompt[:min(64, len(prompt))]), make([]byte, max(0, 64-len(prompt)))...)
	open.PromptPath = trace.IDTree(r.Prompt).Siblings(0, 0, 1)
	if t < dispute.AnyOutput {
		tree := merkle.NewTree(states, merkle.Depth(uint64(len(states))), 0)
		lo := max(t, 1) - 1
		open.Before, open.After = states[lo], states[t]
		open.StatePath = tree.Siblings(0, uint64(lo), uint64(t)+1)
	}
	key := dispute.Key(c.o.Account, id, t, salt)
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	if err := c.store.put(record{Game: key, Claim: id, Open: open.Encode(), Receipt: raw}); err != nil {
		return err
	}
	c.crash("challenge recorded, not sent")
	c.o.Log.Info("challenge", "claim", fmt.Sprintf("%x", id), "t", t, "game", fmt.Sprintf("%x", key))
	return c.submit(ctx, ledger.Commit{Game: key})
}

// servedStates are the node's states when it serves what its claim commits to, else nil.
func (c *Challenger) servedStates(ctx context.Context, r *receipt.Receipt) []claim.Hash {
	n := len(r.Prompt) + int(r.Claim.Count) - 1
	hs, err := c.o.Source.States(ctx, c.urls[r.Claim.Node], r.Claim.ID(c.o.Domain), n)
	if err != nil || len(hs) != n || merkle.RootOf(hs, merkle.Depth(uint64(n))) != r.Claim.StateRoot {
		c.o.Log.Info("states are withheld", "claim", fmt.Sprintf("%x", r.Claim.ID(c.o.Domain)), "err", err)
		return nil
	}
	return hs
}

// where is the step to open at: the first whose state is not the own one; with equal states the
// first output id that is not its state's token, or else the end of the claim. Without the states
// it names the tree to descend.
func where(r *receipt.Receipt, own *trace.Answer, states []claim.Hash) uint32 {
	mine := own.Hashes[1:]
	if states == nil {
		n := len(r.Prompt) + int(r.Claim.Count) - 1
		if n <= len(mine) && merkle.RootOf(mine[:n], merkle.Depth(uint64(n))) == r.Claim.StateRoot {
			return dispute.AnyOutput
		}
		return dispute.AnyState
	}
	for i, h := range states {
		if i >= len(mine) || h != mine[i] {
			return uint32(i)
		}
	}
	if trace.IDTree(r.Output).Root() != r.Claim.OutputRoot {
		return dispute.AnyOutput
	}
	for i, id := range r.Output {
		if i < len(own.Outputs) && id != own.Outputs[i] {
			return uint32(len(r.Prompt) - 1 + i)
		}
	}
	return uint32(len(states) - 1)
}
