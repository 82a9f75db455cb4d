package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	toyEOS  = 256
	toyCall = 257 // a control piece that says <call>
	toyID   = "00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee"
	toyCtx  = 64
	receipt = "ZWxlbmNodXMtdGVzdC1yZWNlaXB0"
)

// toyCodec is bytes as token ids; id 256 ends the answer. Roles are rendered as "<role>text\n".
type toyCodec struct{}

func (toyCodec) EncodeChat(c template.Conversation) ([]int32, error) {
	var b strings.Builder
	for _, t := range c.Tools {
		fmt.Fprintf(&b, "[%s]\n", t)
	}
	for i, m := range c.Messages {
		if m.Role == "system" && i > 0 {
			return nil, fmt.Errorf("%w: the system message must come first", ErrInvalid)
		}
		fmt.Fprintf(&b, "<%s>%s\n", m.Role[:1], m.Content)
	}
	return toyCodec{}.EncodeText(b.String())
}

// Syntax is that of "<call>{...}</call>".
func (toyCodec) Syntax() *template.Syntax {
	return &template.Syntax{Tag: "<call>", End: "</call>", Object: true}
}

// Effort is that of a template without a form for reasoning.
func (toyCodec) Effort(e template.Effort) (ok, own bool) { return template.New().Effort(e) }

// Thoughts are none.
func (toyCodec) Thoughts(template.Conversation) *template.Thoughts { return nil }

func (toyCodec) EncodeText(text string) ([]int32, error) {
	ids := make([]int32, len(text))
	for i := range len(text) {
		ids[i] = int32(text[i])
	}
	return ids, nil
}

// Piece is the byte, nothing for the end.
func (toyCodec) Piece(id int32) string {
	if id >= toyEOS {
		return ""
	}
	return string([]byte{byte(id)})
}

// Bind makes a table over the bytes, and no root of it.
func (toyCodec) Bind(_ context.Context, automaton []byte, ends []int32) (*grammar.Grammar, error) {
	a, err := grammar.Decode(automaton)
	if err != nil {
		return nil, err
	}
	v := grammar.NewVocabulary(toyEOS+1, func(id int) []byte { return []byte(toyCodec{}.Piece(int32(id))) })
	table, err := v.Table(a, ends)
	return &grammar.Grammar{Source: automaton, Root: [32]byte{1}, Table: table}, err
}

func (toyCodec) NewDecoder([]int32) Decoder {
	return toyDecoder{toyTokenizer().NewDecoder(tokenizer.Continuation)}
}

// toyTokenizer has the bytes and the end of an answer as pieces.
var toyTokenizer = sync.OnceValue(func() *tokenizer.Tokenizer {
	c := tokenizer.Config{BOS: tokenizer.None, EOS: toyEOS, Unknown: tokenizer.None}
	for b := range toyEOS {
		c.Pieces = append(c.Pieces, tokenizer.Piece{Text: fmt.Sprintf("<0x%02X>", b), Kind: tokenizer.Byte})
	}
	c.Pieces = append(c.Pieces, tokenizer.Piece{Text: "<end>", Kind: tokenizer.Control}, tokenizer.Piece{Text: "<call>", Kind: tokenizer.Control})
	t, err := tokenizer.New(c)
	if err != nil {
		panic(err)
	}
	return t
})

type toyDecoder struct{ d *tokenizer.Decoder }

func (d toyDecoder) Write(id int32) string {
	text, _ := d.d.Next(id) // every id of the toy is a piece
	return text
}

func (d toyDecoder) Flush() string          { return d.d.Flush() }
func (d toyDecoder) Until(strings []string) { d.d.Until(strings) }
func (d toyDecoder) Aloud(words ...string)  { d.d.Aloud(words...) }
func (d toyDecoder) Stopped() string        { return d.d.Stopped() }

// toyBackend answers every job with the next event of script, and notes what it was asked.
type toyBackend struct {
	script func(job Job) []Event
	err    map[string]error // of Submit, by model name
	after  error            // of Next once script is exhausted; nil: Next then waits for its context
	mute   bool             // no receipts: ReceiptID is empty
	room   int              // more positions than toyCtx
	more   []string         // more models

	mu   sync.Mutex
	jobs []Job
	ends chan error // one value per job whose context has ended; nil if nobody looks
	left chan int   // ids after which each job was cancelled; nil: none can be
}

func (b *toyBackend) models() []Model {
	out := []Model{{ID: toyID, Name: "toy/bytes", Created: 1700000000, ContextLength: toyCtx + b.room, Vocab: 258, Stop: []int32{toyEOS}}}
	out = append(out, Model{ID: modelID("endless"), Name: "endless", ContextLength: 1 << 20, Vocab: 257})
	for _, name := range append([]string{"busy", "down", "late"}, b.more...) {
		out = append(out, Model{ID: modelID(name), Name: name, ContextLength: toyCtx + b.room, Vocab: 257, Private: name == "veiled"})
	}
	for i := range out {
		if out[i].Name == "thinker" {
			out[i].Stop = []int32{toyEOS}
		}
	}
	return append(out, Model{ID: modelID("nameless"), ContextLength: toyCtx + b.room, Vocab: 257})
}

// modelID is the id of a toy model other than the first.
func modelID(name string) string { return fmt.Sprintf("%064x", name) }

// textLog logs into w.
func textLog(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func (b *toyBackend) Models(context.Context) ([]Model, error) { return b.models(), nil }

func (b *toyBackend) Codec(_ context.Context, id string) (Codec, error) {
	if id == modelID("thinker") {
		return thinkerCodec{}, nil
	}
	return toyCodec{}, nil
}

func (b *toyBackend) Submit(ctx context.Context, job Job) (Stream, error) {
	for _, m := range b.models() {
		if err := b.err[m.Name]; err != nil && m.ID == job.Model {
			return nil, err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jobs = append(b.jobs, job)
	if b.ends != nil {
		context.AfterFunc(ctx, func() { b.ends <- ctx.Err() })
	}
	return &toyStream{ctx: ctx, backend: b, job: job, events: b.script(job)}, nil
}

// lastJob returns the job submitted last.
func (b *toyBackend) lastJob(t *testing.T) Job {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.jobs) == 0 {
		t.Fatal("no job was submitted")
	}
	return b.jobs[len(b.jobs)-1]
}

type toyStream struct {
	ctx     context.Context
	backend *toyBackend
	job     Job
	events  []Event
}

// toyOdds say that a token has one chance in two, and the ids from 'a' on the others.
func toyOdds(id int32, k int) *decode.Odds {
	o := &decode.Odds{Drawn: decode.Likely{ID: id, Log: -45426}}
	for i := range int32(k) {
		o.Top = append(o.Top, decode.Likely{ID: 'a' + i, Log: -65536 * (i + 1)})
	}
	return o
}

func (s *toyStream) ReceiptID() string {
	if s.backend.mute {
		return ""
	}
	return "toy-digest"
}

func (s *toyStream) Cancel(ctx context.Context, n int) (string, error) {
	if s.backend.left == nil {
		return "", errors.New("there is no key of the user to cancel with")
	}
	if err := errors.Join(ctx.Err(), s.ctx.Err()); err != nil {
		return "", err // the job must be there still
	}
	s.backend.left <- n
	return fmt.Sprintf("%s-%d", receipt, n), nil
}

func (s *toyStream) Next(ctx context.Context) (Event, error) {
	if err := s.ctx.Err(); err != nil { // the job has ended, perhaps while it was submitted: it makes no more
		return Event{}, err
	}
	if len(s.events) == 0 {
		if s.backend.after != nil {
			return Event{}, s.backend.after
		}
		<-ctx.Done()
		return Event{}, ctx.Err()
	}
	ev := s.events[0]
	s.events = s.events[1:]
	if s.job.Logprobs && ev.Finish == 0 {
		ev.Odds = toyOdds(ev.Token, s.job.TopLogprobs)
	}
	return ev, nil
}

// says scripts an answer of text that ends with code.
func says(text string, code FinishCode) func(Job) []Event {
	return func(Job) []Event {
		var out []Event
		for i := range len(text) {
			out = append(out, Event{Token: int32(text[i])})
		}
		if code == FinishEOS {
			out = append(out, Event{Token: toyEOS})
		}
		if code == 0 {
			return out
		}
		return append(out, Event{Finish: code, Receipt: receipt})
	}
}

var errSecret = errors.New("dial 10.0.0.7: secret internals")

// fixedOptions make answers reproducible: ids and seeds count up, the clock stands still.
func fixedOptions() Options {
	var n byte
	var mu sync.Mutex
	return Options{
		Entropy: func(p []byte) {
			mu.Lock()
			defer mu.Unlock()
			n++
			for i := range p {
				p[i] = n
			}
		},
		Now: func() time.Time { return time.Unix(1800000000, 0) },
	}
}

func newGateway(t testing.TB, b Backend, o Options) *Gateway {
	t.Helper()
	g, err := New(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ask sends one request to the handler, without a network.
func ask(g http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}
