package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Puller fetches a model of a hub by its name and stores it, where the nodes of this machine find it. report is called by
// one goroutine at a time. An error that matches ErrInvalid or ErrModelNotFound blames the name.
type Puller func(ctx context.Context, name string, report func(PullStep)) error

// PullStep is how far a pull is.
type PullStep struct {
	Status    string // for people: "pulling tiny.gguf"
	Digest    string // SHA-256 of the file that comes, hex; "" if none comes or it is unknown
	Done, All int64  // bytes, or parts of the work; All 0: unknown
}

// pullPause is how long lines about one thing are apart.
const pullPause = 100 * time.Millisecond

// pullLine is a line of POST /api/pull.
type pullLine struct {
	Status string `json:"status"`
	Digest string `json:"digest,omitempty"`
	All    int64  `json:"total,omitempty"`
	Done   int64  `json:"completed,omitempty"`
}

// ollamaPull answers POST /api/pull: a model that can be asked is there; another is fetched if the gateway may.
func (g *Gateway) ollamaPull(w http.ResponseWriter, r *http.Request) {
	if err := g.pull(w, r); err != nil {
		g.fail(w, abandoned(r.Context(), err))
	}
}

func (g *Gateway) pull(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	accept := func(_ *request, m member) *failure { _, f := readBool(m); return f }
	req, f := decodeRequest(body, map[string]reader{"model": readModel, "name": readModel, "stream": readUnstreamed, "insecure": accept})
	if f != nil {
		return f
	}
	do := func(func(PullStep)) error { return nil }
	if _, err := g.model(r.Context(), req.model); isMissing(err) {
		if do, err = g.fetching(w, r, req.model); err != nil {
			return err
		}
		defer g.pulls.Unlock()
	} else if err != nil {
		return err
	}
	if req.whole {
		if err := do(func(PullStep) {}); err != nil {
			return err
		}
		allow(http.NewResponseController(w), g.options.WriteTimeout)
		writeJSON(w, http.StatusOK, pullLine{Status: "success"})
		return nil
	}
	return g.pullLines(w, do)
}

// isMissing says whether an error is that of a model that nobody serves.
func isMissing(err error) bool {
	var f *failure
	return errors.Is(err, ErrModelNotFound) || errors.As(err, &f) && f.status == http.StatusNotFound
}

// fetching begins a pull for those who may pull; the caller unlocks pulls when it is over.
func (g *Gateway) fetching(w http.ResponseWriter, r *http.Request, name string) (func(func(PullStep)) error, error) {
	switch {
	case g.options.Pull == nil:
		return nil, failed(http.StatusForbidden, "invalid_request_error", "model", "pull_off",
			fmt.Sprintf("no node here serves %q, and this gateway fetches no models: start it with --allow-pull", clip(name, 100)))
	case owner(w) == "" && g.options.Cashier != nil:
		return nil, failed(http.StatusForbidden, "invalid_request_error", "model", "pull_off", "only who has a key of this gateway may have models fetched")
	case !g.pulls.TryLock():
		return nil, fmt.Errorf("%w: another model is being fetched", ErrBusy)
	}
	return func(report func(PullStep)) error { return g.options.Pull(r.Context(), name, report) }, nil
}

// pullLines streams how a pull goes.
func (g *Gateway) pullLines(w http.ResponseWriter, do func(func(PullStep)) error) error {
	e := &events{w: w, control: http.NewResponseController(w), patient: g.options.WriteTimeout}
	send := func(line pullLine) error { return e.line(marshal(line)) }
	if err := send(pullLine{Status: "pulling manifest"}); err != nil {
		return gone(err)
	}
	var last PullStep
	var at time.Time
	err := do(func(s PullStep) {
		if now := time.Now(); s.Status != last.Status || s.Done == s.All || now.Sub(at) >= pullPause {
			last, at = s, now
			_ = send(pullLine{s.Status, digestText(s.Digest), s.All, s.Done}) // who does not read ends the context
		}
	})
	if err != nil {
		f := failureOf(err)
		note(w, slog.String("error", err.Error()))
		return gone(e.line(marshal(f.enveloped(w))))
	}
	return gone(send(pullLine{Status: "success"}))
}

// digestText is a digest as Ollama writes it.
func digestText(hex string) string {
	if hex == "" {
		return ""
	}
	return "sha256:" + hex
}
