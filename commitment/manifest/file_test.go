package manifest_test

import (
	"bytes"
	"errors"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/model/modeltest"
)

func encoded(t testing.TB) []byte {
	t.Helper()
	man, err := manifest.Bind(modeltest.Toy())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := man.Encode(&b, "toy"); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestModelFileRoundTrip reads back what was written, for both kinds. SPEC 04 §5.
func TestModelFileRoundTrip(t *testing.T) {
	m := modeltest.Llama(1, modeltest.Tiny())
	m.Tokenizer, m.Template = []byte("tokenizer"), []byte("template")
	man, err := manifest.Bind(m)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := man.Encode(&b, "tiny"); err != nil {
		t.Fatal(err)
	}
	got, name, err := manifest.Decode(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if name != "tiny" || got.ID() != man.ID() {
		t.Errorf("read %q %s, wrote %q %s", name, got.ID(), "tiny", man.ID())
	}
	var again bytes.Buffer
	if err := got.Encode(&again, name); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
		t.Errorf("writing it again gives other bytes (%v)", err)
	}
}

// TestDamagedModelFileIsRefused flips each byte in turn: every one is noticed, but in the name.
func TestDamagedModelFileIsRefused(t *testing.T) {
	good := encoded(t)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		_, name, err := manifest.Decode(bytes.NewReader(bad), int64(len(bad)))
		if err == nil && name == "toy" {
			t.Fatalf("a flip of byte %d of %d is not noticed", i, len(good))
		}
	}
	for _, n := range []int{0, 19, 300, len(good) - 1} {
		if _, _, err := manifest.Decode(bytes.NewReader(good[:n]), int64(n)); err == nil {
			t.Errorf("a file cut at %d of %d bytes is read", n, len(good))
		}
	}
	long := append(bytes.Clone(good), 0)
	if _, _, err := manifest.Decode(bytes.NewReader(long), int64(len(long))); !errors.Is(err, manifest.ErrModel) {
		t.Errorf("a file with a byte too many: %v", err)
	}
}

// FuzzDecode wants no panic, and the same bytes back from whatever is read.
func FuzzDecode(f *testing.F) {
	f.Add(encoded(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		man, name, err := manifest.Decode(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := man.Encode(&again, name); err != nil || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("another encoding is read (%v)", err)
		}
	})
}
