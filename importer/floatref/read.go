package floatref

import (
	"errors"
	"fmt"
	"slices"

	"elenchus/importer/gguf"
)

// settings reads metadata and keeps the first error.
type settings struct {
	f   *gguf.File
	err error
}

// size returns an integer in 1..limit; usual stands for an absent key unless it
// is 0.
func (s *settings) size(key string, usual, limit int) int {
	n, err := s.f.Uint(key)
	if errors.Is(err, gguf.ErrNoKey) && usual > 0 {
		return usual
	}
	if err == nil && (n < 1 || n > uint64(limit)) {
		err = fmt.Errorf("metadata %q: %d, want 1..%d", key, n, limit)
	}
	if err != nil && s.err == nil {
		s.err = err
	}
	return int(n)
}

// float returns a float; usual stands for an absent key unless it is 0.
func (s *settings) float(key string, usual float64) float64 {
	x, err := s.f.Float(key)
	if errors.Is(err, gguf.ErrNoKey) && usual != 0 {
		return usual
	}
	if err != nil && s.err == nil {
		s.err = err
	}
	return x
}

// text returns a string, usual where the key is absent.
func (s *settings) text(key, usual string) string {
	x, err := s.f.String(key)
	if errors.Is(err, gguf.ErrNoKey) {
		return usual
	}
	if err != nil && s.err == nil {
		s.err = err
	}
	return x
}

// weights reads tensors, keeps the first error and notes what was used.
type weights struct {
	f    *gguf.File
	used map[string]bool
	err  error
}

func (w *weights) has(name string) bool {
	_, ok := w.f.Tensor(name)
	return ok
}

func (w *weights) matrix(name string, columns, rows int) matrix {
	return matrix{columns, w.read(name, columns, rows)}
}

func (w *weights) vector(name string, n int) []float32 { return w.read(name, n, 1) }

// read returns the rows of a tensor, after checking its shape against the
// model: the file vouches for the size of its tensors, so nothing larger than
// the file's own data is allocated.
func (w *weights) read(name string, columns, rows int) []float32 {
	if w.err != nil {
		return nil
	}
	t, ok := w.f.Tensor(name)
	if !ok {
		w.err = fmt.Errorf("the file has no tensor %q", name)
		return nil
	}
	if t.RowLen() != columns || t.Rows() != rows {
		w.err = fmt.Errorf("tensor %q has rows of %d and %d of them, want %d and %d", name, t.RowLen(), t.Rows(), columns, rows)
		return nil
	}
	w.used[name] = true
	data := make([]float32, columns*rows)
	w.err = w.f.ReadRows(t, 0, data)
	return data
}

// finish returns the first error, or one that names a tensor nothing used.
func (w *weights) finish() error {
	if w.err != nil {
		return w.err
	}
	tensors := w.f.Tensors()
	i := slices.IndexFunc(tensors, func(t gguf.Tensor) bool { return !w.used[t.Name] })
	if i >= 0 {
		return fmt.Errorf("tensor %q has no place in the llama architecture computed here", tensors[i].Name)
	}
	return nil
}
