package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
)

const (
	maxResponses     = 4096     // that are kept
	maxResponseBytes = 64 << 20 // of all that are kept
)

// response is the object of an answer to POST /v1/responses. Field order is the order on the wire.
type response struct {
	ID           string            `json:"id"`
	Object       string            `json:"object"`
	CreatedAt    int64             `json:"created_at"`
	CompletedAt  *int64            `json:"completed_at"`
	Status       string            `json:"status"`
	Background   bool              `json:"background"`
	Error        *responseError    `json:"error"`
	Incomplete   *incompleteReason `json:"incomplete_details"`
	Instructions json.RawMessage   `json:"instructions"`
	MaxOutput    json.RawMessage   `json:"max_output_tokens"`
	MaxToolCalls *int              `json:"max_tool_calls"`
	Model        string            `json:"model"`
	Output       []outputItem      `json:"output"`
	Parallel     bool              `json:"parallel_tool_calls"`
	Previous     *string           `json:"previous_response_id"`
	CacheKey     json.RawMessage   `json:"prompt_cache_key"`
	Reasoning    reasoning         `json:"reasoning"`
	Safety       json.RawMessage   `json:"safety_identifier"`
	ServiceTier  string            `json:"service_tier"`
	Store        bool              `json:"store"`
	Temperature  json.RawMessage   `json:"temperature"`
	Text         textConfig        `json:"text"`
	ToolChoice   json.RawMessage   `json:"tool_choice"`
	Tools        json.RawMessage   `json:"tools"`
	TopLogprobs  int               `json:"top_logprobs"`
	TopP         json.RawMessage   `json:"top_p"`
	Presence     json.RawMessage   `json:"presence_penalty"`
	Frequency    json.RawMessage   `json:"frequency_penalty"`
	Truncation   string            `json:"truncation"`
	Usage        *responseUsage    `json:"usage"`
	User         json.RawMessage   `json:"user"`
	Metadata     json.RawMessage   `json:"metadata"`
	Fingerprint  string            `json:"system_fingerprint"`
	Receipt      string            `json:"elenchus_receipt,omitempty"`
	Payment      string            `json:"elenchus_payment,omitempty"`
}

type responseError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type incompleteReason struct {
	Reason string `json:"reason"`
}

type reasoning struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

type textConfig struct {
	Format json.RawMessage `json:"format"`
}

type responseUsage struct {
	Input        int          `json:"input_tokens"`
	InputDetail  cacheTokens  `json:"input_tokens_details"`
	Output       int          `json:"output_tokens"`
	OutputDetail reasonTokens `json:"output_tokens_details"`
	Total        int          `json:"total_tokens"`
}

type cacheTokens struct {
	Cached  int `json:"cached_tokens"`
	Written int `json:"cache_write_tokens"`
}

type reasonTokens struct {
	Reasoning int `json:"reasoning_tokens"`
}

// outputItem is a message, reasoning, or a call of a tool.
type outputItem struct {
	ID        string       `json:"id"`
	Type      string       `json:"type"`
	Status    string       `json:"status"`
	Summary   []struct{}   `json:"summary,omitzero"` // of reasoning: empty
	Role      string       `json:"role,omitempty"`
	Content   []outputPart `json:"content,omitzero"` // of a message, possibly empty
	CallID    string       `json:"call_id,omitempty"`
	Name      string       `json:"name,omitempty"`
	Arguments *string      `json:"arguments,omitempty"`
}

// outputPart is a text.
type outputPart struct {
	Type        string     `json:"type"`
	Text        string     `json:"text"`
	Annotations []struct{} `json:"annotations,omitzero"` // of output_text, possibly empty
	Logprobs    []logprob  `json:"logprobs,omitzero"`
}

func textPart(text string, odds ...logprob) outputPart {
	return outputPart{"output_text", text, []struct{}{}, append([]logprob{}, odds...)}
}

func thoughtItem(id, status string, parts ...outputPart) outputItem {
	return outputItem{ID: id, Type: "reasoning", Status: status, Summary: []struct{}{}, Content: append([]outputPart{}, parts...)}
}

func reasoningPart(text string) outputPart { return outputPart{Type: "reasoning_text", Text: text} }

func messageItem(id, status string, parts ...outputPart) outputItem {
	return outputItem{ID: id, Type: "message", Status: status, Role: "assistant", Content: append([]outputPart{}, parts...)}
}

// wholeTools are tools with what a request may leave out and an answer has: description, parameters, strict.
func wholeTools(tools json.RawMessage) json.RawMessage {
	var all []map[string]json.RawMessage
	if json.Unmarshal(tools, &all) != nil {
		return tools // the request was read before: there are none
	}
	out := make([]json.RawMessage, len(all))
	for i, t := range all {
		for name, otherwise := range map[string]string{"description": "null", "parameters": "null", "strict": "false"} {
			if _, ok := t[name]; !ok {
				t[name] = json.RawMessage(otherwise)
			}
		}
		out[i] = marshal(t)
	}
	return marshal(out)
}

// newResponse is an answer of which nothing has been said yet.
func newResponse(h *head) *response {
	f := h.request.response
	echo := func(name, otherwise string) json.RawMessage {
		if v, ok := f.echo[name]; ok {
			return v
		}
		return json.RawMessage(otherwise)
	}
	a := &response{
		ID: "resp_" + h.hex, Object: "response", CreatedAt: h.began.Unix(), Status: "in_progress",
		Instructions: echo("instructions", "null"), MaxOutput: echo("max_output_tokens", "null"),
		Model: publicName(h.model), Output: []outputItem{}, Parallel: true,
		CacheKey: echo("prompt_cache_key", "null"), Safety: echo("safety_identifier", "null"), ServiceTier: "default", Store: !f.unkept,
		Temperature: echo("temperature", "1"), ToolChoice: echo("tool_choice", `"auto"`), Tools: wholeTools(echo("tools", "[]")),
		Presence: echo("presence_penalty", "0"), Frequency: echo("frequency_penalty", "0"), TopP: echo("top_p", "1"),
		TopLogprobs: h.request.topLogprobs, Truncation: "disabled", User: echo("user", "null"), Metadata: echo("metadata", "{}"), Fingerprint: h.model.ID,
	}
	a.Text.Format = h.request.formatOf()
	a.Reasoning.Effort = h.request.effortWord()
	if f.previous != "" {
		a.Previous = &f.previous
	}
	return a
}

// finish says how the answer ended.
func (a *response) finish(h *head, end ending) {
	now := h.now().Unix()
	a.Status, a.CompletedAt, a.Receipt = "completed", &now, end.receipt
	a.Payment = end.payment
	if end.reason == "length" {
		a.Status, a.CompletedAt, a.Incomplete = "incomplete", nil, &incompleteReason{"max_output_tokens"}
	}
	a.Usage = &responseUsage{Input: h.prompt, Output: end.tokens, OutputDetail: reasonTokens{end.thought}, Total: h.prompt + end.tokens}
}

// keptResponse is a response that a later one may go on from.
type keptResponse struct {
	messages []Message // without instructions
	open     []string  // ids of its calls
	body     []byte    // the response
}

// keeper is the endpoint of responses with those it keeps.
type keeper struct{ shelf *shelf[keptResponse] }

func (k *keeper) dialect() *dialect {
	return &dialect{
		fields: responseReaders(), check: k.checkResponse, missing: "input", encode: encodeChat, whole: alone(k.whole), stream: k.stream, thinks: true,
	}
}

// keep makes a response available under its id, unless the client did not want that.
func (k *keeper) keep(h *head, a *response, s said) {
	if h.request.response.unkept {
		return
	}
	kept := keptResponse{body: marshal(a)}
	turn := Message{Role: "assistant", Content: s.content, Calls: s.calls, Reasoning: s.thought}
	kept.messages = append(append(kept.messages, h.request.response.said...), turn)
	size := len(kept.body)
	for _, m := range kept.messages {
		size += len(m.Role) + len(m.Content) + len(m.Reasoning) + 64
		for _, c := range m.Calls {
			size += len(c.Name) + len(c.Arguments) + 32
		}
	}
	for _, it := range a.Output {
		if it.CallID != "" {
			kept.open = append(kept.open, it.CallID)
		}
	}
	k.shelf.put(h.request.owner, a.ID, kept, size)
}

func (k *keeper) whole(h *head, s said) any {
	a := newResponse(h)
	a.finish(h, s.ending)
	if s.thought != "" {
		a.Output = append(a.Output, thoughtItem(h.fresh("rs_"), "completed", reasoningPart(s.thought)))
	}
	if s.content != "" || len(s.calls) == 0 {
		a.Output = append(a.Output, messageItem(h.fresh("msg_"), a.Status, textPart(s.content, logprobsOf(s.odds)...)))
	}
	for _, c := range s.calls {
		a.Output = append(a.Output, outputItem{
			ID: h.fresh("fc_"), Type: "function_call", Status: "completed", CallID: h.fresh("call_"), Name: c.Name, Arguments: &c.Arguments,
		})
	}
	k.keep(h, a, s)
	return a
}

// show answers GET /v1/responses/{id}.
func (k *keeper) show(w http.ResponseWriter, r *http.Request) {
	kept, ok := k.shelf.get(owner(w), r.PathValue("id"))
	switch {
	case !ok:
		noResponse(r.PathValue("id")).write(w)
	case r.URL.Query().Get("stream") == "true":
		unsupported("stream", "false").write(w)
	default:
		writeJSON(w, http.StatusOK, json.RawMessage(kept.body))
	}
}

// remove answers DELETE /v1/responses/{id}.
func (k *keeper) remove(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !k.shelf.remove(owner(w), id) {
		noResponse(id).write(w)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{id, "response", true})
}

func noResponse(id string) *failure {
	return failed(http.StatusNotFound, "invalid_request_error", "", "response_not_found",
		"the response "+strconv.Quote(clip(id, 40))+" is not kept here: it was never, was deleted, or made room for newer ones")
}
