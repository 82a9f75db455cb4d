package dispute

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
)

// unsigned are claims that end an answer in its user's name without his signature over request and count.
func unsigned(t testing.TB, man *manifest.Manifest) []face {
	t.Helper()
	honest := tokenWorld(t, man, tokenJob(11), nil).asked(t)
	n := len(honest.theirs.Outputs) - 1
	stranger, err := crypto.ToECDSA(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	var out []face
	for _, c := range []struct {
		name string
		edit func(w *world)
	}{
		{"no signature", func(w *world) { w.open.Cancel = claim.Signature{} }},
		{"of another count", func(w *world) { w.open.Cancel = w.cancel(t, uint32(n)+1) }},
		{"of another request", func(w *world) {
			other := *w
			other.open.Request.Nonce++
			w.open.Cancel = other.cancel(t, uint32(n))
		}},
		{"of a stranger", func(w *world) {
			r, _ := w.open.Sealed(domain)
			if w.open.Cancel, err = claim.Sign(claim.CancelDigest(domain, r.Digest(domain), uint32(n)), stranger); err != nil {
				t.Fatal(err)
			}
		}},
		{"of nobody", func(w *world) { w.open.Request.User, w.open.Cancel = claim.Address{}, claim.Signature{64: 27} }},
		{"v", func(w *world) { w.open.Cancel[64] -= 27 }},
		{"high s", func(w *world) {
			s := new(big.Int).SetBytes(w.open.Cancel[32:64])
			s.Sub(crypto.S256().Params().N, s).FillBytes(w.open.Cancel[32:64])
			w.open.Cancel[64] = 55 - w.open.Cancel[64]
		}},
	} {
		w := cutWorld(t, honest, n, claim.FinishCancelled)
		c.edit(w)
		w.sign(t)
		out = append(out, face{"cancelled: " + c.name, w})
	}
	return out
}

// A claim that was cancelled with the signature of its user is true as far as it goes: nothing accuses it, it
// is not false on its face, and a lie in it is convicted like in any other. SPEC 07 §3.5.
func TestCancelledAnswers(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	honest := tokenWorld(t, man, tokenJob(11), nil).asked(t)
	n := len(honest.theirs.Outputs) - 1
	cut := cutWorld(t, honest, n, claim.FinishCancelled)
	cut.opener, cut.node = NewOwn(man, tokenJob(11), honest.mine, uint32(n), nil), NewOwn(man, tokenJob(11), honest.mine, uint32(n), nil)
	if lie, err := cut.open.Accuse(domain, cut.opener, nil); err != nil || lie {
		t.Fatalf("accused at %d, %v", cut.open.T, err)
	}
	m, err := DecodeOpen(cut.open.Encode(), 0)
	if err != nil || m.Cancel != cut.open.Cancel {
		t.Fatalf("the signature is %x, %v", m.Cancel, err)
	}
	last := *cut
	last.open.T = uint32(m.states() - 1)
	g := begin(t, &last)
	reveal, err := NextForNode(g.s, g.j, last.node)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.apply(reveal, g.s.Node); err != nil || g.s.Phase != Stage {
		t.Errorf("the last step of a cancelled answer is in %s, %v", g.s.Phase, err)
	}
	face := *cut
	face.open.T = OnItsFace
	if err := face.refused(t, evidenceChain); !errors.Is(err, ErrStep) {
		t.Errorf("a signed end is opened on its face: %v", err)
	}
	short := cut.open.Encode()
	if _, err := DecodeOpen(short[:len(short)-1], 0); err == nil {
		t.Error("a signature without its last byte is read")
	}
	lying := tokenWorld(t, man, tokenJob(11), &lie{1, 2, 12, 1, 1 << 9}).asked(t)
	k := len(lying.theirs.Outputs) - 1
	w := cutWorld(t, lying, k, claim.FinishCancelled)
	if got, err := w.open.Accuse(domain, lying.opener, nil); err != nil || !got || w.open.T == OnItsFace {
		t.Fatalf("a false state behind a signed end: accused %v at %d, %v", got, w.open.T, err)
	}
}
