package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// Bounds on how much steps make of a text, so that a stranger's tokenizer cannot fill the memory.
const (
	maxArgument = 256 // bytes of A or B of every step but Charsmap
	maxGrowth   = 256 // characters that the normalising steps make of one
	maxPrefixes = 4   // cutting steps that put something before words
	maxPrefix   = 8   // bytes they put there
)

// maxTexts bounds the bytes of all pieces together where they are searched byte by byte.
const maxTexts = 1 << 24

// checkTexts bounds the memory of searching.
func (c *Config) checkTexts() error {
	total := 0
	for _, p := range c.Pieces {
		total += len(p.Text)
	}
	if total > maxTexts {
		return fmt.Errorf("tokenizer: pieces of %d bytes together, at most %d", total, maxTexts)
	}
	return nil
}

// checkGrowth bounds what the steps can make of a text.
func (c *Config) checkGrowth() error {
	growth := 1
	for _, s := range c.Normal {
		if s.Code != Charsmap && len(s.A)+len(s.B) > maxArgument {
			return fmt.Errorf("tokenizer: step %d with %d bytes of arguments, at most %d", s.Code, len(s.A)+len(s.B), maxArgument)
		}
		if growth *= s.growth(); growth > maxGrowth {
			return fmt.Errorf("tokenizer: normalising steps up to %d may make %d characters of one, at most %d", s.Code, growth, maxGrowth)
		}
	}
	prefixes, letters := 0, 0
	for _, s := range c.Cuts {
		switch s.Code {
		case Metaspace, PrefixSpace:
			prefixes++
		case Letters:
			letters++
		}
		if s.Code == Metaspace && len(s.A) > maxPrefix || prefixes > maxPrefixes || letters > 1 {
			return fmt.Errorf("tokenizer: cutting steps up to %d make words too long", s.Code)
		}
	}
	return nil
}

// growth is how many characters a step makes of one at most, at least 1.
func (s Step) growth() int {
	switch s.Code {
	case NFC, NFD:
		return 4
	case NFKC, NFKD:
		return 18
	case Lower:
		return 2
	case SpaceHan:
		return 3
	case Replace, Squeeze:
		from := max(utf8.RuneCountInString(s.A), 1)
		return max((utf8.RuneCountInString(s.B)+from-1)/from, 1)
	case Charsmap:
		return maxReplacement
	}
	return 1
}

// maxReplacement is how long a replacement of a charsmap may be; the longest known has 18 characters.
const maxReplacement = 32
