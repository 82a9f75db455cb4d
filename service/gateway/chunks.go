package gateway

import (
	"encoding/json"

	"elenchus/compute/template"
)

// chunker is the stream of the two older endpoints of OpenAI.
type chunker struct {
	*events
	head   *head
	shape  *shape
	frame  completion // what all chunks share
	opened bool
}

// chunks starts a stream.
func (s *shape) chunks(h *head, e *events) writer {
	c := &chunker{events: e, head: h, shape: s, frame: s.frame(h)}
	c.frame.Object = s.chunk
	if h.request.usage == usageWanted {
		c.frame.Usage = json.RawMessage("null")
	}
	return c
}

func (c *chunker) idle() error { return gone(c.comment("waiting")) }

func (c *chunker) fail(f *failure) error { return gone(c.data(marshal(f.body()))) }

func (c *chunker) text(piece string) error {
	if err := c.open(); err != nil {
		return err
	}
	return c.chunk([]choice{c.shape.piece(piece)})
}

func (c *chunker) called(calls []template.Call) error {
	if err := c.open(); err != nil {
		return err
	}
	out := c.head.toolCalls(calls)
	for i := range out {
		out[i].Index = &i
	}
	return c.chunk([]choice{c.shape.calls(out)})
}

// open sends what precedes the first piece.
func (c *chunker) open() error {
	if c.opened || c.shape.opening == nil {
		return nil
	}
	c.opened = true
	return c.chunk(c.shape.opening)
}

func (c *chunker) chunk(choices []choice) error {
	c.frame.Choices = choices
	return gone(c.data(marshal(c.frame)))
}

// close ends the stream. The receipt travels on its last chunk.
func (c *chunker) close(end ending) error {
	if err := c.open(); err != nil {
		return err
	}
	last := c.shape.closing()
	last.FinishReason = &end.reason
	separate := hasLastChunk(c.head.request.usage)
	if !separate {
		c.frame.Receipt = end.receipt
	}
	if err := c.chunk([]choice{last}); err != nil {
		return err
	}
	if separate {
		c.frame.Receipt, c.frame.Usage = end.receipt, c.head.usage(end)
		if err := c.chunk([]choice{}); err != nil {
			return err
		}
	}
	return gone(c.data([]byte("[DONE]")))
}

// hasLastChunk decides whether a chunk without choices, but with the usage, ends the stream: only when the client asked
// for it, since loops that read choices[0] of every chunk break on it. It then carries the receipt; else the chunk with
// the finish_reason does.
func hasLastChunk(said usageChoice) bool { return said == usageWanted }
