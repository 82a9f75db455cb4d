package gateway

import (
	"slices"
	"strings"
	"time"

	"elenchus/compute/template"
)

// dialect is one endpoint that answers prompts: how its requests are read and how its answers are written.
// Between the two stands the same job for all of them.
type dialect struct {
	fields  map[string]reader
	check   func(r *request) *failure                     // after all fields were read; nil: nothing
	missing string                                        // the field that holds the prompt
	encode  func(c Codec, r *request) ([][]int32, error)  // one prompt, or several
	whole   func(h *head, all []said) any                 // the object of whole answers
	stream  func(h *head, e *events, s *strand) writer    // of one of the answers
	load    func(h *head) any                             // the answer to a request that asks nothing, nil to others; nil: all ask
	thinks  bool                                          // its answers tell reasoning apart
	finish  func(h *head, e *events, all []*strand) error // after all of them; nil: nothing
}

// head is what all objects of one answer share.
type head struct {
	request *request
	model   Model
	hex     string // the random part of its id
	began   time.Time
	prompt  int                        // tokens, of all prompts
	choices int                        // answers
	thinks  bool                       // reasoning is told apart
	now     func() time.Time           // the gateway's clock
	fresh   func(prefix string) string // an id nobody has seen
}

// said is an answer that is complete.
type said struct {
	ending
	thought string // the reasoning before the content

	signature string // of the reasoning
	content   string
	calls     []template.Call
	odds      []tokenOdds
}

// alone makes the object of a whole answer for endpoints that give one.
func alone(whole func(h *head, s said) any) func(h *head, all []said) any {
	return func(h *head, all []said) any { return whole(h, all[0]) }
}

// one is a request's only prompt.
func one(ids []int32, err error) ([][]int32, error) { return [][]int32{ids}, err }

// writer is the outlet of a streamed answer. It may hold the beginning back until the first piece, so that a job that
// fails before it still gets a proper error status.
type writer interface {
	outlet
	called(calls []template.Call) error // at most once, after all text
	close(end ending) error             // the answer is complete
	fail(f *failure) error              // the answer ends here
}

// face is what the endpoints below one path share.
type face struct {
	under    string // what their paths begin with
	idHeader string // that carries the request id besides X-Request-Id; empty: none
	envelope func(f *failure, requestID string) any
}

// faces lists them; the first one that fits counts.
func faces() []face {
	return []face{
		{"/v1/messages", "Request-Id", messageError},
		{"/api/", "", ollamaError},
		{"", "", func(f *failure, _ string) any { return f.body() }},
	}
}

// faceOf finds the face of a path.
func faceOf(path string) face {
	all := faces()
	i := slices.IndexFunc(all, func(f face) bool { return strings.HasPrefix(path, f.under) })
	return all[i]
}
