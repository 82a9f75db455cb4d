// Package safetensors reads weight files in the safetensors format, one file or a folder of shards.
//
// It stands on the importer floor beside gguf: other people's files come in here, as tensor
// descriptions and rows of float32. It knows nothing of models; importer/hf gives the tensors their
// meaning.
//
// A file is hostile until read: the header is bounded before it is loaded, names are unique, shapes
// do not overflow, and the data of the tensors lie one after another and fill the file exactly, as
// the format demands, so a small file cannot claim large tensors. Errors name the tensor and the
// offset.
//
//	s, err := safetensors.OpenFolder("SmolLM2-135M")
//	defer s.Close()
//	t, ok := s.Tensor("model.embed_tokens.weight")
//	row := make([]float32, t.RowLen())
//	err = s.ReadRows(t, 0, row)
package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

// Bounds of an acceptable file. All of them are checked before allocating.
const (
	MaxHeaderBytes = 1 << 25 // the JSON of one file
	MaxTensors     = 1 << 16 // of one file, and of all shards together
	MaxNameBytes   = 256
	MaxDims        = 8
	MaxRowLen      = 1 << 24 // elements of a row, the last dimension
	MaxElements    = 1 << 40
	MaxShards      = 1 << 10
)

// lengthBytes is the size of the field before the header: its length, little-endian.
const lengthBytes = 8

// maxRead is how many bytes of tensor data are read at a time.
const maxRead = 1 << 20

// Tensor describes a tensor.
type Tensor struct {
	Name string
	Type Type
	// Shape has 0..MaxDims entries, each at least 1, the row length last.
	Shape  []int
	Offset int64 // of the data, from the start of its file, in bytes
	Bytes  int64 // of the data
	file   int   // of the set
}

// RowLen is the number of elements of a row, the last dimension; 1 for a scalar.
func (t *Tensor) RowLen() int {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[len(t.Shape)-1]
}

// Rows is the number of rows, the product of all dimensions but the last.
func (t *Tensor) Rows() int {
	n := 1 // <= MaxElements
	for _, d := range t.Shape[:max(0, len(t.Shape)-1)] {
		n *= d
	}
	return n
}

// Set is the tensors of one file or of all shards of a model. It is immutable after opening and safe
// for concurrent use as far as the underlying io.ReaderAt is.
type Set struct {
	files   []io.ReaderAt
	closers []io.Closer
	tensors []Tensor
	index   map[string]int
	buffers sync.Pool // of *[]byte of at most maxRead bytes, for reading tensor data
}

// Open opens one file. The caller closes the set.
func Open(path string) (*Set, error) {
	s := &Set{index: map[string]int{}}
	if err := s.add(path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// New reads the header of a file of size bytes. r must stay readable as long as tensor data are read;
// Close leaves it alone.
func New(r io.ReaderAt, size int64) (*Set, error) {
	s := &Set{index: map[string]int{}}
	if err := s.read(r, size); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return s, nil
}

// Close closes the files that Open or OpenFolder opened.
func (s *Set) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Tensors are all tensors, file by file, in the order of their data.
func (s *Set) Tensors() []Tensor { return slices.Clone(s.tensors) }

// Tensor is the tensor with the name.
func (s *Set) Tensor(name string) (Tensor, bool) {
	i, ok := s.index[name]
	if !ok {
		return Tensor{}, false
	}
	return s.tensors[i], true
}

func (s *Set) add(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, file)
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("safetensors: %s is no regular file", path)
	}
	if err := s.read(file, info.Size()); err != nil {
		return fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return nil
}

// read adds the tensors of a file.
func (s *Set) read(r io.ReaderAt, size int64) error {
	var b [lengthBytes]byte
	if size < lengthBytes {
		return fmt.Errorf("header length at offset 0: needs %d bytes, the file has %d", lengthBytes, size)
	}
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return fmt.Errorf("header length at offset 0: %w", err)
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > MaxHeaderBytes {
		return fmt.Errorf("header length at offset 0: %d, at most %d: not a safetensors file", n, MaxHeaderBytes)
	}
	if int64(n) > size-lengthBytes {
		return fmt.Errorf("header at offset %d: needs %d bytes, the file has %d left", lengthBytes, n, size-lengthBytes)
	}
	header := make([]byte, n)
	if _, err := r.ReadAt(header, lengthBytes); n > 0 && err != nil {
		return fmt.Errorf("header at offset %d: %w", lengthBytes, err)
	}
	tensors, err := parseHeader(header)
	if err != nil {
		return err
	}
	if err := place(tensors, lengthBytes+int64(n), size); err != nil {
		return err
	}
	return s.append(r, tensors)
}

func (s *Set) append(r io.ReaderAt, tensors []Tensor) error {
	for _, t := range tensors {
		if _, dup := s.index[t.Name]; dup {
			return fmt.Errorf("tensor %q is in two files", t.Name)
		}
		if len(s.tensors) == MaxTensors {
			return fmt.Errorf("more than %d tensors", MaxTensors)
		}
		t.file = len(s.files)
		s.index[t.Name] = len(s.tensors)
		s.tensors = append(s.tensors, t)
	}
	s.files = append(s.files, r)
	return nil
}

// place turns offsets into file offsets and checks that the data lie one after another from start to
// the end of the file.
func place(tensors []Tensor, start, size int64) error {
	slices.SortFunc(tensors, func(a, b Tensor) int { return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Name, b.Name)) })
	at := start
	for i := range tensors {
		t := &tensors[i]
		t.Offset += start // <= 2^62 + 2^26
		switch {
		case t.Offset < at:
			return fmt.Errorf("tensor %q: data at offset %d overlap those of %q, which end at %d", t.Name, t.Offset, tensors[i-1].Name, at)
		case t.Offset > at:
			return fmt.Errorf("tensor %q: data at offset %d leave a hole from %d", t.Name, t.Offset, at)
		case t.Bytes > size-t.Offset:
			return fmt.Errorf("tensor %q: data at offset %d of %d bytes, the file has %d", t.Name, t.Offset, t.Bytes, size)
		}
		at += t.Bytes
	}
	if at != size {
		return fmt.Errorf("%d bytes follow the last tensor, which ends at offset %d", size-at, at)
	}
	return nil
}

// ReadRows reads whole rows as float32, starting at row first, until dst is full; len(dst) is a
// multiple of the row length. t is a tensor of this set.
func (s *Set) ReadRows(t Tensor, first int, dst []float32) error {
	l, ok := layouts[t.Type]
	if !ok || l.read == nil {
		return fmt.Errorf("safetensors: tensor %q: type %s is not supported, supported are %s", t.Name, t.Type, readable())
	}
	k := t.RowLen()
	if len(dst)%k != 0 || first < 0 || first > t.Rows() || len(dst)/k > t.Rows()-first {
		return fmt.Errorf("safetensors: tensor %q: %d elements from row %d, want whole rows of %d, %d rows in all",
			t.Name, len(dst), first, k, t.Rows())
	}
	at := t.Offset + int64(first)*int64(k)*int64(l.bytes)
	hold, buf := s.buffer(min(len(dst)*l.bytes, maxRead))
	defer s.buffers.Put(hold)
	for len(dst) > 0 {
		b := buf[:min(len(dst)*l.bytes, len(buf))]
		if _, err := s.files[t.file].ReadAt(b, at); err != nil {
			return fmt.Errorf("safetensors: tensor %q: %d bytes at offset %d: %w", t.Name, len(b), at, err)
		}
		n := len(b) / l.bytes
		l.read(dst[:n], b)
		dst, at = dst[n:], at+int64(len(b))
	}
	return nil
}

// buffer is n bytes, and what to give back to the pool.
func (s *Set) buffer(n int) (*[]byte, []byte) {
	hold, ok := s.buffers.Get().(*[]byte)
	if !ok || cap(*hold) < n {
		b := make([]byte, n)
		hold = &b
	}
	return hold, (*hold)[:n]
}
