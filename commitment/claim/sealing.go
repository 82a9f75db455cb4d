package claim

import (
	"crypto/ecdsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// ErrShared says that a point is none of the curve that encryption takes, or that a proof does not show
// the secret that two keys share.
var ErrShared = errors.New("not a shared secret of these keys")

// Point is a point of secp256k1: x and y, big-endian. Encryption takes those whose x is below the
// group's order. SPEC 08 §7.14.
type Point [64]byte

// Shared is the secret that the holder of the key of B shares with who knows the discrete logarithm of
// A: b * A, whose x coordinate keys are made of, with a proof that a contract can check.
type Shared struct {
	Secret  Point
	E, Z    Hash  // challenge and answer
	U, V    Point // Z * A and E * Secret
	Inverse Hash  // of V.x - U.x
}

// SharedSize is the length of an encoded Shared in bytes.
const SharedSize = 64 + 32 + 32 + 64 + 64 + 32

// Encode is the packed form.
func (s *Shared) Encode() []byte {
	b := append(s.Secret[:64:64], s.E[:]...)
	b = append(append(append(b, s.Z[:]...), s.U[:]...), s.V[:]...)
	return append(b, s.Inverse[:]...)
}

// DecodeShared reads exactly SharedSize bytes; their meaning Check decides.
func DecodeShared(b [SharedSize]byte) (s Shared) {
	copy(s.Secret[:], b[:])
	copy(s.E[:], b[64:])
	copy(s.Z[:], b[96:])
	copy(s.U[:], b[128:])
	copy(s.V[:], b[192:])
	copy(s.Inverse[:], b[256:])
	return s
}

// PointOf is the public key of a key.
func PointOf(key *ecdsa.PrivateKey) (p Point) {
	key.X.FillBytes(p[:32])
	key.Y.FillBytes(p[32:])
	return p
}

// Address is the account whose public key the point is.
func (p Point) Address() Address { return addressOf(p[:]) }

// Check says ErrShared unless the point is on the curve and its x below the group's order.
func (p Point) Check() error {
	_, err := p.jacobian()
	return err
}

func (p Point) jacobian() (out secp256k1.JacobianPoint, err error) {
	var order secp256k1.ModNScalar
	var x, y secp256k1.FieldVal
	if order.SetByteSlice(p[:32]) || x.SetByteSlice(p[:32]) || y.SetByteSlice(p[32:]) || !secp256k1.NewPublicKey(&x, &y).IsOnCurve() {
		return out, fmt.Errorf("%w: the point with x = %x", ErrShared, p[:32])
	}
	secp256k1.NewPublicKey(&x, &y).AsJacobian(&out)
	return out, nil
}

// affine is the point of coordinates; infinity has none.
func affine(p secp256k1.JacobianPoint) (out Point) {
	p.ToAffine()
	x, y := p.X.Bytes(), p.Y.Bytes()
	copy(out[:32], x[:])
	copy(out[32:], y[:])
	return out
}

// SecretWith is the x coordinate of the point that a key shares with another point: of the sender's
// secret and the receiver's key, or the receiver's and the sender's point.
func SecretWith(key *ecdsa.PrivateKey, other Point) (Hash, error) {
	p, _, err := product(key, other)
	return Hash(p[:32]), err
}

func product(key *ecdsa.PrivateKey, other Point) (Point, secp256k1.ModNScalar, error) {
	var b secp256k1.ModNScalar
	at, err := other.jacobian()
	if err != nil {
		return Point{}, b, err
	}
	if b.SetByteSlice(key.D.Bytes()) || b.IsZero() { //nolint:staticcheck // crypto/ecdsa has no bytes of this curve
		return Point{}, b, fmt.Errorf("%w: the key is 0 or not below the group's order", ErrShared)
	}
	var out secp256k1.JacobianPoint
	secp256k1.ScalarMultNonConst(&b, &at, &out)
	p := affine(out)
	return p, b, p.Check()
}

// maxNonces bounds the nonces that are tried for a proof; all but one in 2^127 serve.
const maxNonces = 16

// Share proves what a key shares with the point of a sender. The proof tells nothing else about the key.
func Share(key *ecdsa.PrivateKey, sender Point) (Shared, error) {
	var s Shared
	secret, b, err := product(key, sender)
	if err != nil {
		return s, err
	}
	s.Secret = secret
	mine := PointOf(key)
	at, _ := sender.jacobian()
	own := b.Bytes()
	for try := range uint64(maxNonces) {
		nonce := Keccak([]byte("elenchus/shared/1"), own[:], sender[:], binary.BigEndian.AppendUint64(nil, try))
		var k secp256k1.ModNScalar
		var first, second secp256k1.JacobianPoint
		if k.SetByteSlice(nonce[:]); k.IsZero() {
			continue
		}
		secp256k1.ScalarBaseMultNonConst(&k, &first)
		secp256k1.ScalarMultNonConst(&k, &at, &second)
		e := challenge(mine, sender, secret, affine(first).Address(), affine(second))
		z := new(secp256k1.ModNScalar).Mul2(&e, &b).Add(&k)
		s.E, s.Z = e.Bytes(), z.Bytes()
		if s.products(sender) == nil && s.Check(mine, sender) == nil {
			return s, nil
		}
	}
	return Shared{}, fmt.Errorf("%w: no proof for the point with x = %x", ErrShared, sender[:32])
}

// challenge is the hash that takes the place of a checker.
func challenge(b, a, secret Point, first Address, second Point) (e secp256k1.ModNScalar) {
	h := Keccak(b[:], a[:], secret[:], make([]byte, 12), first[:], second[:])
	e.SetByteSlice(h[:])
	return e
}

// products fills in U, V and Inverse.
func (s *Shared) products(sender Point) error {
	u, err := multiple(sender, s.Z)
	if err != nil {
		return err
	}
	v, err := multiple(s.Secret, s.E)
	if err != nil {
		return err
	}
	d := new(big.Int).Sub(new(big.Int).SetBytes(v[:32]), new(big.Int).SetBytes(u[:32]))
	field := secp256k1.S256().P
	if d.Mod(d, field).Sign() == 0 {
		return ErrShared
	}
	s.U, s.V = u, v
	new(big.Int).ModInverse(d, field).FillBytes(s.Inverse[:])
	return nil
}

// multiple is k times a point, which must not be infinity.
func multiple(p Point, k Hash) (Point, error) {
	var n secp256k1.ModNScalar
	at, err := p.jacobian()
	if err != nil || n.SetByteSlice(k[:]) || n.IsZero() {
		return Point{}, fmt.Errorf("%w: a factor of %x", ErrShared, k)
	}
	var out secp256k1.JacobianPoint
	secp256k1.ScalarMultNonConst(&n, &at, &out)
	return affine(out), nil
}

// Check says ErrShared unless the secret is the one that B and A share: the twin of Sealing.sol.
func (s *Shared) Check(receiver, sender Point) error {
	b, err := receiver.jacobian()
	if err != nil {
		return err
	}
	if err := sender.Check(); err != nil {
		return err
	}
	want := *s
	if err := want.products(sender); err != nil || want != *s {
		return fmt.Errorf("%w: the products of the proof are others", ErrShared)
	}
	var e, z secp256k1.ModNScalar
	if e.SetByteSlice(s.E[:]) || z.SetByteSlice(s.Z[:]) {
		return fmt.Errorf("%w: a number is not below the group's order", ErrShared)
	}
	first := minus(base(&z), times(&e, b))
	second := minus(s.U.computed(), s.V.computed())
	if first.Z.IsZero() || second.Z.IsZero() {
		return fmt.Errorf("%w: the proof is degenerate", ErrShared)
	}
	if got := challenge(receiver, sender, s.Secret, affine(first).Address(), affine(second)); !got.Equals(&e) {
		return fmt.Errorf("%w: the challenge is %x", ErrShared, got.Bytes())
	}
	return nil
}

// computed is a point that was computed here, whatever its x.
func (p Point) computed() (out secp256k1.JacobianPoint) {
	var x, y secp256k1.FieldVal
	x.SetByteSlice(p[:32])
	y.SetByteSlice(p[32:])
	secp256k1.NewPublicKey(&x, &y).AsJacobian(&out)
	return out
}

func base(k *secp256k1.ModNScalar) (out secp256k1.JacobianPoint) {
	secp256k1.ScalarBaseMultNonConst(k, &out)
	return out
}

func times(k *secp256k1.ModNScalar, p secp256k1.JacobianPoint) (out secp256k1.JacobianPoint) {
	secp256k1.ScalarMultNonConst(k, &p, &out)
	return out
}

func minus(a, b secp256k1.JacobianPoint) (out secp256k1.JacobianPoint) {
	b.ToAffine()
	b.Y.Negate(1).Normalize()
	secp256k1.AddNonConst(&a, &b, &out)
	return out
}

// Mask adds (exclusive or) to each word of b keccak(key | number of the word): encryption under a key
// that is used once, and its reverse. The last word of b may be shorter than 32 bytes.
func Mask(key Hash, b []byte) []byte {
	out := make([]byte, len(b))
	for i := 0; i < len(b); i += 32 {
		var number [32]byte
		binary.BigEndian.PutUint64(number[24:], uint64(i)/32)
		word := Keccak(key[:], number[:])
		for j, v := range b[i:min(i+32, len(b))] {
			out[i+j] = v ^ word[j]
		}
	}
	return out
}
