package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elenchus/importer/safetensors"
	"elenchus/importer/safetensors/safetensorstest"
)

func parse(b []byte) (*safetensors.Set, error) {
	return safetensors.New(bytes.NewReader(b), int64(len(b)))
}

// file is a file with the header as it is and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func TestRowsOfEveryReadableType(t *testing.T) {
	v := []float32{0, 1, -2.5, 65504, 6e-8, -0.125, 3, 1024}
	var b safetensorstest.Builder
	b.Entry(`"__metadata__":{"format":"pt"}`)
	for _, ty := range []safetensors.Type{safetensors.F32, safetensors.F16, safetensors.BF16} {
		b.Add(string(ty), ty, []int{2, 2, 2}, v)
	}
	b.Add("scalar", safetensors.F32, nil, v[2:3])
	s, err := parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		want []float32
	}{
		{"F32", v},
		{"F16", []float32{0, 1, -2.5, 65504, 1.0 / (1 << 24), -0.125, 3, 1024}},
		{"BF16", []float32{0, 1, -2.5, 65536, math.Float32frombits(0x33810000), -0.125, 3, 1024}},
		{"scalar", []float32{-2.5}},
	} {
		ten, ok := s.Tensor(c.name)
		if !ok {
			t.Fatalf("no tensor %s", c.name)
		}
		got := make([]float32, ten.Rows()*ten.RowLen())
		if err := s.ReadRows(ten, 0, got); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v %v, want %v", c.name, got, err, c.want)
		}
		last := make([]float32, ten.RowLen())
		if err := s.ReadRows(ten, ten.Rows()-1, last); err != nil || !slices.Equal(last, c.want[len(c.want)-len(last):]) {
			t.Errorf("%s: last row %v %v", c.name, last, err)
		}
		if err := s.ReadRows(ten, ten.Rows(), last); err == nil {
			t.Errorf("%s: a row past the end is read", c.name)
		}
	}
}

// TestEveryHalfIsReadExactly compares all 2^16 patterns of F16 and BF16 with a conversion by powers
// of two.
func TestEveryHalfIsReadExactly(t *testing.T) {
	for _, c := range []struct {
		ty             safetensors.Type
		fraction, bias int
	}{{safetensors.F16, 10, 15}, {safetensors.BF16, 7, 127}} {
		raw := make([]byte, 0, 1<<17)
		for i := range 1 << 16 {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(i))
		}
		var b safetensorstest.Builder
		b.Raw("x", c.ty, []int{1 << 8, 1 << 8}, raw)
		s, err := parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		ten, _ := s.Tensor("x")
		got := make([]float32, 1<<16)
		if err := s.ReadRows(ten, 0, got); err != nil {
			t.Fatal(err)
		}
		for i, x := range got {
			if want := slowHalf(uint16(i), c.fraction, c.bias); math.IsNaN(want) != (x != x) || x == x && (float64(x) != want || math.Signbit(float64(x)) != math.Signbit(want)) {
				t.Fatalf("%s %#04x is %g, want %g", c.ty, i, x, want)
			}
		}
	}
}

func slowHalf(h uint16, fraction, bias int) float64 {
	f, e := int(h)&(1<<fraction-1), int(h)>>fraction&(1<<(15-fraction)-1)
	x := math.Ldexp(float64(f+1<<fraction), e-bias-fraction)
	switch {
	case e == 0:
		x = math.Ldexp(float64(f), 1-bias-fraction)
	case e == 1<<(15-fraction)-1 && f == 0:
		x = math.Inf(1)
	case e == 1<<(15-fraction)-1:
		return math.NaN()
	}
	if h>>15 == 1 {
		return math.Copysign(x, -1)
	}
	return x
}

// TestHostileFilesAreRefused has a file for each rule that only this rule rejects.
func TestHostileFilesAreRefused(t *testing.T) {
	x := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"x":{"dtype":%s,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
	}
	two := func(a, b string) string {
		return fmt.Sprintf(`{"x":{"dtype":"F32","shape":[2],"data_offsets":%s},"y":{"dtype":"F32","shape":[2],"data_offsets":%s}}`, a, b)
	}
	for _, c := range []struct {
		name, header string
		data         int
		want         string
	}{
		{"empty header", "", 0, "does not begin with {"},
		{"array", "[]", 0, "does not begin with {"},
		{"cut header", `{"x":`, 0, "unexpected EOF"},
		{"two values", `{}{}`, 0, "something follows its end"},
		{"no UTF-8", "{\"\xff\":1}", 0, "no UTF-8"},
		{"no object", `{"x":1}`, 0, "1, want {"},
		{"deep", `{"x":` + strings.Repeat("[", 1<<20), 0, "[, want {"},
		{"deep shape", x(`"F32"`, strings.Repeat("[", 1<<20), "[0,4]"), 4, "[, want an integer"},
		{"deep metadata", `{"__metadata__":{"a":{"b":1}}}`, 0, "{, want a text"},
		{"name twice", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2, `"x" appears twice`},
		{"escaped name twice", `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0078":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2, `"x" appears twice`},
		{"key twice", `{"x":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, `"dtype" appears twice`},
		{"unknown key", `{"x":{"dtype":"F32","shape":[1],"strides":[1]}}`, 4, `unknown key "strides"`},
		{"missing key", `{"x":{"dtype":"F32","shape":[1]}}`, 4, "want dtype, shape and data_offsets"},
		{"no name", `{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "a tensor without name"},
		{"long name", `{"` + strings.Repeat("n", 257) + `":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4, "at most 256 bytes"},
		{"unknown type", x(`"F7"`, "[1]", "[0,4]"), 4, `element type "F7" is not known`},
		{"type of another kind", x(`4`, "[1]", "[0,4]"), 4, "4, want a text"},
		{"shape of another kind", x(`"F32"`, `"1"`, "[0,4]"), 4, "want ["},
		{"negative dimension", x(`"F32"`, "[-1]", "[0,4]"), 4, "-1, want an integer"},
		{"fractional dimension", x(`"F32"`, "[1.0]", "[0,4]"), 4, "1.0, want an integer"},
		{"dimension 0", x(`"F32"`, "[0]", "[0,0]"), 0, "dimension 0 is 0"},
		{"nine dimensions", x(`"F32"`, "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "more than 8 numbers"},
		{"product overflows", x(`"F32"`, "[1099511627776,1099511627776]", "[0,4]"), 4, "dimension 1 is 1099511627776, want 1..1"},
		{"product wraps to 4", x(`"F32"`, "[4294967296,4294967297]", "[0,4]"), 4, "dimension 1"},
		{"long row", x(`"U8"`, "[16777217]", "[0,16777217]"), 4, "rows of 16777217 elements"},
		{"bytes of another shape", x(`"F32"`, "[2]", "[0,4]"), 4, "needs 8"},
		{"huge claim", x(`"F32"`, "[1048576,1048576]", "[0,4398046511104]"), 4, "the file has"},
		{"offset overflows", x(`"F32"`, "[1]", "[18446744073709551615,18446744073709551619]"), 4, "want an integer of at most"},
		{"offsets reversed", x(`"F32"`, "[1]", "[4,0]"), 4, "begin <= end"},
		{"one offset", x(`"F32"`, "[1]", "[0]"), 4, "begin <= end"},
		{"three offsets", x(`"F32"`, "[1]", "[0,4,8]"), 4, "more than 2 numbers"},
		{"overlap", two("[0,8]", "[4,12]"), 12, "overlap those of"},
		{"same data", two("[0,8]", "[0,8]"), 8, "overlap those of"},
		{"hole", two("[0,8]", "[12,20]"), 20, "leave a hole"},
		{"hole before the first", x(`"F32"`, "[1]", "[4,8]"), 8, "leave a hole"},
		{"cut data", x(`"F32"`, "[2]", "[0,8]"), 7, "the file has"},
		{"data too many", x(`"F32"`, "[2]", "[0,8]"), 9, "1 bytes follow"},
	} {
		if _, err := parse(file(c.header, c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := parse(file(x(`"F32"`, "[2]", "[0,8]"), 8)); err != nil {
		t.Errorf("the file that the cases spoil is refused: %v", err)
	}
}

func TestHeaderLengthIsBounded(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "needs 8 bytes"},
		{binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "at most 33554432"},
		{binary.LittleEndian.AppendUint64(nil, 1<<20), "needs 1048576 bytes, the file has 0 left"},
	} {
		if _, err := parse(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%x: error %v, want %q", c.b, err, c.want)
		}
	}
}

// TestUnsupportedTypesAreListedAtOnce names every type that cannot be read with its count.
func TestUnsupportedTypesAreListedAtOnce(t *testing.T) {
	var b safetensorstest.Builder
	b.Raw("a", "I64", []int{1}, make([]byte, 8))
	b.Raw("b", "F8_E4M3", []int{2}, make([]byte, 2))
	b.Raw("c", "I64", []int{1}, make([]byte, 8))
	b.Add("d", safetensors.F32, []int{1}, []float32{1})
	s, err := parse(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	err = safetensors.Unsupported(s.Tensors())
	if err == nil || !strings.Contains(err.Error(), "F8_E4M3 x1 (b), I64 x2 (a); supported are BF16, F16, F32") {
		t.Errorf("error %v", err)
	}
	ten, _ := s.Tensor("a")
	if err := s.ReadRows(ten, 0, make([]float32, 1)); err == nil || !strings.Contains(err.Error(), "type I64 is not supported") {
		t.Errorf("error %v", err)
	}
}

func write(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func one(name string, x float32) []byte {
	var b safetensorstest.Builder
	b.Add(name, safetensors.F32, []int{1}, []float32{x})
	return b.Bytes()
}

func TestFoldersAndShards(t *testing.T) {
	const index = "model.safetensors.index.json"
	for _, c := range []struct {
		name, index string
		files       map[string][]byte
		want        string // "": opens with x = 1, and y = 2 where there is an index
	}{
		{"single", "", map[string][]byte{"model.safetensors": one("x", 1), "other.safetensors": one("x", 2)}, ""},
		{"only one", "", map[string][]byte{"w.safetensors": one("x", 1)}, ""},
		{"two and no index", "", map[string][]byte{"a.safetensors": one("x", 1), "b.safetensors": one("x", 2)}, "2 safetensors files and no"},
		{"none", "", map[string][]byte{"w.bin": one("x", 1)}, "no safetensors file"},
		{"shards", `{"metadata":{"total_size":8},"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}`, map[string][]byte{"a.safetensors": one("x", 1), "b.safetensors": one("y", 2)}, ""},
		{"missing shard", `{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}`, map[string][]byte{"a.safetensors": one("x", 1)}, "b.safetensors: no such file"},
		{"tensor twice", `{"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}`, map[string][]byte{"a.safetensors": one("x", 1), "b.safetensors": one("x", 2)}, `tensor "x" is in two files`},
		{"tensor elsewhere", `{"weight_map":{"x":"b.safetensors","y":"a.safetensors"}}`, map[string][]byte{"a.safetensors": one("x", 1), "b.safetensors": one("y", 2)}, `tensor "x" is in a.safetensors, the index says "b.safetensors"`},
		{"tensor not in the index", `{"weight_map":{"y":"b.safetensors","z":"a.safetensors"}}`, map[string][]byte{"a.safetensors": one("x", 1), "b.safetensors": one("y", 2)}, `tensor "x" is in a.safetensors, the index says ""`},
		{"tensor in no shard", `{"weight_map":{"x":"a.safetensors","y":"b.safetensors","z":"a.safetensors"}}`, map[string][]byte{"a.safetensors": one("x", 1), "b.safetensors": one("y", 2)}, `tensor "z" is not in a.safetensors`},
		{"shard outside", `{"weight_map":{"x":"../a.safetensors"}}`, nil, "want the name of a file of the folder"},
		{"index key twice", `{"weight_map":{"x":"a.safetensors","x":"a.safetensors"}}`, nil, `"x" appears twice`},
		{"index without map", `{}`, nil, "no weight_map"},
		{"deep index", `{"metadata":{"a":[[[[`, nil, "[, want one value"},
		{"unknown index key", `{"weights":{}}`, nil, `unknown key "weights"`},
		{"index no UTF-8", "{\"\xff\":1}", nil, "no UTF-8"},
	} {
		dir := t.TempDir()
		for name, b := range c.files {
			write(t, dir, name, b)
		}
		want := map[string]float32{"x": 1}
		if c.index != "" {
			write(t, dir, index, []byte(c.index))
			want["y"] = 2
		}
		s, err := safetensors.OpenFolder(dir)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for name, x := range want {
			ten, _ := s.Tensor(name)
			got := []float32{0}
			if err := s.ReadRows(ten, 0, got); err != nil || got[0] != x {
				t.Errorf("%s: %s is %g %v, want %g", c.name, name, got[0], err, x)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := safetensors.OpenFolder(t.TempDir()); !errors.Is(err, safetensors.ErrNone) {
		t.Errorf("an empty folder: %v", err)
	}
}

func FuzzNew(f *testing.F) {
	var b safetensorstest.Builder
	b.Entry(`"__metadata__":{"format":"pt"}`)
	b.Add("x", safetensors.BF16, []int{2, 3}, make([]float32, 6))
	b.Add("y", safetensors.F32, nil, make([]float32, 1))
	f.Add(b.Bytes())
	f.Add(file(`{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parse(b)
		if err != nil {
			return
		}
		at := int64(8) + int64(binary.LittleEndian.Uint64(b))
		for _, ten := range s.Tensors() {
			if ten.Offset != at || ten.Offset+ten.Bytes > int64(len(b)) {
				t.Fatalf("%+v does not begin at %d or ends beyond the %d bytes of the file", ten, at, len(b))
			}
			at += ten.Bytes
			if ten.Type.Readable() {
				if err := s.ReadRows(ten, ten.Rows()-1, make([]float32, ten.RowLen())); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
