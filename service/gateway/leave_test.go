package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// leaves asks for a stream, reads its first bytes and goes away; it returns once the request is over.
func leaves(t *testing.T, b *toyBackend, path, body string) (*Gateway, Seen) {
	t.Helper()
	over := make(chan Seen, 1)
	options := fixedOptions()
	options.Observe = func(s Seen) { over <- s }
	g := newGateway(t, b, options)
	server := httptest.NewServer(g)
	defer server.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it is left
	if _, err := bufio.NewReader(res.Body).ReadByte(); err != nil {
		t.Fatal(err)
	}
	leave()
	return g, <-over
}

// TestWhoLeavesAStreamCancelsIt: what was made until then is counted, claimed with the user's signature, and its receipt
// found, in every dialect. SPEC 16 §4.10.
func TestWhoLeavesAStreamCancelsIt(t *testing.T) {
	for path, body := range map[string]string{
		"/v1/chat/completions": streamBody,
		"/v1/completions":      `{"model":"toy/bytes","prompt":"hi","temperature":0,"stream":true}`,
		"/v1/responses":        `{"model":"toy/bytes","input":"hi","temperature":0,"stream":true}`,
		"/v1/messages":         `{"model":"toy/bytes","max_tokens":50,"messages":[{"role":"user","content":"hi"}],"temperature":0,"stream":true}`,
		"/api/chat":            `{"model":"toy/bytes","messages":[{"role":"user","content":"hi"}]}`,
	} {
		t.Run(path, func(t *testing.T) {
			b := &toyBackend{script: says("first", 0), ends: make(chan error, 1), left: make(chan int, 1)}
			g, seen := leaves(t, b, path, body)
			if n := <-b.left; n < 1 || n > 5 || seen.Answer != n {
				t.Errorf("cancelled after %d ids, %d were counted", n, seen.Answer)
			}
			if err := <-b.ends; !errors.Is(err, context.Canceled) {
				t.Errorf("the job ended with %v", err)
			}
			w := ask(g, "GET", "/v1/receipts/toy-digest", "")
			if want := fmt.Sprintf("%s-%d", receipt, seen.Answer); w.Code != http.StatusOK || w.Body.String() != want {
				t.Errorf("%d %q, want %q", w.Code, w.Body, want)
			}
		})
	}
}

// Each of several choices is cancelled where it stands.
func TestWhoLeavesCancelsEveryChoice(t *testing.T) {
	b := &toyBackend{script: says("first", 0), left: make(chan int, 3)}
	_, seen := leaves(t, b, "/v1/chat/completions", strings.Replace(streamBody, "{", `{"n":3,`, 1))
	close(b.left)
	var all []int
	for n := range b.left {
		all = append(all, n)
	}
	if sum := func() (s int) {
		for _, n := range all {
			s += n
		}
		return s
	}(); len(all) < 1 || len(all) > 3 || sum != seen.Answer || slices.Contains(all, 0) {
		t.Errorf("cancelled after %v ids, %d were counted", all, seen.Answer)
	}
}

// Where nothing can be signed, or nothing was sent, there is no receipt.
func TestWhoLeavesWithoutAKeyHasNoReceipt(t *testing.T) {
	g, _ := leaves(t, &toyBackend{script: says("first", 0)}, "/v1/chat/completions", streamBody)
	if w := ask(g, "GET", "/v1/receipts/toy-digest", ""); w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
