package hf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"elenchus/compute/tokenizer"
	"elenchus/importer/hftokenizer"
)

// Tokenizer builds the tokenizer of the folder from tokenizer.json and, if it is there,
// tokenizer_config.json. It has a piece for each row of the embedding.
func (f *Folder) Tokenizer() (*tokenizer.Tokenizer, error) {
	file, err := readLarge(filepath.Join(f.dir, tokenizerName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hf: %s has no %s: models with other tokenizer files are not read, convert the model to GGUF: %w", f.dir, tokenizerName, err)
	}
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	config, err := readLarge(filepath.Join(f.dir, textName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("hf: %w", err)
	}
	rows, _, _ := f.Shape("token_embd.weight")
	t, err := hftokenizer.Read(file, config, rows)
	if err != nil {
		return nil, fmt.Errorf("hf: %s: %w", f.dir, err)
	}
	return t, nil
}

// readLarge reads a file that may be as large as tokenizers get.
func readLarge(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(file, hftokenizer.MaxBytes+1))
	if err == nil && len(b) > hftokenizer.MaxBytes {
		err = fmt.Errorf("%s has more than %d bytes", path, hftokenizer.MaxBytes)
	}
	return b, err
}
