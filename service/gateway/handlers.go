package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"elenchus/compute/template"
)

// statusClientGone is for a client that left before its answer began; only a client that half closed can read it.
const statusClientGone = 499

// health says that the process lives and whether its backend can list models.
func (g *Gateway) health(w http.ResponseWriter, r *http.Request) {
	models, err := g.backend.Models(r.Context())
	if err != nil {
		g.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
		Models int    `json:"models"`
	}{"ok", len(models)})
}

func (g *Gateway) listModels(w http.ResponseWriter, r *http.Request) {
	models, err := g.backend.Models(r.Context())
	if err != nil {
		g.fail(w, err)
		return
	}
	entries := make([]modelEntry, len(models))
	for i, m := range models {
		entries[i] = entryOf(m)
	}
	writeJSON(w, http.StatusOK, struct {
		Object string       `json:"object"`
		Data   []modelEntry `json:"data"`
	}{"list", entries})
}

func (g *Gateway) showModel(w http.ResponseWriter, r *http.Request) {
	m, err := g.model(r.Context(), r.PathValue("model"))
	if err != nil {
		g.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, entryOf(m))
}

// model finds a model by its name or id. Clients of Ollama may add the tag ":latest".
func (g *Gateway) model(ctx context.Context, name string) (Model, error) {
	models, err := g.backend.Models(ctx)
	if err != nil {
		return Model{}, err
	}
	for _, m := range models {
		if m.ID == name || publicName(m) == name {
			return m, nil
		}
	}
	if short, ok := strings.CutSuffix(name, ":latest"); ok {
		return g.model(ctx, short)
	}
	return Model{}, noModel(name)
}

// complete answers an endpoint of prompts: decode, start the job, send the answer.
func (g *Gateway) complete(d *dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if g.answers.Add(1) > int64(g.options.MaxAnswers) {
			g.answers.Add(-1)
			g.fail(w, ErrBusy)
			return
		}
		defer g.answers.Add(-1)
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		req, err := g.decode(w, r, d)
		if err == nil {
			err = g.answer(ctx, w, d, req)
		}
		if err != nil {
			g.fail(w, abandoned(ctx, err))
		}
	}
}

// answer starts the job and sends what it makes.
func (g *Gateway) answer(ctx context.Context, w http.ResponseWriter, d *dialect, req *request) error {
	run, err := g.start(ctx, w, d, req)
	switch {
	case err != nil:
		return err
	case req.stream:
		return g.stream(ctx, w, run)
	default:
		return g.whole(ctx, w, run)
	}
}

// readBody reads the body within its bounds of size and time.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		// Only now: until the body is in, net/http itself may wait for the rest of it.
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	} else {
		w.Header().Set("Connection", "close")
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, failed(http.StatusRequestEntityTooLarge, "invalid_request_error", "", "body_too_large", "the body is larger than 4 MiB")
	case err != nil:
		return nil, failed(http.StatusRequestTimeout, "invalid_request_error", "", "body_unread", "the body did not arrive in full")
	}
	return body, nil
}

// decode reads a request of one dialect.
func (g *Gateway) decode(w http.ResponseWriter, r *http.Request, d *dialect) (*request, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	req, f := decodeRequest(body, d.fields)
	if f != nil {
		return nil, f
	}
	if !req.hasPrompt {
		return nil, badParam(d.missing, d.missing+" is missing")
	}
	req.owner = owner(w)
	if d.check != nil {
		if f := d.check(req); f != nil {
			return nil, f
		}
	}
	if len(req.ignored) > 0 {
		w.Header().Set("X-Elenchus-Ignored", ignoredHeader(req.ignored))
	}
	return req, nil
}

// ignoredHeader lists names; those with characters that a header cannot hold become "?".
func ignoredHeader(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		odd := strings.ContainsFunc(name, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_.-", c))
		})
		if out[i] = name; odd || len(name) > 64 {
			out[i] = "?"
		}
	}
	return strings.Join(out, ", ")
}

// run is an answer in the making.
type run struct {
	*head
	dialect *dialect
	job     Job
	stream  Stream
	decoder Decoder
	syntax  *template.Syntax // of calls; nil: no tools were shown
}

// start finds the model, encodes the prompt and submits the job.
func (g *Gateway) start(ctx context.Context, w http.ResponseWriter, d *dialect, req *request) (*run, error) {
	m, err := g.model(ctx, req.model)
	if err != nil {
		return nil, err
	}
	codec, err := g.backend.Codec(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	if !req.hasSeed && req.temperatureQ16 > 0 {
		var p [8]byte
		g.options.Entropy(p[:])
		req.seed = binary.BigEndian.Uint64(p[:])
	}
	job, err := newJob(req, d, codec, m)
	if err != nil {
		return nil, err
	}
	job.RequestID = w.Header().Get("X-Request-Id")
	note(w, slog.String("model_id", m.ID), slog.Int("prompt_tokens", len(job.Prompt)))
	s, err := g.backend.Submit(ctx, job)
	if err != nil {
		return nil, err
	}
	if id := s.ReceiptID(); id != "" {
		w.Header().Set("X-Elenchus-Receipt-Id", id)
	}
	var syntax *template.Syntax
	if len(req.shown()) > 0 {
		syntax = codec.Syntax()
	}
	h := &head{
		request: req, model: m, hex: g.randomHex(12), began: g.options.Now(), prompt: len(job.Prompt),
		now: g.options.Now, fresh: func(prefix string) string { return prefix + g.randomHex(12) },
	}
	return &run{head: h, dialect: d, job: job, stream: s, decoder: codec.NewDecoder(job.Prompt), syntax: syntax}, nil
}

// whole sends the answer in one piece.
func (g *Gateway) whole(ctx context.Context, w http.ResponseWriter, run *run) error {
	var text collector
	end, err := pump(ctx, run.stream, run.decoder, run.job, &text, g.options.KeepAlive)
	if err != nil {
		return err
	}
	content, calls := run.syntax.Parse(text.String())
	end.because(len(calls))
	run.count(w, end)
	g.keepReceipt(run, end)
	answer := run.dialect.whole(run.head, said{end, content, calls})
	if end.receipt != "" && len(end.receipt) <= maxReceiptHeader {
		w.Header().Set("X-Elenchus-Receipt", end.receipt)
	}
	allow(http.NewResponseController(w), g.options.WriteTimeout)
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// stream sends the answer piece by piece.
func (g *Gateway) stream(ctx context.Context, w http.ResponseWriter, run *run) error {
	e := &events{w: w, control: http.NewResponseController(w), patient: g.options.WriteTimeout}
	out := run.dialect.stream(run.head, e)
	end, err := g.pour(ctx, run, out)
	run.count(w, end)
	if err == nil {
		g.keepReceipt(run, end)
		return out.close(end)
	}
	if !e.started || errors.Is(err, errClientGone) {
		return err
	}
	f := failureOf(err)
	note(w, slog.String("error", f.cause.Error()))
	_ = out.fail(f) // the connection ends here either way
	return nil
}

// pour moves the answer into a stream, calls of tools apart from text.
func (g *Gateway) pour(ctx context.Context, run *run, out writer) (ending, error) {
	if run.syntax == nil {
		return pump(ctx, run.stream, run.decoder, run.job, out, g.options.KeepAlive)
	}
	s := &splitter{outlet: out, syntax: run.syntax}
	end, err := pump(ctx, run.stream, run.decoder, run.job, s, g.options.KeepAlive)
	if err != nil {
		return end, err
	}
	calls, err := s.end()
	if err == nil && len(calls) > 0 {
		err = out.called(calls)
	}
	end.because(len(calls))
	return end, err
}

// count notes the usage in the log.
func (run *run) count(w http.ResponseWriter, end ending) {
	note(w, slog.Int("completion_tokens", end.tokens), slog.String("finish_reason", end.reason))
}

// fail answers with an error, unless an answer has begun: then the connection is already lost.
func (g *Gateway) fail(w http.ResponseWriter, err error) {
	f := failureOf(err)
	if f.cause != nil {
		note(w, slog.String("error", f.cause.Error()))
	}
	if rec, ok := w.(*record); ok && rec.status != 0 {
		return
	}
	w.Header().Del("X-Elenchus-Receipt-Id") // there will be none
	f.write(w)
}

// note adds to the request's line in the log.
func note(w http.ResponseWriter, attrs ...slog.Attr) {
	if rec, ok := w.(*record); ok {
		rec.note(attrs...)
	}
}

// owner says whose a request is: what is kept of its answer is theirs alone.
func owner(w http.ResponseWriter) string {
	if rec, ok := w.(*record); ok {
		return rec.owner
	}
	return ""
}
