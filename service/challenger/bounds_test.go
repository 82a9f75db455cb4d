package challenger

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"maps"
	"math/rand/v2"
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
		c := &Challenger{o: Options{Secret: [32]byte{secret}, Log: slog.New(slog.DiscardHandler)}, store: st}
		quiet := claim.Claim{Node: claim.Address{1}, RequestDigest: claim.Hash{1}}
		for _, x := range append([]claim.Claim{quiet}, floods()...) {
			r := &receipt.Receipt{Claim: x}
			if err := c.await(r); err != nil {
				t.Fatal(err)
			}
		}
		before := len(c.awaited.of)
		c.forgetOne()
		if _, ok := c.awaited.of[quiet.Digest(c.o.Domain)]; !ok || len(c.awaited.of) != before-1 {
			t.Fatalf("%d of %d are left, the quiet node's: %v", len(c.awaited.of), before, ok)
		}
		for _, x := range floods() {
			if d := x.Digest(c.o.Domain); c.awaited.of[d].Receipt == nil {
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

// What is forgotten is always the lowest rank of the node that has the most bytes, whatever came and went
// before, and nothing of what left stays behind.
func TestTheOrderOfForgettingIsKept(t *testing.T) {
	var w waiting
	draw := rand.New(rand.NewPCG(1, 2))
	ranks := map[claim.Hash]claim.Hash{}
	for i := range uint32(3000) {
		digest := claim.Keccak(binary.BigEndian.AppendUint32(nil, i))
		r := &receipt.Receipt{Claim: claim.Claim{Node: claim.Address{byte(draw.IntN(3))}}}
		ranks[digest] = claim.Keccak(digest[:])
		w.add(digest, ranks[digest], r, 1+draw.IntN(40))
		for len(w.of) > 0 && draw.IntN(3) == 0 {
			node, got := w.first()
			want, size := lowest(&w, node, ranks)
			if got != want || size != w.piles[node].bytes {
				t.Fatalf("of %d bytes of node %x, %x is forgotten, want %x of %d", w.piles[node].bytes, node, got, want, size)
			}
			if draw.IntN(2) == 0 {
				got = anyOf(w.of)
			}
			if !w.remove(got) || w.remove(got) {
				t.Fatalf("%x leaves twice or not", got)
			}
		}
	}
	for len(w.of) > 0 {
		_, digest := w.first()
		w.remove(digest)
	}
	if w.bytes != 0 || len(w.piles) != 0 {
		t.Errorf("%d bytes and %d piles are left of nothing", w.bytes, len(w.piles))
	}
}

// lowest is the lowest rank of a node's receipts and their bytes, looked for among all.
func lowest(w *waiting, node claim.Address, ranks map[claim.Hash]claim.Hash) (first claim.Hash, size int) {
	of := map[claim.Address]int{}
	for d, r := range w.of {
		of[r.Claim.Node] += r.bytes
		if r.Claim.Node != node {
			continue
		}
		a, b := ranks[d], ranks[first]
		if first == (claim.Hash{}) || bytes.Compare(a[:], b[:]) < 0 {
			first = d
		}
	}
	for _, n := range of {
		if n > of[node] {
			return claim.Hash{}, n
		}
	}
	return first, of[node]
}

// anyOf is the lowest of the digests, whatever its rank.
func anyOf(of map[claim.Hash]awaited) claim.Hash {
	return slices.MinFunc(slices.Collect(maps.Keys(of)), func(a, b claim.Hash) int { return bytes.Compare(a[:], b[:]) })
}

// floods are claims of one node.
func floods() (out []claim.Claim) {
	for i := range byte(6) {
		out = append(out, claim.Claim{Node: claim.Address{2}, RequestDigest: claim.Hash{i}})
	}
	return out
}

// A node that publishes what it does not serve costs a challenger few demands a window, and hides nobody
// else's claims. SPEC 09 §8.11.
func TestUnaskedDemandsAreBounded(t *testing.T) {
	c := &Challenger{o: Options{Window: 100}, asked: map[claim.Address][]uint64{}}
	may := func(now uint64, node byte) bool { c.now = now; return c.mayAsk(claim.Address{node}) }
	for i := range uint64(maxAsked) {
		if !may(1000+i, 1) {
			t.Fatalf("demand %d is not made", i)
		}
	}
	if may(1010, 1) || may(1100, 1) || !may(1100, 2) {
		t.Error("within a window the node is asked again, or another one is not")
	}
	if !may(1101, 1) || may(1101, 1) {
		t.Error("a window after the first demand there is to be one more")
	}
	if !may(2000, 3) || len(c.asked) != 1 || len(c.asked[claim.Address{3}]) != 1 {
		t.Errorf("kept are demands of %d nodes", len(c.asked))
	}
	c.o.Window = 0
	for range 2 * maxAsked {
		if !may(2000, 3) {
			t.Fatal("without a window a demand is not made")
		}
	}
}
