package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"elenchus/compute/template"
)

// datedBackend renders the date before the conversation.
type datedBackend struct{ *toyBackend }

type datedCodec struct{ toyCodec }

func (datedCodec) EncodeChat(c template.Conversation) ([]int32, error) {
	return toyCodec{}.EncodeText(fmt.Sprintf("[%s]", c.Date))
}

func (b datedBackend) Codec(context.Context, string) (Codec, error) { return datedCodec{}, nil }

// Every dialect's conversation has the date: the gateway's own in UTC, or the one that the client names.
// SPEC 16 §3.6.
func TestConversationsHaveADate(t *testing.T) {
	b := &toyBackend{script: says("ok", FinishEOS)}
	g := newGateway(t, datedBackend{b}, fixedOptions())
	const turns = `"model": "toy/bytes", "messages": [{"role": "user", "content": "hi"}]`
	for _, c := range []struct{ path, body, want string }{
		{"/v1/chat/completions", `{` + turns + `}`, "2027-01-15"},
		{"/v1/chat/completions", `{` + turns + `, "elenchus_date": "1999-12-31"}`, "1999-12-31"},
		{"/v1/chat/completions", `{` + turns + `, "elenchus_date": null}`, "2027-01-15"},
		{"/v1/messages", `{` + turns + `, "max_tokens": 9}`, "2027-01-15"},
		{"/v1/responses", `{"model": "toy/bytes", "input": "hi"}`, "2027-01-15"},
		{"/api/chat", `{` + turns + `, "stream": false}`, "2027-01-15"},
	} {
		w := ask(g, "POST", c.path, c.body)
		var prompt strings.Builder
		for _, id := range b.lastJob(t).Prompt {
			prompt.WriteByte(byte(id))
		}
		if w.Code != http.StatusOK || prompt.String() != "["+c.want+"]" {
			t.Errorf("%s %s: %d, prompt %q, want %s", c.path, c.body, w.Code, prompt.String(), c.want)
		}
	}
	for _, bad := range []string{`"2026-02-30"`, `"today"`, `20261121`} {
		if w := ask(g, "POST", "/v1/chat/completions", `{`+turns+`, "elenchus_date": `+bad+`}`); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "elenchus_date") {
			t.Errorf("%s: %d %s", bad, w.Code, w.Body)
		}
	}
}
