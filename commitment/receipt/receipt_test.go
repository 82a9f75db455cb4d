package receipt_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"elenchus/commitment/receipt"
)

// TestTextRoundTrip reads back what is written, byte for byte.
func TestTextRoundTrip(t *testing.T) {
	w := newWorld(t)
	text, err := w.r.Text()
	if err != nil {
		t.Fatal(err)
	}
	got, err := receipt.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := got.Text()
	if err != nil || again != text || got.ID() != w.r.ID() {
		t.Errorf("read back: %v, same text %v, same id %v", err, again == text, got.ID() == w.r.ID())
	}
}

// TestOneEncoding refuses everything but the canonical text and bytes.
func TestOneEncoding(t *testing.T) {
	w := newWorld(t)
	b, err := w.r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := w.r.Text()
	counts := len(b) - 4*(len(w.r.Prompt)+len(w.r.Stop)+len(w.r.Output)) - 12
	change := func(at int, v byte) []byte { c := bytes.Clone(b); c[at] = v; return c }
	for name, bad := range map[string][]byte{
		"empty": {}, "cut": b[:len(b)-1], "long": append(bytes.Clone(b), 0), "tag": change(0, 'E'),
		"version": change(len("elenchus/receipt/"), '2'), "request tag": change(18+28, 'x'),
		"claim tag": change(18+28+210, 'x'), "count beyond the end": change(counts, 1), "negative id": change(counts+4, 0x80),
		"huge count": change(counts, 0xff),
	} {
		if _, err := receipt.Decode(bad); !errors.Is(err, receipt.ErrReceipt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, bad := range map[string]string{
		"padding": text + "=", "space": text + " ",
		"line": text[:8] + "\n" + text[8:], "other alphabet": "+" + text[1:], "empty": "", "trailing bits": trailing(t),
	} {
		if _, err := receipt.Parse(bad); !errors.Is(err, receipt.ErrReceipt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// trailing is a receipt whose last character has bits that belong to no byte.
func trailing(t *testing.T) string {
	t.Helper()
	w := newWorld(t)
	for len(w.r.Output) > 0 {
		text, err := w.r.Text()
		if err != nil {
			t.Fatal(err)
		}
		if len(text)%4 != 0 {
			const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			return text[:len(text)-1] + string(letters[strings.IndexByte(letters, text[len(text)-1])+1])
		}
		w.r.Output = w.r.Output[1:]
	}
	t.Fatal("every length is a multiple of 3")
	return ""
}

// TestEncodeRefusesNegativeIDs: there are none.
func TestEncodeRefusesNegativeIDs(t *testing.T) {
	w := newWorld(t)
	w.r.Output[0] = -1
	if _, err := w.r.Encode(); !errors.Is(err, receipt.ErrReceipt) {
		t.Errorf("a negative id: %v", err)
	}
}

// FuzzDecode wants no panic, and the same bytes back from whatever is read.
func FuzzDecode(f *testing.F) {
	b, err := newWorld(f).r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:600])
	if b, err = listed(f).r.Bare().Encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := receipt.Decode(b)
		if err != nil {
			return
		}
		if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("another encoding is read (%v)", err)
		}
		if rep := receipt.Verify(r, receipt.Facts{}); len(rep.Checks) != len(receipt.CheckNames()) {
			t.Fatalf("%d checks", len(rep.Checks))
		}
	})
}
