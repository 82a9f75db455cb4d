package tokenizer

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// ranked256 is a byte-level vocabulary: 256 letters, the merges named ("x y"), then special pieces.
func ranked256(t testing.TB, merges ...string) Config {
	t.Helper()
	c := Config{Algorithm: RankedBPE, Options: Bytes, BOS: None, EOS: None, Unknown: None, Cuts: []Step{{Isolate, PatternGPT2, ""}}}
	ids := map[string]int32{}
	put := func(text string, kind Kind) int32 {
		if id, ok := ids[text]; ok {
			return id
		}
		ids[text] = int32(len(c.Pieces))
		c.Pieces = append(c.Pieces, Piece{text, 0, kind})
		return ids[text]
	}
	for b := range 256 {
		put(string(letterOf(byte(b))), Normal)
	}
	for _, m := range merges {
		left, right, _ := strings.Cut(m, " ")
		put(left+right, Normal)
		c.Merges = append(c.Merges, Merge{ids[left], ids[right]})
	}
	put("<|end|>", Control)
	put("<tool>", UserDefined)
	return c
}

func likely() Config {
	c := Config{Algorithm: Unigram, BOS: None, EOS: 1, Unknown: 0, AddSpacePrefix: true, UnknownScore: math.Float64bits(-20)}
	c.Normal = []Step{{NFKC, "", ""}, {Squeeze, "", " "}}
	c.Cuts = []Step{{Metaspace, space, PrependAlways}}
	for _, p := range []struct {
		text  string
		score float64
		kind  Kind
	}{{"<unk>", 0, Unknown}, {"</s>", 0, Control}, {space, -2, Normal}, {"a", -3, Normal}, {"b", -3.5, Normal}, {space + "a", -4, Normal},
		{"ab", -6.5, Normal}, {"aba", -9.25, Normal}, {"<x>", 0, UserDefined}} {
		c.Pieces = append(c.Pieces, Piece{p.text, 0, p.kind})
		c.Scores = append(c.Scores, math.Float64bits(p.score))
	}
	return c
}

func longest() Config {
	c := Config{Algorithm: WordPiece, BOS: 1, EOS: 2, Unknown: 0, AddBOS: true, AddEOS: true, AddSpacePrefix: true, MaxWord: 10}
	c.Normal = []Step{{CleanControl, "", ""}, {SpaceHan, "", ""}, {NFD, "", ""}, {DropMarks, "", ""}, {Lower, "", ""}}
	c.Cuts = []Step{{Drop, PatternSpaces, ""}, {Isolate, PatternMark, ""}}
	for i, text := range []string{"[UNK]", "[CLS]", "[SEP]", space + "play", "ing", space + "in", "g", space + "!", space + "漢", "[MASK]"} {
		kind := Normal
		if strings.HasPrefix(text, "[") {
			kind = Control
		}
		if i == 0 {
			kind = Unknown
		}
		c.Pieces = append(c.Pieces, Piece{text, 0, kind})
		if text == "[MASK]" {
			c.Attributes = []Attribute{{int32(i), StripLeft}}
		}
	}
	return c
}

func TestRankedMergesFollowTheRules(t *testing.T) {
	merges := []string{"a b", "b c", "ab c", "Ġ a", "Ġa b", "Ã ©"}
	for _, c := range []struct {
		rule, text, want string
		edit             func(*Config)
	}{
		{"nothing gives nothing", "", "", nil},
		{"the lower rank merges first", "abc bc", "abc|Ġ|bc", nil},
		{"spaces belong to the word that follows", "x ab", "x|Ġ|ab", nil},
		{"characters are bytes", "é€", "Ã©|â|Ĥ|¬", nil},
		{"a piece that no merge reaches is not taken", "Ġx", "Ä|ł|x", nil},
		{"names of control pieces are text", "<|end|>", "<|||e|n|d|||>", nil},
		{"user defined pieces are cut out", "a<tool>b", "a|<tool>|b", nil},
		{"bytes that are no UTF-8 count as U+FFFD", "\xff\xe2\x82x", "ï|¿|½|ï|¿|½|ï|¿|½|x", nil},
		{"surrogates stay", "\xed\xa0\x80", "í|ł|Ģ", nil},
		{"what is too long is shortened", "\xc0\x80\xe0\x81\xa1", "Ā|a", nil},
		{"beyond Unicode is no character", "\xf7\xbf\xbf\xbf", "ï|¿|½|ï|¿|½|ï|¿|½|ï|¿|½", nil},
		{"a word that is a piece stays whole", "tool", "tool", func(c *Config) {
			c.Options |= Whole
			c.Pieces = append(c.Pieces, Piece{"tool", 0, Normal})
		}},
		{"but not one that is a control piece", "end", "e|n|d", func(c *Config) {
			c.Options |= Whole
			c.Pieces = append(c.Pieces, Piece{"end", 0, Control})
		}},
	} {
		cfg := ranked256(t, merges...)
		if c.edit != nil {
			c.edit(&cfg)
		}
		tok := build(t, cfg)
		if got := names(t, tok, tok.Encode(c.text)); got != c.want {
			t.Errorf("%s: %q gives %s, want %s", c.rule, c.text, got, c.want)
		}
	}
}

func TestSpecialTextGivesControlPiecesOnlyWhenAsked(t *testing.T) {
	for _, c := range []Config{ranked256(t), sample(), likely(), longest()} {
		tok := build(t, c)
		for i, p := range c.Pieces {
			if !special(p.Kind) {
				continue
			}
			text := "a" + p.Text + "b"
			if slices.Contains(tok.Encode(text), int32(i)) && p.Kind == Control {
				t.Errorf("algorithm %d: %q became control piece %d", c.Algorithm, text, i)
			}
			if !slices.Contains(tok.EncodeSpecial(text), int32(i)) {
				t.Errorf("algorithm %d: %q did not become piece %d when asked", c.Algorithm, text, i)
			}
		}
	}
}

func TestLikeliestPieces(t *testing.T) {
	tok := build(t, likely())
	for _, c := range []struct{ text, want string }{
		{"a", "_a"}, {"ab", "_a|b"}, {"aba", "_a|b|a"}, {"bab", "_|b|ab"}, {"xyz a", "_|<unk>|_a"}, {"  a", "_a"}, {"", ""}, {"a<x>b", "_a|<x>|_|b"},
	} {
		if got := names(t, tok, tok.Encode(c.text)); got != c.want {
			t.Errorf("%q gives %s, want %s", c.text, got, c.want)
		}
	}
}

func TestLongestPiecesFirst(t *testing.T) {
	tok := build(t, longest())
	for _, c := range []struct{ text, want string }{
		{"Playing!", "_play|ing|_!"}, {"  pláy \n", "_play"}, {"in漢g", "_in|_漢|[UNK]"}, {"plays", "[UNK]"}, {"playinginging", "[UNK]"},
		{"in\x00g\ufffd\u200b", "_in|g"}, {"[MASK]", "[UNK]|[UNK]|[UNK]"}, {"İn", "_in"},
	} {
		if got := names(t, tok, tok.Encode(c.text)); got != c.want {
			t.Errorf("%q gives %s, want %s", c.text, got, c.want)
		}
	}
	if got := names(t, tok, tok.Prompt(tok.EncodeSpecial("in  [MASK] in"))); got != "[CLS]|_in|[MASK]|_in|[SEP]" {
		t.Errorf("prompt with a mask: %s", got)
	}
	if text, err := tok.Decode(tok.Encode("playing in!")); err != nil || text != "playing in !" {
		t.Errorf("decoded %q, %v", text, err)
	}
}

func TestBytesAreWhatAPieceContributes(t *testing.T) {
	tok := build(t, ranked256(t, "Ġ a", "Ã ©"))
	for text, want := range map[string]string{"Ġa": " a", "Ã©": "é", "Ċ": "\n", "<|end|>": "", "<tool>": "<tool>"} {
		id, _ := tok.ID(text)
		if got, err := tok.Bytes(id); err != nil || got != want {
			t.Errorf("%s contributes %q, %v, want %q", text, got, err, want)
		}
	}
	for b := range 256 {
		if got := fromLetters(string(letterOf(byte(b)))); got != string([]byte{byte(b)}) {
			t.Errorf("byte %d came back as %q", b, got)
		}
	}
	if _, err := tok.Bytes(9999); !errors.Is(err, ErrID) {
		t.Errorf("error %v, want ErrID", err)
	}
	if fromLetters("語") != "語" {
		t.Error("a letter of no byte is not itself")
	}
}

func TestStreamedBytesBecomeWholeCharacters(t *testing.T) {
	tok := build(t, ranked256(t, "Ġ ð"))
	for _, text := range []string{"a 👩‍👩‍👧 é\n漢", "x\xf0\x9f", "\u0301"} {
		d := tok.NewDecoder(Start)
		out := ""
		for _, id := range tok.Encode(text) {
			s, err := d.Next(id)
			if err != nil || !utf8.ValidString(s) {
				t.Fatalf("%q: %q, %v", text, s, err)
			}
			out += s
		}
		if out += d.Flush(); out != string([]rune(text)) {
			t.Errorf("streamed %q, want %q", out, text)
		}
	}
	whole := ""
	for _, id := range tok.Encode(" 👩x") {
		b, err := tok.Bytes(id)
		if err != nil {
			t.Fatal(err)
		}
		whole += b
	}
	if whole != " 👩x" {
		t.Errorf("bytes of the pieces are %q", whole)
	}
}

func TestParseInvertsMarshalOfEveryAlgorithm(t *testing.T) {
	for _, c := range []Config{ranked256(t, "a b", "ab c"), likely(), longest()} {
		b := marshal(t, build(t, c))
		tok, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(tok.config, c) {
			t.Fatalf("algorithm %d: parsed to another tokenizer", c.Algorithm)
		}
		if !bytes.Equal(marshal(t, tok), b) {
			t.Fatalf("algorithm %d: encoding differs after parsing", c.Algorithm)
		}
		for n := range b {
			if _, err := Parse(b[:n]); !errors.Is(err, ErrEncoding) {
				t.Fatalf("first %d bytes: error %v, want ErrEncoding", n, err)
			}
		}
		if _, err := Parse(append(slices.Clone(b), 0)); !errors.Is(err, ErrEncoding) {
			t.Fatalf("one byte more: error %v", err)
		}
	}
}

func TestNewRefusesWhatAnAlgorithmDoesNotHave(t *testing.T) {
	for _, c := range []struct {
		name string
		base Config
		edit func(*Config)
		want string
	}{
		{"unknown algorithm", longest(), func(c *Config) { c.Algorithm = 4 }, "algorithm 4"},
		{"steps of Scored", sample(), func(c *Config) { c.Normal = []Step{{NFC, "", ""}} }, "does not have"},
		{"score beside ranks", ranked256(t), func(c *Config) { c.Pieces[3].Score = 1 }, "does not have"},
		{"option of another", likely(), func(c *Config) { c.Options = Bytes }, "does not have"},
		{"merges of another", likely(), func(c *Config) { c.Merges = []Merge{{0, 1}} }, "does not have"},
		{"scores of another", longest(), func(c *Config) { c.UnknownScore = 1 }, "does not have"},
		{"word length of another", likely(), func(c *Config) { c.MaxWord = 1 }, "does not have"},
		{"merge of nothing", ranked256(t), func(c *Config) { c.Merges = []Merge{{0, 999}} }, "merge 0 of the pieces 0 and 999"},
		{"merge to nothing", ranked256(t), func(c *Config) { c.Merges = []Merge{{0, 1}} }, "which is no piece"},
		{"merge twice", ranked256(t, "a b"), func(c *Config) { c.Merges = append(c.Merges, c.Merges[0]) }, "there already"},
		{"too few scores", likely(), func(c *Config) { c.Scores = c.Scores[1:] }, "8 scores for 9 pieces"},
		{"infinite score", likely(), func(c *Config) { c.Scores[2] = math.Float64bits(math.Inf(-1)) }, "score 2"},
		{"infinite unknown score", likely(), func(c *Config) { c.UnknownScore = math.Float64bits(math.NaN()) }, "unknown piece"},
		{"no unknown", longest(), func(c *Config) { c.Unknown = None }, "unknown piece -1"},
		{"endless words", longest(), func(c *Config) { c.MaxWord = -1 }, "-1 characters"},
		{"step zero", longest(), func(c *Config) { c.Normal[0].Code = 0 }, "step 0"},
		{"cut among normals", longest(), func(c *Config) { c.Normal[0] = Step{TailSpace, "", ""} }, "step 39"},
		{"argument too many", longest(), func(c *Config) { c.Normal[0].A = "x" }, "arguments"},
		{"argument too few", longest(), func(c *Config) { c.Cuts[0].A = "" }, "arguments"},
		{"foreign pattern", longest(), func(c *Config) { c.Cuts[0].A = "(a|a)*b" }, "not one that this version knows"},
		{"foreign scheme", likely(), func(c *Config) { c.Cuts[0].B = "often" }, "want always, first or never"},
		{"broken charsmap", likely(), func(c *Config) { c.Normal[0] = Step{Charsmap, "\xff\xff\xff\xffabcd", ""} }, "charsmap"},
		{"too many steps", likely(), func(c *Config) { c.Normal = make([]Step, MaxSteps+1) }, "at most 64"},
		{"a step that doubles, often", likely(), func(c *Config) { c.Normal = slices.Repeat([]Step{{Replace, "a", "aa"}}, 9) }, "512 characters of one"},
		{"a long argument", likely(), func(c *Config) { c.Normal = []Step{{Replace, "a", strings.Repeat("a", 300)}} }, "301 bytes of arguments"},
		{"many prefixes", likely(), func(c *Config) { c.Cuts = slices.Repeat(c.Cuts, 5) }, "too long"},
		{"letters of letters", ranked256(t), func(c *Config) { c.Cuts = slices.Repeat([]Step{{Letters, "", ""}}, 2) }, "too long"},
		{"letters without bytes", likely(), func(c *Config) { c.Cuts = []Step{{Letters, "", ""}} }, "without option 1"},
		{"a long replacement", likely(), func(c *Config) { c.Normal = []Step{{Charsmap, "\x04\x00\x00\x00abcd" + strings.Repeat("x", 40), ""}} }, "more than 32"},
		{"too much text", longest(), func(c *Config) {
			for i := range 1 << 14 {
				c.Pieces = append(c.Pieces, Piece{fmt.Sprintf("%01024d", i), 0, Normal})
			}
		}, "bytes together"},
		{"attribute of text", longest(), func(c *Config) { c.Attributes[0].ID = 3 }, "not cut out"},
		{"attribute without bits", longest(), func(c *Config) { c.Attributes[0].Flags = 0 }, "attribute"},
		{"attributes out of order", longest(), func(c *Config) { c.Attributes = append(c.Attributes, c.Attributes[0]) }, "ascending"},
	} {
		c.edit(&c.base)
		if _, err := New(c.base); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzAlgorithms(f *testing.F) {
	f.Add(marshal(f, build(f, ranked256(f, "a b", "ab c"))), "abc <|end|> é\xff")
	f.Add(marshal(f, build(f, likely())), "ab <x> x")
	f.Add(marshal(f, build(f, longest())), "Playing [MASK]")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		tok, err := Parse(b)
		if err != nil {
			return
		}
		if !bytes.Equal(marshal(t, tok), b) {
			t.Fatal("a second encoding of the same tokenizer was accepted")
		}
		for _, ids := range [][]int32{tok.Encode(text), tok.EncodeSpecial(text)} {
			if _, err := tok.Decode(tok.Prompt(ids)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Whatever is quadratic in a run of one character does not end here.
func TestLongRunsEndInEveryAlgorithm(t *testing.T) {
	merges := []string{}
	for n := 1; n < 512; n *= 2 {
		merges = append(merges, strings.Repeat("a", n)+" "+strings.Repeat("a", n))
	}
	uni, wp := likely(), longest()
	uni.Pieces, uni.Scores = append(uni.Pieces, Piece{strings.Repeat("a", 512), 0, Normal}), append(uni.Scores, math.Float64bits(-1))
	wp.MaxWord, wp.Pieces = 0, append(wp.Pieces, Piece{space + "a", 0, Normal}, Piece{strings.Repeat("a", 64), 0, Normal}, Piece{"a", 0, Normal})
	for _, c := range []Config{ranked256(t, merges...), uni, wp} {
		tok := build(t, c)
		for _, unit := range []string{"a", " ", "\n", "'", "1", "é", "\u0301", "漢", "\x80", "<tool", "[MASK]", "ab", "A", "\u200d"} {
			text := strings.Repeat(unit, 60_000/len(unit))
			if n := len(tok.EncodeSpecial(text)); n > 3*len(text) { // an invalid byte becomes U+FFFD, three bytes
				t.Errorf("algorithm %d: %d ids of %d bytes %q", c.Algorithm, n, len(text), unit)
			}
		}
		if n := len(tok.Encode(strings.Repeat("a", 1<<18))); n > 1<<18/64+64 {
			t.Errorf("algorithm %d: %d ids of 2^18 letters", c.Algorithm, n)
		}
	}
}

func BenchmarkEncodeAMegabyte(b *testing.B) {
	text := strings.Repeat("The quick brown fox jumps over 1234 lazy dogs; isn't it? Ünïcödé 漢字\n", 13500)
	for _, c := range []struct {
		name string
		cfg  Config
	}{{"ranked", ranked256(b, "t h", "th e", "Ġ t", "o w", "q u", "u i", "o v", "e r")}, {"unigram", likely()}, {"wordpiece", longest()}} {
		tok := build(b, c.cfg)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				tok.Encode(text)
			}
		})
	}
}
