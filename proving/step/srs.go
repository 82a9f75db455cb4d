package step

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/kzg"
)

// ErrReference marks a reference string that is malformed, inconsistent, too small, or not the one
// that was asked for.
var ErrReference = errors.New("invalid reference string")

// PublicOrigin begins the origin of keys that follow from a public reference string; its digest
// comes after.
const PublicOrigin = "srs-"

// Bounds of powers-of-tau files as snarkjs writes them.
const (
	ptauMagic    = "ptau"
	ptauVersion  = 1
	maxSections  = 16
	maxPower     = 28
	ptauHeader   = 4 + 32 + 4 + 4 // width of the prime, prime, power, power of the ceremony
	ptauG1       = 2 * fp.Bytes
	ptauG2       = 4 * fp.Bytes
	sectionHead  = 1
	sectionG1    = 2
	sectionG2    = 3
	sectionAlpha = 4
	sectionBeta  = 5
	sectionBeta2 = 6
	leastPowers  = 11 // of the shortest circuit: 8 rows and the blinding
	pointsAtOnce = 1 << 12
)

// ReadReference reads a public reference string of at least so many powers in the first group, and
// keeps so many: a powers-of-tau file of snarkjs (.ptau), or what kzg.SRS.WriteTo of gnark-crypto
// writes. The file must have the SHA-256 digest, its points must lie on the curve and in their group,
// and be the successive powers of one secret; entropy is for that check. Of a .ptau file it holds no more
// than the powers that are kept; one of gnark-crypto, of at most 2^21 points, is held while it is read. Errors match ErrReference.
func ReadReference(r io.Reader, digest [32]byte, powers int, entropy io.Reader) (*Reference, error) {
	if powers < leastPowers || powers > maxReference {
		return nil, fmt.Errorf("%w: %d powers, use %d to %d", ErrReference, powers, leastPowers, maxReference)
	}
	srs := &kzg.SRS{}
	err := readWhole(r, digest, func(in *bufio.Reader, magic string) error {
		if magic == ptauMagic {
			return readPtau(in, sectionG2, (&kzgSections{srs: srs, powers: powers}).read)
		}
		return readKZG(in, srs, powers)
	})
	if err != nil {
		return nil, err
	}
	if err := checkPowers(srs, entropy); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReference, err)
	}
	srs.Vk.Lines[0], srs.Vk.Lines[1] = curve.PrecomputeLines(srs.Vk.G2[0]), curve.PrecomputeLines(srs.Vk.G2[1])
	return &Reference{srs: srs, origin: PublicOrigin + hex.EncodeToString(digest[:])}, nil
}

// readWhole reads a file of a SHA-256 to its end, whose first bytes it names. Errors match ErrReference.
func readWhole(r io.Reader, digest [32]byte, read func(in *bufio.Reader, magic string) error) error {
	h := sha256.New()
	in := bufio.NewReaderSize(io.TeeReader(r, h), 1<<16)
	magic, err := in.Peek(len(ptauMagic))
	if err == nil {
		err = read(in, string(magic))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReference, err)
	}
	switch n, err := io.Copy(io.Discard, in); {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrReference, err)
	case n != 0:
		return fmt.Errorf("%w: %d bytes after its end", ErrReference, n)
	}
	if got := [32]byte(h.Sum(nil)); got != digest {
		return fmt.Errorf("%w: the file has digest %x, want %x", ErrReference, got, digest)
	}
	return nil
}

// checkPowers wants the generators first, nothing at infinity, and each point the secret times the
// one before: of one random combination of all, by one pairing equation.
func checkPowers(srs *kzg.SRS, entropy io.Reader) error {
	_, _, g1, g2 := curve.Generators()
	points := srs.Pk.G1
	if !points[0].Equal(&g1) || !srs.Vk.G1.Equal(&g1) || !srs.Vk.G2[0].Equal(&g2) {
		return errors.New("it does not begin with the generators")
	}
	if points[1].IsInfinity() || points[1].Equal(&g1) || srs.Vk.G2[1].IsInfinity() {
		return errors.New("its secret is 0 or 1")
	}
	var seed [32]byte
	if _, err := io.ReadFull(entropy, seed[:]); err != nil {
		return err
	}
	stream := rand.NewChaCha8(seed)
	by := make([]fr.Element, len(points)-1)
	var b [32]byte
	for i := range by {
		_, _ = stream.Read(b[:16]) // never fails
		by[i].SetBytes(b[:16])
	}
	var low, high curve.G1Affine
	if _, err := low.MultiExp(points[:len(by)], by, ecc.MultiExpConfig{}); err != nil {
		return err
	}
	if _, err := high.MultiExp(points[1:], by, ecc.MultiExpConfig{}); err != nil {
		return err
	}
	low.Neg(&low)
	ok, err := curve.PairingCheck([]curve.G1Affine{high, low}, []curve.G2Affine{g2, srs.Vk.G2[1]})
	if err != nil || !ok {
		return errors.New("its points are not the powers of one secret")
	}
	return nil
}

// readPtau reads the sections of a .ptau file from the header to the last that is asked for, which come in the order of
// their kinds; what else is there counts for the digest alone.
func readPtau(r io.Reader, last uint32, read func(body io.Reader, kind uint32, size uint64) error) error {
	var head struct {
		Magic             [4]byte
		Version, Sections uint32
	}
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return err
	}
	if head.Version != ptauVersion || head.Sections > maxSections {
		return fmt.Errorf("version %d with %d sections, want %d and at most %d", head.Version, head.Sections, ptauVersion, maxSections)
	}
	next := uint32(sectionHead)
	for range head.Sections {
		var s struct {
			Kind uint32
			Size uint64
		}
		if err := binary.Read(r, binary.LittleEndian, &s); err != nil {
			return err
		}
		wanted := s.Kind <= last
		if wanted && s.Kind != next {
			return fmt.Errorf("section %d where section %d belongs", s.Kind, next)
		}
		body := &io.LimitedReader{R: r, N: int64(min(s.Size, 1<<62))}
		if wanted {
			if err := read(body, s.Kind, s.Size); err != nil {
				return fmt.Errorf("section %d: %w", s.Kind, err)
			}
			next++
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			return fmt.Errorf("section %d: %w", s.Kind, err)
		}
		if body.N != 0 {
			return fmt.Errorf("section %d ends %d bytes early", s.Kind, body.N)
		}
	}
	if next != last+1 {
		return fmt.Errorf("no section %d", next)
	}
	return nil
}

// kzgSections takes what a reference string needs of a .ptau file.
type kzgSections struct {
	srs    *kzg.SRS
	powers int    // that are kept
	power  uint32 // of two: what the header says
}

func (t *kzgSections) read(r io.Reader, kind uint32, size uint64) (err error) {
	switch kind {
	case sectionHead:
		t.power, err = ptauPower(r, size)
		return err
	case sectionG1:
		points := uint64(2)<<t.power - 1
		if size != points*ptauG1 || uint64(t.powers) > points {
			return fmt.Errorf("%d bytes, want %d points and these to be at least %d", size, points, t.powers)
		}
		t.srs.Pk.G1, err = ptauPoints(r, t.powers)
		if err == nil {
			t.srs.Vk.G1 = t.srs.Pk.G1[0]
		}
		return err
	case sectionG2:
		if size != uint64(1)<<t.power*ptauG2 {
			return fmt.Errorf("%d bytes, want %d points", size, uint64(1)<<t.power)
		}
		for i := range t.srs.Vk.G2 {
			if t.srs.Vk.G2[i], err = ptauTwisted(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// ptauPower reads the header: the field of coordinates, and how many powers there are.
func ptauPower(r io.Reader, size uint64) (uint32, error) {
	var head struct {
		Width           uint32
		Prime           [fp.Bytes]byte
		Power, Ceremony uint32
	}
	if size != ptauHeader {
		return 0, fmt.Errorf("%d bytes, want %d", size, ptauHeader)
	}
	if err := binary.Read(r, binary.LittleEndian, &head); err != nil {
		return 0, err
	}
	prime := fp.Modulus().FillBytes(make([]byte, fp.Bytes))
	for i := range prime {
		if head.Width != fp.Bytes || head.Prime[i] != prime[len(prime)-1-i] {
			return 0, errors.New("it is of another curve than BN254")
		}
	}
	if head.Power == 0 || head.Power > maxPower {
		return 0, fmt.Errorf("2^%d powers, want at most 2^%d", head.Power, maxPower)
	}
	return head.Power, nil
}

// ptauPoints reads so many points, and holds no more than what has come.
func ptauPoints(r io.Reader, n int) ([]curve.G1Affine, error) {
	var out []curve.G1Affine
	var raw [ptauG1]byte
	for i := range n {
		if i%pointsAtOnce == 0 {
			out = append(make([]curve.G1Affine, 0, min(n, 2*i+pointsAtOnce)), out...)
		}
		if _, err := io.ReadFull(r, raw[:]); err != nil {
			return nil, err
		}
		var p curve.G1Affine
		if !montgomery(&p.X, raw[:fp.Bytes]) || !montgomery(&p.Y, raw[fp.Bytes:]) || p.IsInfinity() || !p.IsOnCurve() {
			return nil, fmt.Errorf("point %d is none of the curve", i)
		}
		out = append(out, p)
	}
	return out, nil
}

func ptauTwisted(r io.Reader) (p curve.G2Affine, err error) {
	var raw [ptauG2]byte
	if _, err := io.ReadFull(r, raw[:]); err != nil {
		return p, err
	}
	for i, to := range []*fp.Element{&p.X.A0, &p.X.A1, &p.Y.A0, &p.Y.A1} {
		if !montgomery(to, raw[fp.Bytes*i:fp.Bytes*(i+1)]) {
			return p, errors.New("a coordinate is not below the field's order")
		}
	}
	if p.IsInfinity() || !p.IsOnCurve() || !p.IsInSubGroup() {
		return p, errors.New("a point is not in the second group")
	}
	return p, nil
}

// montgomery reads a coordinate as snarkjs keeps it: little-endian, times 2^256; false if it is not
// below the order.
func montgomery(to *fp.Element, b []byte) bool {
	reversed := make([]byte, fp.Bytes)
	for i := range b {
		reversed[fp.Bytes-1-i] = b[i]
	}
	order := fp.Modulus().FillBytes(make([]byte, fp.Bytes))
	for i := range to {
		to[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return bytes.Compare(reversed, order) < 0
}

// readKZG reads what kzg.SRS.WriteTo and WriteRawTo write. The number of points comes first and is
// bounded before anything is held; the lines that pairings use are computed again, not taken over.
func readKZG(r *bufio.Reader, srs *kzg.SRS, powers int) error {
	head, err := r.Peek(4)
	if err != nil {
		return err
	}
	if n := binary.BigEndian.Uint32(head); n < uint32(powers) || n > maxReference {
		return fmt.Errorf("%d points, want %d to %d", n, powers, maxReference)
	}
	if _, err := srs.ReadFrom(r); err != nil {
		return err
	}
	srs.Pk.G1 = slices.Clone(srs.Pk.G1[:powers]) // the others go
	return nil
}
