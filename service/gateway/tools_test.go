package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answered is what these tests read of a whole answer or of a chunk.
type answered struct {
	Choices []struct {
		Message, Delta struct {
			Content *string    `json:"content"`
			Calls   []toolCall `json:"tool_calls"`
		}
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
}

func answer(t *testing.T, script, body string) (string, *toyBackend) {
	t.Helper()
	b := &toyBackend{script: says(script, FinishEOS), room: 200}
	w := httptest.NewRecorder()
	newGateway(t, b, fixedOptions()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/v1/chat/completions", strings.NewReader(body)))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String(), b
}

const called = "Let me see.\n<call>{\"name\":\"f\",\"arguments\":{\"x\": 1}}</call> <call>{\"name\":\"f\",\"arguments\":{}}</call>"

// Calls that the model writes come back as calls, whole and streamed; text before them as content.
func TestToolCalls(t *testing.T) {
	body := `{` + chatStart + `,"tools":[` + oneTool + `]`
	text, b := answer(t, called, body+`}`)
	var whole answered
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		t.Fatal(err)
	}
	m := whole.Choices[0].Message
	if m.Content == nil || *m.Content != "Let me see." || len(m.Calls) != 2 || m.Calls[0].Function.Name != "f" || m.Calls[0].Function.Arguments != `{"x": 1}` ||
		m.Calls[0].ID == m.Calls[1].ID || m.Calls[0].Index != nil || *whole.Choices[0].FinishReason != "tool_calls" {
		t.Errorf("whole: %s", text)
	}
	if prompt := textOf(b.jobs[0].Prompt); !strings.HasPrefix(prompt, "["+oneTool+"]\n<u>") {
		t.Errorf("the model was shown %q", prompt)
	}
	stream, _ := answer(t, called, body+`,"stream":true}`)
	content, calls, reason := "", []toolCall{}, ""
	for line := range strings.Lines(stream) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var c answered
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatal(err)
		}
		d := c.Choices[0].Delta
		if d.Content != nil {
			content += *d.Content
		}
		calls = append(calls, d.Calls...)
		if r := c.Choices[0].FinishReason; r != nil {
			reason = *r
		}
	}
	if content != "Let me see." || len(calls) != 2 || calls[1].Index == nil || *calls[1].Index != 1 || reason != "tool_calls" {
		t.Errorf("streamed: content %q, calls %+v, reason %s:\n%s", content, calls, reason, stream)
	}
}

func textOf(ids []int32) string {
	b := make([]byte, len(ids))
	for i, id := range ids {
		b[i] = byte(id)
	}
	return string(b)
}

// A message of nothing but a call has null content; text that only looks like a call stays text, and
// so does everything when no tools were shown.
func TestWhatIsNoCall(t *testing.T) {
	tools := `,"tools":[` + oneTool + `]`
	for _, c := range []struct{ script, extra, want string }{
		{`<call>{"name":"f","arguments":{}}</call>`, tools, `"content":null,"refusal":null,"tool_calls":[`},
		{`<call>{"name":"f"`, tools, `"content":"<call>{\"name\":\"f\""`},
		{`a <ca`, tools, `"content":"a <ca"`},
		{`<call>{"name":"f","arguments":{}}</call>`, tools + `,"tool_choice":"none"`, `"content":"<call>`},
		{`<call>{"name":"f","arguments":{}}</call>`, ``, `"content":"<call>`},
	} {
		text, b := answer(t, c.script, `{`+chatStart+c.extra+`}`)
		if !strings.Contains(text, c.want) {
			t.Errorf("%q%s: %s, want %s", c.script, c.extra, text, c.want)
		}
		if shown := strings.Contains(textOf(b.jobs[0].Prompt), oneTool); shown != (c.extra == tools) {
			t.Errorf("%q%s: tools shown: %v", c.script, c.extra, shown)
		}
		if streamed, _ := answer(t, c.script, `{`+chatStart+c.extra+`,"stream":true}`); strings.Contains(streamed, "tool_calls") != strings.Contains(text, "tool_calls") {
			t.Errorf("%q%s: streamed otherwise: %s", c.script, c.extra, streamed)
		}
	}
}

// Calls and results of earlier turns reach the template as they are.
func TestEarlierCalls(t *testing.T) {
	messages := `[{"role":"user","content":"q"},` + oneCall + `,{"role":"tool","content":[{"type":"text","text":"r"}],"tool_call_id":"c"}]`
	r, f := decodeRequest([]byte(withMessages(messages)), chatFields())
	if f != nil {
		t.Fatal(f)
	}
	if m := r.messages; len(m) != 3 || len(m[1].Calls) != 1 || m[1].Calls[0].Name != "f" || m[2].Role != "tool" || m[2].Content != "r" {
		t.Errorf("%+v", r.messages)
	}
}

const allowedF = `{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}`

// TestAllowedToolsAreShownAlone: the model sees those of its tools that a request allows, in chats and responses.
func TestAllowedToolsAreShownAlone(t *testing.T) {
	tool := func(name string) string { return `{"type":"function","function":{"name":"` + name + `"}}` }
	flat := func(name string) string { return `{"type":"function","name":"` + name + `"}` }
	for path, body := range map[string]string{
		"chat/completions": `{` + chatStart + `,"tools":[` + tool("e") + `,` + tool("f") + `],"tool_choice":` + allowedF + `}`,
		"responses":        `{` + askStart + `,"tools":[` + flat("e") + `,` + flat("f") + `],"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[` + flat("f") + `]}}`,
	} {
		b := &toyBackend{script: says("x", FinishEOS), room: 500}
		w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/"+path, body)
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if got := textOf(b.lastJob(t).Prompt); !strings.HasPrefix(got, "["+tool("f")+"]\n<") {
			t.Errorf("%s: the model was shown %s", path, got)
		}
	}
}

// A call that begins with a control piece is one where tools were shown; elsewhere the piece says nothing.
func TestCallsThatAControlPieceBegins(t *testing.T) {
	script := func(Job) (out []Event) {
		for _, b := range []byte("Hm. ") {
			out = append(out, Event{Token: int32(b)})
		}
		out = append(out, Event{Token: toyCall})
		for _, b := range []byte(`{"name":"f","arguments":{"x": 1}}</call>`) {
			out = append(out, Event{Token: int32(b)})
		}
		return append(out, Event{Token: toyEOS}, Event{Finish: FinishEOS, Receipt: receipt})
	}
	for tools, want := range map[string]string{`,"tools":[` + oneTool + `]`: "Hm.", "": `Hm. {"name":"f","arguments":{"x": 1}}</call>`} {
		b := &toyBackend{script: script, room: 200}
		w := httptest.NewRecorder()
		body := strings.NewReader(`{` + chatStart + tools + `}`)
		newGateway(t, b, fixedOptions()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/v1/chat/completions", body))
		var whole answered
		if err := json.Unmarshal(w.Body.Bytes(), &whole); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s, %v", w.Code, w.Body, err)
		}
		m := whole.Choices[0].Message
		if m.Content == nil || *m.Content != want || (len(m.Calls) == 1 && m.Calls[0].Function.Arguments == `{"x": 1}`) != (tools != "") {
			t.Errorf("with %q: %s", tools, w.Body)
		}
	}
}
