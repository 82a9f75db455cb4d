package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"elenchus/compute/template"
)

// usage counts tokens.
type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`

	Details *reasonTokens `json:"completion_tokens_details,omitempty"` // of models that reason
}

// completion is a whole answer, or one chunk of a streamed one. Field order is the order on the wire.
type completion struct {
	ID                string `json:"id"`
	Object            string `json:"object"`
	Created           int64  `json:"created"`
	Model             string `json:"model"`
	SystemFingerprint string `json:"system_fingerprint"`
	Choices           any    `json:"choices"`
	Usage             any    `json:"usage,omitempty"` // *usage; json.RawMessage("null") on the chunks before it
	Receipt           string `json:"elenchus_receipt,omitempty"`
	Payment           string `json:"elenchus_payment,omitempty"` // of a stream
}

// chatMessage is the assistant's turn of a whole answer. The dialect requires refusal.
type chatMessage struct {
	Role    string     `json:"role"`
	Content *string    `json:"content"`
	Refusal *string    `json:"refusal"`
	Calls   []toolCall `json:"tool_calls,omitempty"`
	*reasoned
}

// reasoned is reasoning under the names that clients look for.
type reasoned struct {
	Thought string `json:"reasoning_content"`
	Routed  string `json:"reasoning"`
}

// chatDelta is a piece of the assistant's turn.
type chatDelta struct {
	Role    string     `json:"role,omitempty"`
	Content *string    `json:"content,omitempty"`
	Calls   []toolCall `json:"tool_calls,omitempty"`
	*reasoned
}

// choice is a choice of an answer: Message in a whole chat, Delta in a streamed one, Text in a completion.
type choice struct {
	Index        int          `json:"index"`
	Message      *chatMessage `json:"message,omitempty"`
	Delta        *chatDelta   `json:"delta,omitempty"`
	Text         *string      `json:"text,omitempty"`
	Logprobs     any          `json:"logprobs"` // *chatLogprobs, *textLogprobs; null if they were not asked for
	FinishReason *string      `json:"finish_reason"`
	Receipt      string       `json:"elenchus_receipt,omitempty"` // where there are several choices
}

// shape is what differs between the answers of the two endpoints.
type shape struct {
	idPrefix string
	object   string // of a whole answer
	chunk    string // of a piece
	turn     func(s *said, calls []toolCall) choice
	opening  []choice // sent before the first piece of a stream
	piece    func(text string) choice
	thought  func(text string) choice // nil: its answers tell no reasoning apart
	calls    func(calls []toolCall) choice
	closing  func() choice
	odds     func(h *head, all []tokenOdds, offset *int) any
}

// frame is an answer that lacks all but what its objects share.
func (s *shape) frame(h *head) completion {
	return completion{
		ID: s.idPrefix + h.hex, Object: s.object, Created: h.began.Unix(),
		Model: publicName(h.model), SystemFingerprint: h.model.ID,
	}
}

// whole is an answer in one piece.
func (s *shape) whole(h *head, all []said) any {
	answer := s.frame(h)
	choices, tokens, thoughts := make([]choice, len(all)), 0, 0
	for i, said := range all {
		c := s.turn(&said, h.toolCalls(said.calls))
		offset := 0
		thoughts += said.ending.thought
		c.Index, c.FinishReason, c.Logprobs = i, &said.reason, s.odds(h, said.odds, &offset)
		if tokens += said.tokens; len(all) == 1 {
			answer.Receipt = said.receipt
		} else {
			c.Receipt = said.receipt
		}
		choices[i] = c
	}
	answer.Choices, answer.Usage = choices, h.usage(tokens, thoughts)
	return answer
}

// usage counts tokens: of answers, and of the reasoning among them.
func (h *head) usage(answered, thoughts int) *usage {
	u := &usage{PromptTokens: h.prompt, CompletionTokens: answered, TotalTokens: h.prompt + answered}
	if h.thinks {
		u.Details = &reasonTokens{thoughts}
	}
	return u
}

// toolCalls gives calls ids.
func (h *head) toolCalls(calls []template.Call) []toolCall {
	out := make([]toolCall, len(calls))
	for i, c := range calls {
		out[i] = toolCall{ID: h.fresh("call_"), Type: "function", Function: callFunction{c.Name, c.Arguments}}
	}
	return out
}

func chatDialect() *dialect {
	empty := ""
	s := &shape{
		idPrefix: "chatcmpl-",
		object:   "chat.completion",
		chunk:    "chat.completion.chunk",
		turn: func(s *said, calls []toolCall) choice {
			m := &chatMessage{Role: "assistant", Content: &s.content, Calls: calls}
			if s.content == "" && len(calls) > 0 {
				m.Content = nil
			}
			if s.thought != "" {
				m.reasoned = &reasoned{s.thought, s.thought}
			}
			return choice{Message: m}
		},
		thought: func(text string) choice { return choice{Delta: &chatDelta{reasoned: &reasoned{text, text}}} },
		opening: []choice{{Delta: &chatDelta{Role: "assistant", Content: &empty}}},
		piece:   func(text string) choice { return choice{Delta: &chatDelta{Content: &text}} },
		calls:   func(calls []toolCall) choice { return choice{Delta: &chatDelta{Calls: calls}} },
		closing: func() choice { return choice{Delta: &chatDelta{}} },
		odds:    chatOdds,
	}
	return &dialect{
		fields: chatFields(), check: checkChoices, missing: "messages", encode: encodeChat, whole: s.whole, stream: s.chunks, finish: s.finish,
		thinks: true,
	}
}

// encodeChat renders a conversation.
func encodeChat(c Codec, r *request) ([][]int32, error) { return one(c.EncodeChat(r.conversation())) }

func completionDialect() *dialect {
	text := func(text string) choice { return choice{Text: &text} }
	s := &shape{
		idPrefix: "cmpl-",
		object:   "text_completion",
		chunk:    "text_completion",
		turn:     func(s *said, _ []toolCall) choice { return text(s.content) },
		piece:    text,
		closing:  func() choice { return text("") },
		odds:     textOdds,
	}
	return &dialect{
		fields: completionFields(), check: checkChoices, missing: "prompt", encode: encodePrompts, whole: s.whole, stream: s.chunks, finish: s.finish,
	}
}

// modelEntry is a model as the dialect lists it, with two fields more.
type modelEntry struct {
	ID            string  `json:"id"`
	Object        string  `json:"object"`
	Created       int64   `json:"created"`
	OwnedBy       string  `json:"owned_by"`
	ModelID       string  `json:"elenchus_model_id"`
	ContextLength int     `json:"context_length"`
	Pricing       price   `json:"pricing"`
	Verification  []offer `json:"verification"`
}

// price is what tokens and requests cost, in the words of OpenRouter: nothing, since requests carry no payment.
type price struct {
	Prompt     string `json:"prompt"`
	Completion string `json:"completion"`
	Request    string `json:"request"`
}

// offer is a level of verification and what it costs besides.
type offer struct {
	Level   string `json:"level"`
	Request string `json:"request"`
}

// entryOf describes a model; every model and level costs the same.
func (g *Gateway) entryOf(m Model) modelEntry {
	cost := g.price()
	e := modelEntry{publicName(m), "model", m.Created, "elenchus", m.ID, m.ContextLength, price{"0", "0", cost}, nil}
	for _, level := range offered(m) {
		e.Verification = append(e.Verification, offer{level, cost})
	}
	return e
}

// publicName is what clients call the model.
func publicName(m Model) string {
	if m.Name == "" {
		return m.ID
	}
	return m.Name
}

// marshal encodes v without escaping <, > and &, and without a final newline.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("gateway: an answer cannot be encoded: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// writeJSON sends a complete answer. A failed write means that the client has gone, which net/http notices itself.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body := append(marshal(v), '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
