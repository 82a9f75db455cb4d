// Package check verifies answers by proof from the words of a key: the Go twin of ProofVerifier
// (Groth16) and PlonkVerifier.
//
// It stands on the proving floor and imports nothing but the curve, so that whoever only verifies
// (another program, a browser) carries no prover. Invariants: total on all bytes, one encoding of
// every value, the same refusals in the same order as the contract. SPEC 10 §5.
//
//	err := check.Answer(words, &statement, leaves, proof)
package check

import (
	"encoding/binary"
	"errors"
	"math/big"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/ethereum/go-ethereum/crypto/keccak"
)

// Reasons, by the names of the contract's errors.
var (
	ErrKeyLength        = errors.New("KeyLength")
	ErrProofLength      = errors.New("ProofLength")
	ErrLeafOutOfField   = errors.New("LeafOutOfField")
	ErrScalarOutOfField = errors.New("ScalarOutOfField")
	ErrBadPoint         = errors.New("BadPoint")
	ErrProofRefused     = errors.New("ProofRefused")
)

// Sizes of SPEC 10 §5.3 in bytes.
const (
	point     = 64
	twisted   = 128
	fixed     = point + 3*twisted + point // alpha, beta, gamma, delta, the point of the constant
	keySize   = fixed + publics*point
	proofSize = point + twisted + point + fr.Bytes // A, B, C, the digest of the leaves' hashes
	publics   = 3                                  // public inputs: the challenge, the digest, the sum
)

// Statement is what an answer is about, and where it holds. SPEC 10 §4.3.
type Statement struct {
	Game     [32]byte
	Op       uint8
	Element  uint64
	Chain    uint64
	Verifier [20]byte
	Prover   [20]byte
	Equal    bool
}

// Binding is the hash of all but Equal.
func (s *Statement) Binding() [32]byte {
	b := append(s.Game[:], s.Op)
	b = binary.BigEndian.AppendUint64(b, s.Element)
	b = append(b, make([]byte, 24)...)
	b = binary.BigEndian.AppendUint64(b, s.Chain)
	b = append(b, s.Verifier[:]...)
	return sum(append(b, s.Prover[:]...))
}

// Answer is nil if the proof shows the statement about leaves with these hashes (the target's first)
// under a key, else one of the reasons. The length of a key says of which proof system it is.
func Answer(words []byte, s *Statement, leaves [][32]byte, proof []byte) error {
	if len(words) == plonkKey {
		return answerPLONK(words, s, leaves, proof)
	}
	if len(words) != keySize {
		return ErrKeyLength
	}
	if len(proof) != proofSize {
		return ErrProofLength
	}
	inputs, err := Inputs(s.Binding(), s.Equal, leaves, [32]byte(proof[proofSize-fr.Bytes:]))
	if err != nil {
		return err
	}
	r := &reader{b: words}
	g1 := []curve.G1Affine{{}, r.point()}
	g2 := []curve.G2Affine{{}, r.twisted(), r.twisted(), r.twisted()} // beta, gamma, delta
	sum := r.point()
	for i := range inputs {
		p := r.point()
		var times curve.G1Affine
		times.ScalarMultiplication(&p, inputs[i].BigInt(new(big.Int)))
		sum.Add(&sum, &times)
	}
	q := &reader{b: proof}
	g1[0], g2[0] = q.point(), q.twisted()
	g1[0].Neg(&g1[0])
	g1 = append(g1, sum, q.point())
	if r.bad || q.bad {
		return ErrBadPoint
	}
	if ok, err := curve.PairingCheck(g1, g2); err != nil || !ok {
		return ErrProofRefused
	}
	return nil
}

// Inputs are the public inputs of an answer's circuit: the challenge, drawn from all that is stated and the
// digest; the digest; and the polynomial at the challenge whose first coefficient is twice the number of leaves,
// and one more for an element that is equal, and whose others are the hashes of the leaves. It returns
// ErrLeafOutOfField or ErrScalarOutOfField for a hash or a digest that is not below the order of the field.
// SPEC 10 §4.6.
func Inputs(binding [32]byte, equal bool, leaves [][32]byte, digest [32]byte) (out [publics]fr.Element, err error) {
	head := uint64(2 * len(leaves))
	if equal {
		head++
	}
	b := append(binding[:], make([]byte, 24)...)
	b = binary.BigEndian.AppendUint64(b, head)
	for i := range leaves {
		b = append(b, leaves[i][:]...)
	}
	h := sum(append(b, digest[:]...))
	c, total := &out[0], &out[2]
	c.SetBytes(h[:])
	var e fr.Element
	for i := range leaves {
		if e.SetBytesCanonical(leaves[len(leaves)-1-i][:]) != nil {
			return out, ErrLeafOutOfField
		}
		total.Mul(total, c).Add(total, &e)
	}
	total.Mul(total, c).Add(total, e.SetUint64(head))
	if out[1].SetBytesCanonical(digest[:]) != nil {
		return out, ErrScalarOutOfField
	}
	return out, nil
}

// reader reads points in the encoding of the precompiles, in which the point at infinity is all zero;
// a fault stays. The length has been checked.
type reader struct {
	b   []byte
	bad bool
}

// flags are bits of the first byte that no coordinate has; the curve's own encoding uses them.
const flags = 0xc0

func (r *reader) point() (p curve.G1Affine) {
	raw := r.b[:point]
	r.b = r.b[point:]
	if zero(raw) {
		p.SetInfinity()
		return p
	}
	if _, err := p.SetBytes(raw); err != nil || raw[0]&flags != 0 {
		r.bad = true
	}
	return p
}

func (r *reader) twisted() (p curve.G2Affine) {
	raw := r.b[:twisted]
	r.b = r.b[twisted:]
	if zero(raw) {
		p.SetInfinity()
		return p
	}
	if _, err := p.SetBytes(raw); err != nil || raw[0]&flags != 0 {
		r.bad = true
	}
	return p
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

// sum is keccak-256.
func sum(b []byte) (out [32]byte) {
	h := keccak.NewLegacyKeccak256()
	_, _ = h.Write(b) // never fails
	h.Sum(out[:0])
	return out
}
