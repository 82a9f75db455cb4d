package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"elenchus/compute/template"
)

// thinkerCodec is the toy with a template that reasons between <think> and </think>, and can be asked not to.
type thinkerCodec struct{ toyCodec }

func thinkerTemplate() template.Template {
	turns := template.Turns{User: template.Pair{Before: "<u>", After: "\n"}, Assistant: template.Pair{Before: "<a>", After: "\n"}, Generation: "<a>"}
	layout := func(generation string) template.Template {
		t := turns
		t.Generation = generation
		tools := &template.Tools{
			Turns: t, At: [template.LiteralCount]uint16{0, template.Nowhere, template.Nowhere, template.Nowhere, template.Nowhere, template.Nowhere},
			Whole: true, HasCalls: true, CallsBefore: generation + "<call>{", CallMiddle: ",", CallSep: "}</call><call>{", CallsEnd: "}</call>\n<t>",
			ContentToCalls: "<call>{", ResultSep: "\n<t>", ResultsEnd: "\n",
		}
		out, err := template.NewChat(t, tools)
		if err != nil {
			panic(err)
		}
		return out
	}
	t, err := template.NewReasoned([]template.Way{{Efforts: 0b1110, Template: layout("<a>")}, {Efforts: 1, Template: layout("<a><think></think>")}},
		template.Reasoning{
			Begin: "<think>", End: "</think>", Shown: true, Before: "<a><think>", ToCalls: "</think><call>{", ToContent: "</think>",
		})
	if err != nil {
		panic(err)
	}
	return t
}

func (thinkerCodec) EncodeChat(c template.Conversation) ([]int32, error) {
	parts, err := thinkerTemplate().Render(c)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return toyCodec{}.EncodeText(template.Text(parts))
}

func (thinkerCodec) Syntax() *template.Syntax { return thinkerTemplate().Syntax() }

func (thinkerCodec) Effort(e template.Effort) (ok, own bool) { return thinkerTemplate().Effort(e) }

func (thinkerCodec) Thoughts(c template.Conversation) *template.Thoughts {
	return thinkerTemplate().Thoughts(c)
}

const thinkerAnswer = "<think>\nIt héw\n\nlong \n</think>\n\nyes"

func thinkerGateway(t testing.TB, answer string, code FinishCode) (*Gateway, *toyBackend) {
	t.Helper()
	b := &toyBackend{script: says(answer, code), more: []string{"thinker"}, room: 400}
	return newGateway(t, b, fixedOptions()), b
}

// Each dialect gives reasoning apart from what is said, whole and streamed, and counts its tokens. SPEC 16 §3.12.
func TestReasoningApart(t *testing.T) {
	const question = `[{"role":"user","content":"q"}]`
	thought := 31 // bytes of "<think>\nIt héw\n\nlong \n</think>"
	for _, c := range []struct{ path, body, thought, said, count string }{
		{"/v1/chat/completions", `"messages":` + question, `"reasoning_content":"It héw\n\nlong","reasoning":"It héw\n\nlong"`, `"content":"yes"`,
			`"completion_tokens_details":{"reasoning_tokens":%d}`},
		{"/v1/responses", `"input":` + question, `"type":"reasoning","status":"completed","summary":[],"content":[{"type":"reasoning_text","text":"It héw\n\nlong"}]`,
			`"text":"yes"`, `"reasoning_tokens":%d`},
		{"/v1/messages", `"max_tokens":99,"thinking":{"type":"enabled","budget_tokens":1024},"messages":` + question,
			`{"type":"thinking","thinking":"It héw\n\nlong","signature":"toy-digest"}`, `{"type":"text","text":"yes"}`, ""},
		{"/api/chat", `"stream":false,"messages":` + question, `"content":"yes","thinking":"It héw\n\nlong"`, "", ""},
		{"/api/generate", `"stream":false,"prompt":"q"`, `"thinking":"It héw\n\nlong"`, `"response":"yes"`, ""},
	} {
		g, _ := thinkerGateway(t, thinkerAnswer, FinishEOS)
		w := ask(g, "POST", c.path, `{"model":"thinker",`+c.body+`}`)
		for _, want := range []string{c.thought, c.said, c.count} {
			if strings.Contains(want, "%d") {
				want = fmt.Sprintf(want, thought)
			}
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d %s, want %s in it", c.path, w.Code, w.Body, want)
			}
		}
		if strings.Contains(w.Body.String(), "<think>") {
			t.Errorf("%s: marks are shown: %s", c.path, w.Body)
		}
	}
}

// pieces joins the strings of one member over all objects of a stream.
func pieces(t *testing.T, body string, path ...string) (out string) {
	t.Helper()
	for line := range strings.Lines(body) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		var v any
		if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &v) != nil {
			continue
		}
		for _, name := range path {
			if list, ok := v.([]any); ok && len(list) > 0 {
				v = list[0]
			}
			m, _ := v.(map[string]any)
			v = m[name]
		}
		text, _ := v.(string)
		out += text
	}
	return out
}

// Streams give both in pieces, reasoning first, however the marks fall on tokens: here each byte is one.
func TestReasoningStreams(t *testing.T) {
	const question = `[{"role":"user","content":"q"}]`
	for _, c := range []struct {
		path, body    string
		thought, said []string
	}{
		{"/v1/chat/completions", `"stream":true,"messages":` + question, []string{"choices", "delta", "reasoning_content"}, []string{"choices", "delta", "content"}},
		{"/v1/messages", `"stream":true,"thinking":{"type":"enabled"},"messages":` + question, []string{"delta", "thinking"}, []string{"delta", "text"}},
		{"/api/chat", `"messages":` + question, []string{"message", "thinking"}, []string{"message", "content"}},
		{"/api/generate", `"prompt":"q"`, []string{"thinking"}, []string{"response"}},
	} {
		g, _ := thinkerGateway(t, thinkerAnswer, FinishEOS)
		w := ask(g, "POST", c.path, `{"model":"thinker",`+c.body+`}`)
		body := w.Body.String()
		if got := pieces(t, body, c.thought...); got != "It héw\n\nlong" {
			t.Errorf("%s: the pieces of reasoning are %q\n%s", c.path, got, body)
		}
		if got := pieces(t, body, c.said...); got != "yes" {
			t.Errorf("%s: the pieces of the text are %q\n%s", c.path, got, body)
		}
	}
	g, _ := thinkerGateway(t, thinkerAnswer, FinishEOS)
	body := ask(g, "POST", "/v1/responses", `{"model":"thinker","stream":true,"input":"q"}`).Body.String()
	at := 0
	for _, event := range []string{"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
		"response.reasoning_text.delta", "response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
		"response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
		"response.content_part.done", "response.output_item.done", "response.completed"} {
		i := strings.Index(body[at:], "event: "+event+"\n")
		if i < 0 {
			t.Fatalf("no %s after byte %d of %s", event, at, body)
		}
		at += i
	}
}

// What a request says of reasoning reaches the template, is listed as without effect, or is refused. SPEC 16 §3.12.
func TestEfforts(t *testing.T) {
	const chat, messages, ollama = "/v1/chat/completions", "/v1/messages", "/api/chat"
	for _, c := range []struct {
		path, model, body string
		status            int
		ends, ignored     string // of the prompt; the header
	}{
		{chat, "thinker", ``, 200, "<a>", ""},
		{chat, "thinker", `,"reasoning_effort":"none"`, 200, "</think>", ""},
		{chat, "thinker", `,"reasoning_effort":"medium"`, 200, "<a>", ""},
		{chat, "thinker", `,"reasoning_effort":"high"`, 200, "<a>", "reasoning_effort"},
		{chat, "thinker", `,"reasoning":{"enabled":false}`, 200, "</think>", ""},
		{chat, "thinker", `,"reasoning":{"effort":"low","exclude":true}`, 200, "<a>", "reasoning.exclude, reasoning.effort"},
		{chat, "thinker", `,"chat_template_kwargs":{"enable_thinking":false}`, 200, "</think>", ""},
		{chat, "thinker", `,"reasoning_effort":"none","reasoning":{"effort":"high"}`, 400, "", ""},
		{chat, "thinker", `,"reasoning":{"enabled":true,"effort":"high"}`, 200, "<a>", "reasoning.effort"},
		{chat, "thinker", `,"reasoning":{"effort":"high","enabled":true}`, 200, "<a>", "reasoning.effort"},
		{chat, "thinker", `,"reasoning":{"enabled":false,"effort":"high"}`, 400, "", ""},
		{chat, "thinker", `,"reasoning":{"effort":"none","enabled":true}`, 400, "", ""},
		{chat, "thinker", `,"reasoning_effort":"high","chat_template_kwargs":{"enable_thinking":true}`, 200, "<a>", "reasoning_effort"},
		{chat, "thinker", `,"reasoning_effort":"low","chat_template_kwargs":{"reasoning_effort":"high"}`, 400, "", ""},
		{chat, "thinker", `,"reasoning_effort":"a lot"`, 400, "", ""},
		{chat, "toy/bytes", `,"reasoning_effort":"none"`, 200, "\n", ""},
		{chat, "toy/bytes", `,"reasoning_effort":"low"`, 400, "", ""},
		{messages, "thinker", ``, 200, "</think>", ""},
		{messages, "thinker", `,"thinking":{"type":"disabled"}`, 200, "</think>", ""},
		{messages, "thinker", `,"thinking":{"type":"enabled","budget_tokens":2048}`, 200, "<a>", "thinking.budget_tokens"},
		{ollama, "thinker", `,"think":true,"stream":false`, 200, "<a>", ""},
		{ollama, "thinker", `,"think":false,"stream":false`, 200, "</think>", ""},
		{ollama, "thinker", `,"think":"low","stream":false`, 200, "<a>", "think"},
		{ollama, "toy/bytes", `,"think":true`, 400, "", ""},
	} {
		g, b := thinkerGateway(t, "yes", FinishEOS)
		w := ask(g, "POST", c.path, `{"model":"`+c.model+`","messages":[{"role":"user","content":"q"}]`+c.body+`}`)
		if w.Code != c.status || w.Header().Get("X-Elenchus-Ignored") != c.ignored {
			t.Errorf("%s %s%s: %d %q %s, want %d %q", c.path, c.model, c.body, w.Code, w.Header().Get("X-Elenchus-Ignored"), w.Body, c.status, c.ignored)
			continue
		}
		if c.status == http.StatusOK && !strings.HasSuffix(string(bytesOf(b.lastJob(t).Prompt)), c.ends) {
			t.Errorf("%s %s%s: the prompt is %q", c.path, c.model, c.body, bytesOf(b.lastJob(t).Prompt))
		}
	}
}

// Reasoning that comes back in a conversation stands in the prompt where the template shows it, and nowhere else.
func TestReasoningComesBack(t *testing.T) {
	const tools = `"tools":[{"type":"function","function":{"name":"f"}}]`
	const flat = `"tools":[{"type":"function","name":"f"}]`
	for _, c := range []struct{ path, body string }{
		{"/v1/chat/completions", tools + `,"messages":[{"role":"user","content":"a"},{"role":"assistant","reasoning_content":"old","content":"b"},
			{"role":"user","content":"q"},{"role":"assistant","reasoning":"why","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
			{"role":"tool","tool_call_id":"1","content":"r"}]`},
		{"/v1/responses", flat + `,"input":[{"role":"user","content":"a"},{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"old"}]},
			{"role":"assistant","content":"b"},{"role":"user","content":"q"},{"type":"reasoning","id":"rs_2","summary":[{"type":"summary_text","text":"why"}]},
			{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"r"}]`},
		{"/v1/messages", `"max_tokens":9,"thinking":{"type":"enabled"},"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"a"},
			{"role":"assistant","content":[{"type":"thinking","thinking":"old","signature":"x"},{"type":"text","text":"b"}]},{"role":"user","content":"q"},
			{"role":"assistant","content":[{"type":"thinking","thinking":"why","signature":"x"},{"type":"tool_use","id":"1","name":"f","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"r"}]}]`},
		{"/api/chat", `"stream":false,` + tools + `,"messages":[{"role":"user","content":"a"},{"role":"assistant","thinking":"old","content":"b"},
			{"role":"user","content":"q"},{"role":"assistant","thinking":"why","tool_calls":[{"function":{"name":"f","arguments":{}}}]},{"role":"tool","content":"r"}]`},
	} {
		g, b := thinkerGateway(t, "yes", FinishEOS)
		w := ask(g, "POST", c.path, `{"model":"thinker",`+c.body+`}`)
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
			continue
		}
		prompt := string(bytesOf(b.lastJob(t).Prompt))
		if !strings.Contains(prompt, "<a>b\n<u>q\n<a><think>why</think><call>{f,{}}</call>\n<t>r\n<a>") || strings.Contains(prompt, "old") {
			t.Errorf("%s: the prompt is %q", c.path, prompt)
		}
	}
}

// An answer that keeps to a grammar from its first token on has no reasoning, and the model is asked for none.
func TestFormatsLeaveNoReasoning(t *testing.T) {
	g, b := thinkerGateway(t, `{"a":1}`, FinishEOS)
	w := ask(g, "POST", "/v1/chat/completions", `{"model":"thinker","response_format":{"type":"json_object"},"messages":[{"role":"user","content":"q"}]}`)
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if strings.Contains(w.Body.String(), "reasoning") || !strings.HasSuffix(string(bytesOf(b.lastJob(t).Prompt)), "</think>") {
		t.Errorf("%d %s after %q", w.Code, w.Body, bytesOf(b.lastJob(t).Prompt))
	}
}

// Calls are told behind the reasoning, and not within it.
func TestReasoningBeforeCalls(t *testing.T) {
	call := `<call>{"name":"f","arguments":{}}</call>`
	g, _ := thinkerGateway(t, "<think>shall I "+call+"?</think>\n"+`<call>{"name":"f","arguments":{"x":1}}</call>`, FinishEOS)
	w := ask(g, "POST", "/v1/chat/completions", `{"model":"thinker","tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"q"}]}`)
	var a struct {
		Choices []struct {
			Message struct {
				Content   *string
				Reasoning string
				Calls     []struct {
					Function struct{ Name, Arguments string }
				} `json:"tool_calls"`
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Choices) != 1 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	m := a.Choices[0].Message
	if m.Content != nil || !strings.Contains(m.Reasoning, call) || len(m.Calls) != 1 || m.Calls[0].Function.Arguments != `{"x":1}` {
		t.Errorf("%s", w.Body)
	}
}

// Reasoning in many parts, or items, is joined once: what it takes does not grow with the square of their number.
func TestManyPartsOfReasoning(t *testing.T) {
	const parts = 20_000
	raw := []byte(`[{"type":"text","text":""}` + strings.Repeat(`,{"type":"text","text":"a"}`, parts) + "]")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	text, f := readThoughtParts(member{name: "content", value: raw})
	var k talk
	for range parts {
		k.reason("a")
	}
	joined := k.thoughts()
	runtime.ReadMemStats(&after)
	if f != nil || len(text) != 3*parts || len(joined) != 3*parts-2 {
		t.Errorf("%v: %d and %d bytes", f, len(text), len(joined))
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 { // 800 MB if each is copied again for every later one
		t.Errorf("%d bytes were allocated for %d parts", took, parts)
	}
}
