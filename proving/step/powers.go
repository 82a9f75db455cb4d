package step

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/bits"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	ratios "github.com/consensys/gnark-crypto/ecc/bn254/mpcsetup"
	"github.com/consensys/gnark/backend/groth16/bn254/mpcsetup"
)

// MaxDomain bounds the circuits whose powers ReadPowers reads.
const MaxDomain = 1 << 21

// ReadPowers reads what the first phase of a Groth16 ceremony gives for a domain, a power of two, out of a powers-of-tau
// file of snarkjs (.ptau): the powers of tau in both groups, with alpha and with beta in the first, beta in the second. The
// file must have the SHA-256 digest; what is kept of it must lie on the curve and in its group and be powers of one tau, of
// the same beta in both groups. Errors match ErrReference; for a file that is too small it says how many powers are
// needed. It holds no more than what is kept. SPEC 10 §5.12.
func ReadPowers(r io.Reader, digest [32]byte, domain uint64) (*mpcsetup.SrsCommons, error) {
	if domain < 2 || domain > MaxDomain || bits.OnesCount64(domain) != 1 {
		return nil, fmt.Errorf("%w: a domain of %d, use a power of two up to %d", ErrReference, domain, MaxDomain)
	}
	t := &groth16Sections{domain: domain}
	err := readWhole(r, digest, func(in *bufio.Reader, magic string) error {
		if magic != ptauMagic {
			return errors.New("it is no .ptau file of snarkjs, which alone has powers with alpha and beta")
		}
		return readPtau(in, sectionBeta2, t.read)
	})
	if err != nil {
		return nil, err
	}
	if err := checkCommons(&t.commons); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReference, err)
	}
	return &t.commons, nil
}

// groth16Sections takes what a Groth16 setup needs of a .ptau file.
type groth16Sections struct {
	commons mpcsetup.SrsCommons
	domain  uint64
	power   uint32 // of two: what the header says
}

func (t *groth16Sections) read(r io.Reader, kind uint32, size uint64) (err error) {
	c, n := &t.commons, int(t.domain)
	has := uint64(1) << t.power
	switch kind {
	case sectionHead:
		if t.power, err = ptauPower(r, size); err == nil && t.domain > 1<<t.power {
			err = fmt.Errorf("it has 2^%d powers, the circuit needs 2^%d: take a larger file of the same ceremony", t.power, bits.Len64(t.domain-1))
		}
	case sectionG1:
		c.G1.Tau, err = ptauSized(r, size, 2*has-1, 2*n-1)
	case sectionG2:
		c.G2.Tau, err = ptauTwistedSized(r, size, has, n)
	case sectionAlpha:
		c.G1.AlphaTau, err = ptauSized(r, size, has, n)
	case sectionBeta:
		c.G1.BetaTau, err = ptauSized(r, size, has, n)
	case sectionBeta2:
		var beta []curve.G2Affine
		if beta, err = ptauTwistedSized(r, size, 1, 1); err == nil {
			c.G2.Beta = beta[0]
		}
	}
	return err
}

// ptauSized reads the first points of a section that has so many.
func ptauSized(r io.Reader, size, has uint64, keep int) ([]curve.G1Affine, error) {
	if size != has*ptauG1 {
		return nil, fmt.Errorf("%d bytes, want %d points", size, has)
	}
	return ptauPoints(r, keep)
}

// ptauTwistedSized is ptauSized in the second group.
func ptauTwistedSized(r io.Reader, size, has uint64, keep int) (out []curve.G2Affine, err error) {
	if size != has*ptauG2 {
		return nil, fmt.Errorf("%d bytes, want %d points", size, has)
	}
	for range keep { // append: no more than what has come
		p, err := ptauTwisted(r)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// checkCommons wants the generators first, no trivial secret, all powers of one tau, and one beta in both groups.
func checkCommons(c *mpcsetup.SrsCommons) error {
	_, _, g1, g2 := curve.Generators()
	if !c.G1.Tau[0].Equal(&g1) || !c.G2.Tau[0].Equal(&g2) {
		return errors.New("it does not begin with the generators")
	}
	for _, p := range []*curve.G1Affine{&c.G1.Tau[1], &c.G1.AlphaTau[0], &c.G1.BetaTau[0]} {
		if p.Equal(&g1) { // points at infinity are refused where they are read
			return errors.New("one of its secrets is 1")
		}
	}
	if err := ratios.SameRatioMany(c.G1.Tau, c.G2.Tau, c.G1.AlphaTau, c.G1.BetaTau); err != nil {
		return fmt.Errorf("its points are not the powers of one secret: %w", err)
	}
	var minus curve.G1Affine
	minus.Neg(&c.G1.BetaTau[0])
	ok, err := curve.PairingCheck([]curve.G1Affine{minus, g1}, []curve.G2Affine{g2, c.G2.Beta})
	if err != nil || !ok {
		return errors.New("it has two betas")
	}
	return nil
}
