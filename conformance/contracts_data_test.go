package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/model/modeltest"
	"elenchus/network/devchain"
	"elenchus/settlement/dispute"
	"elenchus/settlement/stake"
)

// pieceIDs is how many ids a piece has.
const pieceIDs = 512

// dataClaim is a claim of so many ids that nobody computed, of which the opener may have the data. A request of more ids than
// a piece has has lists, too, of two pieces.
func (r *ring) dataClaim(c *claimed, step uint32, prompt, output int) (*claimed, *dispute.IDs) {
	ids := &dispute.IDs{Stop: []int32{2, 9}}
	for i := range prompt {
		ids.Prompt = append(ids.Prompt, int32(3+i*17))
	}
	for i := range output {
		ids.Output = append(ids.Output, int32(5+i*29))
	}
	o := &c.open
	o.Header.TMax, o.Header.DPos = 1<<20, 20
	o.T = step
	if prompt > pieceIDs {
		s := decode.Sampler{Stops: []string{"END"}, Grammar: &grammar.Grammar{Root: dispute.Hash{8}, Source: bytes.Repeat([]byte{7}, 3000)}}
		ids.Lists, o.Sampler, o.Lists = s.Lists(), trace.Settings(&s), trace.Lists(&s)
	}
	if step == dispute.Delivered {
		ids.Salt = [32]byte{0x5a}
	}
	o.Request.PromptRoot, o.Request.PromptCount = trace.PromptTree(ids.Prompt, ids.Salt).Root(), uint32(prompt)
	o.Request.StopRoot, o.Request.StopCount = trace.IDTree(ids.Stop).Root(), uint8(len(ids.Stop))
	o.Request.MaxNew, o.Claim.Count, o.Claim.OutputRoot = uint32(output), uint32(output), trace.IDTree(ids.Output).Root()
	if step == dispute.Delivered {
		o.Request.DataClass, o.Request.User, o.To = claim.Parties, r.opener.address, claim.PointOf(r.opener.key)
	}
	c.sign(r.t, r.k.Domain(), r.node.key)
	return c, ids
}

func pieceKey(t *testing.T, i uint64) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{50 + byte(i)}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// publish makes the node post every piece.
func (m *match) publish(ids *dispute.IDs, spoil func(*dispute.Publish, uint64)) {
	m.t.Helper()
	for m.state.Phase == dispute.Publication {
		p, err := dispute.NextPiece(&m.state, m.job, ids, pieceKey(m.t, m.state.Index))
		if err != nil {
			m.t.Fatal(err)
		}
		if spoil != nil {
			spoil(&p, m.state.Index)
		}
		m.move(m.node, p)
	}
}

// posted are the pieces that the logs have.
func (m *match) posted() []dispute.Publish {
	m.t.Helper()
	g, _ := m.games.Game(m.key)
	var payloads [][]byte
	for _, p := range g.Posts {
		payloads = append(payloads, p.Payload)
	}
	out, err := dispute.Posts(&m.state, m.job, payloads)
	if err != nil {
		m.t.Fatal(err)
	}
	return out
}

// met wants a demand to have ended for the node: its gas is repaid, and what is left goes back but
// for an eighth, which burns. SPEC 09 §4.3.
func (m *match) met(nodeBefore, openerBefore, burnedBefore claim.Amount) {
	m.t.Helper()
	left := m.state.Escrow
	if end := m.resolve(); end.Phase != uint8(dispute.Lost) || end.Voided {
		m.t.Fatalf("a demand that was met ends %+v", end)
	}
	back, burned := stake.ReturnOfData(left)
	if got := m.credit(m.opener.address).Less(openerBefore); got != back {
		m.t.Fatalf("%s came back, want %s", got, back)
	}
	if got := m.burned().Less(burnedBefore); got != burned {
		m.t.Fatalf("%s burned, want %s", got, burned)
	}
	share := int64(100) // percent; the meter's rates are those of Osaka (SPEC 09 §4.1)
	if m.embedded.Fork() == devchain.Amsterdam {
		share = 65
	}
	want := new(big.Int).Mul(m.spent, m.k.Params().TokenPerEther.Big())
	want.Div(want.Mul(want, big.NewInt(share)), new(big.Int).Mul(big.NewInt(100), big.NewInt(1e18)))
	if got := m.credit(m.node.address).Less(nodeBefore); got.Big().Cmp(want) < 0 {
		m.t.Fatalf("the node got %s for gas worth %s", got, want)
	}
}

// Demands for data on a chain, beside their twin, to the last unit: published in the clear, delivered
// encrypted, delivered garbled, and not published. SPEC 08 §4.12.
func TestDataOnChain(t *testing.T) {
	for _, fork := range []devchain.Fork{devchain.Osaka, devchain.Amsterdam} {
		t.Run(fork.String(), func(t *testing.T) {
			t.Parallel()
			r := newEmbeddedRing(t, fork)
			r.demandsForData(t)
			r.gasTable()
		})
	}
}

func (r *ring) demandsForData(t *testing.T) {
	man := bound(t, modeltest.Llama(3, modeltest.Tiny()))
	fresh := func(step uint32, prompt, output int) (*claimed, *dispute.IDs) {
		return r.dataClaim(r.fresh(tokenClaim(t, man, tokenTestJob(11), nil, nil)), step, prompt, output)
	}

	c, ids := fresh(dispute.Published, 512*7+1, 40) // twelve pieces: their bond is above the least one
	m := r.start(c)
	node, opener, burned := r.credit(r.node.address), r.credit(r.opener.address), r.burned()
	m.publish(ids, nil)
	got, err := dispute.Assemble(&m.state, m.job, m.posted())
	if err != nil || !slices.Equal(got.Prompt, ids.Prompt) || !slices.Equal(got.Output, ids.Output) || !bytes.Equal(got.Lists, ids.Lists) {
		t.Fatalf("published were other ids, %v", err)
	}
	m.met(node, opener, burned)

	c, ids = fresh(dispute.Delivered, 600, 20)
	m = r.start(c)
	node, burned = r.credit(r.node.address), r.burned()
	m.publish(ids, nil)
	take, got, err := dispute.Receive(&m.state, m.job, m.posted(), r.opener.key)
	if err != nil || take.Shown != nil || got.Salt != ids.Salt || !slices.Equal(got.Prompt, ids.Prompt) || !slices.Equal(got.Output, ids.Output) ||
		!bytes.Equal(got.Lists, ids.Lists) {
		t.Fatalf("delivered were other ids: %+v, %v", take.Shown, err)
	}
	m.move(r.opener, take)
	m.met(node, r.credit(r.opener.address), burned)

	c, ids = fresh(dispute.Delivered, 600, 20)
	m = r.start(c)
	m.publish(ids, func(p *dispute.Publish, i uint64) {
		if i == 0 { // the largest
			p.Data[70] ^= 8
		}
	})
	garbled, _, err := dispute.Receive(&m.state, m.job, m.posted(), r.opener.key)
	if err != nil || garbled.Shown == nil {
		t.Fatalf("nothing is garbled: %v", err)
	}
	m.move(r.opener, garbled)
	if end := m.resolve(); end.Phase != uint8(dispute.Refuted) || end.Slashed.IsZero() || !r.account().Jailed {
		t.Fatalf("a garbled delivery ends %+v", end)
	}
}
