package tokenizer

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// sample is a small vocabulary with every kind of piece: 0 unknown, 1 BOS,
// 2 EOS, 3..258 the bytes, then the pieces named.
func sample(more ...Piece) Config {
	c := Config{BOS: 1, EOS: 2, Unknown: 0, AddBOS: true, AddSpacePrefix: true}
	c.Pieces = []Piece{{"<unk>", 0, Unknown}, {"<s>", 0, Control}, {"</s>", 0, Control}}
	for b := range 256 {
		c.Pieces = append(c.Pieces, Piece{byteName(byte(b)), 0, Byte})
	}
	c.Pieces = append(c.Pieces, Piece{space, -100, Normal})
	for i := range 26 {
		c.Pieces = append(c.Pieces, Piece{string(rune('a' + i)), int32(-200 - i), Normal})
	}
	c.Pieces = append(c.Pieces, more...)
	return c
}

func build(t testing.TB, c Config) *Tokenizer {
	t.Helper()
	tok, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// names writes ids as their pieces, separated by |.
func names(t testing.TB, tok *Tokenizer, ids []int32) string {
	t.Helper()
	var out []string
	for _, id := range ids {
		p, err := tok.Piece(id)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.ReplaceAll(p.Text, space, "_"))
	}
	return strings.Join(out, "|")
}

func TestEncodeFollowsTheRules(t *testing.T) {
	merges := []Piece{
		{"ab", -1, Normal}, {"bc", 5, Normal}, {"abc", -7, Normal}, {"aa", -1, Normal}, {"aaaa", 3, Normal},
		{space + "a", 9, Normal}, {"<s", 0, Normal},
	}
	user := []Piece{{"<user>", 0, UserDefined}, {"<us", 0, UserDefined}, {"  ", 0, UserDefined}}
	for _, c := range []struct {
		rule, text, want string
		more             []Piece
		noPrefix         bool
	}{
		{"nothing gives nothing", "", "", nil, false},
		{"a space is put before", "x", "_|x", nil, false},
		{"unless the flag is off", "x", "x", nil, true},
		{"the larger score merges first", "abc", "abc", merges, true},
		{"then what it left", "xabcx", "x|abc|x", merges, true},
		{"leftmost among equals", "aaab", "aa|ab", merges, true},
		{"equals merge in pairs", "aaaaa", "aaaa|a", merges, true},
		{"the added space merges too", "abc", "_a|bc", merges, false},
		{"what has no piece becomes bytes", "é", "_|<0xC3>|<0xA9>", nil, false},
		{"invalid bytes too", "\xff\xe2x", "<0xFF>|<0xE2>|<0x78>", nil, true},
		{"names of control pieces are text", "</s>", "<0x3C>|<0x2F>|s|<0x3E>", nil, true},
		{"user defined pieces are cut out, longest first", "a<user>b<us", "_|a|<user>|_|b|<us", user, false},
		{"and keep their spaces", "a  b", "a|  |b", user, true},
		{"at both ends", "<user>", "<user>", user, false},
		{"one after another", "<user><user>", "<user>|<user>", user, false},
	} {
		cfg := sample(c.more...)
		cfg.AddSpacePrefix = !c.noPrefix
		tok := build(t, cfg)
		if got := names(t, tok, tok.Encode(c.text)); got != c.want {
			t.Errorf("%s: %q gives %s, want %s", c.rule, c.text, got, c.want)
		}
	}
}

func TestWithoutBytePiecesACharacterIsOneUnknown(t *testing.T) {
	tok := build(t, Config{Pieces: []Piece{{"<unk>", 0, Unknown}, {"a", 0, Normal}, {"\xc3", 0, Normal}}, BOS: None, EOS: None})
	if got := tok.Encode("aéa"); !slices.Equal(got, []int32{1, 0, 1}) {
		t.Fatalf("got %v", got)
	}
}

// naive merges by looking at all neighbours again after every merge.
func naive(tok *Tokenizer, text string) []int32 {
	if tok.config.AddSpacePrefix && text != "" {
		text = " " + text
	}
	text = strings.ReplaceAll(text, " ", space)
	var parts []string
	for _, s := range split(nil, text) {
		parts = append(parts, text[s.start:s.start+s.size])
	}
	for {
		best, at := int32(0), -1
		for i := 1; i < len(parts); i++ {
			id, ok := tok.ids[parts[i-1]+parts[i]]
			if score := tok.config.Pieces[max(id, 0)].Score; ok && (at < 0 || score > best) {
				best, at = score, i
			}
		}
		if at < 0 {
			break
		}
		parts[at-1] += parts[at]
		parts = slices.Delete(parts, at, at+1)
	}
	var ids []int32
	for _, p := range parts {
		ids = tok.appendSymbol(ids, p)
	}
	return ids
}

// randomMerges makes pieces over few letters with few distinct scores, so that
// ties and stale pairs are common.
func randomMerges(r *rand.Rand) []Piece {
	leading := r.IntN(2) == 0 // spaces within pieces too
	seen := map[string]bool{}
	var out []Piece
	for range 60 {
		b := make([]byte, 2+r.IntN(4))
		for i := range b {
			b[i] = "abc "[r.IntN(4)]
		}
		if r.IntN(8) > 0 { // mostly words that begin with spaces, so that some vocabularies have no other
			b = slices.Concat([]byte(strings.Repeat(" ", r.IntN(3))), bytes.ReplaceAll(b, []byte(" "), []byte("a")))
		}
		text := strings.ReplaceAll(string(b), " ", space)
		if !seen[text] && (leading || !strings.Contains(strings.TrimLeft(text, space), space)) {
			seen[text] = true
			out = append(out, Piece{text, int32(r.IntN(4)), Normal})
		}
	}
	return out
}

func TestQueueMergesAsTheRuleSaysOnRandomVocabularies(t *testing.T) {
	words := map[bool]int{}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		tok := build(t, sample(randomMerges(r)...))
		for range 20 {
			b := make([]byte, r.IntN(40))
			for i := range b {
				b[i] = "abcx \xc3\xa9 \xe2\x96\x81\xf0"[r.IntN(12)]
			}
			text := string(b)
			if got, want := tok.Encode(text), naive(tok, text); !slices.Equal(got, want) {
				t.Fatalf("seed %d, %q: got %v, want %v", seed, text, got, want)
			}
			words[tok.wordwise]++
			back, err := tok.Decode(tok.Encode(text))
			if err != nil || utf8.ValidString(text) && !strings.Contains(text, space) && back != text {
				t.Fatalf("seed %d: %q came back as %q, %v", seed, text, back, err)
			}
		}
	}
	if words[true] < 400 || words[false] < 400 {
		t.Fatalf("texts by words and as a whole: %v, want 400 of each", words)
	}
}

func TestDecodeDropsWhatIsNotText(t *testing.T) {
	tok := build(t, sample(Piece{space + "hi", 0, Normal}, Piece{"<u" + space + ">", 0, UserDefined}, Piece{"[PAD]", 0, Unused}))
	hi, _ := tok.ID(space + "hi")
	user, _ := tok.ID("<u" + space + ">")
	pad, _ := tok.ID("[PAD]")
	for _, c := range []struct {
		ids  []int32
		want string
	}{
		{[]int32{1, hi, hi, 2}, "hi hi"},
		{[]int32{0, pad, hi}, "hi"},
		{[]int32{user, hi}, "<u" + space + "> hi"},
		{[]int32{3 + 0xC3, 3 + 0xA9}, "é"},
	} {
		if got, err := tok.Decode(c.ids); err != nil || got != c.want {
			t.Errorf("%v gives %q, %v, want %q", c.ids, got, err, c.want)
		}
	}
	for _, id := range []int32{-1, int32(tok.Size())} {
		if _, err := tok.Decode([]int32{id}); !errors.Is(err, ErrID) {
			t.Errorf("id %d: error %v, want ErrID", id, err)
		}
		if _, err := tok.NewDecoder(Start).Next(id); !errors.Is(err, ErrID) {
			t.Errorf("decoder, id %d: error %v, want ErrID", id, err)
		}
	}
}

func TestDecoderHoldsBackIncompleteCharacters(t *testing.T) {
	tok := build(t, sample())
	d := tok.NewDecoder(Continuation)
	for i, step := range []struct {
		b    byte
		want string
	}{{0xE2, ""}, {0x82, ""}, {0xAC, "€"}, {0xE2, ""}, {'x', "\ufffdx"}, {0xF0, ""}, {0x9F, ""}} {
		got, err := d.Next(3 + int32(step.b))
		if err != nil || got != step.want {
			t.Fatalf("step %d: got %q, %v, want %q", i, got, err, step.want)
		}
	}
	if got := d.Flush(); got != "\ufffd\ufffd" {
		t.Fatalf("flush gives %q", got)
	}
	if got := d.Flush(); got != "" {
		t.Fatalf("second flush gives %q", got)
	}
}

func TestDecoderGivesTheDecodedTextMadeValid(t *testing.T) {
	tok := build(t, sample(Piece{space + "é", 0, Normal}, Piece{"\xe2\x82", 0, Normal}))
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOf(rapid.Int32Range(0, int32(tok.Size()-1))).Draw(t, "ids")
		whole, err := tok.Decode(ids)
		if err != nil {
			t.Fatal(err)
		}
		d := tok.NewDecoder(Start)
		var streamed string
		for _, id := range ids {
			s, err := d.Next(id)
			if err != nil || !utf8.ValidString(s) {
				t.Fatalf("%q %v", s, err)
			}
			streamed += s
		}
		streamed += d.Flush()
		if want := string([]rune(whole)); streamed != want {
			t.Fatalf("streamed %q, want %q", streamed, want)
		}
	})
}

func TestNewRefusesInvalidVocabularies(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Config)
		want string
	}{
		{"no pieces", func(c *Config) { c.Pieces = nil }, "0 pieces"},
		{"too many pieces", func(c *Config) { c.Pieces = make([]Piece, MaxPieces+1) }, "1048577 pieces"},
		{"empty piece", func(c *Config) { c.Pieces[3].Text = "" }, "length 0"},
		{"long piece", func(c *Config) { c.Pieces[260].Text = strings.Repeat("x", MaxPieceBytes+1) }, "length 1025"},
		{"repeated piece", func(c *Config) { c.Pieces[1].Text = "<unk>" }, "already piece 0"},
		{"kind zero", func(c *Config) { c.Pieces[1].Kind = 0 }, "kind 0"},
		{"kind seven", func(c *Config) { c.Pieces[1].Kind = 7 }, "kind 7"},
		{"byte in lower case", func(c *Config) { c.Pieces[3+0xab].Text = "<0xab>" }, "upper-case"},
		{"byte not hexadecimal", func(c *Config) { c.Pieces[3].Text = "<0xG0>" }, "upper-case"},
		{"BOS out of range", func(c *Config) { c.BOS = int32(len(c.Pieces)) }, "BOS id"},
		{"EOS below none", func(c *Config) { c.EOS = -2 }, "EOS id"},
		{"unknown out of range", func(c *Config) { c.Unknown = 1 << 30 }, "unknown id"},
		{"byte without piece", func(c *Config) { c.Unknown = None; c.Pieces[3+0xff] = Piece{"zz", 0, Normal} }, "byte 0xFF"},
	} {
		cfg := sample()
		c.edit(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	cfg := sample(Piece{strings.Repeat("x", MaxPieceBytes), 0, Normal})
	build(t, cfg)
}

func TestNewCopiesThePieces(t *testing.T) {
	c := sample()
	tok := build(t, c)
	c.Pieces[0].Text = "changed"
	if p, err := tok.Piece(0); err != nil || p.Text != "<unk>" {
		t.Fatalf("piece 0 is %q, %v", p.Text, err)
	}
}

// A quadratic merge would need minutes for this; the queue needs a second.
func TestAMillionEqualCharactersMergeInPairs(t *testing.T) {
	var powers []Piece
	for n := 2; n <= MaxPieceBytes; n *= 2 {
		powers = append(powers, Piece{strings.Repeat("a", n), int32(n), Normal})
	}
	c := sample(powers...)
	c.AddSpacePrefix = false
	tok := build(t, c)
	text := strings.Repeat("a", 1<<20)
	ids := tok.Encode(text)
	longest, _ := tok.ID(text[:MaxPieceBytes])
	if len(ids) != len(text)/MaxPieceBytes || slices.ContainsFunc(ids, func(id int32) bool { return id != longest }) {
		t.Fatalf("%d ids, want %d times %d", len(ids), len(text)/MaxPieceBytes, longest)
	}
}
