package app

import (
	"crypto/ecdsa"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"

	"github.com/ethereum/go-ethereum/crypto"
)

// TestReceiptsMustBeAboutTheAnswer: a node that sends a signed receipt of something else is refused,
// for each of what makes it something else alone. SPEC 16.
func TestReceiptsMustBeAboutTheAnswer(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	b := &Backend{Domain: claim.Domain{ChainID: 7, Arena: claim.Address{1}}}
	for name, change := range map[string]func(r *receipt.Receipt, q *asked){
		"":        func(*receipt.Receipt, *asked) {},
		"request": func(_ *receipt.Receipt, q *asked) { q.digest[3] ^= 1 },
		"ids":     func(_ *receipt.Receipt, q *asked) { q.sent[1]++ },
		"fewer":   func(_ *receipt.Receipt, q *asked) { q.sent = q.sent[:1] },
		"arena":   func(r *receipt.Receipt, _ *asked) { r.Domain.ChainID++ },
		"signer":  func(r *receipt.Receipt, _ *asked) { r.Signature[5] ^= 1 },
	} {
		r, q := signed(t, b.Domain, key)
		change(r, &q)
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.finish(t.Context(), text, q, nil); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func signed(t *testing.T, d claim.Domain, key *ecdsa.PrivateKey) (*receipt.Receipt, asked) {
	t.Helper()
	q := claim.Request{PromptCount: 1, MaxNew: 4}
	c := claim.Claim{Version: claim.Version, Node: claim.AddressOf(key), RequestDigest: q.Digest(d), Count: 2, Finish: claim.FinishLength}
	sig, err := claim.Sign(c.Digest(d), key)
	if err != nil {
		t.Fatal(err)
	}
	r := &receipt.Receipt{Domain: d, Request: q, Claim: c, Signature: sig, Prompt: []int32{1}, Output: []int32{5, 6}}
	return r, asked{digest: c.RequestDigest, sent: []int32{5, 6}}
}

// A receipt of an answer that was cancelled is taken only where the user signed that end, and of the ids until then. SPEC 16 §4.10.
func TestOnlyTheUserCancels(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	b := &Backend{Domain: claim.Domain{ChainID: 7, Arena: claim.Address{1}}, Key: key, User: claim.AddressOf(key)}
	sign := func(digest claim.Hash, count uint32) claim.Signature {
		s, err := claim.Sign(claim.CancelDigest(b.Domain, digest, count), key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, change := range map[string]func(r *receipt.Receipt, q *asked, ended **cut){
		"":             func(*receipt.Receipt, *asked, **cut) {},
		"by nobody":    func(_ *receipt.Receipt, _ *asked, ended **cut) { *ended = nil },
		"elsewhere":    func(_ *receipt.Receipt, q *asked, ended **cut) { *ended = &cut{1, sign(q.digest, 1)} },
		"other ids":    func(_ *receipt.Receipt, q *asked, _ **cut) { q.sent[1]++ },
		"unbound":      func(r *receipt.Receipt, q *asked, _ **cut) { r.Claim.RequestDigest = q.digest },
		"its own word": func(r *receipt.Receipt, _ *asked, _ **cut) { r.Cancel[7] ^= 1 },
	} {
		r, q := signed(t, b.Domain, key)
		q.sent = append(q.sent, 7) // one more was on its way
		ended := &cut{2, sign(q.digest, 2)}
		r.Claim.Finish, r.Cancel = claim.FinishCancelled, ended.signature
		r.Claim.RequestDigest = r.Named()
		change(r, &q, &ended)
		if r.Signature, err = claim.Sign(r.Claim.Digest(b.Domain), key); err != nil {
			t.Fatal(err)
		}
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.finish(t.Context(), text, q, ended); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
