package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"elenchus"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/template"
	"elenchus/importer"
)

// toolsModel is a small model with a template that shows tools as they were written, and calls.
func toolsModel(t *testing.T) *manifest.Manifest {
	t.Helper()
	man, err := importer.Bytes(drawnBytes(t, 1), importer.Options{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	writeCalls(t, man, `<c>{"name": "`, `", "arguments": `, `}</c><c>{"name": "`, "}</c>\nr:")
	if man, err = manifest.Bind(man.Model); err != nil {
		t.Fatal(err)
	}
	return man
}

// writeCalls gives a model a template in which calls begin, are divided, follow each other and end so.
func writeCalls(t *testing.T, man *manifest.Manifest, before, middle, between, behind string) {
	t.Helper()
	turns := template.Turns{
		Flags: template.Anywhere, System: template.Pair{Before: "s:", After: "\n"}, User: template.Pair{Before: "u:", After: "\n"},
		Assistant: template.Pair{Before: "a:", After: "\n"}, Generation: "a:",
	}
	tools := &template.Tools{Turns: turns, Separator: ",", HasCalls: true, CallsBefore: "a:" + before, ContentToCalls: before,
		CallMiddle: middle, CallSep: between, CallsEnd: behind, ResultSep: "\nr:", ResultsEnd: "\n"}
	for i := range tools.At {
		tools.At[i] = template.Nowhere
	}
	tools.Begin, tools.At[template.InBegin] = "t:\n", 2
	tp, err := template.NewChat(turns, tools)
	if err != nil {
		t.Fatal(err)
	}
	man.Model.Template = tp.Encode()
}

// sent are requests of every dialect, as their clients write them.
func sent() map[string][]string {
	const schema = `{"type":"object","properties":{"x":{"type":"number"}}}`
	return map[string][]string{
		"/v1/chat/completions": {
			`{"model":"m","messages":[{"role":"user","content":"once"}],"max_tokens":6,"temperature":0.5,"seed":3}`,
		},
		"/v1/completions": {`{"model":"m","prompt":"Once upon","max_tokens":6,"temperature":0}`},
		"/v1/responses": {
			`{"model":"m","input":"once","max_output_tokens":6,"temperature":0}`,
			`{"model":"m","input":"once","max_output_tokens":6,"temperature":0,"text":{"format":{"type":"json_schema","name":"n","schema":` + schema + `}}}`,
			`{"model":"m","instructions":"be brief","input":[{"role":"developer","content":"and kind"},{"role":"user","content":[{"type":"input_text","text":"once"}]},
				{"type":"function_call","call_id":"1","name":"f","arguments":"{\"x\": 1}"},{"type":"function_call","call_id":"2","name":"g","arguments":"{}"},
				{"type":"function_call_output","call_id":"1","output":"one"},{"type":"function_call_output","call_id":"2","output":"two"}],
				"tools":[{"type":"function","description":"d","name":"f","parameters":` + schema + `},{"type":"function","name":"g","parameters":{},"strict":false}],
				"max_output_tokens":5,"temperature":0.7,"top_p":0.9,"seed":5}`,
			`{"model":"m","input":"once","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}],"max_output_tokens":4,
				"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"g"}]}}`,
		},
		"/v1/messages": {
			`{"model":"m","max_tokens":6,"system":"be brief","messages":[{"role":"user","content":"once"}],"temperature":0,"stop_sequences":["zzz"]}`,
			`{"model":"m","max_tokens":6,"system":[{"type":"text","text":"be","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"on"},{"type":"text","text":"ce"}]},
				{"role":"assistant","content":[{"type":"text","text":"I look"},{"type":"tool_use","id":"1","name":"f","input":{"x": 1}},{"type":"tool_use","id":"2","name":"f","input":{}}]},
				{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"one"},{"type":"tool_result","tool_use_id":"2"},{"type":"text","text":"so?"}]}],
				"tools":[{"name":"f","description":"d","input_schema":` + schema + `,"cache_control":{"type":"ephemeral"}}],"top_k":3,"seed":9}`,
			`{"model":"m","max_tokens":6,"messages":[{"role":"user","content":"once"}],"output_config":{"format":{"type":"json_schema","schema":` + schema + `}}}`,
			`{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"once"}],"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"none"}}`,
		},
		"/api/chat": {
			`{"model":"m","messages":[{"role":"user","content":"once"}],"format":` + schema + `,"options":{"num_predict":6,"temperature":0}}`,
			`{"model":"m","messages":[{"role":"user","content":"once"}],"options":{"num_predict":6,"temperature":0.2,"seed":4,"repeat_penalty":1.1,"stop":["zzz"]}}`,
			`{"model":"m","messages":[{"role":"system","content":"be"},{"role":"user","content":"once"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"x": 1}}}]},
				{"role":"tool","tool_name":"f","content":"one"}],"tools":[{"type":"function","function":{"name":"f","parameters":` + schema + `}}],"options":{"num_predict":5,"temperature":0}}`,
		},
		"/api/generate": {
			`{"model":"m","prompt":"once","system":"be brief","options":{"num_predict":6,"temperature":0}}`,
			`{"model":"m","prompt":"once","options":{"num_predict":6,"temperature":0,"top_k":2}}`,
			`{"model":"m","prompt":"once","format":"json","options":{"num_predict":6,"temperature":0}}`,
			`{"model":"m","prompt":"Once upon","raw":true,"options":{"num_predict":-1,"temperature":0,"stop":["."]}}`,
		},
	}
}

// Whoever keeps what was sent and what came back can check it, in every dialect, whole and streamed: verify reads both as
// the gateway does. What was changed is found.
func TestEveryDialectVerifies(t *testing.T) {
	man := toolsModel(t)
	url := serveModel(t, man)
	for path, bodies := range sent() {
		for i, body := range bodies {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/%v", path, i, stream), func(t *testing.T) {
					body := strings.Replace(body, "{", fmt.Sprintf(`{"stream":%v,`, stream), 1)
					answer := post(t, url+path, body)
					checkKept(t, man, body, answer, receipt.Holds, "request", "text")
					if stream {
						return
					}
					other := strings.NewReplacer("once", "twice", "Once", "Twice", "so?", "no?").Replace(body)
					checkKept(t, man, other, answer, receipt.False, "request")
				})
			}
		}
	}
}

// post sends a body and returns the answer.
func post(t *testing.T, url, body string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s answers %d %s, %v", url, res.StatusCode, answer, err)
	}
	return answer
}

// checkKept verifies what was kept of a request and wants an outcome of the named checks.
func checkKept(t *testing.T, man *manifest.Manifest, body string, answer []byte, want receipt.Outcome, names ...string) {
	t.Helper()
	text, err := elenchus.FindReceipt(answer)
	if err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	o := elenchus.Options{Model: elenchus.NewModel(man), Response: answer}
	if body != "" {
		o.Request = []byte(body)
	}
	report, err := elenchus.Verify(t.Context(), text, o)
	if err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	found := map[string]bool{}
	for _, c := range report.Checks {
		for _, name := range names {
			if c.Name == name {
				found[name] = true
				if c.Outcome != want {
					t.Errorf("%s: %v, %s", c.Name, c.Outcome, c.Detail)
				}
			}
		}
	}
	if len(found) != len(names) {
		t.Errorf("checks %+v lack some of %v", report.Checks, names)
	}
}

// Each vector of a request for several is checked by its number, as numbers and as base64; its receipt is found by its id.
func TestVectorsVerifyByNumber(t *testing.T) {
	man, err := importer.File(sentences, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	url := serveModel(t, man)
	for _, body := range []string{
		`{"model":"m","input":["a cat","a dog"]}`, `{"model":"m","input":["a cat","a dog"],"encoding_format":"base64"}`, `{"model":"m","input":"a cat"}`,
	} {
		answer := post(t, url+"/v1/embeddings", body)
		var list struct {
			Data []struct {
				Receipt string `json:"elenchus_receipt"`
				ID      string `json:"elenchus_receipt_id"`
			}
		}
		if err := json.Unmarshal(answer, &list); err != nil {
			t.Fatal(err)
		}
		for i, v := range list.Data {
			text, err := elenchus.FindChoice(answer, i)
			if err != nil || text != v.Receipt {
				t.Fatalf("receipt %d of %s: %q, %v", i, answer, text, err)
			}
			res, err := http.Get(url + "/v1/receipts/" + v.ID) //nolint:noctx // of the test's own server
			if err != nil {
				t.Fatal(err)
			}
			kept, err := io.ReadAll(res.Body)
			if err = errors.Join(err, res.Body.Close()); err != nil || string(kept) != v.Receipt {
				t.Errorf("kept under %q: %q, %v", v.ID, kept, err)
			}
			o := elenchus.Options{Model: elenchus.NewModel(man), Request: []byte(body), Response: answer, Choice: i}
			report, err := elenchus.Verify(t.Context(), text, o)
			if err != nil || report.Outcome() != receipt.Holds {
				t.Errorf("vector %d of %s: %v, %+v", i, body, err, report)
			}
			if len(list.Data) < 2 {
				continue
			}
			o.Choice = 1 - i
			report, err = elenchus.Verify(t.Context(), text, o)
			if err != nil || report.Outcome() != receipt.False {
				t.Errorf("vector %d as the other one: %v, %+v", i, err, report)
			}
		}
	}
}
