// Package plonk makes the PLONK proofs of package step.
//
// It stands on the proving floor below step, which makes keys and decides on proofs by gnark; this
// package takes gnark's constraint systems, keys and proofs, and makes the same proofs in less time.
// Invariants: what does not depend on a witness is computed once for a key; all secret polynomials,
// the parts of the quotient too, are blinded by fresh randomness; a quotient that is none is an
// error and no proof. A proof that is wrong is refused by every verifier: nothing here decides on what
// holds. SPEC 10 §5.7 to §5.10.
//
//	p, err := plonk.New(system, key)
//	proof, err := p.Prove(witness)
package plonk

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
	gnark "github.com/consensys/gnark/backend/plonk/bn254"
	cs "github.com/consensys/gnark/constraint/bn254"
)

// ErrSystem marks a constraint system or a key that proofs are not made of here.
var ErrSystem = errors.New("no PLONK proofs of this circuit")

// cosets is how many cosets of the domain the quotient is computed on: its degree is below 3n+6.
const cosets = 4

// least is the fewest rows for which the cosets hold the quotient.
const least = 8

// The polynomials of a key, in the order of Prover.fixed.
const (
	ql = iota
	qr
	qm
	qo
	qk
	s1
	s2
	s3
	first // the Lagrange polynomial of row 0
	fixedCount
)

// Prover proves one circuit under one key. The zero value is illegal; New makes provers. It is not changed
// by use, and may be used by several goroutines. It holds about 2,000 bytes for each row.
type Prover struct {
	system *cs.SparseR1CS
	key    *gnark.ProvingKey
	domain *fft.Domain
	shift  [cosets]fr.Element // from the domain to each coset
	into   [cosets]fr.Vector  // powers of the shift, and of its inverse, in the order of reversed bits
	back   [cosets]fr.Vector
	height [cosets]fr.Element // x^n - 1 for x of the coset
	points []fr.Element       // of the domain
	rows   int                // that a circuit fills; behind them is padding
	sigma  [3][]fr.Element    // s1, s2, s3 on the domain
	fixed  [fixedCount][]fr.Element
	on     [cosets][fixedCount][]fr.Element // the same on the cosets
	rest   curve.G1Affine                   // commitment to ones in the padding
}

// New computes what all proofs under a key share. It returns ErrSystem for a circuit with commitments to
// wires, or of fewer than 5 rows, and for a key of another size.
func New(system *cs.SparseR1CS, key *gnark.ProvingKey) (*Prover, error) {
	rows := system.GetNbConstraints() + system.GetNbPublicVariables()
	p := &Prover{system: system, key: key, domain: fft.NewDomain(uint64(rows)), rows: rows}
	n := p.size()
	switch {
	case n < least || n != int(key.Vk.Size):
		return nil, fmt.Errorf("%w: %d rows under a key of %d", ErrSystem, n, key.Vk.Size)
	case len(key.Vk.Qcp) != 0:
		return nil, fmt.Errorf("%w: it commits to wires", ErrSystem)
	case len(key.Kzg.G1) < n+3 || len(key.KzgLagrange.G1) != n:
		return nil, fmt.Errorf("%w: its key has %d and %d powers for %d rows", ErrSystem, len(key.Kzg.G1), len(key.KzgLagrange.G1), n)
	}
	p.points = make([]fr.Element, n)
	fft.BuildExpTable(p.domain.Generator, p.points)
	p.shiftDomains()
	p.fix()
	var rest curve.G1Jac
	for i := rows; i < n; i++ {
		rest.AddMixed(&key.KzgLagrange.G1[i])
	}
	p.rest.FromJacobian(&rest)
	return p, nil
}

func (p *Prover) size() int { return int(p.domain.Cardinality) }

// shiftDomains makes the cosets: g w^i times the domain, where w is of order 4n.
func (p *Prover) shiftDomains() {
	by := p.domain.FrMultiplicativeGen
	w, one := p.bigRoot(), fr.One()
	for i := range p.shift {
		p.shift[i] = by
		p.height[i].Exp(by, big.NewInt(int64(p.size()))).Sub(&p.height[i], &one)
		by.Mul(&by, &w)
	}
	tasks(cosets, func(i int) {
		var inverse fr.Element
		p.into[i], p.back[i] = make(fr.Vector, p.size()), make(fr.Vector, p.size())
		fft.BuildExpTable(p.shift[i], p.into[i])
		fft.BuildExpTable(*inverse.Inverse(&p.shift[i]), p.back[i])
		straight(p.into[i])
		straight(p.back[i])
	})
}

// toCoset evaluates a polynomial on a coset, from coefficients in the order of reversed bits, in their place.
func (p *Prover) toCoset(i int, x fr.Vector) {
	x.Mul(x, p.into[i])
	p.domain.FFT(x, fft.DIT, fft.WithNbTasks(1))
}

// fromCoset is the inverse of toCoset.
func (p *Prover) fromCoset(i int, x fr.Vector) {
	p.domain.FFTInverse(x, fft.DIF, fft.WithNbTasks(1))
	x.Mul(x, p.back[i])
}

// bigRoot is the root of unity of order 4n whose fourth power generates the domain.
func (p *Prover) bigRoot() fr.Element {
	w, err := fft.Generator(cosets * p.domain.Cardinality)
	if err != nil {
		panic("plonk: " + err.Error()) // keys have at most 2^21 rows, the field's roots go to 2^28
	}
	return w
}

// fix computes selectors and permutation as polynomials and on the cosets.
func (p *Prover) fix() {
	t := gnark.NewTrace(p.system, p.domain)
	lagrange := make([]fr.Element, p.size())
	lagrange[0].SetOne()
	all := [fixedCount][]fr.Element{first: lagrange}
	for i, x := range []interface{ Coefficients() []fr.Element }{t.Ql, t.Qr, t.Qm, t.Qo, t.Qk, t.S1, t.S2, t.S3} {
		all[i] = x.Coefficients()
	}
	for i := range p.sigma {
		p.sigma[i] = append([]fr.Element(nil), all[s1+i]...)
	}
	tasks(fixedCount, func(k int) {
		reversed := all[k]
		p.domain.FFTInverse(reversed, fft.DIF, fft.WithNbTasks(1))
		for i := range p.on {
			p.on[i][k] = append([]fr.Element(nil), reversed...)
			p.toCoset(i, p.on[i][k])
		}
		p.fixed[k] = straight(reversed)
	})
}

// straight puts a list into the order of reversed bits, or out of it.
func straight(x []fr.Element) []fr.Element {
	fft.BitReverse(x) //nolint:staticcheck // the order is what the transforms leave
	return x
}

// reverse is an index with its bits in reversed order.
func (p *Prover) reverse(i int) int {
	return int(bits.Reverse64(uint64(i)) >> (64 - bits.TrailingZeros64(p.domain.Cardinality)))
}

// commit commits to coefficients.
func (p *Prover) commit(x []fr.Element) (c curve.G1Affine, err error) {
	_, err = c.MultiExp(p.key.Kzg.G1[:len(x)], x, multi)
	return c, err
}

// commitRows commits to a blinded polynomial that is given by its values, of which the first are those of
// rows and all others are rest.
func (p *Prover) commitRows(values []fr.Element, rest fr.Element, blind []fr.Element) (c curve.G1Affine, err error) {
	if _, err = c.MultiExp(p.key.KzgLagrange.G1[:len(values)], values, multi); err != nil {
		return c, err
	}
	low, high := p.key.Kzg.G1[:len(blind)], p.key.Kzg.G1[p.size():p.size()+len(blind)]
	points, by := append([]curve.G1Affine{p.rest}, high...), append([]fr.Element{rest}, blind...)
	for i := range low {
		var minus fr.Element
		points, by = append(points, low[i]), append(by, *minus.Neg(&blind[i]))
	}
	var more curve.G1Affine
	if _, err = more.MultiExp(points, by, multi); err != nil {
		return c, err
	}
	c.Add(&c, &more)
	return c, nil
}
