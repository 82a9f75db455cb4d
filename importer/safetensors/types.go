package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"elenchus/importer/gguf"
)

// Type is the element type of a tensor, as the header names it.
type Type string

// The element types whose rows can be read.
const (
	F32  Type = "F32"
	F16  Type = "F16"
	BF16 Type = "BF16"
)

// layout is the size of an element and how to read them; read is nil where rows cannot be read.
type layout struct {
	bytes int
	read  func(dst []float32, src []byte)
}

// layouts holds every type of the format with whole bytes for an element, so that files can be
// checked and unsupported tensors named.
var layouts = map[Type]layout{
	F32: {4, readF32}, F16: {2, readF16}, BF16: {2, readBF16},
	"F64": {8, nil}, "I64": {8, nil}, "U64": {8, nil}, "C64": {8, nil},
	"I32": {4, nil}, "U32": {4, nil}, "I16": {2, nil}, "U16": {2, nil},
	"I8": {1, nil}, "U8": {1, nil}, "BOOL": {1, nil},
	"F8_E5M2": {1, nil}, "F8_E4M3": {1, nil}, "F8_E8M0": {1, nil},
}

// Readable says whether rows of the type can be read.
func (t Type) Readable() bool { return layouts[t].read != nil }

func readable() string {
	var names []string
	for t, l := range layouts {
		if l.read != nil {
			names = append(names, string(t))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Unsupported is nil if rows of all the tensors can be read; otherwise an error that lists every
// type that cannot, with the number of tensors of each and the name of one.
func Unsupported(tensors []Tensor) error {
	counts, first := map[Type]int{}, map[Type]string{}
	for _, t := range tensors {
		if t.Type.Readable() {
			continue
		}
		if counts[t.Type]++; counts[t.Type] == 1 {
			first[t.Type] = t.Name
		}
	}
	if len(counts) == 0 {
		return nil
	}
	var list []string
	for t, n := range counts {
		list = append(list, fmt.Sprintf("%s x%d (%s)", t, n, first[t]))
	}
	slices.Sort(list)
	return fmt.Errorf("safetensors: unsupported tensor types: %s; supported are %s", strings.Join(list, ", "), readable())
}

func readF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func readF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = gguf.HalfToFloat32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func readBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}
