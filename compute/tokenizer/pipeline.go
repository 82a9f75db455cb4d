package tokenizer

import (
	"fmt"
	"slices"
)

// Algorithm says how a word becomes pieces.
type Algorithm uint8

// The algorithms, numbered one below their code in the canonical bytes.
const (
	Scored    Algorithm = iota // merge neighbours by the score of the result; the text is one word
	RankedBPE                  // merge neighbours by the rank of the pair
	Unigram                    // the pieces with the largest sum of scores
	WordPiece                  // the longest piece first
)

// Options are bits that not every algorithm has.
type Options uint8

// The options.
const (
	Bytes        Options = 1 << iota // RankedBPE: a word is its bytes, each written as a letter
	Whole                            // RankedBPE: a word that is a piece stays whole
	ByteFallback                     // RankedBPE, Unigram: what has no piece becomes its "<0xHH>"
	Fuse                             // RankedBPE: neighbouring unknown characters are one
	optionsKnown
)

// optionsOf are the options an algorithm may have.
var optionsOf = [...]Options{Scored: 0, RankedBPE: optionsKnown - 1, Unigram: ByteFallback, WordPiece: 0}

// pipeline encodes with the algorithms that have steps: cut out added pieces, normalise, cut into
// words, encode each.
func (t *Tokenizer) pipeline(text string, specials int) []int32 {
	return t.stepped(t.cutAdded(text, t.added[specials]), specials)
}

// stepped encodes what is left between pieces cut out before normalising.
func (t *Tokenizer) stepped(parts []fragment, specials int) []int32 {
	var ids []int32
	encode := t.encoder()
	for i, f := range parts {
		if f.id != None {
			ids = append(ids, f.id)
			continue
		}
		normal := t.normalize(runes(f.text))
		if t.added[2+specials] == nil {
			ids = t.words(ids, normal, i == 0, encode)
			continue
		}
		for j, g := range t.cutAdded(string(appendRunes(nil, normal)), t.added[2+specials]) {
			if g.id != None {
				ids = append(ids, g.id)
				continue
			}
			ids = t.words(ids, runes(g.text), i == 0 && j == 0, encode)
		}
	}
	return ids
}

func (t *Tokenizer) words(ids []int32, text []rune, first bool, encode func([]int32, word) []int32) []int32 {
	for _, w := range t.split(text, first) {
		ids = encode(ids, w)
	}
	return ids
}

// encoder is the algorithm with memory for one call.
func (t *Tokenizer) encoder() func([]int32, word) []int32 {
	switch t.config.Algorithm {
	case RankedBPE:
		return (&ranked{t: t}).encode
	case Unigram:
		return (&likeliest{t: t}).encode
	}
	return t.longestFirst
}

// index checks and makes ready what the algorithm needs.
func (t *Tokenizer) index() error {
	c := &t.config
	if c.Algorithm > WordPiece {
		return fmt.Errorf("tokenizer: algorithm %d, want 0..%d", c.Algorithm, WordPiece)
	}
	if err := checkForeign(c); err != nil {
		return err
	}
	if c.Algorithm == Scored {
		t.user = cutOut(c.Pieces, false)
		t.control = cutOut(c.Pieces, true)
		t.wordwise = wordwise(c.Pieces)
		return nil
	}
	if err := c.checkTexts(); err != nil {
		return err
	}
	if err := t.indexSteps(); err != nil {
		return err
	}
	if err := t.indexAdded(); err != nil {
		return err
	}
	switch c.Algorithm {
	case RankedBPE:
		return t.indexMerges()
	case Unigram:
		return t.indexScores()
	}
	return t.indexWords()
}

// checkForeign refuses fields that belong to other algorithms.
func checkForeign(c *Config) error {
	a := c.Algorithm
	scored := 0
	if a != Scored {
		for _, p := range c.Pieces {
			scored |= int(p.Score)
		}
	}
	if c.Options&^optionsOf[a] != 0 || a != RankedBPE && c.Merges != nil || a != Unigram && (c.Scores != nil || c.UnknownScore != 0) ||
		a != WordPiece && c.MaxWord != 0 || a == Scored && (c.Normal != nil || c.Cuts != nil || c.Attributes != nil) || scored != 0 {
		return fmt.Errorf("tokenizer: something is set that algorithm %d does not have (options 0x%02x)", a, c.Options)
	}
	return nil
}

func (t *Tokenizer) indexSteps() error {
	c := &t.config
	if len(c.Normal) > MaxSteps || len(c.Cuts) > MaxSteps {
		return fmt.Errorf("tokenizer: %d and %d steps, at most %d of a kind", len(c.Normal), len(c.Cuts), MaxSteps)
	}
	if err := c.checkGrowth(); err != nil {
		return err
	}
	for _, s := range c.Normal {
		if err := checkStep(s, false); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
		ready, err := newNormalStep(s)
		if err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
		t.normal = append(t.normal, ready)
	}
	for _, s := range c.Cuts {
		if err := checkStep(s, true); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
		ready, err := newSplitStep(s)
		if err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
		t.cuts = append(t.cuts, ready)
	}
	here := slices.ContainsFunc(c.Cuts, func(s Step) bool { return s.Code == Letters })
	if here && c.Options&Bytes == 0 {
		return fmt.Errorf("tokenizer: step %d without option %d", Letters, Bytes)
	}
	t.lettersLast = c.Options&Bytes != 0 && !here
	return nil
}
