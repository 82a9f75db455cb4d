package conformance_test

import (
	"testing"

	"elenchus/commitment/claim"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
	"elenchus/network/chain"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// hiddenPlay is a game about an id of the prompt of a confidential model: how the request was published, who lies, and who proves.
type hiddenPlay struct {
	name   string
	class  uint8
	salt   [32]byte
	honest bool // the node
	opener bool // answers
	at     int  // the step
}

// An answer by proof about an element that reads a prompt of salted leaves is judged by contracts and twin alike: it
// convicts who lies and defends who does not, whoever gives it. SPEC 06 §3.8, 08 §7.12.
func TestProofsAboutSaltedPrompts(t *testing.T) {
	t.Parallel()
	man := concealed(t)
	p := chain.DevnetParams()
	p.Registrar = crypto.PubkeyToAddress(keyOf(t, "deployer").PublicKey)
	r := newProfileRing(t, devchain.Osaka, p)
	registrar := r.newActor(t, "deployer")
	prover := newNotary(t, devchain.DefaultChainID, r.k.Addresses().ProofVerifier(chain.GrothSystem), func(shape [32]byte, words []byte) {
		r.do(registrar, "register")(r.k.RegisterProofKey(common.Hash(shape).Hex(), chain.GrothSystem, shape, words))
	})
	salt := [32]byte{0x5a, 7}
	games := []hiddenPlay{
		{"a lie, refuted by the opener", claim.Parties, salt, false, true, 8},
		{"the truth", claim.Sealed, salt, true, false, 8},
		{"a lie, proven by the node itself", claim.Sealed, salt, false, false, 8},
		{"a prompt without salt", claim.Public, [32]byte{}, false, true, 8},
		{"an id before its salt", claim.Parties, salt, false, true, 3},
		{"the first step", claim.Parties, salt, false, true, 0},
	}
	shapes := 3
	if !soak {
		games, shapes = games[:2], 1
	}
	for _, g := range games {
		r.t = t
		r.promptProof(man.Absorb(), g, prover, func(theirs, mine *lie) *claimed {
			job := decode.Job{StopIDs: []int32{2, 9}, MaxNew: 2, Temperature: 1 << 16, Seed: 11, Salt: g.salt}
			for i := range int32(12) {
				job.Prompt = append(job.Prompt, 10+i*37%300)
			}
			return tokenClaim(t, man, job, theirs, mine)
		})
	}
	if len(prover.keys) != shapes {
		t.Errorf("%d keys, want %d", len(prover.keys), shapes)
	}
}

// promptProof plays one game to its end.
func (r *ring) promptProof(stage int, g hiddenPlay, prover *notary, claims func(theirs, mine *lie) *claimed) {
	r.t.Helper()
	l := &lie{t: g.at, stage: stage, tensor: 1, mask: 1}
	theirs, mine, want := l, (*lie)(nil), dispute.Refuted
	if g.honest {
		theirs, mine, want = nil, l, dispute.Lost
	}
	c := claims(theirs, mine)
	if op := c.man.Model.Stages[stage].Ops[l.tensor].Op; op != opset.PromptOp {
		r.t.Fatalf("tensor %d is %s", l.tensor, op)
	}
	c.open.Request.DataClass = g.class
	c.name()
	m := r.start(r.fresh(c))
	m.proves = prover
	who := m.node
	if g.opener {
		who, m.serves = m.opener, c.served
	}
	m.play(who)
	if m.state.Phase != want || m.path[len(m.path)-1] != dispute.KindAnswer || int(m.state.T) != g.at {
		r.t.Fatalf("%s: ended in %s at step %d after %v, want %s", g.name, m.state.Phase, m.state.T, m.path, want)
	}
	if !g.honest {
		m.convicted(l)
	}
	m.resolve()
}
