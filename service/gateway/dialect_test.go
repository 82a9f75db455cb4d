package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// streams has a streamed request of each dialect, and what it sends while nothing happens.
var streams = []struct{ path, body, waiting string }{
	{"/v1/chat/completions", `{` + chatStart + `,"stream":true}`, ": waiting\n\n"},
	{"/v1/completions", `{"model":"toy/bytes","prompt":"hi","stream":true}`, ": waiting\n\n"},
	{"/v1/responses", `{` + askStart + `,"stream":true}`, ": waiting\n\n"},
	{"/v1/messages", `{` + turnStart + `,"stream":true}`, "event: ping\ndata: {\"type\":\"ping\"}\n\n"},
	{"/api/chat", `{` + chatStart + `}`, `"content":""},"done":false}` + "\n"},
	{"/api/generate", `{"model":"toy/bytes","prompt":"hi"}`, `"response":"","done":false}` + "\n"},
}

// TestEveryDialectShowsThatItWaits: once per KeepAlive, in virtual time, before the first piece and after.
func TestEveryDialectShowsThatItWaits(t *testing.T) {
	for _, text := range []string{"", "ab"} {
		for _, s := range streams {
			synctest.Test(t, func(t *testing.T) {
				g := newGateway(t, &toyBackend{script: says(text, 0)}, fixedOptions())
				ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
				defer cancel()
				w := httptest.NewRecorder()
				g.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "http://localhost"+s.path, strings.NewReader(s.body)))
				want := 2
				if s.path == "/v1/messages" && text != "" {
					want++ // one belongs to the opening
				}
				if got := strings.Count(w.Body.String(), s.waiting); got != want {
					t.Errorf("%s %q: %d signs in 40 s, want %d\n%s", s.path, text, got, want, w.Body)
				}
			})
		}
	}
}

// TestFailureBeforeTheFirstPieceHasItsStatus: in the envelope of each dialect, also where a stream was asked for.
func TestFailureBeforeTheFirstPieceHasItsStatus(t *testing.T) {
	for _, s := range streams {
		b := &toyBackend{script: says("", 0), after: fmt.Errorf("%w: the node left", ErrUnavailable)}
		w := ask(newGateway(t, b, fixedOptions()), "POST", s.path, s.body)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %v %s", s.path, w.Code, w.Header(), w.Body)
		}
	}
}

// TestDialectsAskTheSame: one question is one prompt, one seed and one limit in all dialects.
func TestDialectsAskTheSame(t *testing.T) {
	b := &toyBackend{script: says("x", FinishEOS)}
	g := newGateway(t, b, fixedOptions())
	var first Job
	for _, c := range []struct{ path, body string }{
		{"/v1/chat/completions", `"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"}],"max_tokens":9,"seed":7,"temperature":0.5,"top_p":0.9}`},
		{"/v1/responses", `"instructions":"s","input":"q","max_output_tokens":9,"seed":7,"temperature":0.5,"top_p":0.9}`},
		{"/v1/messages", `"system":"s","messages":[{"role":"user","content":"q"}],"max_tokens":9,"seed":7,"temperature":0.5,"top_p":0.9}`},
		{"/api/chat", `"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"}],
			"options":{"num_predict":9,"seed":7,"temperature":0.5,"top_p":0.9}}`},
		{"/api/generate", `"system":"s","prompt":"q","options":{"num_predict":9,"seed":7,"temperature":0.5,"top_p":0.9}}`},
	} {
		if w := ask(g, "POST", c.path, `{"model":"toy/bytes",`+c.body); w.Code != http.StatusOK {
			t.Fatal(c.path, w.Code, w.Body)
		}
		job := b.lastJob(t)
		job.RequestID = ""
		if first.Model == "" {
			first = job
		}
		if got, want := fmt.Sprintf("%+v", job), fmt.Sprintf("%+v", first); got != want {
			t.Errorf("%s asks\n%s, want\n%s", c.path, got, want)
		}
	}
}
