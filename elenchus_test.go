package elenchus_test

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

	"github.com/ethereum/go-ethereum/crypto"

	"elenchus"
	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/receipt"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/importer/gguf"
	"elenchus/importer/gguf/ggufwrite"
)

func drawn(t *testing.T, seed uint64) *manifest.Manifest {
	t.Helper()
	man, err := importer.Bytes(ggufwrite.TinyLlama(ggufwrite.Llama{
		Dim: 32, Hidden: 64, Layers: 1, Heads: 2, KVHeads: 1, Type: gguf.F32, Seed: seed, Tied: true,
	}), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// answer plays node and gateway: it computes the answer to a prompt and signs it.
func answer(t *testing.T, man *manifest.Manifest, prompt string) (text, rec string) {
	t.Helper()
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	job := decode.Job{Prompt: template.Prompt(tok, prompt), StopIDs: man.Model.EndIDs, MaxNew: 8, Temperature: 45875, Seed: 3}
	a, finish, err := (&engine.Computer{Manifest: man}).Generate(context.Background(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := crypto.ToECDSA(append(make([]byte, 31), 5))
	if err != nil {
		t.Fatal(err)
	}
	r := &receipt.Receipt{
		Domain: claim.Domain{ChainID: 1}, Prompt: job.Prompt, Stop: job.StopIDs, Output: a.Outputs,
		Request: claim.Request{
			Model: merkle.Hash(man.ID()), PromptRoot: trace.IDTree(job.Prompt).Root(), PromptCount: uint32(len(job.Prompt)),
			MaxNew: 8, Temperature: 45875, Seed: 3, StopRoot: trace.IDTree(job.StopIDs).Root(), StopCount: uint8(len(job.StopIDs)),
		},
		Claim: claim.Claim{
			Version: 1, Node: claim.AddressOf(key), Count: uint32(len(a.Outputs)), Finish: finish, StateRoot: a.StateTree().Root(),
			OutputRoot: trace.IDTree(a.Outputs).Root(), Issued: 100, BatchBy: 200, ChallengeUntil: 1000,
		},
	}
	r.Claim.RequestDigest = r.Request.Digest(r.Domain)
	if r.Signature, err = claim.Sign(r.Claim.Digest(r.Domain), key); err != nil {
		t.Fatal(err)
	}
	if rec, err = r.Text(); err != nil {
		t.Fatal(err)
	}
	text, err = receipt.AnswerText(tok, r.Job(), r.Output)
	if err != nil {
		t.Fatal(err)
	}
	return text, rec
}

// gateway answers every chat with the model, whole or as a stream, in the dialect's shapes.
func gateway(t *testing.T, man *manifest.Manifest) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Messages []elenchus.Message
			Stream   bool
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Header.Get("Authorization") != "Bearer k" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"message":"wrong key"}}`)
			return
		}
		text, rec := answer(t, man, q.Messages[0].Content)
		quoted, _ := json.Marshal(text)
		if !q.Stream {
			fmt.Fprintf(w, `{"choices":[{"message":{"role":"assistant","content":%s}}],"elenchus_receipt":"%s"}`, quoted, rec)
			return
		}
		fmt.Fprint(w, ": waiting\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n")
		fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%s}}]}\n\n", quoted)
		fmt.Fprintf(w, "data: {\"choices\":[],\"elenchus_receipt\":\"%s\"}\n\n", rec)
		if q.Messages[0].Content != "break" {
			fmt.Fprint(w, "data: [DONE]\n\n")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func ask(prompt string) elenchus.ChatRequest {
	seed := uint64(3)
	return elenchus.ChatRequest{
		Model: "m", Messages: []elenchus.Message{{Role: "user", Content: prompt}}, MaxTokens: 8, Temperature: "0.7", Seed: &seed,
	}
}

// TestAnswersOfTheClientVerify asks whole and streamed and checks both against everything at hand.
func TestAnswersOfTheClientVerify(t *testing.T) {
	man := drawn(t, 1)
	c := &elenchus.Client{BaseURL: gateway(t, man).URL, Key: "k"}
	pieces := ""
	whole, err := c.Chat(t.Context(), ask("abc"))
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := c.Stream(t.Context(), ask("abc"), func(s string) error { pieces += s; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if pieces != streamed.Text || streamed.Text != whole.Text || whole.Receipt != streamed.Receipt {
		t.Errorf("pieces %q, streamed %q, whole %q", pieces, streamed.Text, whole.Text)
	}
	for _, a := range []*elenchus.Answer{whole, streamed} {
		rep, err := elenchus.Verify(t.Context(), a.Receipt, elenchus.Options{
			Model: elenchus.NewModel(man), Request: a.Request, Response: a.Response, ExpectOutput: &whole.Text,
		})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Outcome() != elenchus.Holds || rep.Checks[5].Outcome != elenchus.Holds || rep.Checks[6].Outcome != elenchus.Unasked {
			t.Errorf("%v %+v", rep.Outcome(), rep.Checks)
		}
		if found, err := elenchus.FindReceipt(a.Response); err != nil || found != a.Receipt {
			t.Errorf("receipt in the response: %v", err)
		}
	}
}

// TestVerifySeesLies: another prompt, another answer, another model, and a chain that is down.
func TestVerifySeesLies(t *testing.T) {
	man := drawn(t, 1)
	text, rec := answer(t, man, "abc")
	other := "no"
	for name, c := range map[string]struct {
		o    elenchus.Options
		want elenchus.Outcome
	}{
		"honest":        {elenchus.Options{Model: elenchus.NewModel(man), ExpectOutput: &text}, elenchus.Holds},
		"prompt":        {elenchus.Options{Model: elenchus.NewModel(man), Request: []byte(`{"prompt":"abd","max_tokens":8,"temperature":0.7}`)}, elenchus.False},
		"temperature":   {elenchus.Options{Model: elenchus.NewModel(man), Request: []byte(`{"prompt":"abc","max_tokens":8}`)}, elenchus.False},
		"same request":  {elenchus.Options{Model: elenchus.NewModel(man), Request: []byte(`{"prompt":["abc"],"max_tokens":8,"temperature":7e-1}`)}, elenchus.Holds},
		"answer":        {elenchus.Options{Model: elenchus.NewModel(man), ExpectOutput: &other}, elenchus.False},
		"model":         {elenchus.Options{Model: elenchus.NewModel(drawn(t, 2))}, elenchus.False},
		"unknown model": {elenchus.Options{NoModel: "not here"}, elenchus.Cannot},
		"chain down": {elenchus.Options{Chain: func(context.Context, *receipt.Receipt) (*receipt.Chain, error) {
			return nil, errors.New("down")
		}}, elenchus.Cannot},
	} {
		rep, err := elenchus.Verify(t.Context(), "\n"+rec+"\n", c.o)
		if err != nil {
			t.Fatal(err)
		}
		if rep.Outcome() != c.want && !(name == "model" && rep.Outcome() == elenchus.False) {
			t.Errorf("%s: %v, want %v\n%+v", name, rep.Outcome(), c.want, rep.Checks)
		}
	}
}

// TestVerifyEndsWithItsContext rather than with a report.
func TestVerifyEndsWithItsContext(t *testing.T) {
	man := drawn(t, 1)
	_, rec := answer(t, man, "abc")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := elenchus.Verify(ctx, rec, elenchus.Options{Model: elenchus.NewModel(man)}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestClientReportsErrors: the gateway's words, and a stream that breaks off.
func TestClientReportsErrors(t *testing.T) {
	s := gateway(t, drawn(t, 1))
	if _, err := (&elenchus.Client{BaseURL: s.URL}).Chat(t.Context(), ask("abc")); err == nil || !strings.Contains(err.Error(), "wrong key") {
		t.Errorf("%v", err)
	}
	c := &elenchus.Client{BaseURL: s.URL + "/", Key: "k", HTTP: s.Client()}
	if _, err := c.Stream(t.Context(), ask("break"), func(string) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	stop := errors.New("enough")
	if _, err := c.Stream(t.Context(), ask("abc"), func(string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

// TestTemperatureIsExact: decimal text to Q16, half up, nothing but decimal numbers from 0 to 2.
func TestTemperatureIsExact(t *testing.T) {
	for text, want := range map[string]uint32{
		"0": 0, "1": 65536, "2": 131072, "0.7": 45875, "7e-1": 45875, "0.00000762939453125": 1, "0.0000076293945312": 0,
		"-0": 0, "0.69999694824218746": 45875, "1.99999999999": 131072, "20E-1": 131072,
	} {
		if got, err := elenchus.ParseTemperature(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "2.1", "-1", "NaN", "0x1", "1/2", "1e999999999", "01", " 1", "+1", "[1]", "true", strings.Repeat("0", 65), ".5", "1_0"} {
		if got, err := elenchus.ParseTemperature(text); !errors.Is(err, elenchus.ErrInput) {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

// TestBadInputIsNamed: requests and responses that nobody sends.
func TestBadInputIsNamed(t *testing.T) {
	_, rec := answer(t, drawn(t, 1), "abc")
	for _, q := range []string{
		"", "[]", "{}", `{"prompt":"a","messages":[]}`, `{"prompt":7}`, `{"prompt":[]}`, `{"prompt":"a","max_tokens":0}`,
		`{"prompt":"a","max_tokens":5,"max_completion_tokens":6}`, `{"prompt":"a","temperature":"1"}`, `{"prompt":"a","seed":1.5}`,
		`{"messages":[{"role":"user","content":[{"type":"image"}]}]}`, `{"messages":[{"role":"user"}]}`,
	} {
		if _, err := elenchus.Verify(t.Context(), rec, elenchus.Options{Request: []byte(q)}); !errors.Is(err, elenchus.ErrInput) {
			t.Errorf("request %s: %v", q, err)
		}
	}
	for _, a := range []string{"", "hello", `{"choices":7}`} {
		if _, err := elenchus.Verify(t.Context(), rec, elenchus.Options{Response: []byte(a)}); !errors.Is(err, elenchus.ErrInput) {
			t.Errorf("response %s: %v", a, err)
		}
	}
	if _, err := elenchus.Verify(t.Context(), "nonsense", elenchus.Options{}); !errors.Is(err, receipt.ErrReceipt) {
		t.Errorf("%v", err)
	}
	if _, err := elenchus.FindReceipt([]byte(`{"choices":[]}`)); !errors.Is(err, elenchus.ErrInput) {
		t.Errorf("%v", err)
	}
}
