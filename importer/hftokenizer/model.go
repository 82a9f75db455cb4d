package hftokenizer

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"elenchus/compute/tokenizer"
)

// readModel reads pieces and merges or scores.
func (r *reader) readModel() error {
	c, m := &r.config, r.Model
	c.BOS, c.EOS, c.Unknown = tokenizer.None, tokenizer.None, tokenizer.None
	r.ids = map[string]int32{}
	for _, s := range []struct {
		name string
		bad  bool
	}{
		{"dropout", m.Dropout != nil && *m.Dropout != 0},
		{"end_of_word_suffix", m.Suffix != nil && *m.Suffix != ""},
		{"continuing_subword_prefix", m.Type != "WordPiece" && m.Prefix != nil && *m.Prefix != ""},
	} {
		if s.bad {
			return unsupported("model %s with %s", m.Type, s.name)
		}
	}
	switch {
	case m.Type == "BPE" || m.Type == "" && len(m.Merges) > 0:
		return r.readBPE()
	case m.Type == "Unigram":
		return r.readUnigram()
	case m.Type == "WordPiece":
		return r.readWordPiece()
	}
	return unsupported("model type %q", m.Type)
}

// vocabulary reads an object of texts and ids.
func (r *reader) vocabulary() error {
	var vocab map[string]int64
	if err := json.Unmarshal(r.Model.Vocab, &vocab); err != nil {
		return fmt.Errorf("vocabulary: %w", err)
	}
	for text, id := range vocab {
		if id < 0 || id >= tokenizer.MaxPieces {
			return fmt.Errorf("piece %q has id %d, want 0..%d", text, id, tokenizer.MaxPieces-1)
		}
		r.grow(int(id) + 1)
		if p := &r.config.Pieces[id]; p.Kind != tokenizer.Unused {
			return fmt.Errorf("pieces %q and %q have the same id %d", p.Text, text, id)
		}
		r.config.Pieces[id] = tokenizer.Piece{Text: text, Kind: tokenizer.Normal}
		r.ids[text] = int32(id)
	}
	if r.Model.UnkToken == nil {
		return nil
	}
	id, ok := r.ids[*r.Model.UnkToken]
	if !ok {
		for _, a := range r.Added { // some files name it only there
			if a.Content == *r.Model.UnkToken && a.ID >= 0 && a.ID < tokenizer.MaxPieces {
				id, ok = int32(a.ID), true
			}
		}
	}
	if !ok {
		return fmt.Errorf("the unknown token %q is no piece", *r.Model.UnkToken)
	}
	r.config.Unknown = id
	return nil
}

func (r *reader) readBPE() error {
	r.config.Algorithm = tokenizer.RankedBPE
	if err := r.vocabulary(); err != nil {
		return err
	}
	for _, o := range []struct {
		on   bool
		flag tokenizer.Options
	}{{r.Model.IgnoreMerges, tokenizer.Whole}, {r.Model.ByteFallback, tokenizer.ByteFallback}, {r.Model.FuseUnk, tokenizer.Fuse}} {
		if o.on {
			r.config.Options |= o.flag
		}
	}
	r.markBytes()
	pairs, err := r.pairs()
	if err != nil {
		return err
	}
	seen := make(map[tokenizer.Merge]bool, len(pairs))
	for i, p := range pairs {
		left, ok := r.ids[p[0]]
		right, ok2 := r.ids[p[1]]
		if _, ok3 := r.ids[p[0]+p[1]]; !ok || !ok2 || !ok3 {
			return fmt.Errorf("merge %d joins %q and %q: those or the result are no pieces", i, p[0], p[1])
		}
		m := tokenizer.Merge{Left: left, Right: right}
		if seen[m] {
			return fmt.Errorf("merge %d of %q and %q is there twice", i, p[0], p[1])
		}
		seen[m] = true
		r.config.Merges = append(r.config.Merges, m)
	}
	return nil
}

// pairs reads merges, which are pairs or texts with a space between.
func (r *reader) pairs() ([][2]string, error) {
	var out [][2]string
	if len(r.Model.Merges) == 0 || json.Unmarshal(r.Model.Merges, &out) == nil {
		return out, nil
	}
	var texts []string
	if err := json.Unmarshal(r.Model.Merges, &texts); err != nil {
		return nil, fmt.Errorf("merges: %w", err)
	}
	out = nil
	for i, text := range texts {
		left, right, ok := strings.Cut(text, " ")
		if !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("merge %d: %q is no pair", i, text)
		}
		out = append(out, [2]string{left, right})
	}
	return out, nil
}

// markBytes marks the pieces "<0xHH>" of byte fallback.
func (r *reader) markBytes() {
	if !r.Model.ByteFallback {
		return
	}
	for b := range 256 {
		if id, ok := r.ids[fmt.Sprintf("<0x%02X>", b)]; ok {
			r.config.Pieces[id].Kind = tokenizer.Byte
		}
	}
}

// unknownPenalty is how much less likely than every piece a character without one is.
const unknownPenalty = 10

func (r *reader) readUnigram() error {
	c := &r.config
	c.Algorithm = tokenizer.Unigram
	var vocab [][2]any
	if err := json.Unmarshal(r.Model.Vocab, &vocab); err != nil {
		return fmt.Errorf("vocabulary: %w", err)
	}
	least := math.Inf(1)
	for i, v := range vocab {
		text, ok := v[0].(string)
		score, ok2 := v[1].(float64)
		if !ok || !ok2 {
			return fmt.Errorf("piece %d is no pair of text and score", i)
		}
		if first, twice := r.ids[text]; twice {
			return fmt.Errorf("piece %d: %q is already piece %d", i, text, first)
		}
		least = min(least, score)
		r.ids[text] = int32(i)
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: text, Kind: tokenizer.Normal})
		c.Scores = append(c.Scores, math.Float64bits(score))
	}
	if r.Model.UnkID == nil || *r.Model.UnkID < 0 || *r.Model.UnkID >= int64(len(vocab)) {
		return unsupported("a Unigram model without an unknown piece")
	}
	c.Unknown = int32(*r.Model.UnkID)
	c.Pieces[c.Unknown].Kind = tokenizer.Unknown
	c.UnknownScore = math.Float64bits(least - unknownPenalty)
	if r.Model.ByteFallback {
		c.Options = tokenizer.ByteFallback
	}
	r.markBytes()
	return nil
}

// space stands for a space, and before pieces that begin a word.
const space = "\u2581"

// readWordPiece turns "##rest" into "rest" and "word" into U+2581 and "word".
func (r *reader) readWordPiece() error {
	r.config.Algorithm = tokenizer.WordPiece
	if err := r.vocabulary(); err != nil {
		return err
	}
	if r.config.Unknown == tokenizer.None {
		return unsupported("a WordPiece model without an unknown piece")
	}
	prefix := "##"
	if r.Model.Prefix != nil {
		prefix = *r.Model.Prefix
	}
	if prefix == "" {
		return unsupported("a WordPiece model without a prefix of pieces within words")
	}
	r.config.MaxWord = 100
	if n := r.Model.MaxCharactersWord; n != nil {
		if *n < 1 || *n > tokenizer.MaxStepText {
			return unsupported("words of at most %d characters", *n)
		}
		r.config.MaxWord = *n
	}
	for i := range r.config.Pieces {
		p := &r.config.Pieces[i]
		if rest, ok := strings.CutPrefix(p.Text, prefix); ok && rest != "" {
			p.Text = rest
			continue
		}
		if p.Kind == tokenizer.Normal {
			p.Text = space + p.Text
		}
	}
	return nil
}
