// Package tokenizer turns text into token ids and token ids into text.
//
// It stands on the compute floor, before the first and after the last step of
// a token model: text -> Encode -> prompt ids -> machine -> ids -> Decode ->
// text. The tokenizer is part of the model identity, as its canonical bytes
// (MarshalBinary), so anyone who checks a receipt obtains the same ids.
//
// Four algorithms make words into pieces (Algorithm). Scored is that of SentencePiece vocabularies
// with merges, giving the ids llama.cpp gives for tokenizer model "llama":
//
//   - pieces marked user defined are cut out of the text first, longest first;
//   - each remaining stretch gets a leading space if AddSpacePrefix is set and
//     nothing but such a piece stands before it; spaces become U+2581;
//   - neighbouring symbols whose concatenation is a piece are merged, largest
//     score first, leftmost first among equals, until nothing merges;
//   - what is no piece then becomes its bytes, or the unknown piece.
//
// The other three (RankedBPE, Unigram, WordPiece) work on words that declared steps make: user
// defined pieces are cut out, the first and longest first; the rest is read as code points,
// normalised, cut into words, and each word encoded (Step, pipeline.go). They give the ids of the
// tokenizers library of which published models bring the settings.
//
// Invariants: pieces are distinct, 1..MaxPieceBytes bytes long, at most MaxPieces of them. Scores
// of Scored are only ever compared, so they are integers here; the importer maps floats to them with
// order kept. Those of Unigram are binary64 numbers as bits, added by integer arithmetic. The names
// of control pieces in a text are text, not control, unless EncodeSpecial is asked. Whatever
// characters mean follows from pinned tables (package ucd).
//
//	t, err := tokenizer.New(tokenizer.Config{Pieces: pieces, BOS: 1, EOS: 2, Unknown: 0})
//	ids := t.Encode("once upon a time")
//	text, err := t.Decode(ids)
package tokenizer

import (
	"errors"
	"fmt"
)

// Bounds of a valid tokenizer.
const (
	MaxPieces     = 1 << 20 // pieces in a vocabulary
	MaxPieceBytes = 1 << 10 // bytes in one piece
	MaxMerges     = 1 << 21 // merges of RankedBPE
)

// None stands for the absence of a special piece.
const None int32 = -1

// space is U+2581, which stands for a space inside pieces.
const space = "\u2581"

// ErrID is returned, wrapped, for a token id outside the vocabulary.
var ErrID = errors.New("token id outside the vocabulary")

// Kind says how a piece takes part in encoding and decoding. Zero is illegal.
type Kind uint8

// The kinds of pieces, numbered as in model files.
const (
	Normal      Kind = 1 // merged by score, decoded to its text
	Unknown     Kind = 2 // stands for what has no piece, decoded to nothing
	Control     Kind = 3 // never means its text, decoded to nothing
	UserDefined Kind = 4 // cut out of the text before merging, decoded verbatim
	Unused      Kind = 5 // decoded to nothing
	Byte        Kind = 6 // "<0xHH>", one byte, used where no piece fits
)

// Piece is one entry of a vocabulary; its id is its position.
type Piece struct {
	Text  string // any bytes, 1..MaxPieceBytes of them
	Score int32  // larger merges first
	Kind  Kind
}

// Config is everything that makes a tokenizer. Fields of other algorithms than its own are zero;
// Scored has none of those behind AddSpacePrefix.
type Config struct {
	Pieces  []Piece // 1..MaxPieces, distinct texts
	BOS     int32   // begin of sequence, id or None
	EOS     int32   // end of sequence, id or None
	Unknown int32   // id for what has no piece, or None

	AddBOS         bool // a prompt starts with BOS; Encode itself never adds it
	AddEOS         bool // a text ends with EOS; Encode itself never adds it
	AddSpacePrefix bool // Scored: text is encoded as if a space stood before it; all: a text decodes without it

	Algorithm    Algorithm
	Options      Options
	Normal       []Step      // normalise a text, in order
	Cuts         []Step      // cut it into words, in order
	Attributes   []Attribute // of pieces that are cut out, ascending
	Merges       []Merge     // RankedBPE
	Scores       []uint64    // Unigram: of each piece, bits of binary64
	UnknownScore uint64      // Unigram: of a character without a piece
	MaxWord      int         // WordPiece: characters of a word that is not unknown; 0 for any
}

// Tokenizer encodes and decodes. It is immutable and safe for concurrent use.
// The zero value is illegal: use New or Parse.
type Tokenizer struct {
	config   Config
	ids      map[string]int32
	user     []int32    // user defined pieces, longest first, then by id
	bytes    [256]int32 // piece for a single byte, or None
	longest  int        // bytes of the longest piece
	wordwise bool       // Scored: see wordwise

	control     []int32  // user defined, control and unknown pieces, longest first
	raw         []string // what each piece contributes to a text
	flags       map[int32]AttributeFlags
	added       [4]*trie // cut-out pieces: before normalising without and with specials, after it likewise
	normal      []normalStep
	cuts        []splitStep
	lettersLast bool // words become letters after the last step
	merges      map[uint64]merged
	letterIDs   [256]int32 // the piece of the letter of each byte, or None
	trie        *trie
}

// New builds a tokenizer. It copies the pieces. It refuses vocabularies beyond
// the bounds, empty or repeated pieces, unknown kinds, byte pieces not written
// "<0xHH>" in upper case, special ids out of range, steps and patterns it does
// not know, and with Scored vocabularies in which some byte has neither a piece
// nor an unknown piece to stand for it.
func New(c Config) (*Tokenizer, error) {
	if len(c.Pieces) == 0 || len(c.Pieces) > MaxPieces {
		return nil, fmt.Errorf("tokenizer: %d pieces, want 1..%d", len(c.Pieces), MaxPieces)
	}
	if err := checkSpecials(c); err != nil {
		return nil, err
	}
	c.Pieces = append([]Piece(nil), c.Pieces...)
	t := &Tokenizer{config: c, ids: make(map[string]int32, len(c.Pieces))}
	for i, p := range c.Pieces {
		if err := checkPiece(p); err != nil {
			return nil, fmt.Errorf("tokenizer: piece %d: %w", i, err)
		}
		if first, dup := t.ids[p.Text]; dup {
			return nil, fmt.Errorf("tokenizer: piece %d: %q is already piece %d", i, p.Text, first)
		}
		t.ids[p.Text] = int32(i)
		t.longest = max(t.longest, len(p.Text))
	}
	if err := t.indexBytes(); err != nil {
		return nil, err
	}
	if err := t.index(); err != nil {
		return nil, err
	}
	t.raw = make([]string, len(c.Pieces))
	for i, p := range c.Pieces {
		t.raw[i] = t.contribution(p)
	}
	return t, nil
}

func checkSpecials(c Config) error {
	for _, s := range [...]struct {
		name string
		id   int32
	}{{"BOS", c.BOS}, {"EOS", c.EOS}, {"unknown", c.Unknown}} {
		if s.id < None || int(s.id) >= len(c.Pieces) {
			return fmt.Errorf("tokenizer: %s id %d, want %d or 0..%d", s.name, s.id, None, len(c.Pieces)-1)
		}
	}
	return nil
}

func checkPiece(p Piece) error {
	if len(p.Text) == 0 || len(p.Text) > MaxPieceBytes {
		return fmt.Errorf("length %d, want 1..%d", len(p.Text), MaxPieceBytes)
	}
	if p.Kind < Normal || p.Kind > Byte {
		return fmt.Errorf("kind %d of %q, want %d..%d", p.Kind, p.Text, Normal, Byte)
	}
	if p.Kind == Byte {
		if _, ok := byteOf(p.Text); !ok {
			return fmt.Errorf("byte piece %q, want <0xHH> with upper-case digits", p.Text)
		}
	}
	return nil
}

// indexBytes finds the piece for each byte: "<0xHH>", else the piece that is
// just this byte.
func (t *Tokenizer) indexBytes() error {
	for b := range t.bytes {
		t.bytes[b] = None
		if id, ok := t.ids[byteName(byte(b))]; ok {
			t.bytes[b] = id
			continue
		}
		if t.config.Algorithm != Scored {
			continue
		}
		if id, ok := t.ids[string([]byte{byte(b)})]; ok {
			t.bytes[b] = id
			continue
		}
		if t.config.Unknown == None {
			return fmt.Errorf("tokenizer: byte 0x%02X has no piece and there is no unknown piece", b)
		}
	}
	return nil
}

const hexDigits = "0123456789ABCDEF"

func byteName(b byte) string {
	return string([]byte{'<', '0', 'x', hexDigits[b>>4], hexDigits[b&15], '>'})
}

// byteOf is the inverse of byteName.
func byteOf(text string) (byte, bool) {
	if len(text) != 6 {
		return 0, false
	}
	b := hexValue(text[3])<<4 | hexValue(text[4])
	return b, text == byteName(b)
}

func hexValue(c byte) byte {
	if c >= 'A' {
		return (c - 'A' + 10) & 15
	}
	return (c - '0') & 15
}

// Size returns the number of pieces.
func (t *Tokenizer) Size() int { return len(t.config.Pieces) }

// Piece returns the piece with the id as the vocabulary writes it (spaces as
// U+2581), or an error matching ErrID.
func (t *Tokenizer) Piece(id int32) (Piece, error) {
	if id < 0 || int(id) >= len(t.config.Pieces) {
		return Piece{}, fmt.Errorf("tokenizer: id %d of %d pieces: %w", id, len(t.config.Pieces), ErrID)
	}
	return t.config.Pieces[id], nil
}

// ID returns the id of the piece whose text is exactly text.
func (t *Tokenizer) ID(text string) (id int32, ok bool) {
	id, ok = t.ids[text]
	return id, ok
}

// BOS returns the id that begins a sequence, or None.
func (t *Tokenizer) BOS() int32 { return t.config.BOS }

// EOS returns the id that ends a sequence, or None.
func (t *Tokenizer) EOS() int32 { return t.config.EOS }

// UnknownID returns the id for what has no piece, or None.
func (t *Tokenizer) UnknownID() int32 { return t.config.Unknown }

// AddBOS says whether a prompt for the model starts with BOS.
func (t *Tokenizer) AddBOS() bool { return t.config.AddBOS }

// AddEOS says whether a complete text for the model ends with EOS.
func (t *Tokenizer) AddEOS() bool { return t.config.AddEOS }

// Algorithm says how words become pieces.
func (t *Tokenizer) Algorithm() Algorithm { return t.config.Algorithm }

// Bytes returns what a piece contributes in the middle of a text: its exact bytes, which may be a
// part of a character; none for control, unknown and unused pieces. Only the leading space that a
// decoder drops at the start of a text is still in it. An id outside the vocabulary gives an error
// matching ErrID.
func (t *Tokenizer) Bytes(id int32) (string, error) {
	if id < 0 || int(id) >= len(t.raw) {
		return "", fmt.Errorf("tokenizer: id %d of %d pieces: %w", id, len(t.raw), ErrID)
	}
	return t.raw[id], nil
}

// AddSpacePrefix says whether text is encoded as if a space stood before it.
func (t *Tokenizer) AddSpacePrefix() bool { return t.config.AddSpacePrefix }
