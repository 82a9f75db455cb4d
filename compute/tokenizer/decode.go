package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Position says where in a text a run of ids stands. Zero is illegal.
type Position uint8

// The positions a decoder can start at.
const (
	Start        Position = 1 // ids begin a text: the added leading space goes
	Continuation Position = 2 // ids go on after others, as a model's output does
)

// Decode returns the text whose ids begin a text. The result is the exact byte
// string and may be invalid UTF-8. Control, unknown and unused pieces give
// nothing. An id outside the vocabulary is an error matching ErrID.
//
// For valid UTF-8 without U+2581 and without user defined pieces, over a
// vocabulary with byte pieces and a piece for the space, Decode(Encode(text))
// is text.
func (t *Tokenizer) Decode(ids []int32) (string, error) {
	var out strings.Builder
	strip := t.config.AddSpacePrefix
	for _, id := range ids {
		text, err := t.render(id, &strip)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// contribution is what a piece gives in the middle of a text.
func (t *Tokenizer) contribution(p Piece) string {
	switch p.Kind {
	case Byte:
		b, _ := byteOf(p.Text) // checked by New
		return string([]byte{b})
	case UserDefined:
		return p.Text
	case Normal:
		if t.config.Options&Bytes != 0 {
			return fromLetters(p.Text)
		}
		return strings.ReplaceAll(p.Text, space, " ")
	}
	return ""
}

// fromLetters undoes appendLetters; a text with a character that stands for no byte is itself.
func fromLetters(text string) string {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		b, ok := byteOfLetter(r)
		if !ok {
			return text
		}
		out = append(out, b)
	}
	return string(out)
}

// render returns what an id decodes to. While *strip is set, the first piece
// that gives text loses one leading space and *strip is cleared; a user defined
// piece clears it without loss, since no space was put before it.
func (t *Tokenizer) render(id int32, strip *bool) (string, error) {
	text, err := t.Bytes(id)
	if err != nil || text == "" || !*strip {
		return text, err
	}
	*strip = false
	if t.config.Pieces[id].Kind == UserDefined {
		return text, nil
	}
	return strings.TrimPrefix(text, " "), nil
}

// Decoder decodes ids one by one into valid UTF-8: bytes of a character not yet
// complete are held back, bytes that can never be part of one come out as
// U+FFFD each. What it returns altogether equals string([]rune(bytes)) of the
// decoded bytes, up to a stop string if it was given some (Until). It is not safe for concurrent use; the zero value is illegal.
type Decoder struct {
	t     *Tokenizer
	strip bool
	held  []byte
	stops *stops // nil: the text ends with the ids
	aloud map[int32]string
}

// NewDecoder returns a decoder for ids at the position.
func (t *Tokenizer) NewDecoder(at Position) *Decoder {
	return &Decoder{t: t, strip: at == Start && t.config.AddSpacePrefix}
}

// Aloud has control pieces that occur in one of the words give their own text, by which calls of tools are told in
// the text of a model whose template marks them so. Stop strings are not looked for in it. It is called before the
// first Next.
func (d *Decoder) Aloud(words ...string) {
	for _, id := range d.t.Controls(words...) {
		if d.aloud == nil {
			d.aloud = map[int32]string{}
		}
		d.aloud[id] = d.t.config.Pieces[id].Text
	}
}

// Controls are the ids of the control pieces whose text occurs in one of the words, ascending.
func (t *Tokenizer) Controls(words ...string) (ids []int32) {
	if len(words) == 0 {
		return nil
	}
	for id, p := range t.config.Pieces {
		if p.Kind == Control && slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, p.Text) }) {
			ids = append(ids, int32(id))
		}
	}
	return ids
}

// Next takes one id and returns the text that is certain now, possibly none. An
// id outside the vocabulary is an error matching ErrID and changes nothing.
func (d *Decoder) Next(id int32) (string, error) {
	text, err := d.t.render(id, &d.strip)
	if err != nil {
		return "", err
	}
	switch said, ok := d.aloud[id]; {
	case ok && d.stops != nil:
		text = d.stops.say(said)
	case ok:
		text = said
	case d.stops != nil:
		text = d.stops.add(d.t.raw[id], len(d.t.raw[id])-len(text))
	}
	d.held = append(d.held, text...)
	var out []byte
	for utf8.FullRune(d.held) {
		out = d.take(out)
	}
	return string(out), nil
}

// Flush returns what was held back, as U+FFFD, and leaves the decoder ready for
// ids that continue.
func (d *Decoder) Flush() string {
	if d.stops != nil {
		d.held = append(d.held, d.stops.release(len(d.stops.held))...)
	}
	var out []byte
	for len(d.held) > 0 {
		out = d.take(out)
	}
	return string(out)
}

// take moves the first character of held to out.
func (d *Decoder) take(out []byte) []byte {
	r, size := utf8.DecodeRune(d.held)
	d.held = d.held[size:]
	return utf8.AppendRune(out, r)
}
