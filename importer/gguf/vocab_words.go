package gguf

import (
	"errors"
	"fmt"
	"math"

	"elenchus/compute/tokenizer"
)

// Metadata keys of the tokenizer models "bert" and "t5".
const (
	keySeparator = "tokenizer.ggml.seperator_token_id" // spelt so in files
	keyClass     = "tokenizer.ggml.cls_token_id"
	keyLowercase = "tokenizer.ggml.normalizer.lowercase"
	keyAccents   = "tokenizer.ggml.normalizer.strip_accents"
	keyCharsmap  = "tokenizer.ggml.precompiled_charsmap"
	keyExtra     = "tokenizer.ggml.remove_extra_whitespaces"
)

// maxWord is the length from which BERT's tokenizers call a word unknown.
const maxWord = 100

// readWordPiece reads the tokenizer model "bert": pieces that begin a word begin with U+2581. The
// class piece stands for BOS where there is none, the separator for EOS.
func (f *File) readWordPiece(c *tokenizer.Config) (err error) {
	if c.Pieces, err = f.unscored(); err != nil {
		return err
	}
	c.Algorithm, c.MaxWord, c.AddBOS, c.AddEOS = tokenizer.WordPiece, maxWord, true, true
	first, err := f.pieceID(keyClass, 101, len(c.Pieces))
	if err != nil {
		return err
	}
	if err := f.readSpecials(c, first, tokenizer.None, 100); err != nil {
		return err
	}
	c.AddSpacePrefix = true // of the first word
	if err := f.readSeparator(c, 102); err != nil {
		return err
	}
	lower, err := f.flag(keyLowercase, true)
	if err != nil {
		return err
	}
	accents, err := f.flag(keyAccents, lower)
	if err != nil {
		return err
	}
	c.Normal, c.Cuts = bertSteps(lower, accents)
	return nil
}

// bertSteps are those of BERT.
func bertSteps(lower, accents bool) (normal, cuts []tokenizer.Step) {
	normal = []tokenizer.Step{{Code: tokenizer.CleanControl}, {Code: tokenizer.SpaceHan}}
	if accents {
		normal = append(normal, tokenizer.Step{Code: tokenizer.NFD}, tokenizer.Step{Code: tokenizer.DropMarks})
	}
	if lower {
		normal = append(normal, tokenizer.Step{Code: tokenizer.Lower})
	}
	return normal, []tokenizer.Step{{Code: tokenizer.Drop, A: tokenizer.PatternSpaces}, {Code: tokenizer.Isolate, A: tokenizer.PatternMark}}
}

// readSeparator lets the separator end texts, if there is one.
func (f *File) readSeparator(c *tokenizer.Config, usual int32) error {
	id, err := f.pieceID(keySeparator, usual, len(c.Pieces))
	if err == nil && id != tokenizer.None {
		c.EOS = id
	}
	return err
}

// flag reads a flag that may be left out.
func (f *File) flag(key string, usual bool) (bool, error) {
	on, err := f.Bool(key)
	if errors.Is(err, ErrNoKey) {
		return usual, nil
	}
	return on, err
}

// unknownPenalty is how much less likely than every piece a character without one is.
const unknownPenalty = 10

// readUnigram reads the tokenizer model "t5".
func (f *File) readUnigram(c *tokenizer.Config) (err error) {
	if c.Pieces, err = f.unscored(); err != nil {
		return err
	}
	scores, err := optional(f, keyScores, f.Floats, len(c.Pieces))
	if err != nil {
		return err
	}
	if scores == nil {
		return fmt.Errorf("metadata %q: %w", keyScores, ErrNoKey)
	}
	c.Algorithm, c.AddEOS = tokenizer.Unigram, true
	if err := f.readSpecials(c, tokenizer.None, 1, 2); err != nil {
		return err
	}
	least := math.Inf(1)
	c.Scores = make([]uint64, len(scores))
	for i, s := range scores {
		if c.Pieces[i].Kind == tokenizer.Normal {
			least = min(least, s)
		}
		if c.Pieces[i].Kind == tokenizer.UserDefined {
			s = 0
		}
		c.Scores[i] = math.Float64bits(s)
	}
	c.UnknownScore = math.Float64bits(least - unknownPenalty)
	return f.readSpaces(c)
}

// readSpaces reads how "t5" normalises: the map of characters, then spaces.
func (f *File) readSpaces(c *tokenizer.Config) error {
	charsmap, err := f.Ints(keyCharsmap)
	if err != nil && !errors.Is(err, ErrNoKey) {
		return err
	}
	if len(charsmap) > 0 {
		b := make([]byte, len(charsmap))
		for i, x := range charsmap {
			b[i] = byte(x)
		}
		c.Normal = append(c.Normal, tokenizer.Step{Code: tokenizer.Charsmap, A: string(b)})
	}
	squeeze, err := f.flag(keyExtra, false)
	if err != nil {
		return err
	}
	if squeeze {
		c.Normal = append(c.Normal, tokenizer.Step{Code: tokenizer.TrimSpaces}, tokenizer.Step{Code: tokenizer.Squeeze, B: " "})
	}
	if c.AddSpacePrefix || squeeze {
		c.Normal = append(c.Normal, tokenizer.Step{Code: tokenizer.Prepend, A: " "})
	}
	c.Normal = append(c.Normal, tokenizer.Step{Code: tokenizer.Replace, A: " ", B: "\u2581"})
	return nil
}
