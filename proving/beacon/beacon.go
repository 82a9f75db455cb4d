// Package beacon verifies the rounds of a public source of randomness and signs those of a local one.
//
// It stands on the proving floor, which owns the curve. A round of drand's quicknet is a BLS signature
// in G1 over the SHA-256 of its number: nobody knows it before its time, everybody can check it after.
// The twin on the chain is the contract Beacon. Invariants: a signature has one encoding; a local
// beacon is the same interface under a key that its operator holds, and is trusted as far as he is.
// SPEC 11 §2.
//
//	r, err := beacon.Quicknet().Verify(1000, signature)
//	seed := r.Seed()
package beacon

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"

	curve "github.com/consensys/gnark-crypto/ecc/bls12-381"
)

// Domain is the domain separation tag of hashing to the curve.
const Domain = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"

// Sizes in bytes: of a compressed key, of a compressed signature, and of both as the contract takes
// them: x and y, and in a key each coordinate's two parts behind 16 zero bytes.
const (
	KeySize       = curve.SizeOfG2AffineCompressed
	SignatureSize = curve.SizeOfG1AffineCompressed
	PointSize     = 96
	KeyWords      = 256
)

// ErrKey and ErrSignature mark bytes that are no key and no signature of the round.
var (
	ErrKey       = errors.New("not the public key of a beacon")
	ErrSignature = errors.New("not the beacon's signature of that round")
)

// Chain is a beacon: whose key, and when its rounds are. The zero value is illegal.
type Chain struct {
	Name    string
	Key     [KeySize]byte // compressed, G2
	Genesis uint64        // unix seconds of round 1
	Period  uint64        // seconds, at least 1
}

// quicknetKey is the public key of the League of Entropy's network quicknet.
const quicknetKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
	"0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"

// QuicknetHash names quicknet in addresses of drand's HTTP interface.
const QuicknetHash = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"

// Quicknet is drand's unchained network with a round every three seconds.
func Quicknet() Chain {
	c := Chain{Name: "quicknet", Genesis: 1692803367, Period: 3}
	if n, err := hex.Decode(c.Key[:], []byte(quicknetKey)); err != nil || n != KeySize {
		panic("beacon: the key of quicknet is not 96 bytes of hex")
	}
	return c
}

// Time is when a round is due, unix seconds; rounds count from 1. SPEC 11 §2.1.
func (c *Chain) Time(round uint64) uint64 { return c.Genesis + (max(round, 1)-1)*c.Period }

// Round is the first round that is not due before a time. SPEC 11 §2.1.
func (c *Chain) Round(at uint64) uint64 {
	if at <= c.Genesis {
		return 1
	}
	return (at-c.Genesis+c.Period-1)/c.Period + 1
}

// message is what the signature of a round is over.
func message(round uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], round)
	m := sha256.Sum256(b[:])
	return m[:]
}

// Signature is a round that was checked.
type Signature struct {
	Round uint64
	point curve.G1Affine
}

// Verify checks the compressed signature of a round. Errors match ErrKey or ErrSignature.
func (c *Chain) Verify(round uint64, signature []byte) (*Signature, error) {
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	s := &Signature{Round: round}
	if n, err := s.point.SetBytes(signature); err != nil || n != SignatureSize || len(signature) != SignatureSize {
		return nil, fmt.Errorf("%w: round %d: %d bytes are no compressed point", ErrSignature, round, len(signature))
	}
	h, err := curve.HashToG1(message(round), []byte(Domain))
	if err != nil {
		return nil, err
	}
	_, _, _, g2 := curve.Generators()
	g2.Neg(&g2)
	ok, err := curve.PairingCheck([]curve.G1Affine{s.point, h}, []curve.G2Affine{g2, *key})
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: round %d of %s", ErrSignature, round, c.Name)
	}
	return s, nil
}

func (c *Chain) key() (*curve.G2Affine, error) {
	key := new(curve.G2Affine)
	if _, err := key.SetBytes(c.Key[:]); err != nil || key.IsInfinity() {
		return nil, fmt.Errorf("%w: %x", ErrKey, c.Key[:8])
	}
	return key, nil
}

// Words is the key as the constructor of the contract takes it. The error matches ErrKey.
func (c *Chain) Words() (out [KeyWords]byte, err error) {
	key, err := c.key()
	if err != nil {
		return out, err
	}
	for i, part := range [4][48]byte{key.X.A0.Bytes(), key.X.A1.Bytes(), key.Y.A0.Bytes(), key.Y.A1.Bytes()} {
		copy(out[64*i+16:], part[:])
	}
	return out, nil
}

// Bytes is the compressed signature.
func (s *Signature) Bytes() [SignatureSize]byte { return s.point.Bytes() }

// Point is x and y, as the contract takes them.
func (s *Signature) Point() (out [PointSize]byte) {
	x, y := s.point.X.Bytes(), s.point.Y.Bytes()
	copy(out[:], x[:])
	copy(out[48:], y[:])
	return out
}

// Randomness is what drand publishes beside the signature: its SHA-256.
func (s *Signature) Randomness() [32]byte {
	b := s.Bytes()
	return sha256.Sum256(b[:])
}

// Seed is what draws are made from: the randomness with its last five bytes zero. SPEC 11 §2.3.
func (s *Signature) Seed() [32]byte {
	r := s.Randomness()
	clear(r[27:])
	return r
}

// Local is a beacon whose secret one party holds: for a devnet on one machine, and nothing else.
type Local struct {
	Chain
	secret *big.Int
}

// NewLocal is the local beacon of a secret of 32 bytes that is not 0 modulo the order of the group.
func NewLocal(secret [32]byte, genesis, period uint64) (*Local, error) {
	k := new(big.Int).Mod(new(big.Int).SetBytes(secret[:]), curve.ID.ScalarField())
	if k.Sign() == 0 || period == 0 {
		return nil, fmt.Errorf("%w: secret or period is 0", ErrKey)
	}
	var key curve.G2Affine
	key.ScalarMultiplicationBase(k)
	l := &Local{Chain: Chain{Name: "local", Key: key.Bytes(), Genesis: genesis, Period: period}, secret: k}
	return l, nil
}

// Sign is the signature of a round, due or not.
func (l *Local) Sign(round uint64) (*Signature, error) {
	h, err := curve.HashToG1(message(round), []byte(Domain))
	if err != nil {
		return nil, err
	}
	s := &Signature{Round: round}
	s.point.ScalarMultiplication(&h, l.secret)
	return s, nil
}
