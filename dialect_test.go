package elenchus

import (
	"errors"
	"slices"
	"testing"

	"elenchus/compute/template"
)

// What a request says of tools, and a response of their calls, is read as the gateway reads it.
func TestToolsOfRequestAndResponse(t *testing.T) {
	const body = `{"messages":[{"role":"user","content":"q"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}}]},
		{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f"}}]`
	a, err := readRequest([]byte(body + `}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []template.Call{{Name: "f", Arguments: `{"x": 1}`}}
	if len(a.Messages) != 3 || !slices.Equal(a.Messages[1].Calls, want) || a.Messages[1].Content != "" || a.Messages[2].Role != template.Tool {
		t.Errorf("messages %+v", a.Messages)
	}
	if !slices.Equal(a.Tools, []string{`{"type":"function","function":{"name":"f"}}`}) {
		t.Errorf("tools %q", a.Tools)
	}
	if a, err = readRequest([]byte(body + `,"tool_choice":"none"}`)); err != nil || a.Tools != nil {
		t.Errorf("tools that nobody may call: %q, %v", a.Tools, err)
	}
	for _, response := range []string{
		`{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"x\": 1}"}}]}}]}`,
		"data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n" +
			"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}}]}}]}\n\ndata: [DONE]\n",
	} {
		if r, err := readResponse([]byte(response)); err != nil || !slices.Equal(r.Calls, want) || r.Text != "" {
			t.Errorf("%s: %+v, %v", response, r, err)
		}
	}
}

// The receipt is found in every dialect of the gateway, and what the model wrote is not taken for it; a request or a
// response that is not read is refused, so that no check of it can be false.
func TestOtherDialects(t *testing.T) {
	for _, response := range []string{
		`{"output":[{"content":[{"text":"\"elenchus_receipt\":\"no\""}]}],"elenchus_receipt":"yes"}`,
		"event: response.completed\ndata: {\"response\":{\"elenchus_receipt\": \"yes\"}}\n\n",
		"event: message_delta\ndata: {\"elenchus_receipt\":\"yes\"}\n\nevent: message_stop\ndata: {}\n\n",
		"{\"response\":\"\",\"done\":false}\n{\"done\":true,\"elenchus_receipt\":\"yes\"}\n",
	} {
		if got, err := FindReceipt([]byte(response)); err != nil || got != "yes" {
			t.Errorf("%s: %q, %v", response, got, err)
		}
		if _, err := readResponse([]byte(response)); !errors.Is(err, ErrInput) {
			t.Errorf("%s is read as a chat completion: %v", response, err)
		}
	}
	for _, field := range []string{`"input":"x"`, `"instructions":"x"`, `"system":"x"`, `"options":{}`, `"stop_sequences":[]`} {
		if _, err := readRequest([]byte(`{"messages":[{"role":"user","content":"q"}],` + field + `}`)); !errors.Is(err, ErrInput) {
			t.Errorf("%s is read as a chat completion: %v", field, err)
		}
	}
}
