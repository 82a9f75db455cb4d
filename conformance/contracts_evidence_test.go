package conformance_test

import (
	"testing"

	"elenchus/commitment/claim"
	"elenchus/compute/model/modeltest"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/ledger"
	"elenchus/settlement/stake"
)

// Demands, keys and contradictions on a chain, beside their twins, to the last unit. SPEC 07 §3.1 to
// §3.3, 08 §4.9, §4.10.
func TestEvidenceOnChain(t *testing.T) {
	t.Parallel()
	r := newEmbeddedRing(t, devchain.Osaka)
	man := bound(t, modeltest.Llama(3, modeltest.Tiny()))
	fresh := func() *claimed { return r.fresh(tokenClaim(t, man, tokenTestJob(11), nil, nil)) }

	c := fresh()
	c.open.T = dispute.NotIncluded
	r.post(c)
	in := *c.open.Batch
	c.open.Batch = nil
	_, sealed := c.open.Sealed(r.k.Domain())
	c.open.Salt = claim.Hash{0xff} // of a commit that comes too early
	early := dispute.Key(r.opener.address, sealed.ID(r.k.Domain()), c.open.T, c.open.Salt)
	r.do(r.opener, "commit")(r.k.Intent(ledger.Commit{Game: early}))
	r.later(1)
	r.wantError(dispute.ErrEarly, r.opener)(r.k.Intent(ledger.Open{Game: early, Payload: c.open.Encode()}))
	r.later(31)
	c.open.Salt = claim.Hash{0xfe}
	m := r.start(c)
	opener, node, escrow := r.credit(r.opener.address), r.credit(r.node.address), m.state.Escrow
	m.move(r.node, dispute.Include{Job: m.job, Root: in.Root, Index: in.Index, Path: in.Path})
	if end := m.resolve(); end.Phase != uint8(dispute.Lost) || end.Voided {
		t.Fatalf("a demand that was met ends %+v", end)
	}
	back, half, _ := stake.Return(m.state.Escrow)
	paid := escrow.Less(m.state.Escrow)
	if got := r.credit(r.opener.address).Less(opener); got != back {
		t.Fatalf("%s came back to the opener, want %s", got, back)
	}
	if got := r.credit(r.node.address).Less(node); got.Less(half) != paid {
		t.Fatalf("the node got %s, want %s and %s", got, paid, half)
	}

	byKey := fresh()
	hot := r.opener.key // any key will do
	byKey.sign(t, r.k.Domain(), hot)
	byKey.open.Key = claim.AddressOf(hot)
	_, sealed = byKey.open.Sealed(r.k.Domain())
	k := dispute.Key(r.opener.address, sealed.ID(r.k.Domain()), byKey.open.T, byKey.open.Salt)
	r.wantError(chain.ErrKey, r.node)(r.k.RetireKey("early", byKey.open.Key))
	r.do(r.node, "addKey")(r.k.AddKey("key", byKey.open.Key))
	r.do(r.opener, "commit")(r.k.Intent(ledger.Commit{Game: k}))
	r.do(r.opener, "open")(r.k.Intent(ledger.Open{Game: k, Payload: byKey.open.Encode()}))

	first, second := fresh(), tokenClaim(t, man, tokenTestJob(11), &lie{t: 3, stage: man.Emit(), tensor: len(man.Model.Stages[man.Emit()].Ops) - 2, mask: 1}, nil)
	other := second.open.Claim
	second.open.Request, second.open.Claim = first.open.Request, first.open.Claim
	second.open.Claim.Count, second.open.Claim.Finish = other.Count, other.Finish
	second.open.Claim.StateRoot, second.open.Claim.OutputRoot = other.StateRoot, other.OutputRoot
	second.sign(t, r.k.Domain(), r.node.key)
	first.open.T = dispute.Contradicts
	given := dispute.Second{Claim: second.open.Claim, Signature: second.open.Signature}
	var ok bool
	if first.open.Second, ok = dispute.Contradiction(&first.open, first.theirs.Outputs, given, second.theirs.Outputs); !ok {
		t.Fatal("the lie contradicts nothing")
	}
	m = r.start(first)
	if end := m.resolve(); end.Phase != uint8(dispute.Refuted) || end.Slashed.IsZero() {
		t.Fatalf("a contradiction ends %+v", end)
	}
	if !r.account().Jailed {
		t.Fatal("the node is not jailed")
	}
}
