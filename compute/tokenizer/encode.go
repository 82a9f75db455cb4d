package tokenizer

import (
	"slices"
	"strings"
)

// Encode returns the ids of text. It adds neither BOS nor EOS, and the names of
// control pieces are ordinary text. Text need not be valid UTF-8. Time is
// n log n in the length of the text, times the longest piece at worst, plus
// one search per user defined piece.
func (t *Tokenizer) Encode(text string) []int32 {
	if t.config.Algorithm != Scored {
		return t.pipeline(text, 0)
	}
	return t.scored(text, t.user)
}

// EncodeSpecial is Encode for text whose author may name control pieces, such as that of a chat
// template: their names give their ids. Text of users must never come here.
func (t *Tokenizer) EncodeSpecial(text string) []int32 {
	if t.config.Algorithm != Scored {
		return t.pipeline(text, 1)
	}
	return t.scored(text, t.control)
}

// Prompt puts ids between BOS and EOS where the tokenizer asks for them.
func (t *Tokenizer) Prompt(ids []int32) []int32 {
	out := make([]int32, 0, len(ids)+2)
	if t.config.AddBOS && t.config.BOS != None {
		out = append(out, t.config.BOS)
	}
	out = append(out, ids...)
	if t.config.AddEOS && t.config.EOS != None {
		out = append(out, t.config.EOS)
	}
	return out
}

// scored encodes with algorithm Scored.
func (t *Tokenizer) scored(text string, user []int32) []int32 { return t.merged(t.cut(text, user)) }

// merged encodes what is left between cut-out pieces.
func (t *Tokenizer) merged(parts []fragment) []int32 {
	var ids []int32
	prefix := t.config.AddSpacePrefix
	for _, f := range parts {
		if f.id != None {
			ids = append(ids, f.id)
			prefix = t.config.AddSpacePrefix
			continue
		}
		escaped := strings.ReplaceAll(f.text, " ", space)
		if prefix {
			escaped = space + escaped
		}
		ids = t.merge(ids, escaped)
		prefix = false
	}
	return ids
}

// fragment is a stretch of text still to be merged, or a piece cut out of it.
type fragment struct {
	text string
	id   int32 // None for text
}

// cutOut returns the ids of the pieces that are cut out of a text, in the order in which they are:
// longest first, then by id.
func cutOut(pieces []Piece, specials bool) []int32 {
	var ids []int32
	for i, p := range pieces {
		if p.Kind == UserDefined || specials && special(p.Kind) {
			ids = append(ids, int32(i))
		}
	}
	slices.SortStableFunc(ids, func(a, b int32) int {
		return len(pieces[b].Text) - len(pieces[a].Text)
	})
	return ids
}

// cut takes the pieces named out of text, each wherever it still occurs in what the earlier ones
// left, from left to right.
func (t *Tokenizer) cut(text string, user []int32) []fragment {
	if text == "" {
		return nil
	}
	parts := []fragment{{text, None}}
	if len(user) == 0 {
		return parts
	}
	var present [256]bool
	for i := range len(text) {
		present[text[i]] = true
	}
	for _, id := range user {
		piece := t.config.Pieces[id].Text
		// A piece has at least one byte (checkPiece).
		if present[piece[0]] && present[piece[len(piece)-1]] && strings.Contains(text, piece) {
			parts = cutPiece(parts, piece, id)
		}
	}
	return parts
}

func cutPiece(parts []fragment, piece string, id int32) []fragment {
	out := make([]fragment, 0, len(parts)+2)
	for _, f := range parts {
		for f.id == None {
			before, after, found := strings.Cut(f.text, piece)
			if !found {
				break
			}
			if before != "" {
				out = append(out, fragment{before, None})
			}
			out = append(out, fragment{piece, id})
			f.text = after
		}
		if f.text != "" {
			out = append(out, f)
		}
	}
	return out
}

// symbol is a stretch of the text being merged; size 0 means it was absorbed
// by its left neighbour. prev and next are indices, -1 at the ends.
type symbol struct {
	start, size int
	prev, next  int
}

// merger is the state of merging one stretch after another.
type merger struct {
	t       *Tokenizer
	text    string
	symbols []symbol
	queue   pairs
}

// wordwise says whether no piece goes on into a space: then no merge reaches over the beginning of
// spaces, and what stands between those beginnings merges by itself.
func wordwise(pieces []Piece) bool {
	for _, p := range pieces {
		for at := strings.Index(p.Text, space); at >= 0; {
			if at > 0 && !strings.HasSuffix(p.Text[:at], space) {
				return false
			}
			next := strings.Index(p.Text[at+len(space):], space)
			if next < 0 {
				break
			}
			at += len(space) + next
		}
	}
	return true
}

// merge appends the ids of text, in which spaces are already U+2581.
func (t *Tokenizer) merge(ids []int32, text string) []int32 {
	m := merger{t: t}
	if !t.wordwise {
		return m.merge(ids, text)
	}
	from, inSpaces := 0, false
	for at := 0; at < len(text); {
		size := min(charBytes(text[at]), len(text)-at)
		is := text[at:at+size] == space
		if is && !inSpaces && at > from {
			ids = m.merge(ids, text[from:at])
			from = at
		}
		inSpaces = is
		at += size
	}
	return m.merge(ids, text[from:])
}

// merge merges one stretch; the memory serves one after another.
func (m *merger) merge(ids []int32, text string) []int32 {
	m.text, m.symbols = text, split(m.symbols[:0], text)
	for i := 1; i < len(m.symbols); i++ {
		m.propose(i-1, i)
	}
	for len(m.queue) > 0 {
		m.apply(m.queue.pop())
	}
	for i := 0; i >= 0 && i < len(m.symbols); i = m.symbols[i].next {
		s := m.symbols[i]
		ids = m.t.appendSymbol(ids, text[s.start:s.start+s.size])
	}
	return ids
}

// split appends the characters of text, told by their first byte alone, so that invalid UTF-8 has a
// defined split too.
func split(symbols []symbol, text string) []symbol {
	for at := 0; at < len(text); {
		size := min(charBytes(text[at]), len(text)-at)
		i := len(symbols)
		symbols = append(symbols, symbol{at, size, i - 1, i + 1})
		at += size
	}
	if n := len(symbols); n > 0 {
		symbols[n-1].next = -1
	}
	return symbols
}

// charBytes is the length of a character by its first byte; a continuation
// byte standing alone counts as one.
func charBytes(first byte) int {
	switch {
	case first < 0xC0:
		return 1
	case first < 0xE0:
		return 2
	case first < 0xF0:
		return 3
	default:
		return 4
	}
}

// propose queues the merge of two neighbours if their concatenation is a piece.
func (m *merger) propose(left, right int) {
	if left < 0 || right < 0 {
		return
	}
	start, size := m.symbols[left].start, m.symbols[left].size+m.symbols[right].size
	if size > m.t.longest {
		return
	}
	if id, ok := m.t.word(m.text[start : start+size]); ok {
		m.queue.push(pair{m.t.config.Pieces[id].Score, left, right, size})
	}
}

// word finds the piece that a text merges to. The names of control, unknown and byte pieces are text,
// whatever merges would lead to them. SPEC 04 §4.11a.
func (t *Tokenizer) word(text string) (int32, bool) {
	id, ok := t.ids[text]
	return id, ok && (t.config.Pieces[id].Kind == Normal || t.config.Pieces[id].Kind == UserDefined || t.config.Pieces[id].Kind == Unused)
}

// apply merges a queued pair unless one of its symbols has changed since.
func (m *merger) apply(p pair) {
	left, right := &m.symbols[p.left], &m.symbols[p.right]
	if left.size == 0 || right.size == 0 || left.size+right.size != p.size {
		return
	}
	left.size, right.size = p.size, 0
	left.next = right.next
	if right.next >= 0 {
		m.symbols[right.next].prev = p.left
	}
	m.propose(left.prev, p.left)
	m.propose(p.left, left.next)
}

// appendSymbol appends the id of a symbol that merges no further: its piece,
// else its bytes, else one unknown.
func (t *Tokenizer) appendSymbol(ids []int32, text string) []int32 {
	if id, ok := t.word(text); ok {
		return append(ids, id)
	}
	n := len(ids)
	for i := range len(text) {
		id := t.bytes[text[i]]
		if id == None {
			return append(ids[:n], t.config.Unknown)
		}
		ids = append(ids, id)
	}
	return ids
}
