package gateway

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"elenchus/compute/decode"
)

// stopped says the text up to the end of the first of the job's stop strings, byte by byte, as a node
// that keeps to its request does.
func stopped(text string) func(Job) []Event {
	return func(j Job) []Event {
		end, code := len(text), FinishLength
		for _, s := range j.Sampler.Stops {
			if i := strings.Index(text, s); i >= 0 && i+len(s) <= end {
				end, code = i+len(s), FinishStop
			}
		}
		return says(text[:end], code)(j)
	}
}

// The fields of all dialects lead to the same stop strings; what a string ends is not shown, and the
// dialect says so in its own words. SPEC 16 §3.7.
func TestStopStringsOfEveryDialect(t *testing.T) {
	chat := `"model":"toy/bytes","messages":[{"role":"user","content":"a"}]`
	for _, c := range []struct {
		name, path, body string
		want             []string // of the body
	}{
		{"chat, a text", "/v1/chat/completions", `{` + chat + `,"stop":"c d"}`, []string{`"content":"ab "`, `"finish_reason":"stop"`}},
		{"chat, a list", "/v1/chat/completions", `{` + chat + `,"stop":["zz","c d"]}`, []string{`"content":"ab "`, `"finish_reason":"stop"`}},
		{"completions", "/v1/completions", `{"model":"toy/bytes","prompt":"a","stop":["c d","zz"]}`, []string{`"text":"ab "`, `"finish_reason":"stop"`}},
		{"messages", "/v1/messages", `{` + chat + `,"max_tokens":40,"stop_sequences":["c d"]}`,
			[]string{`"text":"ab "`, `"stop_reason":"stop_sequence"`, `"stop_sequence":"c d"`}},
		{"ollama", "/api/chat", `{` + chat + `,"stream":false,"options":{"stop":["c d"]}}`, []string{`"content":"ab "`, `"done_reason":"stop"`}},
		{"never", "/v1/messages", `{` + chat + `,"max_tokens":40,"stop_sequences":["c e"]}`,
			[]string{`"text":"ab c d e f"`, `"stop_reason":"max_tokens"`, `"stop_sequence":null`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &toyBackend{script: stopped("ab c d e f")}
			w := ask(newGateway(t, b, fixedOptions()), "POST", c.path, c.body)
			got := w.Body.String()
			for _, want := range c.want {
				if w.Code != 200 || !strings.Contains(strings.ReplaceAll(got, `": `, `":`), want) {
					t.Errorf("%d: no %s in %s", w.Code, want, got)
				}
			}
			if j := b.lastJob(t); len(j.Sampler.Stops) == 0 || !slices.ContainsFunc(j.Sampler.Stops, func(s string) bool { return strings.HasPrefix(s, "c ") }) {
				t.Errorf("stop strings of the job are %q", j.Sampler.Stops)
			}
		})
	}
}

// A stream never sends what could still become a stop string, and sends it once it cannot.
func TestStreamHoldsStopStringsBack(t *testing.T) {
	const text = "x aab aaab END"
	b := &toyBackend{script: stopped(text)}
	w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/completions",
		`{"model":"toy/bytes","prompt":"a","stream":true,"stop":["aaab ","b E"]}`)
	sent := ""
	for _, line := range strings.Split(w.Body.String(), "\n") {
		data, ok := strings.CutPrefix(line, "data: ")
		var chunk struct {
			Choices []struct {
				Text   string  `json:"text"`
				Finish *string `json:"finish_reason"`
			} `json:"choices"`
		}
		if !ok || data == "[DONE]" || json.Unmarshal([]byte(data), &chunk) != nil || len(chunk.Choices) == 0 {
			continue
		}
		sent += chunk.Choices[0].Text
		if !strings.HasPrefix("x aab ", sent) {
			t.Fatalf("sent %q", sent)
		}
	}
	if sent != "x aab " {
		t.Errorf("sent %q in all, want %q", sent, "x aab ")
	}
}

// Strings that are named twice count once; the list may be empty.
func TestStopListsReachTheJob(t *testing.T) {
	for body, want := range map[string][]string{
		`"stop":["a","a","\u00e9"]`: {"a", "é"}, `"stop":[]`: nil, `"stop":null`: nil, `"stop":"a"`: {"a"},
	} {
		b := &toyBackend{script: says("x", FinishEOS)}
		w := ask(newGateway(t, b, fixedOptions()), "POST", "/v1/completions", `{"model":"toy/bytes","prompt":"a",`+body+`}`)
		if got := b.lastJob(t).Sampler; w.Code != 200 || !got.Equal(&decode.Sampler{Stops: want}) {
			t.Errorf("%s: %d, %+v", body, w.Code, got)
		}
	}
}
