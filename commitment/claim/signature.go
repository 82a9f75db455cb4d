package claim

import (
	"crypto/ecdsa"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"
)

// Signature is r | s | v, with v 27 or 28 and s at most half the group order.
type Signature [65]byte

// Sign signs a digest with a secp256k1 key; the nonce follows from both, so that the same digest
// and key always give the same signature.
func Sign(digest Hash, key *ecdsa.PrivateKey) (Signature, error) {
	raw, err := crypto.Sign(digest[:], key)
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	s := Signature(raw)
	s[64] += 27
	return s, nil
}

// AddressOf is the account of a key.
func AddressOf(key *ecdsa.PrivateKey) Address { return Address(crypto.PubkeyToAddress(key.PublicKey)) }

// Recover is the account that signed the digest, or ErrSignature for any other form than Sign's.
func Recover(digest Hash, s Signature) (Address, error) {
	if s[64] != 27 && s[64] != 28 {
		return Address{}, fmt.Errorf("%w: v is %d, want 27 or 28", ErrSignature, s[64])
	}
	r, sv := new(big.Int).SetBytes(s[:32]), new(big.Int).SetBytes(s[32:64])
	if !crypto.ValidateSignatureValues(s[64]-27, r, sv, true) {
		return Address{}, fmt.Errorf("%w: r or s is outside the group, or s is high", ErrSignature)
	}
	raw := s
	raw[64] -= 27
	pub, err := crypto.SigToPub(digest[:], raw[:])
	if err != nil {
		return Address{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return Address(crypto.PubkeyToAddress(*pub)), nil
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
