package node

import (
	"context"
	"fmt"
	"time"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
)

// Job is a request with the ids that its roots commit to.
type Job struct {
	Request claim.Request
	Prompt  []int32
	Stop    []int32
	Sampler decode.Sampler // behind the request's extras
	Salt    [32]byte       // behind the root of the prompt of a request that is not public
	Odds    *int           // alternatives wanted in the odds of each id; nil: no odds. No claim binds them
}

// decoded is what the machine needs of the job.
func (j *Job) decoded() decode.Job {
	r := &j.Request
	return decode.Job{Prompt: j.Prompt, StopIDs: j.Stop, MaxNew: r.MaxNew, Temperature: r.Temperature, Seed: r.Seed, Sampler: j.Sampler, Salt: j.Salt}
}

// check refuses what the node cannot answer for; the error names the value. SPEC 07 §2.
func (n *Node) check(j *Job) (*Model, error) {
	r := &j.Request
	m, err := n.model(r.Model)
	if err != nil {
		return nil, err
	}
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := n.taken(r.Digest(n.o.Domain)); err != nil {
		return nil, err
	}
	if m.graph() {
		return m, checkGraph(j, m)
	}
	d := j.decoded()
	if err := d.Check(m.Manifest.Model); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if r.Salted() != (j.Salt != [32]byte{}) {
		return nil, fmt.Errorf("%w: the request is of class %s: a salt of 32 bytes that are not all 0 goes with the other classes than public, and with them alone",
			ErrRefused, claim.ClassName(r.DataClass))
	}
	if got := trace.PromptTree(j.Prompt, j.Salt).Root(); got != r.PromptRoot || int(r.PromptCount) != len(j.Prompt) {
		return nil, fmt.Errorf("%w: the prompt's %d ids have root %x, the request says %d, %x", ErrRefused, len(j.Prompt), got, r.PromptCount, r.PromptRoot)
	}
	if len(j.Stop) != int(r.StopCount) || len(j.Stop) > 0 && trace.IDTree(j.Stop).Root() != r.StopRoot {
		return nil, fmt.Errorf("%w: the %d stop ids do not have the request's root %x", ErrRefused, len(j.Stop), r.StopRoot)
	}
	if got := trace.Settings(&j.Sampler).Extras(); got != r.Extras {
		return nil, fmt.Errorf("%w: the sampler settings have hash %x, the request says %x", ErrRefused, got, r.Extras)
	}
	return m, j.checkOdds(m)
}

// checkOdds refuses odds that nobody can give.
func (j *Job) checkOdds(m *Model) error {
	if j.Odds == nil {
		return nil
	}
	if *j.Odds < 0 || *j.Odds > decode.MaxOdds {
		return fmt.Errorf("%w: logprobs with %d alternatives, want 0..%d", ErrRefused, *j.Odds, decode.MaxOdds)
	}
	if _, ok := m.Computer.(Assessor); !ok {
		return fmt.Errorf("%w: this node gives no logprobs", ErrRefused)
	}
	return nil
}

// Serve computes a job, handing ids to emit as they come, and returns the receipt, which is stored
// before Serve returns. If ctx ends, nothing is claimed; if the user cancels (Cancel), the ids until then are.
// A full node says ErrBusy.
func (n *Node) Serve(ctx context.Context, j Job, emit func(id int32) error) (*receipt.Receipt, error) {
	if emit == nil {
		return n.ServeOdds(ctx, j, nil)
	}
	return n.ServeOdds(ctx, j, func(id int32, _ *decode.Odds) error { return emit(id) })
}

// ServeOdds is Serve with the odds of each id, if the job wants them.
func (n *Node) ServeOdds(ctx context.Context, j Job, emit func(id int32, o *decode.Odds) error) (*receipt.Receipt, error) {
	m, err := n.check(&j)
	if err != nil {
		return nil, err
	}
	if m.graph() {
		return n.serveGraph(ctx, m, &j)
	}
	l, done := n.enlist(j.Request.Digest(n.o.Domain), j.Request)
	defer done()
	answer, finish, err := n.generate(ctx, m, &j, l.through(emit))
	if err != nil {
		return nil, err
	}
	var cancel claim.Signature
	if finish == claim.FinishCancelled {
		answer, cancel = l.end(answer)
	}
	n.crash("before signing")
	r, err := n.sign(&j, answer, finish, cancel)
	if err != nil {
		return nil, err
	}
	if r, err = n.keep(r); err != nil {
		return nil, err
	}
	id := r.Claim.ID(n.o.Domain)
	n.remember(id, answer)
	n.o.Log.Info("claim", "claim", fmt.Sprintf("%x", id), "tokens", len(answer.Outputs), "finish", finish)
	return r, nil
}

// keep stores a receipt. Who asks the same again gets the receipt of the first time: its times are those
// of the batch.
func (n *Node) keep(r *receipt.Receipt) (*receipt.Receipt, error) {
	raw, err := r.Encode()
	if err != nil {
		return nil, err
	}
	id := r.Claim.ID(n.o.Domain)
	fresh, err := n.store.put(id, raw)
	if err != nil {
		return nil, fmt.Errorf("keep claim %x: %w", id, err)
	}
	if fresh {
		n.grew(r.Claim.Issued)
	}
	if r, err = n.receipt(id); err != nil {
		return nil, fmt.Errorf("keep claim %x: %w", id, err)
	}
	n.crash("signed, not sent")
	return r, nil
}

// generate computes a job when its turn has come. The place is given back even if the computer panics.
func (n *Node) generate(ctx context.Context, m *Model, j *Job, emit func(int32, *decode.Odds) error) (*trace.Answer, uint8, error) {
	if err := n.runs.enter(ctx); err != nil {
		return nil, 0, err
	}
	defer n.runs.leave()
	if j.Odds != nil {
		return m.Computer.(Assessor).GenerateOdds(ctx, j.decoded(), *j.Odds, func(id int32, o decode.Odds) error { return emit(id, &o) })
	}
	return m.Computer.Generate(ctx, j.decoded(), func(id int32) error { return emit(id, nil) })
}

// sign makes the claim of an answer and signs it; cancel is the signature of the user who ended it, if one did.
// The same answer gives the same claim id.
func (n *Node) sign(j *Job, a *trace.Answer, finish uint8, cancel claim.Signature) (*receipt.Receipt, error) {
	return n.signed(j, claim.Claim{
		Count: uint32(len(a.Outputs)), Finish: finish, StateRoot: a.StateTree().Root(), OutputRoot: trace.IDTree(a.Outputs).Root(),
	}, a.Outputs, cancel)
}

// signed completes a claim by what is the same of all, and signs it.
func (n *Node) signed(j *Job, c claim.Claim, output []int32, cancel claim.Signature) (*receipt.Receipt, error) {
	now := n.now()
	c.Version, c.Node, c.RequestDigest = claim.Version, n.addr, c.Named(n.o.Domain, j.Request.Digest(n.o.Domain), cancel)
	c.Issued, c.BatchBy, c.ChallengeUntil = now, now+uint64(n.o.Window/time.Second), now+2*uint64(n.o.Window/time.Second)
	if err := c.Check(j.Request); err != nil {
		return nil, err
	}
	sig, err := claim.Sign(c.Digest(n.o.Domain), n.o.Key)
	if err != nil {
		return nil, err
	}
	return &receipt.Receipt{
		Domain: n.o.Domain, Request: j.Request, Claim: c, Signature: sig, Cancel: cancel, Prompt: j.Prompt, Stop: j.Stop, Output: output, Sampler: j.Sampler,
		Salt: j.Salt,
	}, nil
}

// now is the chain's time: the own clock, while blocks are on their way, but neither before the newest block nor
// more than half a window after it. So a clock that is wrong makes no promise that challengers refuse, and none that
// is over. SPEC 15 §3.4.
func (n *Node) now() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	own, block := uint64(max(0, n.o.Now().Unix())), n.head.Time
	if block == 0 {
		return own // nothing is known of the chain yet
	}
	return max(block, min(own, block+uint64(n.o.Window/time.Second)/2))
}

// maxRecent is the number of answers whose states are kept in memory; older ones are recomputed.
const maxRecent = 1024

func (n *Node) remember(id claim.Hash, a *trace.Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.recent) >= maxRecent {
		clear(n.recent)
	}
	n.recent[id] = a
}

// answer is the commitment of a claim, from memory or by computing it again.
func (n *Node) answer(ctx context.Context, id claim.Hash) (*receipt.Receipt, *trace.Answer, *Model, error) {
	r, m, err := n.stored(id)
	if err != nil {
		return nil, nil, nil, err
	}
	if m.graph() {
		return nil, nil, nil, errNoStates
	}
	n.mu.Lock()
	a := n.recent[id]
	n.mu.Unlock()
	if a == nil {
		by, err := n.computer(ctx, id, m)
		if err != nil {
			return nil, nil, nil, err
		}
		if a, _, err = by.Audit(ctx, r.Job(), r.Output); err != nil {
			return nil, nil, nil, err
		}
		n.remember(id, a)
	}
	return r, a, m, nil
}
