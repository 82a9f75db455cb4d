package grammar_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/grammar"
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

func vocabulary(tokens []string) *grammar.Vocabulary {
	return grammar.NewVocabulary(len(tokens), func(id int) []byte { return []byte(tokens[id]) })
}

// The example of SPEC 05 §7.4.
func TestTableOfTheExample(t *testing.T) {
	a := &grammar.Automaton{States: []grammar.State{
		{Accept: true, Edges: []grammar.Edge{{Lo: 'a', Hi: 'a', Next: 1}}}, {Edges: []grammar.Edge{{Lo: 'b', Hi: 'b', Next: 0}}}}}
	table, err := vocabulary([]string{"a", "b", "ab", ""}).Table(a, []int32{3})
	if err != nil || !slices.Equal(table, []int32{0, 1, 2, 3, 5, 0, 1, 1, 0, 1}) {
		t.Fatalf("%v, %v", table, err)
	}
}

// A table allows exactly those ids after which some text of the grammar can be completed, whatever the
// tokens are, and leads where their bytes lead.
func TestTablesAgreeWithAutomata(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 4))
	for range 60 {
		schema := `{"anyOf":[{"enum":["ab","abc","b"]},{"type":"integer","maximum":999,"minimum":3},{"type":"array","items":{"const":"a"},"maxItems":4}]}`
		a := compile(t, schema)
		tokens := []string{"", "\"", "[", "]", ",", "a", "b", strings.Repeat("a", 128)}
		for range 30 {
			n, s := 1+r.IntN(4), ""
			for range n {
				s += string(`"ab,[]0123456789c `[r.IntN(18)])
			}
			tokens = append(tokens, s)
		}
		table, err := vocabulary(tokens).Table(a, []int32{0, int32(r.IntN(8) - 20)})
		if err != nil {
			t.Fatal(err)
		}
		follow(t, r, a, tokens, kernel.Grammar{Table: table, Tokens: len(tokens), Size: opset.GrammarCount})
	}
}

// follow draws allowed ids and compares what is allowed with the automaton, until the end.
func follow(t *testing.T, r *rand.Rand, a *grammar.Automaton, tokens []string, g kernel.Grammar) {
	t.Helper()
	text, state := "", uint32(0)
	for range 40 {
		var can []int32
		for id, s := range tokens {
			next := g.Next(state, int32(id))
			if id == 0 {
				if (next >= 0) != a.Allows(text) || next >= 0 && uint32(next) != state {
					t.Fatalf("after %q an end leads from %d to %d", text, state, next)
				}
				continue
			}
			if next < 0 {
				continue
			}
			can = append(can, int32(id))
			if len(s) >= 128 || !begins(a, text+s) {
				t.Fatalf("after %q token %q is allowed", text, s)
			}
		}
		if a.Allows(text) && r.IntN(2) == 0 {
			return
		}
		if len(can) == 0 {
			if !a.Allows(text) {
				t.Fatalf("after %q nothing is allowed", text)
			}
			return
		}
		id := can[r.IntN(len(can))]
		text, state = text+tokens[id], uint32(g.Next(state, id))
	}
}

// begins says whether a text is the beginning of one that the automaton allows.
func begins(a *grammar.Automaton, text string) bool {
	s := 0
	for i := range len(text) {
		at := slices.IndexFunc(a.States[s].Edges, func(e grammar.Edge) bool { return e.Lo <= text[i] && text[i] <= e.Hi })
		if at < 0 {
			return false
		}
		s = int(a.States[s].Edges[at].Next)
	}
	return true
}

// Where no answer can be written with the tokens, or none can end, there is no table; and a table has an end.
func TestTablesAreRefused(t *testing.T) {
	a := compile(t, `{"enum":["a"]}`)
	for name, c := range map[string]struct {
		tokens []string
		ends   []int32
	}{
		"no quote": {[]string{"", "a", "b"}, []int32{0}}, "no end": {[]string{"", "\"", "a"}, nil}, "an end beyond": {[]string{"\"", "a"}, []int32{2, -1}},
	} {
		if table, err := vocabulary(c.tokens).Table(a, c.ends); !errors.Is(err, grammar.ErrGrammar) {
			t.Errorf("%s: %v, %v", name, table, err)
		}
	}
	var tokens []string // each of its own class
	for i := range 625 {
		tokens = append(tokens, strings.Repeat("a", i%25+1)+string(rune('b'+i/25)))
	}
	big := &grammar.Automaton{}
	for i := range grammar.MaxStates {
		s := grammar.State{Accept: true}
		for b := range byte(26) {
			s.Edges = append(s.Edges, grammar.Edge{Lo: 'a' + b, Hi: 'a' + b, Next: uint16((i*(1+30*min(1, int(b))) + 997*int(b) + 1) % grammar.MaxStates)})
		}
		big.States = append(big.States, s)
	}
	if _, err := vocabulary(append(tokens, "")).Table(big, []int32{625}); !errors.Is(err, grammar.ErrGrammar) || !strings.Contains(err.Error(), "at most 4194304") {
		t.Errorf("a table beyond the limit: %v", err)
	}
}
