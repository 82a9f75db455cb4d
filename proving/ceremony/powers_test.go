package ceremony_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"elenchus/proving/ceremony"
	"elenchus/proving/circuit"
	"elenchus/proving/step"
)

// A ceremony that begins from a public file has its second phase alone: the key proves, its name covers the file, and
// whoever has file and contributions comes to it. SPEC 10 §5.12.
func TestCeremoniesBeginFromPublicPowers(t *testing.T) {
	file, err := os.ReadFile("../step/testdata/powers4.ptau")
	if err != nil {
		t.Fatal(err)
	}
	c, digest := newCeremony(t), sha256.Sum256(file)
	begin := func() *ceremony.Transcript {
		t.Helper()
		tr, err := c.BeginFrom(bytes.NewReader(file), digest)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	tr := begin()
	if tr.Phase() != ceremony.Keys {
		t.Fatalf("it begins in the phase of %s", tr.Phase())
	}
	if err := tr.Close(beacons[1]); !errors.Is(err, ceremony.ErrTranscript) || !strings.Contains(err.Error(), "nobody contributed") {
		t.Errorf("closed without a contribution: %v", err)
	}
	name := append(append([]byte("elenchus/ceremony/1"), 5, 0, 0, 0, 0), digest[:]...)
	var parts [][]byte
	for i := range uint32(2) {
		b, err := tr.Contribute()
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, b)
		sum := sha256.Sum256(b)
		name = append(binary.BigEndian.AppendUint32(append(name, 3), i), sum[:]...)
	}
	if err := tr.Close(beacons[1]); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(beacons[1])
	name = append(append(name, 4, 0, 0, 0, 0), sum[:]...)
	key, err := tr.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256(name); key.Origin != step.CeremonyOrigin+hex.EncodeToString(want[:]) {
		t.Errorf("origin %s, want %x", key.Origin, want)
	}
	again := begin()
	for _, b := range parts {
		if err := again.Take(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := again.Close(beacons[1]); err != nil {
		t.Fatal(err)
	}
	same, err := again.Finish()
	if err != nil {
		t.Fatal(err)
	}
	a, err1 := key.Words()
	b, err2 := same.Words()
	if err1 != nil || err2 != nil || !bytes.Equal(a, b) || same.Origin != key.Origin {
		t.Errorf("two keys of one transcript: %v, %v", err1, err2)
	}
	proof, err := key.Prove(&cubic{X: 3, Y: 35})
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Verify(proof, []circuit.Input{circuit.InputOf(35)}); err != nil {
		t.Error(err)
	}
	own, _ := played(t, c, 1)
	if err := begin().Take(own.keys[0]); !errors.Is(err, ceremony.ErrTranscript) {
		t.Errorf("a contribution to keys over other powers: %v", err)
	}
}
