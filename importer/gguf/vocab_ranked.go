package gguf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"elenchus/compute/tokenizer"
)

// Metadata keys of tokenizers that merge by rank.
const (
	keyPre    = "tokenizer.ggml.pre"
	keyMerges = "tokenizer.ggml.merges"
)

// readRanked reads the tokenizer models "gpt2" and "gemma4".
func (f *File) readRanked(c *tokenizer.Config) error {
	pre, err := f.preTokenizer()
	if err != nil {
		return err
	}
	if c.Pieces, err = f.unscored(); err != nil {
		return err
	}
	controlLooking(c.Pieces)
	c.Algorithm, c.Options, c.Cuts, c.AddBOS = tokenizer.RankedBPE, pre.options, pre.cuts, pre.bos
	if c.Normal, err = f.rankedNormal(&pre); err != nil {
		return err
	}
	if c.Merges, err = f.merges(c.Pieces); err != nil {
		return err
	}
	if err := f.readSpecials(c, tokenizer.None, tokenizer.None, tokenizer.None); err != nil {
		return err
	}
	c.AddSpacePrefix = false
	if !pre.separator {
		return nil
	}
	c.AddEOS = true
	return f.readSeparator(c, tokenizer.None)
}

// rankedNormal are the normalising steps: spaces are written as pieces write them, where bytes are no
// letters and spaces do not go; the one that cuts at white space may have letters made small.
func (f *File) rankedNormal(pre *preTokenizer) ([]tokenizer.Step, error) {
	switch {
	case pre.options&tokenizer.Bytes != 0:
		return nil, nil
	case pre.names != apart:
		return []tokenizer.Step{{Code: tokenizer.Replace, A: " ", B: "\u2581"}}, nil
	}
	lower, err := f.flag(keyLowercase, false)
	if err != nil || !lower {
		return nil, err
	}
	return []tokenizer.Step{{Code: tokenizer.Lower}}, nil
}

// preTokenizer looks the file's name for cutting words up.
func (f *File) preTokenizer() (preTokenizer, error) {
	name, err := f.String(keyPre)
	if model, _ := f.String(keyModel); model == "gemma4" {
		name, err = model, nil
	}
	if errors.Is(err, ErrNoKey) {
		name, err = "default", nil
	}
	if err != nil {
		return preTokenizer{}, err
	}
	for _, p := range preTokenizers() {
		if slices.Contains(strings.Fields(p.names), name) {
			return p, nil
		}
	}
	return preTokenizer{}, fmt.Errorf("metadata %q: pre-tokenizer %q is not known", keyPre, name)
}

// unscored are the pieces without scores.
func (f *File) unscored() ([]tokenizer.Piece, error) {
	pieces, err := f.pieces()
	for i := range pieces {
		pieces[i].Score = 0
	}
	return pieces, err
}

// merges reads "left right" pairs; a pair that comes again counts once.
func (f *File) merges(pieces []tokenizer.Piece) ([]tokenizer.Merge, error) {
	texts, err := f.Strings(keyMerges)
	if err != nil {
		return nil, err
	}
	if len(texts) > tokenizer.MaxMerges {
		return nil, fmt.Errorf("metadata %q: %d merges, at most %d", keyMerges, len(texts), tokenizer.MaxMerges)
	}
	ids := make(map[string]int32, len(pieces))
	for i, p := range pieces {
		ids[p.Text] = int32(i)
	}
	seen := make(map[tokenizer.Merge]bool, len(texts))
	out := make([]tokenizer.Merge, 0, len(texts))
	for i, text := range texts {
		at := strings.IndexByte(text[min(1, len(text)):], ' ') + 1
		if at == 0 {
			return nil, fmt.Errorf("metadata %q: element %d: %q is no pair", keyMerges, i, text)
		}
		left, ok := ids[text[:at]]
		right, ok2 := ids[text[at+1:]]
		if _, ok3 := ids[text[:at]+text[at+1:]]; !ok || !ok2 || !ok3 {
			return nil, fmt.Errorf("metadata %q: element %d: %q joins or gives what is no piece", keyMerges, i, text)
		}
		m := tokenizer.Merge{Left: left, Right: right}
		if !seen[m] {
			seen[m] = true
			out = append(out, m)
		}
	}
	return out, nil
}

// controlLooking marks pieces as control whose names end turns or fill gaps in published models:
// some files call them normal or user defined, and then text of a user could name them.
func controlLooking(pieces []tokenizer.Piece) {
	names := strings.Fields(`<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> <|end_of_text|> <EOT> _<EOT> [EOT] [EOS] [e~[
		<｜end▁of▁sentence｜> <end_of_utterance> <|eom_id|> <|return|> <|call|> <|flush|> <|calls|> <turn|> <|tool_response>
		<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> <|prefix|>
		<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|>
		<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|>
		<|fim_pad|> <fim-pad> <fim_pad> <PAD> <|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame> <|file_sep|>`)
	for i, p := range pieces {
		if slices.Contains(names, p.Text) {
			pieces[i].Kind = tokenizer.Control
		}
	}
}
