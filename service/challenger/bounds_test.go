package challenger

import (
	"log/slog"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
)

func answerOf(i byte, until uint64) (question, signedAnswer) {
	c := claim.Claim{Version: claim.Version, Node: claim.Address{1}, RequestDigest: claim.Hash{i}, ChallengeUntil: until}
	return question{c.Node, c.RequestDigest}, signedAnswer{claim: c, output: make([]int32, 10)}
}

// Beyond its bounds the store of answers forgets the oldest that were judged, and none that was not:
// what is in question is found by its own check. Answers whose window is over go in any case.
func TestOnlyJudgedAnswersAreForgotten(t *testing.T) {
	var a answers
	size := 0
	for i := range byte(10) {
		q, x := answerOf(i, uint64(i))
		a.keep(q, x)
		size = x.bytes()
	}
	if a.bytes != 10*size {
		t.Fatalf("%d bytes of 10 answers of %d", a.bytes, size)
	}
	judged := func(x signedAnswer) bool { return x.claim.RequestDigest[0]%2 == 1 }
	left := func() (out []byte) {
		for q := range a.of {
			out = append(out, q.request[0])
		}
		slices.Sort(out)
		return out
	}
	a.trim(7, 1<<20, func(signedAnswer) bool { return false }, judged)
	if got := left(); !slices.Equal(got, []byte{0, 2, 4, 6, 7, 8, 9}) || a.bytes != 7*size {
		t.Fatalf("left are %v, %d bytes", got, a.bytes)
	}
	a.trim(100, 2*size, func(signedAnswer) bool { return false }, judged)
	if got := left(); !slices.Equal(got, []byte{0, 2, 4, 6, 8}) {
		t.Fatalf("left are %v: answers that nobody judged are gone", got)
	}
	a.trim(100, 1<<20, func(x signedAnswer) bool { return x.claim.ChallengeUntil < 4 }, judged)
	if got := left(); !slices.Equal(got, []byte{4, 6, 8}) || len(a.order) != 3 || a.bytes != 3*size {
		t.Fatalf("left are %v in an order of %d, %d bytes", got, len(a.order), a.bytes)
	}
}

// A node that floods with receipts makes the challenger forget receipts of its own alone, in an order
// that depends on a secret.
func TestAFloodForgetsTheFloodersReceipts(t *testing.T) {
	forgotten := map[claim.Hash]bool{}
	for secret := range byte(8) {
		st, err := openStore(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c := &Challenger{o: Options{Secret: [32]byte{secret}, Log: slog.New(slog.DiscardHandler)}, store: st, awaited: map[claim.Hash]awaited{}}
		quiet := claim.Claim{Node: claim.Address{1}, RequestDigest: claim.Hash{1}}
		for _, x := range append([]claim.Claim{quiet}, floods()...) {
			r := &receipt.Receipt{Claim: x}
			if err := c.await(r); err != nil {
				t.Fatal(err)
			}
		}
		before := len(c.awaited)
		c.forgetOne()
		if _, ok := c.awaited[quiet.Digest(c.o.Domain)]; !ok || len(c.awaited) != before-1 {
			t.Fatalf("%d of %d are left, the quiet node's: %v", len(c.awaited), before, ok)
		}
		for _, x := range floods() {
			if d := x.Digest(c.o.Domain); c.awaited[d].Receipt == nil {
				forgotten[d] = true
			}
		}
		kept, err := c.store.kept()
		if err != nil || len(kept) != before-1 {
			t.Fatalf("%d receipts on disk, %v", len(kept), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(forgotten) < 2 {
		t.Error("every challenger forgets the same receipt")
	}
}

// floods are claims of one node.
func floods() (out []claim.Claim) {
	for i := range byte(6) {
		out = append(out, claim.Claim{Node: claim.Address{2}, RequestDigest: claim.Hash{i}})
	}
	return out
}
