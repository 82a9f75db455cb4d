package tokenizer

import (
	"fmt"
	"unicode/utf8"

	"elenchus/compute/ucd"
)

// Attribute says how a piece that is cut out of the text is found. A piece has at most one.
type Attribute struct {
	ID    int32
	Flags AttributeFlags
}

// AttributeFlags are bits; at least one is set.
type AttributeFlags uint8

// The attributes of cut-out pieces.
const (
	StripLeft  AttributeFlags = 1 << iota // white space before it goes with it
	StripRight                            // white space after it goes with it
	WholeWord                             // it has no word character as neighbour
	Normalized                            // it is found after normalising, not before
	attributesKnown
)

// special says whether the text of a piece of this kind never means the piece.
func special(k Kind) bool { return k == Control || k == Unknown }

// indexAdded makes finding cut-out pieces ready.
func (t *Tokenizer) indexAdded() error {
	c := &t.config
	t.flags = make(map[int32]AttributeFlags, len(c.Attributes))
	last := int32(-1)
	for _, a := range c.Attributes {
		if a.ID <= last || int(a.ID) >= len(c.Pieces) || a.Flags == 0 || a.Flags >= attributesKnown {
			return fmt.Errorf("tokenizer: attribute 0x%02x of piece %d after %d: want ascending pieces and bits below 0x%02x", a.Flags, a.ID, last, attributesKnown)
		}
		if k := c.Pieces[a.ID].Kind; k != UserDefined && !special(k) {
			return fmt.Errorf("tokenizer: attribute of piece %d of kind %d, which is not cut out of the text", a.ID, k)
		}
		t.flags[a.ID], last = a.Flags, a.ID
	}
	var ids [4][]int32 // plain text, with specials; before and after normalising
	for i, p := range c.Pieces {
		after := 0
		if t.flags[int32(i)]&Normalized != 0 {
			after = 2
		}
		if p.Kind == UserDefined {
			ids[after] = append(ids[after], int32(i))
		}
		if p.Kind == UserDefined || special(p.Kind) {
			ids[after+1] = append(ids[after+1], int32(i))
		}
	}
	for i := range ids {
		if len(ids[i]) > 0 {
			t.added[i] = t.finder(ids[i], i >= 2)
		}
	}
	return nil
}

// finder holds the texts of pieces, normalised where the text will be.
func (t *Tokenizer) finder(ids []int32, normalized bool) *trie {
	if !normalized {
		return newTrie(t.config.Pieces, ids)
	}
	pieces := append([]Piece(nil), t.config.Pieces...)
	seen := make(map[string]bool, len(ids))
	var keep []int32
	for _, id := range ids {
		pieces[id].Text = string(appendRunes(nil, t.normalize(runes(pieces[id].Text))))
		if pieces[id].Text != "" && !seen[pieces[id].Text] {
			seen[pieces[id].Text] = true
			keep = append(keep, id)
		}
	}
	return newTrie(pieces, keep)
}

// cutAdded takes pieces out of a text: the first that occurs, the longest of those that begin
// there, then again in the rest.
func (t *Tokenizer) cutAdded(text string, find *trie) []fragment {
	if find == nil {
		return []fragment{{text, None}}
	}
	var out []fragment
	from := 0
	for at := 0; at < len(text); {
		id, size := find.longest(text[at:])
		if id == None || size == 0 {
			at++
			continue
		}
		if t.flags[id]&WholeWord != 0 && !alone(text, at, at+size) {
			at += size
			continue
		}
		start, stop := t.strip(text, id, from, at, at+size)
		if start > from {
			out = append(out, fragment{text[from:start], None})
		}
		out = append(out, fragment{text[at : at+size], id})
		at, from = stop, stop
	}
	if from < len(text) {
		out = append(out, fragment{text[from:], None})
	}
	return out
}

// strip widens a match by white space; what is before from is taken.
func (t *Tokenizer) strip(text string, id int32, from, start, stop int) (int, int) {
	flags := t.flags[id]
	for flags&StripLeft != 0 && start > from {
		r, size := lastRune(text[from:start])
		if !ucd.Space(r) {
			break
		}
		start -= size
	}
	for flags&StripRight != 0 && stop < len(text) {
		r, size := decode(text[stop:])
		if !ucd.Space(r) {
			break
		}
		stop += size
	}
	return start, stop
}

// lastRune decodes the last character of a text that is not empty.
func lastRune(s string) (rune, int) {
	for size := 1; size <= 4 && size <= len(s); size++ {
		if first := s[len(s)-size]; first&0xC0 == 0x80 {
			continue
		}
		if r, n := decode(s[len(s)-size:]); n == size {
			return r, size
		}
		break
	}
	return utf8.RuneError, 1
}

// wordy says whether a character is one of a word, joiners included.
func wordy(r rune) bool { return r == 0x200C || r == 0x200D || ucd.Word(r, ucd.Of(r)) }

// alone says whether no word character stands beside a stretch.
func alone(text string, start, stop int) bool {
	if start > 0 {
		if r, _ := lastRune(text[:start]); wordy(r) {
			return false
		}
	}
	if stop < len(text) {
		if r, _ := decode(text[stop:]); wordy(r) {
			return false
		}
	}
	return true
}
