package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"elenchus/compute/grammar"
)

// format is what a client says that the answer looks like.
type format struct {
	field  string          // that says so; "" if none does
	schema string          // of JSON; "" for any object
	echo   json.RawMessage // the field as it was sent
}

// Grammars that are kept, so that a schema is compiled once.
const (
	maxGrammars     = 64
	maxGrammarBytes = 8 << 20
)

// readResponseFormat reads {"type":"text"}, {"type":"json_object"} or {"type":"json_schema","json_schema":{...}}.
func readResponseFormat(r *request, m member) *failure {
	return readFormat(r, m, func(name string, at member, s *format) *failure {
		if name == "json_schema" {
			return inside(at.value, at.name, func(name string, at member) *failure { return readSchemaField(name, at, s) })
		}
		return unsupported(at.name, "null")
	})
}

// readFlatFormat reads the same with the members of json_schema beside its type.
func readFlatFormat(r *request, m member) *failure {
	return readFormat(r, m, readSchemaField)
}

func readFormat(r *request, m member, other func(name string, at member, s *format) *failure) *failure {
	kindOf, s := "", format{field: m.name, echo: json.RawMessage(compact(m.value))}
	f := inside(m.value, m.name, func(name string, at member) (f *failure) {
		if name == "type" {
			kindOf, f = readString(at, maxNameText)
			return f
		}
		return other(name, at, &s)
	})
	switch {
	case f != nil:
		f.Param = &m.name
		return f
	case kindOf == "text" && s.schema == "":
		return nil
	case kindOf == "json_object" && s.schema == "", kindOf == "json_schema" && s.schema != "":
		r.format = s
		return nil
	case kindOf == "json_schema":
		return badParam(m.name, m.name+` of the type json_schema must have a schema`)
	}
	return unsupported(m.name, `{"type":"text"}, {"type":"json_object"} or {"type":"json_schema",...}`)
}

// readSchemaField reads a member of json_schema. The answer keeps to the schema whether or not it is strict.
func readSchemaField(name string, m member, s *format) *failure {
	switch name {
	case "name", "description":
		_, f := readString(m, maxUserText)
		return f
	case "strict":
		_, f := readBool(m)
		return f
	case "schema":
		s.schema = string(m.value)
		return nil
	}
	return unsupported(m.name, "null")
}

// readOllamaFormat reads "", "json" or a schema.
func readOllamaFormat(r *request, m member) *failure {
	switch compact(m.value) {
	case `""`:
		return nil
	case `"json"`:
		r.format = format{field: m.name}
		return nil
	}
	if kind(m.value) != '{' {
		return unsupported(m.name, `"", "json" or a schema`)
	}
	r.format = format{field: m.name, schema: string(m.value)}
	return nil
}

// readOutputConfig reads {"format":{"type":"json_schema","schema":{...}}}.
func readOutputConfig(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		if name == "format" {
			return readFlatFormat(r, m)
		}
		return unsupported("output_config", "a format")
	})
}

// bind gives the request the grammar that its fields ask for, as the model keeps to it.
func (g *Gateway) bind(ctx context.Context, codec Codec, m Model, r *request) error {
	use, f := r.use()
	if f != nil {
		return f
	}
	if !use.Needed() {
		return nil
	}
	field, syntax := "tools", codec.Syntax()
	if use.Format != nil {
		field = r.format.field
	}
	key := fmt.Sprintf("%+v %q %t %t %q %q %t %q", syntax, use.Named, use.Forced, use.Single, r.strict, r.shown(), use.Format != nil, r.format.schema)
	source, err := g.compiled(key, func() (*grammar.Automaton, error) { return use.Automaton(syntax) })
	if err == nil {
		r.sampler.Grammar, err = codec.Bind(ctx, source, m.Stop)
	}
	if err != nil {
		return badParam(field, fmt.Sprintf("%s: %v", field, err))
	}
	return nil
}

// use is what the request says of calls.
func (r *request) use() (*grammar.Use, *failure) {
	tools, err := grammar.ReadTools(r.shown())
	if err != nil {
		return nil, badParam("tools", fmt.Sprintf("tools: %v", err))
	}
	for i := range tools {
		tools[i].Strict = tools[i].Strict || slices.Contains(r.strict, tools[i].Name)
	}
	u := &grammar.Use{Tools: tools, Named: r.called, Forced: r.forced, Single: r.oneCall && len(tools) > 0}
	if r.format.field != "" {
		u.Format = &grammar.Format{Schema: r.format.schema}
	}
	return u, nil
}

// compiled is the automaton behind a key, compiled if it is not kept.
func (g *Gateway) compiled(key string, compile func() (*grammar.Automaton, error)) ([]byte, error) {
	if b, ok := g.grammars.get("", key); ok {
		return b, nil
	}
	a, err := compile()
	if err != nil {
		return nil, err
	}
	b := a.Encode()
	g.grammars.put("", key, b, len(b)+len(key))
	return b, nil
}

// formatOf is the format of an answer as responses repeat it.
func (r *request) formatOf() json.RawMessage {
	switch {
	case r.format.field == "":
		return json.RawMessage(`{"type":"text"}`)
	case r.format.schema == "":
		return json.RawMessage(`{"type":"json_object"}`)
	}
	return r.format.echo
}
