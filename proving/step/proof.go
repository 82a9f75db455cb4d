package step

import (
	"fmt"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	groth16 "github.com/consensys/gnark/backend/groth16/bn254"
	plonk "github.com/consensys/gnark/backend/plonk/bn254"
)

// Sizes of proofs in bytes. The last 768 bytes of a PLONK proof are what contracts read; the first 32
// are the opening of the linearised polynomial, which contracts compute.
const (
	Groth16Size = 256
	PLONKSize   = 800
)

const pointSize, scalarSize = curve.SizeOfG1AffineUncompressed, fr.Bytes

// flags are bits of a point's first byte that no coordinate has: the curve's marks of compressed points
// and of infinity, which no honest proof has.
const flags = 0xc0

// parser reads points and scalars that have one encoding; after the first error all are zero.
type parser struct {
	b   []byte
	err error
}

func parse(b []byte, size int) *parser {
	p := &parser{b: b}
	if len(b) != size {
		p.err = fmt.Errorf("%w: %d bytes, want %d", ErrProof, len(b), size)
	}
	return p
}

func (p *parser) take(n int) []byte {
	out := p.b[:n]
	p.b = p.b[n:]
	return out
}

func (p *parser) point(to *curve.G1Affine) {
	if p.err != nil {
		return
	}
	raw := p.take(pointSize)
	_, err := to.SetBytes(raw)
	if again := to.RawBytes(); err != nil || raw[0]&flags != 0 || string(again[:]) != string(raw) {
		p.err = fmt.Errorf("%w: %x is no point", ErrProof, raw)
	}
}

func (p *parser) twisted(to *curve.G2Affine) {
	if p.err != nil {
		return
	}
	raw := p.take(2 * pointSize)
	_, err := to.SetBytes(raw)
	if again := to.RawBytes(); err != nil || raw[0]&flags != 0 || string(again[:]) != string(raw) {
		p.err = fmt.Errorf("%w: %x is no point of the second group", ErrProof, raw)
	}
}

func (p *parser) scalar(to *fr.Element) {
	if p.err != nil {
		return
	}
	raw := p.take(scalarSize)
	if err := to.SetBytesCanonical(raw); err != nil {
		p.err = fmt.Errorf("%w: %x is no scalar", ErrProof, raw)
	}
}

func unmarshalGroth16(b []byte) (*groth16.Proof, error) {
	p, out := parse(b, Groth16Size), &groth16.Proof{}
	p.point(&out.Ar)
	p.twisted(&out.Bs)
	p.point(&out.Krs)
	return out, p.err
}

func marshalPLONK(p *plonk.Proof) []byte {
	first := p.BatchedProof.ClaimedValues[0].Bytes()
	return append(first[:], p.MarshalSolidity()...)
}

func unmarshalPLONK(b []byte) (*plonk.Proof, error) {
	p, out := parse(b, PLONKSize), &plonk.Proof{}
	values := make([]fr.Element, 6)
	p.scalar(&values[0])
	for i := range out.LRO {
		p.point(&out.LRO[i])
	}
	for i := range out.H {
		p.point(&out.H[i])
	}
	for i := 1; i < len(values); i++ {
		p.scalar(&values[i])
	}
	p.point(&out.Z)
	p.scalar(&out.ZShiftedOpening.ClaimedValue)
	p.point(&out.BatchedProof.H)
	p.point(&out.ZShiftedOpening.H)
	out.BatchedProof.ClaimedValues = values
	return out, p.err
}
