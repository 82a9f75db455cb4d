package challenger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
)

// patience says when to ask a node again that did not serve what it must.
type patience struct {
	next  time.Time
	pause time.Duration
}

// retryEvery is the first pause before a node is asked again, and the pause between looks; the
// pauses double up to maxPause.
const (
	retryEvery = time.Second
	maxPause   = time.Minute
)

// auditLoop checks receipts and batches as they come until ctx ends. A node that keeps the auditor
// waiting is asked ever more rarely, so that it does not hide the others.
func (c *Challenger) auditLoop(ctx context.Context) error {
	waits := map[claim.Address]patience{}
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	for {
		if err := c.drain(ctx); err != nil {
			return err
		}
		if err := c.auditAll(ctx, waits); err != nil {
			return err
		}
		if err := c.demand(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.wake:
		case <-tick.C:
		}
	}
}

// drain checks the receipts that were handed over.
func (c *Challenger) drain(ctx context.Context) error {
	for {
		select {
		case r := <-c.queue:
			if err := c.receive(ctx, r.Receipt, r.at); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// receive checks a receipt that was handed over, and waits for its batch unless it came with it.
func (c *Challenger) receive(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion) error {
	if err := c.audit(ctx, r, at); errors.Is(err, errCompute) {
		c.o.Log.Warn("receipt not checked", "claim", fmt.Sprintf("%x", r.ID()), "err", err) // its batch will be
		return nil
	} else if err != nil {
		return err
	}
	c.mu.Lock()
	v := c.checked[r.Claim.ID(c.o.Domain)]
	c.mu.Unlock()
	if at != nil || !v.True || r.Claim.BatchBy == ^uint64(0) { // of an attestation nobody promised a batch
		return nil
	}
	return c.await(r)
}

// auditAll checks the batches that are neither checked nor out of time, of nodes that may be asked.
func (c *Challenger) auditAll(ctx context.Context, waits map[claim.Address]patience) error {
	for _, b := range c.unchecked() {
		w := waits[b.Node]
		if time.Now().Before(w.next) {
			continue
		}
		err := c.auditBatch(ctx, b)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			w.pause = min(max(2*w.pause, retryEvery), maxPause)
			w.next = time.Now().Add(w.pause)
			waits[b.Node] = w
			c.o.Log.Warn("batch not checked", "root", fmt.Sprintf("%x", b.Root), "again", w.pause, "err", err)
			continue
		}
		delete(waits, b.Node)
		c.mu.Lock()
		delete(c.batches, b.Root)
		c.mu.Unlock()
		if err := c.drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// unchecked are the batches to check, those whose time is over first; what is too late is dropped.
func (c *Challenger) unchecked() []ledger.BatchPosted {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []ledger.BatchPosted
	for root, b := range c.batches {
		if b.Until < c.now {
			delete(c.batches, root)
			continue
		}
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b ledger.BatchPosted) int {
		return cmp.Or(cmp.Compare(a.Until, b.Until), bytes.Compare(a.Root[:], b.Root[:]))
	})
	return out
}

// endpoint is where a node said that it serves.
func (c *Challenger) endpoint(node claim.Address) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.urls[node]
}

// auditBatch fetches and checks the claims of a batch.
func (c *Challenger) auditBatch(ctx context.Context, b ledger.BatchPosted) error {
	url := c.endpoint(b.Node)
	if url == "" {
		return fmt.Errorf("node %x has registered no endpoint", b.Node)
	}
	fetch, cancel := context.WithTimeout(ctx, c.o.FetchWithin)
	rs, err := c.o.Source.Batch(fetch, url, b.Root)
	cancel()
	if err != nil {
		return err
	}
	digests := make([]claim.Hash, len(rs))
	for i, p := range rs {
		digests[i] = p.Digest(c.o.Domain)
	}
	if len(rs) != int(b.Count) || claim.TreeRoot(digests) != b.Root {
		return fmt.Errorf("the %d receipts served are not the %d claims of the batch", len(rs), b.Count)
	}
	c.included(digests, b.Until)
	tree := claim.NewTree(digests)
	var spoilt error
	for i, p := range rs {
		r := p.Receipt
		if r == nil { // for its parties: whoever holds the receipt hands it over
			continue
		}
		at := &dispute.Inclusion{Root: b.Root, Index: uint16(i), Path: tree.Path(i)}
		if r.Claim.Node != b.Node {
			at = nil // the arena knows batches by node and root: only a signature shows this claim
		} else if why := c.unfit(r, at); why != "" {
			spoilt = fmt.Errorf("receipt %d of the batch: %s", i, why)
			continue
		}
		if err := c.audit(ctx, r, at); errors.Is(err, errCompute) {
			spoilt = err
		} else if err != nil {
			return err
		}
	}
	return spoilt
}

// audit checks one claim, once, and begins a challenge if it is false. at is its place in a batch,
// nil when only the node's signature is at hand.
func (c *Challenger) audit(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion) error {
	id := r.Claim.ID(c.o.Domain)
	c.mu.Lock()
	known := c.checked[id].Known               // a receipt that could not be checked does not hide a good one
	known = known || c.spared[id] && at != nil // who refutes a plant that was shown slashes nobody
	c.mu.Unlock()
	if known || c.store.has(id) || at == nil && !c.covered(ctx, r) {
		return nil
	}
	if c.bare(r) && !c.onItsFace(r, at) {
		return c.complete(ctx, r, at)
	}
	if done, err := c.contradiction(ctx, r, at); done || err != nil {
		return err
	}
	v, open, err := c.verify(ctx, r, at)
	if err != nil {
		return err
	}
	v.Claim = id
	c.mu.Lock()
	c.checked[id] = v
	c.mu.Unlock()
	c.o.Log.Info("claim checked", "claim", fmt.Sprintf("%x", id), "known", v.Known, "true", v.True, "why", v.Why)
	if open == nil {
		return nil
	}
	return c.challenge(ctx, r, open)
}

// covered says whether a receipt without a batch is worth its check. One that is not stays unknown,
// so that the batch that may hold it later is checked.
func (c *Challenger) covered(ctx context.Context, r *receipt.Receipt) bool {
	if c.o.Covered == nil || c.o.Covered(ctx, r.Claim.Node) {
		return true
	}
	c.o.Log.Info("receipt of a node without free stake", "node", fmt.Sprintf("%x", r.Claim.Node))
	return false
}

// errCompute says that a claim could not be computed now: its model does not fit memory, or its file
// is spoilt. It may be later.
var errCompute = errors.New("the claim cannot be computed now")

// verify re-computes a claim and, where it is false, says where to open. The error is ctx's or
// errCompute; what can never be checked is a verdict.
func (c *Challenger) verify(ctx context.Context, r *receipt.Receipt, at *dispute.Inclusion) (Verdict, *dispute.OpenMove, error) {
	if why := c.unfit(r, at); why != "" {
		return Verdict{Why: why}, nil, nil
	}
	m, ok := c.model(r.Request.Model)
	if !ok {
		return Verdict{Why: fmt.Sprintf("model %x is not held here", r.Request.Model)}, nil, nil
	}
	open := c.opening(r, at, m)
	if field, value := open.Face(c.o.Domain); field != "" {
		open.T = dispute.OnItsFace
		return Verdict{Known: true, Why: fmt.Sprintf("the claim is false on its face: %s is %d", field, value)}, open, nil
	}
	if err := m.takes(r); err != nil {
		return Verdict{Why: err.Error()}, nil, nil
	}
	own, err := c.compute(ctx, r)
	if errors.Is(err, model.ErrModel) {
		return Verdict{Why: err.Error()}, nil, nil // no answer of this model
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: claim %x: %w", errCompute, r.ID(), err)
	}
	if err != nil {
		return Verdict{}, nil, err
	}
	lie, err := open.Accuse(c.o.Domain, own, nil)
	if err != nil {
		return Verdict{Why: err.Error()}, nil, nil //nolint:nilerr // it is the verdict
	}
	if !lie {
		return Verdict{Known: true, True: true}, nil, nil
	}
	v, open := c.accusation(ctx, r, m, own, open)
	return v, open, nil
}

// accusation is the verdict on a claim that differs from the own answer, and open with the place of the difference, nil
// where no game can refute the claim.
func (c *Challenger) accusation(ctx context.Context, r *receipt.Receipt, m *Model, own dispute.Knowledge, open *dispute.OpenMove) (Verdict, *dispute.OpenMove) {
	if r.Request.Graph() {
		return Verdict{Known: true, Why: "the output or a boundary differs"}, open
	}
	if m.Manifest.Class == manifest.Private {
		c.o.Log.Warn("false claim about a private model: no game can refute it", "claim", fmt.Sprintf("%x", r.ID()), "node", fmt.Sprintf("%x", r.Claim.Node))
		return Verdict{Known: true, Why: difference(open.T) + "; the model is private: no game can refute that"}, nil
	}
	if _, err := open.Accuse(c.o.Domain, own, c.servedStates(ctx, r)); err != nil {
		return Verdict{Why: err.Error()}, nil
	}
	return Verdict{Known: true, Why: difference(open.T)}, open
}

// difference says what a challenge is about.
func difference(t uint32) string {
	switch t {
	case dispute.AnyState:
		return "the states differ; the node withholds them"
	case dispute.AnyOutput:
		return "the output ids are not those of the states"
	}
	return fmt.Sprintf("state %d differs", t)
}

// opening is the challenge of a claim before it is known where it is false.
func (c *Challenger) opening(r *receipt.Receipt, at *dispute.Inclusion, m *Model) *dispute.OpenMove {
	return c.openingOf(r, at, m.Manifest.Header)
}

func (c *Challenger) openingOf(r *receipt.Receipt, at *dispute.Inclusion, h manifest.Header) *dispute.OpenMove {
	id := r.Claim.ID(c.o.Domain)
	return &dispute.OpenMove{
		Opener: c.o.Account, Salt: claim.Keccak([]byte("elenchus/salt/1"), c.o.Secret[:], id[:]), MaxBond: c.o.MaxBond,
		Claim: r.Claim, Request: r.Request, Sampler: r.Settings(), Lists: r.Lists(), Header: h, Batch: at, Signature: r.Signature, Cancel: r.Cancel,
	}
}

// unfit says why a receipt cannot be judged, whoever holds its model, or "". A claim that is false on
// its face can be, whatever ids come with it.
func (c *Challenger) unfit(r *receipt.Receipt, at *dispute.Inclusion) string {
	if why := evident(r, c.o.Domain, at); why != "" {
		return why
	}
	if c.onItsFace(r, at) {
		return ""
	}
	return consistent(r)
}

// onItsFace says that a claim that its node made is false whatever its data are: nobody has to be asked for them.
func (c *Challenger) onItsFace(r *receipt.Receipt, at *dispute.Inclusion) bool {
	m, held := c.model(r.Request.Model)
	if !held || evident(r, c.o.Domain, at) != "" {
		return false
	}
	field, _ := c.opening(r, at, m).Face(c.o.Domain)
	return field != ""
}

// evident says why nothing shows that the node made a claim about the request that comes with it, or
// "". A place in a batch shows it without a signature.
func evident(r *receipt.Receipt, d claim.Domain, at *dispute.Inclusion) string {
	switch {
	case r.Domain != d:
		return "the receipt is of another arena"
	case r.Claim.RequestDigest != r.Named():
		return "the claim is not about the request that comes with it"
	case r.Claim.Version != claim.Version:
		return fmt.Sprintf("the claim has version %d", r.Claim.Version)
	case r.Settings().Extras() != r.Request.Extras:
		return "the sampler settings are not those of the request" // open would seal another request
	case at != nil:
		return ""
	}
	if err := claim.VerifySigner(r.Claim.Digest(d), r.Signature, r.Claim.Node); err != nil {
		return err.Error()
	}
	return ""
}

// consistent says why the ids of a receipt are not those that its request commits to, or "".
func consistent(r *receipt.Receipt) string {
	q := &r.Request
	switch {
	case r.Missing != (receipt.Missing{}):
		return "the lists of the request are named and not there"
	case q.Graph() && (len(r.Prompt) == 0 || len(r.Stop) > 0 || trace.IDTree(r.Prompt).Root() != q.PromptRoot):
		return "the input is not that of the request"
	case q.Graph():
		return ""
	case len(r.Prompt) == 0 || int(q.PromptCount) != len(r.Prompt) || trace.PromptTree(r.Prompt, r.Salt).Root() != q.PromptRoot:
		return "the prompt ids are not those of the request"
	case int(q.StopCount) != len(r.Stop) || len(r.Stop) > 0 && trace.IDTree(r.Stop).Root() != q.StopRoot:
		return "the stop ids are not those of the request"
	}
	return ""
}

// challenge keeps the opening on disk and commits to it.
func (c *Challenger) challenge(ctx context.Context, r *receipt.Receipt, open *dispute.OpenMove) error {
	id := r.Claim.ID(c.o.Domain)
	key := dispute.Key(open.Opener, id, open.T, open.Salt)
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	if err := c.store.put(record{Game: key, Claim: id, Open: open.Encode(), Receipt: raw}); err != nil {
		return err
	}
	c.crash("challenge recorded, not sent")
	c.o.Log.Info("challenge", "claim", fmt.Sprintf("%x", id), "t", open.T, "game", fmt.Sprintf("%x", key))
	return c.submit(ctx, ledger.Commit{Game: key})
}

// servedStates are the node's states if it serves them.
func (c *Challenger) servedStates(ctx context.Context, r *receipt.Receipt) []claim.Hash {
	n := len(r.Prompt) + int(r.Claim.Count) - 1
	ctx, cancel := context.WithTimeout(ctx, c.o.FetchWithin)
	defer cancel()
	hs, err := c.o.Source.States(ctx, c.endpoint(r.Claim.Node), r.Claim.ID(c.o.Domain), n)
	if err != nil {
		c.o.Log.Info("states are withheld", "claim", fmt.Sprintf("%x", r.Claim.ID(c.o.Domain)), "err", err)
		return nil
	}
	return hs
}
