package claim

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"
)

func key(t testing.TB, seed string) *ecdsa.PrivateKey {
	t.Helper()
	h := Keccak([]byte(seed))
	k, err := crypto.ToECDSA(h[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func genBytes(n int) *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), n, n) }

func genHash(t *rapid.T, name string) Hash { return Hash(genBytes(32).Draw(t, name)) }

func genAmount(t *rapid.T, name string) Amount {
	return AmountFrom([16]byte(genBytes(16).Draw(t, name)))
}

func genRequest(t *rapid.T) Request {
	return Request{
		Model: genHash(t, "model"), PromptRoot: genHash(t, "promptRoot"),
		PromptCount: rapid.Uint32().Draw(t, "m"), MaxNew: rapid.Uint32().Draw(t, "maxNew"),
		Temperature: rapid.Uint32().Draw(t, "temperature"), Seed: rapid.Uint64().Draw(t, "seed"),
		StopRoot: genHash(t, "stopRoot"), StopCount: rapid.Uint8().Draw(t, "stops"),
		Extras: genHash(t, "extras"), DataClass: rapid.Uint8().Draw(t, "class"),
		User: Address(genBytes(20).Draw(t, "user")), Nonce: rapid.Uint64().Draw(t, "nonce"),
		Price: genAmount(t, "price"),
	}
}

func genClaim(t *rapid.T) Claim {
	return Claim{
		Version: rapid.Uint16().Draw(t, "version"), Node: Address(genBytes(20).Draw(t, "node")),
		RequestDigest: genHash(t, "request"), Count: rapid.Uint32().Draw(t, "n"),
		Finish: rapid.Uint8().Draw(t, "finish"), StateRoot: genHash(t, "states"),
		OutputRoot: genHash(t, "outputs"), Value: genAmount(t, "value"),
		Issued: rapid.Uint64().Draw(t, "issued"), BatchBy: rapid.Uint64().Draw(t, "batchBy"),
		ChallengeUntil: rapid.Uint64().Draw(t, "until"),
	}
}

// SPEC 07 §7.
func TestEncodingsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, c := genRequest(t), genClaim(t)
		gotR, err := DecodeRequest(r.Encode())
		if err != nil || gotR != r {
			t.Fatalf("request: %v, %+v != %+v", err, gotR, r)
		}
		gotC, err := DecodeClaim(c.Encode())
		if err != nil || gotC != c {
			t.Fatalf("claim: %v, %+v != %+v", err, gotC, c)
		}
	})
}

func TestEveryByteOfAnEncodingCounts(t *testing.T) {
	d := Domain{ChainID: 1, Arena: Address{1}}
	r := Request{PromptCount: 1, MaxNew: 1}
	for i, b := 0, r.Encode(); i < len(b); i++ {
		m := bytes.Clone(b)
		m[i] ^= 1
		got, err := DecodeRequest(m)
		if (err == nil) != (i >= len(requestTag)) || err == nil && got.Digest(d) == r.Digest(d) {
			t.Fatalf("request byte %d: %v", i, err)
		}
	}
	c := Claim{Version: 1}
	for i, b := 0, c.Encode(); i < len(b); i++ {
		m := bytes.Clone(b)
		m[i] ^= 1
		got, err := DecodeClaim(m)
		if (err == nil) != (i >= len(claimTag)) || err == nil && got.Digest(d) == c.Digest(d) {
			t.Fatalf("claim byte %d: %v", i, err)
		}
		if times := i >= ClaimSize-24; err == nil && (got.ID(d) == c.ID(d)) != times {
			t.Fatalf("claim byte %d: identity depends on it: %v", i, !times)
		}
	}
	for _, n := range []int{0, RequestSize - 1, RequestSize + 1} {
		if _, err := DecodeRequest(make([]byte, n)); !errors.Is(err, ErrEncoding) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestSignatureHasOneForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, err := crypto.ToECDSA(append([]byte{0}, genBytes(31).Filter(func(b []byte) bool { return b[0] != 0 }).Draw(t, "key")...))
		if err != nil {
			t.Fatal(err)
		}
		h := genHash(t, "digest")
		s, err := Sign(h, k)
		if err != nil {
			t.Fatal(err)
		}
		if err := VerifySigner(h, s, AddressOf(k)); err != nil {
			t.Fatal(err)
		}
		again, _ := Sign(h, k)
		if again != s {
			t.Fatal("signing twice gives two signatures")
		}
		high := s
		sv := new(big.Int).SetBytes(s[32:64])
		sv.Sub(crypto.S256().Params().N, sv).FillBytes(high[32:64])
		high[64] = 55 - high[64]
		if _, err := Recover(h, high); !errors.Is(err, ErrSignature) {
			t.Fatalf("high s: %v", err)
		}
		low := s
		low[64] -= 27
		if _, err := Recover(h, low); !errors.Is(err, ErrSignature) {
			t.Fatalf("v 0/1: %v", err)
		}
		other := h
		other[0] ^= 1
		if err := VerifySigner(other, s, AddressOf(k)); !errors.Is(err, ErrSignature) {
			t.Fatalf("other digest: %v", err)
		}
	})
	if _, err := Recover(Hash{}, Signature{64: 27}); !errors.Is(err, ErrSignature) {
		t.Fatalf("zero signature: %v", err)
	}
}

func TestBatchProvesEachClaimOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "claims")
		digests := make([]Hash, n)
		for i := range digests {
			digests[i] = Keccak([]byte{byte(i)})
		}
		b, err := NewBatch(digests)
		if err != nil {
			t.Fatal(err)
		}
		i := rapid.IntRange(0, n-1).Draw(t, "index")
		path := b.Path(i)
		if err := VerifyLeaf(b.Root(), uint32(n), uint32(i), digests[i], path); err != nil {
			t.Fatal(err)
		}
		j := rapid.IntRange(0, n).Draw(t, "other")
		if err := VerifyLeaf(b.Root(), uint32(n), uint32(j), digests[i], path); j != i && !errors.Is(err, ErrInclusion) {
			t.Fatalf("index %d proves claim %d", j, i)
		}
		if err := VerifyLeaf(b.Root(), uint32(n), uint32(i), digests[i], append(path, Hash{})); !errors.Is(err, ErrInclusion) {
			t.Fatal("a longer path proves")
		}
	})
	if _, err := NewBatch(nil); !errors.Is(err, ErrClaim) {
		t.Fatal(err)
	}
	if _, err := NewBatch(make([]Hash, MaxBatch+1)); !errors.Is(err, ErrClaim) {
		t.Fatal(err)
	}
}

func TestAmountIsTheInteger(t *testing.T) {
	mod := new(big.Int).Lsh(big.NewInt(1), 128)
	rapid.Check(t, func(t *rapid.T) {
		a, b, n := genAmount(t, "a"), genAmount(t, "b"), rapid.Uint64Min(1).Draw(t, "n")
		agree := func(name string, got Amount, err error, want *big.Int) {
			out := want.Sign() < 0 || want.Cmp(mod) >= 0
			if out != (err != nil) || !out && got.Big().Cmp(want) != 0 {
				t.Fatalf("%s: %s, %v, want %s", name, got, err, want)
			}
		}
		s, err := a.Add(b)
		agree("add", s, err, new(big.Int).Add(a.Big(), b.Big()))
		s, err = a.Sub(b)
		agree("sub", s, err, new(big.Int).Sub(a.Big(), b.Big()))
		s, err = a.Mul(n)
		agree("mul", s, err, new(big.Int).Mul(a.Big(), new(big.Int).SetUint64(n)))
		agree("div", a.Div(n), nil, new(big.Int).Div(a.Big(), new(big.Int).SetUint64(n)))
		if a.Cmp(b) != a.Big().Cmp(b.Big()) {
			t.Fatal("cmp")
		}
		if p, err := ParseAmount(a.String()); err != nil || p != a {
			t.Fatalf("parse: %v", err)
		}
	})
	for _, s := range []string{"", "-1", "+1", "01", "0x1", "1 ", "340282366920938463463374607431768211456"} {
		if _, err := ParseAmount(s); !errors.Is(err, ErrAmount) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// SPEC 07 §2, §3: for each rule a value that only this rule rejects.
func TestChecks(t *testing.T) {
	ok := Request{PromptCount: 3, MaxNew: 4, StopCount: 1}
	graph := Request{PromptRoot: Hash{1}}
	for _, c := range []struct {
		name string
		edit func(*Request)
		from Request
	}{
		{"graph extras", func(r *Request) { r.Extras[31] = 1 }, graph},
		{"class", func(r *Request) { r.DataClass = 3 }, ok},
		{"stops", func(r *Request) { r.StopCount = 65 }, ok},
		{"maxNew", func(r *Request) { r.MaxNew = 0 }, ok},
		{"graph sampler", func(r *Request) { r.Seed = 1 }, graph},
	} {
		if err := c.from.Check(); err != nil {
			t.Fatal(err)
		}
		r := c.from
		c.edit(&r)
		if err := r.Check(); !errors.Is(err, ErrRequest) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	good := Claim{Version: 1, Count: 4, Finish: 3}
	for _, c := range []struct {
		name string
		edit func(*Claim)
		r    Request
		from Claim
	}{
		{"version", func(c *Claim) { c.Version = 2 }, ok, good},
		{"count 0", func(c *Claim) { c.Count = 0 }, ok, good},
		{"count", func(c *Claim) { c.Count = 5 }, ok, good},
		{"finish 0", func(c *Claim) { c.Finish = 0 }, ok, good},
		{"finish 7", func(c *Claim) { c.Finish = 7 }, ok, good},
		{"graph", func(c *Claim) { c.Count = 1 }, graph, Claim{Version: 1}},
	} {
		if err := c.from.Check(c.r); err != nil {
			t.Fatal(err)
		}
		v := c.from
		c.edit(&v)
		if err := v.Check(c.r); !errors.Is(err, ErrClaim) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(Request{PromptCount: 1, MaxNew: 2}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRequest(b); err == nil && !bytes.Equal(r.Encode(), b) {
			t.Fatal("two encodings of one request")
		}
	})
}

func FuzzDecodeClaim(f *testing.F) {
	f.Add(Claim{Version: 1, Count: 1, Finish: 1}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := DecodeClaim(b); err == nil && !bytes.Equal(c.Encode(), b) {
			t.Fatal("two encodings of one claim")
		}
	})
}
