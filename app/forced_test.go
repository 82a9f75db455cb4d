package app

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/tokenizer"
	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

// marked is a form of calls with control pieces, as families of models have it.
type marked struct {
	name                            string
	controls                        []string // the last one ends answers if ends
	before, middle, between, behind string
	ends                            bool
}

var markedForms = []marked{
	{"qwen", []string{"<tool_call>", "</tool_call>"}, "<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>\n<tool_call>\n{\"name\": \"", "}\n</tool_call>\nr:", false},
	{"mistral", []string{"[TOOL_CALLS]", "[ARGS]"}, "[TOOL_CALLS]", "[ARGS]", "[TOOL_CALLS]", "\nr:", false},
	{"llama", []string{"<|python_tag|>", "<|eom_id|>"}, "<|python_tag|>{\"name\": \"", "\", \"parameters\": ", "}<|eom_id|><|python_tag|>{\"name\": \"", "}<|eom_id|>\nr:", true},
}

// model is a small random model that has the control pieces of the form and writes calls so.
func (f *marked) model(t *testing.T) *manifest.Manifest {
	t.Helper()
	b := ggufwrite.TinyLlama(ggufwrite.Llama{Dim: 32, Hidden: 64, Layers: 1, Heads: 2, KVHeads: 1, Context: 1024, Type: gguf.F32, Seed: 64, Tied: true, Controls: f.controls})
	man, err := importer.Bytes(b, importer.Options{Context: 1024})
	if err != nil {
		t.Fatal(err)
	}
	writeCalls(t, man, f.before, f.middle, f.between, f.behind)
	if f.ends {
		tok, err := tokenizer.Parse(man.Model.Tokenizer)
		if err != nil {
			t.Fatal(err)
		}
		id, _ := tok.ID(f.controls[len(f.controls)-1])
		man.Model.EndIDs = append(man.Model.EndIDs, id)
	}
	if man, err = manifest.Bind(man.Model); err != nil {
		t.Fatal(err)
	}
	return man
}

const yesArguments = `{"type":"object","properties":{"word":{"enum":["yes"]}},"required":["word"],"additionalProperties":false}`

// forcing are requests that force calls, in every dialect that can, and the tools that they may call.
func forcing() []struct{ path, body, tools string } {
	tool := func(name string) string {
		return `{"type":"function","function":{"name":"` + name + `","parameters":` + yesArguments + `}}`
	}
	flat := func(name string) string {
		return `{"type":"function","name":"` + name + `","parameters":` + yesArguments + `}`
	}
	own := func(name string) string { return `{"name":"` + name + `","input_schema":` + yesArguments + `}` }
	const end = `"logit_bias":{"2":100},` // so that answers end where they may
	chat := `{"model":"m","messages":[{"role":"user","content":"once"}],"seed":5,"max_tokens":80,"tools":[` + tool("e") + `,` + tool("f") + `],`
	ask := `{"model":"m","input":"once","seed":5,"max_output_tokens":80,"parallel_tool_calls":false,"tools":[` + flat("e") + `,` + flat("f") + `],`
	message := `{"model":"m","max_tokens":80,"seed":5,"messages":[{"role":"user","content":"once"}],"tools":[` + own("e") + `,` + own("f") + `],`
	return []struct{ path, body, tools string }{
		{"/v1/chat/completions", chat + end + `"tool_choice":"required"}`, "ef"},
		{"/v1/chat/completions", chat + `"tool_choice":"required","parallel_tool_calls":false,"temperature":0}`, "ef"},
		{"/v1/chat/completions", chat + end + `"tool_choice":{"type":"function","function":{"name":"f"}}}`, "f"},
		{"/v1/chat/completions", chat + end + `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"e"}}]}}}`, "e"},
		{"/v1/responses", ask + `"tool_choice":"required"}`, "ef"},
		{"/v1/responses", ask + `"tool_choice":{"type":"function","name":"e"}}`, "e"},
		{"/v1/messages", message + `"tool_choice":{"type":"any","disable_parallel_tool_use":true}}`, "ef"},
		{"/v1/messages", message + `"tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}}`, "f"},
		// Ollama's API has no word for it: an answer is JSON of the format or calls, as it is drawn.
		{"/api/chat", `{"model":"m","messages":[{"role":"user","content":"once"}],"tools":[` + tool("e") + `],"format":{"type":"boolean"},` +
			`"options":{"num_predict":80,"temperature":2,"seed":SEED}}`, "e"},
	}
}

// Calls that begin, are divided or end with control pieces are forced in every dialect, whole and streamed, and what
// was kept of them verifies: whoever holds request, receipt and model makes the grammar again. SPEC 16 §3.11. Each form
// takes its turn with the requests; with ELENCHUS_SOAK=1 all take all.
func TestForcedCallsOfControlPiecesVerify(t *testing.T) {
	soak := os.Getenv("ELENCHUS_SOAK") != ""
	for at, f := range markedForms {
		man := f.model(t)
		url := serveModel(t, man)
		for i, c := range forcing() {
			if i%len(markedForms) != at && !soak {
				continue
			}
			for _, stream := range []bool{false, true} {
				if stream != (i%2 == 0) && !soak {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d%s/%v", f.name, i, c.path, stream), func(t *testing.T) {
					body, answer := calling(t, url+c.path, strings.Replace(c.body, "{", fmt.Sprintf(`{"stream":%v,`, stream), 1))
					checkKept(t, man, body, answer, receipt.Holds, "request", "text")
					checkForced(t, answer, c.tools)
					if i == 0 {
						checkKept(t, man, strings.Replace(body, `"required"`, `"auto"`, 1), answer, receipt.False, "request")
						checkKept(t, man, strings.Replace(body, `"logit_bias":{"2":100}`, `"parallel_tool_calls":false`, 1), answer, receipt.False, "request")
					}
				})
			}
		}
	}
}

// calling sends a body; one that leaves the choice to the model with a SEED until it chooses to call.
func calling(t *testing.T, url, body string) (sent string, answer []byte) {
	t.Helper()
	if !strings.Contains(body, "SEED") {
		return body, post(t, url, body)
	}
	for seed := range 40 {
		sent = strings.Replace(body, "SEED", fmt.Sprint(seed), 1)
		if answer = post(t, url, sent); strings.Contains(string(answer), "tool_calls") {
			break
		}
	}
	return sent, answer
}

// checkForced wants calls of the tools in an answer of any dialect: each name, and as many arguments. Streams say them
// in parts, so quotes that stand in strings are taken out of theirs.
func checkForced(t *testing.T, answer []byte, tools string) {
	t.Helper()
	text := strings.NewReplacer(`\`, "", " ", "").Replace(string(answer))
	calls := 0
	for _, name := range strings.Split(tools, "") {
		calls += strings.Count(text, `"name":"`+name+`"`)
	}
	if calls == 0 || !strings.Contains(text, `{"word":"yes"}`) {
		t.Errorf("no call of %q in %s", tools, answer)
	}
	if json.Valid(answer) && strings.Contains(text, `"content":"`) && !strings.Contains(text, `"content":""`) {
		t.Errorf("content beside forced calls: %s", answer)
	}
}
