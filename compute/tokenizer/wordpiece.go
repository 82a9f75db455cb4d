package tokenizer

import "fmt"

// indexWords makes the search for the longest pieces ready.
func (t *Tokenizer) indexWords() error {
	c := &t.config
	if c.Unknown == None || c.MaxWord < 0 || c.MaxWord > MaxStepText {
		return fmt.Errorf("tokenizer: unknown piece %d, at most %d characters in a word: want a piece and 0..%d", c.Unknown, c.MaxWord, MaxStepText)
	}
	var ids []int32
	for i, p := range c.Pieces {
		if !special(p.Kind) {
			ids = append(ids, int32(i))
		}
	}
	t.trie = newTrie(c.Pieces, ids)
	return nil
}

// longestFirst appends the ids of a word: U+2581 and the word, cut from the left into the longest
// pieces, or one unknown if some rest begins with none or the word is longer than MaxWord.
func (t *Tokenizer) longestFirst(ids []int32, w word) []int32 {
	if t.config.MaxWord > 0 && len(w.Runes) > t.config.MaxWord {
		return append(ids, t.config.Unknown)
	}
	n := len(ids)
	text := string(appendRunes([]byte(space), w.Runes))
	for len(text) > 0 {
		id, size := t.trie.longest(text)
		if id == None {
			return append(ids[:n], t.config.Unknown)
		}
		ids, text = append(ids, id), text[size:]
	}
	return ids
}
