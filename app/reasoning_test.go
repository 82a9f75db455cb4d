package app

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/template"
	"elenchus/importer"
	"elenchus/network/peer"
	"elenchus/service/gateway"
)

// thinkingModel is a small model whose prompts open reasoning, which ends with a mark.
func thinkingModel(t *testing.T, end string) *manifest.Manifest {
	t.Helper()
	man, err := importer.Bytes(drawnBytes(t, 1), importer.Options{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	way := func(efforts uint8, generation string) template.Way {
		turns := template.Turns{User: template.Pair{Before: "u:", After: "\n"}, Assistant: template.Pair{Before: "a:", After: "\n"}, Generation: generation}
		tp, err := template.NewChat(turns, nil)
		if err != nil {
			t.Fatal(err)
		}
		return template.Way{Efforts: efforts, Template: tp}
	}
	tp, err := template.NewReasoned([]template.Way{way(0b1110, "a:<t>"), way(1, "a:<t></t>")}, template.Reasoning{Begin: "<t>", End: end})
	if err != nil {
		t.Fatal(err)
	}
	man.Model.Template = tp.Encode()
	if man, err = manifest.Bind(man.Model); err != nil {
		t.Fatal(err)
	}
	return man
}

// serveModel is a gateway before a node that serves a model as m.
func serveModel(t *testing.T, man *manifest.Manifest) string {
	t.Helper()
	d := claim.Domain{ChainID: 31337, Arena: claim.Address{0xa}}
	b := &Backend{Domain: d, Peers: peer.New(http.DefaultClient), Nodes: []string{vectorNode(t, d, man)}, Entropy: func(p []byte) { _, _ = rand.Read(p) }}
	if err := b.AddModel("m", man); err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(b, gateway.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return s.URL
}

// Reasoning that a gateway gives apart is checked with the text, in every dialect, whole and streamed: what was moved or
// changed is found. The mark that ends it stands in the middle of what the model writes. SPEC 16 §3.12.
func TestReasoningVerifies(t *testing.T) {
	const chat = `{"model":"m","messages":[{"role":"user","content":"once"},{"role":"assistant","content":"b","reasoning_content":"old"},{"role":"user","content":"more"}],` +
		`"max_tokens":12,"temperature":0}`
	url := serveModel(t, thinkingModel(t, "<no such mark>"))
	var first struct {
		Choices []struct {
			Message struct{ Content, Reasoning string }
		}
	}
	if err := json.Unmarshal(post(t, url+"/v1/chat/completions", chat), &first); err != nil {
		t.Fatal(err)
	}
	all := []rune(first.Choices[0].Message.Reasoning)
	if first.Choices[0].Message.Content != "" || len(all) < 6 {
		t.Fatalf("an answer whose reasoning never ends is %+v", first)
	}
	end := string(all[len(all)/2-1 : len(all)/2+1])
	man := thinkingModel(t, end)
	url = serveModel(t, man)
	for path, body := range map[string]string{
		"/v1/chat/completions": chat,
		"/v1/responses": `{"model":"m","input":[{"role":"user","content":"once"},{"type":"reasoning","id":"x","summary":[],"content":[{"type":"reasoning_text","text":"old"}]},
			{"role":"assistant","content":"b"},{"role":"user","content":"more"}],"max_output_tokens":12,"temperature":0,"reasoning":{"effort":"medium"}}`,
		"/v1/messages": `{"model":"m","messages":[{"role":"user","content":"once"},{"role":"assistant","content":[{"type":"thinking","thinking":"old","signature":"s"},{"type":"text","text":"b"}]},
			{"role":"user","content":"more"}],"max_tokens":12,"temperature":0,"thinking":{"type":"enabled","budget_tokens":1024}}`,
		"/api/chat": `{"model":"m","messages":[{"role":"user","content":"once"},{"role":"assistant","content":"b","thinking":"old"},{"role":"user","content":"more"}],
			"think":true,"options":{"num_predict":12,"temperature":0}}`,
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", path, stream), func(t *testing.T) {
				body := strings.Replace(body, "{", fmt.Sprintf(`{"stream":%v,`, stream), 1)
				answer := post(t, url+path, body)
				checkKept(t, man, body, answer, receipt.Holds, "request", "text")
				checkKept(t, man, "", answer, receipt.Holds, "text")
				thought := strings.TrimSpace(strings.Split(string(all), end)[0])
				if quoted, _ := json.Marshal(thought); !stream && !strings.Contains(string(answer), strings.Trim(string(quoted), `"`)) {
					t.Errorf("the reasoning %q is not in %s", thought, answer)
				}
				for _, name := range []string{`"reasoning_content":"`, `"type":"reasoning_text","text":"`, `"thinking":"`, `"type":"response.reasoning_text.delta"`} {
					if stream || !strings.Contains(string(answer), name) {
						continue
					}
					changed := strings.Replace(string(answer), name, name+"so ", 1)
					checkKept(t, man, body, []byte(changed), receipt.False, "text")
					checkKept(t, man, "", []byte(changed), receipt.False, "text")
				}
			})
		}
	}
	quiet := strings.Replace(chat, "{", `{"reasoning_effort":"none",`, 1)
	answer := post(t, url+"/v1/chat/completions", quiet)
	checkKept(t, man, quiet, answer, receipt.Holds, "request", "text")
	checkKept(t, man, "", answer, receipt.Holds, "text")
	checkKept(t, man, chat, answer, receipt.False, "request")
	checkKept(t, man, "", bytes.Replace(answer, []byte(`"content":"`), []byte(`"content":"so `), 1), receipt.False, "text")
}
