package step

import (
	"fmt"
	"io"
	"math/big"

	"elenchus/proving/circuit"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/fft"
	"github.com/consensys/gnark-crypto/ecc/bn254/kzg"
	"github.com/consensys/gnark/constraint"
)

// Reference is a reference string of PLONK. One made here for development keeps its secret, which
// makes the second basis cheap; a public one has none. The zero value is illegal.
type Reference struct {
	srs    *kzg.SRS
	tau    fr.Element
	origin string
}

// Origin is what keys that follow from it are labelled with: DevelopmentOrigin, or PublicOrigin and a digest.
func (r *Reference) Origin() string { return r.origin }

// maxReference bounds reference strings: 2^21 points.
const maxReference = 1<<21 + 3

// entropySize is what the secret of a reference string is drawn from: more than the field has, so
// that the rest of the division is even.
const entropySize = 48

// Development makes a reference string for circuits of up to a number of constraints, public inputs
// included, out of entropy. Whoever knows the entropy can forge: it is for development alone.
func Development(entropy io.Reader, constraints int) (*Reference, error) {
	n := uint64(8)
	for n < uint64(max(constraints, 0)) {
		n *= 2
	}
	if n+3 > maxReference {
		return nil, fmt.Errorf("%w: %d constraints, at most 2^21", ErrKey, constraints)
	}
	var secret [entropySize]byte
	if _, err := io.ReadFull(entropy, secret[:]); err != nil {
		return nil, err
	}
	tau := new(big.Int).SetBytes(secret[:])
	tau.Mod(tau, new(big.Int).Sub(circuit.Curve.ScalarField(), big.NewInt(2)))
	tau.Add(tau, big.NewInt(2))
	srs, err := kzg.NewSRS(n+3, tau)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	r := &Reference{srs: srs, origin: DevelopmentOrigin}
	r.tau.SetBigInt(tau)
	return r, nil
}

// blinding is how many powers a prover needs beyond the rows of a circuit.
const blinding = 3

// rows are the rows of a circuit of PLONK: a power of two.
func rows(system constraint.ConstraintSystem) int {
	n := 1
	for n < system.GetNbConstraints()+system.GetNbPublicVariables() {
		n *= 2
	}
	return n
}

// strings are the reference string cut to a system, in both bases.
func (r *Reference) strings(system constraint.ConstraintSystem) (canonical, lagrange *kzg.SRS, err error) {
	n := uint64(rows(system))
	if r == nil || uint64(len(r.srs.Pk.G1)) < n+blinding {
		return nil, nil, fmt.Errorf("%w: the reference string is shorter than the %d points of this circuit", ErrKey, n+blinding)
	}
	points, err := r.lagrange(n)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	canonical = &kzg.SRS{Pk: kzg.ProvingKey{G1: r.srs.Pk.G1[:n+blinding]}, Vk: r.srs.Vk}
	return canonical, &kzg.SRS{Pk: kzg.ProvingKey{G1: points}, Vk: r.srs.Vk}, nil
}

// lagrange are the points of the Lagrange polynomials over the n-th roots of unity at the secret:
// w^i (tau^n - 1) / (n (tau - w^i)). The secret is no root of unity but by a chance of 2^-200. Without
// the secret they are the inverse Fourier transform of the powers.
func (r *Reference) lagrange(n uint64) ([]curve.G1Affine, error) {
	if r.tau.IsZero() {
		return kzg.ToLagrangeG1(r.srs.Pk.G1[:n])
	}
	domain := fft.NewDomain(n)
	var top, one fr.Element
	one.SetOne()
	top.Exp(r.tau, new(big.Int).SetUint64(n))
	top.Sub(&top, &one).Mul(&top, &domain.CardinalityInv)
	values := make([]fr.Element, n)
	root := one
	for i := range values {
		values[i].Sub(&r.tau, &root)
		root.Mul(&root, &domain.Generator)
	}
	values = fr.BatchInvert(values)
	root = one
	for i := range values {
		values[i].Mul(&values[i], &root).Mul(&values[i], &top)
		root.Mul(&root, &domain.Generator)
	}
	_, _, g1, _ := curve.Generators()
	return curve.BatchScalarMultiplicationG1(&g1, values), nil
}
