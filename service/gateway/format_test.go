package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"elenchus/compute/grammar"
	"elenchus/compute/kernel"
	"elenchus/compute/opset"
)

// constrained writes the first tokens that the grammar of a job allows, as a model without a will of its own does.
func constrained(j Job) []Event {
	g := kernel.Grammar{Table: j.Sampler.Grammar.Table, Tokens: toyEOS + 1, Size: opset.GrammarCount}
	var out []Event
	for state := uint32(0); len(out) < 400; {
		id := int32(toyEOS)
		for ; id >= 0 && g.Next(state, id) < 0; id-- {
		}
		if id < 0 {
			return append(out, Event{Finish: FinishGrammar})
		}
		out = append(out, Event{Token: id})
		if id == toyEOS {
			return append(out, Event{Finish: FinishEOS})
		}
		state = uint32(g.Next(state, id))
	}
	return append(out, Event{Finish: FinishLength})
}

const yesSchema = `{"type":"object","properties":{"word":{"enum":["yes"]}},"required":["word"],"additionalProperties":false}`

// The fields of all dialects lead to a grammar that the answer keeps to. SPEC 16 §3.8.
func TestFormatsOfEveryDialect(t *testing.T) {
	chat := `"model":"toy/bytes","messages":[{"role":"user","content":"a"}]`
	for name, c := range map[string]struct{ path, body, want string }{
		"chat":      {"/v1/chat/completions", `{` + chat + `,"response_format":{"type":"json_schema","json_schema":{"name":"w","strict":true,"schema":` + yesSchema + `}}}`, `"content":"{\"word\": \"yes\"}"`},
		"responses": {"/v1/responses", `{"model":"toy/bytes","input":"a","text":{"format":{"type":"json_schema","name":"w","schema":` + yesSchema + `}}}`, `"text":"{\"word\": \"yes\"}"`},
		"messages":  {"/v1/messages", `{` + chat + `,"max_tokens":40,"output_config":{"format":{"type":"json_schema","schema":` + yesSchema + `}}}`, `"text":"{\"word\": \"yes\"}"`},
		"ollama":    {"/api/chat", `{` + chat + `,"stream":false,"format":` + yesSchema + `}`, `"content":"{\"word\": \"yes\"}"`},
		"generate":  {"/api/generate", `{"model":"toy/bytes","prompt":"a","stream":false,"format":` + yesSchema + `}`, `"response":"{\"word\": \"yes\"}"`},
		"object":    {"/v1/chat/completions", `{` + chat + `,"response_format":{"type":"json_object"}}`, `"content":"{}"`},
		"json":      {"/api/chat", `{` + chat + `,"stream":false,"format":"json"}`, `"content":"{}"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := &toyBackend{script: constrained}
			w := ask(newGateway(t, b, fixedOptions()), "POST", c.path, c.body)
			if got := strings.ReplaceAll(w.Body.String(), `": `, `":`); w.Code != 200 || !strings.Contains(got, strings.ReplaceAll(c.want, `": `, `":`)) {
				t.Errorf("%d: no %s in %s", w.Code, c.want, w.Body)
			}
			if g := b.lastJob(t).Sampler.Grammar; g == nil || g.Root == [32]byte{} {
				t.Error("the job has no grammar")
			}
		})
	}
}

// What formats do not have, and schemas that are not supported, are refused by name; text is no grammar.
func TestFormatsAreRefused(t *testing.T) {
	chat := `"model":"toy/bytes","messages":[{"role":"user","content":"a"}]`
	for body, want := range map[string]string{
		`{` + chat + `,"response_format":{"type":"yaml"}}`:                                                                   "json_object",
		`{` + chat + `,"response_format":{"type":"json_schema"}}`:                                                            "must have a schema",
		`{` + chat + `,"response_format":{"type":"json_object","json_schema":{"schema":{}}}}`:                                "not supported",
		`{` + chat + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{},"extra":1}}}`:           "extra",
		`{` + chat + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"not":{}}}}}`:             `\"not\"`,
		`{` + chat + `,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"multipleOf":2}}}}`:       "multipleOf",
		`{` + chat + `,"response_format":[]}`:                                                                                "response_format",
		`{` + chat + `,"response_format":{"type":"json_schema","json_schema":{"schema":` + strings.Repeat(`[`, 5000) + `}}}`: "",
	} {
		b := &toyBackend{script: says("x", FinishEOS)}
		w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/chat/completions", body)
		if w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%.200s: %d %s", body, w.Code, w.Body)
		}
	}
	b := &toyBackend{script: says("x", FinishEOS)}
	if w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/chat/completions", `{`+chat+`,"response_format":{"type":"text"}}`); w.Code != 200 || b.lastJob(t).Sampler.Grammar != nil {
		t.Errorf("text: %d %s", w.Code, w.Body)
	}
}

// A schema is compiled once: what a gateway keeps is what it compiled.
func TestGrammarsAreKept(t *testing.T) {
	g := newGateway(t, &toyBackend{}, fixedOptions())
	calls := 0
	for range 3 {
		b, err := g.compiled(yesSchema, func() (*grammar.Automaton, error) { calls++; return grammar.Schema(json.RawMessage(yesSchema)) })
		if err != nil || len(b) == 0 {
			t.Fatal(err)
		}
	}
	if calls != 1 {
		t.Errorf("compiled %d times", calls)
	}
}

// A format beside tools that are shown: the answer is JSON of it, or calls; calls alone if they are forced. SPEC 16 §3.8.
func TestFormatBesideTools(t *testing.T) {
	body := `{"model":"toy/bytes","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f","parameters":` + yesSchema + `}}],` +
		`"response_format":{"type":"json_schema","json_schema":{"name":"w","schema":{"enum":["no"]}}}`
	syntax := toyCodec{}.Syntax()
	call := syntax.Tag + `{"name": "f", "arguments": {"word": "yes"}}` + syntax.End
	for more, c := range map[string]struct{ yes, no []string }{
		`}`:                             {[]string{`"no"`, call, call + call}, []string{`"yes"`, "", "x", `"no"` + call}},
		`,"tool_choice":"required"}`:    {[]string{call}, []string{`"no"`}},
		`,"tool_choice":"none"}`:        {[]string{`"no"`}, []string{call}},
		`,"parallel_tool_calls":false}`: {[]string{`"no"`, call}, []string{call + call}},
	} {
		b := &toyBackend{script: says("x", FinishEOS), room: 900}
		w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/chat/completions", body+more)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", more, w.Code, w.Body)
		}
		a, err := grammar.Decode(b.lastJob(t).Sampler.Grammar.Source)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range c.yes {
			if !a.Allows(text) {
				t.Errorf("%s: %s is refused", more, text)
			}
		}
		for _, text := range c.no {
			if a.Allows(text) {
				t.Errorf("%s: %s is allowed", more, text)
			}
		}
	}
}

// Calls that are forced, of any tool or of one, are written in the model's own form and keep to the schema of the tool;
// so do those of strict tools, and one call at most is one. SPEC 16 §3.11.
func TestForcedCallsOfEveryDialect(t *testing.T) {
	chat := `"model":"toy/bytes","messages":[{"role":"user","content":"a"}]`
	tool := func(name string) string {
		return `{"type":"function","function":{"name":"` + name + `","parameters":` + yesSchema + `}}`
	}
	flat := `{"type":"function","name":"f","parameters":` + yesSchema + `}`
	two := `,"tools":[` + tool("e") + `,` + tool("f") + `]`
	for name, c := range map[string]struct{ path, body, want string }{
		"required":  {"/v1/chat/completions", `{` + chat + two + `,"tool_choice":"required"}`, `"arguments":"{\"word\": \"yes\"}"`},
		"named":     {"/v1/chat/completions", `{` + chat + two + `,"tool_choice":{"type":"function","function":{"name":"e"}}}`, `"name":"e"`},
		"allowed":   {"/v1/chat/completions", `{` + chat + two + `,"tool_choice":` + strings.Replace(allowedF, "auto", "required", 1) + `}`, `"name":"f"`},
		"one":       {"/v1/chat/completions", `{` + chat + two + `,"tool_choice":"required","parallel_tool_calls":false}`, `"finish_reason":"tool_calls"`},
		"responses": {"/v1/responses", `{"model":"toy/bytes","input":"a","tools":[` + flat + `],"tool_choice":{"type":"function","name":"f"}}`, `"arguments":"{\"word\": \"yes\"}"`},
		"messages":  {"/v1/messages", `{` + chat + `,"max_tokens":99,"tools":[{"name":"f","input_schema":` + yesSchema + `}],"tool_choice":{"type":"any"}}`, `"input":{"word":`},
		"tool":      {"/v1/messages", `{` + chat + `,"max_tokens":99,"tools":[{"name":"f","input_schema":` + yesSchema + `}],"tool_choice":{"type":"tool","name":"f"}}`, `"name":"f"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := &toyBackend{script: constrained, room: 900}
			w := ask(newGateway(t, b, fixedOptions()), "POST", c.path, c.body)
			if got := strings.ReplaceAll(w.Body.String(), `": `, `":`); w.Code != 200 || !strings.Contains(got, strings.ReplaceAll(c.want, `": `, `":`)) {
				t.Errorf("%d: no %s in %s", w.Code, c.want, w.Body)
			}
		})
	}
	for _, more := range []string{`,"parallel_tool_calls":false`, `,"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":` + yesSchema + `}}]`} {
		b := &toyBackend{script: says("x", FinishEOS), room: 900}
		body := `{` + chat + `,"tools":[` + tool("f") + `]` + more + `}`
		if strings.Contains(more, "tools\"") {
			body = `{` + chat + more + `}`
		}
		if w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/chat/completions", body); w.Code != 200 || b.lastJob(t).Sampler.Grammar == nil {
			t.Errorf("%s: %d %s", more, w.Code, w.Body)
		}
	}
}
