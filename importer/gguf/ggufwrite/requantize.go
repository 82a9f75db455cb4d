package ggufwrite

import (
	"fmt"

	"elenchus/importer/gguf"
)

// Requantize writes a file again with its matrices in type t; those whose rows t does not divide
// become F16, vectors stay F32. Metadata are kept.
func Requantize(f *gguf.File, t gguf.Type) ([]byte, error) {
	var b Builder
	for _, key := range f.Keys() {
		if err := b.copyKey(f, key); err != nil {
			return nil, err
		}
	}
	for _, x := range f.Tensors() {
		v := make([]float32, x.RowLen()*x.Rows())
		if err := f.ReadRows(x, 0, v); err != nil {
			return nil, err
		}
		if x.Rows() == 1 {
			b.AddF32(x.Name, x.Dims, v)
		} else if err := b.AddAs(x.Name, t, x.Dims, v); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func (b *Builder) copyKey(f *gguf.File, key string) error {
	v, err := f.Value(key)
	if err != nil {
		return err
	}
	switch {
	case v.Type == gguf.Array && v.Elem == gguf.String:
		s, err := f.Strings(key)
		b.SetStrings(key, s)
		return err
	case v.Type == gguf.Array && v.Elem == gguf.Float32:
		x, err := f.Floats(key)
		list := make([]float32, len(x))
		for i := range x {
			list[i] = float32(x[i])
		}
		b.SetFloat32s(key, list)
		return err
	case v.Type == gguf.Array:
		x, err := f.Ints(key)
		list := make([]int32, len(x))
		for i := range x {
			list[i] = int32(x[i])
		}
		b.SetInt32s(key, list)
		return err
	case v.Type == gguf.String:
		s, err := f.String(key)
		b.SetString(key, s)
		return err
	case v.Type == gguf.Bool:
		x, err := f.Bool(key)
		b.SetBool(key, x)
		return err
	case v.Type == gguf.Float32:
		x, err := f.Float(key)
		b.SetFloat32(key, float32(x))
		return err
	}
	x, err := f.Uint(key)
	b.SetUint32(key, uint32(x))
	return err
}

// AddAs adds a tensor in type t, F16 where t does not divide its rows.
func (b *Builder) AddAs(name string, t gguf.Type, dims []uint64, v []float32) error {
	switch t {
	case gguf.F32:
		b.AddF32(name, dims, v)
		return nil
	case gguf.F16:
		b.AddF16(name, dims, v)
		return nil
	}
	q, ok := quantizers[t]
	if !ok {
		return fmt.Errorf("ggufwrite: matrices of type %s cannot be written", t)
	}
	if dims[0]%uint64(q.elems) != 0 {
		b.AddF16(name, dims, v)
		return nil
	}
	var raw []byte
	for ; len(v) > 0; v = v[q.elems:] {
		raw = q.block(raw, v[:q.elems])
	}
	b.Add(name, t, dims, raw)
	return nil
}
