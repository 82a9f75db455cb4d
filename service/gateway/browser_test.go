package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// browsing is a gateway that offers a page, a model file of a known text and the word of a chain.
func browsing(t *testing.T, keys ...string) *Gateway {
	t.Helper()
	o := fixedOptions()
	o.Keys = keys
	o.Browser = Browser{
		Pages: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) }),
		Weights: func(_ context.Context, id string) (io.ReadCloser, int64, error) {
			if id != toyID {
				return nil, 0, ErrModelNotFound
			}
			return io.NopCloser(strings.NewReader("weights")), 7, nil
		},
		Chain: func(_ context.Context, text string) (*ChainWord, error) {
			if text != receipt {
				return nil, fmt.Errorf("%w: no receipt", ErrInvalid)
			}
			return &ChainWord{Checks: []ChainCheck{{"inclusion", "pending", "in no batch yet"}}}, nil
		},
	}
	return newGateway(t, &toyBackend{script: says("x", FinishEOS)}, o)
}

// Pages are the same for everyone and need no key; what they ask for does. SPEC 16 §14.
func TestPagesAreOpenAndTheRestIsNot(t *testing.T) {
	g := browsing(t, "sk-a-long-key")
	for path, want := range map[string]int{
		"/receipts": 200, "/receipts/abc": 200, "/check/page.js": 200, "/models/" + toyID + ".elm": 401, "/v1/receipts/abc": 401,
	} {
		if got := ask(g, "GET", path, ""); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
	got := ask(g, "GET", "/models/"+toyID+".elm", "", "Authorization", "Bearer sk-a-long-key")
	if got.Body.String() != "weights" || got.Header().Get("Content-Length") != "7" {
		t.Errorf("model file: %q %v", got.Body, got.Header())
	}
	for path, want := range map[string]int{"/models/ffff.elm": 404, "/models/" + toyID: 404, "/models/..%2f" + toyID + ".elm": 404} {
		if got := ask(g, "GET", path, "", "Authorization", "Bearer sk-a-long-key"); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
}

// A page of another site that has re-pointed its name at this machine gets nothing, not even the page.
func TestPagesAreForThisMachine(t *testing.T) {
	g := browsing(t)
	r := httptest.NewRequest(http.MethodGet, "http://evil.example/receipts", nil)
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("%d, want 403", w.Code)
	}
}

// The gateway's word about a receipt, and its refusals.
func TestChainIsAskedAboutReceipts(t *testing.T) {
	g := browsing(t)
	got := ask(g, "POST", "/v1/receipts", receipt+"\n")
	if want := `{"checks":[{"name":"inclusion","outcome":"pending","detail":"in no batch yet"}],"batch":null}`; strings.TrimSpace(got.Body.String()) != want {
		t.Errorf("%s, want %s", got.Body, want)
	}
	if got := ask(g, "POST", "/v1/receipts", "x"); got.Code != http.StatusBadRequest {
		t.Errorf("%d, want 400", got.Code)
	}
	if got := ask(g, "GET", "/v1/receipts", ""); got.Code != http.StatusMethodNotAllowed {
		t.Errorf("%d, want 405", got.Code)
	}
}

// Answers name the page of their receipt, and who opens the receipt in a browser is sent there. SPEC 16 §14.
func TestAnswersNameThePageOfTheirReceipt(t *testing.T) {
	g := browsing(t)
	got := ask(g, "POST", "/v1/chat/completions", `{`+chatStart+`}`)
	id := got.Header().Get("X-Elenchus-Receipt-Id")
	if want := "</receipts/" + id + `>; rel="describedby"; type="text/html"`; id == "" || got.Header().Get("Link") != want {
		t.Fatalf("Link %q, want %q", got.Header().Get("Link"), want)
	}
	sent := ask(g, "GET", "/v1/receipts/"+id, "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if sent.Code != http.StatusSeeOther || sent.Header().Get("Location") != "/receipts/"+id {
		t.Errorf("%d to %q", sent.Code, sent.Header().Get("Location"))
	}
	if kept := ask(g, "GET", "/v1/receipts/"+id, ""); kept.Body.String() != receipt {
		t.Errorf("%q", kept.Body)
	}
}

// A gateway that offers browsers nothing has nothing at these paths, and no link.
func TestNoPagesUnlessOffered(t *testing.T) {
	g := newGateway(t, &toyBackend{}, fixedOptions())
	for _, path := range []string{"/receipts", "/receipts/x", "/check/page.js", "/models/x.elm"} {
		if got := ask(g, "GET", path, ""); got.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, got.Code)
		}
	}
	if got := ask(g, "POST", "/v1/receipts", receipt); got.Code != http.StatusNotFound {
		t.Errorf("%d, want 404", got.Code)
	}
}
