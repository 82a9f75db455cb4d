package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

const (
	turnStart  = `"model":"toy/bytes","max_tokens":200,"messages":[{"role":"user","content":"hi"}]`
	schemaTool = `{"name":"f","description":"d","input_schema":{"type":"object"}}`
	useF       = `{"type":"tool_use","id":"c","name":"f","input":{"x":1}}`
	assistantF = `{"role":"assistant","content":[` + useF + `]}`
)

// messageExchanges are the golden exchanges of POST /v1/messages.
func messageExchanges() []exchange {
	path := "/v1/messages"
	tools := `{` + turnStart + `,"tools":[` + schemaTool + `]`
	saysCall := &toyBackend{script: says(`Well. <call>{"name":"f","arguments":{"x": 1}}</call>`, FinishEOS), room: 200}
	return []exchange{
		{"messages", "POST", path, `{` + turnStart + `,"system":"s","metadata":{"user_id":"u"}}`, &toyBackend{script: says("héllo", FinishEOS)}},
		{"messages-length", "POST", path, `{` + turnStart + `}`, &toyBackend{script: says("ab", FinishLength)}},
		{"messages-stop", "POST", path, `{` + turnStart + `}`, &toyBackend{script: says("ab", FinishStop)}},
		{"messages-empty", "POST", path, `{` + turnStart + `}`, &toyBackend{script: says("", FinishEOS)}},
		{"messages-tools", "POST", path, tools + `}`, saysCall},
		{"messages-stream", "POST", path, `{` + turnStart + `,"stream":true}`, &toyBackend{script: says("ok", FinishEOS)}},
		{"messages-stream-empty", "POST", path, `{` + turnStart + `,"stream":true}`, &toyBackend{script: says("", FinishLength)}},
		{"messages-stream-tools", "POST", path, tools + `,"stream":true}`, saysCall},
		{"messages-stream-broken", "POST", path, `{` + turnStart + `,"stream":true}`, &toyBackend{script: says("ok", 0), after: errSecret}},
		{"messages-count", "POST", path + "/count_tokens", `{"model":"toy/bytes","messages":[{"role":"user","content":"` + strings.Repeat("x", 100) + `"}]}`, &toyBackend{}},
		{"messages-method", "GET", path, "", &toyBackend{}},
	}
}

func withTurns(list string) string { return `{"model":"toy/bytes","messages":` + list + `}` }

// refusedMessages has a row for every rule that only these requests have. The envelope names no field, so messages do.
var refusedMessages = []refusal{
	{"array", "messages", `[]`, 400, "invalid_request_error", "must be a JSON object"},
	{"too large", "messages", `{"x":"` + strings.Repeat("x", maxBody) + `"}`, 413, "request_too_large", "4 MiB"},
	{"no messages", "messages", `{"model":"toy/bytes"}`, 400, "invalid_request_error", "messages is missing"},
	{"empty messages", "messages", withTurns(`[]`), 400, "invalid_request_error", "at least one message"},
	{"messages of wrong type", "messages", withTurns(`7`), 400, "invalid_request_error", "must be a list"},
	{"unknown model", "messages", `{"model":"x","messages":[{"role":"user","content":"hi"}]}`, 404, "not_found_error", "does not exist"},
	{"unknown model counted", "messages/count_tokens", `{"model":"x","messages":[{"role":"user","content":"hi"}]}`, 404, "not_found_error", "does not exist"},
	{"system as a role", "messages", withTurns(`[{"role":"system","content":"x"}]`), 400, "invalid_request_error", "messages[0].role must be user or assistant"},
	{"no role", "messages", withTurns(`[{"content":"x"}]`), 400, "invalid_request_error", "messages[0].role must be user or assistant"},
	{"no content", "messages", withTurns(`[{"role":"user"}]`), 400, "invalid_request_error", "messages[0].content must be a string or a list"},
	{"no blocks", "messages", withTurns(`[{"role":"user","content":[]}]`), 400, "invalid_request_error", "messages[0].content must hold at least one block"},
	{"prefill", "messages", withTurns(`[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]`), 400, "invalid_request_error", "end with the user's"},
	{"image", "messages", withTurns(`[{"role":"user","content":[{"type":"image","source":{}}]}]`), 400, "invalid_request_error", "models here read text alone: leave it out, or send what it says as a block"},
	{"block without text", "messages", withTurns(`[{"role":"user","content":[{"type":"text"}]}]`), 400, "invalid_request_error", "content[0] must be"},
	{"use by a user", "messages", withTurns(`[{"role":"user","content":[` + useF + `]}]`), 400, "invalid_request_error", "a tool_use of the assistant"},
	{"result of an assistant", "messages", withTurns(`[{"role":"assistant","content":[{"type":"tool_result","tool_use_id":"c"}]}]`), 400, "invalid_request_error", "a tool_result of the user"},
	{"use without id", "messages", withTurns(`[{"role":"assistant","content":[{"type":"tool_use","name":"f"}]}]`), 400, "invalid_request_error", "an id and a name"},
	{"use with an odd input", "messages", withTurns(`[{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":[]}]}]`), 400, "invalid_request_error", "input must be a JSON object"},
	{"use twice", "messages", withTurns(`[{"role":"assistant","content":[` + useF + `,` + useF + `]}]`), 400, "invalid_request_error", "as one before it"},
	{"text after a use", "messages", withTurns(`[{"role":"assistant","content":[` + useF + `,{"type":"text","text":"x"}]}]`), 400, "invalid_request_error", "text after a tool_use"},
	{"use without result", "messages", withTurns(`[` + assistantF + `]`), 400, "invalid_request_error", "ends before the result"},
	{"text before a result", "messages", withTurns(`[` + assistantF + `,{"role":"user","content":[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"c"}]}]`), 400,
		"invalid_request_error", "send results first"},
	{"result without use", "messages", withTurns(`[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"}]}]`), 400, "invalid_request_error", "no call is open"},
	{"result of an image", "messages", withTurns(`[` + assistantF + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"image"}]}]}]`), 400,
		"invalid_request_error", "messages[1].content[0].content[0] is of type"},
	{"system of wrong type", "messages", `{` + turnStart + `,"system":7}`, 400, "invalid_request_error", "system must be a string"},
	{"tool without schema", "messages", `{` + turnStart + `,"tools":[{"name":"f"}]}`, 400, "invalid_request_error", "tools[0].input_schema is missing"},
	{"tool with an odd schema", "messages", `{` + turnStart + `,"tools":[{"name":"f","input_schema":7}]}`, 400, "invalid_request_error", "input_schema must be a JSON object"},
	{"tool without name", "messages", `{` + turnStart + `,"tools":[{"input_schema":{}}]}`, 400, "invalid_request_error", "tools[0].name is missing"},
	{"tool of a server", "messages", `{` + turnStart + `,"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, 400, "invalid_request_error", "tools[0].type is not supported"},
	{"strict tool", "messages", `{` + turnStart + `,"tools":[{"name":"f","input_schema":{"not":{}},"strict":true}]}`, 400, "invalid_request_error", "is not supported"},
	{"forced tool", "messages", `{` + turnStart + `,"tool_choice":{"type":"any"}}`, 400, "invalid_request_error", "there are no tools"},
	{"named tool", "messages", `{` + turnStart + `,"tool_choice":{"name":"f"}}`, 400, "invalid_request_error", "names a tool"},
	{"one use at a time", "messages", `{` + turnStart + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":1}}`, 400, "invalid_request_error", "disable_parallel_tool_use"},
	{"stop_sequences", "messages", `{` + turnStart + `,"stop_sequences":["a","b","c","d","e"]}`, 400, "invalid_request_error", "stop_sequences must hold at most 4 strings"},
	{"thinking", "messages", `{` + turnStart + `,"thinking":{"type":"enabled","budget_tokens":1024}}`, 400, "invalid_request_error", "thinking.type is not supported"},
	{"service_tier", "messages", `{` + turnStart + `,"service_tier":"priority"}`, 400, "invalid_request_error", "service_tier is not supported"},
	{"mcp_servers", "messages", `{` + turnStart + `,"mcp_servers":[{}]}`, 400, "invalid_request_error", "mcp_servers is not supported"},
	{"output_config", "messages", `{` + turnStart + `,"output_config":{"effort":"low"}}`, 400, "invalid_request_error", "output_config is not supported"},
	{"container", "messages", `{` + turnStart + `,"container":"c"}`, 400, "invalid_request_error", "container is not supported"},
	{"context_management", "messages", `{` + turnStart + `,"context_management":{}}`, 400, "invalid_request_error", "context_management is not supported"},
}

// TestRefusedMessages: each row is refused in the envelope of this dialect for the one reason it names.
func TestRefusedMessages(t *testing.T) {
	for _, row := range refusedMessages {
		t.Run(row.name, func(t *testing.T) {
			b := &toyBackend{}
			w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/"+row.path, row.body)
			var got struct {
				Type      string
				Error     struct{ Type, Message string }
				RequestID string `json:"request_id"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if w.Code != row.status || got.Type != "error" || got.Error.Type != row.param || !strings.Contains(got.Error.Message, row.want) ||
				got.RequestID == "" || got.RequestID != w.Header().Get("Request-Id") {
				t.Errorf("got %d %s, want %d %s with %q", w.Code, w.Body, row.status, row.param, row.want)
			}
			if len(b.jobs) != 0 {
				t.Errorf("a refused request started %d jobs", len(b.jobs))
			}
		})
	}
}

// TestMessagesReachTheTemplate: blocks, uses and results become the conversation that chat completions have.
func TestMessagesReachTheTemplate(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS), room: 200}
	w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/messages", `{"model":"toy/bytes","max_tokens":9,"top_k":5,
		"system":[{"type":"text","text":"be ","cache_control":{"type":"ephemeral"}},{"type":"text","text":"kind"}],
		"tool_choice":{"type":"auto"},"thinking":{"type":"disabled"},"stop_sequences":[],"tools":[`+schemaTool+`],"messages":[
		{"role":"user","content":[{"type":"text","text":"h"},{"type":"text","text":"i"}]},
		{"role":"assistant","content":[{"type":"text","text":"Well."},`+useF+`]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r"}],"is_error":true},{"type":"text","text":"so?"}]}]}`)
	if w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	job := b.lastJob(t)
	want := `[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}]` + "\n<s>be kind\n<u>hi\n<a>Well.\n<t>r\n<u>so?\n"
	if got := textOf(job.Prompt); got != want || job.MaxNew != 9 || job.Sampler.TopK != 5 {
		t.Errorf("got %q, %+v, want %q", got, job.Sampler, want)
	}
	if got := w.Header().Get("X-Elenchus-Ignored"); got != "messages.is_error" {
		t.Errorf("ignored %q", got)
	}
	r, f := decodeRequest([]byte(withTurns(`[`+assistantF+`,{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"}]}]`)), messageReaders())
	if f != nil {
		t.Fatal(f)
	}
	if m := r.messages; len(m) != 2 || len(m[0].Calls) != 1 || m[0].Calls[0].Arguments != `{"x":1}` || m[1].Role != "tool" {
		t.Errorf("got %+v", m)
	}
}

// TestKeyInXAPIKey: Anthropic's clients send their key there.
func TestKeyInXAPIKey(t *testing.T) {
	g := newGateway(t, &toyBackend{}, Options{Keys: []string{"sk-0123456789"}})
	for key, status := range map[string]int{"sk-0123456789": 200, "sk-0123456780": 401, "": 401} {
		if w := ask(g, "GET", "/v1/models", "", "X-Api-Key", key); w.Code != status {
			t.Errorf("%q: %d", key, w.Code)
		}
	}
	if w := ask(g, "GET", "/v1/models", "", "X-Api-Key", "sk-0123456789", "Authorization", "Bearer wrong-key"); w.Code != 401 {
		t.Errorf("a wrong bearer beside a right key: %d", w.Code)
	}
}

func FuzzMessageRequest(f *testing.F) {
	f.Add([]byte(`{` + turnStart + `,"system":[{"type":"text","text":"x"}],"tools":[` + schemaTool + `],"tool_choice":{"type":"none"}}`))
	f.Add([]byte(withTurns(`[` + assistantF + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"r"}]}]`)))
	fuzzChecked(f, messageDialect())
}
