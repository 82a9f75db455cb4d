package ceremony_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"elenchus/proving/ceremony"
	"elenchus/proving/circuit"
	"elenchus/proving/step"

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

func contribution(t testing.TB, c *ceremony.Ceremony, tr *ceremony.Transcript) []byte {
	t.Helper()
	b, err := c.Contribute(tr)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var beacons = [][]byte{bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{9}, 32)}

// played is a transcript of so many parties in each phase, closed.
func played(t testing.TB, c *ceremony.Ceremony, parties int) *ceremony.Transcript {
	t.Helper()
	tr := &ceremony.Transcript{}
	for range parties {
		tr.Powers = append(tr.Powers, contribution(t, c, tr))
	}
	tr.PowersBeacon = beacons[0]
	for range parties {
		tr.Keys = append(tr.Keys, contribution(t, c, tr))
	}
	tr.KeysBeacon = beacons[1]
	return tr
}

// Three parties make a key that proves and verifies, the same for everybody who has the transcript, and that contracts
// can read. SPEC 10 §5.12.
func TestThreePartiesMakeAKey(t *testing.T) {
	c := newCeremony(t)
	tr := played(t, c, 3)
	key, err := c.Finish(tr)
	if err != nil {
		t.Fatal(err)
	}
	again, err := newCeremony(t).Finish(tr)
	if err != nil {
		t.Fatal(err)
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
	good, other := played(t, c, 3), played(t, c, 3)
	if good.Digest() == other.Digest() || c.Check(good) != nil || c.Check(other) != nil {
		t.Fatal("transcripts have one digest, or do not hold")
	}
	for name, edit := range map[string]func(tr *ceremony.Transcript){
		"contribution 2 to the powers: of another ceremony": func(tr *ceremony.Transcript) { tr.Powers[1] = other.Powers[1] },
		"contribution 2 to the powers: left out":            func(tr *ceremony.Transcript) { tr.Powers = append(tr.Powers[:1:1], tr.Powers[2:]...) },
		"contribution 2 to the powers: twice":               func(tr *ceremony.Transcript) { tr.Powers[1] = tr.Powers[0] },
		"contribution 1 to the powers: not the first":       func(tr *ceremony.Transcript) { tr.Powers[0], tr.Powers[1] = tr.Powers[1], tr.Powers[0] },
		"contribution 3 to the powers: short":               func(tr *ceremony.Transcript) { tr.Powers[2] = tr.Powers[2][:100] },
		"contribution 3 to the powers: long":                func(tr *ceremony.Transcript) { tr.Powers[2] = append(bytes.Clone(tr.Powers[2]), 0) },
		"contribution 1 to the key: the powers' other beacon": func(tr *ceremony.Transcript) {
			tr.PowersBeacon = beacons[1]
		},
		"contribution 1 to the key: other powers":        func(tr *ceremony.Transcript) { tr.Powers = other.Powers },
		"contribution 2 to the key: of another ceremony": func(tr *ceremony.Transcript) { tr.Keys[1] = other.Keys[1] },
		"contribution 3 to the key: a copy":              func(tr *ceremony.Transcript) { tr.Keys[2] = tr.Keys[1] },
		"contribution 1 to the key: empty":               func(tr *ceremony.Transcript) { tr.Keys[0] = nil },
		"nobody contributed: powers":                     func(tr *ceremony.Transcript) { tr.Powers = nil },
		"nobody contributed: key":                        func(tr *ceremony.Transcript) { tr.Keys = nil },
		"before the powers are closed":                   func(tr *ceremony.Transcript) { tr.PowersBeacon = nil },
		"a beacon of 1 bytes":                            func(tr *ceremony.Transcript) { tr.KeysBeacon = []byte{1} },
	} {
		tr := copied(good)
		edit(tr)
		want, _, _ := strings.Cut(name, ":")
		if _, err := c.Finish(tr); !errors.Is(err, ceremony.ErrTranscript) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Contribute(tr); !errors.Is(err, ceremony.ErrTranscript) {
			t.Errorf("%s: contributed to: %v", name, err)
		}
	}
}

func copied(tr *ceremony.Transcript) *ceremony.Transcript {
	out := *tr
	out.Powers, out.Keys = append([][]byte{}, tr.Powers...), append([][]byte{}, tr.Keys...)
	return &out
}

// No change of a byte goes through, and counts that ask for memory are refused before it is taken.
func TestEveryByteOfAContributionCounts(t *testing.T) {
	c := newCeremony(t)
	tr := played(t, c, 1)
	for _, phase := range []struct {
		b    *[]byte
		from int
	}{{&tr.Powers[0], 3 * 96}, {&tr.Keys[0], 0}} {
		good := *phase.b
		for at := 0; at < len(good); at += 41 {
			*phase.b = bytes.Clone(good)
			(*phase.b)[at] ^= 1
			if err := c.Check(tr); !errors.Is(err, ceremony.ErrTranscript) {
				t.Errorf("byte %d of %d: %v", at, len(good), err)
			}
		}
		*phase.b = bytes.Clone(good)
		binary.BigEndian.PutUint64((*phase.b)[phase.from:], 1<<60)
		if err := c.Check(tr); !errors.Is(err, ceremony.ErrTranscript) || !strings.Contains(err.Error(), "a count of") {
			t.Errorf("a huge count: %v", err)
		}
		*phase.b = good
	}
	if _, err := c.Contribute(tr); !errors.Is(err, ceremony.ErrTranscript) {
		t.Errorf("contributed to what is done: %v", err)
	}
	tr.KeysBeacon = nil
	if _, err := c.Finish(tr); !errors.Is(err, ceremony.ErrTranscript) {
		t.Errorf("finished before the end: %v", err)
	}
}

// No bytes in the place of a contribution make a reader panic.
func FuzzContribution(f *testing.F) {
	c := newCeremony(f)
	tr := played(f, c, 1)
	f.Add(tr.Powers[0], true)
	f.Add(tr.Keys[0], false)
	f.Fuzz(func(t *testing.T, b []byte, powers bool) {
		x := copied(tr)
		if powers {
			x.Powers[0] = b
		} else {
			x.Keys[0] = b
		}
		same := bytes.Equal(b, tr.Powers[0]) && powers || bytes.Equal(b, tr.Keys[0]) && !powers
		if err := c.Check(x); (err == nil) != same {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
	})
}
