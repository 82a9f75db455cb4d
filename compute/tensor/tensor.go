// Package tensor holds typed integer arrays and their bytes.
//
// It stands at the bottom of the compute floor: everything that is computed is a tensor of it.
// Invariants: row-major, the reduced axis innermost, little-endian two's complement bytes.
// SPEC 01 §1.
//
//	x := tensor.New(tensor.I32, 2, 3)
//	x.Set(4, -7)
//	b := x.Bytes(0, x.Len())
package tensor

import (
	"encoding/binary"
	"fmt"
)

// DType is the type of the elements; the zero value is illegal. The numbers are those of descriptors.
type DType uint8

// Element types, SPEC 01 §1.1.
const (
	I8  DType = 1
	I16 DType = 2
	I32 DType = 3
	I64 DType = 4
)

// Valid says whether d names an element type.
func (d DType) Valid() bool { return d >= I8 && d <= I64 }

// Size is the number of bytes of an element: 1, 2, 4, 8.
func (d DType) Size() int { return 1 << (d - 1) }

// String is the name that the spec uses.
func (d DType) String() string {
	switch d {
	case I8:
		return "i8"
	case I16:
		return "i16"
	case I32:
		return "i32"
	case I64:
		return "i64"
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Tensor is a typed array with up to three dimensions. Exactly the slice of its type is set; the
// holder of the Tensor owns it.
type Tensor struct {
	Type  DType
	Shape [3]int
	I8    []int8
	I16   []int16
	I32   []int32
	I64   []int64
}

// New allocates a zero tensor; missing dimensions are 1.
func New(d DType, dims ...int) *Tensor {
	t := &Tensor{Type: d, Shape: [3]int{1, 1, 1}}
	copy(t.Shape[:], dims)
	n := t.Shape[0] * t.Shape[1] * t.Shape[2]
	switch d {
	case I8:
		t.I8 = make([]int8, n)
	case I16:
		t.I16 = make([]int16, n)
	case I32:
		t.I32 = make([]int32, n)
	case I64:
		t.I64 = make([]int64, n)
	default:
		panic(fmt.Sprintf("tensor: no element type %d", d))
	}
	return t
}

// Len is the number of elements.
func (t *Tensor) Len() int { return t.Shape[0] * t.Shape[1] * t.Shape[2] }

// At is element i, flat and row-major.
func (t *Tensor) At(i int) int64 {
	switch t.Type {
	case I8:
		return int64(t.I8[i])
	case I16:
		return int64(t.I16[i])
	case I32:
		return int64(t.I32[i])
	}
	return t.I64[i]
}

// Set stores v in element i; v must fit the type (the caller saturates).
func (t *Tensor) Set(i int, v int64) {
	switch t.Type {
	case I8:
		t.I8[i] = int8(v)
	case I16:
		t.I16[i] = int16(v)
	case I32:
		t.I32[i] = int32(v)
	default:
		t.I64[i] = v
	}
}

// Bytes are elements [lo, hi) as little-endian bytes, newly allocated.
func (t *Tensor) Bytes(lo, hi int) []byte {
	return t.Append(make([]byte, 0, (hi-lo)*t.Type.Size()), lo, hi)
}

// Append appends what Bytes returns to out.
func (t *Tensor) Append(out []byte, lo, hi int) []byte {
	switch t.Type {
	case I8:
		for _, v := range t.I8[lo:hi] {
			out = append(out, byte(v))
		}
	case I16:
		for _, v := range t.I16[lo:hi] {
			out = binary.LittleEndian.AppendUint16(out, uint16(v))
		}
	case I32:
		for _, v := range t.I32[lo:hi] {
			out = binary.LittleEndian.AppendUint32(out, uint32(v))
		}
	default:
		for _, v := range t.I64[lo:hi] {
			out = binary.LittleEndian.AppendUint64(out, uint64(v))
		}
	}
	return out
}

// FromBytes reads a tensor from its little-endian bytes; len(b) must be exactly the tensor's size.
func FromBytes(d DType, b []byte, dims ...int) (*Tensor, error) {
	if !d.Valid() {
		return nil, fmt.Errorf("element type %d is none of 1..4", d)
	}
	n := 1
	for _, v := range dims {
		n *= v
	}
	if n < 0 || n*d.Size() != len(b) {
		return nil, fmt.Errorf("tensor of %d %s needs %d bytes, got %d", n, d, n*d.Size(), len(b))
	}
	t := New(d, dims...)
	t.Fill(0, b)
	return t, nil
}

// Fill stores little-endian elements from element at on; they must fit.
func (t *Tensor) Fill(at int, b []byte) {
	switch t.Type {
	case I8:
		to := t.I8[at : at+len(b)]
		for i, v := range b {
			to[i] = int8(v)
		}
	case I16:
		for i := range t.I16[at : at+len(b)/2] {
			t.I16[at+i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
		}
	case I32:
		for i := range t.I32[at : at+len(b)/4] {
			t.I32[at+i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
		}
	default:
		for i := range t.I64[at : at+len(b)/8] {
			t.I64[at+i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
}

// Element reads element i of type d from little-endian bytes.
func Element(d DType, b []byte, i int) int64 {
	switch d {
	case I8:
		return int64(int8(b[i]))
	case I16:
		return int64(int16(binary.LittleEndian.Uint16(b[2*i:])))
	case I32:
		return int64(int32(binary.LittleEndian.Uint32(b[4*i:])))
	}
	return int64(binary.LittleEndian.Uint64(b[8*i:]))
}
