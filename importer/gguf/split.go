package gguf

import (
	"errors"
	"fmt"
	"strings"
)

// MaxParts is the largest number of files of a split model.
const MaxParts = 1 << 10

// split returns the number of this part, from 0, and how many there are; 0 of 1 for a whole file.
func (f *File) split() (number, count uint64, err error) {
	if !f.Has(splitCountKey) {
		return 0, 1, nil
	}
	count, err1 := f.Uint(splitCountKey)
	number, err2 := f.Uint(splitNumberKey)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, err
	}
	if count < 1 || count > MaxParts || number >= count {
		return 0, 0, fmt.Errorf("metadata %q: part %d of %d, want 0..%d of at most %d", splitCountKey, number, count, count, MaxParts)
	}
	return number, count, nil
}

// whole refuses a part of a split model.
func (f *File) whole() error {
	number, count, err := f.split()
	if err == nil && count != 1 {
		err = fmt.Errorf("it is part %d of %d: give the first by its path", number+1, count)
	}
	if err != nil {
		return fmt.Errorf("gguf: %w", err)
	}
	return nil
}

// openParts opens the other parts of a split model, whose names follow from that of the first. The
// metadata are those of the first part.
func (f *File) openParts(path string) error {
	number, count, err := f.split()
	if err != nil {
		return fmt.Errorf("gguf: %s: %w", path, err)
	}
	stem, ok := strings.CutSuffix(path, partName(0, count))
	if count != 1 && (number != 0 || !ok) {
		return fmt.Errorf("gguf: %s is part %d of %d: give the first, whose name ends in %s", path, number+1, count, partName(0, count))
	}
	for i := uint64(1); i < count; i++ {
		if err := f.openPartOf(stem+partName(i, count), i, count); err != nil {
			return err
		}
	}
	return nil
}

// partName is the end of the name of a part.
func partName(i, count uint64) string { return fmt.Sprintf("-%05d-of-%05d.gguf", i+1, count) }

// openPartOf adds the tensors of a part.
func (f *File) openPartOf(path string, number, count uint64) error {
	p, err := openPart(path)
	if err != nil {
		return err
	}
	f.closers = append(f.closers, p.closers...)
	f.parts = append(f.parts, p.parts...)
	n, of, err := p.split()
	if err != nil || n != number || of != count {
		return errors.Join(fmt.Errorf("gguf: %s says that it is part %d of %d, its name %d of %d", path, n+1, of, number+1, count), err)
	}
	for _, t := range p.tensors {
		if _, dup := f.index[t.Name]; dup || len(f.tensors) == MaxTensors {
			return fmt.Errorf("gguf: %s: tensor %q appears twice, or there are more than %d", path, t.Name, MaxTensors)
		}
		t.part = len(f.parts) - 1
		f.index[t.Name] = len(f.tensors)
		f.tensors = append(f.tensors, t)
	}
	return nil
}
