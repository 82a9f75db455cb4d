package receipt_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
	"elenchus/compute/opset"
)

// listed is a world whose request has a setting, a bias and a stop string.
func listed(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.r.Sampler = decode.Sampler{TopK: 5, Bias: []opset.TokenBias{{ID: 70, Value: 3 << 16}}, Stops: []string{"END"}}
	w.r.Request.Extras = w.r.Settings().Extras()
	w.sign(t)
	w.include(0)
	return w
}

// A receipt that names its lists has the settings that the request signs, is read back as it was written, and nothing that
// depends on lists is called false for it. SPEC 07 §8.
func TestNamedListsAreThoseOfTheRequest(t *testing.T) {
	w := listed(t)
	bare := w.r.Bare()
	bare.Prompt, bare.Stop, bare.Output, bare.Salt = w.r.Prompt, w.r.Stop, w.r.Output, w.r.Salt
	text, err := bare.Text()
	if err != nil {
		t.Fatal(err)
	}
	got, err := receipt.Parse(text)
	if err != nil || got.Settings() != w.r.Settings() || got.Lists() != w.r.Lists() || got.Missing == (receipt.Missing{}) || len(got.Sampler.Bias)+len(got.Sampler.Stops) > 0 {
		t.Fatalf("read back as %+v, %v", got, err)
	}
	w.facts.Own, w.facts.Asked.Sampler = &receipt.Own{}, w.r.Sampler
	for _, c := range receipt.Verify(got, w.facts).Checks {
		about := slices.Contains([]string{"ids", "request", "text", "execution"}, c.Name)
		if c.Outcome == receipt.False || about && c.Outcome == receipt.Holds {
			t.Errorf("%s is %v: %s", c.Name, c.Outcome, c.Detail)
		}
	}
	whole, err := got.Sampler.WithLists(w.r.Sampler.Lists())
	if err != nil || !whole.Equal(&w.r.Sampler) {
		t.Errorf("with its lists it has %s, %v; want %s", whole.Words(), err, w.r.Sampler.Words())
	}
}

// What names lists has one encoding.
func TestNamedListsHaveOneEncoding(t *testing.T) {
	w := listed(t)
	both, none := *w.r.Bare(), *w.r.Bare()
	both.Sampler.Stops = []string{"END"}
	none.Missing = receipt.Missing{StopLengths: 4}
	for name, r := range map[string]*receipt.Receipt{"lists that are there": &both, "no lists": &none} {
		if _, err := r.Encode(); !errors.Is(err, receipt.ErrReceipt) {
			t.Errorf("%s are named: %v", name, err)
		}
	}
	b, err := w.r.Bare().Encode()
	if err != nil {
		t.Fatal(err)
	}
	empty := append([]byte(nil), b...)
	clear(empty[len(b)-132:])
	huge := append([]byte(nil), b...)
	binary.BigEndian.PutUint32(huge[len(b)-4:], claim.MaxListBytes+1)
	for name, bad := range map[string][]byte{"cut": b[:len(b)-1], "long": append(b[:len(b):len(b)], 0), "no lists": empty, "more than there can be": huge} {
		if _, err := receipt.Decode(bad); !errors.Is(err, receipt.ErrReceipt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
