package claim

import (
	"crypto/ecdsa"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	compact "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// Signature is r | s | v, with v 27 or 28 and s at most half the group order.
type Signature [65]byte

// Sign signs a digest with a secp256k1 key; the nonce follows from both, so that the same digest
// and key always give the same signature.
func Sign(digest Hash, key *ecdsa.PrivateKey) (Signature, error) {
	if key.Curve.Params().N.Cmp(secp256k1.Params().N) != 0 {
		return Signature{}, fmt.Errorf("%w: the key is of another curve than secp256k1", ErrSignature)
	}
	var secret secp256k1.PrivateKey
	defer secret.Zero()
	if over := secret.Key.SetByteSlice(key.D.Bytes()); over || secret.Key.IsZero() { //nolint:staticcheck // crypto/ecdsa has no bytes of this curve
		return Signature{}, fmt.Errorf("%w: the key is 0 or not below the group's order", ErrSignature)
	}
	raw := compact.SignCompact(&secret, digest[:], false) // v | r | s
	var s Signature
	copy(s[:64], raw[1:])
	s[64] = raw[0]
	return s, nil
}

// AddressOf is the account of a key.
func AddressOf(key *ecdsa.PrivateKey) Address {
	var point [64]byte
	key.X.FillBytes(point[:32])
	key.Y.FillBytes(point[32:])
	return addressOf(point[:])
}

// addressOf is the account of a public key in its two coordinates.
func addressOf(point []byte) Address {
	h := Keccak(point)
	return Address(h[12:])
}

// Recover is the account that signed the digest, or ErrSignature for any other form than Sign's.
func Recover(digest Hash, s Signature) (Address, error) {
	if s[64] != 27 && s[64] != 28 {
		return Address{}, fmt.Errorf("%w: v is %d, want 27 or 28", ErrSignature, s[64])
	}
	var r, half secp256k1.ModNScalar
	over := r.SetByteSlice(s[:32])
	if half.SetByteSlice(s[32:64]) || over || r.IsZero() || half.IsZero() || half.IsOverHalfOrder() {
		return Address{}, fmt.Errorf("%w: r or s is outside the group, or s is high", ErrSignature)
	}
	key, _, err := compact.RecoverCompact(append([]byte{s[64]}, s[:64]...), digest[:])
	if err != nil {
		return Address{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return addressOf(key.SerializeUncompressed()[1:]), nil
}

// VerifySigner checks that who signed the digest, or says ErrSignature.
func VerifySigner(digest Hash, s Signature, who Address) error {
	got, err := Recover(digest, s)
	if err != nil {
		return err
	}
	if got != who {
		return fmt.Errorf("%w: signed by %x, want %x", ErrSignature, got, who)
	}
	return nil
}
