package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"elenchus/compute/template"
)

// levelHeader asks for a level of verification, as the field verification does, and goes before it.
const levelHeader = "X-Elenchus-Verification"

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
		entries[i] = g.entryOf(m)
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
	writeJSON(w, http.StatusOK, g.entryOf(m))
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
		err := g.spend(w, r)
		var req *request
		if err == nil {
			req, err = g.decode(w, r, d)
		}
		if err == nil {
			err = g.answer(ctx, w, d, req)
		}
		if err != nil {
			g.fail(w, abandoned(ctx, err))
		}
	}
}

// spend takes a request off what its key may use, and says in headers what is left.
func (g *Gateway) spend(w http.ResponseWriter, r *http.Request) error {
	a := g.limits[owner(w)]
	if a == nil {
		return nil
	}
	now := g.options.Now()
	f := a.request(now)
	a.show(w.Header(), r.URL.Path, now)
	if f != nil {
		return f
	}
	return nil
}

// answer starts the jobs and sends what they make. The tokens that they may need at most are reserved before they start.
func (g *Gateway) answer(ctx context.Context, w http.ResponseWriter, d *dialect, req *request) error {
	if done, err := g.load(ctx, w, d, req); done || err != nil {
		return err
	}
	run, err := g.start(ctx, w, d, req)
	if err != nil {
		return err
	}
	if a := g.limits[req.owner]; a != nil {
		reserved, f := a.reserve(run.most(), g.options.Now())
		if f != nil {
			return f
		}
		defer func() { a.settle(reserved, run.used()) }()
	}
	ctx, done, err := g.bill(ctx, run)
	if err != nil {
		return err
	}
	defer done()
	switch {
	case req.stream:
		return g.stream(ctx, w, run)
	default:
		return g.whole(ctx, w, run)
	}
}

// load answers a request that asks nothing, and says whether it did.
func (g *Gateway) load(ctx context.Context, w http.ResponseWriter, d *dialect, req *request) (bool, error) {
	if d.load == nil {
		return false, nil
	}
	m, err := g.model(ctx, req.model)
	if err != nil {
		return false, err
	}
	loaded := d.load(&head{request: req, model: m, now: g.options.Now})
	if loaded != nil {
		writeJSON(w, http.StatusOK, loaded)
	}
	return loaded != nil, nil
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
	if !req.hasPrompt && d.load == nil {
		return nil, badParam(d.missing, d.missing+" is missing")
	}
	req.owner, req.purse = owner(w), g.purse(w, r)
	if req.date == (template.Date{}) {
		req.date = template.FromUnix(uint64(max(0, g.options.Now().Unix())))
	}
	if level := r.Header.Get(levelHeader); level != "" {
		if f := setLevel(req, member{levelHeader, marshal(level)}); f != nil {
			return nil, f
		}
	}
	if d.check != nil {
		if f := d.check(req); f != nil {
			return nil, f
		}
	}
	if f := g.tellIgnored(w, req); f != nil {
		return nil, f
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
	w.Header().Del("Link")
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
