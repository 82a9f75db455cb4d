package conformance_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"elenchus/compute/opset"
)

// repeating are the reads of a stop_state whose four strings and token are one letter over and over,
// but for the end of each string: whatever is compared agrees until its last byte.
func repeating(y, place int32, tail byte) [][]byte {
	leaf := make([]byte, 64)
	binary.LittleEndian.PutUint32(leaf, uint32(y))
	row := make([]byte, 64)
	at := int(y) % 8 * 8
	binary.LittleEndian.PutUint32(row[at:], uint32(place))
	binary.LittleEndian.PutUint32(row[at+4:], opset.TokenBytes)
	table := bytes.Repeat([]byte{'a'}, opset.StopTableSize)
	for s := range opset.StopStrings {
		table[(s+1)*opset.StopBytes-1] = tail
	}
	return [][]byte{leaf, row, bytes.Repeat([]byte{'a'}, 192), table}
}

// The dearest stop_state: every place of the text of every string is compared to its last byte. It
// takes more than other evaluations and its data less, so that the whole answer stays below 220,000.
func TestDearestStopState(t *testing.T) {
	j := newJudge(t)
	d, c := shape70B(opset.StopState)
	reads := repeating(7, 5000*64+63, 'b')
	k := 0
	want, err := opset.Element(&d, &c, 0, func(r opset.Read) ([]byte, error) {
		k++
		return r.Trim(reads[k-1])
	})
	if err != nil || want != opset.MostStopLens-0x01010101 {
		t.Fatalf("%d, %v", want, err)
	}
	descriptor, context := d.Encode(), c.Encode()
	got, _, gas, err := j.evaluate(opset.StopState, descriptor[:], context[:], 0, bytes.Join(reads, nil))
	if err != nil || got.Int64() != want {
		t.Fatalf("%v, want %d: %v", got, want, err)
	}
	t.Logf("%d gas", gas)
	if gas > 70_000 {
		t.Errorf("%d gas, more than 70000", gas)
	}
}
