package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Tag begins the canonical bytes of a tokenizer: domain and version.
const Tag = "elenchus/tokenizer/1"

// Flag bits; the others are zero.
const (
	flagBOS    = 1 << 0
	flagEOS    = 1 << 1
	flagPrefix = 1 << 2
	flagsKnown = flagBOS | flagEOS | flagPrefix
)

// Sizes in bytes of the fixed part after the tag and of a piece without text.
const (
	headBytes  = 1 + 1 + 3*4 + 4
	pieceBytes = 1 + 4 + 2
)

// ErrEncoding is returned, wrapped, for bytes that encode no tokenizer.
var ErrEncoding = errors.New("no canonical tokenizer")

// MarshalBinary returns the canonical bytes, integers big-endian:
//
//	tag        20  "elenchus/tokenizer/1"
//	algorithm   1  1 Scored, 2 RankedBPE, 3 Unigram, 4 WordPiece
//	flags       1  1 AddBOS, 2 AddEOS, 4 AddSpacePrefix
//	BOS         4  two's complement, -1 for none
//	EOS         4
//	unknown     4
//	count       4
//	count times: kind 1, score 4 (two's complement), length 2, text
//	all but Scored: what sections writes
//
// Each tokenizer has one encoding. The error is always nil.
func (t *Tokenizer) MarshalBinary() ([]byte, error) {
	c := t.config
	size := len(Tag) + headBytes
	for _, p := range c.Pieces {
		size += pieceBytes + len(p.Text)
	}
	out := make([]byte, 0, size)
	out = append(out, Tag...)
	out = append(out, byte(c.Algorithm)+1, flags(c))
	for _, id := range [...]int32{c.BOS, c.EOS, c.Unknown, int32(len(c.Pieces))} {
		out = binary.BigEndian.AppendUint32(out, uint32(id))
	}
	for _, p := range c.Pieces {
		out = append(out, byte(p.Kind))
		out = binary.BigEndian.AppendUint32(out, uint32(p.Score))
		out = binary.BigEndian.AppendUint16(out, uint16(len(p.Text))) // <= MaxPieceBytes
		out = append(out, p.Text...)
	}
	if c.Algorithm != Scored {
		out = appendSections(out, &c)
	}
	return out, nil
}

func flags(c Config) byte {
	var f byte
	if c.AddBOS {
		f |= flagBOS
	}
	if c.AddEOS {
		f |= flagEOS
	}
	if c.AddSpacePrefix {
		f |= flagPrefix
	}
	return f
}

// Parse reads canonical bytes back. It accepts exactly what MarshalBinary
// returns for a tokenizer New accepts; any other input is an error matching
// ErrEncoding. It allocates no more than a small multiple of len(b).
func Parse(b []byte) (*Tokenizer, error) {
	if len(b) < len(Tag)+headBytes || string(b[:len(Tag)]) != Tag {
		return nil, fmt.Errorf("tokenizer: %w: want the tag %q and %d bytes", ErrEncoding, Tag, headBytes)
	}
	c, count, err := parseHead(b[len(Tag):])
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w: %w", ErrEncoding, err)
	}
	rest := b
	c.Pieces, rest, err = parsePieces(b, len(Tag)+headBytes, count)
	if err == nil && c.Algorithm != Scored {
		rest, err = parseSections(rest, &c)
	}
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes after the end", len(rest))
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w: %w", ErrEncoding, err)
	}
	t, err := New(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEncoding, err)
	}
	return t, nil
}

func parseHead(b []byte) (c Config, count uint32, err error) {
	if b[0] == 0 || b[0] > byte(WordPiece)+1 {
		return c, 0, fmt.Errorf("algorithm %d, want 1..%d", b[0], WordPiece+1)
	}
	c.Algorithm = Algorithm(b[0] - 1)
	if b[1]&^flagsKnown != 0 {
		return c, 0, fmt.Errorf("flags 0x%02x, want bits of 0x%02x", b[1], flagsKnown)
	}
	c.AddBOS, c.AddEOS, c.AddSpacePrefix = b[1]&flagBOS != 0, b[1]&flagEOS != 0, b[1]&flagPrefix != 0
	c.BOS = int32(binary.BigEndian.Uint32(b[2:]))
	c.EOS = int32(binary.BigEndian.Uint32(b[6:]))
	c.Unknown = int32(binary.BigEndian.Uint32(b[10:]))
	return c, binary.BigEndian.Uint32(b[14:]), nil
}

func parsePieces(b []byte, at int, count uint32) ([]Piece, []byte, error) {
	if count > MaxPieces || int(count) > (len(b)-at)/pieceBytes {
		return nil, nil, fmt.Errorf("%d pieces at offset %d, %d bytes left, at most %d", count, at, len(b)-at, MaxPieces)
	}
	pieces := make([]Piece, count)
	for i := range pieces {
		if len(b)-at < pieceBytes {
			return nil, nil, fmt.Errorf("piece %d at offset %d: %d bytes left", i, at, len(b)-at)
		}
		kind, score := Kind(b[at]), int32(binary.BigEndian.Uint32(b[at+1:]))
		size := int(binary.BigEndian.Uint16(b[at+5:]))
		at += pieceBytes
		if size > MaxPieceBytes || size > len(b)-at {
			return nil, nil, fmt.Errorf("piece %d at offset %d: length %d, %d bytes left, at most %d", i, at, size, len(b)-at, MaxPieceBytes)
		}
		pieces[i] = Piece{string(b[at : at+size]), score, kind}
		at += size
	}
	return pieces, b[at:], nil
}
