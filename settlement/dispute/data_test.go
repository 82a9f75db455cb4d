package dispute

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
)

func dataKey(t testing.TB, b byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// someIDs are n ids that nothing computed: what they mean is nobody's business here.
func someIDs(n int, from int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = from + int32(i)*31
	}
	return out
}

// dataWorld is a claim with ids of given counts, of which somebody asks for the data.
func dataWorld(t testing.TB, man *manifest.Manifest, step uint32, user *ecdsa.PrivateKey, prompt, stop, output int) (*world, *IDs) {
	t.Helper()
	ids := &IDs{Prompt: someIDs(prompt, 5), Stop: someIDs(stop, 2), Output: someIDs(output, 77)}
	if step == Delivered {
		ids.Salt = [32]byte{0x5a}
	}
	w := &world{man: man}
	header := man.Header
	header.TMax, header.DPos = 1<<20, 20 // nothing is computed
	w.open = OpenMove{Opener: claim.AddressOf(user), T: step, Salt: Hash{1}, Header: header,
		Claim: claim.Claim{Count: uint32(output), Finish: claim.FinishLength, StateRoot: Hash{3}, OutputRoot: trace.IDTree(ids.Output).Root(),
			Value: claim.Units(7), Issued: 100, BatchBy: 160, ChallengeUntil: 190},
		Request: claim.Request{PromptRoot: trace.PromptTree(ids.Prompt, ids.Salt).Root(), PromptCount: uint32(prompt), MaxNew: uint32(output), Temperature: 1 << 16,
			StopCount: uint8(stop), User: claim.Address{0xd}, Price: claim.Units(5)}}
	if stop > 0 {
		w.open.Request.StopRoot = trace.IDTree(ids.Stop).Root()
	}
	if step == Delivered {
		w.open.Request.DataClass, w.open.Request.User, w.open.To = claim.Parties, w.open.Opener, claim.PointOf(user)
	}
	w.sign(t)
	return w, ids
}

// list gives the request of a world a bias, a stop string and a grammar, whose data are two pieces.
func (w *world) list(t testing.TB, ids *IDs) {
	t.Helper()
	s := decode.Sampler{TopK: 7, Stops: []string{"an end"}, Grammar: &grammar.Grammar{Root: Hash{8}, Source: []byte{0, 1, 1, 0}}}
	for i := range int32(300) {
		s.Bias = append(s.Bias, opset.TokenBias{ID: 3 * i, Value: 1 << 16})
	}
	ids.Lists, w.open.Sampler, w.open.Lists = s.Lists(), trace.Settings(&s), trace.Lists(&s)
	w.sign(t)
}

// publishAll makes the node post every piece; spoil may change one before it is posted.
func publishAll(t testing.TB, g *game, ids *IDs, spoil func(*Publish, uint64)) {
	t.Helper()
	for g.s.Phase == Publication {
		g.now++
		m, err := NextPiece(&g.s, g.j, ids, dataKey(t, 40+byte(g.s.Index)))
		if err != nil {
			t.Fatal(err)
		}
		if spoil != nil {
			spoil(&m, g.s.Index)
		}
		if err := g.apply(m, g.s.Node); err != nil {
			t.Fatal(err)
		}
	}
}

func postsOf(g *game) (out []Publish) {
	for _, m := range g.seen {
		if p, ok := m.(Publish); ok {
			out = append(out, p)
		}
	}
	return out
}

// A node that publishes what it committed to, in pieces, meets a demand; what was posted are the ids of
// the claim, and nothing but those leads on. SPEC 08 §4.12.
func TestPublishedIDsAreThoseOfTheClaim(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	for _, n := range [][3]int{{1, 0, 1}, {16, 1, 17}, {512, 64, 513}, {1100, 2, 40}} {
		w, ids := dataWorld(t, man, Published, dataKey(t, 12), n[0], n[1], n[2])
		if n[0] != 16 {
			w.list(t, ids)
		}
		g := begin(t, w)
		if g.s.Phase != Publication || g.s.Total != g.s.pieces(&g.j) {
			t.Fatalf("opened in %s for %d pieces", g.s.Phase, g.s.Total)
		}
		for at := range g.s.Total {
			m, err := NextPiece(&g.s, g.j, ids, nil)
			if err != nil || g.s.Index != at {
				t.Fatalf("piece %d: %v", at, err)
			}
			for _, i := range []int{0, len(m.Data) - 1} {
				bad := Publish{Job: m.Job, Data: bytes.Clone(m.Data)}
				bad.Data[i] ^= 1
				if err := g.apply(bad, g.s.Node); !errors.Is(err, ErrOpening) {
					t.Fatalf("a changed piece %d: %v", at, err)
				}
			}
			if err := g.apply(m, who); !errors.Is(err, ErrMover) {
				t.Fatalf("a stranger published: %v", err)
			}
			if err := g.apply(m, g.s.Node); err != nil {
				t.Fatal(err)
			}
		}
		if g.s.Phase != Lost {
			t.Fatalf("a demand that was met is in %s", g.s.Phase)
		}
		got, err := Assemble(&g.s, g.j, postsOf(g))
		if err != nil || !slices.Equal(got.Prompt, ids.Prompt) || !slices.Equal(got.Stop, ids.Stop) || !slices.Equal(got.Output, ids.Output) || !bytes.Equal(got.Lists, ids.Lists) {
			t.Fatalf("assembled are other ids, %v", err)
		}
	}
}

// Whoever does not publish is refuted by his clock, at the first piece and at a later one.
func TestWhoDoesNotPublishIsRefuted(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	for pieces := range 2 {
		w, ids := dataWorld(t, man, Published, dataKey(t, 12), 600, 1, 5)
		g := begin(t, w)
		for range pieces {
			m, err := NextPiece(&g.s, g.j, ids, nil)
			if err == nil {
				err = g.apply(m, g.s.Node)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		g.stall(ErrStuck)
		if g.s.Phase != Refuted || g.s.Flags&FlagVoid == 0 {
			t.Fatalf("after %d pieces silence ends in %s", pieces, g.s.Phase)
		}
	}
}

// Data of parties are for the request's user alone, public ones for all, and what cannot be published is
// not asked for.
func TestWhoMayAskForData(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	user := dataKey(t, 12)
	for name, change := range map[string]func(*world){
		"public data encrypted": func(w *world) { w.open.Request.DataClass = claim.Public },
		"sealed data":           func(w *world) { w.open.Request.DataClass = claim.Sealed },
		"data of parties open":  func(w *world) { w.open.T = Published },
		"a stranger":            func(w *world) { w.open.Opener = claim.Address{9} },
	} {
		w, _ := dataWorld(t, man, Delivered, user, 20, 1, 5)
		change(w)
		w.sign(t)
		if err := w.refused(t, evidenceChain); !errors.Is(err, ErrStep) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, _ := dataWorld(t, man, Delivered, user, 20, 1, 5)
	w.open.To = claim.PointOf(dataKey(t, 13))
	if err := w.refused(t, evidenceChain); !errors.Is(err, ErrPoint) {
		t.Errorf("the key of somebody else: %v", err)
	}
	w, ids := dataWorld(t, man, Delivered, user, 20, 1, 5)
	w.list(t, ids)
	w.open.Lists.Bytes++
	if err := w.refused(t, evidenceChain); !errors.Is(err, ErrOpening) {
		t.Errorf("more bytes of lists than the request has: %v", err)
	}
}

// An honest delivery gives its receiver the ids, shows nobody else one of them, and cannot be called
// garbled; a garbled piece convicts, wherever it is. SPEC 08 §4.12.
func TestADeliveryIsWhatTheClaimCommitsTo(t *testing.T) {
	man := bind(t, modeltest.Llama(3, modeltest.Tiny()))
	user := dataKey(t, 12)
	const pieces = 9 // the last two are of lists
	for bad := -1; bad < pieces; bad++ {
		w, ids := dataWorld(t, man, Delivered, user, 600, 3, 20)
		w.list(t, ids)
		g := begin(t, w)
		if g.s.Total != pieces {
			t.Fatalf("%d pieces", g.s.Total)
		}
		publishAll(t, g, ids, func(m *Publish, i uint64) {
			if int(i) == bad {
				m.Data[len(m.Data)/2] ^= 4
			}
		})
		m, got, err := Receive(&g.s, g.j, postsOf(g), user)
		if err != nil {
			t.Fatal(err)
		}
		if bad < 0 {
			honestDelivery(t, g, ids, got, user)
			continue
		}
		if m.Shown == nil || int(m.Shown.Piece) != bad {
			t.Fatalf("piece %d is garbled, shown is %+v", bad, m.Shown)
		}
		for name, change := range map[string]func(*Shown){
			"other text":   func(s *Shown) { s.Plain = append([]byte{s.Plain[0] ^ 1}, s.Plain[1:]...) },
			"other before": func(s *Shown) { s.Before[0] ^= 1 },
			"other piece":  func(s *Shown) { s.Piece = (s.Piece + 1) % pieces },
		} {
			forged := *m.Shown
			change(&forged)
			if err := g.apply(Decrypt{Job: g.j, Shown: &forged}, g.s.Opener); !errors.Is(err, ErrOpening) && !errors.Is(err, ErrBadPayload) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := g.apply(m, g.s.Opener); err != nil || g.s.Phase != Refuted {
			t.Fatalf("a garbled piece %d ends in %s, %v", bad, g.s.Phase, err)
		}
	}
}

func honestDelivery(t *testing.T, g *game, ids *IDs, got IDs, user *ecdsa.PrivateKey) {
	t.Helper()
	if !slices.Equal(got.Prompt, ids.Prompt) || !slices.Equal(got.Stop, ids.Stop) || !slices.Equal(got.Output, ids.Output) || got.Salt != ids.Salt ||
		!bytes.Equal(got.Lists, ids.Lists) {
		t.Fatal("other ids were delivered")
	}
	for _, m := range postsOf(g) {
		if bytes.Contains(m.Encode(), []byte("an end")) {
			t.Fatal("a stop string stands in a delivery")
		}
		for _, list := range [][]int32{ids.Prompt, ids.Stop, ids.Output} {
			for from := 0; from+4 <= len(list); from += 4 {
				if bytes.Contains(m.Encode(), trace.IDBytes(list[from:from+4])) {
					t.Fatal("ids stand in a delivery")
				}
			}
		}
	}
	for at := range g.s.Total {
		lie, err := garbled(g.j, postsOf(g), int(at), chainTo(postsOf(g)[:at]), unmask(t, g, int(at), user), user)
		if err != nil {
			t.Fatal(err)
		}
		next, _, err := Apply(g.s, lie, Env{Now: g.now, Mover: g.s.Opener, Params: params})
		if err != nil || next.Phase != Lost {
			t.Fatalf("a sound piece %d that is shown ends in %s, %v", at, next.Phase, err)
		}
	}
	if err := g.apply(Decrypt{Job: g.j}, g.s.Opener); err != nil || g.s.Phase != Lost {
		t.Fatalf("a delivery that is taken ends in %s, %v", g.s.Phase, err)
	}
}

func chainTo(posts []Publish) (h Hash) {
	for _, p := range posts {
		h = chained(h, p.hash())
	}
	return h
}

func unmask(t testing.TB, g *game, at int, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	m := postsOf(g)[at]
	secret, err := claim.SecretWith(key, m.At)
	if err != nil {
		t.Fatal(err)
	}
	return claim.Mask(g.s.pieceKey(secret, uint64(at)), m.Data)
}

// data records demands for data: pieces in the clear and encrypted, the end of deliveries, and what is
// refused of all of them.
func (c *collector) data(man *manifest.Manifest) {
	user := dataKey(c.t, 12)
	for _, f := range []struct {
		name       string
		step       uint32
		bad, shown bool
		lists      bool
	}{{"published", Published, false, false, false}, {"delivered", Delivered, false, false, false}, {"shown", Delivered, false, true, false},
		{"garbled", Delivered, true, false, false}, {"published with lists", Published, false, false, true}, {"garbled lists", Delivered, true, false, true}} {
		w, ids := dataWorld(c.t, man, f.step, user, 600, 3, 20)
		bad := uint64(1)
		if f.lists {
			w, ids = dataWorld(c.t, man, f.step, user, 20, 1, 5)
			w.list(c.t, ids)
			bad = 4 // the last piece, which is of lists
		}
		c.name = f.name
		g := begin(c.t, w)
		c.open(g)
		for g.s.Phase == Publication {
			before := g.s
			m, err := NextPiece(&g.s, g.j, ids, dataKey(c.t, 40+byte(g.s.Index)))
			if err != nil {
				c.t.Fatal(err)
			}
			if f.bad && g.s.Index == bad {
				m.Data[7] ^= 1
			}
			if err := g.apply(m, g.s.Node); err != nil {
				c.t.Fatal(err)
			}
			c.move(before, m)
			b := m.Encode()
			c.refused(before, KindPublish, b[:len(b)-1])
			if f.step == Published {
				b[len(b)-1] ^= 1
				c.refused(before, KindPublish, b)
			} else {
				b[JobSize+3] ^= 1 // a point beside the curve
				c.refused(before, KindPublish, b)
			}
		}
		if g.s.Phase != Check {
			continue
		}
		m, _, err := Receive(&g.s, g.j, postsOf(g), user)
		if err != nil {
			c.t.Fatal(err)
		}
		if f.shown { // a piece that is sound
			m, err = garbled(g.j, postsOf(g), 0, Hash{}, unmask(c.t, g, 0, user), user)
			if err != nil {
				c.t.Fatal(err)
			}
		}
		if c.move(g.s, m); m.Shown == nil {
			continue
		}
		for _, at := range []int{JobSize + 4, JobSize + 36 + 64 + 64, JobSize + 36 + 64 + claim.SharedSize + 1} {
			b := m.Encode()
			b[at] ^= 1
			c.refused(g.s, KindDecrypt, b)
		}
	}
	stranger, _ := dataWorld(c.t, man, Delivered, user, 20, 1, 5)
	stranger.open.Request.User = claim.Address{0xd}
	stranger.sign(c.t)
	c.opens = append(c.opens, refusedOpen("data of somebody else", stranger, "BadStep"))
	key, _ := dataWorld(c.t, man, Delivered, user, 20, 1, 5)
	key.open.To = claim.PointOf(dataKey(c.t, 13))
	c.opens = append(c.opens, refusedOpen("the key of somebody else", key, "BadPoint"))
	more, ids := dataWorld(c.t, man, Published, user, 20, 1, 5)
	more.list(c.t, ids)
	more.open.Lists.Bytes++
	c.opens = append(c.opens, refusedOpen("other lists than the request has", more, "NotOpened"))
	closed, _ := dataWorld(c.t, man, Published, user, 20, 1, 5)
	closed.open.Request.DataClass = claim.Sealed
	closed.sign(c.t)
	c.opens = append(c.opens, refusedOpen("sealed data", closed, "BadStep"))
}
