package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

// errClientGone says that there is nobody left to answer.
var errClientGone = errors.New("the client has gone or does not read")

// errShutdown is the cause that ends the jobs which outlast Options.Drain.
var errShutdown = fmt.Errorf("%w: the gateway is shutting down", ErrUnavailable)

// abandoned replaces err, met under ctx, by the reason why ctx ended, if it did. What already has its answer keeps it.
func abandoned(ctx context.Context, err error) error {
	var f *failure
	switch cause := context.Cause(ctx); {
	case cause == nil, errors.Is(err, errClientGone), errors.As(err, &f):
		return err
	case errors.Is(cause, errShutdown), errors.Is(cause, errLatePayment):
		return cause
	}
	return fmt.Errorf("%w: %w", errClientGone, err)
}

// outlet takes the answer while it is being made. An error from it means that the client has gone.
type outlet interface {
	text(piece string) error    // piece is never empty
	thought(piece string) error // of the reasoning, before all text; never empty
	idle() error                // nothing happened for the keep-alive interval
}

// ending is how an answer ended.
type ending struct {
	tokens  int
	thought int // tokens of the reasoning among them
	code    FinishCode
	stop    string // the stop string that ended it
	reason  string // finish_reason of OpenAI's dialects
	receipt string
	payment string // what became of the payment of a stream; see settlement
}

// because makes calls of tools the reason why an answer ended of itself.
func (e *ending) because(calls int) {
	if calls > 0 && e.reason == "stop" {
		e.reason = "tool_calls"
	}
}

// pump moves the tokens of a strand into out as text until the answer ends.
func pump(ctx context.Context, s *strand, out outlet, keepAlive time.Duration) (ending, error) {
	var end ending
	for {
		ev, err := next(ctx, s.stream, keepAlive)
		switch {
		case errors.Is(err, errIdle):
			err = out.idle()
		case err != nil:
		case ev.Finish != 0:
			end.code, end.receipt, end.stop = ev.Finish, ev.Receipt, s.decoder.Stopped()
			if end.reason, err = finishReason(ev.Finish); err == nil {
				err = s.last(out, &end)
			}
			return end, err
		default:
			if end.tokens++; end.tokens > s.job.MaxNew {
				return end, fmt.Errorf("the backend sent more than the %d tokens it was asked for", s.job.MaxNew)
			}
			if !isStop(s.job.Stop, ev.Token) {
				s.note(ev)
				err = s.put(out, s.decoder.Write(ev.Token), &end)
			}
		}
		if err != nil {
			return end, err
		}
	}
}

// errIdle says that the keep-alive interval passed without an event.
var errIdle = errors.New("no event yet")

// next waits for an event for at most keepAlive.
func next(ctx context.Context, s Stream, keepAlive time.Duration) (Event, error) {
	wait, cancel := context.WithTimeout(ctx, keepAlive)
	defer cancel()
	ev, err := s.Next(wait)
	switch {
	case err == nil:
		return ev, nil
	case ctx.Err() != nil:
		return ev, abandoned(ctx, err)
	case wait.Err() != nil && errors.Is(err, context.DeadlineExceeded):
		return ev, errIdle
	}
	return ev, err
}

// put sends a piece unless it is empty.
func put(out outlet, piece string) error {
	if piece == "" {
		return nil
	}
	return out.text(piece)
}

func isStop(stop []int32, id int32) bool {
	for _, s := range stop {
		if s == id {
			return true
		}
	}
	return false
}

// finishReason translates a finish code.
func finishReason(code FinishCode) (string, error) {
	switch code {
	case FinishEOS, FinishStop:
		return "stop", nil
	case FinishLength, FinishContext, FinishGrammar:
		return "length", nil
	case FinishCancelled:
		return "", fmt.Errorf("%w: the job was cancelled before it was complete", ErrUnavailable)
	}
	return "", fmt.Errorf("the backend ended a stream with the unknown finish code %d", code)
}

// collector is the outlet of an answer that is sent whole.
type collector struct{ said, thoughts strings.Builder }

func (c *collector) text(piece string) error    { c.said.WriteString(piece); return nil }
func (c *collector) thought(piece string) error { c.thoughts.WriteString(piece); return nil }
func (c *collector) idle() error                { return nil }

// gone marks an error of the connection.
func gone(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	return nil
}

// newJob turns one prompt of a decoded request into a job for a model.
func newJob(r *request, d *dialect, ids []int32, m Model) (Job, error) {
	if len(ids) == 0 {
		return Job{}, badParam(d.missing, d.missing+" must give at least one token")
	}
	if len(ids) > m.ContextLength {
		return Job{}, failed(http.StatusBadRequest, "invalid_request_error", d.missing, "context_length_exceeded",
			fmt.Sprintf("the context of this model holds %d tokens and the prompt has %d: shorten it", m.ContextLength, len(ids)))
	}
	for i, id := range ids {
		if id < 0 || int(id) >= m.Vocab {
			return Job{}, badParam(d.missing, fmt.Sprintf("token %d of the prompt is %d, and the ids of this model are 0 to %d", i, id, m.Vocab-1))
		}
	}
	if f := checkBias(r, &m); f != nil {
		return Job{}, f
	}
	most := min(m.ContextLength, math.MaxInt32)
	if r.maxNew > 0 {
		most = min(most, r.maxNew)
	}
	return Job{Model: m.ID, Prompt: ids, MaxNew: most, TemperatureQ16: r.temperatureQ16, Seed: r.seed, Stop: m.Stop, Sampler: r.sampler,
		DataClass: r.dataClass, Route: r.route, Logprobs: r.logprobs, TopLogprobs: r.topLogprobs}, nil
}
