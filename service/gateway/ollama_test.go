package gateway

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/decode"
)

const ollamaF = `{"role":"assistant","content":"Well.","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]}`

// ollamaExchanges are the golden exchanges below /api.
func ollamaExchanges() []exchange {
	chat := `{"model":"toy/bytes:latest","messages":[{"role":"user","content":"hi"}]`
	text := `{"model":"toy/bytes","prompt":"hi"`
	saysCall := &toyBackend{script: says(`Well. <call>{"name":"f","arguments":{"x": 1}}</call>`, FinishEOS), room: 200}
	return []exchange{
		{"ollama-version", "GET", "/api/version", "", &toyBackend{}},
		{"ollama-tags", "GET", "/api/tags", "", &toyBackend{}},
		{"ollama-ps", "GET", "/api/ps", "", &toyBackend{}},
		{"ollama-show", "POST", "/api/show", `{"model":"toy/bytes"}`, &toyBackend{}},
		{"ollama-chat", "POST", "/api/chat", chat + `,"stream":false,"options":{"num_ctx":4096,"num_gpu":1}}`, &toyBackend{script: says("héllo", FinishEOS)}},
		{"ollama-chat-stream", "POST", "/api/chat", chat + `}`, &toyBackend{script: says("ok", FinishLength)}},
		{"ollama-chat-tools", "POST", "/api/chat", chat + `,"stream":false,"tools":[` + oneTool + `]}`, saysCall},
		{"ollama-chat-stream-tools", "POST", "/api/chat", chat + `,"stream":true,"tools":[` + oneTool + `]}`, saysCall},
		{"ollama-chat-broken", "POST", "/api/chat", chat + `}`, &toyBackend{script: says("ok", 0), after: errSecret}},
		{"ollama-generate", "POST", "/api/generate", text + `,"stream":false,"system":"s"}`, &toyBackend{script: says("ho", FinishEOS)}},
		{"ollama-generate-stream", "POST", "/api/generate", text + `,"raw":true}`, &toyBackend{script: says("ho", FinishEOS)}},
		{"ollama-unknown", "POST", "/api/push", `{}`, &toyBackend{}},
		{"ollama-pull", "POST", "/api/pull", `{"model":"toy/bytes"}`, &toyBackend{}},
		{"ollama-pull-off", "POST", "/api/pull", `{"model":"who/tiny"}`, &toyBackend{}},
	}
}

func withOllama(list string) string { return `{"model":"toy/bytes","messages":` + list + `}` }

func withOptions(options string) string {
	return `{"model":"toy/bytes","prompt":"hi","options":` + options + `}`
}

// refusedOllama has a row for every rule that only these requests have.
var refusedOllama = []refusal{
	{"array", "chat", `[]`, 400, "", "must be a JSON object"},
	{"no model", "chat", `{"messages":[{"role":"user","content":"hi"}]}`, 400, "", "model must name"},
	{"unknown model", "chat", `{"model":"x:latest","messages":[{"role":"user","content":"hi"}]}`, 404, "", "does not exist"},
	{"unknown model shown", "show", `{"model":"x"}`, 404, "", "does not exist"},
	{"no model shown", "show", `{}`, 400, "", "model must name"},
	{"no role", "chat", withOllama(`[{"content":"x"}]`), 400, "", "messages[0].role is missing"},
	{"content of wrong type", "chat", withOllama(`[{"role":"user","content":[]}]`), 400, "", "messages[0].content must be a string"},
	{"image", "chat", withOllama(`[{"role":"user","content":"x","images":["aGk="]}]`), 400, "", "messages[0].images is given, and models here read text alone"},
	{"thoughts", "chat", withOllama(`[{"role":"user","content":"x","thinking":7}]`), 400, "", "messages[0].thinking must be a string"},
	{"calls of a user", "chat", withOllama(strings.Replace(`[`+ollamaF+`]`, "assistant", "user", 1)), 400, "", "belong to messages of the role assistant"},
	{"call without name", "chat", withOllama(`[{"role":"assistant","tool_calls":[{"function":{}}]}]`), 400, "", "an id and a name"},
	{"call of another type", "chat", withOllama(`[{"role":"assistant","tool_calls":[{"type":"custom"}]}]`), 400, "", "type is not supported"},
	{"arguments as text", "chat", withOllama(`[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]`), 400, "", "arguments must be a JSON object"},
	{"call without result", "chat", withOllama(`[` + ollamaF + `]`), 400, "", "ends before the result"},
	{"result without call", "chat", withOllama(`[{"role":"tool","content":"r"}]`), 400, "", "no call is open"},
	{"result of another call", "chat", withOllama(`[` + ollamaF + `,{"role":"tool","content":"r","tool_call_id":"z"}]`), 400, "", "the next result is that of"},
	{"format", "chat", `{"model":"toy/bytes","format":"yaml"}`, 400, "", "format is not supported"},
	{"think", "chat", `{"model":"toy/bytes","think":true,"messages":[{"role":"user","content":"x"}]}`, 400, "", "think is not supported"},
	{"logprobs", "generate", `{"model":"toy/bytes","prompt":"a","logprobs":1}`, 400, "", "logprobs must be true or false"},
	{"top_logprobs", "generate", `{"model":"toy/bytes","prompt":"a","top_logprobs":1}`, 400, "", "top_logprobs needs logprobs"},
	{"stream of wrong type", "chat", `{"model":"toy/bytes","stream":"no"}`, 400, "", "stream must be true or false"},
	{"unknown model loaded", "generate", `{"model":"x"}`, 404, "", "does not exist"},
	{"prompt of wrong type", "generate", `{"model":"toy/bytes","prompt":[1]}`, 400, "", "prompt must be a string"},
	{"system before a raw prompt", "generate", `{"model":"toy/bytes","prompt":"a","raw":true,"system":"s"}`, 400, "", "no place before a raw prompt"},
	{"raw of wrong type", "generate", `{"model":"toy/bytes","raw":1}`, 400, "", "raw must be true or false"},
	{"suffix", "generate", `{"model":"toy/bytes","suffix":"s"}`, 400, "", "suffix is not supported"},
	{"template", "generate", `{"model":"toy/bytes","template":"s"}`, 400, "", "template is not supported"},
	{"context", "generate", `{"model":"toy/bytes","context":[1]}`, 400, "", "context is not supported"},
	{"images", "generate", `{"model":"toy/bytes","images":["aGk="]}`, 400, "", "images is given, and models here read text alone"},
	{"options of wrong type", "generate", withOptions(`[]`), 400, "", "options must be a JSON object"},
	{"num_predict zero", "generate", withOptions(`{"num_predict":0}`), 400, "", "options.num_predict must be at least 1"},
	{"num_predict negative", "generate", withOptions(`{"num_predict":-3}`), 400, "", "options.num_predict must be an integer"},
	{"mirostat", "generate", withOptions(`{"mirostat":1}`), 400, "", "options.mirostat is not supported"},
	{"tfs_z", "generate", withOptions(`{"tfs_z":0.5}`), 400, "", "options.tfs_z is not supported"},
	{"typical_p", "generate", withOptions(`{"typical_p":0.5}`), 400, "", "options.typical_p is not supported"},
	{"top_p", "generate", withOptions(`{"top_p":2}`), 400, "", "options.top_p must be"},
}

// TestRefusedOllama: each row is refused in the envelope of this dialect for the one reason it names.
func TestRefusedOllama(t *testing.T) {
	for _, row := range refusedOllama {
		t.Run(row.name, func(t *testing.T) {
			b := &toyBackend{}
			w := ask(newGateway(t, b, fixedOptions()), "POST", "/api/"+row.path, row.body)
			var got struct{ Error string }
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if w.Code != row.status || !strings.Contains(got.Error, row.want) {
				t.Errorf("got %d %s, want %d with %q", w.Code, w.Body, row.status, row.want)
			}
			if len(b.jobs) != 0 {
				t.Errorf("a refused request started %d jobs", len(b.jobs))
			}
		})
	}
}

// TestOllamaRequestsReachTheJob: options, system, raw prompts, calls and results.
func TestOllamaRequestsReachTheJob(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS), room: 200}
	g := newGateway(t, b, fixedOptions())
	post := func(path, body, ignored, prompt string) Job {
		t.Helper()
		w := ask(g, "POST", "/api/"+path, body)
		if w.Code != http.StatusOK || w.Header().Get("X-Elenchus-Ignored") != ignored {
			t.Fatal(w.Code, w.Header(), w.Body)
		}
		job := b.lastJob(t)
		if got := textOf(job.Prompt); got != prompt {
			t.Errorf("%s: prompt %q, want %q", body, got, prompt)
		}
		return job
	}
	job := post("generate", `{"model":"toy/bytes","prompt":"hi","system":"s","keep_alive":"5m","think":false,"format":"","options":{"temperature":0.5,
		"top_k":40,"top_p":0.9,"min_p":5e-2,"seed":7,"num_predict":9,"mirostat":0,"num_ctx":2048,"num_thread":2,"repeat_penalty":1.25,"repeat_last_n":-1,"presence_penalty":0.5,"frequency_penalty":-0.25}}`,
		"options.num_ctx", "<s>s\n<u>hi\n")
	want := decode.Sampler{TopK: 40, TopP: 966367642, MinP: 53687091, Repetition: 81920, Presence: 1 << 15, Frequency: -1 << 14}
	if !job.Sampler.Equal(&want) || job.TemperatureQ16 != 32768 || job.Seed != 7 || job.MaxNew != 9 {
		t.Errorf("got %+v", job)
	}
	if job := post("generate", `{"model":"toy/bytes","prompt":"hi","raw":true,"options":{"num_predict":-1}}`, "", "hi"); job.MaxNew != toyCtx+200 || job.TemperatureQ16 != 65536 {
		t.Errorf("got %+v", job)
	}
	post("chat", withOllama(`[{"role":"system","content":"s"},`+ollamaF+`,{"role":"tool","tool_name":"f","content":"r"},{"role":"user","content":"so?"}]`), "",
		"<s>s\n<a>Well.\n<t>r\n<u>so?\n")
	r, f := decodeRequest([]byte(withOllama(`[`+ollamaF+`,{"role":"tool","content":"r"}]`)), ollamaChat().fields)
	if f != nil {
		t.Fatal(f)
	}
	if m := r.messages[0]; len(r.messages) != 2 || len(m.Calls) != 1 || m.Calls[0].Name != "f" || m.Calls[0].Arguments != `{"x":1}` {
		t.Errorf("got %+v", r.messages)
	}
}

// TestEveryPathRefusesOtherMethods: with 405 and the methods that it answers.
func TestEveryPathRefusesOtherMethods(t *testing.T) {
	g := newGateway(t, &toyBackend{}, Options{})
	for _, row := range g.table() {
		path := strings.NewReplacer("{id}", "x", "{model...}", "x").Replace(row.path)
		w := ask(g, "PATCH", path, "")
		if allowed := strings.Split(w.Header().Get("Allow"), ", "); w.Code != http.StatusMethodNotAllowed || !slices.Contains(allowed, row.method) {
			t.Errorf("%s: %d, allowed are %v", path, w.Code, allowed)
		}
	}
}

func FuzzOllamaRequest(f *testing.F) {
	f.Add([]byte(withOllama(`[`+ollamaF+`,{"role":"tool","content":"r"}]`)), true)
	f.Add([]byte(withOptions(`{"num_predict":-1,"temperature":0.5}`)), false)
	chat, generate := ollamaChat(), ollamaGenerate()
	f.Fuzz(func(t *testing.T, body []byte, isChat bool) {
		d := generate
		if isChat {
			d = chat
		}
		checkBody(t, d, body)
	})
}

// TestOllamaLoads: a request that asks nothing is answered without a job, whole, whatever it says of streams.
func TestOllamaLoads(t *testing.T) {
	for path, body := range map[string]string{
		"chat": `{"model":"toy/bytes"}`, "chat ": `{"model":"toy/bytes","messages":[],"keep_alive":0}`,
		"generate": `{"model":"toy/bytes:latest"}`, "generate ": `{"model":"toy/bytes","prompt":"","stream":true}`,
	} {
		b := &toyBackend{}
		w := ask(newGateway(t, b, fixedOptions()), "POST", "/api/"+strings.TrimSpace(path), body)
		var got struct {
			Done   bool
			Reason string `json:"done_reason"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || !got.Done || got.Reason != "load" || len(b.jobs) != 0 {
			t.Errorf("%s: %d %s %v", body, w.Code, w.Body, err)
		}
	}
}
