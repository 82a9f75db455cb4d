package conformance_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/engine"
	"elenchus/settlement/dispute"
	"elenchus/settlement/sampling"
)

// computed is a true claim of a node, and what its auditors compute: an answer of a token model, or a run of a graph model.
type computed struct {
	man    *manifest.Manifest
	open   dispute.OpenMove
	answer *trace.Answer // nil: a graph model
	step   *trace.Step
}

// sealed signs nothing: the claim stands in a batch, alone.
func (h *hall) sealed(x *computed) {
	x.open.Claim.Node = claim.Address(h.bar.node)
	x.open.Header = x.man.Header
	d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(h.bar.arenaAt)}
	x.open.Claim.RequestDigest = x.open.Claim.Named(d, x.open.Request.Digest(d), claim.Signature{})
	_, sealed := x.open.Sealed(d)
	h.root = [32]byte(claim.TreeRoot([]claim.Hash{sealed.Digest(d)}))
	x.open.Batch = &dispute.Inclusion{Root: h.root}
}

// answeredClaim is a claim about an answer of a small model of a class.
func answeredClaim(t testing.TB, class manifest.Class) *computed {
	t.Helper()
	man, err := manifest.BindAs(modeltest.Llama(3, modeltest.Tiny()), class)
	if err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: []int32{5, 17, 4}, MaxNew: 4, Temperature: 1 << 16, Seed: 11}
	c := engine.Computer{Manifest: man}
	a, finish, err := c.Generate(context.Background(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := &computed{man: man, answer: a}
	if x.step, err = c.Step(job, len(a.Hashes)-2, a.Outputs); err != nil {
		t.Fatal(err)
	}
	x.open.Request = claim.Request{Model: claim.Hash(man.ID()), PromptRoot: trace.IDTree(job.Prompt).Root(), PromptCount: uint32(len(job.Prompt)),
		MaxNew: job.MaxNew, Temperature: job.Temperature, Seed: job.Seed}
	x.open.Claim = claim.Claim{Version: claim.Version, Count: uint32(len(a.Outputs)), Finish: finish,
		StateRoot: a.StateTree().Root(), OutputRoot: trace.IDTree(a.Outputs).Root()}
	return x
}

// ranClaim is a claim about a run of a small encoder, whose outputs have leaves that are not there.
func ranClaim(t testing.TB) *computed {
	t.Helper()
	man, err := manifest.Bind(modeltest.Encoder(3, 7, 12))
	if err != nil {
		t.Fatal(err)
	}
	first := &man.Model.Stages[0].Ops[0]
	in := tensor.New(first.Type, 1, 1, int(first.Count(&opset.Context{})))
	for i := range in.Len() {
		in.Set(i, int64(i*5%13))
	}
	x := &computed{man: man}
	if x.step, err = trace.ReplayGraph(man, in, nil, nil); err != nil {
		t.Fatal(err)
	}
	b := x.step.Boundaries()
	x.open.Request = claim.Request{Model: claim.Hash(man.ID()), PromptRoot: b[0]}
	x.open.Claim = claim.Claim{Version: claim.Version, StateRoot: trace.BoundaryTree(b).Root(), OutputRoot: b[len(b)-1]}
	return x
}

// salted is what an auditor commits to.
func (x *computed) salted(t testing.TB, salt trace.Salt) [32]byte {
	t.Helper()
	if x.answer != nil {
		return x.step.Salted(salt).Root()
	}
	s, err := x.step.SaltedStages(salt)
	if err != nil {
		t.Fatal(err)
	}
	return s.Root()
}

// shows is the proof that an auditor reveals, under the seed of the second round.
func (x *computed) shows(t testing.TB, sig claim.Signature, salt trace.Salt, seed claim.Hash) []byte {
	t.Helper()
	if x.answer != nil {
		leaf := sampling.Leaf(seed, salt.Audit, &x.man.Header, uint64(len(x.answer.Hashes)-1))
		p, err := sampling.Prove(sig, x.answer, x.step.Salted(salt), leaf)
		if err != nil {
			t.Fatal(err)
		}
		return p.Encode()
	}
	s, err := x.step.SaltedStages(salt)
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(sampling.Stage(seed, salt.Audit, &x.man.Header))
	if err != nil {
		t.Fatal(err)
	}
	return (&sampling.StageProof{Signature: sig, Opening: *o}).Encode()
}

// drawnFor posts and enters the claim alone, with two seats of auditors who have keys, draws, and gives who holds the
// first place.
func (h *hall) drawnFor(x *computed) (who common.Address, key *ecdsa.PrivateKey) {
	h.Helper()
	keys := map[common.Address]*ecdsa.PrivateKey{}
	for i := range 2 {
		k, err := crypto.ToECDSA(bytes.Repeat([]byte{byte(0x41 + i)}, 32))
		if err != nil {
			h.Fatal(err)
		}
		at := crypto.PubkeyToAddress(k.PublicKey)
		h.auditors[i], keys[at] = at, k
		h.bar.must(h.TB, at, h.bar.tokenAt, h.bar.token, "mint", at, big64(100_000))
		h.bar.must(h.TB, at, h.bar.tokenAt, h.bar.token, "approve", h.at, big64(100_000))
		h.cfg.Time = 1000
		h.want("", at, "join", big64(uint64(i)))
	}
	h.cfg.Time++
	h.want("", h.bar.node, "payFees", h.bar.node, big64(110))
	x.open.Claim.Issued, x.open.Claim.ChallengeUntil, x.open.Claim.BatchBy = h.cfg.Time, h.cfg.Time+2*h.bar.p.Window, h.cfg.Time+60
	h.sealed(x)
	h.posted = h.cfg.Time
	if name := h.bar.call(h.TB, h.bar.node, "postBatch", h.root, big64(1), x.open.Claim.Value.Big(), big64(h.cfg.Time+2*h.bar.p.Window)); name != "" {
		h.Fatal(name)
	}
	h.want("", stranger, "enter", h.bar.node, h.root)
	h.round(h.times()[0])
	who = h.holder(0, 0)
	return who, keys[who]
}

// truthOf: who computed is believed at every byte of what he shows, and at no other; he is paid once a window has passed,
// and loses the deposit where the attestation is refuted, before the pay or behind it. SPEC 11 §4.3, §4.4, §6.1.
func (h *hall) truthOf(x *computed) {
	h.Helper()
	who, key := h.drawnFor(x)
	times := h.times()
	d := claim.Domain{ChainID: vectorChain, Arena: claim.Address(h.bar.arenaAt)}
	salt := trace.Salt{Auditor: who, Audit: h.audit(0, 0)}
	root, nonce := x.salted(h.TB, salt), [32]byte{9}
	h.want("", who, "commit", h.place(0, 0, [32]byte(sampling.Commit(claim.Address(who), salt.Audit, sampling.True, root, nonce)))...)
	h.cfg.Time = beaconGenesis + (times[2]-1)*beaconPeriod
	seed := h.round(times[2])
	att := sampling.Attestation(x.open.Claim, claim.Address(who), h.posted, times[3], h.bar.p.Window)
	sig, err := claim.Sign(att.Digest(d), key)
	if err != nil {
		h.Fatal(err)
	}
	open, proof := x.open.Encode(), x.shows(h.TB, sig, salt, seed)
	reveal := func(root [32]byte, proof []byte) string {
		h.Helper()
		_, name := h.bar.send(h.TB, who, h.at, h.face, "reveal", h.place(0, 0, sampling.True, root, nonce, open, proof)...)
		return name
	}
	for at := range proof {
		if at%16 != 5 { // at least a byte of every field: the code of the last state is byte 69
			continue
		}
		bad := bytes.Clone(proof)
		bad[at] ^= 2
		h.back(func() {
			if name := reveal(root, bad); name == "" {
				h.Errorf("byte %d of %d changed: taken", at, len(proof))
			}
		})
	}
	for _, n := range []int{0, 65, 67, 100, 166, len(proof) - 32, len(proof) - 1} {
		if name := reveal(root, proof[:n]); name == "" {
			h.Errorf("%d of %d bytes are taken", n, len(proof))
		}
	}
	says := func(reason string, root [32]byte, proof []byte) {
		h.Helper()
		h.want(reason, who, "reveal", h.place(0, 0, sampling.True, root, nonce, open, proof)...)
	}
	says("PayloadLength", root, append(bytes.Clone(proof), 0))
	says("WrongReveal", [32]byte{1}, proof)
	if name := reveal(root, proof); name != "" {
		h.Fatalf("the proof is refused: %s", name)
	}
	h.payOfTruth(who, sampling.Case(att.ID(d), claim.Hash{}), times[3])
}

// payOfTruth: the fee for "true" once the attestation cannot be challenged any more; a refuted one costs the deposit.
func (h *hall) payOfTruth(who common.Address, id claim.Hash, revealBy uint64) {
	h.Helper()
	refuted := func() {
		if name := h.bar.call(h.TB, h.bar.keysAt, "spare", [32]byte(id)); name != "" {
			h.Fatal(name)
		}
	}
	ends := revealBy + h.bar.p.Window + h.bar.p.Window/2
	h.closes("WrongReveal", 0, claim.Hash{1})
	h.cfg.Time = ends
	h.closes("OutOfTime", 0, id)
	h.back(func() { // refuted before it was paid
		refuted()
		h.closes("", 0, id)
		h.says(big64(100), "burned")
		h.says(big64(55), "fees", h.bar.node)
		h.closes("BadStatus", 0, id)
	})
	h.cfg.Time++
	h.closes("", 0, id)
	h.says(big64(5), "credits", who)
	h.says(big64(50), "fees", h.bar.node)
	h.closes("OutOfTime", 0, id)
	h.closes("WrongReveal", 0, claim.Hash{1})
	refuted()
	h.closes("", 0, id)
	h.says(big64(100), "burned")
	h.says(big64(50), "fees", h.bar.node)
	h.says(big64(5), "credits", who)
	h.closes("BadStatus", 0, id)
}

// abstentionOfAudits: who could not check says so, and neither gains nor loses. SPEC 11 §6.3.
func (h *hall) abstentionOfAudits() {
	h.entered(2, 110, 1)
	times := h.times()
	h.round(times[0])
	who := h.committed(0, sampling.Abstain)
	h.cfg.Time = beaconGenesis + (times[2]-1)*beaconPeriod
	h.round(times[2])
	h.reveals("PayloadLength", who, 0, sampling.Abstain, [32]byte{}, []byte{0}, nil)
	h.reveals("", who, 0, sampling.Abstain, [32]byte{}, nil, nil)
	h.closes("", 0, claim.Hash{})
	h.says(big64(55), "fees", h.bar.node)
	h.closes("BadStatus", 0, claim.Hash{})
}
