package gguf_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// Rows read as codes are those read as floats: scale * code + offset, to the one rounding that a
// float32 with an offset takes.
func TestCodesAreTheFloats(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 32))
	for typ, size := range map[gguf.Type][2]int{
		2: {32, 18}, 3: {32, 20}, 6: {32, 22}, 7: {32, 24}, 8: {32, 34},
		10: {256, 84}, 11: {256, 110}, 12: {256, 144}, 13: {256, 176}, 14: {256, 210}, 20: {32, 18}, 23: {256, 136},
	} {
		const rows, k = 3, 512
		raw := make([]byte, rows*k/size[0]*size[1])
		for i := range raw {
			raw[i] = byte(r.Uint32())
		}
		halves(r, typ, raw, size[1])
		var b ggufwrite.Builder
		b.Add("w", typ, []uint64{k, rows}, raw)
		f, err := gguf.New(bytes.NewReader(b.Bytes()), int64(len(b.Bytes())))
		if err != nil {
			t.Fatal(err)
		}
		compareCodes(t, f, typ, rows, k)
	}
}

// halves makes the half floats of each block finite, of magnitudes as in real files.
func halves(r *rand.Rand, typ gguf.Type, raw []byte, size int) {
	places := map[gguf.Type][]int{2: {0}, 3: {0, 2}, 6: {0}, 7: {0, 2}, 8: {0}, 10: {80, 82}, 11: {108}, 12: {0, 2}, 13: {0, 2}, 14: {208}, 20: {0}, 23: {0}}[typ]
	for at := 0; at < len(raw); at += size {
		for _, p := range places {
			binary.LittleEndian.PutUint16(raw[at+p:], ggufwrite.Half(float32(r.NormFloat64()/32)))
		}
	}
}

func compareCodes(t *testing.T, f *gguf.File, typ gguf.Type, rows, k int) {
	t.Helper()
	bits, n, offsets, ok := f.Codes("w")
	if !ok {
		t.Fatalf("%s has no codes", typ)
	}
	code, scale, offset := make([]int8, k), make([]float64, k/n), make([]float64, k/n)
	want := make([]float32, k)
	for row := range rows {
		if err := f.ReadCodes("w", row, code, scale, offset); err != nil {
			t.Fatal(err)
		}
		if err := f.Rows("w", row, want); err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			if c := int(code[i]); c < -1<<(bits-1) || c >= 1<<(bits-1) {
				t.Fatalf("%s: code %d of %d bits", typ, c, bits)
			}
			got, room := scale[i/n]*float64(code[i]), 0.0
			if offsets {
				got += offset[i/n]
				room = (math.Abs(scale[i/n])*32 + math.Abs(offset[i/n])) * 0x1p-22
			}
			if math.Abs(got-float64(w)) > room {
				t.Fatalf("%s: weight %d of row %d is %v, as a float %v", typ, i, row, got, w)
			}
		}
	}
	if err := f.ReadCodes("w", rows, code, scale, offset); err == nil {
		t.Errorf("%s: row %d of %d was read", typ, rows, rows)
	}
	if err := f.ReadCodes("w", 0, code[1:], scale, offset); err == nil {
		t.Errorf("%s: a row was read into less room", typ)
	}
}

// A tensor of floats has no codes.
func TestFloatsHaveNoCodes(t *testing.T) {
	var b ggufwrite.Builder
	b.AddF32("w", []uint64{32}, make([]float32, 32))
	f, err := gguf.New(bytes.NewReader(b.Bytes()), int64(len(b.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"w", "v"} {
		if _, _, _, ok := f.Codes(name); ok {
			t.Errorf("%s has codes", name)
		}
		if err := f.ReadCodes(name, 0, make([]int8, 32), make([]float64, 1), nil); err == nil {
			t.Errorf("codes of %s were read", name)
		}
	}
}
