package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elenchus/proving/step"

	"github.com/consensys/gnark-crypto/ecc/bn254/kzg"
)

// reference writes a reference string of a secret, and says its digest.
func reference(t *testing.T, secret int64) (path, digest string) {
	t.Helper()
	srs, err := kzg.NewSRS(1000, big.NewInt(secret))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := srs.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "srs")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	d := sha256.Sum256(b.Bytes())
	return path, hex.EncodeToString(d[:])
}

// Keys that follow from a reference string are the same wherever they are made, so that all who prove by it have the key
// that one of them registered; development keys and keys of another string are not taken for them. SPEC 10 §5.11.
func TestKeysFollowFromTheReferenceString(t *testing.T) {
	c, err := step.NewCompiled(step.PLONK, sum(t, 22).Unit.Circuit())
	if err != nil {
		t.Fatal(err)
	}
	srs, digest := reference(t, 987654321)
	at := func() Folder { return Folder{Dir: t.TempDir(), Make: true, SRS: srs, SRSDigest: digest} }
	quiet := func(string) {}
	var words [][]byte
	first := at()
	for _, f := range []Folder{first, at()} {
		k, made, err := f.Key(c, quiet)
		if err != nil || !made || k.Origin != step.PublicOrigin+digest {
			t.Fatalf("made %v: %v", made, err)
		}
		w, err := k.Words()
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, w)
		if _, made, err := f.Key(c, quiet); err != nil || made {
			t.Errorf("it is there: made %v, %v", made, err)
		}
	}
	if !bytes.Equal(words[0], words[1]) {
		t.Error("two keys of one string")
	}
	plain := Folder{Dir: first.Dir, Make: true}
	if k, made, err := plain.Key(c, quiet); err != nil || made || k.Origin != step.PublicOrigin+digest {
		t.Errorf("who names no string takes what is there: made %v, %v", made, err)
	}
	other := Folder{Dir: t.TempDir(), Make: true}
	if k, made, err := other.Key(c, quiet); err != nil || !made || k.Origin != step.DevelopmentOrigin {
		t.Errorf("a development key: made %v, %v", made, err)
	}
	other.Make, other.SRS, other.SRSDigest = false, srs, digest
	if _, _, err := other.Key(c, quiet); !errors.Is(err, ErrNoKey) {
		t.Errorf("a development key in place of one that follows: %v", err)
	}
	first.SRS, first.SRSDigest = reference(t, 123456789)
	if _, _, err := first.Key(c, quiet); !errors.Is(err, step.ErrKey) || !strings.Contains(err.Error(), "not of the reference string") {
		t.Errorf("a key of another string: %v", err)
	}
}

// A reference string that is not there or not the one that is named is found before anything is proven.
func TestReferenceStringsAreCheckedAhead(t *testing.T) {
	srs, digest := reference(t, 987654321)
	wrong := strings.Repeat("0", 64)
	for _, f := range []Folder{{SRS: srs, SRSDigest: wrong}, {SRS: srs, SRSDigest: digest[:62]}, {SRS: srs + "x", SRSDigest: digest}} {
		if f.Check() == nil {
			t.Errorf("%+v passes", f)
		}
	}
	for _, f := range []Folder{{SRS: srs, SRSDigest: digest}, {SRS: srs, SRSDigest: strings.ToUpper(digest)}, {}} {
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
}
