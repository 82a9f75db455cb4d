package opsample

import (
	"math/rand/v2"
	"testing"

	"elenchus/compute/opset"
)

// The definition evaluates whatever is drawn, and descriptors drawn are canonical. SPEC 02 §1, §3.
func TestDefinitionIsTotalOnSamples(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, op := range opset.Codes() {
		for range 400 {
			d, c, index := Sample(r, op)
			b := d.Encode()
			if again, err := opset.Decode(b[:]); err != nil || again != d {
				t.Fatalf("%s: %+v decodes to %+v, %v", op, d, again, err)
			}
			s := NewSupply(r, &d, Style(r.IntN(int(Styles))))
			v, err := opset.Element(&d, &c, index, s.Fetch)
			if err != nil {
				t.Fatalf("%s[%d] of %+v, %+v: %v", op, index, d, c, err)
			}
			vector := Record("sample", &d, &c, index, s, v)
			k, err := vector.Case()
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Check(); err != nil {
				t.Fatalf("%s: a recorded sample does not check: %v", op, err)
			}
		}
	}
}
