package grammar_test

import (
	"errors"
	"strings"
	"testing"

	"elenchus/compute/grammar"
	"elenchus/compute/template"
)

var callSyntax = &template.Syntax{Tag: "<call>", End: "</call>", Object: true}

// Forced calls are calls alone; else any text may stand before them in which none begins. What is allowed is
// what the syntax reads as these calls. SPEC 16 §3.11.
func TestCalls(t *testing.T) {
	tools, err := grammar.ReadTools([]string{
		`{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"],"additionalProperties":false}}}`,
		`{"type":"function","function":{"name":"g","parameters":{"not":{}}}}`})
	if err != nil {
		t.Fatal(err)
	}
	const f, g = `<call>{"name": "f", "arguments": {"x": 1}}</call>`, "<call>\n{\"name\":\"g\",\"arguments\":{\"a\":[true]}}\n</call>"
	for _, c := range []struct {
		use      grammar.Use
		yes, not []string
	}{
		{grammar.Use{Tools: tools, Forced: true}, []string{f, g, f + "\n" + g}, []string{"", "a" + f, f + "a", strings.Replace(f, "1", `"1"`, 1), strings.Replace(f, `"f"`, `"h"`, 1)}},
		{grammar.Use{Tools: tools, Forced: true, Single: true}, []string{f, g}, []string{f + f}},
		{grammar.Use{Tools: tools, Forced: true, Named: "g"}, []string{g}, []string{f}},
		{grammar.Use{Tools: tools}, []string{"", "hello", "a <call", "<<call>" + f[6:], "x\n" + f + g}, []string{"<call>", f + "x", "a<call>b" + f}},
		{grammar.Use{Tools: tools, Single: true}, []string{"", "a" + f}, []string{f + g}},
	} {
		if !c.use.Needed() {
			t.Errorf("%+v needs no grammar", c.use)
		}
		a, err := c.use.Automaton(callSyntax)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.yes {
			if !a.Allows(s) {
				t.Errorf("%+v does not allow %q", c.use, s)
			}
			if n := strings.Count(s, "</call>"); n > 0 {
				if _, calls := callSyntax.Parse(s); len(calls) != n {
					t.Errorf("%q is read as %d calls", s, len(calls))
				}
			}
		}
		for _, s := range c.not {
			if a.Allows(s) {
				t.Errorf("%+v allows %q", c.use, s)
			}
		}
	}
	plain, err := (&grammar.Use{Tools: tools[:1], Forced: true}).Automaton(&template.Syntax{Tag: "[", Middle: "("})
	if err != nil || !plain.Allows(`[f({"x":2}`) || plain.Allows(`[f{"x":2}`) {
		t.Errorf("a syntax without an object: %v", err)
	}
}

// Calls that nobody can write, or whose schema a strict tool has and nobody can keep, are refused.
func TestCallsAreRefused(t *testing.T) {
	strict := []grammar.Tool{{Name: "f", Parameters: []byte(`{"not":{}}`), Strict: true}}
	for name, c := range map[string]struct {
		use    grammar.Use
		syntax *template.Syntax
		want   string
	}{
		"no syntax":    {grammar.Use{Tools: strict, Forced: true}, nil, "no form"},
		"no middle":    {grammar.Use{Tools: strict, Forced: true}, &template.Syntax{Tag: "x"}, "no form"},
		"no such tool": {grammar.Use{Tools: strict, Forced: true, Named: "g"}, callSyntax, `no tool "g"`},
		"strict":       {grammar.Use{Tools: strict}, callSyntax, `tool "f"`},
	} {
		if _, err := c.use.Automaton(c.syntax); !errors.Is(err, grammar.ErrGrammar) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (&grammar.Use{Tools: []grammar.Tool{{Name: "f"}}}).Needed() {
		t.Error("a tool that is not strict needs a grammar")
	}
}
