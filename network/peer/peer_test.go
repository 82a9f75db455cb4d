package peer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"elenchus/commitment/claim"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
	"elenchus/network/peer"
)

// direct hands requests to a handler without a network.
type direct struct{ h http.HandlerFunc }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	d.h(w, r)
	return w.Result(), nil
}

func client(h http.HandlerFunc) *peer.Client { return peer.New(&http.Client{Transport: direct{h}}) }

// says answers every path with a status and a body.
func says(status int, body string) *peer.Client {
	return client(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func text(t *testing.T) (*receipt.Receipt, string) {
	t.Helper()
	r := &receipt.Receipt{Prompt: []int32{1}, Output: []int32{2, 3}}
	s, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

// What the paths are and what comes back of them. SPEC 15 §2.
func TestPaths(t *testing.T) {
	want, s := text(t)
	var asked string
	c := client(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.String()
		switch {
		case strings.HasSuffix(r.URL.Path, "/states"):
			_, _ = w.Write(append(append(make([]byte, 32), 0xab), make([]byte, 31)...))
		case strings.Contains(r.URL.Path, "/steps/"):
			_, _ = io.WriteString(w, "bytes")
		case r.URL.Path == "/v1/node":
			_, _ = io.WriteString(w, `{"address":"0x01","chain_id":5,"arena":"0x02","models":[{"id":"ab","name":"n","vocab":3,"context":4}]}`)
		default:
			_, _ = fmt.Fprintf(w, `{"receipts":[%q],"next":9}`, s)
		}
	})
	ctx, id := t.Context(), claim.Hash{0xcd}
	hex := "cd" + strings.Repeat("00", 31)
	if i, err := c.Info(ctx, "http://n"); err != nil || i.ChainID != 5 || len(i.Models) != 1 || i.Models[0].Context != 4 || asked != "GET http://n/v1/node" {
		t.Errorf("info %+v, %v, %s", i, err, asked)
	}
	if rs, err := c.Batch(ctx, "http://n", id); err != nil || len(rs) != 1 || rs[0].Receipt.ID() != want.ID() || asked != "GET http://n/v1/batches/"+hex {
		t.Errorf("batch %v, %v, %s", rs, err, asked)
	}
	if rs, next, err := c.Claims(ctx, "http://n", 7); err != nil || len(rs) != 1 || next != 9 || asked != "GET http://n/v1/claims?after=7" {
		t.Errorf("claims %v, %d, %v, %s", rs, next, err, asked)
	}
	if h, err := c.States(ctx, "http://n", id, 2); err != nil || len(h) != 2 || h[1][0] != 0xab || asked != "GET http://n/v1/claims/"+hex+"/states" {
		t.Errorf("states %x, %v, %s", h, err, asked)
	}
	if b, err := c.Tensor(ctx, "http://n", id, 3, 4, 5, 5); err != nil || string(b) != "bytes" || asked != "GET http://n/v1/claims/"+hex+"/steps/3/4/5" {
		t.Errorf("tensor %q, %v, %s", b, err, asked)
	}
}

// Whatever is longer than asked for, malformed or no 200 is an error that can be matched. SPEC 15 §1.3.
func TestRepliesAreNotBelieved(t *testing.T) {
	ctx, id := t.Context(), claim.Hash{1}
	_, good := text(t)
	for name, body := range map[string]string{
		"no json": "x", "no object": "[]", "no receipt": `{"receipts":["AAAA"]}`, "padded": `{"receipts":["` + good + `="]}`, "cut": `{"receipts":["` + good[:len(good)-4] + `"]}`,
	} {
		if _, err := says(200, body).Batch(ctx, "http://n", id); !errors.Is(err, peer.ErrReply) {
			t.Errorf("batch, %s: %v", name, err)
		}
	}
	for n, body := range map[string]string{"short": strings.Repeat("x", 63), "long": strings.Repeat("x", 65), "none": ""} {
		if _, err := says(200, body).States(ctx, "http://n", id, 2); !errors.Is(err, peer.ErrReply) {
			t.Errorf("%s states: %v", n, err)
		}
	}
	if _, err := says(200, "123456").Tensor(ctx, "http://n", id, 0, 0, 0, 5); !errors.Is(err, peer.ErrReply) {
		t.Errorf("a long tensor: %v", err)
	}
	if _, err := says(200, "{").Info(ctx, "http://n"); !errors.Is(err, peer.ErrReply) {
		t.Errorf("info: %v", err)
	}
	for body, want := range map[string]string{`{"error":"no such claim"}`: "no such claim", "oops": "oops", strings.Repeat("y", 900): strings.Repeat("y", 200), "": ""} {
		var s *peer.StatusError
		if _, err := says(404, body).Batch(ctx, "http://n", id); !errors.As(err, &s) || s.Status != 404 || s.Text != want {
			t.Errorf("404 with %q: %v", body, err)
		}
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := says(200, "{}").Info(gone, "http://n"); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}

// A job is its canonical request with its ids; the answer is tokens, a receipt and the end. SPEC 15 §3.
func TestJob(t *testing.T) {
	defer goleak.VerifyNone(t)
	_, s := text(t)
	var got struct {
		Request      string
		Prompt, Stop []int32
	}
	c := client(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/jobs" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		_, _ = fmt.Fprintf(w, "{\"token\":0}\n{\"token\":7}\n{\"receipt\":%q}\n", s)
	})
	a, err := c.Job(t.Context(), "http://n", claim.Request{MaxNew: 2}, []int32{4, 5}, []int32{6}, decode.Sampler{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()                                                            //nolint:errcheck // a recorder
	if len(got.Prompt) != 2 || len(got.Stop) != 1 || len(got.Request) != 280 { // 210 bytes in base64
		t.Errorf("asked %+v", got)
	}
	for i, want := range []int32{0, 7} {
		if l, err := a.Next(); err != nil || l.Token == nil || *l.Token != want {
			t.Errorf("line %d: %+v, %v", i, l, err)
		}
	}
	if l, err := a.Next(); err != nil || l.Receipt != s {
		t.Errorf("receipt %+v, %v", l, err)
	}
	if _, err := a.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the receipt: %v", err)
	}
}

// Lines that are none, and failures that a node names.
func TestJobLines(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		err  error
		text string
	}{
		"no json":     {"x\n", peer.ErrReply, ""},
		"empty":       {"{}\n", peer.ErrReply, ""},
		"a failure":   {`{"error":"out of memory"}` + "\n", nil, "node: out of memory"},
		"an overflow": {`{"token":4294967296}` + "\n", peer.ErrReply, ""},
		"end":         {"", io.EOF, ""},
	} {
		a, err := says(200, c.body).Job(t.Context(), "http://n", claim.Request{}, nil, nil, decode.Sampler{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Next()
		if err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	var s *peer.StatusError
	if _, err := says(400, `{"error":"refused"}`).Job(t.Context(), "http://n", claim.Request{}, nil, nil, decode.Sampler{}); !errors.As(err, &s) || s.Text != "refused" {
		t.Errorf("a refusal: %v", err)
	}
}

// Odds are believed to be odds only as far as they can be some: at most as many as may be asked for, of ids of the
// vocabulary, none above 0.
func TestOddsOfLines(t *testing.T) {
	for body, want := range map[string]bool{
		`{"token":1}`: true, `{"token":1,"logprob":0,"top":[]}`: true, `{"token":1,"logprob":-5,"top":[[9,-1]]}`: true,
		`{"token":1,"logprob":1}`: false, `{"token":1,"logprob":-1,"top":[[10,-1]]}`: false, `{"token":1,"logprob":-1,"top":[[-1,-1]]}`: false,
		`{"token":1,"logprob":-1,"top":[[1,1]]}`: false, `{"token":1,"logprob":-1,"top":[` + strings.Repeat("[1,-1],", 20) + `[1,-1]]}`: false,
	} {
		a, err := says(200, body+"\n").Ask(t.Context(), "http://n", peer.Question{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := a.Next()
		if err != nil {
			t.Fatal(err)
		}
		o, err := l.Odds(10)
		if (err == nil) != want || err != nil && !errors.Is(err, peer.ErrReply) || (o != nil) != (want && strings.Contains(body, "logprob")) {
			t.Errorf("%s: %+v, %v", body, o, err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}
