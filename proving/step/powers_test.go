package step_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"elenchus/proving/step"
)

// sectionAt is where the bytes of a section of a .ptau file begin.
func sectionAt(t testing.TB, b []byte, kind uint32) int {
	t.Helper()
	for at := 12; at < len(b); {
		size := int(binary.LittleEndian.Uint64(b[at+4:]))
		if binary.LittleEndian.Uint32(b[at:]) == kind {
			return at + 12
		}
		at += 12 + size
	}
	t.Fatalf("no section %d", kind)
	return 0
}

func snarkjsFile(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/powers4.ptau")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readPowers(b []byte, domain uint64) error {
	_, err := step.ReadPowers(bytes.NewReader(b), sha256.Sum256(b), domain)
	return err
}

// The powers of a file of snarkjs are read for every domain that it has, and it is said how many a larger one needs. SPEC 10 §5.12.
func TestPowersOfSnarkjsAreRead(t *testing.T) {
	b := snarkjsFile(t)
	for _, domain := range []uint64{2, 8, 16} {
		c, err := step.ReadPowers(bytes.NewReader(b), sha256.Sum256(b), domain)
		if err != nil {
			t.Fatal(err)
		}
		n := int(domain)
		if len(c.G1.Tau) != 2*n-1 || len(c.G2.Tau) != n || len(c.G1.AlphaTau) != n || len(c.G1.BetaTau) != n {
			t.Errorf("domain %d: %d, %d, %d, %d powers", n, len(c.G1.Tau), len(c.G2.Tau), len(c.G1.AlphaTau), len(c.G1.BetaTau))
		}
	}
	for _, domain := range []uint64{0, 1, 12, 2 * step.MaxDomain} {
		if err := readPowers(b, domain); !errors.Is(err, step.ErrReference) || !strings.Contains(err.Error(), "power of two") {
			t.Errorf("domain %d: %v", domain, err)
		}
	}
	if err := readPowers(b, 64); !errors.Is(err, step.ErrReference) || !strings.Contains(err.Error(), "it has 2^4 powers, the circuit needs 2^6") {
		t.Errorf("a file that is too small: %v", err)
	}
	if _, err := step.ReadPowers(bytes.NewReader(b), [32]byte{1}, 8); !errors.Is(err, step.ErrReference) || !strings.Contains(err.Error(), "digest") {
		t.Errorf("another file: %v", err)
	}
}

// What is not one ceremony's powers is refused with its reason, whatever its digest. SPEC 10 §5.12.
func TestHostilePowersAreRefused(t *testing.T) {
	const g1, g2 = 64, 128
	for name, c := range map[string]struct {
		want string
		edit func(b []byte) []byte
	}{
		"powers exchanged":            {"not the powers", func(b []byte) []byte { return exchange(b, sectionAt(t, b, 2)+2*g1, sectionAt(t, b, 2)+3*g1, g1) }},
		"powers exchanged in G2":      {"not the powers", func(b []byte) []byte { return exchange(b, sectionAt(t, b, 3)+2*g2, sectionAt(t, b, 3)+3*g2, g2) }},
		"powers with alpha exchanged": {"not the powers", func(b []byte) []byte { return exchange(b, sectionAt(t, b, 4), sectionAt(t, b, 4)+g1, g1) }},
		"powers with beta exchanged":  {"not the powers", func(b []byte) []byte { return exchange(b, sectionAt(t, b, 5), sectionAt(t, b, 5)+g1, g1) }},
		"another beta in G2": {"two betas", func(b []byte) []byte {
			copy(b[sectionAt(t, b, 6):][:g2], b[sectionAt(t, b, 3)+g2:])
			return b
		}},
		"alpha of 1": {"one of its secrets is 1", func(b []byte) []byte {
			copy(b[sectionAt(t, b, 4):][:16*g1], b[sectionAt(t, b, 2):])
			return b
		}},
		"beta of 1": {"one of its secrets is 1", func(b []byte) []byte {
			copy(b[sectionAt(t, b, 5):][:16*g1], b[sectionAt(t, b, 2):])
			return b
		}},
		"another generator":            {"generators", func(b []byte) []byte { return exchange(b, sectionAt(t, b, 2), sectionAt(t, b, 2)+g1, g1) }},
		"a point off the curve":        {"point 1", func(b []byte) []byte { b[sectionAt(t, b, 4)+g1] ^= 1; return b }},
		"a point at infinity":          {"point 0", func(b []byte) []byte { clear(b[sectionAt(t, b, 5):][:g1]); return b }},
		"a point off the second curve": {"second group", func(b []byte) []byte { b[sectionAt(t, b, 6)] ^= 1; return b }},
		"a section of another size": {"section 6: 64 bytes", func(b []byte) []byte {
			at := sectionAt(t, b, 6)
			binary.LittleEndian.PutUint64(b[at-8:], 64)
			return b
		}},
		"no section 6": {"no section 6", func(b []byte) []byte {
			at := sectionAt(t, b, 6)
			binary.LittleEndian.PutUint32(b[at-12:], 9)
			return b
		}},
		"cut off":         {"early", func(b []byte) []byte { return b[:len(b)/2] }},
		"another format":  {"no .ptau file", func(b []byte) []byte { return append([]byte{0, 0, 0, 40}, b...) }},
		"a byte too many": {"after its end", func(b []byte) []byte { return append(b, 0) }},
	} {
		if err := readPowers(c.edit(snarkjsFile(t)), 8); !errors.Is(err, step.ErrReference) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// exchange swaps two runs of bytes.
func exchange(b []byte, i, k, n int) []byte {
	first := bytes.Clone(b[i : i+n])
	copy(b[i:i+n], b[k:k+n])
	copy(b[k:k+n], first)
	return b
}

// Whatever the bytes are, the reader says an error and does not panic.
func FuzzReadPowers(f *testing.F) {
	f.Add(snarkjsFile(f))
	f.Add([]byte("ptau"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := readPowers(b, 8); err != nil && !errors.Is(err, step.ErrReference) {
			t.Errorf("%v", err)
		}
	})
}
