package gguf

import "fmt"

// Names returns the names of the tensors in the order of the file.
func (f *File) Names() []string {
	out := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		out[i] = t.Name
	}
	return out
}

// Shape returns rows and row length of the tensor with the name; a vector has one row.
func (f *File) Shape(name string) (rows, rowLen int, ok bool) {
	t, ok := f.Tensor(name)
	if !ok {
		return 0, 0, false
	}
	return t.Rows(), t.RowLen(), true
}

// Rows reads whole rows of the tensor with the name as float32, as ReadRows does.
func (f *File) Rows(name string, first int, dst []float32) error {
	t, ok := f.Tensor(name)
	if !ok {
		return fmt.Errorf("gguf: there is no tensor %q", name)
	}
	return f.ReadRows(t, first, dst)
}
