package step

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"elenchus/proving/circuit"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
)

// Words is the verifying key as contracts read it, SPEC 10 §5.3 and §5.7. It returns ErrKey for a key
// that they cannot read: one with commitments to wires, or a PLONK key of another domain, coset or
// generator than theirs.
func (k *Key) Words() ([]byte, error) {
	if k.System == Groth16 {
		return k.groth16Words()
	}
	return k.plonkWords()
}

func (k *Key) groth16Words() ([]byte, error) {
	vk := k.groth16Vk
	if len(vk.PublicAndCommitmentCommitted) != 0 || len(vk.CommitmentKeys) != 0 {
		return nil, fmt.Errorf("%w: the circuit commits to wires, which no contract verifies", ErrKey)
	}
	var b bytes.Buffer
	alpha := vk.G1.Alpha.RawBytes()
	b.Write(alpha[:])
	for _, p := range []*curve.G2Affine{&vk.G2.Beta, &vk.G2.Gamma, &vk.G2.Delta} {
		raw := p.RawBytes()
		b.Write(raw[:])
	}
	for i := range vk.G1.K {
		raw := vk.G1.K[i].RawBytes()
		b.Write(raw[:])
	}
	return b.Bytes(), nil
}

// coset is what contracts shift the domain by.
const coset = 5

func (k *Key) plonkWords() ([]byte, error) {
	vk := k.plonkVk
	if len(vk.Qcp) != 0 || len(vk.CommitmentConstraintIndexes) != 0 {
		return nil, fmt.Errorf("%w: the circuit commits to wires, which no contract verifies", ErrKey)
	}
	_, _, g1, g2 := curve.Generators()
	exponent := uint64(0)
	for 1<<exponent < vk.Size {
		exponent++
	}
	domain, shift := fft.NewDomain(vk.Size), fr.NewElement(coset)
	if 1<<exponent != vk.Size || !vk.Generator.Equal(&domain.Generator) || !vk.SizeInv.Equal(&domain.CardinalityInv) || !vk.CosetShift.Equal(&shift) {
		return nil, fmt.Errorf("%w: it has another domain than contracts have for %d rows", ErrKey, vk.Size)
	}
	if !vk.Kzg.G1.Equal(&g1) || !vk.Kzg.G2[0].Equal(&g2) {
		return nil, fmt.Errorf("%w: its reference string does not begin with the generators", ErrKey)
	}
	out := binary.BigEndian.AppendUint64(make([]byte, 24), exponent<<16|vk.NbPublicVariables)
	for _, p := range []*curve.G1Affine{&vk.S[0], &vk.S[1], &vk.S[2], &vk.Ql, &vk.Qr, &vk.Qm, &vk.Qo, &vk.Qk} {
		if p.IsInfinity() { // the prover's transcript has a mark for it that contracts do not have
			return nil, fmt.Errorf("%w: a selector of the circuit is zero everywhere, which no contract verifies", ErrKey)
		}
		raw := p.RawBytes()
		out = append(out, raw[:]...)
	}
	tau := vk.Kzg.G2[1].RawBytes()
	return append(out, tau[:]...), nil
}

// Posted is a proof of an answer as contracts read it, with the digest of its leaves' hashes behind it: that
// of Groth16 as it is, that of PLONK without the opening of the linearised polynomial, which they compute.
func (s System) Posted(proof []byte, digest circuit.Input) []byte {
	if s == PLONK && len(proof) == PLONKSize {
		proof = proof[scalarSize:]
	}
	return append(bytes.Clone(proof), digest[:]...)
}
