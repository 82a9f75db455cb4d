package tokenizer

import (
	"slices"
	"testing"
)

// Merges that would lead to the name of a control or byte piece lead nowhere: what a user wrote stays
// text.
func TestScoredTextIsNoControlPiece(t *testing.T) {
	pieces := []Piece{{Text: "<unk>", Kind: Unknown}, {Text: "<s>", Kind: Control}, {Text: "<0x41>", Kind: Byte}}
	for _, p := range []string{"<", "s", ">", "<s", "0", "x", "4", "1", "<0", "<0x", "<0x4", "<0x41"} {
		pieces = append(pieces, Piece{Text: p, Kind: Normal})
	}
	tok, err := New(Config{Algorithm: Scored, BOS: 1, EOS: None, Unknown: 0, Pieces: pieces})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int32{"<s>": {6, 5}, "<0x41>": {14, 5}} {
		if got := tok.Encode(text); !slices.Equal(got, want) {
			t.Errorf("%q gives %v, want %v", text, got, want)
		}
	}
}
