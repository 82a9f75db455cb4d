package elenchus

import (
	"errors"
	"slices"
	"testing"

	"elenchus/compute/template"
)

// A dialect is told by what it alone has; what several have means the same in all of them.
func TestDialectsAreTold(t *testing.T) {
	for request, want := range map[string]Dialect{
		`{"messages":[{"role":"user","content":"q"}]}`: ChatCompletions,
		`{"prompt":"q"}`:               Completions,
		`{"input":"q"}`:                Responses,
		`{"instructions":"q"}`:         Responses,
		`{"messages":[],"system":"s"}`: Messages,
		`{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}]}`:                      Messages,
		`{"messages":[],"tools":[{"name":"f","input_schema":{}}]}`:                                                 Messages,
		`{"messages":[],"options":{}}`:                                                                             OllamaChat,
		`{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{"input":1}}}]}]}`:     OllamaChat,
		`{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"input\":1}"}}]}]}`: ChatCompletions,
		`{"prompt":"q","system":"s"}`:                                                                              OllamaGenerate,
		`{"prompt":"q","raw":true}`:                                                                                OllamaGenerate,
		`no JSON`:                                                                                                  ChatCompletions,
	} {
		if got := dialectOfRequest([]byte(request)); got != want {
			t.Errorf("%s is %q, want %q", request, got, want)
		}
	}
	for response, want := range map[string]Dialect{
		`{"object":"chat.completion","choices":[]}`:                                 ChatCompletions,
		"data: {\"object\":\"chat.completion.chunk\"}\n\n":                          ChatCompletions,
		`{"object":"text_completion"}`:                                              Completions,
		`{"object":"response"}`:                                                     Responses,
		"event: response.created\ndata: {\"type\":\"response.created\"}\n\n":        Responses,
		`{"type":"message"}`:                                                        Messages,
		": waiting\n\nevent: message_start\ndata: {\"type\":\"message_start\"}\n\n": Messages,
		"{\"message\":{},\"done\":false}\n{\"message\":{},\"done\":true}\n":         OllamaChat,
		"{\"response\":\"\",\"done\":false}\n":                                      OllamaGenerate,
		`{"object":"list"}`:                                                         Embeddings,
		``:                                                                          "",
		`{}`:                                                                        "",
	} {
		if got := dialectOfResponse([]byte(response)); got != want {
			t.Errorf("%s is %q, want %q", response, got, want)
		}
	}
}

// Text, calls and receipts are read from every dialect, whole and streamed.
func TestAnswersOfEveryDialect(t *testing.T) {
	calls := []template.Call{{Name: "f", Arguments: `{"x": 1}`}}
	for _, c := range []struct {
		dialect  Dialect
		response string
	}{
		{Responses, `{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"héy"}]},{"type":"function_call","name":"f","arguments":"{\"x\": 1}"}],"elenchus_receipt":"r"}`},
		{Responses, "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{}}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hé\"}\n\n" +
			"data: {\"type\":\"response.output_text.delta\",\"delta\":\"y\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":\"message\",\"content\":[{\"text\":\"héy\"}]}," +
			"{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}],\"elenchus_receipt\":\"r\"}}\n\n"},
		{Messages, `{"type":"message","content":[{"type":"text","text":"héy"},{"type":"tool_use","name":"f","input":{"x": 1}}],"elenchus_receipt":"r"}`},
		{Messages, "data: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n" +
			"data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"héy\"}}\n\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{}}}\n\n" +
			"data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"x\\\": 1}\"}}\n\ndata: {\"type\":\"message_delta\",\"elenchus_receipt\":\"r\"}\n\ndata: {\"type\":\"message_stop\"}\n\n"},
		{OllamaChat, `{"message":{"content":"héy","tool_calls":[{"function":{"name":"f","arguments":{"x": 1}}}]},"done":true,"elenchus_receipt":"r"}`},
		{OllamaChat, "{\"message\":{\"content\":\"hé\"},\"done\":false}\n{\"message\":{\"content\":\"y\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"x\": 1}}}]},\"done\":false}\n" +
			"{\"message\":{\"content\":\"\"},\"done\":true,\"elenchus_receipt\":\"r\"}\n"},
	} {
		a, err := readAnswer(c.dialect, []byte(c.response), 0)
		if err != nil || a.Text != "héy" || a.Receipt != "r" || !slices.Equal(a.Calls, calls) {
			t.Errorf("%s: %+v, %v", c.response, a, err)
		}
	}
	a, err := readAnswer(OllamaGenerate, []byte("{\"response\":\"hé\",\"done\":false}\n{\"response\":\"y\",\"done\":true,\"elenchus_receipt\":\"r\"}\n"), 0)
	if err != nil || a.Text != "héy" || a.Receipt != "r" {
		t.Errorf("%+v, %v", a, err)
	}
	for _, c := range []struct {
		dialect  Dialect
		response string
	}{
		{Responses, "data: {\"type\":\"response.output_text.delta\",\"delta\":\"no\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"content\":[{\"text\":\"yes\"}]}]}}\n\n"},
		{Responses, ``}, {Messages, `no JSON`}, {OllamaChat, `{`},
	} {
		if _, err := readAnswer(c.dialect, []byte(c.response), 0); !errors.Is(err, ErrInput) {
			t.Errorf("%s of %s: %v", c.response, c.dialect, err)
		}
	}
	if _, err := readAnswer(Messages, []byte(`{"type":"error","error":{"message":"no"}}`), 0); err == nil {
		t.Error("an error is read as an answer")
	}
}

// What cannot be checked from the body alone is refused, with the reason.
func TestRequestsThatAreNotWhole(t *testing.T) {
	for _, c := range []struct {
		dialect Dialect
		body    string
		choice  int
	}{
		{Responses, `{"input":"q","previous_response_id":"r"}`, 0},
		{Responses, `{"input":"q"}`, 1},
		{Messages, `{"messages":[{"role":"user","content":[{"type":"image"}]}]}`, 0},
		{Embeddings, `{"input":["a"]}`, 1},
		{Embeddings, `{"input":[1,2]}`, 1},
		{Embeddings, `{}`, 0},
		{"nonsense", `{}`, 0},
		{OllamaChat, `[]`, 0},
	} {
		if a, err := readAs(c.dialect, []byte(c.body), c.choice); !errors.Is(err, ErrInput) {
			t.Errorf("%s %s: %+v, %v", c.dialect, c.body, a, err)
		}
	}
	for choice, want := range map[int]int{0: 2, 1: 1} {
		if a, err := readAs(Embeddings, []byte(`{"input":[[1,2],[3]]}`), choice); err != nil || len(a.IDs) != want {
			t.Errorf("input %d: %+v, %v", choice, a, err)
		}
	}
}

// FuzzDialects: no request and no response makes a reader panic.
func FuzzDialects(f *testing.F) {
	f.Add([]byte(`{"input":[{"type":"function_call","name":"f"}],"tools":[{"name":"f"}],"options":{"num_predict":3}}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"tool_use","input":{}}]}],"system":[]}`))
	f.Add([]byte("data: {\"type\":\"content_block_delta\",\"delta\":{\"partial_json\":\"x\"}}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range append(Dialects(), dialectOfRequest(b), dialectOfResponse(b)) {
			_, _ = readAs(d, b, 0)
			_, _ = readAnswer(d, b, 0)
		}
		_, _ = FindReceipt(b)
	})
}
