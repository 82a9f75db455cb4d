package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A pull tells of files as they come, as Ollama's clients read it, and ends with success or the reason.
func TestPullsAreStreamed(t *testing.T) {
	o := fixedOptions()
	o.Keys = []string{"a-key-that-is-long"}
	var asked []string
	o.Pull = func(_ context.Context, name string, report func(PullStep)) error {
		asked = append(asked, name)
		report(PullStep{Status: "pulling a.gguf", Digest: "ab", Done: 5, All: 10})
		report(PullStep{Status: "pulling a.gguf", Digest: "ab", Done: 10, All: 10})
		switch name {
		case "who/none":
			return fmt.Errorf("%w: no such repository", ErrModelNotFound)
		case "who/broken":
			return errors.New("dial 10.0.0.7: secret internals")
		}
		return nil
	}
	g := newGateway(t, &toyBackend{}, o)
	start := `{"status":"pulling manifest"}` + "\n" + `{"status":"pulling a.gguf","digest":"sha256:ab","total":10,"completed":5}` + "\n" +
		`{"status":"pulling a.gguf","digest":"sha256:ab","total":10,"completed":10}` + "\n"
	for _, v := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"model":"who/tiny"}`, 200, start + `{"status":"success"}` + "\n"},
		{`{"name":"who/tiny","insecure":false,"stream":false}`, 200, `{"status":"success"}` + "\n"},
		{`{"model":"who/none"}`, 200, start + `{"error":"model not found: no such repository"}` + "\n"},
		{`{"model":"who/none","stream":false}`, 404, `{"error":"model not found: no such repository"}` + "\n"},
		{`{"model":"who/broken"}`, 200, start + `{"error":"the gateway failed to answer; its log has the reason under the id in the X-Request-Id header"}` + "\n"},
		{`{"model":"toy/bytes"}`, 200, `{"status":"pulling manifest"}` + "\n" + `{"status":"success"}` + "\n"},
		{`{}`, 400, `{"error":"model must name a model: GET /v1/models lists them"}` + "\n"},
	} {
		w := ask(g, "POST", "/api/pull", v.body, "Authorization", "Bearer a-key-that-is-long")
		if w.Code != v.status || w.Body.String() != v.want {
			t.Errorf("%s: got %d %s, want %d %s", v.body, w.Code, w.Body, v.status, v.want)
		}
	}
	if w := ask(g, "POST", "/api/pull", `{"model":"who/tiny"}`); w.Code != http.StatusUnauthorized {
		t.Errorf("without a key: %d", w.Code)
	}
	if got := strings.Join(asked, " "); got != "who/tiny who/tiny who/none who/none who/broken" {
		t.Errorf("fetched %s", got)
	}
}

// One model is fetched at a time, and none for who pays by the request.
func TestPullsAreGuarded(t *testing.T) {
	o := fixedOptions()
	inside, on := make(chan struct{}), make(chan struct{})
	o.Pull = func(context.Context, string, func(PullStep)) error {
		inside <- struct{}{}
		<-on
		return nil
	}
	g := newGateway(t, &toyBackend{}, o)
	first := make(chan int)
	go func() { first <- ask(g, "POST", "/api/pull", `{"model":"who/tiny","stream":false}`).Code }()
	<-inside
	if w := ask(g, "POST", "/api/pull", `{"model":"who/other","stream":false}`); w.Code != http.StatusTooManyRequests {
		t.Errorf("a second one: %d %s", w.Code, w.Body)
	}
	close(on)
	if code := <-first; code != http.StatusOK {
		t.Errorf("the first one: %d", code)
	}
	o.Cashier = &ledgerCashier{chain: 84532}
	if w := ask(newGateway(t, &toyBackend{}, o), "POST", "/api/pull", `{"model":"who/tiny"}`); w.Code != http.StatusForbidden {
		t.Errorf("for a stranger: %d %s", w.Code, w.Body)
	}
}
