package tokenizer

import "unicode/utf8"

// runes decodes text by structure alone: a byte that begins no sequence of lead and continuation
// bytes, and a sequence beyond U+10FFFF, counts as U+FFFD for each byte. Surrogates stay what they
// are and sequences longer than needed lose what is too much.
func runes(text string) []rune {
	out := make([]rune, 0, len(text))
	for i := 0; i < len(text); {
		r, size := decode(text[i:])
		out = append(out, r)
		i += size
	}
	return out
}

func decode(s string) (rune, int) {
	b := s[0]
	if b < 0x80 {
		return rune(b), 1
	}
	if b < 0xC0 || b >= 0xF8 {
		return utf8.RuneError, 1
	}
	size := charBytes(b)
	if size > len(s) {
		return utf8.RuneError, 1
	}
	r := rune(b) & (0x7F >> size)
	for i := 1; i < size; i++ {
		if s[i]&0xC0 != 0x80 {
			return utf8.RuneError, 1
		}
		r = r<<6 | rune(s[i]&0x3F)
	}
	if r > utf8.MaxRune {
		return utf8.RuneError, 1
	}
	return r, size
}

// appendRune writes a character of runes as UTF-8, surrogates in the same way.
func appendRune(out []byte, r rune) []byte {
	if r >= 0xD800 && r < 0xE000 {
		return append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F))
	}
	return utf8.AppendRune(out, r)
}

// appendRunes writes many.
func appendRunes(out []byte, text []rune) []byte {
	for _, r := range text {
		if r < 0x80 {
			out = append(out, byte(r))
			continue
		}
		out = appendRune(out, r)
	}
	return out
}

// letterOf is the character that stands for a byte in byte-level vocabularies: printable characters
// of Latin-1 are themselves, the other 68 follow from U+0100 on.
func letterOf(b byte) rune {
	switch {
	case b >= '!' && b <= '~' || b >= 0xA1 && b != 0xAD:
		return rune(b)
	case b <= ' ':
		return 0x100 + rune(b)
	case b < 0xA1:
		return 0x100 + 33 + rune(b) - 0x7F
	}
	return 0x100 + 67
}

// byteOfLetter is the inverse of letterOf.
func byteOfLetter(r rune) (byte, bool) {
	switch {
	case r < 0x100:
		return byte(r), r >= 0 && letterOf(byte(r)) == r
	case r <= 0x120:
		return byte(r - 0x100), true
	case r < 0x143:
		return byte(r - 0x121 + 0x7F), true
	}
	return 0xAD, r == 0x143
}
