package template_test

import (
	"slices"
	"testing"

	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

// Words of a syntax are cut at the first control piece, the longest of those that begin there. SPEC 16 §3.11.
func TestWordsAreCutAtControlPieces(t *testing.T) {
	c := tokenizer.Config{BOS: tokenizer.None, EOS: tokenizer.None, Unknown: 0, Pieces: []tokenizer.Piece{{Text: "<unk>", Kind: tokenizer.Unknown},
		{Text: "<c", Kind: tokenizer.Control}, {Text: "<call>", Kind: tokenizer.Control}, {Text: "all>", Kind: tokenizer.Control},
		{Text: "name", Kind: tokenizer.Normal}, {Text: "<end>", Kind: tokenizer.Control}, {Text: "<other>", Kind: tokenizer.Control}}}
	tok, err := tokenizer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := (&template.Syntax{Tag: "go <call>name<c", Middle: "=", End: "<end>"}).Of(tok, []int32{5})
	want := []template.Stretch{{Text: "go ", ID: tokenizer.None}, {Text: "<call>", ID: 2}, {Text: "name", ID: tokenizer.None}, {Text: "<c", ID: 1}}
	if got := s.Cut(s.Tag); !slices.Equal(got, want) {
		t.Errorf("the tag is cut into %+v", got)
	}
	if got := s.Cut(s.End); !slices.Equal(got, []template.Stretch{{Text: "<end>", ID: 5, Ends: true}}) {
		t.Errorf("the end is cut into %+v", got)
	}
	if got := s.Cut(""); got != nil {
		t.Errorf("nothing is cut into %+v", got)
	}
	if (*template.Syntax)(nil).Of(tok, nil) != nil {
		t.Error("no syntax has pieces")
	}
}

// The arguments of an object are the member that the template writes.
func TestArgumentsOfAnotherName(t *testing.T) {
	for middle, want := range map[string]string{`", "parameters": `: "parameters", `","args":`: "args", "": "arguments", ": ": "arguments", `", "a\"b": `: "arguments"} {
		turns := template.Turns{User: template.Pair{Before: "<u>", After: "\n"}, Generation: "<a>"}
		tools := &template.Tools{Turns: turns, HasCalls: true, CallsBefore: `<a><call>{"name": "`, CallMiddle: middle, CallSep: `}<call>{"name": "`, CallsEnd: "}<r>"}
		for i := range tools.At {
			tools.At[i] = template.Nowhere
		}
		tp, err := template.NewChat(turns, tools)
		if err != nil {
			t.Fatal(err)
		}
		s := tp.Syntax()
		if got := s.Arguments(); got != want {
			t.Errorf("%q: %q, want %q", middle, got, want)
		}
		_, calls := s.Parse(`<call>{"name": "f", "` + want + `": {"x": 1}}`)
		if len(calls) != 1 || calls[0] != (template.Call{Name: "f", Arguments: `{"x": 1}`}) {
			t.Errorf("%q: %+v", middle, calls)
		}
	}
}
