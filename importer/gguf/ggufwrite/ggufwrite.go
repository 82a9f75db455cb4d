// Package ggufwrite writes small GGUF files, version 3, for tests.
//
// It stands beside the reader on the importer floor and lets tests make models
// of any shape without shipping files: Builder writes metadata and tensors as
// given, TinyLlama a whole random model with a tokenizer. Nothing is checked,
// so that tests can write invalid files too.
//
//	var b ggufwrite.Builder
//	b.SetString("general.architecture", "llama")
//	b.AddF32("output_norm.weight", []uint64{64}, norm)
//	f, err := gguf.New(bytes.NewReader(b.Bytes()), int64(len(b.Bytes())))
package ggufwrite

import (
	"encoding/binary"
	"math"

	"elenchus/importer/gguf"
)

// Alignment is the alignment of tensor data in the files written, in bytes.
const Alignment = 32

// Builder collects metadata and tensors. The zero value is an empty file.
type Builder struct {
	keys, tensors    uint64
	meta, info, data []byte
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// Set adds a metadata entry with the raw bytes of its value.
func (b *Builder) Set(key string, t gguf.ValueType, raw []byte) {
	b.keys++
	b.meta = appendString(b.meta, key)
	b.meta = binary.LittleEndian.AppendUint32(b.meta, uint32(t))
	b.meta = append(b.meta, raw...)
}

// SetArray adds a metadata array of n elements with the raw bytes of them all.
func (b *Builder) SetArray(key string, elem gguf.ValueType, n int, raw []byte) {
	head := binary.LittleEndian.AppendUint32(nil, uint32(elem))
	head = binary.LittleEndian.AppendUint64(head, uint64(n))
	b.Set(key, gguf.Array, append(head, raw...))
}

// SetString adds a string.
func (b *Builder) SetString(key, v string) { b.Set(key, gguf.String, appendString(nil, v)) }

// SetUint32 adds an unsigned integer.
func (b *Builder) SetUint32(key string, v uint32) {
	b.Set(key, gguf.Uint32, binary.LittleEndian.AppendUint32(nil, v))
}

// SetFloat32 adds a float.
func (b *Builder) SetFloat32(key string, v float32) {
	b.Set(key, gguf.Float32, floats([]float32{v}))
}

// SetBool adds a boolean.
func (b *Builder) SetBool(key string, v bool) {
	raw := []byte{0}
	if v {
		raw[0] = 1
	}
	b.Set(key, gguf.Bool, raw)
}

// SetStrings adds an array of strings.
func (b *Builder) SetStrings(key string, v []string) {
	var raw []byte
	for _, s := range v {
		raw = appendString(raw, s)
	}
	b.SetArray(key, gguf.String, len(v), raw)
}

// SetFloat32s adds an array of floats.
func (b *Builder) SetFloat32s(key string, v []float32) {
	b.SetArray(key, gguf.Float32, len(v), floats(v))
}

// SetInt32s adds an array of signed integers.
func (b *Builder) SetInt32s(key string, v []int32) {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(x))
	}
	b.SetArray(key, gguf.Int32, len(v), raw)
}

// Add adds a tensor with its raw data, dims[0] being the row length. The data
// start at the next multiple of Alignment.
func (b *Builder) Add(name string, t gguf.Type, dims []uint64, raw []byte) {
	b.data = append(b.data, make([]byte, -len(b.data)&(Alignment-1))...)
	b.AddAt(name, t, dims, uint64(len(b.data)))
	b.data = append(b.data, raw...)
}

// AddAt describes a tensor whose data are at an offset from the start of the
// tensor data, and adds none.
func (b *Builder) AddAt(name string, t gguf.Type, dims []uint64, offset uint64) {
	b.tensors++
	b.info = appendString(b.info, name)
	b.info = binary.LittleEndian.AppendUint32(b.info, uint32(len(dims)))
	for _, d := range dims {
		b.info = binary.LittleEndian.AppendUint64(b.info, d)
	}
	b.info = binary.LittleEndian.AppendUint32(b.info, uint32(t))
	b.info = binary.LittleEndian.AppendUint64(b.info, offset)
}

// AddF32 adds a tensor of floats.
func (b *Builder) AddF32(name string, dims []uint64, v []float32) {
	b.Add(name, gguf.F32, dims, floats(v))
}

// AddF16 adds a tensor of halves, rounded to nearest, ties to even.
func (b *Builder) AddF16(name string, dims []uint64, v []float32) {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint16(raw, Half(x))
	}
	b.Add(name, gguf.F16, dims, raw)
}

// AddQ8 adds a tensor in Q8_0; the row length is a multiple of gguf.BlockLen.
// Each block is scaled so that its largest magnitude becomes 127.
func (b *Builder) AddQ8(name string, dims []uint64, v []float32) {
	var raw []byte
	for ; len(v) > 0; v = v[gguf.BlockLen:] {
		raw = appendQ8(raw, v[:gguf.BlockLen])
	}
	b.Add(name, gguf.Q8_0, dims, raw)
}

func appendQ8(raw []byte, v []float32) []byte {
	var largest float64
	for _, x := range v {
		largest = max(largest, math.Abs(float64(x)))
	}
	scale := largest / 127
	raw = binary.LittleEndian.AppendUint16(raw, Half(float32(scale)))
	for _, x := range v {
		q := 0.0
		if scale > 0 {
			q = math.Round(float64(x) / scale)
		}
		raw = append(raw, byte(int8(q)))
	}
	return raw
}

// Bytes returns the file.
func (b *Builder) Bytes() []byte {
	out := []byte("GGUF")
	out = binary.LittleEndian.AppendUint32(out, 3)
	out = binary.LittleEndian.AppendUint64(out, b.tensors)
	out = binary.LittleEndian.AppendUint64(out, b.keys)
	out = append(out, b.meta...)
	out = append(out, b.info...)
	out = append(out, make([]byte, -len(out)&(Alignment-1))...)
	return append(out, b.data...)
}

func floats(v []float32) []byte {
	var raw []byte
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return raw
}

// Half returns the bits of the IEEE 754 half nearest to x, ties to even;
// magnitudes from 65520 on become infinite.
func Half(x float32) uint16 {
	bits := math.Float32bits(x)
	sign := uint16(bits >> 16 & 0x8000)
	a := math.Abs(float64(x))
	switch {
	case x != x:
		return sign | 0x7e00
	case a >= 65520:
		return sign | 0x7c00
	case a < 1.0/(1<<14): // zero and subnormals: multiples of 2^-24
		return sign | uint16(math.RoundToEven(a*(1<<24)))
	}
	// 13 bits of the fraction go; the carry may run into the exponent.
	m := bits & 0x7fffffff
	m += 0xfff + m>>13&1
	return sign | uint16(m>>13-(127-15)<<10)
}
