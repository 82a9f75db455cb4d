package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"elenchus/commitment/claim"
	"elenchus/compute/decode"
	"elenchus/network/peer"
	"elenchus/service/gateway"
)

// search goes through the nodes that may answer one job, each at most once.
type search struct {
	b        *Backend
	question peer.Question
	vocab    int
	left     []string // base URLs
	errs     []error
	full     int // nodes that were busy

	url    string // of the node that answers
	answer *peer.Answer
	asked  time.Time
}

// next has the next node that takes the job answer it. Its error says which nodes did not, and why.
func (s *search) next(ctx context.Context) error {
	for len(s.left) > 0 && ctx.Err() == nil {
		s.url, s.left = s.left[0], s.left[1:]
		s.asked = time.Now()
		var err error
		s.answer, err = s.b.Peers.Ask(ctx, s.url, s.question)
		s.b.countJob(ctx, s.url, err)
		if err == nil {
			s.b.answered(s.url, time.Since(s.asked))
			return nil
		}
		if err := s.refused(err); err != nil {
			return err
		}
	}
	return s.nobody(ctx)
}

// refused notes why a node does not take the job; it is an error where no other would.
func (s *search) refused(err error) error {
	var refused *peer.StatusError
	if errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		return fmt.Errorf("%w: %s", gateway.ErrInvalid, refused.Text)
	}
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound { // it fails nobody: it serves others
		s.b.lacks(s.url, hex.EncodeToString(s.question.Request.Model[:]))
		s.errs = append(s.errs, fmt.Errorf("node %s: %w", s.url, err))
		return nil
	}
	if errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable {
		s.full++
	}
	s.failed(err)
	return nil
}

// nobody says which nodes did not take the job, and why.
func (s *search) nobody(ctx context.Context) error {
	kind := gateway.ErrUnavailable
	if s.full > 0 && s.full == len(s.errs) {
		kind = gateway.ErrBusy
	}
	return fmt.Errorf("%w: no node took the request: %w", kind, errors.Join(append(s.errs, ctx.Err())...))
}

// failed notes why a node gives no answer, or no whole one.
func (s *search) failed(err error) {
	s.errs = append(s.errs, fmt.Errorf("node %s: %w", s.url, err))
	s.b.answered(s.url, -1)
}

// odds are those of a line, if the job wants any.
func (s *search) odds(l *peer.Line) (*decode.Odds, error) {
	if s.question.Odds == nil {
		return nil, nil
	}
	o, err := l.Odds(s.vocab)
	if err == nil && (o == nil || len(o.Top) > *s.question.Odds) {
		err = fmt.Errorf("%w: an id without the odds that were asked for", peer.ErrReply)
	}
	return o, err
}

// asked is what a receipt must be about: the request, and the ids that the node sent before it.
type asked struct {
	digest claim.Hash
	salt   [32]byte // of the prompt; zero of a public request
	sent   []int32
}

// cut is how the user ended an answer: after count ids, with his signature.
type cut struct {
	count     int
	signature claim.Signature
}

// stream hands a node's lines on. One goroutine reads; it ends with the job's context.
type stream struct {
	id     string
	digest claim.Hash
	b      *Backend
	events chan gateway.Event
	err    error // set before events is closed

	mu      sync.Mutex    // guards url, ended
	url     string        // of the node that answers
	ended   *cut          // set once
	leaving chan struct{} // closed when ended is set: nobody takes events
	kept    string        // the receipt of an answer that was left; set before events is closed
}

// pending is the number of events that may wait for the gateway.
const pending = 16

func newStream(ctx context.Context, from *search, q asked) *stream {
	s := &stream{id: hex.EncodeToString(q.digest[:]), digest: q.digest, b: from.b, events: make(chan gateway.Event, pending),
		url: from.url, leaving: make(chan struct{})}
	go func() {
		defer close(s.events)
		s.err = s.read(ctx, from, q)
	}()
	return s
}

// read hands on an answer to its end. If its node fails in the middle, another one computes the whole answer again: it
// is a function of the request, so what was handed on already must come again, and the rest follows. SPEC 16 §4.9.
func (s *stream) read(ctx context.Context, from *search, q asked) error {
	for {
		err := s.copy(ctx, from, &q)
		from.b.countAnswer(ctx, from.url, s.cut(), err)
		if closed := from.answer.Close(); err == nil || ctx.Err() != nil || s.cut() != nil {
			_ = closed // the answer is over
			return err
		}
		var different *differentError
		if from.failed(err); errors.As(err, &different) || len(from.left) == 0 {
			return fmt.Errorf("%w: the answer broke off: %w", gateway.ErrUnavailable, errors.Join(from.errs...))
		}
		if err := from.next(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		s.url = from.url
		s.mu.Unlock()
	}
}

// cut is how the answer was ended, nil if it was not.
func (s *stream) cut() *cut {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Cancel has the node end the answer after n ids, signed by the user, and waits for the receipt.
func (s *stream) Cancel(ctx context.Context, n int) (string, error) {
	if s.b.Key == nil {
		return "", errors.New("there is no key of the user to cancel with")
	}
	sig, err := claim.Sign(claim.CancelDigest(s.b.Domain, s.digest, uint32(n)), s.b.Key)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.ended = &cut{n, sig}
	url := s.url
	s.mu.Unlock()
	close(s.leaving)
	refused := s.b.Peers.Cancel(ctx, url, s.digest, uint32(n), sig) // one that was complete by then has its receipt on the way
	if refused != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
	}
	for {
		if _, err := s.Next(ctx); errors.Is(err, io.EOF) && s.kept != "" {
			return s.kept, nil
		} else if err != nil {
			return "", errors.Join(refused, err)
		}
	}
}

// differentError says that two nodes answer one request differently: at most one of them is honest.
type differentError struct {
	at        int
	id, other int32
}

// Error names the first id that differs.
func (e *differentError) Error() string {
	return fmt.Sprintf("id %d of the answer is %d, and was %d from the node before", e.at, e.id, e.other)
}

// copy hands on what one node sends that was not sent before.
func (s *stream) copy(ctx context.Context, from *search, q *asked) error {
	for at := 0; ; at++ {
		l, err := from.answer.Next()
		if errors.Is(err, io.EOF) {
			err = errors.New("the node ended its answer without a receipt")
		}
		if err != nil {
			return err
		}
		e := gateway.Event{}
		switch {
		case l.Token == nil && at < len(q.sent):
			return &differentError{at, -1, q.sent[at]}
		case l.Token == nil:
			if e.Finish, e.Receipt, err = from.b.finish(ctx, l.Receipt, *q, s.cut()); err != nil {
				return err
			}
			s.kept = e.Receipt
			from.b.completed(from.url, at, time.Since(from.asked))
		case at < len(q.sent) && *l.Token != q.sent[at]:
			return &differentError{at, *l.Token, q.sent[at]}
		case at < len(q.sent):
			continue
		default:
			e.Token = *l.Token
			if e.Odds, err = from.odds(&l); err != nil {
				return err
			}
			from.b.countFirst(len(q.sent), from.asked)
			q.sent = append(q.sent, e.Token) // the gateway stops a node at the request's maxNew
		}
		select {
		case s.events <- e:
		case <-s.leaving:
		case <-ctx.Done():
			return ctx.Err()
		}
		if e.Receipt != "" {
			return nil
		}
	}
}

// ReceiptID is the request's digest: known before the first token.
func (s *stream) ReceiptID() string { return s.id }

// Next is the next event; when ctx ends nothing is lost.
func (s *stream) Next(ctx context.Context) (gateway.Event, error) {
	select {
	case e, ok := <-s.events:
		if !ok {
			if s.err == nil {
				return e, io.EOF
			}
			return e, s.err
		}
		return e, nil
	case <-ctx.Done():
		return gateway.Event{}, ctx.Err()
	}
}
