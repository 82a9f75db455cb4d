package grammar_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"elenchus/compute/grammar"

	"github.com/google/jsonschema-go/jsonschema"
)

func compile(t testing.TB, schema string) *grammar.Automaton {
	t.Helper()
	a, err := grammar.Schema([]byte(schema))
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return a
}

// What schemas allow and what they do not. SPEC 16 §3.8.
func TestSchemas(t *testing.T) {
	for _, c := range []struct {
		schema   string
		yes, not []string
	}{
		{`{"type":"string"}`, []string{`""`, `"a"`, `"é\n\u00e9😀"`, `"\""`}, []string{`"`, `"a`, "\"\n\"", `"\x"`, `"\ud800"`, "\"\xff\"", `a`}},
		{`{"type":"string","minLength":1,"maxLength":2}`, []string{`"a"`, `"éé"`, `"\n\u1234"`}, []string{`""`, `"abc"`}},
		{`{"type":"integer"}`, []string{"0", "-7", "120"}, []string{"01", "1.0", "-", "", "+1"}},
		{`{"type":"integer","minimum":-12,"maximum":105}`, []string{"-12", "-9", "0", "7", "99", "105"}, []string{"-13", "106", "110", "1000", "-0"}},
		{`{"type":"integer","exclusiveMinimum":9}`, []string{"10", "99", "100", "12345"}, []string{"9", "0", "-10"}},
		{`{"type":"integer","maximum":-5}`, []string{"-5", "-10", "-99"}, []string{"-4", "0", "5"}},
		{`{"type":"number"}`, []string{"0", "-1.5", "2e10", "3.25E-7"}, []string{"1.", ".5", "1e", "1e100", "NaN"}},
		{`{"type":["boolean","null"]}`, []string{"true", "null"}, []string{"0", "nul"}},
		{`{"enum":["a",1,null,{"b":[true]}]}`, []string{`"a"`, "1", "null", `{"b": [true]}`, `{"b":[true]}`}, []string{`"b"`, "2"}},
		{`{"type":"integer","enum":["a",1]}`, []string{"1"}, []string{`"a"`}},
		{`{"const":"x\"y"}`, []string{`"x\"y"`}, []string{`"x"`}},
		{`{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"boolean"}},"required":["a"],"additionalProperties":false}`,
			[]string{`{"a":1}`, `{"a": 1, "b": true}`}, []string{`{}`, `{"b":true}`, `{"b":true,"a":1}`, `{"a":1,}`, `{"a":1,"c":2}`, `{ "a":1}`, `{"a":1,  "b":true}`}},
		{`{"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"},"c":{"type":"null"}}}`,
			[]string{`{}`, `{"b":null}`, `{"a":null,"c":null}`}, []string{`{,"b":null}`, `{"c":null,"a":null}`}},
		{`{"type":"object","additionalProperties":{"type":"integer"}}`, []string{`{}`, `{"x":1}`, `{"x":1, "y":2}`}, []string{`{"x":"y"}`}},
		{`{"type":"object","additionalProperties":false}`, []string{`{}`}, []string{`{"x":1}`}},
		{`{"type":"object","required":["x"]}`, []string{`{"x":1}`, `{"x":[1]}`}, []string{`{}`}},
		{`{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3}`, []string{`[1]`, `[1,2, 3]`}, []string{`[]`, `[1,2,3,4]`, `[1 ,2]`}},
		{`{"type":"array","prefixItems":[{"type":"integer"},{"type":"null"}],"items":false}`, []string{`[]`, `[1]`, `[1,null]`}, []string{`[null]`, `[1,null,1]`}},
		{`{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"null"}}`, []string{`[]`, `[1,null,null]`}, []string{`[1,1]`}},
		{`{"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]}`, []string{`1`, `"a"`}, []string{`"ab"`, "null"}},
		{`{"type":"string","pattern":"^[A-Z]{2}-\\d+$"}`, []string{`"AB-1"`, `"ZZ-123"`}, []string{`"A-1"`, `"AB-"`, `"xAB-1"`}},
		{`{"type":"string","pattern":"b|c\""}`, []string{`"b"`, `"abd"`, `"c\""`}, []string{`"a"`, `"c"`}},
		{`{"type":"string","pattern":"^(foo|[^a-z\"])*?$"}`, []string{`""`, `"fooX"`}, []string{`"bar"`, `"\""`}},
		{`{"type":"string","format":"date"}`, []string{`"2026-11-21"`, `"2024-02-28"`}, []string{`"2026-02-30"`, `"2026-13-01"`, `"26-01-01"`}},
		{`{"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"c":{"$ref":"#/$defs/n"}},"required":["v"]}},"$ref":"#/$defs/n"}`,
			[]string{`{"v":1}`, `{"v":1,"c":{"v":2,"c":{"v":3}}}`}, []string{`{"c":{"v":1}}`}},
		{`{"type":"integer","nullable":true}`, []string{"1", "null"}, []string{`"1"`}},
		{`{}`, []string{`1`, `{"a":[1]}`, `[]`}, []string{`[[[1]]]`, ``}},
	} {
		a := compile(t, c.schema)
		for _, s := range c.yes {
			if !a.Allows(s) {
				t.Errorf("%s does not allow %s", c.schema, s)
			}
		}
		for _, s := range c.not {
			if a.Allows(s) {
				t.Errorf("%s allows %s", c.schema, s)
			}
		}
	}
}

// What is not supported is refused by its name.
func TestSchemasAreRefusedByName(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 70) + "true" + strings.Repeat("}", 70)
	for schema, want := range map[string]string{
		`{"type":"string","contentEncoding":"base64"}`: "contentEncoding", `{"type":"object","patternProperties":{}}`: "patternProperties",
		`{"not":{}}`: `"not"`, `{"type":"array","uniqueItems":true}`: "uniqueItems", `{"type":"number","minimum":1}`: "minimum of numbers",
		`{"type":"integer","multipleOf":2}`: "multipleOf", `{"type":"strin"}`: `"strin"`, `{"anyOf":[{}],"type":"object"}`: "type", `{"allOf":[{},{}]}`: "allOf",
		`{"$ref":"other.json"}`: "other.json", `{"$ref":"#/$defs/a"}`: "leads nowhere", `{"type":"string","format":"iri"}`: "iri",
		`{"type":"string","pattern":"(?=a)"}`: "(?=a)", `{"type":"string","pattern":"(a)\\1"}`: `\1`, `{"type":"string","pattern":"a","maxLength":3}`: "only one",
		`{"type":"string","maxLength":100000}`: "100000", `{"type":"array","minItems":3,"maxItems":2}`: "minItems 3", `[1]`: "a schema is an object",
		`{"type":"integer","minimum":1.5}`: "1.5", `{"type":"string"`: "schema", `{"a":1,"a":2}`: "twice", `{"type":"integer","minimum":5,"maximum":4}`: "no text",
		deep: "64 levels", `{"type":"array","items":{"type":"string","maxLength":900},"maxItems":900}`: "parts", `{"type":"string","maxLength":1000}`: "states, at most",
		`{"properties":{"a":{"properties":{"b":{"if":{}}}}}}`: "#/properties/a/properties/b", `{"type":"array","items":[{}]}`: "prefixItems",
		"\"" + strings.Repeat("a", grammar.MaxSchema) + "\"": "at most 65536",
	} {
		_, err := grammar.Schema([]byte(schema))
		if !errors.Is(err, grammar.ErrGrammar) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: %v, want %q in it", schema, err, want)
		}
	}
}

// write walks an automaton to a text that it allows, by the shortest way once it has gone far enough.
func write(r *rand.Rand, a *grammar.Automaton) string {
	far := distances(a)
	var out []byte
	for s := 0; ; {
		st := &a.States[s]
		if st.Accept && (len(out) > 40 || len(st.Edges) == 0 || r.IntN(3) == 0) {
			return string(out)
		}
		e := st.Edges[r.IntN(len(st.Edges))]
		if len(out) > 40 {
			for _, o := range st.Edges {
				if far[o.Next] < far[e.Next] {
					e = o
				}
			}
		}
		out = append(out, e.Lo+byte(r.IntN(int(e.Hi-e.Lo)+1)))
		s = int(e.Next)
	}
}

// distances are how many bytes each state is from an end.
func distances(a *grammar.Automaton) []int {
	far := make([]int, len(a.States))
	for s := range far {
		if far[s] = 1 << 30; a.States[s].Accept {
			far[s] = 0
		}
	}
	for changed := true; changed; {
		changed = false
		for s := range far {
			for _, e := range a.States[s].Edges {
				if d := far[e.Next] + 1; d < far[s] {
					far[s], changed = d, true
				}
			}
		}
	}
	return far
}

// randomSchema draws a schema of what is supported.
func randomSchema(r *rand.Rand, depth int) map[string]any {
	kinds := []string{"string", "integer", "number", "boolean", "null", "enum", "length", "range", "pattern", "object", "object", "array", "map", "anyOf"}
	if depth == 0 {
		kinds = kinds[:9]
	}
	switch k := kinds[r.IntN(len(kinds))]; k {
	case "enum":
		return map[string]any{"enum": []any{"red", 7, nil, "gr\"en", []any{1, "b"}}[r.IntN(3):]}
	case "length":
		n := r.IntN(4)
		return map[string]any{"type": "string", "minLength": n, "maxLength": n + r.IntN(5)}
	case "range":
		n := r.IntN(400) - 200
		return map[string]any{"type": "integer", "minimum": n, "maximum": n + r.IntN(300)}
	case "pattern":
		return map[string]any{"type": "string", "pattern": []string{`^[a-c]+\d{2,3}$`, `x.y`, `^(ab|c)*$`, `^\w{1,4}( \w+)?$`}[r.IntN(4)]}
	case "array":
		n := r.IntN(3)
		return map[string]any{"type": "array", "items": randomSchema(r, depth-1), "minItems": n, "maxItems": n + r.IntN(3)}
	case "map":
		return map[string]any{"type": "object", "additionalProperties": randomSchema(r, depth-1)}
	case "anyOf":
		return map[string]any{"anyOf": []any{randomSchema(r, depth-1), randomSchema(r, depth-1)}}
	case "object":
		props, required := map[string]any{}, []any{}
		for _, name := range []string{"id", "name", "größe", "a b"}[:r.IntN(5)] {
			props[name] = randomSchema(r, depth-1)
			if r.IntN(2) == 0 {
				required = append(required, name)
			}
		}
		return map[string]any{"type": "object", "properties": props, "required": required, "additionalProperties": false}
	default:
		return map[string]any{"type": k}
	}
}

// Whatever an automaton of a schema allows is JSON, and another implementation of schemas accepts it.
func TestWhatIsWrittenSatisfiesTheSchema(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 2))
	for range 100 {
		text, err := json.Marshal(randomSchema(r, 3))
		if err != nil {
			t.Fatal(err)
		}
		var s jsonschema.Schema
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		judge, err := s.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		a := compile(t, string(text))
		for range 8 {
			var v any
			out := write(r, a)
			if !a.Allows(out) {
				t.Fatalf("%s: %q was written and is not allowed", text, out)
			}
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatalf("%s: %q: %v", text, out, err)
			}
			if err := judge.Validate(v); err != nil {
				t.Fatalf("%s: %q: %v", text, out, err)
			}
		}
	}
}

// Any object is an object, and only that.
func TestAnyObject(t *testing.T) {
	a, err := grammar.Object()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(35, 3))
	for range 200 {
		var v map[string]any
		if s := write(r, a); json.Unmarshal([]byte(s), &v) != nil {
			t.Fatalf("%q is no object", s)
		}
	}
	if a.Allows(`[]`) || a.Allows(`1`) || !a.Allows(`{"a": {"b": [{"c": [1]}]}}`) || a.Allows(`{"a":[[[[[1]]]]]}`) {
		t.Error("objects of the wrong depth")
	}
}

// An automaton has one encoding.
func FuzzAutomaton(f *testing.F) {
	f.Add(compile(f, `{"enum":["a",1]}`).Encode())
	f.Add([]byte{0, 1, 1, 0})
	f.Add([]byte{0, 1, 3, 1, 'a', 'b', 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := grammar.Decode(b)
		if err != nil {
			if !errors.Is(err, grammar.ErrGrammar) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(a.Encode(), b) {
			t.Fatalf("%x is read and written as %x", b, a.Encode())
		}
	})
}

// Whatever a schema is, compiling it ends within its limits, and what comes out is an automaton.
func FuzzSchema(f *testing.F) {
	for _, s := range []string{`{"type":"object","properties":{"a":{"$ref":"#"}}}`, `{"enum":[1,{"a":[]}]}`, `{"type":"string","pattern":"^a{1,3}[^b]|c$"}`,
		`{"type":"array","prefixItems":[{}],"maxItems":3}`, `{"type":"integer","minimum":-5}`, `{"anyOf":[true,false]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := grammar.Schema(b)
		if err != nil {
			if !errors.Is(err, grammar.ErrGrammar) {
				t.Fatal(err)
			}
			return
		}
		if again, err := grammar.Decode(a.Encode()); err != nil || len(again.States) != len(a.States) {
			t.Fatal(err)
		}
	})
}
