package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tame is a text of somebody else's, such as what a model or a node said, as people may look at it on a
// terminal: what could steer the terminal or turn the direction of writing is written out.
func tame(s string) string {
	var b strings.Builder
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}
