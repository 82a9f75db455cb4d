package grammar_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/grammar"
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

// form is a way to write calls with control pieces, and the pieces; the last of them ends answers.
type form struct {
	name   string
	syntax template.Syntax
	pieces []string
	single bool // a call ends the answer
}

func forms() []form {
	return []form{
		{"qwen", template.Syntax{Tag: "<tool_call>", End: "</tool_call>", Object: true}, []string{"<tool_call>", "</tool_call>", "<|im_end|>"}, false},
		{"mistral", template.Syntax{Tag: "[TOOL_CALLS]", Middle: "[ARGS]"}, []string{"[TOOL_CALLS]", "[ARGS]", "</s>"}, false},
		{"llama", template.Syntax{Tag: "<|python_tag|>", End: "<|eom_id|>", Object: true, Member: "parameters"}, []string{"<|python_tag|>", "<|eom_id|>"}, true},
		{"channels", template.Syntax{Tag: "<|channel|>call ", Middle: " json<|message|>", End: "<|call|>"}, []string{"<|channel|>", "<|message|>", "<|call|>"}, true},
	}
}

// tokenizerOf has bytes, some words, and the control pieces of a form.
func tokenizerOf(t *testing.T, f *form) (tok *tokenizer.Tokenizer, end int32) {
	t.Helper()
	c := tokenizer.Config{BOS: tokenizer.None, EOS: tokenizer.None, Unknown: tokenizer.None}
	for b := range 256 {
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: fmt.Sprintf("<0x%02X>", b), Kind: tokenizer.Byte})
	}
	for _, word := range []string{"<tool", "_call>", "[TOOL", "name", "{\"", "\":", "<|", "call ", "}\n"} {
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: word, Kind: tokenizer.Normal})
	}
	for _, p := range f.pieces {
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: p, Kind: tokenizer.Control})
	}
	c.Pieces = append(c.Pieces, tokenizer.Piece{Text: "<|think|>", Kind: tokenizer.Control}) // of no call
	tok, err := tokenizer.New(c)
	if err != nil {
		t.Fatal(err)
	}
	end, _ = tok.ID(f.pieces[len(f.pieces)-1])
	return tok, end
}

// drawnAnswer is an answer of allowed ids, drawn at random, as its reader has it: control pieces of calls give
// their text. One time in two it prefers each of the ids liked, so that it does end.
func drawnAnswer(t *testing.T, r *rand.Rand, tok *tokenizer.Tokenizer, table []int32, liked, words []string) (text string, ids []int32) {
	t.Helper()
	g := kernel.Grammar{Table: table, Tokens: tok.Size(), Size: opset.GrammarCount}
	d, state := tok.NewDecoder(tokenizer.Continuation), uint32(0)
	d.Aloud(words...)
	end, _ := tok.ID(liked[len(liked)-1])
	for len(ids) < 4000 {
		var can []int32
		for id := range int32(tok.Size()) {
			if g.Next(state, id) >= 0 {
				can = append(can, id)
			}
		}
		if len(can) == 0 {
			t.Fatalf("after %q nothing is allowed", text)
		}
		id := can[r.IntN(len(can))]
		for _, p := range liked {
			if like, ok := tok.ID(p); ok && r.IntN(2) == 0 && slices.Contains(can, like) {
				id = like
			}
		}
		if ids = append(ids, id); id == end {
			return text + d.Flush(), ids
		}
		s, err := d.Next(id)
		if err != nil {
			t.Fatal(err)
		}
		text, state = text+s, uint32(g.Next(state, id))
	}
	t.Fatalf("%.200q does not end", text)
	return "", nil
}

// Calls of models that mark them with control pieces are forced as others are: whatever such a model draws is
// read as the calls that the request wants, and pieces stand where the form has them and nowhere else.
// SPEC 16 §3.11.
func TestCallsOfControlPieces(t *testing.T) {
	const schema = `{"type":"object","properties":{"x":{"type":"integer","minimum":0,"maximum":9},"w":{"type":"string","maxLength":3}},"required":["x"]}`
	tools := []grammar.Tool{{Name: "f", Parameters: json.RawMessage(schema)}, {Name: "g", Parameters: json.RawMessage(schema)}}
	strict := []grammar.Tool{{Name: "f", Parameters: json.RawMessage(schema), Strict: true}}
	r := rand.New(rand.NewPCG(64, 1))
	for _, f := range forms() {
		tok, end := tokenizerOf(t, &f)
		v := grammar.NewVocabulary(tok.Size(), func(id int) []byte {
			s, err := tok.Bytes(int32(id))
			if err != nil {
				t.Fatal(err)
			}
			return []byte(s)
		})
		s := f.syntax.Of(tok, []int32{end})
		liked := []string{"<0x7D>", "<0x5D>", "<0x22>", f.pieces[0], f.pieces[len(f.pieces)-1]}
		for _, use := range []grammar.Use{
			{Tools: tools, Forced: true}, {Tools: tools, Forced: true, Named: "g"}, {Tools: tools, Forced: true, Single: true}, {Tools: strict}, {Tools: tools, Single: true},
		} {
			a, err := use.Automaton(s)
			if err != nil {
				t.Fatalf("%s, %+v: %v", f.name, use, err)
			}
			if a, err = grammar.Decode(a.Encode()); err != nil {
				t.Fatal(err)
			}
			table, err := v.Table(a, []int32{end})
			if err != nil {
				t.Fatalf("%s, %+v: %v", f.name, use, err)
			}
			seen := 0
			for range 12 {
				text, ids := drawnAnswer(t, r, tok, table, liked, s.Words())
				seen += checkCalls(t, &f, &use, s, tok, text, ids)
			}
			if seen == 0 {
				t.Errorf("%s, %+v: no call was drawn", f.name, use)
			}
		}
	}
}

// checkCalls reads an answer as a client does, and returns the number of its calls.
func checkCalls(t *testing.T, f *form, use *grammar.Use, s *template.Syntax, tok *tokenizer.Tokenizer, text string, ids []int32) int {
	t.Helper()
	content, calls := s.Parse(text)
	marks := 0
	for _, id := range ids {
		p, err := tok.Piece(id)
		if err != nil {
			t.Fatal(err)
		}
		if p.Text == f.pieces[0] {
			marks++
		}
		if p.Text == "<|think|>" {
			t.Errorf("%s: %q has a piece that no edge has", f.name, text)
		}
	}
	switch {
	case use.Forced && (len(calls) == 0 || content != ""), (use.Single || f.single) && len(calls) > 1, marks != len(calls):
		t.Errorf("%s, %+v: %q are %d calls behind %q, %d pieces begin one", f.name, *use, text, len(calls), content, marks)
	}
	for _, c := range calls {
		var v struct {
			X *int    `json:"x"`
			W *string `json:"w"`
		}
		d := json.NewDecoder(strings.NewReader(c.Arguments))
		d.DisallowUnknownFields()
		if err := d.Decode(&v); err != nil || v.X == nil || *v.X < 0 || *v.X > 9 || use.Named != "" && c.Name != use.Named || c.Name != "f" && c.Name != "g" {
			t.Errorf("%s: %+v of %q, %v", f.name, c, text, err)
		}
	}
	return len(calls)
}

// A form in which the answer ends before the arguments cannot be forced.
func TestCallsThatAnEndDividesAreRefused(t *testing.T) {
	f := forms()[0]
	tok, _ := tokenizerOf(t, &f)
	open, _ := tok.ID("<tool_call>")
	use := grammar.Use{Tools: []grammar.Tool{{Name: "f"}}, Forced: true}
	if _, err := use.Automaton(f.syntax.Of(tok, []int32{open})); !errors.Is(err, grammar.ErrGrammar) || !strings.Contains(err.Error(), "ends within") {
		t.Errorf("a tag that ends the answer: %v", err)
	}
	f = forms()[1]
	tok, _ = tokenizerOf(t, &f)
	middle, _ := tok.ID("[ARGS]")
	if _, err := use.Automaton(f.syntax.Of(tok, []int32{middle})); !errors.Is(err, grammar.ErrGrammar) || !strings.Contains(err.Error(), "ends within") {
		t.Errorf("a middle that ends the answer: %v", err)
	}
}
