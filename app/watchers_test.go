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
		if _, _, err := b.finish(t.Context(), text, q); (err == nil) != (name == "") {
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
