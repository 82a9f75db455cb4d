package gguf_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"testing"

	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// testdata/blocks.json holds two random blocks of each format (eight numbers of
// BF16) and the float32 values that the Python package gguf 0.19.0, function
// gguf.quants.dequantize, gives for them.
func TestBlocksGiveTheReferenceFloats(t *testing.T) {
	raw, err := os.ReadFile("testdata/blocks.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Type, Blocks, Floats string }
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	types := map[string]gguf.Type{}
	for i := range gguf.Type(64) {
		types[i.String()] = i
	}
	seen := map[gguf.Type]bool{gguf.F32: true, gguf.F16: true}
	for _, v := range vectors {
		blocks, floats := unhex(t, v.Blocks), unhex(t, v.Floats)
		seen[types[v.Type]] = true
		f := build(t, func(b *ggufwrite.Builder) {
			b.Add("x", types[v.Type], []uint64{uint64(len(floats) / 4)}, blocks)
		})
		ten, _ := f.Tensor("x")
		got := make([]float32, len(floats)/4)
		if err := f.ReadRows(ten, 0, got); err != nil {
			t.Fatal(err)
		}
		for i, x := range got {
			if want := math.Float32frombits(binary.LittleEndian.Uint32(floats[4*i:])); x != want {
				t.Errorf("%s: element %d is %g, want %g", v.Type, i, x, want)
				break
			}
		}
	}
	for i := range gguf.Type(64) {
		if i.Readable() && !seen[i] {
			t.Errorf("no vector for the readable type %s", i)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
