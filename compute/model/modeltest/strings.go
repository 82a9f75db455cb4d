package modeltest

import (
	"strings"

	"elenchus/compute/model"
)

// Spell is what token id of a drawn model adds to a text: its binary digits, lowest first, as the
// letters a and b, so that texts overlap themselves. Ids 0 to 2 add nothing, as control pieces do, and
// every fiftieth adds as much as a token can.
func Spell(id int32) string {
	switch {
	case id < 3:
		return ""
	case id%50 == 49:
		return strings.Repeat("ab", 64)
	}
	var b strings.Builder
	for ; id > 1; id >>= 1 {
		b.WriteByte('a' + byte(id&1))
	}
	return b.String()
}

// Text spells a vocabulary.
func Text(vocab int) *model.Text { return model.NewText(vocab, Spell) }
