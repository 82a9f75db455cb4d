package gateway

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// vectorBackend is a toyBackend that makes vectors: the length of the text, its first id and a third. The
// model "toy/vectors" is an encoder, the others are not and get no receipts.
type vectorBackend struct {
	*toyBackend
	fail map[string]error // of Embed, by the text's ids as bytes
}

const vectorWidth = 3

func (b vectorBackend) Models(ctx context.Context) ([]Model, error) {
	all, err := b.toyBackend.Models(ctx)
	return append(all, Model{ID: modelID("vectors"), Name: "toy/vectors", ContextLength: 8, Vocab: 256, Vectors: vectorWidth}), err
}

func (b vectorBackend) Embed(_ context.Context, j EmbedJob) (Vector, error) {
	var text strings.Builder
	for _, id := range j.Prompt {
		text.WriteByte(byte(id))
	}
	if err := b.fail[text.String()]; err != nil {
		return Vector{}, err
	}
	v := Vector{Values: []float32{float32(len(j.Prompt)), float32(j.Prompt[0]), -1.0 / 3}, Method: "mean"}
	if j.Model == modelID("vectors") {
		v.Receipt, v.Method = receipt, "encoder"
	}
	return v, nil
}

func newVectorGateway(t *testing.T, fail map[string]error) *Gateway {
	t.Helper()
	return newGateway(t, vectorBackend{&toyBackend{script: says("", FinishEOS)}, fail}, fixedOptions())
}

type embeddingAnswer struct {
	Object string `json:"object"`
	Data   []struct {
		Object    string          `json:"object"`
		Index     int             `json:"index"`
		Embedding json.RawMessage `json:"embedding"`
		Receipt   string          `json:"elenchus_receipt"`
	} `json:"data"`
	Model      string     `json:"model"`
	Usage      embedUsage `json:"usage"`
	Method     string     `json:"elenchus_method"`
	Verifiable bool       `json:"elenchus_verifiable"`
	Error      struct {
		Param   string `json:"param"`
		Message string `json:"message"`
	} `json:"error"`
}

func askVectors(t *testing.T, g *Gateway, body string) (int, embeddingAnswer) {
	t.Helper()
	w := ask(g, "POST", "/v1/embeddings", body)
	var a embeddingAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, a
}

// Every form of input gives one vector each, in order, as floats or as base64 of the same floats. SPEC 16 §12.
func TestEmbeddings(t *testing.T) {
	g := newVectorGateway(t, nil)
	for _, c := range []struct {
		input  string
		firsts []float32 // first ids
		tokens int
	}{
		{`"abc"`, []float32{'a'}, 3},
		{`["abc", "b"]`, []float32{'a', 'b'}, 4},
		{`[7, 8]`, []float32{7}, 2},
		{`[[7, 8], [9]]`, []float32{7, 9}, 3},
		{`["a","b","c","d","e","f","g","h","i"]`, []float32{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'}, 9},
	} {
		for _, format := range []string{"float", "base64"} {
			status, a := askVectors(t, g, fmt.Sprintf(`{"model": "toy/vectors", "input": %s, "encoding_format": %q, "dimensions": 3, "user": "u"}`, c.input, format))
			if status != http.StatusOK || a.Object != "list" || a.Model != "toy/vectors" || a.Usage != (embedUsage{c.tokens, c.tokens}) || !a.Verifiable || a.Method != "encoder" {
				t.Fatalf("%s: %d, %+v", c.input, status, a)
			}
			var firsts []float32
			for i, d := range a.Data {
				v := floatsOf(t, d.Embedding)
				if d.Index != i || d.Object != "embedding" || d.Receipt != receipt || len(v) != vectorWidth || v[2] != -1.0/3 {
					t.Errorf("%s: %+v", c.input, d)
				}
				firsts = append(firsts, v[1])
			}
			if !slices.Equal(firsts, c.firsts) {
				t.Errorf("%s as %s: vectors of %v, want %v", c.input, format, firsts, c.firsts)
			}
		}
	}
	status, a := askVectors(t, g, `{"model": "toy/bytes", "input": "abc"}`)
	if status != http.StatusOK || a.Verifiable || a.Method != "mean" || a.Data[0].Receipt != "" {
		t.Errorf("vector without a claim: %d, %+v", status, a)
	}
}

// floatsOf reads a list of numbers or their base64.
func floatsOf(t *testing.T, raw json.RawMessage) []float32 {
	t.Helper()
	var text string
	if json.Unmarshal(raw, &text) != nil {
		var v []float32
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	var v []float32
	for ; len(b) >= 4; b = b[4:] {
		v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return v
}

// What cannot be answered names the parameter, and an encoder answers no chats.
func TestEmbeddingsRefuse(t *testing.T) {
	g := newVectorGateway(t, map[string]error{"bad": fmt.Errorf("%w: no", ErrInvalid), "full": ErrBusy, "odd": errSecret})
	for _, c := range []struct {
		body, param string
		status      int
	}{
		{`{"input": "a"}`, "model", 400},
		{`{"model": "nobody", "input": "a"}`, "model", 404},
		{`{"model": "toy/vectors"}`, "input", 400},
		{`{"model": "toy/vectors", "input": []}`, "input", 400},
		{`{"model": "toy/vectors", "input": " "}`, "input", 400},
		{`{"model": "toy/vectors", "input": ["a", 1]}`, "input", 400},
		{`{"model": "toy/vectors", "input": [1, "a"]}`, "input", 400},
		{`{"model": "toy/vectors", "input": [[]]}`, "input", 400},
		{`{"model": "toy/vectors", "input": [[1], "a"]}`, "input", 400},
		{`{"model": "toy/vectors", "input": [1.5]}`, "input[0]", 400},
		{`{"model": "toy/vectors", "input": [-1]}`, "input[0]", 400},
		{`{"model": "toy/vectors", "input": [[256]]}`, "input", 400},
		{`{"model": "toy/vectors", "input": {"a": 1}}`, "input", 400},
		{`{"model": "toy/vectors", "input": "123456789"}`, "input", 400},
		{`{"model": "toy/vectors", "input": "a", "dimensions": 2}`, "dimensions", 400},
		{`{"model": "toy/vectors", "input": "a", "encoding_format": "int8"}`, "encoding_format", 400},
		{`{"model": "toy/vectors", "input": [` + strings.Repeat(`"a",`, maxInputs) + `"a"]}`, "input", 400},
		{`{"model": "toy/vectors", "input": ["a", "bad"]}`, "", 400},
		{`{"model": "toy/vectors", "input": ["a", "full"]}`, "", 429},
		{`{"model": "toy/vectors", "input": "odd"}`, "", 500},
	} {
		status, a := askVectors(t, g, c.body)
		if status != c.status || a.Error.Param != c.param || strings.Contains(a.Error.Message, "10.0.0.7") {
			t.Errorf("%.80s: %d, %+v, want %d about %q", c.body, status, a.Error, c.status, c.param)
		}
	}
	w := ask(g, "POST", "/v1/chat/completions", `{"model": "toy/vectors", "messages": [{"role": "user", "content": "hi"}]}`)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "/v1/embeddings") {
		t.Errorf("a chat with an encoder: %d %s", w.Code, w.Body)
	}
	plain := newGateway(t, &toyBackend{script: says("", FinishEOS)}, fixedOptions())
	if status, a := askVectors(t, plain, `{"model": "toy/bytes", "input": "a"}`); status != http.StatusBadRequest {
		t.Errorf("a backend without vectors: %d, %+v", status, a)
	}
}

// No body makes the reader panic, and what it takes is bounded and of one kind.
func FuzzEmbedRequest(f *testing.F) {
	for _, s := range []string{`{"model":"m","input":"a"}`, `{"model":"m","input":["a","b"],"encoding_format":"base64"}`, `{"model":"m","input":[1,2]}`, `{"model":"m","input":[[1],[2,3]],"dimensions":3}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, bad := decodeEmbed(body)
		if bad != nil {
			return
		}
		if len(r.texts) > 0 && len(r.ids) > 0 || len(r.texts)+len(r.ids) == 0 || len(r.texts)+len(r.ids) > maxInputs || r.model == "" {
			t.Fatalf("%q is read as %+v", body, r)
		}
	})
}
