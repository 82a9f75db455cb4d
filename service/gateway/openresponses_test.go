package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What the specification of Open Responses requires of the objects that are sent: their members, and the types that each may
// have: s text, n number, i integer, b boolean, o object, l list, 0 null, * any.
var (
	openResponse = map[string]string{
		"id": "s", "object": "s", "created_at": "i", "completed_at": "i0", "status": "s", "incomplete_details": "o0", "model": "s",
		"previous_response_id": "s0", "instructions": "s0", "output": "l", "error": "o0", "tools": "l", "tool_choice": "so", "truncation": "s",
		"parallel_tool_calls": "b", "text": "o", "top_p": "n", "presence_penalty": "n", "frequency_penalty": "n", "top_logprobs": "i",
		"temperature": "n", "reasoning": "o0", "usage": "o0", "max_output_tokens": "i0", "max_tool_calls": "i0", "store": "b", "background": "b",
		"service_tier": "s", "metadata": "*", "safety_identifier": "s0", "prompt_cache_key": "s0",
	}
	openItems = map[string]map[string]string{
		"message":       {"id": "s", "status": "s", "role": "s", "content": "l"},
		"function_call": {"id": "s", "call_id": "s", "name": "s", "arguments": "s", "status": "s"},
	}
	openTool   = map[string]string{"type": "s", "name": "s", "description": "s0", "parameters": "o0", "strict": "b0"}
	openText   = map[string]string{"type": "s", "text": "s", "annotations": "l", "logprobs": "l"}
	openUsage  = map[string]string{"input_tokens": "i", "output_tokens": "i", "total_tokens": "i", "input_tokens_details": "o", "output_tokens_details": "o"}
	openEvents = map[string]map[string]string{
		"response.created": {"response": "o"}, "response.in_progress": {"response": "o"}, "response.completed": {"response": "o"},
		"response.output_item.added": {"output_index": "i", "item": "o"}, "response.output_item.done": {"output_index": "i", "item": "o"},
		"response.content_part.added":            {"item_id": "s", "output_index": "i", "content_index": "i", "part": "o"},
		"response.content_part.done":             {"item_id": "s", "output_index": "i", "content_index": "i", "part": "o"},
		"response.output_text.delta":             {"item_id": "s", "output_index": "i", "content_index": "i", "delta": "s", "logprobs": "l"},
		"response.output_text.done":              {"item_id": "s", "output_index": "i", "content_index": "i", "text": "s", "logprobs": "l"},
		"response.function_call_arguments.delta": {"item_id": "s", "output_index": "i", "delta": "s"},
		"response.function_call_arguments.done":  {"item_id": "s", "output_index": "i", "arguments": "s"},
	}
)

// typed says what of an object is not as it must be.
func typed(where string, raw json.RawMessage, want map[string]string) (wrong []string) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(raw, &o); err != nil {
		return []string{where + " is no object"}
	}
	for name, types := range want {
		v, ok := o[name]
		if !ok {
			wrong = append(wrong, where+"."+name+" is missing")
			continue
		}
		is := map[byte]string{'"': "s", '{': "o", '[': "l", 't': "b", 'f': "b", 'n': "0"}[v[0]]
		if is == "" {
			if is = "n"; !bytes.ContainsAny(v, ".eE") {
				is = "in"
			}
		}
		if !strings.ContainsAny(types, is) && types != "*" {
			wrong = append(wrong, fmt.Sprintf("%s.%s is %s, want one of %s", where, name, v, types))
		}
	}
	return wrong
}

// typedResponse checks a response with all that is in it.
func typedResponse(raw json.RawMessage) (wrong []string, r struct {
	Status string
	Output []json.RawMessage
	Tools  []json.RawMessage
	Usage  json.RawMessage
}) {
	if err := json.Unmarshal(raw, &r); err != nil {
		return []string{err.Error()}, r
	}
	wrong = typed("response", raw, openResponse)
	for i, item := range r.Output {
		wrong = append(wrong, typedItem(fmt.Sprintf("output[%d]", i), item)...)
	}
	for i, tool := range r.Tools {
		wrong = append(wrong, typed(fmt.Sprintf("tools[%d]", i), tool, openTool)...)
	}
	if r.Status == "completed" {
		wrong = append(wrong, typed("usage", r.Usage, openUsage)...)
	}
	return wrong, r
}

func typedItem(where string, raw json.RawMessage) (wrong []string) {
	var item struct {
		Type    string
		Content []json.RawMessage
	}
	if err := json.Unmarshal(raw, &item); err != nil || openItems[item.Type] == nil {
		return []string{fmt.Sprintf("%s is no item: %s (%v)", where, raw, err)}
	}
	for _, part := range item.Content {
		wrong = append(wrong, typed(where+".content", part, openText)...)
	}
	return append(wrong, typed(where, raw, openItems[item.Type])...)
}

const openWeather = `"tools":[{"type":"function","name":"f","description":"weather of a place","parameters":{"type":"object","properties":{"x":{"type":"number"}},"required":["x"]}}]`

// The cases of the compliance tests of Open Responses, as their documents describe them, on answers of the toy model.
func TestOpenResponses(t *testing.T) {
	for _, c := range []struct {
		id, body string
		b        *toyBackend
		items    []string // types of the output
	}{
		{"basic-response", `"input":[{"type":"message","role":"user","content":"say hello"}]`, &toyBackend{script: says("hello", FinishEOS)}, []string{"message"}},
		{"streaming-response", `"stream":true,"input":[{"type":"message","role":"user","content":"count"}]`, &toyBackend{script: says("12345", FinishEOS)}, []string{"message"}},
		{"system-prompt", `"input":[{"type":"message","role":"system","content":"be a pirate"},{"type":"message","role":"user","content":"hello"}]`,
			&toyBackend{script: says("arr", FinishEOS), room: 200}, []string{"message"}},
		{"tool-calling", openWeather + `,"input":[{"type":"message","role":"user","content":"how is it?"}]`, saysOneCall(), []string{"function_call"}},
		{"tool-calling-streaming", openWeather + `,"stream":true,"input":[{"type":"message","role":"user","content":"how is it?"}]`, saysOneCall(), []string{"function_call"}},
		{"multi-turn", `"input":[{"type":"message","role":"user","content":"I am A"},{"type":"message","role":"assistant","content":"hi A"},{"type":"message","role":"user","content":"who?"}]`,
			&toyBackend{script: says("A", FinishEOS), room: 200}, []string{"message"}},
	} {
		t.Run(c.id, func(t *testing.T) {
			w := ask(newGateway(t, c.b, fixedOptions()), "POST", "/v1/responses", `{"model":"toy/bytes",`+c.body+`}`)
			if w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			raw := w.Body.Bytes()
			if strings.Contains(c.id, "streaming") {
				raw = checkOpenEvents(t, raw, c.items[0])
			}
			wrong, r := typedResponse(raw)
			for _, what := range wrong {
				t.Error(what)
			}
			var got []string
			for _, item := range r.Output {
				var i struct{ Type string }
				_ = json.Unmarshal(item, &i) // it was checked
				got = append(got, i.Type)
			}
			if r.Status != "completed" || !slices.Equal(got, c.items) {
				t.Errorf("status %q, output %q, want %q", r.Status, got, c.items)
			}
		})
	}
	w := ask(newGateway(t, &toyBackend{script: says("a heart", FinishEOS)}, fixedOptions()), "POST", "/v1/responses",
		`{"model":"toy/bytes","input":[{"type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,aGk="}]}]}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "unsupported_parameter") {
		t.Errorf("image-input is not refused by name: %d %s", w.Code, w.Body)
	}
}

func saysOneCall() *toyBackend {
	return &toyBackend{script: says(`<call>{"name":"f","arguments":{"x":1}}</call>`, FinishEOS), room: 400}
}

// checkOpenEvents checks the events of a stream and returns the response of the last one.
func checkOpenEvents(t *testing.T, stream []byte, item string) (last json.RawMessage) {
	t.Helper()
	seen := map[string]bool{}
	n := 0
	for line := range strings.Lines(string(stream)) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok {
			continue
		}
		var e struct {
			Type     string
			Number   int `json:"sequence_number"`
			Item     json.RawMessage
			Response json.RawMessage
		}
		if err := json.Unmarshal([]byte(data), &e); err != nil || openEvents[e.Type] == nil || e.Number != n {
			t.Fatalf("event %d: %s, %v", n, data, err)
		}
		n++
		wrong := typed(e.Type, json.RawMessage(data), openEvents[e.Type])
		if e.Item != nil {
			wrong = append(wrong, typedItem(e.Type, e.Item)...)
		}
		if e.Response != nil {
			more, _ := typedResponse(e.Response)
			wrong, last = append(wrong, more...), e.Response
		}
		for _, what := range wrong {
			t.Error(what)
		}
		seen[e.Type] = true
	}
	want := []string{"response.created", "response.output_item.added", "response.output_item.done", "response.completed"}
	if item == "function_call" {
		want = append(want, "response.function_call_arguments.delta", "response.function_call_arguments.done")
	} else {
		want = append(want, "response.content_part.added", "response.output_text.delta", "response.output_text.done", "response.content_part.done")
	}
	for _, name := range want {
		if !seen[name] {
			t.Errorf("there is no event %s", name)
		}
	}
	return last
}
