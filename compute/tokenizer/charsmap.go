package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// charsmap is SentencePiece's compiled map of character sequences: the longest sequence that a text
// begins with is replaced. The bytes are the length of a double array u32, the array (u32 each, all
// little-endian) and the replacements, each ended by a zero byte.
type charsmap struct {
	units        []uint32
	replacements string
}

// newCharsmap checks the form and the lengths of replacements; unit indices are checked at every step of apply.
func newCharsmap(b string) (*charsmap, error) {
	if len(b) < 4 {
		return nil, errors.New("a charsmap of less than 4 bytes")
	}
	size := int(binary.LittleEndian.Uint32([]byte(b[:4])))
	if size%4 != 0 || size == 0 || size > len(b)-4 {
		return nil, errors.New("a charsmap whose array is longer than itself or no array")
	}
	m := &charsmap{units: make([]uint32, size/4), replacements: b[4+size:]}
	for part := range strings.SplitSeq(m.replacements, "\x00") {
		if utf8.RuneCountInString(part) > maxReplacement {
			return nil, fmt.Errorf("a charsmap with a replacement of more than %d characters", maxReplacement)
		}
	}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32([]byte(b[4+4*i : 8+4*i]))
	}
	return m, nil
}

// unit is an entry, zero beyond the array.
func (m *charsmap) unit(i uint32) uint32 {
	if uint64(i) >= uint64(len(m.units)) {
		return 0
	}
	return m.units[i]
}

// offset is how far the children of a unit stand.
func offset(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }

// find is the replacement of the longest sequence that text begins with, and its length.
func (m *charsmap) find(text string) (to string, size int) {
	at := offset(m.unit(0))
	for i := 0; i < len(text) && text[i] != 0; i++ {
		at ^= uint32(text[i])
		u := m.unit(at)
		if u&(1<<31|0xFF) != uint32(text[i]) {
			break
		}
		at ^= offset(u)
		if u>>8&1 == 0 {
			continue
		}
		index := m.unit(at) & (1<<31 - 1)
		if uint64(index) >= uint64(len(m.replacements)) {
			continue
		}
		if value, _, ok := strings.Cut(m.replacements[index:], "\x00"); ok {
			to, size = value, i+1
		}
	}
	return to, size
}

// apply replaces from left to right; what has no replacement stays.
func (m *charsmap) apply(text []rune) []rune {
	s := string(appendRunes(make([]byte, 0, len(text)+len(text)/2), text))
	out := make([]rune, 0, len(text))
	for len(s) > 0 {
		to, size := m.find(s)
		if size == 0 {
			var r rune
			r, size = decode(s)
			out = append(out, r)
			s = s[size:]
			continue
		}
		for _, r := range to {
			out = append(out, r)
		}
		s = s[size:]
		for len(s) > 0 && !utf8.RuneStart(s[0]) { // a sequence that ends within a character takes it whole
			s = s[1:]
		}
	}
	return out
}
