package ceremony_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"elenchus/proving/ceremony"
	"elenchus/proving/circuit"
	"elenchus/proving/step"

	"github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fp"
	"github.com/consensys/gnark/frontend"
)

// cubic is x^3 + x + 5 = y, with x secret.
type cubic struct {
	Y frontend.Variable `gnark:",public"`
	X frontend.Variable
}

func (c *cubic) Define(api frontend.API) error {
	api.Mul(c.Y, c.Y)
	api.AssertIsEqual(c.Y, api.Add(api.Mul(c.X, c.X, c.X), c.X, 5))
	return nil
}

func newCeremony(t testing.TB) *ceremony.Ceremony {
	t.Helper()
	c, err := ceremony.New(&cubic{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var beacons = [][]byte{bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 32)}

// published are the parts of a transcript.
type published struct {
	powers       [][]byte
	powersBeacon []byte // nil: open
	keys         [][]byte
	keysBeacon   []byte
}

// through goes through all parts, or to the first that is wrong.
func (p *published) through(c *ceremony.Ceremony) (*ceremony.Transcript, error) {
	t := c.Begin()
	for _, phase := range []struct {
		parts  [][]byte
		beacon []byte
	}{{p.powers, p.powersBeacon}, {p.keys, p.keysBeacon}} {
		for _, b := range phase.parts {
			if err := t.Take(b); err != nil {
				return t, err
			}
		}
		if phase.beacon == nil {
			return t, nil
		}
		if err := t.Close(phase.beacon); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (p *published) check(c *ceremony.Ceremony) error {
	_, err := p.through(c)
	return err
}

// digest is that of SPEC 10 §5.12.
func (p *published) digest() [32]byte {
	all := []byte("elenchus/ceremony/1")
	for kind, parts := range [][][]byte{p.powers, {p.powersBeacon}, p.keys, {p.keysBeacon}} {
		for i, b := range parts {
			sum := sha256.Sum256(b)
			all = append(binary.BigEndian.AppendUint32(append(all, byte(kind+1)), uint32(i)), sum[:]...)
		}
	}
	return sha256.Sum256(all)
}

// played is a transcript of so many parties in each phase, closed.
func played(t testing.TB, c *ceremony.Ceremony, parties int) (*published, *ceremony.Transcript) {
	t.Helper()
	tr := c.Begin()
	contribute := func() (all [][]byte) {
		for range parties {
			b, err := tr.Contribute()
			if err != nil {
				t.Fatal(err)
			}
			if len(b) != c.Length(tr.Phase()) {
				t.Fatalf("%d bytes, want %d", len(b), c.Length(tr.Phase()))
			}
			all = append(all, b)
		}
		if err := tr.Close(beacons[tr.Phase()]); err != nil {
			t.Fatal(err)
		}
		return all
	}
	return &published{contribute(), beacons[0], contribute(), beacons[1]}, tr
}

// Three parties make a key that proves and verifies, the same for everybody who has the transcript, and that contracts
// can read. SPEC 10 §5.12.
func TestThreePartiesMakeAKey(t *testing.T) {
	c := newCeremony(t)
	p, tr := played(t, c, 3)
	key, err := tr.Finish()
	if err != nil {
		t.Fatal(err)
	}
	read, err := p.through(newCeremony(t))
	if err != nil {
		t.Fatal(err)
	}
	again, err := read.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if twice, err := tr.Finish(); err != nil || twice != key {
		t.Errorf("finished twice: %v", err)
	}
	if tr.Digest() != p.digest() || read.Digest() != p.digest() || len(read.Taken(ceremony.Keys)) != 3 || read.Taken(ceremony.Powers)[1] != sha256.Sum256(p.powers[1]) {
		t.Errorf("digests %x and %x, want %x", tr.Digest(), read.Digest(), p.digest())
	}
	words, err1 := key.Words()
	same, err2 := again.Words()
	if err := errors.Join(err1, err2); err != nil || !bytes.Equal(words, same) {
		t.Fatalf("the transcript gives two keys, or none: %v", err)
	}
	if !strings.HasPrefix(key.Origin, step.CeremonyOrigin) || key.Origin != again.Origin {
		t.Errorf("origins %s and %s", key.Origin, again.Origin)
	}
	proof, err := key.Prove(&cubic{X: 3, Y: 35})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Verify(proof, []circuit.Input{circuit.InputOf(35)}); err != nil {
		t.Error(err)
	}
	if err := again.Verify(proof, []circuit.Input{circuit.InputOf(36)}); !errors.Is(err, step.ErrProof) {
		t.Errorf("another value: %v", err)
	}
	var file bytes.Buffer
	if _, err := key.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	if read, err := step.ReadKey(step.Groth16, &cubic{}, &file); err != nil || read.Origin != key.Origin {
		t.Errorf("read back: %v", err)
	}
}

// A party that cheats is found, whatever it does, and the error says which contribution it is.
func TestCheatsAreFound(t *testing.T) {
	c := newCeremony(t)
	good, _ := played(t, c, 3)
	other, _ := played(t, c, 3)
	if good.digest() == other.digest() || good.check(c) != nil || other.check(c) != nil {
		t.Fatal("transcripts have one digest, or do not hold")
	}
	for name, edit := range map[string]func(tr *published){
		"contribution 2 to the powers: of another ceremony": func(tr *published) { tr.powers[1] = other.powers[1] },
		"contribution 2 to the powers: left out":            func(tr *published) { tr.powers = append(tr.powers[:1:1], tr.powers[2:]...) },
		"contribution 2 to the powers: twice":               func(tr *published) { tr.powers[1] = tr.powers[0] },
		"contribution 1 to the powers: not the first":       func(tr *published) { tr.powers[0], tr.powers[1] = tr.powers[1], tr.powers[0] },
		"contribution 3 to the powers: short":               func(tr *published) { tr.powers[2] = tr.powers[2][:100] },
		"contribution 3 to the powers: long":                func(tr *published) { tr.powers[2] = append(bytes.Clone(tr.powers[2]), 0) },
		"contribution 1 to the key: the powers' other beacon": func(tr *published) {
			tr.powersBeacon = beacons[1]
		},
		"contribution 1 to the key: other powers":        func(tr *published) { tr.powers = other.powers },
		"contribution 2 to the key: of another ceremony": func(tr *published) { tr.keys[1] = other.keys[1] },
		"contribution 3 to the key: a copy":              func(tr *published) { tr.keys[2] = tr.keys[1] },
		"contribution 1 to the key: empty":               func(tr *published) { tr.keys[0] = nil },
		"nobody contributed: powers":                     func(tr *published) { tr.powers = nil },
		"nobody contributed: key":                        func(tr *published) { tr.keys = nil },
		"a beacon of 1 bytes":                            func(tr *published) { tr.keysBeacon = []byte{1} },
	} {
		tr := copied(good)
		edit(tr)
		want, _, _ := strings.Cut(name, ":")
		if err := tr.check(c); !errors.Is(err, ceremony.ErrTranscript) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is refused leaves a transcript as it was: it goes on by what is right, to the same key.
func TestRefusalsLeaveNoTrace(t *testing.T) {
	c := newCeremony(t)
	good, first := played(t, c, 2)
	tr := c.Begin()
	refused := func(err error) {
		t.Helper()
		if !errors.Is(err, ceremony.ErrTranscript) {
			t.Errorf("not refused: %v", err)
		}
	}
	for phase, parts := range [][][]byte{good.powers, good.keys} {
		refused(tr.Close(beacons[phase]))
		for i, b := range parts {
			refused(tr.Take(parts[1-i]))
			if _, err := tr.Finish(); !errors.Is(err, ceremony.ErrTranscript) {
				t.Errorf("finished in the phase of %s: %v", tr.Phase(), err)
			}
			if err := tr.Take(b); err != nil {
				t.Fatal(err)
			}
		}
		refused(tr.Close(beacons[phase][:15]))
		if err := tr.Close(beacons[phase]); err != nil {
			t.Fatal(err)
		}
	}
	refused(tr.Take(good.keys[0]))
	refused(tr.Close(beacons[1]))
	if _, err := tr.Contribute(); !errors.Is(err, ceremony.ErrTranscript) {
		t.Errorf("contributed to what is done: %v", err)
	}
	key, err1 := tr.Finish()
	want, err2 := first.Finish()
	if err := errors.Join(err1, err2); err != nil || key.Origin != want.Origin || tr.Digest() != good.digest() {
		t.Errorf("another key: %v", err)
	}
}

func copied(tr *published) *published {
	out := *tr
	out.powers, out.keys = append([][]byte{}, tr.powers...), append([][]byte{}, tr.keys...)
	return &out
}

// No change of a byte goes through, and counts that ask for memory are refused before it is taken.
func TestEveryByteOfAContributionCounts(t *testing.T) {
	c := newCeremony(t)
	tr, _ := played(t, c, 1)
	for _, phase := range []struct {
		b    *[]byte
		from int
	}{{&tr.powers[0], 3 * 96}, {&tr.keys[0], 0}} {
		good := *phase.b
		for at := 0; at < len(good); at += 41 {
			*phase.b = bytes.Clone(good)
			(*phase.b)[at] ^= 1
			if err := tr.check(c); !errors.Is(err, ceremony.ErrTranscript) {
				t.Errorf("byte %d of %d: %v", at, len(good), err)
			}
		}
		*phase.b = bytes.Clone(good)
		binary.BigEndian.PutUint64((*phase.b)[phase.from:], 1<<60)
		if err := tr.check(c); !errors.Is(err, ceremony.ErrTranscript) || !strings.Contains(err.Error(), "a count of") {
			t.Errorf("a huge count: %v", err)
		}
		*phase.b = good
	}
}

// longPowers is a contribution whose points are valid and three of them in the long encoding, so that the true count,
// which asks for more memory than there is, stands behind the place where it should: there are bytes of a coordinate,
// which look like the right one.
func longPowers(t testing.TB, good []byte) []byte {
	t.Helper()
	_, _, _, generator := bn254.Generators()
	b := bytes.Clone(good)
	long := generator.RawBytes()
	copy(b[32:], long[:])
	copy(b[160:], good[96:192])
	disguise(t, b[256:], good[288:296])
	copy(b[320:], good[224:288])
	binary.BigEndian.PutUint64(b[384:], 1<<60)
	return b
}

// longKeys is the same of a contribution to the key.
func longKeys(t testing.TB, good []byte) []byte {
	t.Helper()
	b := bytes.Clone(good)
	disguise(t, b[2:], good[34:38])
	binary.BigEndian.PutUint32(b[66:], 1<<32-1)
	return b
}

// disguise writes a point in its long encoding whose second coordinate begins with some bytes.
func disguise(t testing.TB, b, with []byte) {
	t.Helper()
	var x, y, three fp.Element
	three.SetUint64(3)
	for i := range uint64(1000) { // one in three has a cube root
		var raw [32]byte
		copy(raw[:], with)
		binary.BigEndian.PutUint64(raw[24:], i)
		if err := y.SetBytesCanonical(raw[:]); err != nil {
			t.Fatal(err)
		}
		if square := new(fp.Element).Square(&y); x.Cbrt(square.Sub(square, &three)) != nil {
			p := bn254.G1Affine{X: x, Y: y}
			long := p.RawBytes()
			copy(b, long[:])
			return
		}
	}
	t.Fatal("no such point")
}

// gnark reads points in two encodings: none of them hides a count.
func TestLongPointsHideNoCounts(t *testing.T) {
	c := newCeremony(t)
	tr, _ := played(t, c, 1)
	powers, keys := longPowers(t, tr.powers[0]), longKeys(t, tr.keys[0])
	if err := c.Begin().Take(powers); !errors.Is(err, ceremony.ErrTranscript) || !strings.Contains(err.Error(), "the point at byte 32 ") {
		t.Errorf("powers: %v", err)
	}
	tr.keys[0] = keys
	if err := tr.check(c); !errors.Is(err, ceremony.ErrTranscript) || !strings.Contains(err.Error(), "the point at byte 2 ") {
		t.Errorf("key: %v", err)
	}
}

// No bytes in the place of a contribution make a reader panic.
func FuzzContribution(f *testing.F) {
	c := newCeremony(f)
	tr, _ := played(f, c, 1)
	f.Add(tr.powers[0], true)
	f.Add(tr.keys[0], false)
	f.Add(longPowers(f, tr.powers[0]), true)
	f.Add(longKeys(f, tr.keys[0]), false)
	f.Fuzz(func(t *testing.T, b []byte, powers bool) {
		x := copied(tr)
		if powers {
			x.powers[0] = b
		} else {
			x.keys[0] = b
		}
		same := bytes.Equal(b, tr.powers[0]) && powers || bytes.Equal(b, tr.keys[0]) && !powers
		if err := x.check(c); (err == nil) != same {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
	})
}
