package conformance_test

import (
	"encoding/binary"
	"math/big"
	"math/rand/v2"
	"reflect"
	"testing"

	"elenchus/compute/opset"
	"elenchus/conformance/opsample"
	"elenchus/proving/circuit"
)

// unitOnChain asks ProofRules for the shape of a unit and its reads; name is the error of a refusal.
func (r *rules) unitOnChain(t testing.TB, u *circuit.Unit) (shape [32]byte, reads int, name string) {
	t.Helper()
	size, places := uint64(0), []byte(nil)
	for k, q := range u.Reads {
		if k < len(u.Places) {
			places = binary.BigEndian.AppendUint16(places, uint16(size+q.Lo%uint64(q.Leaf)))
			places = binary.BigEndian.AppendUint64(places, u.Places[k])
		}
		a, b := q.Leaves()
		size += (b - a) * uint64(q.Leaf)
	}
	d, c := u.Descriptor.Encode(), u.Context.Encode()
	input, err := r.proofs.Pack("unit", d[:], c[:], u.Index, new(big.Int).SetUint64(size), places)
	if err != nil {
		t.Fatal(err)
	}
	out, _, err := r.call(r.proofsAt, input)
	if err != nil {
		return shape, 0, refusal(out, r.proofs, r.abi, r.registry)
	}
	values, err := r.proofs.Unpack("unit", out)
	if err != nil {
		t.Fatal(err)
	}
	return values[0].([32]byte), reflect.ValueOf(values[1]).Len(), ""
}

// The contract finds the shape of every unit that has a circuit without its data, as Go does with it.
// SPEC 10 §5.1.
func TestShapesOnChain(t *testing.T) {
	r := newRules(t)
	for _, op := range opset.Codes() {
		if op == opset.Input || !circuit.Has(op) {
			continue
		}
		g := rand.New(rand.NewPCG(6, uint64(op)))
		found := 0
		for range 60 {
			d, c, i := opsample.Sample(g, op)
			x, err := circuit.Prepare(&d, &c, i, opsample.NewSupply(g, &d, opsample.Log).Fetch)
			if err != nil {
				continue
			}
			shape, reads, name := r.unitOnChain(t, &x.Unit)
			if name == "PayloadLength" {
				continue // more data than an answer holds
			}
			if name != "" || shape != x.Shape() || reads != len(x.Reads) {
				t.Fatalf("%s element %d: shape %x with %d reads (%s), want %x with %d\n%+v\n%+v", op, i, shape, reads, name, x.Shape(), len(x.Reads), d, c)
			}
			found++
		}
		if found == 0 {
			t.Errorf("%s: no unit was compared", op)
		}
	}
}
