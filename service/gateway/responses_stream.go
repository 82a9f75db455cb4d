package gateway

import (
	"strings"

	"elenchus/compute/template"
)

// responseEvent is one event of a streamed response; which members it has depends on its type.
type responseEvent struct {
	Type      string      `json:"type"`
	Sequence  int         `json:"sequence_number"`
	Response  *response   `json:"response,omitempty"`
	Output    *int        `json:"output_index,omitempty"`
	ItemID    string      `json:"item_id,omitempty"`
	Item      *outputItem `json:"item,omitempty"`
	Index     *int        `json:"content_index,omitempty"`
	Part      *outputPart `json:"part,omitempty"`
	Delta     *string     `json:"delta,omitempty"`
	Text      *string     `json:"text,omitempty"`
	Name      string      `json:"name,omitempty"`
	Arguments *string     `json:"arguments,omitempty"`
	Logprobs  []logprob   `json:"logprobs,omitzero"`
}

// responseStream writes a response event by event.
type responseStream struct {
	*events
	keeper   *keeper
	head     *head
	strand   *strand
	answer   *response
	sequence int
	opened   bool
	message  string // id of the open message; empty: none
	content  strings.Builder
	thinking string // id of the open item of reasoning; empty: none
	thoughts strings.Builder
	odds     []logprob
	made     []template.Call
}

func (k *keeper) stream(h *head, e *events, s *strand) writer {
	return &responseStream{events: e, keeper: k, head: h, strand: s, answer: newResponse(h)}
}

func (s *responseStream) idle() error { return gone(s.comment("waiting")) }

// send numbers an event and sends it.
func (s *responseStream) send(all ...responseEvent) error {
	for _, e := range all {
		e.Sequence = s.sequence
		s.sequence++
		if err := s.event(e.Type, marshal(e)); err != nil {
			return gone(err)
		}
	}
	return nil
}

// open sends what precedes all items.
func (s *responseStream) open() error {
	if s.opened {
		return nil
	}
	s.opened = true
	return s.send(responseEvent{Type: "response.created", Response: s.answer}, responseEvent{Type: "response.in_progress", Response: s.answer})
}

// openMessage begins the message that text goes into.
func (s *responseStream) openMessage() error {
	if err := s.closeThought(); err != nil || s.message != "" {
		return err
	}
	s.message = s.head.fresh("msg_")
	item, part, at, first := messageItem(s.message, "in_progress"), textPart(""), len(s.answer.Output), 0
	return s.send(
		responseEvent{Type: "response.output_item.added", Output: &at, Item: &item},
		responseEvent{Type: "response.content_part.added", Output: &at, ItemID: s.message, Index: &first, Part: &part})
}

func (s *responseStream) thought(piece string) error {
	if err := s.open(); err != nil {
		return err
	}
	at, first := len(s.answer.Output), 0
	if s.thinking == "" {
		s.thinking = s.head.fresh("rs_")
		item, part := thoughtItem(s.thinking, "in_progress"), reasoningPart("")
		if err := s.send(
			responseEvent{Type: "response.output_item.added", Output: &at, Item: &item},
			responseEvent{Type: "response.content_part.added", Output: &at, ItemID: s.thinking, Index: &first, Part: &part}); err != nil {
			return err
		}
	}
	s.thoughts.WriteString(piece)
	return s.send(responseEvent{Type: "response.reasoning_text.delta", Output: &at, ItemID: s.thinking, Index: &first, Delta: &piece})
}

// closeThought ends the item of reasoning, if there is one, and sends at least what precedes all items.
func (s *responseStream) closeThought() error {
	if err := s.open(); err != nil || s.thinking == "" {
		return err
	}
	text, at, first, id := s.thoughts.String(), len(s.answer.Output), 0, s.thinking
	part := reasoningPart(text)
	item := thoughtItem(id, "completed", part)
	s.answer.Output = append(s.answer.Output, item)
	s.thinking = ""
	return s.send(
		responseEvent{Type: "response.reasoning_text.done", Output: &at, ItemID: id, Index: &first, Text: &text},
		responseEvent{Type: "response.content_part.done", Output: &at, ItemID: id, Index: &first, Part: &part},
		responseEvent{Type: "response.output_item.done", Output: &at, Item: &item})
}

func (s *responseStream) text(piece string) error {
	if err := s.openMessage(); err != nil {
		return err
	}
	s.content.WriteString(piece)
	at, first := len(s.answer.Output), 0
	odds := append([]logprob{}, logprobsOf(s.strand.takeOdds())...)
	s.odds = append(s.odds, odds...)
	return s.send(responseEvent{
		Type: "response.output_text.delta", Output: &at, ItemID: s.message, Index: &first, Delta: &piece, Logprobs: odds,
	})
}

// closeMessage ends the message, if there is one.
func (s *responseStream) closeMessage(status string) error {
	if s.message == "" {
		return nil
	}
	text, at, first := s.content.String(), len(s.answer.Output), 0
	s.odds = append(s.odds, logprobsOf(s.strand.takeOdds())...)
	part := textPart(text, s.odds...)
	item := messageItem(s.message, status, part)
	s.answer.Output = append(s.answer.Output, item)
	id := s.message
	s.message = ""
	return s.send(
		responseEvent{Type: "response.output_text.done", Output: &at, ItemID: id, Index: &first, Text: &text, Logprobs: part.Logprobs},
		responseEvent{Type: "response.content_part.done", Output: &at, ItemID: id, Index: &first, Part: &part},
		responseEvent{Type: "response.output_item.done", Output: &at, Item: &item})
}

func (s *responseStream) called(calls []template.Call) error {
	if err := s.closeThought(); err != nil {
		return err
	}
	if err := s.closeMessage("completed"); err != nil {
		return err
	}
	s.made = calls
	for _, c := range calls {
		at, none := len(s.answer.Output), ""
		item := outputItem{
			ID: s.head.fresh("fc_"), Type: "function_call", Status: "completed", CallID: s.head.fresh("call_"), Name: c.Name, Arguments: &c.Arguments,
		}
		begun := item
		begun.Status, begun.Arguments = "in_progress", &none
		s.answer.Output = append(s.answer.Output, item)
		err := s.send(
			responseEvent{Type: "response.output_item.added", Output: &at, Item: &begun},
			responseEvent{Type: "response.function_call_arguments.delta", Output: &at, ItemID: item.ID, Delta: &c.Arguments},
			responseEvent{Type: "response.function_call_arguments.done", Output: &at, ItemID: item.ID, Name: c.Name, Arguments: &c.Arguments},
			responseEvent{Type: "response.output_item.done", Output: &at, Item: &item})
		if err != nil {
			return err
		}
	}
	return nil
}

// close ends the stream. The receipt travels in the response of its last event.
func (s *responseStream) close(end ending) error {
	if len(s.made) == 0 { // also an answer without a word is a message
		if err := s.openMessage(); err != nil {
			return err
		}
	}
	s.answer.finish(s.head, end)
	if err := s.closeMessage(s.answer.Status); err != nil {
		return err
	}
	s.keeper.keep(s.head, s.answer, said{ending: end, thought: s.thoughts.String(), content: s.content.String(), calls: s.made})
	return s.send(responseEvent{Type: "response." + s.answer.Status, Response: s.answer})
}

// fail ends the stream with what was said so far and the reason.
func (s *responseStream) fail(f *failure) error {
	if err := s.open(); err != nil {
		return err
	}
	s.answer.Status, s.answer.Error = "failed", &responseError{"server_error", f.Message}
	return s.send(responseEvent{Type: "response.failed", Response: s.answer})
}
