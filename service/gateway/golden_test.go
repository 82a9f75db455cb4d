package gateway

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata/golden")

// exchange is a request and the backend that it meets.
type exchange struct {
	name, method, path, body string
	backend                  *toyBackend
}

// TestExchangesMatchGoldenFiles plays each request and compares status, headers and body with testdata/golden.
func TestExchangesMatchGoldenFiles(t *testing.T) {
	chat := `{"model":"toy/bytes","messages":[{"role":"user","content":"hi"}],"temperature":0`
	text := `{"model":"toy/bytes","prompt":"hi","temperature":0`
	cases := []exchange{
		{"models", "GET", "/v1/models", "", &toyBackend{}},
		{"model", "GET", "/v1/models/toy%2Fbytes", "", &toyBackend{}},
		{"model-slash", "GET", "/v1/models/toy/bytes", "", &toyBackend{}},
		{"model-by-id", "GET", "/v1/models/" + toyID, "", &toyBackend{}},
		{"model-unknown", "GET", "/v1/models/gpt-4", "", &toyBackend{}},
		{"health", "GET", "/healthz", "", &toyBackend{}},
		{"unknown-path", "GET", "/chat/completions", "", &toyBackend{}},
		{"wrong-method", "GET", "/v1/chat/completions", "", &toyBackend{}},
		{"chat", "POST", "/v1/chat/completions", chat + `,"x_new":1,"user":"u"}`, &toyBackend{script: says("a<b>&é", FinishEOS)}},
		{"chat-length", "POST", "/v1/chat/completions", chat + `,"max_tokens":2}`, &toyBackend{script: says("ab", FinishLength)}},
		{"chat-no-receipt", "POST", "/v1/chat/completions", chat + `}`, &toyBackend{mute: true, script: func(Job) []Event {
			return []Event{{Token: 'x'}, {Finish: FinishContext}}
		}}},
		{"chat-stream", "POST", "/v1/chat/completions", chat + `,"stream":true}`, &toyBackend{script: says("hé", FinishEOS)}},
		{"chat-stream-usage", "POST", "/v1/chat/completions", chat + `,"stream":true,"stream_options":{"include_usage":true}}`,
			&toyBackend{script: says("ok", FinishLength)}},
		{"chat-stream-no-usage", "POST", "/v1/chat/completions", chat + `,"stream":true,"stream_options":{"include_usage":false}}`,
			&toyBackend{script: says("ok", FinishEOS)}},
		{"chat-stream-empty", "POST", "/v1/chat/completions", chat + `,"stream":true}`, &toyBackend{script: says("", FinishEOS)}},
		{"chat-stream-broken", "POST", "/v1/chat/completions", chat + `,"stream":true}`, &toyBackend{script: says("ok", 0), after: errSecret}},
		{"chat-stream-never-started", "POST", "/v1/chat/completions", chat + `,"stream":true}`,
			&toyBackend{script: says("", 0), after: fmt.Errorf("%w: the node left", ErrUnavailable)}},
		{"chat-cancelled", "POST", "/v1/chat/completions", chat + `}`, &toyBackend{script: says("ok", FinishCancelled)}},
		{"chat-broken", "POST", "/v1/chat/completions", chat + `}`, &toyBackend{script: says("ok", 0), after: errSecret}},
		{"completion", "POST", "/v1/completions", text + `}`, &toyBackend{script: says("ho", FinishEOS)}},
		{"chat-choices", "POST", "/v1/chat/completions", chat + `,"n":2}`, &toyBackend{script: says("ok", FinishEOS)}},
		{"chat-logprobs", "POST", "/v1/chat/completions", chat + `,"logprobs":true,"top_logprobs":2}`, &toyBackend{script: says("é!", FinishEOS)}},
		{"chat-stream-logprobs", "POST", "/v1/chat/completions", chat + `,"stream":true,"logprobs":true}`, &toyBackend{script: says("é!", FinishEOS)}},
		{"completion-echo", "POST", "/v1/completions", `{"model":"toy/bytes","prompt":["a",[98,99]],"temperature":0,"echo":true}`,
			&toyBackend{script: says("!", FinishEOS)}},
		{"completion-logprobs", "POST", "/v1/completions", text + `,"logprobs":1}`, &toyBackend{script: says("é!", FinishEOS)}},
		{"completion-stream-logprobs", "POST", "/v1/completions", text + `,"logprobs":1,"stream":true}`, &toyBackend{script: says("é!", FinishEOS)}},
		{"completion-stream-echo", "POST", "/v1/completions", text + `,"echo":true,"stream":true}`, &toyBackend{script: says("!", FinishEOS)}},
		{"responses-logprobs", "POST", "/v1/responses", `{"model":"toy/bytes","input":"hi","include":["message.output_text.logprobs"],"top_logprobs":1}`,
			&toyBackend{script: says("!", FinishEOS)}},
		{"ollama-logprobs", "POST", "/api/generate", `{"model":"toy/bytes","prompt":"hi","logprobs":true,"top_logprobs":1}`, &toyBackend{script: says("!", FinishEOS)}},
		{"completion-stream", "POST", "/v1/completions", text + `,"stream":true}`, &toyBackend{script: says("ho", FinishEOS)}},
	}
	for _, c := range slices.Concat(cases, responseExchanges(), messageExchanges(), ollamaExchanges()) {
		t.Run(c.name, func(t *testing.T) {
			w := ask(newGateway(t, c.backend, fixedOptions()), c.method, c.path, c.body)
			var got strings.Builder
			fmt.Fprintf(&got, "> %s %s\n", c.method, c.path)
			if c.body != "" {
				fmt.Fprintf(&got, "> %s\n", c.body)
			}
			fmt.Fprintf(&got, "< %d\n", w.Code)
			var lines []string
			for name, values := range w.Header() {
				lines = append(lines, fmt.Sprintf("< %s: %s\n", name, strings.Join(values, " | ")))
			}
			slices.Sort(lines)
			got.WriteString(strings.Join(lines, "") + "\n" + w.Body.String())
			compareGolden(t, c.name, got.String())
		})
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (rewrite with -update if the change is meant)\n--- got\n%s--- want\n%s", path, got, want)
	}
}
