package conformance_test

import (
	"crypto/ecdsa"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/settlement/dispute"
)

// lie names the one element that a player computes wrongly, and the bits that it flips.
type lie struct {
	t, stage, tensor int
	element          uint64
	mask             int64
	then             trace.Tamper // what else the liar bends in this step, behind the element; or nil
}

func (l *lie) tamper() trace.Tamper {
	if l == nil {
		return nil
	}
	return func(stage int, c *opset.Context, i int, x *tensor.Tensor) {
		switch {
		case int(c.T) != l.t:
		case stage == l.stage && i == l.tensor:
			x.Set(int(l.element), x.At(int(l.element))^l.mask)
		case l.then != nil:
			l.then(stage, c, i, x)
		}
	}
}

// claimed is a claim as the node makes it, with what node and opener know of its job. The node
// computes with the lie theirs, the opener with mine; nil is honest.
type claimed struct {
	man    *manifest.Manifest
	open   dispute.OpenMove
	node   dispute.Knowledge
	opener dispute.Knowledge
	theirs *trace.Answer // token models
	mine   *trace.Answer
}

func bound(t testing.TB, m *model.Model) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(m)
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// graphClaim is a claim about one run of a graph model.
func graphClaim(t testing.TB, man *manifest.Manifest, theirs, mine *lie) *claimed {
	t.Helper()
	first := &man.Model.Stages[0].Ops[0]
	in := tensor.New(first.Type, 1, 1, int(first.Count(&opset.Context{})))
	for i := range in.Len() {
		in.Set(i, int64(i*37%200-100))
	}
	run := func(l *lie) *trace.Step {
		s, err := trace.ReplayGraph(man, in, nil, l.tamper())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	node, opener := run(theirs), run(mine)
	root := func(x *tensor.Tensor) claim.Hash { return merkle.Root(opset.LeafBytes, x.Bytes(0, x.Len())) }
	return &claimed{man: man, node: dispute.NewOwnGraph(man, node), opener: dispute.NewOwnGraph(man, opener),
		open: dispute.OpenMove{Header: man.Header, Claim: claim.Claim{StateRoot: trace.BoundaryTree(node.Boundaries()).Root(), OutputRoot: root(node.Output())},
			Request: claim.Request{PromptRoot: root(in)}}}
}

func tokenRun(t testing.TB, man *manifest.Manifest, job decode.Job, tamper trace.Tamper) (*trace.Answer, uint8) {
	t.Helper()
	chain := trace.NewChain(man, &job)
	hooks := decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) { chain.Append(y, kv) }}
	if tamper != nil {
		hooks.Tensor = tamper
	}
	r, err := decode.New(man.Model, job, nil, hooks)
	if err != nil {
		t.Fatal(err)
	}
	for !r.Done() {
		if err := r.Advance(1); err != nil {
			t.Fatal(err)
		}
	}
	return chain.Answer(r.Output()), uint8(r.Finish())
}

func tokenTestJob(seed uint64) decode.Job {
	return decode.Job{Prompt: []int32{5, 17, 290, 4}, StopIDs: []int32{2, 9}, MaxNew: 3, Temperature: 1 << 16, Seed: seed}
}

// tokenClaim is a claim about a token job, opened by descent over the states.
func tokenClaim(t testing.TB, man *manifest.Manifest, job decode.Job, theirs, mine *lie) *claimed {
	t.Helper()
	c := &claimed{man: man}
	var finish uint8
	c.theirs, finish = tokenRun(t, man, job, theirs.tamper())
	c.mine, _ = tokenRun(t, man, job, mine.tamper())
	n := uint32(len(c.theirs.Outputs))
	replay := func(l *lie) func(int) (*trace.Step, error) {
		return func(at int) (*trace.Step, error) { return trace.Replay(man, job, at, nil, nil, l.tamper(), nil) }
	}
	c.node = dispute.NewOwn(man, job, c.theirs, n, replay(theirs))
	c.opener = dispute.NewOwn(man, job, c.mine, n, replay(mine))
	prompt, out := trace.PromptTree(job.Prompt, job.Salt), trace.IDTree(c.theirs.Outputs)
	c.open = dispute.OpenMove{T: dispute.AnyState, Sampler: trace.Settings(&job.Sampler), Header: man.Header,
		Claim: claim.Claim{Count: n, Finish: finish, StateRoot: c.theirs.StateTree().Root(), OutputRoot: out.Root()},
		Request: claim.Request{PromptRoot: prompt.Root(), PromptCount: uint32(len(job.Prompt)), MaxNew: job.MaxNew,
			Temperature: job.Temperature, Seed: job.Seed, StopRoot: trace.IDTree(job.StopIDs).Root(), StopCount: uint8(len(job.StopIDs))}}
	if job.Salt != [32]byte{} {
		c.open.Request.DataClass = claim.Parties
	}
	return c
}

// differs says whether the players' states differ, which a game over states needs.
func (c *claimed) differs() bool {
	for i, h := range c.theirs.Hashes[1:] {
		if i+1 >= len(c.mine.Hashes) || h != c.mine.Hashes[i+1] {
			return true
		}
	}
	return false
}

// name opens at the first state that differs instead of descending to it.
func (c *claimed) name() {
	for i, h := range c.theirs.Hashes[1:] {
		if i+1 < len(c.mine.Hashes) && h == c.mine.Hashes[i+1] {
			continue
		}
		c.open.T = uint32(i)
		return
	}
}

// sign makes the node's signature the evidence.
func (c *claimed) sign(t testing.TB, d claim.Domain, key *ecdsa.PrivateKey) {
	t.Helper()
	_, cl := c.open.Sealed(d)
	sig, err := claim.Sign(cl.Digest(d), key)
	if err != nil {
		t.Fatal(err)
	}
	c.open.Signature = sig
}

// batch makes a batch of count claims, of which this is one, the evidence.
func (c *claimed) batch(t testing.TB, d claim.Domain, count, index int) claim.Hash {
	t.Helper()
	_, cl := c.open.Sealed(d)
	digests := make([]claim.Hash, count)
	for i := range digests {
		other := cl
		other.Issued += uint64(i - index)
		digests[i] = other.Digest(d)
	}
	tree, err := claim.NewBatch(digests)
	if err != nil {
		t.Fatal(err)
	}
	c.open.Batch = &dispute.Inclusion{Root: tree.Root(), Index: uint16(index), Path: tree.Path(index)}
	return tree.Root()
}
