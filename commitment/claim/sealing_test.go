package claim

import (
	"bytes"
	"crypto/ecdsa"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

func keyOf(t testing.TB, b byte) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Both sides have the same secret, the receiver can prove it, and no byte of the proof may change.
// SPEC 08 §7.14.
func TestOnlyTheSharedSecretIsProven(t *testing.T) {
	receiver, sender, stranger := keyOf(t, 7), keyOf(t, 9), keyOf(t, 11)
	b, a := PointOf(receiver), PointOf(sender)
	s, err := Share(receiver, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		key *ecdsa.PrivateKey
		at  Point
	}{{receiver, a}, {sender, b}} {
		if got, err := SecretWith(k.key, k.at); err != nil || got != Hash(s.Secret[:32]) {
			t.Fatalf("the secret is %x, want %x, %v", got, s.Secret[:32], err)
		}
	}
	if err := s.Check(b, a); err != nil {
		t.Fatal(err)
	}
	raw := s.Encode()
	if DecodeShared([SharedSize]byte(raw)) != s {
		t.Fatal("a proof has two encodings")
	}
	for i := range raw {
		changed := bytes.Clone(raw)
		changed[i] ^= 1
		if bad := DecodeShared([SharedSize]byte(changed)); !errors.Is(bad.Check(b, a), ErrShared) {
			t.Fatalf("byte %d may be changed", i)
		}
	}
	if err := s.Check(PointOf(stranger), a); !errors.Is(err, ErrShared) {
		t.Fatalf("the proof holds for a stranger: %v", err)
	}
	if other, err := Share(stranger, a); err != nil || other.Secret == s.Secret {
		t.Fatalf("a stranger has the same secret: %v", err)
	}
	off := a
	off[63] ^= 1
	if _, err := SecretWith(receiver, off); !errors.Is(err, ErrShared) {
		t.Fatalf("a point beside the curve: %v", err)
	}
}

// Masking twice gives back what was masked, and no two words have the same mask.
func TestMaskIsItsOwnReverse(t *testing.T) {
	plain := make([]byte, 4*32)
	sealed := Mask(Hash{1}, plain)
	if !bytes.Equal(Mask(Hash{1}, sealed), plain) {
		t.Fatal("it does not")
	}
	for i := 0; i < len(sealed); i += 32 {
		if bytes.Count(sealed, sealed[i:i+32]) != 1 {
			t.Fatalf("word %d is there twice", i/32)
		}
	}
}
