package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"elenchus/compute/template"
)

// ollamaVersion is the version of Ollama whose endpoints these follow; what comes after the plus is ours.
const ollamaVersion = "0.13.3+elenchus"

// ollamaLine is a whole answer, or one line of a streamed one. Field order is the order on the wire.
type ollamaLine struct {
	Model    string         `json:"model"`
	Created  string         `json:"created_at"`
	Message  *ollamaMessage `json:"message,omitempty"`  // of chat
	Response *string        `json:"response,omitempty"` // of generate
	Thinking string         `json:"thinking,omitempty"` // of generate
	Logprobs []logprob      `json:"logprobs,omitempty"`
	Done     bool           `json:"done"`
	*ollamaEnd
}

type ollamaMessage struct {
	Role     string       `json:"role"`
	Content  string       `json:"content"`
	Thinking string       `json:"thinking,omitempty"`
	Calls    []ollamaCall `json:"tool_calls,omitempty"`
}

type ollamaCall struct {
	ID       string         `json:"id"`
	Function ollamaFunction `json:"function"`
}

type ollamaFunction struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// ollamaEnd is what the last line adds. Durations are in nanoseconds, from the start of the job.
type ollamaEnd struct {
	Reason      string        `json:"done_reason"`
	Total       time.Duration `json:"total_duration"`
	Load        time.Duration `json:"load_duration"`
	PromptCount int           `json:"prompt_eval_count"`
	Prompt      time.Duration `json:"prompt_eval_duration"`
	Count       int           `json:"eval_count"`
	Answer      time.Duration `json:"eval_duration"`
	Receipt     string        `json:"elenchus_receipt,omitempty"`
	Payment     string        `json:"elenchus_payment,omitempty"`
}

// ollamaShape puts text, reasoning and calls where an endpoint has them.
type ollamaShape func(line *ollamaLine, s *said, calls []ollamaCall)

func chatLine(line *ollamaLine, s *said, calls []ollamaCall) {
	line.Message = &ollamaMessage{"assistant", s.content, s.thought, calls}
}

func textLine(line *ollamaLine, s *said, _ []ollamaCall) {
	line.Response, line.Thinking = &s.content, s.thought
}

func (shape ollamaShape) line(h *head, s said) *ollamaLine {
	out := make([]ollamaCall, len(s.calls))
	for i, c := range s.calls {
		out[i] = ollamaCall{h.fresh("call_"), ollamaFunction{i, c.Name, json.RawMessage(c.Arguments)}}
	}
	line := &ollamaLine{Model: publicName(h.model), Created: h.now().UTC().Format(time.RFC3339Nano)}
	shape(line, &s, out)
	return line
}

// last is the line that ends an answer.
func (shape ollamaShape) last(h *head, s said) *ollamaLine {
	line := shape.line(h, s)
	took := max(h.now().Sub(h.began), 0)
	line.Done, line.Logprobs = true, logprobsOf(s.odds)
	line.ollamaEnd = &ollamaEnd{Reason: "stop", Total: took, PromptCount: h.prompt, Count: s.tokens, Answer: took, Receipt: s.receipt, Payment: s.payment}
	if s.reason == "length" {
		line.Reason = "length"
	}
	return line
}

func wholeChatLine(h *head, s said) any { return ollamaShape(chatLine).last(h, s) }
func wholeTextLine(h *head, s said) any { return ollamaShape(textLine).last(h, s) }

func chatLines(h *head, e *events, s *strand) writer { return &lineStream{e, h, s, chatLine} }
func textLines(h *head, e *events, s *strand) writer { return &lineStream{e, h, s, textLine} }

// loaded is the answer to a request without a prompt, by which clients have models loaded. Nodes load theirs themselves.
func (shape ollamaShape) loaded(h *head) any {
	line := shape.line(h, said{})
	line.Done, line.ollamaEnd = true, &ollamaEnd{Reason: "load"}
	return line
}

func loadChat(h *head) any {
	if len(h.request.messages) > 0 {
		return nil
	}
	return ollamaShape(chatLine).loaded(h)
}

func loadText(h *head) any {
	if h.request.prompt != "" {
		return nil
	}
	return ollamaShape(textLine).loaded(h)
}

// lineStream writes an answer line by line.
type lineStream struct {
	*events
	head   *head
	strand *strand
	shape  ollamaShape
}

func (s *lineStream) send(line any) error { return gone(s.line(marshal(line))) }

// idle sends a piece without text, since lines know no comments.
func (s *lineStream) idle() error { return s.text("") }

func (s *lineStream) text(piece string) error { return s.piece(said{content: piece}) }

func (s *lineStream) thought(piece string) error { return s.piece(said{thought: piece}) }

func (s *lineStream) piece(p said) error {
	line := s.shape.line(s.head, p)
	line.Logprobs = logprobsOf(s.strand.takeOdds())
	return s.send(line)
}

func (s *lineStream) called(calls []template.Call) error {
	return s.send(s.shape.line(s.head, said{calls: calls}))
}

func (s *lineStream) close(end ending) error {
	return s.send(s.shape.last(s.head, said{ending: end, odds: s.strand.takeOdds()}))
}

func (s *lineStream) fail(f *failure) error { return s.send(ollamaError(f, "")) }

// ollamaError is the envelope of failures.
func ollamaError(f *failure, _ string) any {
	return struct {
		Error string `json:"error"`
	}{f.Message}
}

func version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Version string `json:"version"`
	}{ollamaVersion})
}

// ollamaModel is a model as /api/tags and /api/ps list it. What nodes load of it is unknown to a gateway.
type ollamaModel struct {
	Name     string        `json:"name"`
	Model    string        `json:"model"`
	Modified string        `json:"modified_at"`
	Size     int64         `json:"size"`
	SizeVRAM int64         `json:"size_vram"`
	Digest   string        `json:"digest"`
	Details  ollamaDetails `json:"details"`
	Context  int           `json:"context_length"`
}

type ollamaDetails struct {
	Parent       string   `json:"parent_model"`
	Format       string   `json:"format"`
	Family       string   `json:"family"`
	Families     []string `json:"families"`
	Parameters   string   `json:"parameter_size"`
	Quantization string   `json:"quantization_level"`
}

func detailsOf(m Model) ollamaDetails {
	return ollamaDetails{Format: "elenchus", Family: "elenchus", Families: []string{"elenchus"}, Parameters: parametersText(m.Parameters), Quantization: m.Class}
}

// parametersText is a number of parameters as Ollama writes it: 134.5M.
func parametersText(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1_000_000_000, "B"}, {1_000_000, "M"}, {1000, "K"}} {
		if n >= unit.size {
			return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(unit.size), 'f', 1, 64), ".0") + unit.name
		}
	}
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func modified(m Model) string { return time.Unix(m.Created, 0).UTC().Format(time.RFC3339) }

// ollamaModels lists what can be asked; all of it is loaded.
func (g *Gateway) ollamaModels(w http.ResponseWriter, r *http.Request) {
	models, err := g.backend.Models(r.Context())
	if err != nil {
		g.fail(w, err)
		return
	}
	list := make([]ollamaModel, len(models))
	for i, m := range models {
		name := publicName(m)
		list[i] = ollamaModel{Name: name, Model: name, Modified: modified(m), Size: m.Bytes, Digest: m.ID, Details: detailsOf(m), Context: m.ContextLength}
	}
	writeJSON(w, http.StatusOK, struct {
		Models []ollamaModel `json:"models"`
	}{list})
}

// ollamaShow describes a model.
func (g *Gateway) ollamaShow(w http.ResponseWriter, r *http.Request) {
	shown, err := g.described(w, r)
	if err != nil {
		g.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, shown)
}

// ollamaDescription is the answer to POST /api/show. The template is part of the model's id, and not text here.
type ollamaDescription struct {
	Parameters   string         `json:"parameters"`
	Template     string         `json:"template"`
	Modified     string         `json:"modified_at"`
	Details      ollamaDetails  `json:"details"`
	Info         map[string]any `json:"model_info"`
	Capabilities []string       `json:"capabilities"`
}

func (g *Gateway) described(w http.ResponseWriter, r *http.Request) (*ollamaDescription, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	req, f := decodeRequest(body, map[string]reader{"model": readModel, "name": readModel})
	if f != nil {
		return nil, f
	}
	m, err := g.model(r.Context(), req.model)
	if err != nil {
		return nil, err
	}
	codec, err := g.backend.Codec(r.Context(), m.ID)
	if err != nil {
		return nil, err
	}
	abilities := []string{"completion"}
	if m.Vectors > 0 {
		abilities = []string{"embedding"}
	} else if codec.Syntax() != nil {
		abilities = append(abilities, "tools")
	}
	if codec.Thoughts(template.Conversation{}) != nil {
		abilities = append(abilities, "thinking")
	}
	return &ollamaDescription{
		Modified: modified(m), Details: detailsOf(m), Capabilities: abilities, Info: map[string]any{
			"general.architecture": "elenchus", "general.basename": publicName(m), "elenchus.context_length": m.ContextLength,
			"elenchus.model_id": m.ID, "elenchus.vocab_size": m.Vocab, "general.parameter_count": m.Parameters,
			"elenchus.architecture": m.Architecture,
		},
	}, nil
}
