// Package hf reads model folders of the kind that Hugging Face hosts: config.json,
// generation_config.json, tokenizer files and safetensors weights.
//
// It stands on the importer floor beside gguf and presents a folder under the keys and names that
// GGUF files use, tensors lying as converters to GGUF leave them: rows of q and k of the Llama family
// permuted for interleaved rotation, 1 added to the norm weights of Gemma, Conv1D weights transposed,
// experts stacked. So a model gives the same id from a folder and from an unquantised GGUF file.
//
// What a folder says and this package does not know to be without effect is refused, all of it at
// once, by Unsupported.
//
//	f, err := hf.Open("SmolLM2-135M")
//	defer f.Close()
//	layers, err := f.Uint("llama.block_count")
//	row := make([]float32, 576)
//	err = f.Rows("token_embd.weight", 0, row)
package hf

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"

	"elenchus/importer/gguf"
	"elenchus/importer/safetensors"
)

// Folder is an open model folder: its settings in memory, its weights read on demand. It is safe for
// concurrent use.
type Folder struct {
	dir      string
	set      *safetensors.Set
	config   object
	family   *family
	keys     []string
	values   map[string]any // uint64, float64, bool, string, []string, []int64 or []float64
	names    []string
	views    map[string]view
	problems []error

	mu     sync.Mutex
	turned []turnedTensor // guarded by mu; the latest transposed tensors
}

// Open opens a folder. The caller closes it. It fails if the folder is malformed or of an
// architecture that is not known; everything else that cannot be imported is told by Unsupported.
func Open(dir string) (*Folder, error) {
	return open(dir, func() (*safetensors.Set, error) { return safetensors.OpenFolder(dir) })
}

// OpenFile is Open with the weights of one file; the rest of the model lies in its folder.
func OpenFile(path string) (*Folder, error) {
	return open(filepath.Dir(path), func() (*safetensors.Set, error) { return safetensors.Open(path) })
}

func open(dir string, weights func() (*safetensors.Set, error)) (*Folder, error) {
	config, err := readObject(dir, configName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hf: %w: give a GGUF file or the whole folder of a model", err)
	}
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	f := &Folder{dir: dir, config: config, values: map[string]any{}, views: map[string]view{}}
	if f.family, err = findFamily(config); err != nil {
		return nil, fmt.Errorf("hf: %s: %w", filepath.Join(dir, configName), err)
	}
	if f.set, err = weights(); err != nil {
		return nil, err
	}
	f.settings()
	if err := f.texts(); err != nil {
		return nil, errors.Join(fmt.Errorf("hf: %w", err), f.Close())
	}
	f.tensors()
	return f, nil
}

// Close closes the files of the folder.
func (f *Folder) Close() error { return f.set.Close() }

// Architecture is the name that GGUF files give the architecture.
func (f *Folder) Architecture() string { return f.family.arch }

// Unsupported is nil if the whole folder can be imported; otherwise an error that lists everything
// that cannot: settings, tensors without a place, element types.
func (f *Folder) Unsupported() error {
	return errors.Join(append(slices.Clone(f.problems), safetensors.Unsupported(f.used()))...)
}

// problem notes something that cannot be imported.
func (f *Folder) problem(format string, args ...any) {
	f.problems = append(f.problems, fmt.Errorf("hf: "+format, args...))
}

// Keys are the keys in the order in which they were derived.
func (f *Folder) Keys() []string { return slices.Clone(f.keys) }

// Has says whether there is the key.
func (f *Folder) Has(key string) bool {
	_, ok := f.values[key]
	return ok
}

// put keeps a value of one of the types of values.
func (f *Folder) put(key string, v any) {
	if _, ok := f.values[key]; !ok {
		f.keys = append(f.keys, key)
	}
	f.values[key] = v
}

// get returns the value of a key as a T, or an error matching gguf.ErrNoKey if there is none.
func get[T any](f *Folder, key string) (T, error) {
	var none T
	v, ok := f.values[key]
	if !ok {
		return none, fmt.Errorf("hf: key %q: %w", key, gguf.ErrNoKey)
	}
	x, ok := v.(T)
	if !ok {
		return none, fmt.Errorf("hf: key %q: %T, want %T", key, v, none)
	}
	return x, nil
}

// Uint returns an integer that is not negative. An absent key is an error matching gguf.ErrNoKey,
// here and in the methods below.
func (f *Folder) Uint(key string) (uint64, error) { return get[uint64](f, key) }

// Float returns a float. It is one of float32, as GGUF files keep them, so that both formats give
// the same integers.
func (f *Folder) Float(key string) (float64, error) { return get[float64](f, key) }

// Bool returns a boolean.
func (f *Folder) Bool(key string) (bool, error) { return get[bool](f, key) }

// String returns a text.
func (f *Folder) String(key string) (string, error) { return get[string](f, key) }

// Strings returns an array of texts.
func (f *Folder) Strings(key string) ([]string, error) {
	v, err := get[[]string](f, key)
	return slices.Clone(v), err
}

// Ints returns an array of integers.
func (f *Folder) Ints(key string) ([]int64, error) {
	v, err := get[[]int64](f, key)
	return slices.Clone(v), err
}

// Floats returns an array of floats.
func (f *Folder) Floats(key string) ([]float64, error) {
	v, err := get[[]float64](f, key)
	return slices.Clone(v), err
}
