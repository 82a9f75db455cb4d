package tokenizer

import (
	"fmt"
	"slices"

	"elenchus/compute/pattern"
	"elenchus/compute/ucd"
)

// word is a stretch of text on its way to the model; first says that it begins the text.
type word struct {
	pattern.Text
	first bool
}

// splitStep is a step made ready.
type splitStep struct {
	Step
	pattern *pattern.Pattern
	space   []rune
}

func newSplitStep(s Step) (splitStep, error) {
	out := splitStep{Step: s, space: runes(s.A)}
	switch s.Code {
	case Isolate, Drop, Keep, JoinNext, JoinPrevious:
		if !slices.Contains(patterns[:], s.A) {
			return out, fmt.Errorf("pattern %.200q is not one that this version knows", s.A)
		}
		p, err := pattern.Compile(s.A)
		out.pattern = p
		return out, err
	}
	return out, nil
}

// KnownPattern says whether a cutting step may have the pattern.
func KnownPattern(p string) bool { return slices.Contains(patterns[:], p) }

// split cuts a text into words.
func (t *Tokenizer) split(text []rune, first bool) []word {
	if len(text) == 0 {
		return nil
	}
	words := []word{{pattern.NewText(text), first}}
	for i := range t.cuts {
		s := &t.cuts[i]
		out := make([]word, 0, len(words)+len(text)/6)
		for _, w := range words {
			if len(w.Runes) > 0 {
				out = s.apply(out, w)
			}
		}
		words = out
	}
	return words
}

func (s *splitStep) apply(out []word, w word) []word {
	switch s.Code {
	case Metaspace:
		return append(out, s.metaspace(w))
	case PrefixSpace:
		if w.Runes[0] != ' ' {
			w.Text = pattern.NewText(slices.Concat([]rune{' '}, w.Runes))
		}
		return append(out, w)
	case Letters:
		w.Text = pattern.NewText(runes(string(appendLetters(nil, appendRunes(nil, w.Runes)))))
		return append(out, w)
	case TailSpace:
		end := len(w.Runes)
		for end > 0 && ucd.Space(w.Runes[end-1]) {
			end--
		}
		return put(put(out, w, 0, end), w, end, len(w.Runes))
	case Digits3, Digits3Word, Numbers3:
		return s.digits(out, w)
	}
	return s.match(out, w)
}

// put appends a stretch of a word unless it is empty.
func put(out []word, w word, from, to int) []word {
	if from == to {
		return out
	}
	return append(out, word{w.Slice(from, to), w.first && from == 0})
}

// match cuts by a pattern. Empty matches cut nothing.
func (s *splitStep) match(out []word, w word) []word {
	m, n := s.pattern.On(w.Text), len(w.Runes)
	from := 0 // of what is not yet put
	for at := 0; at < n; {
		start, stop, ok := m.Find(at, n)
		if !ok {
			break
		}
		if at = stop; start == stop {
			at++
			continue
		}
		switch s.Code {
		case Isolate:
			out = put(put(out, w, from, start), w, start, stop)
		case Drop:
			out = put(out, w, from, start)
		case Keep:
			out = put(out, w, start, stop)
		case JoinPrevious:
			out = put(out, w, from, stop)
		case JoinNext:
			out = put(out, w, from, start)
			stop = start
		}
		from = stop
	}
	if s.Code == Keep {
		return out
	}
	return put(out, w, from, n)
}

func (s *splitStep) metaspace(w word) word {
	text := replace(w.Runes, []rune{' '}, s.space)
	starts := len(text) >= len(s.space) && slices.Equal(text[:len(s.space)], s.space)
	if !starts && (s.B == PrependAlways || s.B == PrependFirst && w.first) {
		text = slices.Concat(s.space, text)
	}
	return word{pattern.NewText(text), w.first}
}

// digits cuts runs of digits into threes that end where the run ends.
func (s *splitStep) digits(out []word, w word) []word {
	n, from := len(w.Runes), 0
	for at := 0; at < n; {
		end := at
		for end < n && s.digit(w.Category(end)) {
			end++
		}
		if end == at {
			at++
			continue
		}
		if s.Code == Digits3Word && w.Word(end) {
			at = end
			continue
		}
		cut := at + (end-at)%3
		if s.Code != Digits3 { // isolated on both sides
			out, from = put(out, w, from, at), at
		}
		for ; cut <= end; cut += 3 {
			if cut == end && s.Code == Digits3 {
				break
			}
			out, from = put(out, w, from, cut), cut
		}
		at = end
	}
	return put(out, w, from, n)
}

func (s *splitStep) digit(c ucd.Category) bool {
	return c == ucd.Nd || s.Code == Numbers3 && ucd.N.Has(c)
}
