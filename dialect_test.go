package elenchus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/opset"
	"elenchus/compute/template"
)

// What a request says of tools, and a response of their calls, is read as the gateway reads it.
func TestToolsOfRequestAndResponse(t *testing.T) {
	const body = `{"messages":[{"role":"user","content":"q"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}}]},
		{"role":"tool","tool_call_id":"c","content":"r"}],"tools":[{"type":"function","function":{"name":"f"}}]`
	a, err := readRequest([]byte(body+`}`), 0)
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
	const some = `,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"%s"}}]}}}`
	for name, want := range map[string]int{"f": 1, "g": 0} {
		if a, err := readRequest(fmt.Appendf(nil, body+some, name), 0); err != nil || len(a.Tools) != want {
			t.Errorf("with %s alone the model is shown %q, %v", name, a.Tools, err)
		}
	}
	if a, err = readRequest([]byte(body+`,"tool_choice":"none"}`), 0); err != nil || a.Tools != nil {
		t.Errorf("tools that nobody may call: %q, %v", a.Tools, err)
	}
	for _, response := range []string{
		`{"choices":[{"message":{"content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"x\": 1}"}}]}}]}`,
		"data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n" +
			"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}}]}}]}\n\ndata: [DONE]\n",
	} {
		if r, err := readResponse([]byte(response), 0); err != nil || !slices.Equal(r.Calls, want) || r.Text != "" {
			t.Errorf("%s: %+v, %v", response, r, err)
		}
	}
}

// sourceOf is the automaton of a use that needs no template.
func sourceOf(t *testing.T, u *grammar.Use) []byte {
	t.Helper()
	a, err := u.Automaton(nil)
	if err != nil {
		t.Fatal(err)
	}
	return a.Encode()
}

// What a request says of the form of an answer is compiled as the gateway compiles it. SPEC 16 §3.8.
func TestFormatOfRequest(t *testing.T) {
	const start = `{"messages":[{"role":"user","content":"q"}],"response_format":`
	want, err := grammar.Schema([]byte(`{"enum":["a", 1]}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := readRequest([]byte(start+`{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"enum":["a",1]}}}}`), 0)
	if err != nil || a.Use.Format == nil || !slices.Equal(sourceOf(t, &a.Use), want.Encode()) {
		t.Errorf("%+v, %v", a, err)
	}
	for body, grammared := range map[string]bool{`{"type":"json_object"}}`: true, `{"type":"text"}}`: false, `null}`: false} {
		if a, err := readRequest([]byte(start+body), 0); err != nil || (a.Use.Format != nil) != grammared {
			t.Errorf("%s: %+v, %v", body, a, err)
		}
	}
	for _, body := range []string{`{"type":"yaml"}}`, `{"type":"json_schema","json_schema":{"schema":{"not":{}}}}}`, `{"type":"json_schema"}}`} {
		if _, err := readRequest([]byte(start+body), 0); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What a request says of calls is what the grammar of its calls is made from. SPEC 16 §3.11.
func TestUseOfTools(t *testing.T) {
	const start = `{"messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f","strict":true}},{"type":"function","function":{"name":"g"}}]`
	for more, want := range map[string]grammar.Use{
		``: {}, `,"tool_choice":"required"`: {Forced: true}, `,"parallel_tool_calls":false`: {Single: true},
		`,"tool_choice":{"type":"function","function":{"name":"g"}}`:                                                                        {Forced: true, Named: "g"},
		`,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}`: {Forced: true},
		`,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}`:     {},
	} {
		a, err := readRequest([]byte(start+more+`}`), 0)
		if err != nil {
			t.Fatal(err)
		}
		u := a.Use
		if u.Forced != want.Forced || u.Named != want.Named || u.Single != want.Single || len(u.Tools) != len(a.Tools) || u.Tools[0].Strict != (len(a.Tools) == 2) {
			t.Errorf("%s: %+v", more, u)
		}
	}
	if a, err := readRequest([]byte(start+`,"tool_choice":"none"}`), 0); err != nil || a.Use.Needed() {
		t.Errorf("none: %+v, %v", a.Use, err)
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
		if _, err := readResponse([]byte(response), 0); !errors.Is(err, ErrInput) {
			t.Errorf("%s is read as a chat completion: %v", response, err)
		}
	}
}

// Stop strings are read as the gateway reads them, so that verify finds the settings that were signed.
func TestStopStringsOfARequest(t *testing.T) {
	for stop, want := range map[string][]string{
		`"zebra"`: {"zebra"}, `["b","a","b"]`: {"b", "a"}, `[]`: nil, `null`: nil, `"caf\u00e9"`: {"caf\u00e9"},
	} {
		a, err := readRequest([]byte(`{"prompt":"a","stop":`+stop+`}`), 0)
		if err != nil || !slices.Equal(a.Sampler.Stops, want) {
			t.Errorf("stop %s is %q, %v", stop, a.Sampler.Stops, err)
		}
	}
	for _, stop := range []string{`3`, `{}`, `[1]`, `""`, `["a","b","c","d","e"]`, `"` + strings.Repeat("x", 65) + `"`} {
		if _, err := readRequest([]byte(`{"prompt":"a","stop":`+stop+`}`), 0); !errors.Is(err, ErrInput) {
			t.Errorf("stop %s: %v", stop, err)
		}
	}
}

// A request with several choices is read as what one of them answers, with its seed. SPEC 16 §4.7.
func TestChoices(t *testing.T) {
	for _, c := range []struct {
		request string
		choice  int
		prompt  string
		ids     int
		seed    uint64
	}{
		{`{"prompt":"a","seed":7}`, 0, "a", 0, 7},
		{`{"prompt":["a"],"seed":7}`, 0, "a", 0, 7},
		{`{"prompt":"a","seed":7,"n":3}`, 2, "a", 0, decode.ChoiceSeed(7, 2)},
		{`{"prompt":["a",[1,2]],"seed":7,"n":2}`, 1, "a", 0, decode.ChoiceSeed(7, 1)},
		{`{"prompt":["a",[1,2]],"seed":7,"n":2}`, 2, "", 2, decode.ChoiceSeed(7, 2)},
	} {
		a, err := readRequest([]byte(c.request), c.choice)
		if err != nil {
			t.Fatalf("%s: %v", c.request, err)
		}
		if text := a.Text; (text == nil) != (c.ids > 0) || text != nil && *text != c.prompt || len(a.IDs) != c.ids || *a.Seed != c.seed {
			t.Errorf("choice %d of %s: %+v with seed %d", c.choice, c.request, a, *a.Seed)
		}
	}
	for _, body := range []string{`{"prompt":"a"}`, `{"prompt":["a"],"n":1}`, `{"prompt":"a","n":17}`, `{"prompt":"a","n":-1}`, `{"messages":[],"n":"x"}`} {
		if _, err := readRequest([]byte(body), 1); !errors.Is(err, ErrInput) {
			t.Errorf("choice 1 of %s: %v", body, err)
		}
	}
	for _, response := range []string{
		`{"choices":[{"index":0,"text":"x","elenchus_receipt":"rx"},{"index":1,"text":"y","elenchus_receipt":"ry"}]}`,
		"data: {\"choices\":[{\"index\":1,\"text\":\"y\"}]}\n\ndata: {\"choices\":[{\"index\":1,\"text\":\"\",\"elenchus_receipt\":\"ry\"}]}\n\n" +
			"data: {\"choices\":[{\"index\":0,\"text\":\"x\",\"elenchus_receipt\":\"rx\"}]}\n\ndata: [DONE]\n",
	} {
		for i, want := range []string{"x", "y"} {
			a, err := readResponse([]byte(response), i)
			if err != nil || a.Text != want || a.Receipt != "r"+want {
				t.Errorf("choice %d of %s: %+v, %v", i, response, a, err)
			}
			if found, err := FindChoice([]byte(response), i); err != nil || found != "r"+want {
				t.Errorf("receipt %d of %s: %q, %v", i, response, found, err)
			}
		}
	}
}

// An echo of the prompt is no part of the answer.
func TestEcho(t *testing.T) {
	o := Options{Request: []byte(`{"prompt":["a","bc"],"echo":true}`), Response: []byte(`{"choices":[{"text":"ax"},{"index":1,"text":"bcx"}]}`)}
	for o.Choice = range 2 {
		if a, err := o.answer(Completions); err != nil || a.Text != "x" {
			t.Errorf("choice %d: %+v, %v", o.Choice, a, err)
		}
	}
	o.Choice = 0
	for _, request := range []string{`{"prompt":"b","echo":true}`, `{"prompt":[1],"echo":true}`, `{"prompt":"a","echo":1}`} {
		o.Request = []byte(request)
		if _, err := o.answer(Completions); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", request, err)
		}
	}
}

// Settings of a request are read as the gateway reads them, exactly, and what is out of range is refused.
// SPEC 16 §3.1.
func TestSettingsOfRequests(t *testing.T) {
	const start = `{"prompt":"q",`
	a, err := readRequest([]byte(start+`"top_k":40,"top_p":0.9,"min_p":5e-2,"repetition_penalty":1.1,"presence_penalty":0.5,"frequency_penalty":-2,
		"logit_bias":{"12":-100,"5":0.25,"7":0}}`), 0)
	want := decode.Sampler{TopK: 40, TopP: 966367642, MinP: 53687091, Repetition: 72090, Presence: 1 << 15, Frequency: -2 << 16,
		Bias: []opset.TokenBias{{ID: 5, Value: 1 << 14}, {ID: 12, Value: -100 << 16}}}
	if err != nil || !a.Sampler.Equal(&want) {
		t.Fatalf("%+v, %v", a, err)
	}
	if a, err = readRequest([]byte(start+`"repetition_penalty":1,"presence_penalty":0,"frequency_penalty":null,"logit_bias":{}}`), 0); err != nil || !a.Sampler.None() {
		t.Errorf("neutral settings are %+v, %v", a, err)
	}
	for _, field := range []string{`"repetition_penalty":0`, `"presence_penalty":2.5`, `"frequency_penalty":"1"`, `"logit_bias":{"x":1}`, `"logit_bias":{"1":101}`, `"logit_bias":[]`} {
		if _, err := readRequest([]byte(start+field+`}`), 0); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A file that holds receipt and answer is both, where the ids alone tell how the answer reads.
func TestEnclose(t *testing.T) {
	const calls = `{"object":"chat.completion","choices":[{"message":{"tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`
	for file, want := range map[string][2]bool{ // without the request, with it
		`{"object":"chat.completion","choices":[{"message":{"content":"x"}}]}`: {true, true},
		`{"type":"message","content":[{"type":"text","text":"x"}]}`:            {true, true},
		`{"object":"text_completion","choices":[{"text":"x"}]}`:                {false, true},
		calls:                         {false, true},
		`{"object":"list","data":[]}`: {true, true},
		`{"elenchus_receipt":"r"}`:    {false, false},
		"receipt":                     {false, false},
		`{"object":"chat.completion"`: {false, false},
	} {
		for i, request := range [][]byte{nil, []byte(`{}`)} {
			o := Options{Request: request}
			if o.Enclose([]byte(file)); (o.Response != nil) != want[i] {
				t.Errorf("%s, with request %v: %v", file, i == 1, o.Response != nil)
			}
		}
	}
	o := Options{Response: []byte("mine")}
	if o.Enclose([]byte(`{"object":"list","data":[]}`)); string(o.Response) != "mine" {
		t.Errorf("the response that was named was replaced by %s", o.Response)
	}
}
