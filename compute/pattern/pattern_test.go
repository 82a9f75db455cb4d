package pattern

import (
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func compile(t testing.TB, source string) *Pattern {
	t.Helper()
	p, err := Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cut writes the matches in brackets.
func cut(p *Pattern, text string) string {
	r := []rune(text)
	m := p.On(NewText(r))
	var b strings.Builder
	for at := 0; at < len(r); {
		start, stop, ok := m.Find(at, len(r))
		if !ok {
			b.WriteString(string(r[at:]))
			break
		}
		b.WriteString(string(r[at:start]) + "<" + string(r[start:stop]) + ">")
		if stop == start {
			b.WriteString(string(r[start : start+1]))
			stop++
		}
		at = stop
	}
	return b.String()
}

func TestMatchesAreLeftmostFirstAlternativeGreedy(t *testing.T) {
	for _, c := range []struct{ source, text, want string }{
		{`a|ab`, "abab", "<a>b<a>b"},
		{`ab|a`, "aab", "<a><ab>"},
		{`\s+(?!\S)|\s`, "a   b  ", "a<  >< >b<  >"},
		{`\s+$`, " a  ", " a<  >"},
		{`(?i:'s|'LL)`, "'S 'll 'ſ 'x", "<'S> <'ll> <'ſ> 'x"},
		{`[^\s\p{L}]?\p{L}+`, "1ab -é", "<1ab> <-é>"},
		{`\p{N}{1,3}`, "12345", "<123><45>"},
		{`a{2}b`, "aaab", "a<aab>"},
		{`a{2,}`, "a aa aaaa", "a <aa> <aaaa>"},
		{`(ab|c){1,2}Z`, "abcZ cZ abcabZ", "<abcZ> <cZ> ab<cabZ>"},
		{`x(?:yz*)*`, "xyzzyx", "<xyzzy><x>"},
		{`x(?:'s)?`, "x's x'", "<x's> <x>'"},
		{`a++b|a`, "aab aac", "<aab> <a><a>c"},
		{`a?+a`, "a aa", "a <aa>"},
		{`[\p{L}&&[^\p{Han}]]+`, "ab漢c", "<ab>漢<c>"},
		{`[^a\-c&&[a-z]]`, "a-bcd", "a-<b>c<d>"},
		{`[]a]+`, "]a[", "<]a>["},
		{`\d+\b`, "12a 12", "12a <12>"},
		{`\p{Lu}\p{Ll}*|\P{L}`, "AbC1", "<Ab><C><1>"},
		{`(?=\p{L})[^a-z]`, "aA1", "a<A>1"},
		{`[\x{41}-\x{43}]+`, "ABCD", "<ABC>D"},
		{`\w+|[^\w\s]+`, "a_1 ‿!", "<a_1> <‿><!>"},
	} {
		if got := cut(compile(t, c.source), c.text); got != c.want {
			t.Errorf("%s on %q: %s, want %s", c.source, c.text, got, c.want)
		}
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	for _, source := range []string{
		`(`, `)`, `a)`, `[a`, `[`, `a**`, `a+?`, `*`, `.`, `^a`, `\q`, `\1`, `\`, `\p`, `\p{`, `\p{Greek}`, `(?<=a)b`, `(?P<n>a)`, `(?s:a)`,
		`(a*)*`, `(a|b?)+`, `(?:\b)+`, `(ab)++`, `a{3,2}`, `a{`, `a{}`, `a{0}`, `a{99999}`, `[b-a]`, `[a-\s]`, `[[a]]`, "\xff", `((a{1000}b){1000}){1000}`,
		strings.Repeat("(", 100) + strings.Repeat(")", 100), strings.Repeat("a", 1<<15), `\p{Han`, `[a&&[b]c]`, `\x41`, `\x{}`, `\x{110000}`, `\x{4`, `[a-\w]`,
	} {
		if _, err := Compile(source); !errors.Is(err, ErrSyntax) {
			t.Errorf("%.40q: error %v, want ErrSyntax", source, err)
		}
	}
}

// random writes an expression that the standard library knows too.
func random(r *rand.Rand, depth int) string {
	atoms := []string{"a", "b", "c", "[ab]", "[^a]", `\p{L}`, `\s`, `[b-c ]`}
	var b strings.Builder
	for i := range 1 + r.IntN(3) {
		if i > 0 && r.IntN(3) == 0 {
			b.WriteString("|")
		}
		if depth > 0 && r.IntN(3) == 0 {
			b.WriteString("(?:" + random(r, depth-1) + ")" + []string{"", "?", "{1,2}", "{2}", "*", "+"}[r.IntN(6)])
			continue
		}
		b.WriteString(atoms[r.IntN(len(atoms))] + []string{"", "", "?", "*", "+", "{2,3}", "{2,}"}[r.IntN(7)])
	}
	return b.String()
}

func TestRandomExpressionsMatchAsInTheStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	compared := 0
	for range 4000 {
		source := random(r, 2)
		p, err := Compile(source)
		if err != nil {
			continue // a group that may match nothing cannot be repeated
		}
		std := regexp.MustCompile(strings.ReplaceAll(source, `\s`, `[\s]`))
		for range 4 {
			text := make([]byte, r.IntN(14))
			for i := range text {
				text[i] = "aabc "[r.IntN(5)]
			}
			start, stop, ok := p.On(NewText([]rune(string(text)))).Find(0, len(text))
			want := std.FindStringIndex(string(text))
			if ok != (want != nil) || ok && (start != want[0] || stop != want[1]) {
				t.Fatalf("%s on %q: %d %d %v, want %v", source, text, start, stop, ok, want)
			}
			compared++
		}
	}
	if compared < 8000 {
		t.Fatalf("only %d comparisons", compared)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{`a|b*(?:c{2,3})+`, `[^\s\p{L}&&[a-z]]++`, `(?i:'s)?(?!\S)$`, `\p{Han}+\b`} {
		f.Add(s, "some text")
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		p, err := Compile(source)
		if err != nil {
			if !errors.Is(err, ErrSyntax) {
				t.Fatal(err)
			}
			return
		}
		if len(text) > 6 || len(p.code) > 30 { // time is bounded for the patterns of tokenizers, not for all
			return
		}
		r := []rune(text)
		start, stop, ok := p.On(NewText(r)).Find(0, len(r))
		if ok && (start < 0 || stop < start || stop > len(r)) || !utf8.ValidString(source) {
			t.Fatalf("match %d..%d of %d", start, stop, len(r))
		}
	})
}
