package gguf

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"elenchus/compute/tokenizer"
)

// Metadata keys of the tokenizer.
const (
	keyModel       = "tokenizer.ggml.model"
	keyTokens      = "tokenizer.ggml.tokens"
	keyScores      = "tokenizer.ggml.scores"
	keyTypes       = "tokenizer.ggml.token_type"
	keyBOS         = "tokenizer.ggml.bos_token_id"
	keyEOS         = "tokenizer.ggml.eos_token_id"
	keyUnknown     = "tokenizer.ggml.unknown_token_id"
	keyAddBOS      = "tokenizer.ggml.add_bos_token"
	keyAddEOS      = "tokenizer.ggml.add_eos_token"
	keySpacePrefix = "tokenizer.ggml.add_space_prefix"
)

// Tokenizer builds the tokenizer of the file; vocabulary-only files will do. tokenizer.ggml.model
// says which: "llama" (merges by score), "gpt2" and "gemma4" (merges by rank, words cut as
// tokenizer.ggml.pre says), "bert" (longest piece), "t5" (likeliest pieces). Other models and names
// of pre are refused by name. What the file leaves out is as usual for its model; for "llama":
// scores 0, normal pieces, unknown 0, BOS 1, EOS 2, BOS and a leading space added, EOS not. An empty
// piece, which files use as padding, is named "[EMPTY_id]".
func (f *File) Tokenizer() (*tokenizer.Tokenizer, error) {
	model, err := f.String(keyModel)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	read := map[string]func(*tokenizer.Config) error{
		"llama": f.readScored, "gpt2": f.readRanked, "gemma4": f.readRanked, "bert": f.readWordPiece, "t5": f.readUnigram,
	}[model]
	if read == nil {
		return nil, fmt.Errorf("gguf: metadata %q: tokenizer model %q is not supported, want llama, gpt2, gemma4, bert or t5", keyModel, model)
	}
	var c tokenizer.Config
	if err := read(&c); err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	t, err := tokenizer.New(c)
	if err != nil {
		return nil, fmt.Errorf("gguf: %w", err)
	}
	return t, nil
}

// readScored reads the tokenizer model "llama".
func (f *File) readScored(c *tokenizer.Config) (err error) {
	if c.Pieces, err = f.pieces(); err != nil {
		return err
	}
	c.AddBOS, c.AddSpacePrefix = true, true
	return f.readSpecials(c, 1, 2, 0)
}

func (f *File) pieces() ([]tokenizer.Piece, error) {
	texts, err := f.Strings(keyTokens)
	if err != nil {
		return nil, err
	}
	scores, err := optional(f, keyScores, f.Floats, len(texts))
	if err != nil {
		return nil, err
	}
	kinds, err := optional(f, keyTypes, f.Ints, len(texts))
	if err != nil {
		return nil, err
	}
	out := make([]tokenizer.Piece, len(texts))
	for i, text := range texts {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("metadata %q: element %d: %q is no UTF-8", keyTokens, i, text)
		}
		out[i] = tokenizer.Piece{Text: text, Kind: tokenizer.Normal}
		if text == "" {
			out[i].Text = fmt.Sprintf("[EMPTY_%d]", i)
		}
		if scores != nil {
			if out[i].Score, err = ordered(scores[i]); err != nil {
				return nil, fmt.Errorf("metadata %q: element %d: %w", keyScores, i, err)
			}
		}
		if kinds != nil {
			if kinds[i] < int64(tokenizer.Normal) || kinds[i] > int64(tokenizer.Byte) {
				return nil, fmt.Errorf("metadata %q: element %d: %d, want %d..%d", keyTypes, i, kinds[i], tokenizer.Normal, tokenizer.Byte)
			}
			out[i].Kind = tokenizer.Kind(kinds[i])
		}
	}
	return out, nil
}

// optional reads an array of n elements, nil if the file has none.
func optional[T any](f *File, key string, read func(string) ([]T, error), n int) ([]T, error) {
	values, err := read(key)
	if errors.Is(err, ErrNoKey) {
		return nil, nil
	}
	if err == nil && len(values) != n {
		return nil, fmt.Errorf("metadata %q: %d elements, want %d as in %q", key, len(values), n, keyTokens)
	}
	return values, err
}

// ordered maps a score to an integer such that comparing the integers compares
// the scores as float32: the bits, with the magnitude of negatives reversed and
// both zeros equal.
func ordered(score float64) (int32, error) {
	if math.IsNaN(score) {
		return 0, errors.New("the score is not a number")
	}
	bits := math.Float32bits(float32(score))
	if bits>>31 == 0 {
		return int32(bits), nil
	}
	return -int32(bits &^ (1 << 31)), nil
}

// readSpecials fills in the special ids and flags, whose usual values it is told and c has. An id
// outside the vocabulary counts as left out, and a usual id the vocabulary does not reach as none.
func (f *File) readSpecials(c *tokenizer.Config, bos, eos, unknown int32) error {
	for _, s := range []struct {
		key   string
		usual int32
		to    *int32
	}{{keyBOS, bos, &c.BOS}, {keyEOS, eos, &c.EOS}, {keyUnknown, unknown, &c.Unknown}} {
		id, err := f.pieceID(s.key, s.usual, len(c.Pieces))
		if err != nil {
			return err
		}
		*s.to = id
	}
	for _, s := range []struct {
		key string
		to  *bool
	}{{keyAddBOS, &c.AddBOS}, {keyAddEOS, &c.AddEOS}, {keySpacePrefix, &c.AddSpacePrefix}} {
		on, err := f.Bool(s.key)
		if errors.Is(err, ErrNoKey) {
			continue
		}
		if err != nil {
			return err
		}
		*s.to = on
	}
	return nil
}

// pieceID reads the id of a piece among n.
func (f *File) pieceID(key string, usual int32, n int) (int32, error) {
	if int(usual) >= n {
		usual = tokenizer.None
	}
	id, err := f.Uint(key)
	if errors.Is(err, ErrNoKey) || err == nil && id >= uint64(n) {
		return usual, nil
	}
	return int32(id), err
}
