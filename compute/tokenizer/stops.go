package tokenizer

import "strings"

// MatchedBytes is how many bytes of a piece a stop string is looked for in: the last ones of a longer
// piece. SPEC 02 §4.10, 04 §1.6.
const MatchedBytes = 128

// stops holds back what could become a stop string. It finds one with the token with which a step
// finds it, whatever tokens begin and end in: the bytes are those of SPEC 02 §4.10.
type stops struct {
	strings []string
	held    []heldByte
	found   string // the string that ended the text
}

// heldByte is a byte of the text that is not certain yet.
type heldByte struct {
	b       byte
	matched bool // strings are looked for in it
	shown   bool // it is in the text: not the space that a decoder drops
}

// Until ends the text before the first of the strings that occurs in it, whichever begins first. The
// strings are not empty; none leaves the decoder as it is. It is called before the first Next.
func (d *Decoder) Until(strings []string) {
	if len(strings) > 0 {
		d.stops = &stops{strings: strings}
	}
}

// Stopped is the string that ended the text, "" while none has.
func (d *Decoder) Stopped() string {
	if d.stops == nil {
		return ""
	}
	return d.stops.found
}

// add takes a piece, the first hidden bytes of which are not shown, and returns what is certain.
func (s *stops) add(piece string, hidden int) string {
	if s.found != "" {
		return ""
	}
	for i := range len(piece) {
		s.held = append(s.held, heldByte{piece[i], i >= len(piece)-MatchedBytes, i >= hidden})
	}
	return s.certain()
}

// say takes a text in which no strings are looked for, and returns what is certain.
func (s *stops) say(text string) string {
	if s.found != "" {
		return ""
	}
	for i := range len(text) {
		s.held = append(s.held, heldByte{text[i], false, true})
	}
	return s.certain()
}

// certain gives away what no string can begin in any more, or what stands before the one that was found.
func (s *stops) certain() string {
	text := s.text()
	first := -1
	for _, want := range s.strings {
		if i := strings.Index(text, want); i >= 0 && (first < 0 || i < first || i == first && len(want) < len(s.found)) {
			first, s.found = i, want
		}
	}
	if first >= 0 {
		out := s.release(first)
		s.held = nil
		return out
	}
	keep := 0
	for _, want := range s.strings {
		keep = max(keep, begins(text, want))
	}
	return s.release(len(text) - keep)
}

// text are the held bytes in which strings are looked for.
func (s *stops) text() string {
	var b strings.Builder
	for _, h := range s.held {
		if h.matched {
			b.WriteByte(h.b)
		}
	}
	return b.String()
}

// begins is the length of the longest end of text that want begins with and that is not all of it.
func begins(text, want string) int {
	n := min(len(text), len(want)-1)
	for ; n > 0 && !strings.HasSuffix(text, want[:n]); n-- {
	}
	return n
}

// release gives away the first n bytes of text and what stands before the next one.
func (s *stops) release(n int) string {
	var out []byte
	i := 0
	for ; i < len(s.held); i++ {
		h := s.held[i]
		if h.matched {
			if n == 0 {
				break
			}
			n--
		}
		if h.shown {
			out = append(out, h.b)
		}
	}
	s.held = append(s.held[:0], s.held[i:]...)
	return string(out)
}
