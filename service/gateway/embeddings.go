package gateway

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Bounds of a request for vectors.
const (
	maxInputs     = 2048 // texts, as many as OpenAI takes
	vectorsAtOnce = 4    // asked of the nodes at the same time
)

// Embedder is a Backend that makes vectors. A Backend that is none serves no embeddings.
type Embedder interface {
	// Embed makes the vector of a text. Ids are below Model.Vocab and at most Model.ContextLength. An error that
	// matches ErrInvalid blames the request.
	Embed(ctx context.Context, job EmbedJob) (Vector, error)
}

// EmbedJob is one text to make a vector of.
type EmbedJob struct {
	RequestID string // the X-Request-Id of the HTTP request, for logs
	Model     string // Model.ID
	Prompt    []int32
}

// Vector is the vector of a text.
type Vector struct {
	Values    []float32
	Method    string // how it was made, for people
	Receipt   string // canonical base64url text; empty if nobody claims it: Unverified then
	ReceiptID string // that names the receipt; see Stream
}

// embedRequest is a decoded body of POST /v1/embeddings.
type embedRequest struct {
	model      string
	texts      []string
	ids        [][]int32 // instead of texts
	base64     bool
	dimensions int // 0: not given
	ignored    []string
}

// embeddings answers POST /v1/embeddings.
func (g *Gateway) embeddings(w http.ResponseWriter, r *http.Request) {
	if g.answers.Add(1) > int64(g.options.MaxAnswers) {
		g.answers.Add(-1)
		g.fail(w, ErrBusy)
		return
	}
	defer g.answers.Add(-1)
	answer, err := g.embed(w, r)
	if err != nil {
		g.fail(w, abandoned(r.Context(), err))
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// embed reads the request and has every vector made.
func (g *Gateway) embed(w http.ResponseWriter, r *http.Request) (*embeddingList, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	req, f := decodeEmbed(body)
	if f != nil {
		return nil, f
	}
	if len(req.ignored) > 0 {
		w.Header().Set("X-Elenchus-Ignored", ignoredHeader(req.ignored))
	}
	m, err := g.model(r.Context(), req.model)
	if err != nil {
		return nil, err
	}
	jobs, used, err := g.embedJobs(r.Context(), req, m)
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		jobs[i].RequestID = w.Header().Get("X-Request-Id")
	}
	note(w, slog.String("model_id", m.ID), slog.Int("prompt_tokens", used), slog.Int("inputs", len(jobs)))
	e, ok := g.backend.(Embedder)
	if !ok {
		return nil, fmt.Errorf("%w: this gateway's nodes make no vectors", ErrInvalid)
	}
	charge, ctx, cancel, err := g.charge(r.Context(), g.purse(w, r), len(jobs))
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer charge.close()
	vectors, err := embedAll(ctx, e, jobs)
	if err != nil {
		return nil, abandoned(ctx, err)
	}
	list, err := listVectors(m, req, vectors, used)
	if err != nil {
		return nil, err
	}
	if err := charge.collect(ctx, w); err != nil {
		return nil, err
	}
	g.keepVectors(w, vectors)
	return list, nil
}

// embedJobs are the jobs of a request, each checked against the model, and the tokens in all.
func (g *Gateway) embedJobs(ctx context.Context, req *embedRequest, m Model) ([]EmbedJob, int, error) {
	ids := req.ids
	if ids == nil {
		codec, err := g.backend.Codec(ctx, m.ID)
		if err != nil {
			return nil, 0, err
		}
		for _, text := range req.texts {
			list, err := codec.EncodeText(text)
			if err != nil {
				return nil, 0, err
			}
			ids = append(ids, list)
		}
	}
	jobs, used := make([]EmbedJob, len(ids)), 0
	for i, list := range ids {
		if len(list) > m.ContextLength {
			return nil, 0, badParam("input", fmt.Sprintf("input %d has %d tokens, this model takes at most %d: cut it into pieces", i, len(list), m.ContextLength))
		}
		for _, id := range list {
			if id < 0 || int(id) >= m.Vocab {
				return nil, 0, badParam("input", fmt.Sprintf("input %d has the token id %d, this model's are below %d", i, id, m.Vocab))
			}
		}
		jobs[i], used = EmbedJob{Model: m.ID, Prompt: list}, used+len(list)
	}
	return jobs, used, nil
}

// embedAll has vectors made, some at a time. The error is that of the first job that fails.
func embedAll(ctx context.Context, e Embedder, jobs []EmbedJob) ([]Vector, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, errs, next := make([]Vector, len(jobs)), make([]error, len(jobs)), make(chan int)
	var all sync.WaitGroup
	for range min(vectorsAtOnce, len(jobs)) {
		all.Go(func() {
			for i := range next {
				if out[i], errs[i] = e.Embed(ctx, jobs[i]); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	all.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
	}
	return out, errors.Join(errs...)
}

// embedding is one vector as the dialect has it, with its receipt.
type embedding struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // []float32, or base64 of them, little-endian
	Receipt   string `json:"elenchus_receipt,omitempty"`
	ReceiptID string `json:"elenchus_receipt_id,omitempty"`
}

// embeddingList is the answer.
type embeddingList struct {
	Object      string      `json:"object"`
	Data        []embedding `json:"data"`
	Model       string      `json:"model"`
	Usage       embedUsage  `json:"usage"`
	Fingerprint string      `json:"system_fingerprint"`
	Method      string      `json:"elenchus_method"`
	Verifiable  bool        `json:"elenchus_verifiable"` // every vector has a receipt
}

type embedUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// listVectors encodes vectors. A number that is none would be no JSON: it is an error of the backend.
func listVectors(m Model, req *embedRequest, vectors []Vector, used int) (*embeddingList, error) {
	out := &embeddingList{
		Object: "list", Model: publicName(m), Usage: embedUsage{used, used}, Fingerprint: m.ID,
		Method: vectors[0].Method, Verifiable: true, Data: make([]embedding, len(vectors)),
	}
	for i, v := range vectors {
		if req.dimensions != 0 && req.dimensions != len(v.Values) {
			return nil, unsupported("dimensions", strconv.Itoa(len(v.Values)))
		}
		raw := make([]byte, 0, 4*len(v.Values))
		for _, x := range v.Values {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return nil, fmt.Errorf("vector %d of model %s has an element that is no number", i, m.ID)
			}
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
		}
		out.Data[i] = embedding{Object: "embedding", Index: i, Embedding: v.Values, Receipt: v.Receipt, ReceiptID: v.ReceiptID}
		if req.base64 {
			out.Data[i].Embedding = base64.StdEncoding.EncodeToString(raw)
		}
		out.Verifiable = out.Verifiable && v.Receipt != ""
	}
	return out, nil
}

// decodeEmbed reads a body.
func decodeEmbed(body []byte) (*embedRequest, *failure) {
	if f := checkText(body); f != nil {
		return nil, f
	}
	all, f := members(body, "the body")
	if f != nil {
		return nil, f
	}
	r := &embedRequest{}
	for _, m := range all {
		if m.null() {
			continue
		}
		if f := r.read(m); f != nil {
			return nil, f
		}
	}
	switch {
	case r.model == "":
		return nil, badParam("model", "model must name a model: GET /v1/models lists them")
	case len(r.texts)+len(r.ids) == 0:
		return nil, badParam("input", "input must be a text, token ids, or a list of at least one of them")
	}
	return r, nil
}

// read reads one field.
func (r *embedRequest) read(m member) (f *failure) {
	switch m.name {
	case "model":
		r.model, f = readString(m, maxNameText)
	case "input":
		f = r.input(m)
	case "user":
		_, f = readString(m, maxUserText)
	case "dimensions":
		var n int64
		n, f = readInt(m, 1, 1<<20)
		r.dimensions = int(n)
	case "encoding_format":
		var s string
		if s, f = readString(m, maxNameText); f == nil && s != "float" && s != "base64" {
			f = badParam(m.name, "encoding_format must be float or base64")
		}
		r.base64 = s == "base64"
	default:
		r.ignored = append(r.ignored, m.name)
	}
	return f
}

// input reads a text, a list of texts, a list of ids or a list of lists of ids.
func (r *embedRequest) input(m member) *failure {
	if kind(m.value) == '"' {
		return r.text(0, m.value)
	}
	var one []int32
	f := each(m, func(i int, v json.RawMessage) *failure {
		if i == maxInputs && kind(v) != '-' && (kind(v) < '0' || kind(v) > '9') {
			return badParam("input", fmt.Sprintf("input has more than %d elements: send them in several requests", maxInputs))
		}
		switch first := kind(v); {
		case first == '"' && one == nil && r.ids == nil:
			return r.text(i, v)
		case first == '[' && one == nil && r.texts == nil:
			var ids []int32
			if json.Unmarshal(v, &ids) != nil || len(ids) == 0 {
				return badParam("input", fmt.Sprintf("input[%d] must be a list of token ids, and not empty", i))
			}
			r.ids = append(r.ids, ids)
			return nil
		case (first == '-' || first >= '0' && first <= '9') && r.texts == nil && r.ids == nil:
			id, f := readInt(member{name: fmt.Sprintf("input[%d]", i), value: v}, 0, math.MaxInt32)
			one = append(one, int32(id))
			return f
		}
		return badParam("input", fmt.Sprintf("input[%d] must be a text, a token id or a list of token ids, like the elements before it", i))
	})
	if f == nil && one != nil {
		r.ids = [][]int32{one}
	}
	return f
}

// text reads one text.
func (r *embedRequest) text(i int, v json.RawMessage) *failure {
	s, f := readString(member{name: fmt.Sprintf("input[%d]", i), value: v}, maxBody)
	if f != nil {
		return f
	}
	if strings.TrimSpace(s) == "" {
		return badParam("input", fmt.Sprintf("input[%d] has no text", i))
	}
	r.texts = append(r.texts, s)
	return nil
}
