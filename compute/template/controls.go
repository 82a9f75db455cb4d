package template

import (
	"slices"
	"strings"

	"elenchus/compute/tokenizer"
)

// Control is a control piece in the words of a Syntax.
type Control struct {
	Text string
	ID   int32
	Ends bool // it ends an answer
}

// Stretch is a part of a word: the text of a control piece with its id, or text that other pieces write, with
// the id tokenizer.None.
type Stretch struct {
	Text string
	ID   int32
	Ends bool
}

// Of is the syntax as a model writes it that has the tokenizer's pieces and ends answers with the ids ends: with
// the control pieces that occur in its words. It is nil for nil.
func (s *Syntax) Of(t *tokenizer.Tokenizer, ends []int32) *Syntax {
	if s == nil {
		return nil
	}
	out := *s
	out.Controls = nil
	for _, id := range t.Controls(s.Words()...) {
		p, err := t.Piece(id)
		if err == nil { // ids of its own
			out.Controls = append(out.Controls, Control{p.Text, id, slices.Contains(ends, id)})
		}
	}
	return &out
}

// Cut divides a word of the syntax at its control pieces: the first that occurs, the longest of those that begin
// there, then again in the rest. SPEC 16 §3.11.
func (s *Syntax) Cut(word string) (out []Stretch) {
	for word != "" {
		at, next := len(word), Control{ID: tokenizer.None}
		for _, c := range s.Controls {
			if i := strings.Index(word, c.Text); i >= 0 && (i < at || i == at && len(c.Text) > len(next.Text)) {
				at, next = i, c
			}
		}
		if at > 0 {
			out = append(out, Stretch{word[:at], tokenizer.None, false})
		}
		if next.ID != tokenizer.None {
			out = append(out, Stretch(next))
		}
		word = word[at+len(next.Text):]
	}
	return out
}
