package gateway

import (
	"net/http"
	"sync"
	"time"
)

// events writes server-sent events, or lines of JSON. The status line goes out with the first write, so that a job that fails before
// its first token still gets a proper error status.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
	patient time.Duration // how long one write may take

	mu      sync.Mutex // guards what follows, and what is written: several answers may share a stream
	started bool
	lines   bool // of JSON
}

// begun says whether anything was sent.
func (e *events) begun() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.started
}

// data sends one unnamed event and flushes it.
func (e *events) data(payload []byte) error {
	return e.send("data: ", payload, "\n\n")
}

// event sends one named event and flushes it.
func (e *events) event(name string, payload []byte) error {
	return e.send("event: "+name+"\ndata: ", payload, "\n\n")
}

// line sends one line of JSON and flushes it.
func (e *events) line(payload []byte) error {
	e.mu.Lock()
	e.lines = true
	e.mu.Unlock()
	return e.send("", payload, "\n")
}

// comment sends a line that every client skips; it keeps proxies awake and discovers dead connections.
func (e *events) comment(text string) error {
	return e.send(": ", []byte(text), "\n\n")
}

func (e *events) send(before string, payload []byte, after string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.started {
		e.started = true
		h := e.w.Header()
		h.Set("Content-Type", "text/event-stream; charset=utf-8")
		if e.lines {
			h.Set("Content-Type", "application/x-ndjson")
		}
		h.Set("Cache-Control", "no-cache")
		h.Set("X-Accel-Buffering", "no")
	}
	allow(e.control, e.patient)
	line := make([]byte, 0, len(before)+len(payload)+len(after))
	line = append(append(append(line, before...), payload...), after...)
	if _, err := e.w.Write(line); err != nil {
		return err
	}
	return e.control.Flush()
}

// allow gives the client d from now to take what is written next. Writers without deadlines, as in tests, have none.
func allow(c *http.ResponseController, d time.Duration) {
	_ = c.SetWriteDeadline(time.Now().Add(d))
}
