package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	askStart = `"model":"toy/bytes","input":"hi"`
	flatTool = `{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}`
	flatCall = `{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}`
)

func withInput(list string) string { return `{"model":"toy/bytes","input":` + list + `}` }

// responseExchanges are the golden exchanges of POST /v1/responses.
func responseExchanges() []exchange {
	path := "/v1/responses"
	tools := `{"model":"toy/bytes","input":"hi","tools":[` + flatTool + `]`
	saysCall := &toyBackend{script: says(`Well. <call>{"name":"f","arguments":{"x":1}}</call>`, FinishEOS), room: 200}
	return []exchange{
		{"responses", "POST", path, `{` + askStart + `,"instructions":"i","temperature":0.80,"metadata":{"a":"b"},"user":"u"}`,
			&toyBackend{script: says("héllo", FinishEOS)}},
		{"responses-length", "POST", path, `{` + askStart + `,"max_output_tokens":2,"store":false}`, &toyBackend{script: says("ab", FinishLength)}},
		{"responses-tools", "POST", path, tools + `}`, saysCall},
		{"responses-stream", "POST", path, `{` + askStart + `,"stream":true}`, &toyBackend{script: says("ok", FinishEOS)}},
		{"responses-stream-empty", "POST", path, `{` + askStart + `,"stream":true}`, &toyBackend{script: says("", FinishLength)}},
		{"responses-stream-tools", "POST", path, tools + `,"stream":true}`, saysCall},
		{"responses-stream-broken", "POST", path, `{` + askStart + `,"stream":true}`, &toyBackend{script: says("ok", 0), after: errSecret}},
		{"responses-busy", "POST", path, `{"model":"busy","input":"hi"}`, &toyBackend{err: map[string]error{"busy": ErrBusy}}},
		{"responses-unkept", "GET", path + "/resp_1", "", &toyBackend{}},
	}
}

// refusedResponses has a row for every rule that only requests for responses have.
var refusedResponses = []refusal{
	{"responses: no input", "responses", `{"model":"toy/bytes"}`, 400, "input", "missing"},
	{"responses: input of wrong type", "responses", withInput(`7`), 400, "input", "string or a list of items"},
	{"responses: empty input", "responses", withInput(`[]`), 400, "input", "at least one"},
	{"responses: item of wrong type", "responses", withInput(`["x"]`), 400, "input[0]", "JSON object"},
	{"responses: unknown item", "responses", withInput(`[{"type":"file_search_call","queries":[]}]`), 400, "input[0].type", "not supported"},
	{"responses: no role", "responses", withInput(`[{"content":"x"}]`), 400, "input[0].role", "must be"},
	{"responses: role tool", "responses", withInput(`[{"role":"tool","content":"x"}]`), 400, "input[0].role", "must be"},
	{"responses: no content", "responses", withInput(`[{"role":"user"}]`), 400, "input[0].content", "missing"},
	{"responses: image", "responses", withInput(`[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]`), 400, "input[0].content[0]", `"input_image", and models here read text alone`},
	{"responses: call without id", "responses", withInput(`[{"type":"function_call","name":"f"}]`), 400, "input[0]", "an id and a name"},
	{"responses: call without name", "responses", withInput(`[{"type":"function_call","call_id":"c"}]`), 400, "input[0]", "an id and a name"},
	{"responses: call twice", "responses", withInput(`[` + flatCall + `,` + flatCall + `]`), 400, "input[1]", "as one before it"},
	{"responses: arguments no JSON", "responses", withInput(`[{"type":"function_call","call_id":"c","name":"f","arguments":"{"}]`), 400, "input[0].arguments", "JSON object"},
	{"responses: call without result", "responses", withInput(`[` + flatCall + `]`), 400, "input", "ends before the result"},
	{"responses: result too late", "responses", withInput(`[` + flatCall + `,{"role":"user","content":"x"}]`), 400, "input[1]", "before the result"},
	{"responses: result without call", "responses", withInput(`[{"type":"function_call_output","call_id":"c","output":"x"}]`), 400, "input[0].call_id", "no call is open"},
	{"responses: result without output", "responses", withInput(`[` + flatCall + `,{"type":"function_call_output","call_id":"c"}]`), 400, "input[1].output", "missing"},
	{"responses: too many calls", "responses", withInput(`[` + manyFlatCalls(maxCalls+1) + `]`), 400, "input[128]", "one call too many"},
	{"responses: nested tool", "responses", `{` + askStart + `,"tools":[` + oneTool + `]}`, 400, "tools[0].name", "missing"},
	{"responses: tool of another type", "responses", `{` + askStart + `,"tools":[{"type":"web_search"}]}`, 400, "tools[0].type", "not supported"},
	{"responses: tool without type", "responses", `{` + askStart + `,"tools":[{"name":"f"}]}`, 400, "tools[0].type", `must be "function"`},
	{"responses: tool with an odd name", "responses", `{` + askStart + `,"tools":[{"type":"function","name":"a b"}]}`, 400, "tools[0].name", "letters"},
	{"responses: strict tool", "responses", `{` + askStart + `,"tools":[{"type":"function","name":"f","strict":1}]}`, 400, "tools[0].strict", "must be"},
	{"responses: too many tools", "responses", `{` + askStart + `,"tools":[` + strings.Repeat(flatTool+`,`, maxTools) + flatTool + `]}`, 400, "tools[128]", "at most 128"},
	{"responses: forced tool", "responses", `{` + askStart + `,"tool_choice":"required"}`, 400, "tool_choice", "there are no tools"},
	{"responses: unknown response", "responses", `{` + askStart + `,"previous_response_id":"resp_0"}`, 404, "previous_response_id", "not kept here"},
	{"responses: store of wrong type", "responses", `{` + askStart + `,"store":1}`, 400, "store", "true or false"},
	{"responses: metadata of wrong type", "responses", `{` + askStart + `,"metadata":{"a":1}}`, 400, "metadata.a", "must be a string"},
	{"responses: instructions of wrong type", "responses", `{` + askStart + `,"instructions":[]}`, 400, "instructions", "must be a string"},
	{"responses: reasoning", "responses", `{` + askStart + `,"reasoning":{"effort":"high"}}`, 400, "reasoning.effort", "not supported"},
	{"responses: JSON answer", "responses", `{` + askStart + `,"text":{"format":{"type":"grammar"}}}`, 400, "text.format", "not supported"},
	{"responses: verbosity", "responses", `{` + askStart + `,"text":{"verbosity":"low"}}`, 400, "text.verbosity", "not supported"},
	{"responses: truncation", "responses", `{` + askStart + `,"truncation":"auto"}`, 400, "truncation", "not supported"},
	{"responses: background", "responses", `{` + askStart + `,"background":true}`, 400, "background", "not supported"},
	{"responses: include", "responses", `{` + askStart + `,"include":["file_search_call.results"]}`, 400, "include[0]", "not supported"},
	{"responses: alternatives alone", "responses", `{` + askStart + `,"top_logprobs":2}`, 400, "top_logprobs", "needs logprobs"},
	{"responses: conversation", "responses", `{` + askStart + `,"conversation":"c"}`, 400, "conversation", "not supported"},
	{"responses: prompt", "responses", `{` + askStart + `,"prompt":{"id":"p"}}`, 400, "prompt", "not supported"},
	{"responses: max_tool_calls", "responses", `{` + askStart + `,"max_tool_calls":1}`, 400, "max_tool_calls", "not supported"},
	{"responses: service_tier", "responses", `{` + askStart + `,"service_tier":"flex"}`, 400, "service_tier", "not supported"},
}

func manyFlatCalls(n int) string {
	calls := make([]string, n)
	for i := range calls {
		calls[i] = strings.Replace(flatCall, `"c"`, fmt.Sprintf(`"c%d"`, i), 1)
	}
	return strings.Join(calls, ",")
}

// asked sends a request for a response and returns the answer.
func asked(t *testing.T, g *Gateway, body string, header ...string) (a response) {
	t.Helper()
	w := ask(g, "POST", "/v1/responses", body, header...)
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestResponsesGoOn: a response continues a kept one with its calls, but not with its instructions, and can be read
// and deleted by who made it alone.
func TestResponsesGoOn(t *testing.T) {
	const alice, bob = "Bearer alice-key", "Bearer bobby-key"
	b := &toyBackend{script: says(`<call>{"name":"f","arguments":{}}</call>`, FinishEOS), room: 500}
	o := fixedOptions()
	o.Keys = []string{"alice-key", "bobby-key"}
	g := newGateway(t, b, o)
	first := asked(t, g, `{`+askStart+`,"instructions":"be","tools":[`+flatTool+`]}`, "Authorization", alice)
	if got, want := textOf(b.lastJob(t).Prompt), "["+functionTool([]member{{"name", []byte(`"f"`)}, {"parameters", []byte(`{"type":"object"}`)}})+
		"]\n<s>be\n<u>hi\n"; got != want {
		t.Errorf("prompt %q, want %q", got, want)
	}
	next := fmt.Sprintf(`{"model":"toy/bytes","previous_response_id":%q,"input":[{"type":"function_call_output","call_id":%q,"output":"r"}]}`,
		first.ID, first.Output[0].CallID)
	if w := ask(g, "POST", "/v1/responses", next, "Authorization", bob); w.Code != 404 {
		t.Errorf("another key continued the response: %d %s", w.Code, w.Body)
	}
	b.script = says("done", FinishEOS)
	second := asked(t, g, next, "Authorization", alice)
	if got, want := textOf(b.lastJob(t).Prompt), "<u>hi\n<a>\n<t>r\n"; got != want {
		t.Errorf("prompt %q, want %q", got, want)
	}
	asked(t, g, fmt.Sprintf(`{%s,"previous_response_id":%q,"instructions":"x","store":false}`, askStart, second.ID), "Authorization", alice)
	if got, want := textOf(b.lastJob(t).Prompt), "<s>x\n<u>hi\n<a>\n<t>r\n<a>done\n<u>hi\n"; got != want {
		t.Errorf("prompt %q, want %q", got, want)
	}
	path := "/v1/responses/" + second.ID
	for _, step := range []struct {
		method, key string
		status      int
		want        string
	}{
		{"GET", bob, 404, "response_not_found"}, {"DELETE", bob, 404, "response_not_found"}, {"GET", alice, 200, `"text":"done"`},
		{"DELETE", alice, 200, `"deleted":true`}, {"GET", alice, 404, "response_not_found"}, {"DELETE", alice, 404, "response_not_found"},
		{"PUT", alice, 405, "method_not_allowed"},
	} {
		if w := ask(g, step.method, path, "", "Authorization", step.key); w.Code != step.status || !strings.Contains(w.Body.String(), step.want) {
			t.Errorf("%s %s: %d %s", step.method, step.key, w.Code, w.Body)
		}
	}
	if w := ask(g, "GET", "/v1/responses/"+first.ID+"?stream=true", "", "Authorization", alice); w.Code != 400 {
		t.Errorf("a stream of a kept response: %d", w.Code)
	}
}

// TestUnkeptResponses: store false keeps nothing, and neither does an answer that fails.
func TestUnkeptResponses(t *testing.T) {
	g := newGateway(t, &toyBackend{script: says("x", FinishEOS)}, fixedOptions())
	for _, stream := range []string{"", `,"stream":true`} {
		w := ask(g, "POST", "/v1/responses", `{`+askStart+`,"store":false`+stream+`}`)
		if w.Code != 200 || g.responses.shelf.order.Len() != 0 {
			t.Errorf("store false keeps %d responses: %s", g.responses.shelf.order.Len(), w.Body)
		}
		ask(g, "POST", "/v1/responses", `{`+askStart+stream+`}`)
		if n := g.responses.shelf.order.Len(); n != 1 {
			t.Errorf("%d responses are kept, want 1", n)
		}
		g.responses.shelf = newShelf[keptResponse](10, 1<<20, time.Now)
	}
	broken := newGateway(t, &toyBackend{script: says("x", 0), after: errSecret}, fixedOptions())
	ask(broken, "POST", "/v1/responses", `{`+askStart+`,"stream":true}`)
	if n := broken.responses.shelf.order.Len(); n != 0 {
		t.Errorf("%d failed responses are kept", n)
	}
}

// TestSystemMessagesBecomeOne: instructions and the system messages that begin the input stand in one place.
func TestSystemMessagesBecomeOne(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS)}
	asked(t, newGateway(t, b, fixedOptions()), `{"model":"toy/bytes","instructions":"a","input":[{"role":"developer","content":"b"},
		{"type":"message","id":"m","status":"completed","role":"user","content":[{"type":"input_text","text":"h"},{"type":"text","text":"i"}]}]}`)
	if got, want := textOf(b.lastJob(t).Prompt), "<s>a\n\nb\n<u>hi\n"; got != want {
		t.Errorf("prompt %q, want %q", got, want)
	}
}

// TestShelf: the oldest values make room, by number and by size; a value larger than the shelf is not kept.
func TestShelf(t *testing.T) {
	s := newShelf[int](3, 10, time.Now)
	has := func(want ...string) {
		t.Helper()
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			_, ok := s.get("o", id)
			if ok != strings.Contains(strings.Join(want, ""), id) {
				t.Errorf("%s is there: %v, want %v", id, ok, want)
			}
		}
	}
	for i, id := range []string{"a", "b", "c"} {
		s.put("o", id, i, 3)
	}
	has("a", "b", "c")
	s.put("o", "d", 3, 1)
	has("b", "c", "d")
	s.put("o", "e", 4, 7)
	has("d", "e")
	s.put("o", "d", 9, 2)
	if v, _ := s.get("o", "d"); v != 9 || s.used != 9 {
		t.Errorf("d is %d, %d bytes used", v, s.used)
	}
	s.put("o", "a", 5, 11)
	has("d", "e")
	s.put("o", "d", 5, 11)
	has("e")
	if _, ok := s.get("p", "e"); ok || s.remove("p", "e") || !s.remove("o", "e") || s.used != 0 || s.order.Len() != 0 || len(s.kept) != 0 {
		t.Errorf("%d bytes and %d values are left", s.used, s.order.Len())
	}
}

func FuzzResponseRequest(f *testing.F) {
	f.Add([]byte(`{` + askStart + `,"instructions":"i","tools":[` + flatTool + `],"metadata":{"a":"b"},"store":false}`))
	f.Add([]byte(withInput(`[` + flatCall + `,{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"x"}]}]`)))
	k := &keeper{newShelf[keptResponse](1, 1, time.Now)}
	fuzzChecked(f, k.dialect())
}
