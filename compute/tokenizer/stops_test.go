package tokenizer

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"elenchus/compute/kernel"
)

// lettered is a tokenizer of the bytes and of some words over few letters.
func lettered(t testing.TB, words ...string) *Tokenizer {
	t.Helper()
	c := Config{BOS: None, EOS: None, Unknown: None, AddSpacePrefix: true}
	for b := range 256 {
		c.Pieces = append(c.Pieces, Piece{Text: byteName(byte(b)), Kind: Byte})
	}
	for _, w := range words {
		c.Pieces = append(c.Pieces, Piece{Text: w, Kind: Normal})
	}
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// cut is the definition: the text up to the string that begins first, of those that begin there the
// shortest.
func cut(text string, stops []string) (before, found string) {
	before = text
	for _, s := range stops {
		if i := strings.Index(text, s); i >= 0 && (i < len(before) || i == len(before) && len(s) < len(found) || found == "") {
			before, found = text[:i], s
		}
	}
	return before, found
}

// Whatever tokens a text is made of, a decoder shows what stands before the first stop string and
// nothing else, ends with the token with which a step's state is complete, and never shows what
// could still become a stop string. SPEC 02 §4.10, 16 §3.7.
func TestStopStringsAreFoundInBytes(t *testing.T) {
	words := []string{"a", "b", "ab", "ba", "aab", "\u2581a", "\u2581", "é", "aé", strings.Repeat("ab", 70)}
	tok := lettered(t, words...)
	alphabet := []string{"a", "b", " ", "é", "\xc3", "ab"}
	r := rand.New(rand.NewPCG(34, 1))
	ended := 0
	for range 4000 {
		stops := make([]string, 1+r.IntN(4))
		for i := range stops {
			for range 1 + r.IntN(5) {
				stops[i] += alphabet[r.IntN(len(alphabet))]
			}
		}
		if n := follow(t, tok, stops, r); n > 0 {
			ended++
		}
	}
	if ended < 400 || ended > 3900 {
		t.Errorf("%d of 4000 texts ended", ended)
	}
}

// follow decodes random ids until the text ends and returns their number, 0 if it did not.
func follow(t *testing.T, tok *Tokenizer, stops []string, r *rand.Rand) int {
	t.Helper()
	table, lens := make([]byte, 256), uint32(0)
	for i, s := range stops {
		copy(table[64*i:], s)
		lens |= uint32(len(s)) << (8 * i)
	}
	d := tok.NewDecoder(Continuation)
	d.Until(stops)
	text, shown, state := "", "", int32(0)
	for n := range 12 {
		id := int32(256 + r.IntN(tok.Size()-256))
		if r.IntN(4) == 0 {
			id = []int32{'a', 'b', ' ', 0xc3, 0xa9}[r.IntN(5)]
		}
		raw := tok.raw[id]
		raw = raw[max(0, len(raw)-MatchedBytes):]
		text += raw
		counted := make([]int8, len(raw))
		for i := range len(raw) {
			counted[i] = int8(raw[i])
		}
		state = kernel.StopState(state, lens, table, counted)
		s, err := d.Next(id)
		if err != nil {
			t.Fatal(err)
		}
		shown += s
		before, found := cut(text, stops)
		if (state == -1) != (found != "") || d.Stopped() != found {
			t.Fatalf("%q in %q: state %d, decoder %q, want %q", stops, text, state, d.Stopped(), found)
		}
		if len(tok.raw[id]) != len(raw) {
			return 0 // what is shown has more than what is matched
		}
		if found != "" {
			if shown += d.Flush(); shown != string([]rune(before)) {
				t.Fatalf("%q in %q: %q, want %q", stops, text, shown, string([]rune(before)))
			}
			return n + 1
		}
		for _, w := range stops {
			if k := begins(text, w); strings.HasPrefix(string([]rune(text)), shown) && len(shown) > len(string([]rune(text[:len(text)-k]))) {
				t.Fatalf("%q in %q: %q is shown too early", w, text, shown)
			}
		}
	}
	if shown += d.Flush(); shown != string([]rune(text)) {
		t.Fatalf("%q not in %q: %q", stops, text, shown)
	}
	return 0
}

// The text of an answer that begins with a stop string, or in which one lies across tokens or ends
// inside of one. The space that a decoder drops at the start of a text is still matched.
func TestTextBeforeStopStrings(t *testing.T) {
	tok := lettered(t, "a", "aab", "\u2581a", "b\u2581c", "stop")
	id := func(s string) int32 {
		i, ok := tok.ID(s)
		if !ok {
			t.Fatalf("no piece %q", s)
		}
		return i
	}
	for _, c := range []struct {
		name  string
		ids   []int32
		stops []string
		want  string
		found string
	}{
		{"across tokens", []int32{id("a"), id("aab")}, []string{"aaab"}, "", "aaab"},
		{"in the middle of a token", []int32{id("a"), id("b\u2581c")}, []string{" "}, "ab", " "},
		{"the one that begins first", []int32{id("aab"), id("b\u2581c")}, []string{" c", "bb "}, "aa", "bb "},
		{"the shorter of two", []int32{id("stop")}, []string{"stop", "st"}, "", "st"},
		{"bytes of a character", []int32{'x', 0xc3, 0xa9}, []string{"é"}, "x", "é"},
		{"half a character before", []int32{0xc3, 'a'}, []string{"a"}, "\ufffd", "a"},
		{"never", []int32{id("a"), id("aab")}, []string{"b "}, "aaab", ""},
		{"the dropped space", []int32{id("\u2581a")}, []string{" a"}, "", " a"},
		{"no strings", []int32{id("\u2581a")}, nil, "a", ""},
	} {
		d := tok.NewDecoder(Start)
		d.Until(c.stops)
		got := ""
		for _, i := range c.ids {
			s, err := d.Next(i)
			if err != nil {
				t.Fatal(err)
			}
			got += s
		}
		if got += d.Flush(); got != c.want || d.Stopped() != c.found {
			t.Errorf("%s: %q by %q, want %q by %q", c.name, got, d.Stopped(), c.want, c.found)
		}
	}
}

// Control pieces say their text where they are asked to, in its place among what is held back for a stop string;
// stop strings go on through them as if they were not there.
func TestControlPiecesAloud(t *testing.T) {
	c := Config{BOS: None, EOS: None, Unknown: None}
	for b := range 256 {
		c.Pieces = append(c.Pieces, Piece{Text: fmt.Sprintf("<0x%02X>", b), Kind: Byte})
	}
	c.Pieces = append(c.Pieces, Piece{Text: "[CALL]", Kind: Control}, Piece{Text: "[END]", Kind: Control})
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	const call, end = 256, 257
	for _, c := range []struct {
		name  string
		words []string
		stops []string
		ids   []int32
		want  string
	}{
		{"silent", nil, nil, []int32{'a', call, 'b'}, "ab"},
		{"a word", []string{"\n[CALL] ["}, nil, []int32{'a', call, 'b', end}, "a[CALL]b"},
		{"behind what is held", []string{"[CALL]"}, []string{"abc"}, []int32{'x', 'a', 'b', call, 'd'}, "xab[CALL]d"},
		{"through a stop string", []string{"[CALL]"}, []string{"abc"}, []int32{'x', 'a', call, 'b', 'c', call}, "x"},
		{"behind a stop string", []string{"[CALL]"}, []string{"a"}, []int32{'x', 'a', call}, "x"},
		{"held to the end", []string{"[CALL]"}, []string{"abc"}, []int32{'a', call}, "a[CALL]"},
	} {
		d := tok.NewDecoder(Continuation)
		d.Until(c.stops)
		d.Aloud(c.words...)
		got := ""
		for _, id := range c.ids {
			s, err := d.Next(id)
			if err != nil {
				t.Fatal(err)
			}
			got += s
		}
		if got += d.Flush(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
