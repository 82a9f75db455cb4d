package gateway

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"elenchus/compute/decode"
	"elenchus/compute/template"
)

// run is what one request has the backend make.
type run struct {
	*head
	dialect *dialect
	strands []*strand
	charge  *charge // nil: free
}

// strand is one answer in the making, a choice of the request: a job, a claim and a receipt of its own.
type strand struct {
	index    int
	job      Job
	codec    Codec
	stream   Stream
	decoder  Decoder
	syntax   *template.Syntax // of calls; nil: no tools were shown
	thoughts *template.Thoughts
	reader   *template.ThoughtReader // of reasoning; nil: all of the answer is said
	echo     string                  // what the text begins with
	odds     []tokenOdds             // of tokens that no piece has carried yet
	out      writer                  // of a stream, once it has begun
	end      ending
}

// start finds the model, encodes the prompts and prepares a strand for each choice.
func (g *Gateway) start(ctx context.Context, w http.ResponseWriter, d *dialect, req *request) (*run, error) {
	m, err := g.model(ctx, req.model)
	if err != nil {
		return nil, err
	}
	if m.Vectors > 0 {
		return nil, badParam("model", "the model "+publicName(m)+" makes vectors and answers nothing: POST /v1/embeddings")
	}
	if f := req.checkLevel(w, m); f != nil {
		return nil, f
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
	if f := g.reason(w, codec, req); f != nil {
		return nil, f
	}
	if err := g.bind(ctx, codec, m, req); err != nil {
		return nil, err
	}
	prompts, err := d.encode(codec, req)
	if err != nil {
		return nil, err
	}
	h := &head{
		request: req, model: m, hex: g.randomHex(12), began: g.options.Now(),
		now: g.options.Now, fresh: func(prefix string) string { return prefix + g.randomHex(12) },
	}
	r := &run{head: h, dialect: d}
	for _, ids := range prompts {
		job, err := newJob(req, d, ids, m)
		if err != nil {
			return nil, err
		}
		h.prompt += len(ids)
		job.RequestID = w.Header().Get("X-Request-Id")
		r.add(codec, job, len(prompts))
	}
	note(w, slog.String("model_id", m.ID), slog.Int("prompt_tokens", h.prompt))
	saw(w, Seen{Model: publicName(m), Prompt: h.prompt})
	return r, nil
}

// add appends the choices of one prompt.
func (r *run) add(codec Codec, job Job, prompts int) {
	for range max(r.request.choices, 1) {
		s := &strand{index: len(r.strands), job: job, codec: codec}
		if r.dialect.thinks {
			s.thoughts = r.request.thoughts(codec)
			r.head.thinks = s.thoughts != nil
		}
		s.job.Seed = decode.ChoiceSeed(job.Seed, uint32(s.index))
		if len(r.request.shown()) > 0 {
			s.syntax = codec.Syntax()
		}
		if r.request.echo {
			s.echo = r.request.prompts[s.index/max(r.request.choices, 1)].shown(codec)
		}
		r.strands = append(r.strands, s)
	}
	r.head.choices = len(r.strands)
}

// submit starts the job of a strand, which lives until end is called: a client that leaves while it is answered has it
// cancelled first. While nobody answers it, it ends with ctx.
func (g *Gateway) submit(ctx context.Context, s *strand) (end func(), err error) {
	job, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	end = func() { cancel(nil) }
	unhook := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	s.stream, err = g.backend.Submit(job, s.job)
	if !unhook() { // ctx has ended, and the job ends with it: nothing of it is taken
		return end, abandoned(ctx, errors.Join(err, context.Cause(ctx)))
	}
	if err == nil {
		s.decoder = s.codec.NewDecoder(s.job.Prompt)
		s.decoder.Until(s.job.Sampler.Stops)
		s.decoder.Aloud(s.syntax.Words()...)
		s.decoder.Aloud(s.thoughts.Words()...)
		if s.thoughts != nil {
			s.reader = s.thoughts.Reader()
		}
	}
	return end, err
}

// signature stands where Anthropic's dialect signs reasoning: it names the receipt, which signs all of the answer.
func (s *strand) signature() string { return cmp.Or(s.stream.ReceiptID(), "none") }

// leavePatient is how long a job that is cancelled may take to end.
const leavePatient = 30 * time.Second

// each makes all strands at the same time. The first failure ends them all and is returned when none is left. A lone
// strand names its receipt in a header before its answer begins.
func (g *Gateway) each(ctx context.Context, w http.ResponseWriter, r *run, do func(ctx context.Context, s *strand) error) error {
	if len(r.strands) == 1 {
		s := r.strands[0]
		end, err := g.submit(ctx, s)
		defer end()
		if err != nil {
			return err
		}
		if id := s.stream.ReceiptID(); id != "" {
			g.nameReceipt(w.Header(), id)
		}
		return do(ctx, s)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ends := make(chan error, len(r.strands)) // room for everybody, so that nobody waits to say how it ended
	for _, s := range r.strands {
		go func() {
			defer func() {
				if p := recover(); p != nil {
					ends <- &panicked{p}
				}
			}()
			end, err := g.submit(ctx, s)
			defer end()
			if err == nil {
				err = do(ctx, s)
			}
			ends <- err
		}()
	}
	var first error
	for range r.strands {
		if err := <-ends; err != nil && first == nil {
			first = err
			cancel(err)
		}
	}
	if p := (*panicked)(nil); errors.As(first, &p) {
		panic(p.value) // in the goroutine that net/http looks after
	}
	return first
}

// panicked carries a panic to the goroutine of its request.
type panicked struct{ value any }

// Error is never shown.
func (p *panicked) Error() string { return fmt.Sprint(p.value) }

// whole sends the answers in one piece.
func (g *Gateway) whole(ctx context.Context, w http.ResponseWriter, r *run) error {
	all := make([]said, len(r.strands))
	err := g.each(ctx, w, r, func(ctx context.Context, s *strand) error {
		var text collector
		var err error
		if s.end, err = pump(ctx, s, &text, g.options.KeepAlive); err != nil {
			return err
		}
		content, calls := s.syntax.Parse(text.said.String())
		s.end.because(len(calls))
		g.keepReceipt(r, s)
		all[s.index] = said{ending: s.end, thought: text.thoughts.String(), signature: s.signature(), content: s.echo + content, calls: calls, odds: s.odds}
		return nil
	})
	if err != nil {
		return err
	}
	r.count(w)
	if err := r.charge.collect(ctx, w); err != nil {
		return err
	}
	answer := r.dialect.whole(r.head, all)
	if end := all[0].ending; len(all) == 1 && end.receipt != "" && len(end.receipt) <= maxReceiptHeader {
		w.Header().Set("X-Elenchus-Receipt", end.receipt)
	}
	allow(http.NewResponseController(w), g.options.WriteTimeout)
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// stream sends the answers piece by piece.
func (g *Gateway) stream(ctx context.Context, w http.ResponseWriter, r *run) error {
	e := &events{w: w, control: http.NewResponseController(w), patient: g.options.WriteTimeout}
	var left atomic.Int64 // answers that are not complete
	left.Store(int64(len(r.strands)))
	err := g.each(ctx, w, r, func(ctx context.Context, s *strand) (err error) {
		s.out = r.dialect.stream(r.head, e, s)
		if err := put(s.out, s.echo); err != nil {
			return err
		}
		if s.end, err = g.pour(ctx, s); err != nil {
			if errors.Is(err, errClientGone) && e.begun() {
				g.leave(ctx, w, r, s)
			}
			return err
		}
		g.keepReceipt(r, s)
		if left.Add(-1) == 0 {
			if s.end.payment, err = r.charge.settle(ctx); err != nil {
				return err
			}
		}
		return s.out.close(s.end)
	})
	r.count(w)
	if errors.Is(err, errClientGone) && e.begun() {
		_, _ = r.charge.settle(ctx) // what was sent is paid; nobody is left to be told
	}
	if err == nil && r.dialect.finish != nil {
		err = r.dialect.finish(r.head, e, r.strands)
	}
	if err == nil || !e.begun() || errors.Is(err, errClientGone) {
		return err
	}
	note(w, slog.String("error", err.Error()))
	for _, s := range r.strands {
		if s.out != nil {
			_ = s.out.fail(failureOf(err)) // the connection ends here either way
			break
		}
	}
	return nil
}

// leave ends an answer whose client has gone after something of it was sent: what was taken until then is claimed, with
// the user's signature, and its receipt is kept. SPEC 16 §4.10.
func (g *Gateway) leave(ctx context.Context, w http.ResponseWriter, r *run, s *strand) {
	if s.end.tokens == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leavePatient)
	defer cancel()
	text, err := s.stream.Cancel(ctx, s.end.tokens)
	if err != nil {
		note(w, slog.String("cancel_error", err.Error()))
		return
	}
	s.end.code, s.end.reason, s.end.receipt = FinishCancelled, "cancelled", text
	g.keepReceipt(r, s)
}

// pour moves an answer into its stream, calls of tools apart from text.
func (g *Gateway) pour(ctx context.Context, s *strand) (ending, error) {
	if s.syntax == nil {
		return pump(ctx, s, s.out, g.options.KeepAlive)
	}
	split := &splitter{outlet: s.out, syntax: s.syntax}
	end, err := pump(ctx, s, split, g.options.KeepAlive)
	if err != nil {
		return end, err
	}
	calls, err := split.end()
	if err == nil && len(calls) > 0 {
		err = s.out.called(calls)
	}
	end.because(len(calls))
	return end, err
}

// used is the number of tokens of prompts and answers; 0 if nothing was answered.
func (r *run) used() int {
	if n := r.tokens(); n > 0 {
		return n + r.head.prompt
	}
	return 0
}

// most is the number of tokens that prompts and answers can have together.
func (r *run) most() (n int) {
	for _, s := range r.strands {
		n += min(s.job.MaxNew, r.model.ContextLength-len(s.job.Prompt)+1)
	}
	return n + r.head.prompt
}

// tokens is the number of tokens of all answers.
func (r *run) tokens() (n int) {
	for _, s := range r.strands {
		n += s.end.tokens
	}
	return n
}

// count notes the usage in the log.
func (r *run) count(w http.ResponseWriter) {
	reasons := make([]string, len(r.strands))
	for i, s := range r.strands {
		reasons[i] = s.end.reason
	}
	note(w, slog.Int("completion_tokens", r.tokens()), slog.String("finish_reason", strings.Join(reasons, ",")))
	saw(w, Seen{Model: publicName(r.model), Answer: r.tokens()})
}
