package step_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"elenchus/proving/step"

	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark-crypto/ecc/bn254/kzg"
)

// ptau is a powers-of-tau file as snarkjs lays it out.
type ptau struct {
	power    int
	g1       []curve.G1Affine
	g2       []curve.G2Affine
	sections [][]byte // of kinds 1, 2, 3, 7
}

func newPtau(t testing.TB, power int) *ptau {
	t.Helper()
	srs, err := kzg.NewSRS(uint64(2<<power-1), big.NewInt(987654321))
	if err != nil {
		t.Fatal(err)
	}
	p := &ptau{power: power, g1: srs.Pk.G1, g2: make([]curve.G2Affine, 1<<power)}
	for i := range p.g2 {
		p.g2[i] = srs.Vk.G2[min(i, 1)] // the reader uses two
	}
	return p
}

func little(out []byte, values ...*fp.Element) []byte {
	for _, v := range values {
		for _, limb := range v {
			out = binary.LittleEndian.AppendUint64(out, limb)
		}
	}
	return out
}

func (p *ptau) encode() []byte {
	head := binary.LittleEndian.AppendUint32(nil, 32)
	prime := fp.Modulus().FillBytes(make([]byte, 32))
	for i := range prime {
		head = append(head, prime[31-i])
	}
	head = binary.LittleEndian.AppendUint32(head, uint32(p.power))
	head = binary.LittleEndian.AppendUint32(head, uint32(p.power))
	var g1, g2 []byte
	for i := range p.g1 {
		g1 = little(g1, &p.g1[i].X, &p.g1[i].Y)
	}
	for i := range p.g2 {
		g2 = little(g2, &p.g2[i].X.A0, &p.g2[i].X.A1, &p.g2[i].Y.A0, &p.g2[i].Y.A1)
	}
	p.sections = [][]byte{head, g1, g2, {1, 2, 3}}
	return p.join()
}

func (p *ptau) join() []byte {
	out := append([]byte("ptau"), 1, 0, 0, 0, byte(len(p.sections)), 0, 0, 0)
	for i, s := range p.sections {
		kind := []uint32{1, 2, 3, 7}[i]
		out = binary.LittleEndian.AppendUint32(out, kind)
		out = binary.LittleEndian.AppendUint64(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}

func readReference(b []byte, powers int) (*step.Reference, error) {
	return step.ReadReference(bytes.NewReader(b), sha256.Sum256(b), powers, entropy(3))
}

// A public reference string, in either format, gives keys that prove, are labelled with its digest, and
// are equal to those that a development string of the same secret would give. SPEC 10 §5.11.
func TestPublicReferenceStringsGiveKeys(t *testing.T) {
	x := sum(t)
	b := newPtau(t, 9).encode()
	var gnark bytes.Buffer
	srs, err := kzg.NewSRS(600, big.NewInt(987654321))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srs.WriteTo(&gnark); err != nil {
		t.Fatal(err)
	}
	var words []byte
	for _, file := range [][]byte{b, gnark.Bytes()} {
		ref, err := readReference(file, 600)
		if err != nil {
			t.Fatal(err)
		}
		k, err := step.NewKey(step.PLONK, x.Unit.Circuit(), ref)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(file)
		if want := step.PublicOrigin + hexOf(digest[:]); k.Origin != want {
			t.Errorf("origin %s, want %s", k.Origin, want)
		}
		proof, err := k.Prove(x.Assignment())
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Verify(proof, values(22)); err != nil {
			t.Error(err)
		}
		var kept bytes.Buffer
		if _, err := k.WriteTo(&kept); err != nil {
			t.Fatal(err)
		}
		back, err := step.ReadKey(step.PLONK, x.Unit.Circuit(), &kept)
		if err != nil || back.Origin != k.Origin {
			t.Fatalf("%v, %v", back, err)
		}
		if raw := kept.String(); strings.Contains(raw, step.DevelopmentOrigin) {
			t.Error("a key of a public string calls itself one for development")
		}
		again, err := k.Words()
		if err == nil && words != nil && !bytes.Equal(words, again) {
			t.Error("two files of one secret give two keys")
		}
		words = again
	}
}

// snarkjs's own file is read. tools/ptau/make.mjs made it.
func TestFilesOfSnarkjsAreRead(t *testing.T) {
	b, err := os.ReadFile("testdata/powers4.ptau")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readReference(b, 31); err != nil {
		t.Fatal(err)
	}
	if _, err := readReference(b, 32); !errors.Is(err, step.ErrReference) {
		t.Errorf("more powers than there are: %v", err)
	}
	if _, err := step.ReadReference(bytes.NewReader(b), [32]byte{1}, 31, entropy(3)); !errors.Is(err, step.ErrReference) || !strings.Contains(err.Error(), "digest") {
		t.Errorf("another digest: %v", err)
	}
}

// A file that is not one secret's powers, not in the groups, or not what its head says is refused with
// its reason, whatever its digest. SPEC 10 §5.11.
func TestHostileReferenceStringsAreRefused(t *testing.T) {
	_, _, g1, g2 := curve.Generators()
	for name, c := range map[string]struct {
		want string
		edit func(p *ptau) []byte
	}{
		"another power":        {"not the powers", func(p *ptau) []byte { p.g1[7] = p.g1[8]; return p.encode() }},
		"another secret in G2": {"not the powers", func(p *ptau) []byte { p.g2[1].Double(&p.g2[1]); return p.encode() }},
		"secret 1":             {"0 or 1", func(p *ptau) []byte { p.g1[1] = g1; return p.encode() }},
		"another generator":    {"generators", func(p *ptau) []byte { p.g1[0].Double(&g1); return p.encode() }},
		"another second one":   {"generators", func(p *ptau) []byte { p.g2[0].Double(&g2); return p.encode() }},
		"infinity":             {"point 5", func(p *ptau) []byte { p.g1[5] = curve.G1Affine{}; return p.encode() }},
		"off the curve":        {"point 9", func(p *ptau) []byte { p.g1[9].X.SetUint64(3); return p.encode() }},
		"off the second curve": {"second group", func(p *ptau) []byte { p.g2[1].X.A0.SetUint64(3); return p.encode() }},
		"a coordinate too large": {"point 2", func(p *ptau) []byte {
			p.encode()
			copy(p.sections[1][128:160], bytes.Repeat([]byte{0xff}, 32))
			return p.join()
		}},
		"another prime":        {"BN254", func(p *ptau) []byte { p.encode(); p.sections[0][4]++; return p.join() }},
		"a power of 2^40":      {"2^40", func(p *ptau) []byte { p.encode(); p.sections[0][36] = 40; return p.join() }},
		"fewer points":         {"section 2", func(p *ptau) []byte { p.encode(); p.sections[1] = p.sections[1][64:]; return p.join() }},
		"another version":      {"version", func(p *ptau) []byte { b := p.encode(); b[4] = 2; return b }},
		"a thousand sections":  {"sections", func(p *ptau) []byte { b := p.encode(); b[9] = 4; return b }},
		"a section cut off":    {"EOF", func(p *ptau) []byte { b := p.encode(); return b[:len(b)/2] }},
		"a byte more":          {"after its end", func(p *ptau) []byte { return append(p.encode(), 0) }},
		"sections exchanged":   {"section 2 where section 1", func(p *ptau) []byte { b := p.encode(); b[12] = 2; return b }},
		"nothing":              {"EOF", func(*ptau) []byte { return nil }},
		"a gnark count beyond": {"points", func(*ptau) []byte { return []byte{0xff, 0xff, 0xff, 0xff} }},
	} {
		if _, err := readReference(c.edit(newPtau(t, 4)), 20); !errors.Is(err, step.ErrReference) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := readReference(newPtau(t, 4).encode(), 1<<24); !errors.Is(err, step.ErrReference) {
		t.Errorf("too many powers: %v", err)
	}
}

// Whatever the bytes are, the reader says an error and does not panic.
func FuzzReadReference(f *testing.F) {
	f.Add(newPtau(f, 4).encode())
	f.Add([]byte("ptau"))
	f.Add([]byte{0, 0, 0, 12})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 4 && string(b[:4]) != "ptau" && binary.BigEndian.Uint32(b) > 1<<10 {
			return // bounded by 2^21 points, which is too much for each run
		}
		if _, err := readReference(b, 11); err != nil && !errors.Is(err, step.ErrReference) {
			t.Errorf("%v", err)
		}
	})
}

func hexOf(b []byte) string {
	return new(big.Int).SetBytes(append([]byte{1}, b...)).Text(16)[1:]
}
