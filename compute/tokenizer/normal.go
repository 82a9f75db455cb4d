package tokenizer

import (
	"slices"

	"elenchus/compute/ucd"
)

// normalize applies the normalising steps to a text.
func (t *Tokenizer) normalize(text []rune) []rune {
	for i := range t.normal {
		text = t.normal[i].apply(text)
	}
	return text
}

// normalStep is a step made ready.
type normalStep struct {
	Step
	a, b []rune
	maps *charsmap
}

func newNormalStep(s Step) (normalStep, error) {
	out := normalStep{Step: s}
	if s.Code == Charsmap {
		m, err := newCharsmap(s.A)
		out.maps = m
		return out, err
	}
	out.a, out.b = runes(s.A), runes(s.B)
	return out, nil
}

func (s *normalStep) apply(text []rune) []rune {
	switch s.Code {
	case NFC:
		return ucd.NFC(text)
	case NFD:
		return ucd.NFD(text)
	case NFKC:
		return ucd.NFKC(text)
	case NFKD:
		return ucd.NFKD(text)
	case Prepend:
		if len(text) > 0 {
			return slices.Concat(s.a, text)
		}
	case Replace:
		return replace(text, s.a, s.b)
	case TrimLeft:
		for len(text) > 0 && ucd.Space(text[0]) {
			text = text[1:]
		}
	case TrimRight:
		for len(text) > 0 && ucd.Space(text[len(text)-1]) {
			text = text[:len(text)-1]
		}
	case TrimSpaces:
		for len(text) > 0 && text[0] == ' ' {
			text = text[1:]
		}
		for len(text) > 0 && text[len(text)-1] == ' ' {
			text = text[:len(text)-1]
		}
	case Charsmap:
		return s.maps.apply(text)
	case Squeeze:
		return squeeze(text, s.b)
	default:
		return perCharacter(s.Code, text)
	}
	return text
}

// perCharacter applies the steps that look at one character at a time.
func perCharacter(code StepCode, text []rune) []rune {
	out := make([]rune, 0, len(text))
	for _, r := range text {
		switch code {
		case Lower:
			out = ucd.AppendLower(out, r)
		case DropMarks:
			if ucd.Of(r) != ucd.Mn {
				out = append(out, r)
			}
		case CleanControl:
			switch {
			case r == '\t' || r == '\n' || r == '\r':
				out = append(out, ' ')
			case r == 0xFFFD || ucd.C.Has(ucd.Of(r)):
			case ucd.Space(r):
				out = append(out, ' ')
			default:
				out = append(out, r)
			}
		case DropAllMarks:
			if !ucd.M.Has(ucd.Of(r)) {
				out = append(out, r)
			}
		case SpaceHan:
			if ideograph(r) {
				out = append(out, ' ', r, ' ')
				continue
			}
			out = append(out, r)
		}
	}
	return out
}

// ideographs are the blocks that BERT sets apart, first and last.
var ideographs = [...]rune{
	0x4E00, 0x9FFF, 0x3400, 0x4DBF, 0x20000, 0x2A6DF, 0x2A700, 0x2B73F, 0x2B740, 0x2B81F, 0x2B920, 0x2CEAF, 0xF900, 0xFAFF, 0x2F800, 0x2FA1F,
}

func ideograph(r rune) bool {
	if r < 0x3400 {
		return false
	}
	for i := 0; i < len(ideographs); i += 2 {
		if ideographs[i] <= r && r <= ideographs[i+1] {
			return true
		}
	}
	return false
}

// replace writes to for every from, which is not empty.
func replace(text, from, to []rune) []rune {
	out := make([]rune, 0, len(text))
	for len(text) > 0 {
		if len(text) >= len(from) && slices.Equal(text[:len(from)], from) {
			out, text = append(out, to...), text[len(from):]
			continue
		}
		out, text = append(out, text[0]), text[1:]
	}
	return out
}

// squeeze writes one to for every run of two spaces or more.
func squeeze(text, to []rune) []rune {
	out := make([]rune, 0, len(text))
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && text[end] == ' ' {
			end++
		}
		if end-i > 1 {
			out, i = append(out, to...), end
			continue
		}
		out, i = append(out, text[i]), i+1
	}
	return out
}
