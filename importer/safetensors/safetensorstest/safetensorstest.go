// Package safetensorstest writes safetensors files for tests.
//
// It stands beside the reader on the importer floor, as ggufwrite does for GGUF, and lets tests make
// models of any shape without shipping files. Nothing is checked, so that tests can write invalid
// files too; Large streams what would not fit memory.
//
//	var b safetensorstest.Builder
//	b.Add("model.norm.weight", safetensors.F32, []int{64}, norm)
//	s, err := safetensors.New(bytes.NewReader(b.Bytes()), int64(len(b.Bytes())))
package safetensorstest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"

	"elenchus/importer/gguf/ggufwrite"
	"elenchus/importer/safetensors"
)

// Builder collects tensors. The zero value is an empty file.
type Builder struct {
	entries []string
	data    []func(io.Writer) error
	at      int64
}

// Raw adds a tensor with the bytes of its data.
func (b *Builder) Raw(name string, t safetensors.Type, shape []int, raw []byte) {
	b.Large(name, t, shape, int64(len(raw)), func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// Large adds a tensor of n bytes that write writes when the file is written.
func (b *Builder) Large(name string, t safetensors.Type, shape []int, n int64, write func(io.Writer) error) {
	dims := strings.ReplaceAll(fmt.Sprint(shape), " ", ",")
	b.Entry(fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, name, t, dims, b.at, b.at+n))
	b.data = append(b.data, write)
	b.at += n
}

// Entry adds text to the header as it is.
func (b *Builder) Entry(text string) { b.entries = append(b.entries, text) }

// Add adds a tensor of floats as F32, F16 (to nearest, ties to even) or BF16 (likewise).
func (b *Builder) Add(name string, t safetensors.Type, shape []int, v []float32) {
	b.Raw(name, t, shape, Encode(nil, t, v))
}

// Encode appends floats as F32, F16 or BF16.
func Encode(raw []byte, t safetensors.Type, v []float32) []byte {
	for _, x := range v {
		switch t {
		case safetensors.F32:
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		case safetensors.F16:
			raw = binary.LittleEndian.AppendUint16(raw, ggufwrite.Half(x))
		case safetensors.BF16:
			raw = binary.LittleEndian.AppendUint16(raw, BF16(x))
		default:
			panic(fmt.Sprintf("safetensorstest: floats of type %s cannot be written", t))
		}
	}
	return raw
}

// BF16 is the bits of the bfloat16 nearest to x, ties to even.
func BF16(x float32) uint16 {
	bits := math.Float32bits(x)
	if x != x {
		return uint16(bits>>16) | 0x40
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// Bytes is the file.
func (b *Builder) Bytes() []byte {
	var out bytes.Buffer
	_ = b.Write(&out) // a buffer takes everything
	return out.Bytes()
}

// Write writes the file.
func (b *Builder) Write(w io.Writer) error {
	header := []byte("{" + strings.Join(b.entries, ",") + "}")
	for len(header)%8 != 0 {
		header = append(header, ' ')
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)); err != nil {
		return err
	}
	for _, write := range b.data {
		if err := write(w); err != nil {
			return err
		}
	}
	return nil
}
