package check

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
)

// ErrKeyHead is the reason that PLONK alone has, by the name of the contract's error.
var ErrKeyHead = errors.New("KeyHead")

// Sizes and bounds of SPEC 10 §5.7.
const (
	commitments  = 8 * point // S1, S2, S3, Ql, Qr, Qm, Qo, Qk
	plonkKey     = 32 + commitments + twisted
	plonkProof   = digestAt + fr.Bytes
	twoAdicity   = 28
	shift        = 5                     // of the domain into its cosets
	valuesAt     = 6 * point             // of a proof: openings of L, R, O, S1, S2
	zAt          = valuesAt + 5*fr.Bytes // commitment to the grand product
	nextAt       = zAt + point           // its opening at the point after zeta
	quotientsAt  = nextAt + fr.Bytes     // both openings' quotients
	digestAt     = quotientsAt + 2*point // of the leaves' hashes
	rootOfUnity  = "19103219067921713944291392827692070036145651957329286315305642004821462161904"
	permutations = 2 * point // S1 and S2, whose openings a proof has
)

// plonk is what the equations are made of. Names are those of the contract.
type plonk struct {
	s, q                    [8]curve.G1Affine // commitments of the key: S1, S2, S3, Ql, Qr, Qm, Qo, Qk; of the proof: L, R, O, H0, H1, H2
	z, w, wz                curve.G1Affine
	tau                     curve.G2Affine
	l, r, o, s1, s2, next   fr.Element
	alpha, beta, gamma      fr.Element
	zeta, omega, power      fr.Element
	first, inputs, opening  fr.Element
	digest                  curve.G1Jac
	words, proof, zetaBytes []byte
}

// answerPLONK is Answer for the keys of PLONK; the twin of PlonkVerifier.
func answerPLONK(words []byte, s *Statement, leaves [][32]byte, proof []byte) error {
	exponent, err := head(words)
	if err != nil {
		return err
	}
	if len(proof) != plonkProof {
		return ErrProofLength
	}
	inputs, err := Inputs(s.Binding(), s.Equal, leaves, [32]byte(proof[digestAt:]))
	if err != nil {
		return err
	}
	p := &plonk{words: words, proof: proof}
	if err := p.openings(); err != nil {
		return err
	}
	if !p.points() {
		return ErrBadPoint
	}
	p.challenges(inputs[:])
	if !p.domain(exponent, inputs[:]) {
		return ErrProofRefused
	}
	p.linearise()
	return p.decide()
}

// head reads the first word of a key: the exponent of its domain and the number of public inputs, which is
// that of answers.
func head(words []byte) (exponent int, err error) {
	if len(words) != plonkKey {
		return 0, ErrKeyLength
	}
	n := binary.BigEndian.Uint64(words[24:32])
	if !zero(words[:24]) || n>>16 > twoAdicity || n&0xffff != publics || publics > 1<<(n>>16) {
		return 0, ErrKeyHead
	}
	return int(n >> 16), nil
}

// openings reads the scalars of a proof.
func (p *plonk) openings() error {
	for i, to := range []*fr.Element{&p.l, &p.r, &p.o, &p.s1, &p.s2, &p.next} {
		at := valuesAt + fr.Bytes*i
		if i == 5 {
			at = nextAt
		}
		if to.SetBytesCanonical(p.proof[at:at+fr.Bytes]) != nil {
			return ErrScalarOutOfField
		}
	}
	return nil
}

// points reads those of key and proof; false if one is on no curve.
func (p *plonk) points() bool {
	k := &reader{b: p.words[32:]}
	for i := range p.s {
		p.s[i] = k.point()
	}
	p.tau = k.twisted()
	f := &reader{b: p.proof}
	for i := range 6 {
		p.q[i] = f.point()
	}
	f.b = p.proof[zAt:]
	p.z = f.point()
	f.b = p.proof[quotientsAt:]
	p.w, p.wz = f.point(), f.point()
	return !k.bad && !f.bad
}

// challenges draws gamma, beta, alpha and zeta: each a SHA-256 of its name, the one before, and what is
// newly bound.
func (p *plonk) challenges(inputs []fr.Element) {
	bound := append([]byte{}, p.words[32:32+commitments]...)
	for i := range inputs {
		b := inputs[i].Bytes()
		bound = append(bound, b[:]...)
	}
	h := draw("gamma", &p.gamma, bound, p.proof[:3*point])
	h = draw("beta", &p.beta, h)
	h = draw("alpha", &p.alpha, h, p.proof[zAt:nextAt])
	draw("zeta", &p.zeta, h, p.proof[3*point:valuesAt])
	b := p.zeta.Bytes()
	p.zetaBytes = b[:]
}

func draw(name string, to *fr.Element, parts ...[]byte) []byte {
	h := sha256.New()
	h.Write([]byte(name))
	for _, b := range parts {
		h.Write(b)
	}
	out := h.Sum(nil)
	to.SetBytes(out)
	return out
}

// domain computes zeta^n, the first Lagrange polynomial and the polynomial of the inputs at zeta:
// the sum of inputs[i] w^i (zeta^n - 1) / (n (zeta - w^i)). It is false for a zeta in the domain.
func (p *plonk) domain(exponent int, inputs []fr.Element) bool {
	p.power = p.zeta
	for range exponent {
		p.power.Square(&p.power)
	}
	if p.power.IsOne() {
		return false
	}
	_, _ = p.omega.SetString(rootOfUnity) // a constant of digits
	for range twoAdicity - exponent {
		p.omega.Square(&p.omega)
	}
	below := make([]fr.Element, len(inputs))
	w, one := fr.One(), fr.One()
	for i := range below {
		below[i].Sub(&p.zeta, &w)
		w.Mul(&w, &p.omega)
	}
	below = fr.BatchInvert(below)
	var scale, n, t fr.Element
	n.SetUint64(1 << exponent).Inverse(&n)
	scale.Sub(&p.power, &one).Mul(&scale, &n)
	w = one
	for i := range inputs {
		t.Mul(&below[i], &w).Mul(&t, &scale).Mul(&t, &inputs[i])
		p.inputs.Add(&p.inputs, &t)
		w.Mul(&w, &p.omega)
	}
	p.first.Mul(&below[0], &scale)
	return true
}

// term is value + beta*x + gamma.
func (p *plonk) term(value, x *fr.Element) (t fr.Element) {
	t.Mul(&p.beta, x).Add(&t, value).Add(&t, &p.gamma)
	return t
}

// linearise computes the commitment to the linearised polynomial, and what it opens to.
func (p *plonk) linearise() {
	var start, t, u fr.Element
	start.Square(&p.alpha).Mul(&start, &p.first)
	a, b := p.term(&p.l, &p.s1), p.term(&p.r, &p.s2)
	t.Mul(&p.alpha, &a).Mul(&t, &b).Mul(&t, &p.next)
	u.Add(&p.o, &p.gamma).Mul(&u, &t).Add(&u, &p.inputs)
	p.opening.Sub(&start, &u)
	p.digest.FromAffine(&p.s[7])
	u.Mul(&p.l, &p.r)
	p.add(&p.s[3], &p.l)
	p.add(&p.s[4], &p.r)
	p.add(&p.s[5], &u)
	p.add(&p.s[6], &p.o)
	u.Mul(&t, &p.beta)
	p.add(&p.s[2], &u)
	cosets := fr.NewElement(shift)
	x := p.zeta
	c := p.alpha
	for _, v := range []*fr.Element{&p.l, &p.r, &p.o} {
		a = p.term(v, &x)
		c.Mul(&c, &a)
		x.Mul(&x, &cosets)
	}
	u.Sub(&start, &c)
	p.add(&p.z, &u)
	t.SetOne().Sub(&t, &p.power)
	u.Square(&p.zeta).Mul(&u, &p.power) // zeta^(n+2)
	for i := range 3 {
		p.add(&p.q[3+i], &t)
		t.Mul(&t, &u)
	}
}

// add adds a multiple of a point to the digest.
func (p *plonk) add(point *curve.G1Affine, by *fr.Element) {
	var j curve.G1Jac
	j.FromAffine(point)
	j.ScalarMultiplication(&j, by.BigInt(new(big.Int)))
	p.digest.AddAssign(&j)
}

// decide folds the openings at zeta by one challenge, the two points by another, and asks the pairing.
func (p *plonk) decide() error {
	var f, u, t, value fr.Element
	h := p.fold(&f)
	seal := sum(append(h, p.proof[quotientsAt:digestAt]...))
	u.SetBytes(seal[:])
	value.Mul(&u, &p.next).Add(&value, &p.opening)
	t = f
	for _, x := range []struct {
		point *curve.G1Affine
		value *fr.Element
	}{{&p.q[0], &p.l}, {&p.q[1], &p.r}, {&p.q[2], &p.o}, {&p.s[0], &p.s1}, {&p.s[1], &p.s2}} {
		p.add(x.point, &t)
		var v fr.Element
		v.Mul(&t, x.value)
		value.Add(&value, &v)
		t.Mul(&t, &f)
	}
	p.add(&p.z, &u)
	p.add(&p.w, &p.zeta)
	t.Mul(&p.zeta, &p.omega).Mul(&t, &u)
	p.add(&p.wz, &t)
	_, _, g1, g2 := curve.Generators()
	p.add(&g1, value.Neg(&value))
	var m, q curve.G1Affine
	m.FromJacobian(&p.digest)
	q.ScalarMultiplication(&p.wz, u.BigInt(new(big.Int)))
	q.Add(&q, &p.w).Neg(&q)
	if ok, err := curve.PairingCheck([]curve.G1Affine{m, q}, []curve.G2Affine{g2, p.tau}); err != nil || !ok {
		return ErrProofRefused
	}
	return nil
}

// fold draws the challenge of the openings at zeta, as the prover's library has it.
func (p *plonk) fold(to *fr.Element) []byte {
	var m curve.G1Affine
	m.FromJacobian(&p.digest)
	digest := make([]byte, point)
	if !m.IsInfinity() {
		raw := m.RawBytes()
		copy(digest, raw[:])
	}
	opening := p.opening.Bytes()
	return draw("gamma", to, p.zetaBytes, digest, p.proof[:3*point], p.words[32:32+permutations], opening[:],
		p.proof[valuesAt:zAt], p.proof[nextAt:quotientsAt])
}
