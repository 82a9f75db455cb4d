package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"elenchus/compute/tokenizer"
	"elenchus/importer/gguf"
	"elenchus/importer/hftokenizer"
)

// OpenTokenizer reads the tokenizer of a model that Load knows; a GGUF file may be vocabulary only,
// and a tokenizer.json will do.
func (s Store) OpenTokenizer(ref string) (*tokenizer.Tokenizer, error) {
	switch filepath.Ext(ref) {
	case ".gguf":
		f, err := gguf.Open(ref)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // read only
		tok, err := f.Tokenizer()
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrCannot, ref, err)
		}
		return tok, nil
	case ".json":
		return openJSON(ref)
	}
	man, _, err := s.Load(ref)
	if err != nil {
		return nil, err
	}
	return textSide(man)
}

// openJSON reads a tokenizer.json and the tokenizer_config.json beside it, if there is one.
func openJSON(path string) (*tokenizer.Tokenizer, error) {
	file, err := readSmall(path, hftokenizer.MaxBytes)
	if err != nil {
		return nil, err
	}
	config, err := readSmall(filepath.Join(filepath.Dir(path), "tokenizer_config.json"), hftokenizer.MaxBytes)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	tok, err := hftokenizer.Read(file, config, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCannot, path, err)
	}
	return tok, nil
}

// readSmall reads a file of at most top bytes.
func readSmall(path string, top int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, top+1))
	if err == nil && int64(len(b)) > top {
		err = fmt.Errorf("%s has more than %d bytes", path, top)
	}
	return b, err
}

// EvalTokenizer encodes each line of a text by itself, without beginning or end of sequence.
func EvalTokenizer(tok *tokenizer.Tokenizer, text string) [][]int32 {
	out := [][]int32{}
	for line := range strings.Lines(text) {
		ids := tok.Encode(strings.TrimSuffix(line, "\n"))
		if ids == nil {
			ids = []int32{}
		}
		out = append(out, ids)
	}
	return out
}

// vectorEnd stands on a line of its own between the texts of test vectors.
const vectorEnd = "\n__ggml_vocab_test__\n"

// maxVectors bounds files of test vectors, in bytes.
const maxVectors = 1 << 26

// TokenizerVectors is the result of EvalVectors.
type TokenizerVectors struct {
	File  string `json:"file"`
	Texts int    `json:"texts"`
	Same  int    `json:"same"`            // texts with the expected ids
	First string `json:"first,omitempty"` // the first other one: text, ids, expected ids
}

// EvalVectors compares the ids that a tokenizer gives with test vectors as llama.cpp keeps them:
// texts in FILE.inp, ended by the line "__ggml_vocab_test__", and in FILE.out a line of ids for each.
func (s Store) EvalVectors(file string) (TokenizerVectors, error) {
	out := TokenizerVectors{File: file}
	tok, err := s.OpenTokenizer(file)
	if err != nil {
		return out, err
	}
	in, err := readSmall(file+".inp", maxVectors)
	if err != nil {
		return out, err
	}
	want, err := readSmall(file+".out", maxVectors)
	if err != nil {
		return out, err
	}
	texts := strings.Split(strings.TrimSuffix(string(in), vectorEnd), vectorEnd)
	lines := strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")
	if len(texts) != len(lines) {
		return out, fmt.Errorf("%s.inp has %d texts and %s.out %d lines", file, len(texts), file, len(lines))
	}
	for i, text := range texts {
		expected, err := parseIDs(lines[i])
		if err != nil {
			return out, fmt.Errorf("%s.out: line %d: %w", file, i+1, err)
		}
		out.Texts++
		got := tok.Encode(text)
		switch {
		case slices.Equal(got, expected):
			out.Same++
		case out.First == "":
			out.First = fmt.Sprintf("text %d %q gives %v, want %v", i+1, text, got, expected)
		}
	}
	return out, nil
}

func parseIDs(line string) ([]int32, error) {
	var out []int32
	for _, f := range strings.Fields(line) {
		id, err := strconv.ParseInt(f, 10, 32)
		if err != nil {
			return nil, err
		}
		out = append(out, int32(id))
	}
	return out, nil
}
