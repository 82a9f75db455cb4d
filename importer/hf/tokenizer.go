package hf

import (
	"fmt"
	"path/filepath"

	"elenchus/compute/tokenizer"
)

// Tokenizer builds the tokenizer of the folder.
func (f *Folder) Tokenizer() (*tokenizer.Tokenizer, error) {
	return nil, fmt.Errorf("hf: %s: tokenizers of folders are not read by this version; convert the model to GGUF", filepath.Join(f.dir, tokenizerName))
}
