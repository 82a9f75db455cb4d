package beacon_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"elenchus/proving/beacon"
)

// published are rounds of quicknet as drand publishes them; randomness where it is at hand.
var published = []struct {
	round                 uint64
	signature, randomness string
}{
	{1000, "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
		"fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"},
	{123, "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92", ""},
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Rounds that drand published verify, and no other number or bit does. SPEC 11 §2.2.
func TestPublishedRoundsVerify(t *testing.T) {
	c := beacon.Quicknet()
	for _, p := range published {
		b := unhex(t, p.signature)
		s, err := c.Verify(p.round, b)
		if err != nil {
			t.Fatal(err)
		}
		if r := s.Randomness(); p.randomness != "" && hex.EncodeToString(r[:]) != p.randomness {
			t.Errorf("round %d: randomness %x", p.round, r)
		}
		if got := s.Bytes(); !bytes.Equal(got[:], b) {
			t.Errorf("round %d has two encodings", p.round)
		}
		if _, err := c.Verify(p.round+1, b); !errors.Is(err, beacon.ErrSignature) {
			t.Errorf("another round: %v", err)
		}
		for i := range b {
			b[i] ^= 1
			if _, err := c.Verify(p.round, b); !errors.Is(err, beacon.ErrSignature) {
				t.Errorf("byte %d changed: %v", i, err)
			}
			b[i] ^= 1
		}
	}
}

// A local beacon is the same interface under another key; its rounds are not quicknet's. SPEC 11 §2.4.
func TestLocalBeacon(t *testing.T) {
	l, err := beacon.NewLocal([32]byte{7}, 100, 3)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Sign(5)
	if err != nil {
		t.Fatal(err)
	}
	b := s.Bytes()
	got, err := l.Verify(5, b[:])
	if err != nil || got.Seed() != s.Seed() || got.Point() != s.Point() {
		t.Fatalf("own round: %v", err)
	}
	quicknet := beacon.Quicknet()
	if _, err := quicknet.Verify(5, b[:]); !errors.Is(err, beacon.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	broken := l.Chain
	broken.Key[95] ^= 1
	if _, err := broken.Verify(5, b[:]); !errors.Is(err, beacon.ErrKey) {
		t.Errorf("no key: %v", err)
	}
	if _, err := beacon.NewLocal([32]byte{}, 100, 3); !errors.Is(err, beacon.ErrKey) {
		t.Errorf("secret 0: %v", err)
	}
	if r := s.Randomness(); s.Seed() == r || [27]byte(r[:27]) != [27]byte(firstOf(s.Seed())) {
		t.Errorf("seed %x of %x", s.Seed(), r)
	}
}

func firstOf(b [32]byte) []byte { return b[:27] }

// A round is due at its time and is the first one not due before it. SPEC 11 §2.1.
func TestRoundsHaveTimes(t *testing.T) {
	c := beacon.Chain{Genesis: 1000, Period: 3}
	for at, want := range map[uint64]uint64{0: 1, 1000: 1, 1001: 2, 1003: 2, 1004: 3, 1006: 3} {
		if got := c.Round(at); got != want {
			t.Errorf("round at %d is %d, want %d", at, got, want)
		}
		if c.Time(want) < at {
			t.Errorf("round %d is due at %d, before %d", want, c.Time(want), at)
		}
	}
}

// Verify is total and accepts one encoding.
func FuzzVerify(f *testing.F) {
	for _, p := range published {
		b, _ := hex.DecodeString(p.signature)
		f.Add(p.round, b)
	}
	f.Fuzz(func(t *testing.T, round uint64, signature []byte) {
		c := beacon.Quicknet()
		s, err := c.Verify(round, signature)
		if err != nil {
			return
		}
		if got := s.Bytes(); !bytes.Equal(got[:], signature) {
			t.Fatalf("round %d accepts %x for %x", round, signature, got)
		}
	})
}
