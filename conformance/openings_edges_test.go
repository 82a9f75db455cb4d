package conformance_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/settlement/dispute"
)

// edge is an opening at the border of what open takes, or just behind it.
type edge struct {
	name    string
	of      string // the shared opening that it changes
	refused bool
	change  func(t testing.TB, s *signer, m *dispute.OpenMove)
	raw     func(p []byte) // behind the signature; or nil
}

// The order of secp256k1 and of its field.
var (
	curveOrder = crypto.S256().Params().N
	curveField = crypto.S256().Params().P
)

// tall is a point of the curve whose first coordinate is not below the order.
func tall() (p claim.Point) {
	for x := new(big.Int).Set(curveOrder); ; x.Add(x, big.NewInt(1)) {
		square := new(big.Int).Exp(x, big.NewInt(3), curveField)
		if y := new(big.Int).ModSqrt(square.Add(square, big.NewInt(7)), curveField); y != nil {
			x.FillBytes(p[:32])
			y.FillBytes(p[32:])
			return p
		}
	}
}

// wrapped is a point of the curve whose second coordinate is written with the field's order added to it.
func wrapped() (p claim.Point) {
	root := new(big.Int).Div(new(big.Int).Add(curveField, big.NewInt(2)), big.NewInt(9)) // of cubes, where the field is 7 modulo 9
	for y := big.NewInt(1); ; y.Add(y, big.NewInt(1)) {
		cube := new(big.Int).Sub(new(big.Int).Mul(y, y), big.NewInt(7))
		x := new(big.Int).Exp(cube.Mod(cube, curveField), root, curveField)
		if new(big.Int).Exp(x, big.NewInt(3), curveField).Cmp(cube) == 0 && x.Cmp(curveOrder) < 0 {
			x.FillBytes(p[:32])
			new(big.Int).Add(y, curveField).FillBytes(p[32:])
			return p
		}
	}
}

// keyed makes a point the key of the opener, who is the user.
func keyed(p claim.Point) func(testing.TB, *signer, *dispute.OpenMove) {
	return func(_ testing.TB, _ *signer, m *dispute.OpenMove) {
		m.To = p
		m.Opener = claim.Address(crypto.Keccak256(p[:])[12:])
		m.Request.User = m.Opener
	}
}

func asks(f func(m *dispute.OpenMove)) func(testing.TB, *signer, *dispute.OpenMove) {
	return func(_ testing.TB, _ *signer, m *dispute.OpenMove) { f(m) }
}

// headed changes the header's bytes, of which Go reads no such form.
func headed(at int, value ...byte) func(p []byte) {
	return func(p []byte) { copy(p[headerOfOpen+at:], value) }
}

// listed gives a request lists of so many bytes.
func listed(m *dispute.OpenMove, size uint32) {
	m.Lists = claim.Lists{Stop: dispute.Hash{2}, Data: dispute.Hash{3}, Bytes: size}
	m.Sampler.Lists = m.Lists.Hash()
}

// edgesOfForm are those of header, claim and step.
func edgesOfForm() []edge {
	none := asks(func(*dispute.OpenMove) {})
	return []edge{
		{"no layers", "served", true, none, headed(28, 0, 0)},
		{"depths of 32", "served", true, none, headed(30, 32, 32, 32)},
		{"a depth of 33", "served", true, none, headed(32, 33)},
		{"the most positions", "served", true, none, headed(24, 0, 255, 255, 255)},
		{"more positions", "served", true, none, headed(24, 1, 0, 0, 0)},
		{"a confidential graph", "graph", true, none, headed(33, 1)},
		{"a confidential model", "served", false, asks(func(m *dispute.OpenMove) { m.Header.Class = 1 }), nil},
		{"a step of a private model", "served", true, asks(func(m *dispute.OpenMove) { m.Header.Class = 2 }), nil},
		{"the states of a private model", "row", true, asks(func(m *dispute.OpenMove) { m.Header.Class = 2 }), nil},
		{"the ids of a claim on a private model", "published", false, asks(func(m *dispute.OpenMove) { m.Header.Class = 2 }), nil},
		{"a contradiction about a private model", "contradiction: roots", false, asks(func(m *dispute.OpenMove) { m.Header.Class = 2 }), nil},
		{"behind the last class", "served", true, none, headed(33, 3)},
		{"all positions", "served", false, asks(func(m *dispute.OpenMove) {
			m.Header.TMax = m.Request.PromptCount + m.Claim.Count - 1
			m.Header.DPos = uint8(merkle.Depth(uint64(m.Header.TMax)))
		}), nil},
		{"one position too few", "served", true, asks(func(m *dispute.OpenMove) {
			m.Header.TMax = m.Request.PromptCount + m.Claim.Count - 2
			m.Header.DPos = uint8(merkle.Depth(uint64(m.Header.TMax)))
		}), nil},
		{"as many ids as asked for", "served", false, asks(func(m *dispute.OpenMove) { m.Request.MaxNew = m.Claim.Count }), nil},
		{"the last finish", "served", false, asks(func(m *dispute.OpenMove) { m.Claim.Finish = 6 }), nil},
		{"behind the last finish", "served", true, asks(func(m *dispute.OpenMove) { m.Claim.Finish = 7 }), nil},
		{"the last step", "served", false, asks(func(m *dispute.OpenMove) { m.T = m.Request.PromptCount + m.Claim.Count - 2 }), nil},
		{"behind the last step", "served", true, asks(func(m *dispute.OpenMove) { m.T = m.Request.PromptCount + m.Claim.Count - 1 }), nil},
		{"the only state", "served", false, asks(func(m *dispute.OpenMove) {
			m.T, m.Request.PromptCount, m.Claim.Count = dispute.AnyState, 1, 1
		}), nil},
		{"one of two states", "served", false, asks(func(m *dispute.OpenMove) {
			m.T, m.Request.PromptCount, m.Claim.Count = dispute.AnyState, 2, 1
		}), nil},
		{"a step of a graph", "graph", true, asks(func(m *dispute.OpenMove) { m.T = 1 }), nil},
		{"ids of a graph", "graph", true, asks(func(m *dispute.OpenMove) { m.T = dispute.Published }), nil},
		{"other lists than the request has", "published", true, asks(func(m *dispute.OpenMove) { m.Sampler.Lists[3] = 1 }), nil},
		{"lists of no bytes", "published", false, asks(func(m *dispute.OpenMove) { listed(m, 0) }), nil},
		{"as many lists as there can be", "delivered", false, asks(func(m *dispute.OpenMove) { listed(m, 1<<32-1) }), nil},
		{"ids of parties in the clear", "published", true, asks(func(m *dispute.OpenMove) { m.Request.DataClass = 1 }), nil},
		{"public ids delivered", "delivered", true, asks(func(m *dispute.OpenMove) { m.Request.DataClass = 0 }), nil},
		{"a key beyond the order", "delivered", true, keyed(tall()), nil},
		{"a key beyond the field", "delivered", true, keyed(wrapped()), nil},
	}
}

// edgesOfEvidence are those of signatures and batches.
func edgesOfEvidence() []edge {
	batch := func(count, index int, aim func(m *dispute.OpenMove)) func(testing.TB, *signer, *dispute.OpenMove) {
		return func(t testing.TB, s *signer, m *dispute.OpenMove) {
			_, own := m.Sealed(s.d)
			b := aroundOf(t, own.Digest(s.d), count, index)
			m.Batch = &b
			aim(m)
		}
	}
	kept := func(*dispute.OpenMove) {}
	list := []edge{
		{"a batch of one", "served", false, batch(1, 0, kept), nil},
		{"the last of a batch", "served", false, batch(5, 4, kept), nil},
		{"behind a full batch", "served", true, batch(4, 0, func(m *dispute.OpenMove) { m.Batch.Index = 4 }), nil},
		{"far behind a full batch", "served", true, batch(4, 1, func(m *dispute.OpenMove) { m.Batch.Index = 5 }), nil},
		{"the mirror of a signature", "served", true, asks(func(m *dispute.OpenMove) { m.Signature = mirror(m.Signature) }), nil},
		{"a signature in the middle", "served by a key", false, middle, nil},
		{"the mirror of a key's signature", "served by a key", true, asks(func(m *dispute.OpenMove) { m.Signature = mirror(m.Signature) }), nil},
		{"the mirror of a second signature", "contradiction: roots", true, asks(func(m *dispute.OpenMove) {
			m.Second.Signature = mirror(m.Second.Signature)
		}), nil},
		{"the mirror of a user's signature", "cancelled", true, func(t testing.TB, s *signer, m *dispute.OpenMove) {
			m.Cancel = mirror(m.Cancel)
			s.own(t, m)
		}, nil},
		{"the signature of nobody", "served", true, asks(func(m *dispute.OpenMove) {
			m.Claim.Node, m.Signature = claim.Address{}, claim.Signature{64: 27}
		}), nil},
		{"the cancellation of nobody", "cancelled", true, func(t testing.TB, s *signer, m *dispute.OpenMove) {
			m.Request.User, m.Cancel = claim.Address{}, claim.Signature{64: 27}
			s.own(t, m)
		}, nil},
	}
	for _, v := range []byte{0, 1, 26, 29} {
		list = append(list, edge{fmt.Sprintf("a signature with v of %d", v), "served", true, asks(func(m *dispute.OpenMove) { m.Signature[64] = v }), nil})
	}
	return list
}

// middle is a signature of somebody whose s is the largest that may be.
func middle(t testing.TB, s *signer, m *dispute.OpenMove) {
	t.Helper()
	_, own := m.Sealed(s.d)
	digest := own.Digest(s.d)
	clear(m.Signature[:])
	new(big.Int).Rsh(curveOrder, 1).FillBytes(m.Signature[32:64])
	for r := byte(1); ; r++ {
		m.Signature[31], m.Signature[64] = r, 0
		key, err := crypto.Ecrecover(digest[:], m.Signature[:])
		if err == nil {
			m.Key, m.Signature[64] = claim.Address(crypto.Keccak256(key[1:])[12:]), 27
			return
		}
	}
}

// own signs the claim as the node, whatever it names.
func (s *signer) own(t testing.TB, m *dispute.OpenMove) {
	t.Helper()
	_, own := m.Sealed(s.d)
	sig, err := claim.Sign(own.Digest(s.d), s.node)
	if err != nil {
		t.Fatal(err)
	}
	m.Signature = sig
}

// mirror is the other signature of the same key and digest: its s is in the upper half.
func mirror(s claim.Signature) claim.Signature {
	new(big.Int).Sub(curveOrder, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
	s[64] ^= 27 ^ 28
	return s
}

// contradicting makes a second claim with so many ids, and opens id or state at an index in both.
func contradicting(differ uint8, first, other int, index uint32, same bool) func(testing.TB, *signer, *dispute.OpenMove) {
	return func(t testing.TB, s *signer, m *dispute.OpenMove) {
		m.Claim.Count, m.Claim.Finish, m.Request.MaxNew = uint32(first), 3, 64
		c := dispute.Second{Claim: m.Claim, Differ: differ, Index: index}
		c.Claim.Count = uint32(other)
		hashes := func(n int, salt byte) (h []claim.Hash) {
			for i := range int(m.Request.PromptCount) + n - 1 {
				h = append(h, claim.Hash{salt, byte(i)})
			}
			return h
		}
		ids := func(n int, salt int32) (list []int32) {
			for i := range n {
				list = append(list, salt+int32(i))
			}
			return list
		}
		salt := byte(1)
		if same {
			salt = 0
		}
		a, b := hashes(first, 0), hashes(other, salt)
		m.Claim.StateRoot, c.Claim.StateRoot = merkle.RootOf(a, merkle.Depth(uint64(len(a)))), merkle.RootOf(b, merkle.Depth(uint64(len(b))))
		x, y := ids(first, 7), ids(other, 7+int32(salt))
		m.Claim.OutputRoot, c.Claim.OutputRoot = trace.IDTree(x).Root(), trace.IDTree(y).Root()
		switch differ {
		case dispute.DifferRoots:
		case dispute.DifferState:
			c.Mine, c.Theirs = openedState(a, index), openedState(b, index)
		default: // ids, of whatever kind
			c.Mine, c.Theirs = openedID(x, index), openedID(y, index)
		}
		m.Second = &c
	}
}

func openedState(all []claim.Hash, index uint32) dispute.Opened {
	at := uint64(min(int(index), len(all)-1))
	tree := merkle.NewTree(all, merkle.Depth(uint64(len(all))), 0)
	return dispute.Opened{Leaf: all[at][:], Path: tree.Siblings(0, at, at+1)}
}

func openedID(ids []int32, index uint32) dispute.Opened {
	leaf, tree := uint64(min(int(index), len(ids)-1)/16), trace.IDTree(ids)
	b := make([]byte, 64*((len(ids)+15)/16))
	copy(b, trace.IDBytes(ids))
	return dispute.Opened{Leaf: b[64*leaf:][:64], Path: tree.Siblings(0, leaf, leaf+1)}
}

// edgesOfContradictions are those of two claims of one request: where the shorter ends, in both orders.
func edgesOfContradictions() []edge {
	const of = "contradiction: roots"
	var list []edge
	add := func(refused bool, differ uint8, first, other int, index uint32, same bool) {
		name := fmt.Sprintf("kind %d of %d and %d at %d, same %t", differ, first, other, index, same)
		list = append(list, edge{name, of, refused, contradicting(differ, first, other, index, same), nil})
	}
	const states, outputs, prompt = dispute.DifferState, dispute.DifferOutput, 4
	for _, n := range [][2]int{{3, 3}, {2, 5}, {5, 2}, {33, 17}, {17, 33}} {
		least := min(n[0], n[1])
		for _, same := range []bool{false, true} {
			add(same, states, n[0], n[1], uint32(prompt+least-2), same)
			add(true, states, n[0], n[1], uint32(prompt+least-1), same)
			add(same, outputs, n[0], n[1], uint32(least-1), same)
			add(true, outputs, n[0], n[1], uint32(least), same)
			add(same || n[0] != n[1], dispute.DifferRoots, n[0], n[1], 0, same)
			add(true, dispute.DifferRoots, n[0], n[1], 1, same)
			add(true, outputs+1, n[0], n[1], 0, same)
		}
	}
	list = append(list, edge{"kinds of roots: states alone", of, false, func(t testing.TB, s *signer, m *dispute.OpenMove) {
		contradicting(dispute.DifferRoots, 3, 3, 0, true)(t, s, m)
		m.Second.Claim.StateRoot[1] ^= 1
	}, nil}, edge{"kinds of roots: outputs alone", of, false, func(t testing.TB, s *signer, m *dispute.OpenMove) {
		contradicting(dispute.DifferRoots, 3, 3, 0, true)(t, s, m)
		m.Second.Claim.OutputRoot[1] ^= 1
	}, nil})
	for _, kind := range []uint8{states, outputs} {
		list = append(list, edge{"ids of two claims on a graph", "graph", true, func(t testing.TB, s *signer, m *dispute.OpenMove) {
			c := dispute.Second{Claim: m.Claim, Differ: kind}
			m.T, m.Second = dispute.Contradicts, &c
		}, nil})
	}
	return append(list, edge{"roots of two claims on a graph", "graph", false, func(t testing.TB, s *signer, m *dispute.OpenMove) {
		c := dispute.Second{Claim: m.Claim}
		c.Claim.OutputRoot[0] ^= 1
		m.T, m.Second = dispute.Contradicts, &c
	}, nil})
}

// At every border of what open takes, both sides take what lies on it and refuse what lies behind it.
// SPEC 08 §4, §7.2.
func TestOpeningsAtTheirEdges(t *testing.T) {
	r, s := newRules(t), newSigner(t)
	list, names := s.basis(t)
	evidence := edgesOfEvidence()
	for i, e := range slices.Concat(edgesOfForm(), edgesOfContradictions(), evidence) {
		at := slices.Index(names, e.of)
		if at < 0 {
			t.Fatalf("%s: there is no opening %q", e.name, e.of)
		}
		m, err := dispute.DecodeOpen(list[at].payload, list[at].count)
		if err != nil {
			t.Fatal(err)
		}
		forms := i < len(edgesOfForm())+len(edgesOfContradictions())
		e.change(t, s, &m)
		if forms {
			s.sign(t, &m, 0)
		}
		b := brought{m.Encode(), 0}
		if m.Batch != nil {
			b.count = map[string]uint32{"a batch of one": 1, "the last of a batch": 5}[e.name]
			if b.count == 0 {
				b.count = 4
			}
		}
		if e.raw != nil {
			e.raw(b.payload)
		}
		if took := r.alike(t, e.name, s.d, b); took == e.refused {
			t.Errorf("%s: taken: %t", e.name, took)
		}
	}
}
