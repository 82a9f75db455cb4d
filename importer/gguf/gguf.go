// Package gguf reads model files in the GGUF format, versions 2 and 3, little
// endian.
//
// It stands on the importer floor: other people's files come in here, as
// metadata, tensor descriptions, rows of float32, exact Q8_0 blocks and a
// tokenizer; the importer turns those into the canonical integer model. It is
// never on the serving path, so floats are allowed.
//
// A file is hostile until read: every count, length, product and offset is
// bounded by the constants below and by the size of the file before anything
// is allocated, names are unique, and tensor data lie inside the file, aligned
// and apart from one another. Errors name the field and the offset.
//
//	f, err := gguf.Open("model.gguf")
//	defer f.Close()
//	layers, err := f.Uint("llama.block_count")
//	t, ok := f.Tensor("token_embd.weight")
//	row := make([]float32, t.RowLen())
//	err = f.ReadRows(t, 0, row)
package gguf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Bounds of an acceptable file. All of them are checked before allocating.
const (
	MaxKeys        = 1 << 16 // metadata entries
	MaxTensors     = 1 << 16
	MaxKeyBytes    = 1<<16 - 1
	MaxNameBytes   = 256     // a tensor's name
	MaxStringBytes = 1 << 24 // a metadata string
	MaxArray       = 1 << 22 // elements of a metadata array
	MaxHeaderBytes = 1 << 28 // everything before the tensor data
	MaxDims        = 4
	MaxRowLen      = 1 << 24 // elements of a row, the first dimension
	MaxElements    = 1 << 40 // elements of a tensor
	MaxAlignment   = 1 << 16
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	alignmentKey     = "general.alignment"
	splitCountKey    = "split.count"
	splitNumberKey   = "split.no"
)

// File is an open model file: its metadata in memory, its tensor data read on
// demand. It is immutable after opening and safe for concurrent use as far as
// the underlying io.ReaderAt is.
type File struct {
	parts   []io.ReaderAt // one, or those of a model that is split
	size    int64         // of the first part
	closers []io.Closer
	version uint32

	keys   []string
	values map[string]Value

	tensors []Tensor
	index   map[string]int

	buffers sync.Pool // of *[]byte of at most maxRead bytes, for reading tensor data
}

// Open opens the file at path, and where it is the first part of a split model the other parts too.
// The caller closes it.
func Open(path string) (*File, error) {
	f, err := openPart(path)
	if err != nil {
		return nil, err
	}
	if err := f.openParts(path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openPart opens one file.
func openPart(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("gguf: %s is no regular file", path), file.Close())
	}
	f, err := read(file, info.Size())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	f.closers = []io.Closer{file}
	return f, nil
}

// New reads the header of a file of size bytes. r must stay readable as long as tensor data are read;
// Close leaves it alone. A part of a split model is refused: Open finds the others.
func New(r io.ReaderAt, size int64) (*File, error) {
	f, err := read(r, size)
	if err != nil {
		return nil, err
	}
	return f, f.whole()
}

func read(r io.ReaderAt, size int64) (*File, error) {
	c := newCursor(r, size)
	f := &File{parts: []io.ReaderAt{r}, size: size}
	tensors, keys, err := f.readCounts(c)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	if err := f.readMetadata(c, keys); err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	if err := f.readTensors(c, tensors); err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return f, nil
}

// Close closes the files that Open opened.
func (f *File) Close() error {
	var errs []error
	for _, c := range f.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Version returns the version of the file format, 2 or 3.
func (f *File) Version() uint32 { return f.version }

func (f *File) readCounts(c *cursor) (tensors, keys uint64, err error) {
	var m [len(magic)]byte
	if err := c.read("magic", m[:]); err != nil {
		return 0, 0, err
	}
	if string(m[:]) != magic {
		return 0, 0, fmt.Errorf("magic at offset 0: %q, want %q: not a GGUF file", m[:], magic)
	}
	if f.version, err = c.uint32("version"); err != nil {
		return 0, 0, err
	}
	switch {
	case f.version == 2 || f.version == 3:
	case f.version&0xffff == 0:
		return 0, 0, fmt.Errorf("version at offset 4: 0x%08x: big-endian files are not supported", f.version)
	default:
		return 0, 0, fmt.Errorf("version at offset 4: %d, want 2 or 3", f.version)
	}
	if tensors, err = c.count("tensor count", MaxTensors, minTensorBytes); err != nil {
		return 0, 0, err
	}
	keys, err = c.count("metadata count", MaxKeys, minKeyBytes)
	return tensors, keys, err
}

func (f *File) readMetadata(c *cursor, n uint64) error {
	f.keys = make([]string, 0, n)
	f.values = make(map[string]Value, n)
	for i := range n {
		field := fmt.Sprintf("metadata key %d", i)
		at := c.at
		key, err := c.string(field, MaxKeyBytes)
		if err != nil {
			return err
		}
		if key == "" {
			return fmt.Errorf("%s at offset %d: empty", field, at)
		}
		if _, dup := f.values[key]; dup {
			return fmt.Errorf("%s at offset %d: %q appears twice", field, at, key)
		}
		v, err := readValue(c, fmt.Sprintf("metadata %q", key))
		if err != nil {
			return err
		}
		f.keys = append(f.keys, key)
		f.values[key] = v
	}
	return nil
}

// alignment returns the alignment of the tensor data in bytes.
func (f *File) alignment() (int64, error) {
	if !f.Has(alignmentKey) {
		return defaultAlignment, nil
	}
	a, err := f.Uint(alignmentKey)
	if err != nil {
		return 0, err
	}
	if a < 8 || a > MaxAlignment || a&(a-1) != 0 {
		return 0, fmt.Errorf("metadata %q: %d, want a power of two in 8..%d", alignmentKey, a, MaxAlignment)
	}
	return int64(a), nil
}
