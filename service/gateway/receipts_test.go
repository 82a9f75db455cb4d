package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestReceiptsCanBeFetchedLater: every dialect's receipt, whole or streamed, under the id in its header, by its owner.
func TestReceiptsCanBeFetchedLater(t *testing.T) {
	for i, c := range []struct{ path, body string }{
		{"/v1/chat/completions", `{` + chatStart + `}`},
		{"/v1/chat/completions", `{` + chatStart + `,"stream":true}`},
		{"/v1/completions", `{"model":"toy/bytes","prompt":"hi"}`},
		{"/v1/responses", `{` + askStart + `}`},
		{"/v1/messages", `{` + turnStart + `,"stream":true}`},
		{"/api/generate", `{"model":"toy/bytes","prompt":"hi"}`},
	} {
		o := fixedOptions()
		o.Keys = []string{"alice-key", "bobby-key"}
		g := newGateway(t, &toyBackend{script: says("x", FinishEOS)}, o)
		w := ask(g, "POST", c.path, c.body, "X-Api-Key", "alice-key")
		id := w.Header().Get("X-Elenchus-Receipt-Id")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"elenchus_receipt":"`+receipt+`"`) {
			t.Errorf("%d: %d %s", i, w.Code, w.Body)
		}
		if w := ask(g, "GET", "/v1/receipts/"+id, "", "X-Api-Key", "alice-key"); w.Code != http.StatusOK || w.Body.String() != receipt {
			t.Errorf("%d: the receipt came as %d %s", i, w.Code, w.Body)
		}
		if w := ask(g, "GET", "/v1/receipts/"+id, "", "X-Api-Key", "bobby-key"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "receipt_not_found") {
			t.Errorf("%d: another key got %d %s", i, w.Code, w.Body)
		}
	}
}

// TestNoReceiptIsKept of answers that fail, or that have none.
func TestNoReceiptIsKept(t *testing.T) {
	for name, b := range map[string]*toyBackend{
		"mute":      {mute: true, script: says("x", FinishEOS)},
		"broken":    {script: says("x", 0), after: errSecret},
		"cancelled": {script: says("x", FinishCancelled)},
		"none":      {script: func(Job) []Event { return []Event{{Finish: FinishEOS}} }},
	} {
		g := newGateway(t, b, fixedOptions())
		for _, stream := range []bool{false, true} {
			ask(g, "POST", "/v1/completions", fmt.Sprintf(`{"model":"toy/bytes","prompt":"hi","stream":%v}`, stream))
		}
		if n := g.receipts.order.Len(); n != 0 {
			t.Errorf("%s: %d receipts are kept", name, n)
		}
		if w := ask(g, "GET", "/v1/receipts/toy-digest", ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
