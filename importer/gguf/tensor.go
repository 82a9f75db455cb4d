package gguf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// minTensorBytes is the size of the smallest tensor description.
const minTensorBytes = 8 + 1 + 4 + 8 + 4 + 8

// maxRead is how many bytes of tensor data are read at a time.
const maxRead = 1 << 20

// Tensor describes a tensor of the file.
type Tensor struct {
	Name string
	Type Type
	// Dims has 1..MaxDims entries, each at least 1, the row length first: a
	// matrix of n rows and k columns has Dims {k, n}.
	Dims   []uint64
	Offset int64 // of the data, from the start of its file, in bytes
	Bytes  int64 // of the data; 0 if the block size of the type is not known
	part   int   // of the file
}

// RowLen returns the number of elements of a row, Dims[0].
func (t Tensor) RowLen() int { return int(t.Dims[0]) }

// Rows returns the number of rows, the product of the other dimensions.
func (t Tensor) Rows() int {
	n := uint64(1) // <= MaxElements
	for _, d := range t.Dims[1:] {
		n *= d
	}
	return int(n)
}

// Tensors returns the tensors in the order of the file.
func (f *File) Tensors() []Tensor { return slices.Clone(f.tensors) }

// Tensor returns the tensor with the name.
func (f *File) Tensor(name string) (Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return Tensor{}, false
	}
	return f.tensors[i], true
}

func (f *File) readTensors(c *cursor, n uint64) error {
	align, err := f.alignment()
	if err != nil {
		return err
	}
	f.tensors = make([]Tensor, n)
	f.index = make(map[string]int, n)
	for i := range f.tensors {
		field := fmt.Sprintf("tensor %d", i)
		at := c.at
		t, err := readTensor(c, field)
		if err != nil {
			return err
		}
		if _, dup := f.index[t.Name]; dup {
			return fmt.Errorf("%s at offset %d: name %q appears twice", field, at, t.Name)
		}
		f.tensors[i] = t
		f.index[t.Name] = i
	}
	return f.placeTensors(c.at, align)
}

func readTensor(c *cursor, field string) (Tensor, error) {
	at := c.at
	name, err := c.string("name of "+field, MaxNameBytes)
	if err != nil {
		return Tensor{}, err
	}
	if name == "" {
		return Tensor{}, fmt.Errorf("name of %s at offset %d: empty", field, at)
	}
	t := Tensor{Name: name}
	field = fmt.Sprintf("tensor %q", name)
	if t.Dims, err = readDims(c, field); err != nil {
		return Tensor{}, err
	}
	at = c.at
	code, err := c.uint32("type of " + field)
	if err != nil {
		return Tensor{}, err
	}
	t.Type = Type(code)
	if t.Bytes, err = t.bytes(); err != nil {
		return Tensor{}, fmt.Errorf("%s at offset %d: %w", field, at, err)
	}
	at = c.at
	offset, err := c.uint64("offset of " + field)
	if err != nil {
		return Tensor{}, err
	}
	if offset > 1<<62 {
		return Tensor{}, fmt.Errorf("offset of %s at offset %d: %d is too large", field, at, offset)
	}
	t.Offset = int64(offset)
	return t, nil
}

func readDims(c *cursor, field string) ([]uint64, error) {
	at := c.at
	n, err := c.uint32("dimension count of " + field)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > MaxDims {
		return nil, fmt.Errorf("dimension count of %s at offset %d: %d, want 1..%d", field, at, n, MaxDims)
	}
	dims := make([]uint64, n)
	elements, limit := uint64(1), uint64(MaxRowLen)
	for i := range dims {
		at := c.at
		if dims[i], err = c.uint64("dimensions of " + field); err != nil {
			return nil, err
		}
		if dims[i] < 1 || dims[i] > limit {
			return nil, fmt.Errorf("dimension %d of %s at offset %d: %d, want 1..%d", i, field, at, dims[i], limit)
		}
		elements *= dims[i]
		limit = MaxElements / elements // so the product stays <= MaxElements
	}
	return dims, nil
}

// bytes returns the size of the data, 0 if the type's block size is unknown.
func (t Tensor) bytes() (int64, error) {
	l, ok := layouts[t.Type]
	if !ok {
		return 0, nil
	}
	if t.RowLen()%l.elems != 0 {
		return 0, fmt.Errorf("rows of %d elements do not divide into %s blocks of %d", t.RowLen(), l.name, l.elems)
	}
	// At most MaxElements = 2^40 elements of at most 8 bytes.
	return int64(t.Rows()) * int64(t.RowLen()/l.elems*l.bytes), nil
}

// placeTensors turns offsets into file offsets and checks that the data are
// aligned, inside the file and disjoint.
func (f *File) placeTensors(headerEnd, align int64) error {
	start := (headerEnd + align - 1) / align * align // header <= 2^28, align <= 2^16
	order := make([]int, len(f.tensors))
	for i := range f.tensors {
		t := &f.tensors[i]
		if t.Offset%align != 0 {
			return fmt.Errorf("tensor %q: data offset %d is no multiple of %d", t.Name, t.Offset, align)
		}
		t.Offset += start // <= 2^62 + 2^29
		if t.Offset > f.size || t.Bytes > f.size-t.Offset {
			return fmt.Errorf("tensor %q: data at offset %d of %d bytes, the file has %d", t.Name, t.Offset, t.Bytes, f.size)
		}
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := f.tensors[a], f.tensors[b]
		return cmp.Or(cmp.Compare(x.Offset, y.Offset), cmp.Compare(x.Bytes, y.Bytes))
	})
	for i := 1; i < len(order); i++ {
		before, t := f.tensors[order[i-1]], f.tensors[order[i]]
		if before.Offset+before.Bytes > t.Offset {
			return fmt.Errorf("tensor %q: data at offset %d overlap those of %q, which end at %d",
				t.Name, t.Offset, before.Name, before.Offset+before.Bytes)
		}
	}
	return nil
}

// Unsupported returns nil if rows of every tensor can be read; otherwise an
// error that lists all types that cannot, with the number of tensors of each.
func (f *File) Unsupported() error {
	counts := map[Type]int{}
	for _, t := range f.tensors {
		if !t.Type.Readable() {
			counts[t.Type]++
		}
	}
	if len(counts) == 0 {
		return nil
	}
	var list []string
	for t, n := range counts {
		list = append(list, fmt.Sprintf("%s x%d", t, n))
	}
	slices.Sort(list)
	return fmt.Errorf("gguf: unsupported tensor types: %s; supported are %s",
		strings.Join(list, ", "), strings.Join(readable(), ", "))
}

func readable() []string {
	var names []string
	for t, l := range layouts {
		if t.Readable() {
			names = append(names, l.name)
		}
	}
	slices.Sort(names)
	return names
}

// ReadRows reads whole rows as float32, starting at row first, until dst is
// full; len(dst) is a multiple of the row length. t is a tensor of this file.
func (f *File) ReadRows(t Tensor, first int, dst []float32) error {
	l, ok := layouts[t.Type]
	if !ok || l.read == nil {
		return fmt.Errorf("gguf: tensor %q: type %s is not supported", t.Name, t.Type)
	}
	return f.eachBlocks(t, first, len(dst), func(at int, src []byte) {
		l.read(dst[at:at+len(src)/l.bytes*l.elems], src)
	})
}

// ReadQ8Rows reads whole rows of a Q8_0 tensor as they are in the file, starting
// at row first, until quants is full: element i is quants[i] times the half
// with the bits scales[i/BlockLen]. len(scales) is len(quants)/BlockLen.
func (f *File) ReadQ8Rows(t Tensor, first int, quants []int8, scales []uint16) error {
	if t.Type != Q8_0 {
		return fmt.Errorf("gguf: tensor %q: type %s, want %s", t.Name, t.Type, Q8_0)
	}
	if len(scales)*BlockLen != len(quants) {
		return fmt.Errorf("gguf: tensor %q: room for %d scales and %d quants", t.Name, len(scales), len(quants))
	}
	return f.eachBlocks(t, first, len(quants), func(at int, src []byte) {
		for ; len(src) > 0; src, at = src[q8Bytes:], at+BlockLen {
			scales[at/BlockLen] = binary.LittleEndian.Uint16(src)
			for i := range BlockLen {
				quants[at+i] = int8(src[2+i])
			}
		}
	})
}

// eachBlocks reads n elements from row first on and calls use with whole blocks
// and the index of their first element among the n.
func (f *File) eachBlocks(t Tensor, first, n int, use func(at int, src []byte)) error {
	l := layouts[t.Type]
	rows := n / t.RowLen()
	if n%t.RowLen() != 0 || first < 0 || first > t.Rows() || rows > t.Rows()-first {
		return fmt.Errorf("gguf: tensor %q: %d elements from row %d, want whole rows of %d, %d rows in all",
			t.Name, n, first, t.RowLen(), t.Rows())
	}
	from := t.Offset + int64(first)*int64(t.RowLen()/l.elems*l.bytes)
	hold, buf := f.buffer(min(n/l.elems*l.bytes, maxRead/l.bytes*l.bytes))
	defer f.buffers.Put(hold)
	for at := 0; at < n; {
		b := buf[:min((n-at)/l.elems*l.bytes, len(buf))]
		if _, err := f.parts[t.part].ReadAt(b, from); err != nil {
			return fmt.Errorf("gguf: tensor %q: %d bytes at offset %d: %w", t.Name, len(b), from, err)
		}
		use(at, b)
		at += len(b) / l.bytes * l.elems
		from += int64(len(b))
	}
	return nil
}

// buffer is n bytes, and what to give back to the pool.
func (f *File) buffer(n int) (*[]byte, []byte) {
	hold, ok := f.buffers.Get().(*[]byte)
	if !ok || cap(*hold) < n {
		b := make([]byte, n)
		hold = &b
	}
	return hold, (*hold)[:n]
}
