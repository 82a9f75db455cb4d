package grammar

import (
	"encoding/json"
	"fmt"
	"slices"

	"elenchus/compute/template"
)

// Tool is a function that a model may call. Parameters is the schema of its arguments, empty for any object.
type Tool struct {
	Name       string
	Parameters json.RawMessage
	Strict     bool // its arguments keep to the schema whether or not a call is forced
}

// Use is what a request says of calls. The zero value needs no grammar.
type Use struct {
	Tools  []Tool
	Named  string // the one that is called; "": any of them
	Forced bool   // the answer is calls
	Single bool   // it has one at most
	// Format is what an answer without calls looks like; nil: any text. Before calls then stands nothing.
	Format *Format
}

// Format is JSON of a schema, or with none any object.
type Format struct{ Schema string }

// part is what the format describes.
func (f *Format) part() (part, error) {
	if f.Schema == "" {
		return anyObject(anything(FreeDepth - 1)), nil
	}
	root, err := parse([]byte(f.Schema))
	if err != nil {
		return nil, err
	}
	return (&schema{root: root}).part(root, "#"), nil
}

// ReadTools reads tools as requests and templates have them: {"type":"function","function":{"name":...}}.
func ReadTools(raw []string) ([]Tool, error) {
	var out []Tool
	for i, text := range raw {
		var t struct {
			Function struct {
				Name       string          `json:"name"`
				Parameters json.RawMessage `json:"parameters"`
				Strict     bool            `json:"strict"`
			} `json:"function"`
		}
		if err := json.Unmarshal([]byte(text), &t); err != nil {
			return nil, fmt.Errorf("%w: tool %d: %w", ErrGrammar, i, err)
		}
		if string(t.Function.Parameters) == "null" {
			t.Function.Parameters = nil
		}
		out = append(out, Tool{t.Function.Name, t.Function.Parameters, t.Function.Strict})
	}
	return out, nil
}

// Needed says whether the use needs a grammar.
func (u *Use) Needed() bool {
	return u.Forced || u.Single || u.Format != nil || slices.ContainsFunc(u.Tools, func(t Tool) bool { return t.Strict })
}

// Automaton is that of the answers of a model that writes calls in a syntax, whose control pieces are those of
// the model (template.Syntax.Of): calls of the tools, and, if none is forced, before them any text in which none
// begins, or instead of them what the format describes. Arguments keep to the schema of a tool that is strict; of
// another one too if its schema is supported, else they are any object. SPEC 16 §3.11.
func (u *Use) Automaton(s *template.Syntax) (*Automaton, error) {
	answer, err := u.answer(s)
	if err != nil {
		return nil, err
	}
	return automaton(answer)
}

// answer is what Automaton describes.
func (u *Use) answer(s *template.Syntax) (part, error) {
	if u.Format != nil && len(u.Tools) == 0 {
		return u.Format.part()
	}
	calls, err := u.calls(s)
	switch {
	case err != nil:
		return nil, err
	case u.Forced:
		return calls, nil
	case u.Format != nil:
		format, err := u.Format.part()
		return either(format, calls), err
	}
	return either(untagged(s.Tag, nothing), untagged(s.Tag, calls)), nil
}

// calls are one or more of the tools; one if a call ends with the answer.
func (u *Use) calls(s *template.Syntax) (part, error) {
	if s == nil || s.Tag == "" || !s.Object && s.Middle == "" {
		return nil, fmt.Errorf("%w: the model's template has no form for calls that can be forced", ErrGrammar)
	}
	tag, ends := word(s, s.Tag)
	if !s.Object && !ends {
		_, ends = word(s, s.Middle)
	}
	if ends {
		return nil, fmt.Errorf("%w: an answer of the model ends within the form of its calls, which so cannot be forced", ErrGrammar)
	}
	bodies, err := u.bodies(s)
	if err != nil {
		return nil, err
	}
	line := maybe(literal("\n"))
	end, last := word(s, s.End)
	call := seq(tag, line, either(bodies...), line, end)
	if u.Single || last {
		return call, nil
	}
	return seq(call, many(seq(line, call))), nil
}

// bodies are what stands between the beginning and the end of calls.
func (u *Use) bodies(s *template.Syntax) (out []part, err error) {
	middle, _ := word(s, s.Middle)
	for _, t := range u.Tools {
		if u.Named != "" && t.Name != u.Named {
			continue
		}
		arguments, err := t.arguments()
		if err != nil {
			return nil, err
		}
		body := seq(literal(t.Name), middle, arguments)
		if s.Object {
			body = object([]member{{"name", exactly(t.Name), true}, {s.Arguments(), arguments, true}})
		}
		out = append(out, body)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: there is no tool %s to call", ErrGrammar, quote(u.Named))
	}
	return out, nil
}

// word is a word of a syntax up to a piece that ends the answer, and whether there is one. Its control pieces are
// written by their ids, other text by its bytes.
func word(s *template.Syntax, text string) (p part, ends bool) {
	var parts []part
	for _, c := range s.Cut(text) {
		switch {
		case c.Ends:
			return seq(parts...), true
		case c.ID >= 0:
			parts = append(parts, control(c.ID))
		default:
			parts = append(parts, literal(c.Text))
		}
	}
	return seq(parts...), false
}

// arguments are those of a call.
func (t *Tool) arguments() (part, error) {
	free := anyObject(anything(openDepth - 1))
	if len(t.Parameters) == 0 {
		return free, nil
	}
	root, err := parse(t.Parameters)
	if err == nil && root.kind == '{' {
		p := (&schema{root: root}).part(root, "#")
		if _, err = automaton(p); err == nil {
			return p, nil
		}
	}
	if !t.Strict {
		return free, nil
	}
	return nil, fmt.Errorf("tool %s: %w", quote(t.Name), err)
}

// untagged is any text in which a tag does not occur, and then rest. A state is how much of the tag the text
// ends with.
func untagged(tag string, rest part) part {
	return func(b *builder, from int32) int32 {
		states := make([]int32, len(tag))
		end := b.state()
		for i := range states {
			states[i] = b.state()
			b.link(states[i], end)
		}
		b.link(from, states[0])
		for i := range states {
			for c := range 256 {
				next := overlap(tag[:i]+string([]byte{byte(c)}), tag)
				if next < len(tag) && b.err == nil {
					b.edges[states[i]] = append(b.edges[states[i]], move{uint16(c), uint16(c), states[next]})
				}
			}
		}
		return rest(b, end)
	}
}

// overlap is the length of the longest end of a text that tag begins with.
func overlap(text, tag string) int {
	for n := min(len(text), len(tag)); n > 0; n-- {
		if text[len(text)-n:] == tag[:n] {
			return n
		}
	}
	return 0
}
