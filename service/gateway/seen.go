package gateway

import (
	"cmp"
	"net/http"
	"time"
)

// Seen is what one request was, when it is over. Nothing of it comes from what a client wrote.
type Seen struct {
	Route  string // method and path of the table, "/" for any other path
	Status int
	Took   time.Duration
	Model  string // name of the model; empty without a job
	Prompt int    // tokens
	Answer int    // tokens
}

// observe hands a request to Options.Observe.
func (g *Gateway) observe(rec *record, pattern string, took time.Duration) {
	if g.options.Observe == nil {
		return
	}
	s := rec.seen
	s.Route, s.Status, s.Took = cmp.Or(pattern, "/"), rec.status, took
	g.options.Observe(s)
}

// saw adds the tokens of a job to what is seen of its request.
func saw(w http.ResponseWriter, s Seen) {
	if rec, ok := w.(*record); ok {
		rec.seen.Model = s.Model
		rec.seen.Prompt += s.Prompt
		rec.seen.Answer += s.Answer
	}
}

// Running is the number of answers in the making.
func (g *Gateway) Running() int { return int(g.answers.Load()) }

// ready says whether questions can be answered now; unlike liveness it asks the nodes.
func (g *Gateway) ready(w http.ResponseWriter, r *http.Request) {
	if g.options.Ready != nil {
		if err := g.options.Ready(r.Context()); err != nil {
			g.fail(w, err)
			return
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ready"})
}
