package gateway

import (
	"encoding/json"
	"net/http"

	"elenchus/compute/template"
)

// messageAnswer is the object of an answer to POST /v1/messages. Field order is the order on the wire.
type messageAnswer struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []contentBlock `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        messageUsage   `json:"usage"`
	Receipt      string         `json:"elenchus_receipt,omitempty"`
}

// contentBlock is a text, thinking, or the use of a tool.
type contentBlock struct {
	Type string  `json:"type"`
	Text *string `json:"text,omitempty"`
	*thinkingBlock
	ID    string          `json:"id,omitempty"`
	Name  string          `json:"name,omitempty"`
	Input json.RawMessage `json:"input,omitempty"`
}

// thinkingBlock is reasoning. Clients send the signature back; it names the receipt, which signs the whole answer.
type thinkingBlock struct {
	Thinking  string `json:"thinking"`
	Signature string `json:"signature"`
}

type messageUsage struct {
	Input   int `json:"input_tokens"`
	Written int `json:"cache_creation_input_tokens"`
	Read    int `json:"cache_read_input_tokens"`
	Output  int `json:"output_tokens"`
}

func messageDialect() *dialect {
	return &dialect{
		fields: messageReaders(), check: checkMessage, missing: "messages", encode: encodeChat, whole: alone(wholeMessage), stream: streamMessage, thinks: true,
	}
}

func newMessage(h *head) *messageAnswer {
	return &messageAnswer{
		ID: "msg_" + h.hex, Type: "message", Role: "assistant", Model: publicName(h.model), Content: []contentBlock{},
		Usage: messageUsage{Input: h.prompt},
	}
}

// stopReason is how an answer ended, in the words of this dialect.
func stopReason(end ending) *string {
	reason := map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}[end.reason]
	if end.reason == "stop" && end.code == FinishStop {
		reason = "stop_sequence"
	}
	return &reason
}

// stopSequence is the stop string that ended an answer, or nil.
func stopSequence(end ending) *string {
	if end.reason != "stop" || end.code != FinishStop || end.stop == "" {
		return nil
	}
	return &end.stop
}

func wholeMessage(h *head, s said) any {
	a := newMessage(h)
	if s.thought != "" {
		a.Content = append(a.Content, contentBlock{Type: "thinking", thinkingBlock: &thinkingBlock{s.thought, s.signature}})
	}
	if s.content != "" {
		a.Content = append(a.Content, contentBlock{Type: "text", Text: &s.content})
	}
	for _, c := range s.calls {
		a.Content = append(a.Content, contentBlock{Type: "tool_use", ID: h.fresh("toolu_"), Name: c.Name, Input: json.RawMessage(c.Arguments)})
	}
	a.StopReason, a.StopSequence, a.Usage.Output, a.Receipt = stopReason(s.ending), stopSequence(s.ending), s.tokens, s.receipt
	return a
}

// messageEvent is one event of a streamed message; which members it has depends on its type.
type messageEvent struct {
	Type    string         `json:"type"`
	Message *messageAnswer `json:"message,omitempty"`
	Index   *int           `json:"index,omitempty"`
	Block   *contentBlock  `json:"content_block,omitempty"`
	Delta   *messageDelta  `json:"delta,omitempty"`
	Usage   *messageUsage  `json:"usage,omitempty"`
	Receipt string         `json:"elenchus_receipt,omitempty"`
	Payment string         `json:"elenchus_payment,omitempty"`
}

// messageDelta is a piece of a block, or with stop the end of the message.
type messageDelta struct {
	Type    string  `json:"type,omitempty"`
	Text    *string `json:"text,omitempty"`
	Partial *string `json:"partial_json,omitempty"`

	Thinking  *string `json:"thinking,omitempty"`
	Signature *string `json:"signature,omitempty"`
	*stop
}

type stop struct {
	Reason   *string `json:"stop_reason"`
	Sequence *string `json:"stop_sequence"`
}

// messageStream writes a message event by event.
type messageStream struct {
	*events
	head   *head
	opened bool
	strand *strand
	open   string // type of the open block, thinking or text; empty: none
	blocks int    // that are complete
}

func streamMessage(h *head, e *events, s *strand) writer {
	return &messageStream{events: e, head: h, strand: s}
}

func (s *messageStream) idle() error { return s.send(messageEvent{Type: "ping"}) }

func (s *messageStream) send(all ...messageEvent) error {
	for _, e := range all {
		if err := s.event(e.Type, marshal(e)); err != nil {
			return gone(err)
		}
	}
	return nil
}

// start sends what precedes all blocks.
func (s *messageStream) start() error {
	if s.opened {
		return nil
	}
	s.opened = true
	return s.send(messageEvent{Type: "message_start", Message: newMessage(s.head)}, messageEvent{Type: "ping"})
}

func (s *messageStream) text(piece string) error {
	if err := s.start(); err != nil {
		return err
	}
	none := ""
	if err := s.begin(&contentBlock{Type: "text", Text: &none}); err != nil {
		return err
	}
	at := s.blocks
	return s.send(messageEvent{Type: "content_block_delta", Index: &at, Delta: &messageDelta{Type: "text_delta", Text: &piece}})
}

func (s *messageStream) thought(piece string) error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.begin(&contentBlock{Type: "thinking", thinkingBlock: &thinkingBlock{}}); err != nil {
		return err
	}
	at := s.blocks
	return s.send(messageEvent{Type: "content_block_delta", Index: &at, Delta: &messageDelta{Type: "thinking_delta", Thinking: &piece}})
}

// begin opens a block of text or of thinking, unless one is open, and ends what was open before.
func (s *messageStream) begin(b *contentBlock) error {
	if s.open == b.Type {
		return nil
	}
	if err := s.closeBlock(); err != nil {
		return err
	}
	at := s.blocks
	s.open = b.Type
	return s.send(messageEvent{Type: "content_block_start", Index: &at, Block: b})
}

// closeBlock ends the block of text or of thinking, if there is one.
func (s *messageStream) closeBlock() error {
	if s.open == "" {
		return nil
	}
	at := s.blocks
	if s.open == "thinking" {
		signature := s.strand.signature()
		if err := s.send(messageEvent{Type: "content_block_delta", Index: &at, Delta: &messageDelta{Type: "signature_delta", Signature: &signature}}); err != nil {
			return err
		}
	}
	s.open = ""
	s.blocks++
	return s.send(messageEvent{Type: "content_block_stop", Index: &at})
}

func (s *messageStream) called(calls []template.Call) error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.closeBlock(); err != nil {
		return err
	}
	for _, c := range calls {
		at := s.blocks
		s.blocks++
		err := s.send(
			messageEvent{Type: "content_block_start", Index: &at, Block: &contentBlock{
				Type: "tool_use", ID: s.head.fresh("toolu_"), Name: c.Name, Input: json.RawMessage("{}"),
			}},
			messageEvent{Type: "content_block_delta", Index: &at, Delta: &messageDelta{Type: "input_json_delta", Partial: &c.Arguments}},
			messageEvent{Type: "content_block_stop", Index: &at})
		if err != nil {
			return err
		}
	}
	return nil
}

// close ends the stream. The receipt travels beside the reason why it ended.
func (s *messageStream) close(end ending) error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.closeBlock(); err != nil {
		return err
	}
	return s.send(
		messageEvent{Type: "message_delta", Delta: &messageDelta{stop: &stop{Reason: stopReason(end), Sequence: stopSequence(end)}},
			Usage: &messageUsage{Input: s.head.prompt, Output: end.tokens}, Receipt: end.receipt, Payment: end.payment},
		messageEvent{Type: "message_stop"})
}

func (s *messageStream) fail(f *failure) error {
	return gone(s.event("error", marshal(f.enveloped(s.w))))
}

// messageError is the envelope of failures.
func messageError(f *failure, requestID string) any {
	kinds := map[int]string{
		http.StatusUnauthorized: "authentication_error", http.StatusForbidden: "permission_error", http.StatusNotFound: "not_found_error",
		http.StatusRequestEntityTooLarge: "request_too_large", http.StatusTooManyRequests: "rate_limit_error",
		http.StatusServiceUnavailable: "overloaded_error", http.StatusPaymentRequired: "billing_error",
	}
	kind := kinds[f.status]
	switch {
	case kind == "" && f.status < http.StatusInternalServerError:
		kind = "invalid_request_error"
	case kind == "":
		kind = "api_error"
	}
	type inner struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	return struct {
		Type      string `json:"type"`
		Error     inner  `json:"error"`
		RequestID string `json:"request_id"`
	}{"error", inner{kind, f.Message}, requestID}
}

// countTokens answers how many tokens a prompt has, without a job.
func (g *Gateway) countTokens(d *dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := g.count(w, r, d)
		if err != nil {
			g.fail(w, err)
			return
		}
		writeJSON(w, http.StatusOK, struct {
			Input int `json:"input_tokens"`
		}{n})
	}
}

func (g *Gateway) count(w http.ResponseWriter, r *http.Request, d *dialect) (int, error) {
	req, err := g.decode(w, r, d)
	if err != nil {
		return 0, err
	}
	m, err := g.model(r.Context(), req.model)
	if err != nil {
		return 0, err
	}
	codec, err := g.backend.Codec(r.Context(), m.ID)
	if err != nil {
		return 0, err
	}
	if f := g.reason(w, codec, req); f != nil {
		return 0, f
	}
	prompts, err := d.encode(codec, req)
	if err != nil {
		return 0, err
	}
	return len(prompts[0]), nil
}
