package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// ValueType is the type code of a metadata value.
type ValueType uint32

// The types of metadata values, numbered as in the file.
const (
	Uint8   ValueType = 0
	Int8    ValueType = 1
	Uint16  ValueType = 2
	Int16   ValueType = 3
	Uint32  ValueType = 4
	Int32   ValueType = 5
	Float32 ValueType = 6
	Bool    ValueType = 7
	String  ValueType = 8
	Array   ValueType = 9
	Uint64  ValueType = 10
	Int64   ValueType = 11
	Float64 ValueType = 12
)

var valueTypes = [...]struct {
	name string
	size int // bytes of a scalar; 0 for string and array
}{
	Uint8: {"u8", 1}, Int8: {"i8", 1}, Uint16: {"u16", 2}, Int16: {"i16", 2},
	Uint32: {"u32", 4}, Int32: {"i32", 4}, Float32: {"f32", 4}, Bool: {"bool", 1},
	String: {"string", 0}, Array: {"array", 0}, Uint64: {"u64", 8}, Int64: {"i64", 8},
	Float64: {"f64", 8},
}

// String returns the short name of the type, as in "u32".
func (t ValueType) String() string {
	if int(t) < len(valueTypes) {
		return valueTypes[t].name
	}
	return "type " + strconv.FormatUint(uint64(t), 10)
}

// Sizes in bytes of the smallest encodings, for bounding counts.
const (
	minKeyBytes    = 8 + 4 + 1
	minStringBytes = 8
)

// ErrNoKey is returned, wrapped, for a metadata key the file does not have.
var ErrNoKey = errors.New("no such metadata key")

// Value is one metadata value: a scalar, or an array of scalars. Numbers are
// kept as the bytes of the file.
type Value struct {
	Type    ValueType // Array for arrays
	Elem    ValueType // type of the elements; equals Type for scalars
	Len     int       // number of elements; 1 for scalars
	raw     []byte    // elements of fixed size, one after another
	strings []string  // elements of type String
}

func readValue(c *cursor, field string) (Value, error) {
	at := c.at
	code, err := c.uint32("type of " + field)
	if err != nil {
		return Value{}, err
	}
	v := Value{Type: ValueType(code), Elem: ValueType(code), Len: 1}
	if v.Type == Array {
		if v.Elem, v.Len, err = readArrayHead(c, field); err != nil {
			return Value{}, err
		}
	}
	if int(v.Elem) >= len(valueTypes) {
		return Value{}, fmt.Errorf("type of %s at offset %d: unknown %s", field, at, v.Elem)
	}
	if v.Elem == String {
		v.strings, err = readStrings(c, field, v.Len)
		return v, err
	}
	// Len <= MaxArray and size <= 8: at most 32 MiB, and no more than the file has.
	n := v.Len * valueTypes[v.Elem].size
	if err := c.need(field, int64(n)); err != nil {
		return Value{}, err
	}
	v.raw = make([]byte, n)
	at = c.at
	if err := c.read(field, v.raw); err != nil {
		return Value{}, err
	}
	return v, v.checkBools(field, at)
}

func readArrayHead(c *cursor, field string) (ValueType, int, error) {
	at := c.at
	code, err := c.uint32("element type of " + field)
	if err != nil {
		return 0, 0, err
	}
	elem := ValueType(code)
	if elem == Array {
		return 0, 0, fmt.Errorf("element type of %s at offset %d: arrays inside arrays are not supported", field, at)
	}
	n, err := c.count("length of "+field, MaxArray, 1)
	return elem, int(n), err
}

func readStrings(c *cursor, field string, n int) ([]string, error) {
	if err := c.need(field, int64(n)*minStringBytes); err != nil {
		return nil, err
	}
	out := make([]string, n)
	for i := range out {
		var err error
		if out[i], err = c.string(field, MaxStringBytes); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return out, nil
}

func (v Value) checkBools(field string, at int64) error {
	if v.Elem != Bool {
		return nil
	}
	for i, b := range v.raw {
		if b > 1 {
			return fmt.Errorf("%s at offset %d: bool %d, want 0 or 1", field, at+int64(i), b)
		}
	}
	return nil
}

// bits returns element i, sign-extended for signed integers; i < Len and the
// elements are of fixed size.
func (v Value) bits(i int) uint64 {
	switch v.Elem {
	case Int8:
		return uint64(int8(v.raw[i]))
	case Uint8, Bool:
		return uint64(v.raw[i])
	case Uint16:
		return uint64(binary.LittleEndian.Uint16(v.raw[2*i:]))
	case Int16:
		return uint64(int16(binary.LittleEndian.Uint16(v.raw[2*i:])))
	case Uint32, Float32:
		return uint64(binary.LittleEndian.Uint32(v.raw[4*i:]))
	case Int32:
		return uint64(int32(binary.LittleEndian.Uint32(v.raw[4*i:])))
	default:
		return binary.LittleEndian.Uint64(v.raw[8*i:])
	}
}

// integer returns element i as an int64, if it is an integer that fits.
func (v Value) integer(i int) (int64, bool) {
	switch v.Elem {
	case Uint64:
		return int64(v.bits(i)), v.bits(i) <= math.MaxInt64
	case Uint8, Int8, Uint16, Int16, Uint32, Int32, Int64:
		return int64(v.bits(i)), true
	default:
		return 0, false
	}
}

// float returns element i as a float64, if it is a float.
func (v Value) float(i int) (float64, bool) {
	switch v.Elem {
	case Float32:
		return float64(math.Float32frombits(uint32(v.bits(i)))), true
	case Float64:
		return math.Float64frombits(v.bits(i)), true
	default:
		return 0, false
	}
}
