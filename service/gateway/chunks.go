package gateway

import (
	"encoding/json"

	"elenchus/compute/template"
)

// chunker is the stream of one choice of the two older endpoints of OpenAI.
type chunker struct {
	*events
	head   *head
	strand *strand
	shape  *shape
	frame  completion // what all chunks share
	opened bool
	offset int // characters of the text that has been sent
}

// chunks starts a stream.
func (s *shape) chunks(h *head, e *events, strand *strand) writer {
	return &chunker{events: e, head: h, strand: strand, shape: s, frame: s.piecesOf(h)}
}

// piecesOf is a chunk without choices.
func (s *shape) piecesOf(h *head) completion {
	frame := s.frame(h)
	frame.Object = s.chunk
	if h.request.usage == usageWanted {
		frame.Usage = json.RawMessage("null")
	}
	return frame
}

func (c *chunker) idle() error { return gone(c.comment("waiting")) }

func (c *chunker) fail(f *failure) error { return gone(c.data(marshal(f.body()))) }

func (c *chunker) text(piece string) error {
	if err := c.open(); err != nil {
		return err
	}
	return c.chunk(c.shape.piece(piece))
}

func (c *chunker) thought(piece string) error {
	if err := c.open(); err != nil {
		return err
	}
	return c.chunk(c.shape.thought(piece))
}

func (c *chunker) called(calls []template.Call) error {
	if err := c.open(); err != nil {
		return err
	}
	out := c.head.toolCalls(calls)
	for i := range out {
		out[i].Index = &i
	}
	return c.chunk(c.shape.calls(out))
}

// open sends what precedes the first piece.
func (c *chunker) open() error {
	if c.opened || c.shape.opening == nil {
		return nil
	}
	c.opened = true
	return c.send(c.shape.opening[0])
}

// chunk sends one piece of the choice with the odds of the tokens since the last one.
func (c *chunker) chunk(piece choice) error {
	if odds := c.strand.takeOdds(); len(odds) > 0 {
		piece.Logprobs = c.shape.odds(c.head, odds, &c.offset)
	}
	return c.send(piece)
}

func (c *chunker) send(piece choice) error {
	piece.Index = c.strand.index
	c.frame.Choices = []choice{piece}
	return gone(c.data(marshal(c.frame)))
}

// close ends the choice. Its receipt travels on its last chunk, unless one with the usage ends the stream.
func (c *chunker) close(end ending) error {
	if err := c.open(); err != nil {
		return err
	}
	last := c.shape.closing()
	last.FinishReason, c.frame.Payment = &end.reason, end.payment
	switch {
	case c.head.choices > 1:
		last.Receipt = end.receipt
	case !hasLastChunk(c.head.request.usage):
		c.frame.Receipt = end.receipt
	}
	return c.chunk(last)
}

// finish ends the stream of all choices.
func (s *shape) finish(h *head, e *events, all []*strand) error {
	if hasLastChunk(h.request.usage) {
		frame, tokens, thoughts := s.piecesOf(h), 0, 0
		for _, strand := range all {
			tokens += strand.end.tokens
			thoughts += strand.end.thought
		}
		if len(all) == 1 {
			frame.Receipt = all[0].end.receipt
		}
		frame.Choices, frame.Usage = []choice{}, h.usage(tokens, thoughts)
		if err := e.data(marshal(frame)); err != nil {
			return gone(err)
		}
	}
	return gone(e.data([]byte("[DONE]")))
}

// hasLastChunk decides whether a chunk without choices, but with the usage, ends the stream: only when the client asked
// for it, since loops that read choices[0] of every chunk break on it. It then carries the receipt; else the chunk with
// the finish_reason does.
func hasLastChunk(said usageChoice) bool { return said == usageWanted }
