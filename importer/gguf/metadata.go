package gguf

import (
	"fmt"
	"slices"
)

// Keys returns the metadata keys in the order of the file.
func (f *File) Keys() []string { return slices.Clone(f.keys) }

// Has says whether the file has the metadata key.
func (f *File) Has(key string) bool {
	_, ok := f.values[key]
	return ok
}

// Value returns the value of a metadata key, or an error matching ErrNoKey.
func (f *File) Value(key string) (Value, error) {
	v, ok := f.values[key]
	if !ok {
		return Value{}, fmt.Errorf("metadata %q: %w", key, ErrNoKey)
	}
	return v, nil
}

// scalar returns the value of a key that is no array.
func (f *File) scalar(key string) (Value, error) {
	v, err := f.Value(key)
	if err == nil && v.Type == Array {
		return Value{}, fmt.Errorf("metadata %q: array of %s, want one value", key, v.Elem)
	}
	return v, err
}

// array returns the value of a key that is an array.
func (f *File) array(key string) (Value, error) {
	v, err := f.Value(key)
	if err == nil && v.Type != Array {
		return Value{}, fmt.Errorf("metadata %q: one %s, want an array", key, v.Elem)
	}
	return v, err
}

// Uint returns an integer that is not negative, of any integer type. An absent
// key is an error matching ErrNoKey, here and in the methods below.
func (f *File) Uint(key string) (uint64, error) {
	v, err := f.scalar(key)
	if err != nil {
		return 0, err
	}
	if v.Elem == Uint64 {
		return v.bits(0), nil
	}
	n, ok := v.integer(0)
	if !ok || n < 0 {
		return 0, fmt.Errorf("metadata %q: %s %d, want an integer >= 0", key, v.Elem, n)
	}
	return uint64(n), nil
}

// Float returns a float of either type.
func (f *File) Float(key string) (float64, error) {
	v, err := f.scalar(key)
	if err != nil {
		return 0, err
	}
	x, ok := v.float(0)
	if !ok {
		return 0, fmt.Errorf("metadata %q: %s, want a float", key, v.Elem)
	}
	return x, nil
}

// Bool returns a boolean.
func (f *File) Bool(key string) (bool, error) {
	v, err := f.scalar(key)
	if err != nil {
		return false, err
	}
	if v.Elem != Bool {
		return false, fmt.Errorf("metadata %q: %s, want a bool", key, v.Elem)
	}
	return v.bits(0) == 1, nil
}

// String returns a string, which may be any bytes.
func (f *File) String(key string) (string, error) {
	v, err := f.scalar(key)
	if err != nil {
		return "", err
	}
	if v.Elem != String {
		return "", fmt.Errorf("metadata %q: %s, want a string", key, v.Elem)
	}
	return v.strings[0], nil
}

// Strings returns an array of strings.
func (f *File) Strings(key string) ([]string, error) {
	v, err := f.array(key)
	if err != nil {
		return nil, err
	}
	if v.Elem != String {
		return nil, fmt.Errorf("metadata %q: array of %s, want strings", key, v.Elem)
	}
	return slices.Clone(v.strings), nil
}

// Ints returns an array of integers of any type.
func (f *File) Ints(key string) ([]int64, error) {
	v, err := f.array(key)
	if err != nil {
		return nil, err
	}
	out := make([]int64, v.Len)
	for i := range out {
		var ok bool
		if v.Elem == String {
			return nil, fmt.Errorf("metadata %q: array of %s, want integers", key, v.Elem)
		}
		if out[i], ok = v.integer(i); !ok {
			return nil, fmt.Errorf("metadata %q: element %d is no integer that fits 64 bits (%s)", key, i, v.Elem)
		}
	}
	return out, nil
}

// Floats returns an array of floats of either type.
func (f *File) Floats(key string) ([]float64, error) {
	v, err := f.array(key)
	if err != nil {
		return nil, err
	}
	if v.Elem != Float32 && v.Elem != Float64 {
		return nil, fmt.Errorf("metadata %q: array of %s, want floats", key, v.Elem)
	}
	out := make([]float64, v.Len)
	for i := range out {
		out[i], _ = v.float(i)
	}
	return out, nil
}
