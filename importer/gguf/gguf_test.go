package gguf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

func parse(b []byte) (*gguf.File, error) {
	return gguf.New(bytes.NewReader(b), int64(len(b)))
}

func build(t testing.TB, edit func(*ggufwrite.Builder)) *gguf.File {
	t.Helper()
	var b ggufwrite.Builder
	edit(&b)
	f, err := parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func u64(v ...uint64) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

func TestMetadataComesBackAsWritten(t *testing.T) {
	f := build(t, func(b *ggufwrite.Builder) {
		b.SetString("s", "text")
		b.SetUint32("u32", 7)
		b.Set("i8", gguf.Int8, []byte{0xff})
		b.Set("u64", gguf.Uint64, u64(math.MaxUint64))
		b.Set("i64", gguf.Int64, u64(1<<63))
		b.Set("f64", gguf.Float64, u64(math.Float64bits(0.1)))
		b.SetFloat32("f32", 0.5)
		b.SetBool("yes", true)
		b.SetStrings("ss", []string{"a", "", "c"})
		b.SetInt32s("is", []int32{-1, 2})
		b.SetArray("i16", gguf.Int16, 2, []byte{0xfe, 0xff, 3, 0})
		b.SetArray("u16", gguf.Uint16, 1, []byte{0xfe, 0xff})
		b.SetArray("u8", gguf.Uint8, 2, []byte{0, 200})
		b.SetFloat32s("fs", []float32{1, -2.5})
	})
	check := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", what, got, err, want)
		}
	}
	s, err := f.String("s")
	check("s", s, "text", err)
	n, err := f.Uint("u32")
	check("u32", n, uint64(7), err)
	n, err = f.Uint("u64")
	check("u64", n, uint64(math.MaxUint64), err)
	x, err := f.Float("f64")
	check("f64", x, 0.1, err)
	x, err = f.Float("f32")
	check("f32", x, 0.5, err)
	yes, err := f.Bool("yes")
	check("yes", yes, true, err)
	for key, want := range map[string][]int64{"is": {-1, 2}, "i16": {-2, 3}, "u16": {0xfffe}, "u8": {0, 200}} {
		if got, err := f.Ints(key); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", key, got, err, want)
		}
	}
	if got, err := f.Strings("ss"); err != nil || !slices.Equal(got, []string{"a", "", "c"}) {
		t.Errorf("ss: %q, %v", got, err)
	}
	if got, err := f.Floats("fs"); err != nil || !slices.Equal(got, []float64{1, -2.5}) {
		t.Errorf("fs: %v, %v", got, err)
	}
	if keys := f.Keys(); len(keys) != 14 || keys[0] != "s" || keys[13] != "fs" {
		t.Errorf("keys %q", keys)
	}
}

func TestMetadataOfAnotherTypeIsAnErrorThatNamesTheKey(t *testing.T) {
	f := build(t, func(b *ggufwrite.Builder) {
		b.SetString("s", "text")
		b.Set("i8", gguf.Int8, []byte{0xff})
		b.SetStrings("ss", nil)
		b.SetFloat32s("fs", nil)
		b.SetFloat32s("f1", []float32{1})
		b.SetArray("big", gguf.Uint64, 1, u64(math.MaxUint64))
	})
	calls := map[string]func(string) error{
		"Uint":    func(k string) error { _, err := f.Uint(k); return err },
		"Float":   func(k string) error { _, err := f.Float(k); return err },
		"Bool":    func(k string) error { _, err := f.Bool(k); return err },
		"String":  func(k string) error { _, err := f.String(k); return err },
		"Strings": func(k string) error { _, err := f.Strings(k); return err },
		"Ints":    func(k string) error { _, err := f.Ints(k); return err },
		"Floats":  func(k string) error { _, err := f.Floats(k); return err },
	}
	wrong := map[string][]string{
		"Uint": {"s", "i8", "ss"}, "Float": {"s", "i8", "fs"}, "Bool": {"s", "i8", "ss"}, "String": {"i8", "ss"},
		"Strings": {"s", "fs"}, "Ints": {"s", "f1", "big"}, "Floats": {"s", "ss"},
	}
	for method, call := range calls {
		for _, key := range wrong[method] {
			if err := call(key); err == nil || errors.Is(err, gguf.ErrNoKey) || !strings.Contains(err.Error(), `"`+key+`"`) {
				t.Errorf("%s(%q): error %v", method, key, err)
			}
		}
		if err := call("absent"); !errors.Is(err, gguf.ErrNoKey) {
			t.Errorf("%s of an absent key: error %v", method, err)
		}
	}
}

func TestRowsComeBackAsWritten(t *testing.T) {
	const columns, rows = 64, 1000
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, columns*rows)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	dims := []uint64{columns, 10, rows / 10}
	f := build(t, func(b *ggufwrite.Builder) {
		b.AddF32("f32", dims, v)
		b.AddF16("f16", dims, v)
		b.AddQ8("q8", dims, v)
	})
	for name, bound := range map[string]float64{"f32": 0, "f16": 1.0 / 1024, "q8": 5.0 / 127} {
		ten, ok := f.Tensor(name)
		if !ok || ten.RowLen() != columns || ten.Rows() != rows {
			t.Fatalf("%s: %+v %v", name, ten, ok)
		}
		got := make([]float32, 990*columns)
		if err := f.ReadRows(ten, 10, got); err != nil {
			t.Fatal(err)
		}
		for i, x := range got {
			want := float64(v[10*columns+i])
			if !(math.Abs(float64(x)-want) <= bound*max(1, math.Abs(want))) {
				t.Fatalf("%s: element %d is %g, want %g", name, i, x, want)
			}
		}
	}
}

func TestRowsLargerThanOneReadComeBackAsWritten(t *testing.T) {
	const columns = 3 << 18 // 3 MiB a row
	v := make([]float32, 2*columns)
	for i := range v {
		v[i] = float32(i)
	}
	f := build(t, func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{columns, 2}, v) })
	ten, _ := f.Tensor("x")
	got := make([]float32, len(v))
	if err := f.ReadRows(ten, 0, got); err != nil || !slices.Equal(got, v) {
		t.Fatalf("rows differ, %v", err)
	}
}

func TestRawBlocksTimesScaleAreTheRows(t *testing.T) {
	b := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 64, Hidden: 96, Layers: 1, Heads: 2, KVHeads: 1, Type: gguf.Q8_0})
	f, err := parse(b)
	if err != nil {
		t.Fatal(err)
	}
	ten, _ := f.Tensor("blk.0.ffn_down.weight")
	rows := make([]float32, 7*96)
	quants, scales := make([]int8, len(rows)), make([]uint16, len(rows)/gguf.BlockLen)
	if err := errors.Join(f.ReadRows(ten, 3, rows), f.ReadQ8Rows(ten, 3, quants, scales)); err != nil {
		t.Fatal(err)
	}
	var largest int8
	for i, x := range rows {
		if want := gguf.HalfToFloat32(scales[i/gguf.BlockLen]) * float32(quants[i]); x != want || x == 0 && quants[i] != 0 {
			t.Fatalf("element %d: %g, want %g", i, x, want)
		}
		largest = max(largest, quants[i])
	}
	if largest != 127 {
		t.Errorf("largest quant %d, want 127", largest)
	}
	if err := f.ReadQ8Rows(ten, 0, quants, scales[:1]); err == nil {
		t.Error("too few scales were accepted")
	}
	norm, _ := f.Tensor("output_norm.weight")
	if err := f.ReadQ8Rows(norm, 0, quants[:64], scales[:2]); err == nil {
		t.Error("blocks of an F32 tensor were read")
	}
}

func TestReadRowsRefusesRowsThatDoNotExist(t *testing.T) {
	f := build(t, func(b *ggufwrite.Builder) { b.AddF32("x", []uint64{4, 3}, make([]float32, 12)) })
	ten, _ := f.Tensor("x")
	for _, c := range []struct{ first, n int }{{-1, 4}, {0, 3}, {0, 16}, {3, 4}, {4, 0}, {math.MaxInt, 4}} {
		if err := f.ReadRows(ten, c.first, make([]float32, c.n)); err == nil {
			t.Errorf("%d elements from row %d were read", c.n, c.first)
		}
	}
	if err := f.ReadRows(ten, 3, nil); err != nil {
		t.Errorf("no rows after the last: %v", err)
	}
}

func TestHalvesConvertBothWays(t *testing.T) {
	for h := range uint32(1 << 16) {
		x := gguf.HalfToFloat32(uint16(h))
		if x != x {
			if h&0x7c00 != 0x7c00 || h&0x3ff == 0 {
				t.Fatalf("0x%04x gives NaN", h)
			}
			continue
		}
		if back := ggufwrite.Half(x); back != uint16(h) {
			t.Fatalf("0x%04x gives %g gives 0x%04x", h, x, back)
		}
	}
	for h, want := range map[uint16]float32{0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 1: 1.0 / (1 << 24), 0x0400: 1.0 / (1 << 14), 0x3555: 0.33325195} {
		if got := gguf.HalfToFloat32(h); got != want {
			t.Errorf("0x%04x gives %g, want %g", h, got, want)
		}
	}
	for x, want := range map[float32]uint16{1 + 1.0/2048: 0x3c00, 1 + 3.0/2048: 0x3c02, 65519: 0x7bff, 65520: 0x7c00, 2047.0 / (1 << 25): 0x0400} {
		if got := ggufwrite.Half(x); got != want {
			t.Errorf("%g rounds to 0x%04x, want 0x%04x", x, got, want)
		}
	}
}

func TestUnsupportedTypesAreListedAllAtOnce(t *testing.T) {
	f := build(t, func(b *ggufwrite.Builder) {
		b.Add("a", 18, []uint64{256, 2}, make([]byte, 196))
		b.Add("b", 18, []uint64{256}, make([]byte, 98))
		b.Add("c", 77, []uint64{5}, nil)
		b.AddF32("d", []uint64{1}, []float32{1})
	})
	err := f.Unsupported()
	if err == nil || !strings.Contains(err.Error(), "IQ3_XXS x2, type 77 x1;") {
		t.Fatalf("error %v", err)
	}
	for _, name := range []string{"a", "c"} {
		ten, _ := f.Tensor(name)
		if err := f.ReadRows(ten, 0, make([]float32, ten.RowLen())); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("rows of %s: error %v", name, err)
		}
	}
}

func TestRealFilesOpen(t *testing.T) {
	f := openModel(t, "llama", "stories260K-f32.gguf")
	if err := f.Unsupported(); err != nil || f.Version() != 3 || len(f.Tensors()) != 48 {
		t.Errorf("version %d, %d tensors, %v", f.Version(), len(f.Tensors()), err)
	}
}

// The mixed file holds the weights of the float32 file in Q5_0, Q8_0, F16 and
// F32, quantised by llama.cpp.
func TestQuantisedWeightsAreNearTheFloats(t *testing.T) {
	exact, mixed := openModel(t, "llama", "stories260K-f32.gguf"), openModel(t, "llama", "stories260K-Q4_K_M-mixed.gguf")
	bounds := map[string]float64{"F32": 0, "F16": 1e-3, "Q8_0": 0.01, "Q5_0": 0.06}
	seen := map[string]int{}
	for _, q := range mixed.Tensors() {
		x, ok := exact.Tensor(q.Name)
		if !ok || !slices.Equal(x.Dims, q.Dims) {
			t.Fatalf("%s: %+v %v", q.Name, x, ok)
		}
		want, got := make([]float32, x.RowLen()*x.Rows()), make([]float32, x.RowLen()*x.Rows())
		if err := errors.Join(exact.ReadRows(x, 0, want), mixed.ReadRows(q, 0, got)); err != nil {
			t.Fatal(err)
		}
		var difference, size float64
		for i, w := range want {
			difference += math.Pow(float64(got[i]-w), 2)
			size += math.Pow(float64(w), 2)
		}
		if ratio := math.Sqrt(difference / size); !(ratio <= bounds[q.Type.String()]) {
			t.Errorf("%s: %s differs by %.3g of its size", q.Name, q.Type, ratio)
		}
		seen[q.Type.String()]++
	}
	if seen["Q5_0"] != 29 || seen["Q8_0"] != 3 {
		t.Errorf("types %v", seen)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := gguf.Open(filepath.Join(dir, "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := gguf.Open(dir); err == nil {
		t.Error("a folder was opened")
	}
	path := filepath.Join(dir, "other")
	if err := os.WriteFile(path, []byte("PK\x03\x04 and so on"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := gguf.Open(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "not a GGUF file") {
		t.Errorf("other file: %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestErrorsOfTheReaderComeThrough(t *testing.T) {
	if _, err := gguf.New(failing{}, 100); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	if _, err := gguf.New(failing{}, -1); err == nil {
		t.Error("a file of negative size was read")
	}
}
