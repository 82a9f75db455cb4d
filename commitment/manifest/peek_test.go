package manifest_test

import (
	"bytes"
	"testing"

	"elenchus/commitment/manifest"
)

// TestPeekReadsWhatDecodeReads: name and id are those of the whole file; no cut file is read.
func TestPeekReadsWhatDecodeReads(t *testing.T) {
	b := encoded(t)
	man, _, err := manifest.Decode(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	name, h, err := manifest.Peek(bytes.NewReader(b))
	if err != nil || name != "toy" || h.ID() != man.ID() {
		t.Errorf("%q %s %v", name, h.ID(), err)
	}
	head := len("elenchus/modelfile/1") + 4 + len("toy") + manifest.HeaderSize
	for n := range head {
		if _, _, err := manifest.Peek(bytes.NewReader(b[:n])); err == nil {
			t.Fatalf("%d of %d bytes are read", n, head)
		}
	}
	if _, _, err := manifest.Peek(bytes.NewReader(b[:head])); err != nil {
		t.Errorf("the first %d bytes are not read: %v", head, err)
	}
}

// FuzzPeek wants no panic, and whatever Decode reads to be peeked at alike.
func FuzzPeek(f *testing.F) {
	f.Add(encoded(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, h, err := manifest.Peek(bytes.NewReader(b))
		man, title, whole := manifest.Decode(bytes.NewReader(b), int64(len(b)))
		if whole == nil && (err != nil || name != title || h.ID() != man.ID()) {
			t.Fatalf("peeked %q %s %v, decoded %q %s", name, h.ID(), err, title, man.ID())
		}
	})
}
