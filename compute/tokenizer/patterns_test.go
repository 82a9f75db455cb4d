package tokenizer

import (
	"os"
	"strings"
	"testing"

	"elenchus/compute/pattern"
)

// longRuns are texts on which matchers that try again go wrong: long runs, and runs that end unlike.
func longRuns(n int) []string {
	units := []string{
		" ", "\n", "\r\n", " \n", "\t", "a", "A", "aB", "Ab", "1", "12a", "'", "'s", "'S ", "!", "! ", "/", "_", "é", "e\u0301", "\u0301", "漢", "한",
		"ー", "\u200b", "\u00a0", "👩‍👩‍👧", "א", "a b ", "a\u0301 ", "½", "ǅ", "ʰ", "ª", "<sentinel:", "IMGIMG", "IMGIMGA", "<", "a'", "A'", "…", "٣", "\x00", "한 ", "A\u0301",
	}
	var out []string
	for _, u := range units {
		long := strings.Repeat(u, n)
		out = append(out, long, long+"x", long+"漢", "x"+long+" 1!")
	}
	return out
}

// Whatever a text is, cutting it takes steps in proportion to its length: the work on a text twice
// as long is at most little more than twice as much, and never a hundred steps a character.
func TestPatternsTakeFewSteps(t *testing.T) {
	for _, source := range patterns {
		p, err := pattern.Compile(source)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, text := range longRuns(400) {
			r := runes(text)
			m := p.On(pattern.NewText(r))
			for at := 0; at < len(r); {
				_, stop, ok := m.Find(at, len(r))
				if !ok {
					break
				}
				at = max(stop, at+1)
			}
			if limit := 3000 + 100*len(r); m.Steps() > limit {
				t.Errorf("%s takes %d steps on %d characters %.20q", source, m.Steps(), len(r), text)
			}
		}
	}
}

func TestPatternsAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range patterns {
		if seen[p] || !KnownPattern(p) {
			t.Errorf("pattern %q is there twice", p)
		}
		seen[p] = true
	}
	if KnownPattern(`\p{L}`) {
		t.Error("any pattern is known")
	}
}

func TestCuttingSteps(t *testing.T) {
	for _, c := range []struct {
		step       Step
		text, want string
	}{
		{Step{Isolate, PatternNumber, ""}, "a12b", "a|1|2|b"},
		{Step{Drop, PatternSpaces, ""}, " a  b", "a|b"},
		{Step{Keep, PatternWordMarks, ""}, "a_b, c", "a_b|,|c"},
		{Step{JoinNext, PatternUnderline, ""}, "▁a▁▁b", "▁a|▁|▁b"},
		{Step{JoinPrevious, PatternUnderline, ""}, "▁a▁▁b", "▁|a▁|▁|b"},
		{Step{Metaspace, space, PrependAlways}, "a b", "▁a▁b"},
		{Step{Metaspace, space, PrependFirst}, " a", "▁a"},
		{Step{Metaspace, space, PrependNever}, "a b", "a▁b"},
		{Step{PrefixSpace, "", ""}, "a", " a"},
		{Step{PrefixSpace, "", ""}, " a", " a"},
		{Step{TailSpace, "", ""}, "a \n", "a| \n"},
		{Step{TailSpace, "", ""}, "  ", "  "},
		{Step{Digits3, "", ""}, "1234567", "1|234|567"},
		{Step{Digits3, "", ""}, "½123½", "½|123½"},
		{Step{Digits3, "", ""}, "x1234", "x1|234"},
		{Step{Digits3Word, "", ""}, "ab12345 1234x 12", "ab|12|345| 1234x |12"},
		{Step{Numbers3, "", ""}, "ab½2345c", "ab|½2|345|c"},
	} {
		tok := build(t, Config{Algorithm: WordPiece, Pieces: []Piece{{"?", 0, Unknown}}, BOS: None, EOS: None, Cuts: []Step{c.step}})
		var got []string
		for _, w := range tok.split([]rune(c.text), true) {
			got = append(got, string(w.Runes))
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%d %q on %q: %s, want %s", c.step.Code, c.step.A, c.text, strings.Join(got, "|"), c.want)
		}
	}
}

// The specification lists the patterns. SPEC 04 §4.12.
func TestPatternsAreTheSpecified(t *testing.T) {
	b, err := os.ReadFile("../../docs/spec/04-model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(b), "§4.12")
	_, list, _ = strings.Cut(list, "```\n")
	list, _, _ = strings.Cut(list, "\n```")
	if want := strings.Join(patterns[:], "\n"); list != want {
		t.Errorf("SPEC 04 §4.12 lists other patterns than\n%s", want)
	}
}
