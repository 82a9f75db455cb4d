package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"elenchus/compute/decode"
	"elenchus/compute/opset"
)

// Bodies that are complete but for one closing brace.
const (
	chatStart = `"model":"toy/bytes","messages":[{"role":"user","content":"hi"}]`
	textStart = `"model":"toy/bytes"`
)

func withMessages(list string) string { return `{"model":"toy/bytes","messages":` + list + `}` }

const (
	oneTool = `{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}`
	oneCall = `{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}`
)

func callOf(id string) string {
	return `{"id":"` + id + `","type":"function","function":{"name":"f","arguments":"{}"}}`
}

// refusal is a request body and the one reason why it is refused.
type refusal struct {
	name, path, body string
	status           int
	param, want      string // want occurs in the message
}

// refusedBodies has a row for every rule of the decoders that only that rule refuses.
var refusedBodies = []refusal{
	{"empty", "chat/completions", ``, 400, "", "must be a JSON object"},
	{"array", "chat/completions", `[]`, 400, "", "must be a JSON object"},
	{"cut short", "chat/completions", `{` + chatStart, 400, "", "not valid JSON"},
	{"trailing text", "chat/completions", `{` + chatStart + `} {}`, 400, "", "followed by more text"},
	{"comma at the end", "chat/completions", `{` + chatStart + `,}`, 400, "", "not valid JSON"},
	{"twice the same member", "chat/completions", `{` + chatStart + `,"seed":1,"seed":2}`, 400, "", `"seed" twice`},
	{"same member by escape", "chat/completions", `{` + chatStart + `,"seed":1,"\u0073eed":2}`, 400, "", `"seed" twice`},
	{"not UTF-8", "chat/completions", "{" + chatStart + ",\"user\":\"\xff\"}", 400, "", "UTF-8"},
	{"overlong UTF-8", "chat/completions", "{" + chatStart + ",\"user\":\"\xc0\xaf\"}", 400, "", "UTF-8"},
	{"lone high surrogate", "chat/completions", withMessages(`[{"role":"user","content":"\ud83d!"}]`), 400, "", "surrogate"},
	{"lone low surrogate", "chat/completions", withMessages(`[{"role":"user","content":"\ude00"}]`), 400, "", "surrogate"},
	{"control character", "chat/completions", withMessages("[{\"role\":\"user\",\"content\":\"\n\"}]"), 400, "", "not valid JSON"},
	{"too deep", "chat/completions", `{` + chatStart + `,"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 400, "", "nested"},
	{"too many members", "chat/completions", manyMembers(200), 400, "", "more than 128 members"},
	{"too large", "chat/completions", `{` + chatStart + `,"x":"` + strings.Repeat("x", maxBody) + `"}`, 413, "", "4 MiB"},
	{"no model", "chat/completions", `{"messages":[{"role":"user","content":"hi"}]}`, 400, "model", "model must name"},
	{"null model", "chat/completions", `{"model":null,"messages":[{"role":"user","content":"hi"}]}`, 400, "model", "model must name"},
	{"model of wrong type", "chat/completions", `{"model":7}`, 400, "model", "must be a string"},
	{"name in the wrong case", "chat/completions", `{"Model":"toy/bytes","messages":[]}`, 400, "messages", "at least one"},
	{"unknown model", "chat/completions", `{"model":"gpt-4","messages":[{"role":"user","content":"hi"}]}`, 404, "model", "does not exist"},
	{"no messages", "chat/completions", `{"model":"toy/bytes"}`, 400, "messages", "missing"},
	{"messages of wrong type", "chat/completions", withMessages(`"hi"`), 400, "messages", "must be a list"},
	{"message of wrong type", "chat/completions", withMessages(`["hi"]`), 400, "messages[0]", "JSON object"},
	{"no role", "chat/completions", withMessages(`[{"content":"x"}]`), 400, "messages[0].role", "missing"},
	{"odd role", "chat/completions", withMessages(`[{"role":"wizard","content":"x"}]`), 400, "messages[0].role", "wizard"},
	{"result without call", "chat/completions", withMessages(`[{"role":"tool","content":"x","tool_call_id":"c"}]`), 400, "messages[0].tool_call_id", "no call is open"},
	{"result of another call", "chat/completions", withMessages(`[` + oneCall + `,{"role":"tool","content":"x","tool_call_id":"d"}]`), 400, "messages[1].tool_call_id", `"c"`},
	{"result too late", "chat/completions", withMessages(`[` + oneCall + `,{"role":"user","content":"x"}]`), 400, "messages[1]", "before the result"},
	{"no result", "chat/completions", withMessages(`[` + oneCall + `]`), 400, "messages", "end before the result"},
	{"call of a user", "chat/completions", withMessages(`[{"role":"user","content":"x","tool_calls":[` + callOf("c") + `]}]`), 400, "messages[0].tool_calls", "assistant"},
	{"call id of a user", "chat/completions", withMessages(`[{"role":"user","content":"x","tool_call_id":"c"}]`), 400, "messages[0].tool_call_id", "role tool"},
	{"call twice", "chat/completions", withMessages(`[{"role":"assistant","tool_calls":[` + callOf("c") + `,` + callOf("c") + `]}]`), 400, "messages[0]", "twice"},
	{"call without id", "chat/completions", withMessages(`[{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}]`), 400, "messages[0].tool_calls[0]", `"id"`},
	{"custom call", "chat/completions", withMessages(`[{"role":"assistant","tool_calls":[{"id":"c","type":"custom"}]}]`), 400, "messages[0].tool_calls[0].type", "not supported"},
	{"arguments no object", "chat/completions", withMessages(`[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"[]"}}]}]`), 400, "messages[0].tool_calls[0].function.arguments", "JSON object"},
	{"arguments no JSON", "chat/completions", withMessages(`[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{"}}]}]`), 400, "messages[0].tool_calls[0].function.arguments", "JSON object"},
	{"tools no list", "chat/completions", `{` + chatStart + `,"tools":{}}`, 400, "tools", "must be a list"},
	{"tool of another type", "chat/completions", `{` + chatStart + `,"tools":[{"type":"custom","function":{"name":"f"}}]}`, 400, "tools[0]", "must be"},
	{"tool without function", "chat/completions", `{` + chatStart + `,"tools":[{"type":"function"}]}`, 400, "tools[0]", "must be"},
	{"tool without name", "chat/completions", `{` + chatStart + `,"tools":[{"type":"function","function":{}}]}`, 400, "tools[0].function.name", "missing"},
	{"tool with an odd name", "chat/completions", `{` + chatStart + `,"tools":[{"type":"function","function":{"name":"a b"}}]}`, 400, "tools[0].function.name", "letters"},
	{"strict tool", "chat/completions", `{` + chatStart + `,"tools":[{"type":"function","function":{"name":"f","strict":1}}]}`, 400, "tools[0].function.strict", "must be"},
	{"too many tools", "chat/completions", `{` + chatStart + `,"tools":[` + strings.Repeat(oneTool+`,`, 128) + oneTool + `]}`, 400, "tools", "at most 128"},
	{"allowed but missing", "chat/completions", `{` + chatStart + `,"tool_choice":` + allowedF + `}`, 400, "tool_choice", "not among tools"},
	{"one of the allowed forced", "chat/completions", `{` + chatStart + `,"tool_choice":` + strings.Replace(allowedF, "auto", "forced", 1) + `}`, 400, "tool_choice.allowed_tools.mode", "not supported"},
	{"allowed without tools", "chat/completions", `{` + chatStart + `,"tool_choice":{"type":"allowed_tools"}}`, 400, "tool_choice", "not supported"},
	{"allowed without a name", "chat/completions", `{` + chatStart + `,"tool_choice":{"type":"allowed_tools","tools":[{"type":"function"}]}}`, 400, "tool_choice.tools[0]", "must name a function"},
	{"forced tool", "chat/completions", `{` + chatStart + `,"tool_choice":{"type":"function","function":{"name":"f"}}}`, 400, "tool_choice", "there are no tools"},
	{"one call at a time", "chat/completions", `{` + chatStart + `,"parallel_tool_calls":1,"tools":[` + oneTool + `]}`, 400, "parallel_tool_calls", "must be"},
	{"no content", "chat/completions", withMessages(`[{"role":"user","content":null}]`), 400, "messages[0].content", "must be a string"},
	{"content of wrong type", "chat/completions", withMessages(`[{"role":"user","content":7}]`), 400, "messages[0].content", "must be a string"},
	{"image part", "chat/completions", withMessages(`[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]`), 400, "messages[0].content[0]", `"image_url", and models here read text alone`},
	{"part without text", "chat/completions", withMessages(`[{"role":"user","content":[{"type":"text"}]}]`), 400, "messages[0].content[0]", "must be"},
	{"part of wrong type", "chat/completions", withMessages(`[{"role":"user","content":["x"]}]`), 400, "messages[0].content[0]", "JSON object"},
	{"template refuses", "chat/completions", withMessages(`[{"role":"user","content":"a"},{"role":"system","content":"b"}]`), 400, "", "must come first"},
	{"prompt too long", "chat/completions", withMessages(`[{"role":"user","content":"` + strings.Repeat("x", toyCtx) + `"}]`), 400, "messages", "holds 64 tokens"},
	{"temperature too high", "chat/completions", `{` + chatStart + `,"temperature":2.0000000001}`, 400, "temperature", "from 0 to 2"},
	{"temperature negative", "chat/completions", `{` + chatStart + `,"temperature":-0.1}`, 400, "temperature", "from 0 to 2"},
	{"temperature as text", "chat/completions", `{` + chatStart + `,"temperature":"1"}`, 400, "temperature", "must be a number"},
	{"temperature endless", "chat/completions", `{` + chatStart + `,"temperature":0.` + strings.Repeat("1", 100) + `}`, 400, "temperature", "64 characters"},
	{"temperature exponent", "chat/completions", `{` + chatStart + `,"temperature":1e-9999999}`, 400, "temperature", "exponent"},
	{"top_p zero", "chat/completions", `{` + chatStart + `,"top_p":0}`, 400, "top_p", "above 0 and at most 1"},
	{"top_p above 1", "chat/completions", `{` + chatStart + `,"top_p":1.0000001}`, 400, "top_p", "above 0 and at most 1"},
	{"top_p as text", "chat/completions", `{` + chatStart + `,"top_p":"0.5"}`, 400, "top_p", "above 0 and at most 1"},
	{"min_p negative", "completions", `{` + textStart + `,"prompt":"a","min_p":-0.1}`, 400, "min_p", "from 0 to 1"},
	{"top_k fraction", "chat/completions", `{` + chatStart + `,"top_k":1.5}`, 400, "top_k", "integer from -1"},
	{"max_tokens zero", "chat/completions", `{` + chatStart + `,"max_tokens":0}`, 400, "max_tokens", "integer from 1"},
	{"max_tokens fraction", "chat/completions", `{` + chatStart + `,"max_tokens":1.5}`, 400, "max_tokens", "integer from 1"},
	{"max_tokens huge", "chat/completions", `{` + chatStart + `,"max_tokens":99999999999999999999}`, 400, "max_tokens", "integer from 1"},
	{"limits that differ", "chat/completions", `{` + chatStart + `,"max_tokens":3,"max_completion_tokens":4}`, 400, "max_completion_tokens", "differ"},
	{"seed fraction", "chat/completions", `{` + chatStart + `,"seed":1.5}`, 400, "seed", "integer"},
	{"seed too large", "chat/completions", `{` + chatStart + `,"seed":18446744073709551616}`, 400, "seed", "integer"},
	{"stream as text", "chat/completions", `{` + chatStart + `,"stream":"true"}`, 400, "stream", "true or false"},
	{"stream_options of wrong type", "chat/completions", `{` + chatStart + `,"stream_options":[]}`, 400, "stream_options", "JSON object"},
	{"include_usage of wrong type", "chat/completions", `{` + chatStart + `,"stream_options":{"include_usage":1}}`, 400, "include_usage", "true or false"},
	{"no prompt", "completions", `{` + textStart + `}`, 400, "prompt", "missing"},
	{"empty prompt", "completions", `{` + textStart + `,"prompt":""}`, 400, "prompt", "at least one token"},
	{"prompt of wrong type", "completions", `{` + textStart + `,"prompt":7}`, 400, "prompt", "must be a string"},
	{"empty list", "completions", `{` + textStart + `,"prompt":[ ]}`, 400, "prompt", "empty list"},
	{"empty inner list", "completions", `{` + textStart + `,"prompt":[[]]}`, 400, "prompt", "empty list"},
	{"many prompts", "completions", `{` + textStart + `,"prompt":["a"` + strings.Repeat(`,"b"`, 16) + `]}`, 400, "prompt", "at most 16 prompts"},
	{"many answers", "completions", `{` + textStart + `,"n":9,"prompt":["a","b"]}`, 400, "n", "one request gets at most 16"},
	{"best_of", "completions", `{` + textStart + `,"n":1,"best_of":2,"prompt":"a"}`, 400, "best_of", "send the value of n"},
	{"n zero", "completions", `{` + textStart + `,"n":0,"prompt":"a"}`, 400, "n", "from 1 to 16"},
	{"n too many", "chat/completions", `{` + chatStart + `,"n":17}`, 400, "n", "from 1 to 16"},
	{"top_logprobs alone", "chat/completions", `{` + chatStart + `,"top_logprobs":1}`, 400, "top_logprobs", "needs logprobs"},
	{"top_logprobs too many", "chat/completions", `{` + chatStart + `,"logprobs":true,"top_logprobs":21}`, 400, "top_logprobs", "from 0 to 20"},
	{"logprobs of a chat as number", "chat/completions", `{` + chatStart + `,"logprobs":1}`, 400, "logprobs", "true or false"},
	{"mixed list", "completions", `{` + textStart + `,"prompt":[1,"a"]}`, 400, "prompt", "prompt[1] must be a token id"},
	{"null id", "completions", `{` + textStart + `,"prompt":[null]}`, 400, "prompt", "token id"},
	{"fractional id", "completions", `{` + textStart + `,"prompt":[1.0]}`, 400, "prompt", "token id"},
	{"negative id", "completions", `{` + textStart + `,"prompt":[-1]}`, 400, "prompt", "token id"},
	{"id outside the vocabulary", "completions", `{` + textStart + `,"prompt":[1,258]}`, 400, "prompt", "ids of this model are 0 to 257"},
	{"echo with logprobs", "completions", `{` + textStart + `,"prompt":"a","echo":true,"logprobs":0}`, 400, "logprobs", "where echo is true"},
	{"too many logprobs of a completion", "completions", `{` + textStart + `,"prompt":"a","logprobs":6}`, 400, "logprobs", "from 0 to 5"},
	{"presence beyond 2", "completions", `{` + textStart + `,"prompt":"a","presence_penalty":2.01}`, 400, "presence_penalty", "from -2 to 2"},
	{"frequency as text", "completions", `{` + textStart + `,"prompt":"a","frequency_penalty":"1"}`, 400, "frequency_penalty", "from -2 to 2"},
	{"repetition 0", "completions", `{` + textStart + `,"prompt":"a","repetition_penalty":0}`, 400, "repetition_penalty", "above 0"},
	{"bias beyond 100", "completions", `{` + textStart + `,"prompt":"a","logit_bias":{"5":100.5}}`, 400, "logit_bias", "from -100 to 100"},
	{"bias of a word", "completions", `{` + textStart + `,"prompt":"a","logit_bias":{"five":1}}`, 400, "logit_bias", "name an id"},
	{"bias of an id with a zero before it", "completions", `{` + textStart + `,"prompt":"a","logit_bias":{"05":1}}`, 400, "logit_bias", "name an id"},
	{"bias of no token", "completions", `{` + textStart + `,"prompt":"a","logit_bias":{"258":1}}`, 400, "logit_bias", "the model has 258"},
	{"bias as a list", "completions", `{` + textStart + `,"prompt":"a","logit_bias":[5]}`, 400, "logit_bias", "object"},
	{"five stop strings", "completions", `{` + textStart + `,"prompt":"a","stop":["a","b","c","d","e"]}`, 400, "stop", "at most 4 strings"},
	{"empty stop string", "completions", `{` + textStart + `,"prompt":"a","stop":["a",""]}`, 400, "stop", "empty string"},
	{"long stop string", "completions", `{` + textStart + `,"prompt":"a","stop":"` + strings.Repeat("é", 33) + `"}`, 400, "stop", "at most 64 bytes"},
	{"stop as a number", "completions", `{` + textStart + `,"prompt":"a","stop":[1]}`, 400, "stop", "must be a string"},
	{"suffix", "completions", `{` + textStart + `,"prompt":"a","suffix":"b"}`, 400, "suffix", "not supported"},
}

// refusedValues are values of parameters that would change the answer.
var refusedValues = map[string]string{
	"tool_choice": `"forced"`, "functions": `[{}]`, "response_format": `{"type":"grammar"}`,
	"modalities": `["audio"]`, "reasoning_effort": `"high"`, "web_search_options": `{}`,
}

// TestRefusedBodies: each row is refused for the one reason it names, and no job is submitted.
func TestRefusedBodies(t *testing.T) {
	rows := slices.Concat(refusedBodies, refusedResponses)
	for name, value := range refusedValues {
		rows = append(rows, refusal{name, "chat/completions", `{` + chatStart + `,"` + name + `":` + value + `}`, 400, name, "not supported"})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			b := &toyBackend{}
			w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/"+row.path, row.body)
			var got struct {
				Error struct{ Message, Type, Param, Code *string }
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			e := got.Error
			if w.Code != row.status || e.Message == nil || e.Type == nil || !strings.Contains(*e.Message, row.want) {
				t.Fatalf("got %d %s, want %d with %q", w.Code, w.Body, row.status, row.want)
			}
			if (e.Param == nil) != (row.param == "") || (e.Param != nil && *e.Param != row.param) {
				t.Errorf("param: got %s, want %q", w.Body, row.param)
			}
			if len(b.jobs) != 0 {
				t.Errorf("a refused request started %d jobs", len(b.jobs))
			}
		})
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":0`, i)
	}
	return "{" + b.String()[1:] + "}"
}

// TestNeutralParametersAreAccepted: values that cannot change the answer do not stop a client that always sends them.
func TestNeutralParametersAreAccepted(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS)}
	g := newGateway(t, b, fixedOptions())
	w := ask(g, "POST", "/v1/chat/completions", ` { "model" : "toy/bytes" , "messages" : [ {"role":"developer","content":"d","refusal":null},
		{"role":"assistant","content":"a","tool_calls":[],"annotations":[]},
		{"role":"user","name":"bob","content":[{"type":"text","text":"h"},{"text":"i","type":"text"}]} ],
		"top_p":1.0, "n":1, "presence_penalty":0, "frequency_penalty":0e5, "logit_bias":{ }, "stop":[ ], "tools":[],
		"tool_choice":"auto", "logprobs":false, "top_logprobs":0, "response_format":{"type":"text"}, "user":"u", "metadata":{"a":"b"},
		"parallel_tool_calls":true, "temperature":null, "seed":-1, "max_tokens":9, "max_completion_tokens":9,
		"stream_options":{"include_usage":null,"x":1}, "store":true, "odd name":1 } `)
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	if got, want := w.Header().Get("X-Elenchus-Ignored"), "messages.name, stream_options.x, store, ?"; got != want {
		t.Errorf("ignored: got %q, want %q", got, want)
	}
	want, _ := toyCodec{}.EncodeText("<s>d\n<a>a\n<u>hi\n")
	job := b.lastJob(t)
	if !slices.Equal(job.Prompt, want) || job.Seed != 1<<64-1 || job.TemperatureQ16 != 65536 || job.MaxNew != 9 || !slices.Equal(job.Stop, []int32{toyEOS}) {
		t.Errorf("got %+v", job)
	}
}

// TestSamplerSettings: settings reach the job exactly, in fixed point; their neutral values are 0.
func TestSamplerSettings(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS)}
	g := newGateway(t, b, fixedOptions())
	for fields, want := range map[string]decode.Sampler{
		`"top_k":40,"top_p":0.9,"min_p":5e-2`:                                      {TopK: 40, TopP: 966367642, MinP: 53687091},
		`"top_k":-1,"top_p":1.0,"min_p":0`:                                         {},
		`"top_p":1e-30,"min_p":1`:                                                  {TopP: 1, MinP: 1 << 30},
		`"presence_penalty":0.5,"frequency_penalty":-2,"repetition_penalty":1.1`:   {Presence: 1 << 15, Frequency: -2 << 16, Repetition: 72090},
		`"presence_penalty":1e-9,"frequency_penalty":-1e-9,"repetition_penalty":1`: {Presence: 1, Frequency: -1},
		`"logit_bias":{"256":-100,"5":0.25,"7":0}`:                                 {Bias: []opset.TokenBias{{ID: 5, Value: 1 << 14}, {ID: 256, Value: -100 << 16}}},
	} {
		if w := ask(g, "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"hi",`+fields+`}`); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		if got := b.lastJob(t).Sampler; !got.Equal(&want) {
			t.Errorf("%s: got %+v, want %+v", fields, got, want)
		}
	}
}

// TestDefaults: no temperature is 1, no limit is the context, no seed is drawn, greedy needs no seed.
func TestDefaults(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS)}
	g := newGateway(t, b, fixedOptions())
	ask(g, "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"hi"}`)
	if job := b.lastJob(t); job.TemperatureQ16 != 65536 || job.MaxNew != toyCtx || job.Seed != 0x0202020202020202 {
		t.Errorf("got %+v", job)
	}
	ask(g, "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"hi","temperature":0,"max_tokens":1000}`)
	if job := b.lastJob(t); job.TemperatureQ16 != 0 || job.MaxNew != toyCtx || job.Seed != 0 {
		t.Errorf("got %+v", job)
	}
}

// fuzzChecked checks what holds for every body: no panic, and what is accepted is in range and is valid text.
func fuzzChecked(f *testing.F, d *dialect) {
	f.Fuzz(func(t *testing.T, body []byte) { checkBody(t, d, body) })
}

func checkBody(t *testing.T, d *dialect, body []byte) {
	r, failure := decodeRequest(body, d.fields)
	if failure == nil && d.check != nil && r.hasPrompt {
		failure = d.check(r)
	}
	if failure != nil {
		if failure.status != 400 && failure.status != 404 || failure.Message == "" || !utf8.ValidString(failure.Message) {
			t.Fatalf("odd refusal %+v", failure)
		}
		return
	}
	if !json.Valid(body) {
		t.Fatal("accepted what is not JSON")
	}
	if r.temperatureQ16 < 0 || r.temperatureQ16 > 131072 || r.maxNew < 0 || r.model == "" || len(r.ignored) > maxIgnored {
		t.Fatalf("out of range: %+v", r)
	}
	for _, m := range r.messages {
		if !slices.Contains([]string{"system", "user", "assistant", "tool"}, m.Role) || !utf8.ValidString(m.Content) {
			t.Fatalf("odd message %+v", m)
		}
	}
	for _, p := range r.prompts {
		if slices.ContainsFunc(p.ids, func(id int32) bool { return id < 0 }) {
			t.Fatal("negative id")
		}
	}
	if r.choices > maxChoices || len(r.prompts) > maxChoices || r.topLogprobs > decode.MaxOdds {
		t.Fatalf("out of range: %+v", r)
	}
	if h := ignoredHeader(r.ignored); strings.ContainsAny(h, "\r\n\x00") || len(h) > maxIgnored*70 {
		t.Fatalf("odd header %q", h)
	}
}

func FuzzChatRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0.8,"seed":1,"stream":true}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"\ud83d\ude00"}]}],"x":[[[]]]}`))
	f.Add([]byte(`{"model":"m","stream_options":{"include_usage":true},"logit_bias":{},"stop":[ ],"response_format":{"type":"text"}}`))
	fuzzChecked(f, chatDialect())
}

func FuzzCompletionRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","prompt":"hi","max_tokens":5}`))
	f.Add([]byte(`{"model":"m","prompt":[1, 2,3]}`))
	f.Add([]byte(`{"model":"m","prompt":[["a"]],"echo":false}`))
	f.Add([]byte(`{"model":"m","prompt":[[1,2]],"suffix":""}`))
	f.Add([]byte(`{"model":"m","prompt":["a","b",[3]],"n":2,"best_of":2,"echo":true,"logprobs":5}`))
	fuzzChecked(f, completionDialect())
}
