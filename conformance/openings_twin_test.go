package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/crypto"

	"elenchus/commitment/claim"
	"elenchus/settlement/dispute"
)

// opened asks the rules of open; name is the custom error of a refusal.
func (r *rules) opened(t testing.TB, d claim.Domain, batch [32]byte, count uint32, payload []byte) (o opening, name string) {
	t.Helper()
	input, err := r.open.Pack("open", [32]byte(d.Separator()), batch, new(big.Int).SetUint64(uint64(count)), payload)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := r.call(r.openAt, input)
	if err != nil {
		return o, refusal(out, r.open)
	}
	values, err := r.open.Unpack("open", out)
	if err != nil {
		t.Fatal(err)
	}
	return *abi.ConvertType(values[0], new(opening)).(*opening), ""
}

// An opening as it stands in calldata, with the number of claims of the batch that it names.
type brought struct {
	payload []byte
	count   uint32
}

// fieldsOfOpen are the sizes of the fields of a payload of open up to its evidence, and of the evidence's
// kind. SPEC 08 §7.2.
var fieldsOfOpen = []int{20, 4, 32, 16, 20, 4, 1, 32, 32, 16, 8, 8, 8, 32, 4, 4, 4, 8, 32, 1, 1, 20, 8, 16, 4, 4, 4, 4, 4, 4, 4, 32,
	16, 2, 2, 4, 4, 2, 1, 1, 1, 1, 30, 32, 32, 32, 32, 32, 1}

const (
	headerOfOpen   = 391
	evidenceOfOpen = 615
)

// wellFormed says what the contract demands of a header; of the rest of 06 §1.1 it knows nothing. SPEC 08 §7.2.
func wellFormed(h []byte) bool {
	kind, class := binary.BigEndian.Uint16(h[18:]), h[33]
	return string(h[:16]) == "elenchus/model/1" && binary.BigEndian.Uint16(h[16:]) == 1 && (kind == 1 || kind == 2) &&
		binary.BigEndian.Uint16(h[28:]) != 0 && h[30] <= 32 && h[31] <= 32 && h[32] <= 32 && h[24] == 0 && (class == 0 || kind == 1 && class <= 2)
}

// alike opens on both sides, which must refuse it both or make the same of it; it reports whether they took it.
func (r *rules) alike(t testing.TB, what string, d claim.Domain, b brought) bool {
	t.Helper()
	m, err := dispute.DecodeOpen(b.payload, b.count)
	var s dispute.State
	var j dispute.Job
	batch := [32]byte(m.BatchKey())
	if err == nil {
		keys := []claim.Address{m.Key}
		if m.Second != nil {
			keys = append(keys, m.Second.Key)
		}
		s, j, err = dispute.Begin(m, dispute.Chain{Domain: d, CommittedAt: math.MaxUint64, BatchCount: b.count, Keys: keys})
	}
	o, name := r.opened(t, d, batch, b.count, b.payload)
	if len(b.payload) > evidenceOfOpen {
		if form := wellFormed(b.payload[headerOfOpen:evidenceOfOpen]); form == (name == "BadHeader") {
			t.Fatalf("%s: the form of the header is right: %t, the chain says %q\n%x", what, form, name, b.payload)
		} else if form && errors.Is(err, dispute.ErrHeader) {
			return name == "" // a header that no reader takes: nobody asked a node for such a model
		}
	}
	if errors.Is(err, dispute.ErrEarly) && m.Claim.BatchBy == math.MaxUint64 {
		return name == "" // no time is later, and the time is asked by the arena, not by these rules
	}
	if (err == nil) != (name == "") {
		t.Fatalf("%s: Go says %v, the chain %q\n%x", what, err, name, b.payload)
	}
	if err != nil {
		return false
	}
	s.CommittedAt, s.Deadline, s.Last = 0, 0, 0
	_, cl := m.Sealed(d)
	want := opening{Key: [32]byte(dispute.Key(m.Opener, cl.ID(d), m.T, m.Salt)), ClaimId: [32]byte(cl.ID(d)),
		WindowEnd: new(big.Int).SetUint64(m.Claim.ChallengeUntil), Value: m.Claim.Value.Big(), Work: new(big.Int).SetUint64(m.Work()),
		Record: append(j.Encode(), s.Encode()...)}
	want.Keys[0] = [20]byte(m.Key)
	if m.Second != nil {
		want.Keys[1] = [20]byte(m.Second.Key)
	}
	if got, want := fmt.Sprintf("%x", o), fmt.Sprintf("%x", want); got != want {
		t.Fatalf("%s: opened as\n%s\nwant\n%s", what, got, want)
	}
	return true
}

// signer is who signs openings anew after a change: node, user, and a key in the node's name.
type signer struct {
	d               claim.Domain
	node, user, key *ecdsa.PrivateKey
}

func newSigner(t testing.TB) *signer {
	t.Helper()
	key, err1 := crypto.ToECDSA(bytes.Repeat([]byte{0x33}, 32))
	user, err2 := crypto.ToECDSA(bytes.Repeat([]byte{0xd}, 32))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return &signer{claim.Domain{ChainID: vectorChain, Arena: claim.Address(vectorArena)}, nodeKey(t), user, key}
}

// anew signs what the payload now says, as far as it can be read; a batch is made anew around the claim.
func (s *signer) anew(t testing.TB, b brought) (brought, bool) {
	t.Helper()
	m, err := dispute.DecodeOpen(b.payload, b.count)
	if err != nil {
		return b, false
	}
	s.sign(t, &m, b.count)
	return brought{m.Encode(), b.count}, true
}

// sign makes every signature of an opening, and its batch of so many claims if it has one.
func (s *signer) sign(t testing.TB, m *dispute.OpenMove, count uint32) {
	t.Helper()
	must := func(sig claim.Signature, err error) claim.Signature {
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	named := func(key claim.Address) *ecdsa.PrivateKey {
		if key == (claim.Address{}) {
			return s.node
		}
		return s.key
	}
	request, _ := m.Sealed(s.d)
	if m.Claim.Finish == claim.FinishCancelled {
		m.Cancel = must(claim.Sign(claim.CancelDigest(s.d, request.Digest(s.d), m.Claim.Count), s.user))
	}
	_, own := m.Sealed(s.d)
	if m.Batch != nil {
		*m.Batch = aroundOf(t, own.Digest(s.d), int(count), int(m.Batch.Index))
	} else {
		m.Signature = must(claim.Sign(own.Digest(s.d), named(m.Key)))
	}
	if c := m.Second; c != nil {
		second := c.Claim
		if second.Finish == claim.FinishCancelled {
			c.Cancel = must(claim.Sign(claim.CancelDigest(s.d, request.Digest(s.d), second.Count), s.user))
		}
		second.Version, second.Node, second.RequestDigest = own.Version, own.Node, second.Named(s.d, request.Digest(s.d), c.Cancel)
		c.Signature = must(claim.Sign(second.Digest(s.d), named(c.Key)))
	}
}

// aroundOf is a batch of count claims with this one at an index.
func aroundOf(t testing.TB, digest claim.Hash, count, index int) dispute.Inclusion {
	t.Helper()
	leaves := make([]claim.Hash, max(count, 1))
	for i := range leaves {
		leaves[i] = claim.Hash{byte(i), byte(i >> 8), 1}
	}
	leaves[index%len(leaves)] = digest
	tree := claim.NewTree(leaves)
	return dispute.Inclusion{Root: tree.Root(), Index: uint16(index), Path: tree.Path(index % len(leaves))}
}

// basis are the shared openings, and the same with other evidence: of a key, and batches of several sizes.
func (s *signer) basis(t testing.TB) (list []brought, names []string) {
	t.Helper()
	seen := map[string]int{}
	for _, v := range vectorsOf[openCase](t, "dispute/opens.json") {
		if seen[v.Game+v.Error]++; seen[v.Game+v.Error] > 2 {
			continue
		}
		b := brought{fromHex(t, v.Payload), v.Count}
		list, names = append(list, b), append(names, v.Game)
		m, err := dispute.DecodeOpen(b.payload, b.count)
		if err != nil || v.Error != "" {
			continue
		}
		m.Key = claim.AddressOf(s.key)
		if m.Second != nil {
			m.Second.Key = m.Key
		}
		list, names = append(list, brought{m.Encode(), 0}), append(names, v.Game+" by a key")
		if count := []int{1, 2, 3, 6, 7, 8, 13}[len(list)%7]; m.Second == nil {
			m.Key, m.Batch = claim.Address{}, new(dispute.Inclusion)
			*m.Batch = aroundOf(t, claim.Hash{}, count, len(list)%count)
			list, names = append(list, brought{m.Encode(), uint32(count)}), append(names, v.Game+" in a batch")
		}
	}
	for i := range list {
		if again, ok := s.anew(t, list[i]); ok && i > 0 && names[i] != names[i-1] {
			list[i] = again
		}
	}
	return list, names
}

// signatureFields are r, s and v.
var signatureFields = []int{32, 32, 1}

// openField is a field of a payload of open; first says that none of its form was met before.
type openField struct {
	size  int
	first bool
}

// fieldsBehind are the fields of a payload of open behind the evidence's kind; stray bytes of one that cannot be read
// are fields of at most 32. It notes the forms that it meets. SPEC 08 §7.2.
func fieldsBehind(p []byte, count uint32, met map[string]bool) (fields []openField) {
	at := evidenceOfOpen + 1
	add := func(form string, more ...int) {
		first := !met[form]
		met[form] = true
		for _, n := range more {
			if n = min(n, len(p)-at); n > 0 {
				fields, at = append(fields, openField{n, first}), at+n
			}
		}
	}
	evidence := func(of string, kind byte) {
		switch kind {
		case 2:
			add(of+" by a key", append([]int{20}, signatureFields...)...)
		case 0:
			add(of+" by the node", signatureFields...)
		}
	}
	evidence("claim", p[evidenceOfOpen])
	step, ended := binary.BigEndian.Uint32(p[20:]), p[96] == claim.FinishCancelled
	if m, err := dispute.DecodeOpen(p, count); err == nil && m.Batch != nil {
		add("batch", append([]int{32, 2}, slices.Repeat([]int{32}, len(m.Batch.Path))...)...)
	}
	if step == dispute.Contradicts && len(p)-at > 109 {
		second := p[at+4]
		add("contradiction", 4, 1, 32, 32, 16, 8, 8, 8)
		if second == claim.FinishCancelled {
			add("second claim cancelled", signatureFields...)
		}
		kind := p[min(at, len(p)-1)]
		add("second evidence", 1)
		evidence("second claim", kind)
		add(fmt.Sprintf("differing %d", p[min(at, len(p)-1)]), 1, 4)
	}
	tail := 0
	if ended {
		tail = 65
	}
	for len(p)-at > tail { // leaves, siblings, the point that a delivery is encrypted to
		add("words", min(32, len(p)-at-tail))
	}
	if ended {
		add("claim cancelled", signatureFields...)
	}
	return fields
}

// fieldChanged are the ways in which the field at [a, b) is changed: to nothing, to everything, by one up and
// down, and in its highest bit.
func fieldChanged(p []byte, a, b int) (out [][]byte) {
	add := func(f func(x *big.Int)) {
		x, top := new(big.Int).SetBytes(p[a:b]), new(big.Int).Lsh(big.NewInt(1), uint(8*(b-a)))
		f(x)
		q := bytes.Clone(p)
		x.Mod(x, top).FillBytes(q[a:b])
		out = append(out, q)
	}
	add(func(x *big.Int) { x.SetInt64(0) })
	add(func(x *big.Int) { x.SetInt64(-1) })
	add(func(x *big.Int) { x.Add(x, big.NewInt(1)) })
	add(func(x *big.Int) { x.Sub(x, big.NewInt(1)) })
	add(func(x *big.Int) { x.SetBit(x, 8*(b-a)-1, 1-x.Bit(8*(b-a)-1)) })
	return out
}

// changedOpenings are an opening with each of its fields changed, and with parts missing or too many. In a soak each
// byte behind the evidence's kind is one up besides. They begin with those that every run tries: one up, of each field
// behind the evidence of a form that was not met.
func changedOpenings(p []byte, count uint32, met map[string]bool) (out [][]byte, always int) {
	at := 0
	for _, size := range fieldsOfOpen {
		out = append(out, fieldChanged(p, at, at+size)...)
		at += size
	}
	for _, f := range fieldsBehind(p, count, met) {
		changed := fieldChanged(p, at, at+f.size)
		if out = append(out, changed...); f.first {
			out, always = slices.Insert(out, 0, changed[2]), always+1
		}
		at += f.size
	}
	if os.Getenv("ELENCHUS_SOAK") != "" {
		for at := evidenceOfOpen + 1; at < len(p); at++ {
			out = append(out, fieldChanged(p, at, at+1)[2])
		}
	}
	for _, n := range []int{0, 95, 97, 390, 615, 616, len(p) - 65, len(p) - 33, len(p) - 32, len(p) - 1} {
		out = append(out, bytes.Clone(p[:min(n, len(p))]))
	}
	for _, n := range []int{1, 31, 32, 64, 65} {
		out = append(out, append(bytes.Clone(p), make([]byte, n)...))
	}
	return out, always
}

// Every field of every opening changed, as it stands and signed anew: Go and the contract open the same, as
// the same, and refuse the same. A few of them in every run, with each field of each form of evidence once, all in a
// soak. SPEC 08 §4, §7.2.
func TestTwinsAgreeOnChangedOpenings(t *testing.T) {
	every := 1
	switch {
	case os.Getenv("ELENCHUS_SOAK") != "":
	case watching != nil:
		every = 23
	default:
		every = 97
	}
	r := newRules(t)
	s := newSigner(t)
	taken, refused, n, met := 0, 0, 0, map[string]bool{}
	count := func(ok bool) {
		if ok {
			taken++
		} else {
			refused++
		}
	}
	list, names := s.basis(t)
	for i, b := range list {
		count(r.alike(t, names[i], s.d, b))
		changed, always := changedOpenings(b.payload, b.count, met)
		for k, p := range changed {
			if n++; n%every != 0 && k >= always {
				continue
			}
			what := fmt.Sprintf("%s, change %d", names[i], k)
			for _, size := range []uint32{b.count, b.count ^ 1} {
				count(r.alike(t, what, s.d, brought{p, size}))
				if again, ok := s.anew(t, brought{p, size}); ok {
					count(r.alike(t, what+", signed anew", s.d, again))
				}
			}
		}
	}
	if taken < 100 || refused < 100 {
		t.Errorf("%d were taken, %d refused", taken, refused)
	}
	for _, form := range []string{"claim by the node", "claim by a key", "batch", "contradiction", "second claim by the node", "second claim by a key",
		"second claim cancelled", "differing 0", "differing 1", "differing 2", "words", "claim cancelled"} {
		if !met[form] {
			t.Errorf("no opening has the form: %s", form)
		}
	}
	t.Logf("%d openings, %d changes: %d taken, %d refused", len(list), n, taken, refused)
}
