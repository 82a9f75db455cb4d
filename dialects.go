package elenchus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"elenchus/commitment/receipt"
	"elenchus/compute/template"
)

// Dialect is the form in which a request was sent to a gateway. SPEC 16.
type Dialect string

// The dialects. "" finds out by the receipt, the response and the request, in this order.
const (
	ChatCompletions Dialect = "chat"            // POST /v1/chat/completions
	Completions     Dialect = "completions"     // POST /v1/completions
	Responses       Dialect = "responses"       // POST /v1/responses
	Messages        Dialect = "messages"        // POST /v1/messages
	OllamaChat      Dialect = "ollama-chat"     // POST /api/chat
	OllamaGenerate  Dialect = "ollama-generate" // POST /api/generate
	Embeddings      Dialect = "embeddings"      // POST /v1/embeddings
)

// Dialects lists them.
func Dialects() []Dialect {
	return []Dialect{ChatCompletions, Completions, Responses, Messages, OllamaChat, OllamaGenerate, Embeddings}
}

// dialect is that of the options, else the one that the receipt and both bodies tell.
func (o *Options) dialect(r *receipt.Receipt) Dialect {
	if o.Dialect != "" {
		return o.Dialect
	}
	if r.Request.Graph() {
		return Embeddings
	}
	if d := dialectOfResponse(o.Response); d != "" {
		return d
	}
	return dialectOfRequest(o.Request)
}

// dialectOfResponse looks at the first object of a response; "" if it tells nothing.
func dialectOfResponse(b []byte) Dialect {
	b = bytes.TrimSpace(b)
	for line := range bytes.Lines(b) {
		data, ok := eventData(line)
		if ok {
			b = data
			break
		}
	}
	var f struct {
		Object, Type      string
		Message, Response json.RawMessage
		Done              *bool
	}
	if json.NewDecoder(bytes.NewReader(b)).Decode(&f) != nil {
		return ""
	}
	switch {
	case strings.HasPrefix(f.Object, "chat.completion"):
		return ChatCompletions
	case f.Object == "text_completion":
		return Completions
	case f.Object == "response", strings.HasPrefix(f.Type, "response."):
		return Responses
	case f.Type == "message", f.Type == "message_start":
		return Messages
	case f.Done != nil && f.Message != nil:
		return OllamaChat
	case f.Done != nil && f.Response != nil:
		return OllamaGenerate
	case f.Object == "list":
		return Embeddings
	}
	return ""
}

// dialectOfRequest looks for fields that one dialect alone has. What several have means the same in all of them, but a
// bare prompt, which Ollama shows through the template: it is taken for that of completions.
func dialectOfRequest(b []byte) Dialect {
	var f fields
	if json.Unmarshal(b, &f) != nil {
		return ChatCompletions // whose reader says what is wrong
	}
	any := func(names ...string) bool { return slices.ContainsFunc(names, f.has) }
	anthropic, ollama := f.blocks()
	switch {
	case any("input", "instructions", "max_output_tokens", "previous_response_id"):
		return Responses
	case any("prompt") && any("options", "system", "raw", "keep_alive", "context", "images", "template"):
		return OllamaGenerate
	case any("prompt"):
		return Completions
	case anthropic || any("system", "stop_sequences", "thinking"):
		return Messages
	case ollama || any("options", "keep_alive", "format", "think"):
		return OllamaChat
	}
	return ChatCompletions
}

// blocks says whether messages or tools are written as those of Messages or of Ollama are.
func (f fields) blocks() (anthropic, ollama bool) {
	var turns []struct {
		Content json.RawMessage `json:"content"`
		Calls   []struct {
			Function struct {
				Arguments json.RawMessage `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	}
	var tools []struct {
		Schema json.RawMessage `json:"input_schema"`
	}
	_, _ = json.Unmarshal(f["messages"], &turns), json.Unmarshal(f["tools"], &tools) // readers say what is wrong
	for _, t := range turns {
		var parts []block
		if json.Unmarshal(t.Content, &parts) == nil {
			for _, p := range parts {
				anthropic = anthropic || p.Type == "tool_use" || p.Type == "tool_result" || p.Type == "thinking"
			}
		}
		for _, c := range t.Calls {
			ollama = ollama || bytes.HasPrefix(c.Function.Arguments, []byte("{"))
		}
	}
	for _, t := range tools {
		anthropic = anthropic || len(t.Schema) > 0
	}
	return anthropic, ollama
}

// readAs reads what a body asks for, as one of its choices.
func readAs(d Dialect, b []byte, choice int) (*receipt.Asked, error) {
	if d == ChatCompletions || d == Completions {
		return readRequest(b, choice)
	}
	var f fields
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInput, err)
	}
	a := &receipt.Asked{}
	if d == Embeddings {
		return a, f.vectorInput(a, choice)
	}
	if choice != 0 {
		return nil, fmt.Errorf("%w: request: an answer of this dialect has one choice, not one numbered %d", ErrInput, choice)
	}
	read := map[Dialect]func(*receipt.Asked) (string, error){
		Responses: f.responses, Messages: f.anthropic, OllamaChat: f.ollamaChat, OllamaGenerate: f.ollamaGenerate,
	}[d]
	if read == nil {
		return nil, fmt.Errorf("%w: there is no dialect %q: use one of %v", ErrInput, d, Dialects())
	}
	limit, err := read(a)
	if err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInput, err)
	}
	if err := firstOf(f.limit(a, limit), f.effort(d, a)); err != nil {
		return nil, err
	}
	return a, f.sampler(a)
}

// vectorInput reads one of the inputs of a request for vectors.
func (f fields) vectorInput(a *receipt.Asked, choice int) error {
	raw := f["input"]
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 && (list[0][0] == '"' || list[0][0] == '[') {
		if choice < 0 || choice >= len(list) {
			return fmt.Errorf("%w: request: it has %d inputs: none is number %d", ErrInput, len(list), choice)
		}
		raw, choice = list[choice], 0
	}
	var text string
	if choice == 0 && json.Unmarshal(raw, &text) == nil {
		a.Text = &text
		return nil
	}
	if err := json.Unmarshal(raw, &a.IDs); choice != 0 || err != nil || len(a.IDs) == 0 {
		return fmt.Errorf("%w: request: input %d is neither a text nor a list of token ids", ErrInput, choice)
	}
	return nil
}

// member is one name and value of an object, in the order of the text.
type member struct {
	name  string
	value json.RawMessage
}

// ordered are the members of an object that are not null, in their order: templates show tools as they were written.
func ordered(raw json.RawMessage) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("a tool is no JSON object")
	}
	var out []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: t.(string)} // the only kind of a name
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		if string(m.value) != "null" {
			out = append(out, m)
		}
	}
	return out, nil
}

// function is the JSON of a tool as chat completions have it. rename says which members stay, and under which name.
func function(raw json.RawMessage, rename func(name string) string) (tool, name string, err error) {
	all, err := ordered(raw)
	out := []byte(`{"type":"function","function":{`)
	first := true
	for _, m := range all {
		as := rename(m.name)
		if as == "" {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(strconv.AppendQuote(out, as), ':'), m.value...)
		if m.name == "name" {
			_ = json.Unmarshal(m.value, &name) // without one it is none of those that are allowed
		}
	}
	return string(append(out, "}}"...)), name, err
}

// functions reads tools that are written flat, but those that the request does not let the model see.
func (f fields) functions(a *receipt.Asked, rename func(name string) string) error {
	var choice struct {
		Type  string `json:"type"`
		Tools []struct {
			Name     string `json:"name"`
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		} `json:"tools"`
	}
	var word string
	if json.Unmarshal(f["tool_choice"], &word) != nil {
		_ = json.Unmarshal(f["tool_choice"], &choice) // the gateway has refused what is neither
	}
	if word == "none" || choice.Type == "none" {
		return nil
	}
	var all []json.RawMessage
	if err := f.read("tools", &all); err != nil {
		return err
	}
	var strict []string
	for _, raw := range all {
		tool, name, err := function(raw, rename)
		if err != nil {
			return err
		}
		if keepsSchema(raw) {
			strict = append(strict, name)
		}
		allowed := choice.Type != "allowed_tools"
		for _, t := range choice.Tools {
			allowed = allowed || t.Name+t.Function.Name == name
		}
		if allowed {
			a.Tools = append(a.Tools, tool)
		}
	}
	return f.use(a, strict...)
}

// keepsSchema says whether a tool that is written flat is strict.
func keepsSchema(tool json.RawMessage) bool {
	var t struct {
		Strict bool `json:"strict"`
	}
	return json.Unmarshal(tool, &t) == nil && t.Strict
}

// talk puts a conversation together from texts, reasoning and calls that come one by one.
type talk struct {
	messages []template.Message
	thought  []string // of the assistant's message that follows
}

func (k *talk) say(role, text string) {
	m := template.Message{Role: role, Content: text}
	if thought := k.thoughts(); role == template.Assistant {
		m.Reasoning = thought
	}
	k.messages = append(k.messages, m)
}

// reason keeps reasoning for the assistant's message that follows.
func (k *talk) reason(text string) {
	if text != "" {
		k.thought = append(k.thought, text)
	}
}

// thoughts are the texts that were kept, which are then forgotten.
func (k *talk) thoughts() string {
	text := strings.Join(k.thought, "\n\n")
	k.thought = nil
	return text
}

// call adds a call to the assistant's message, or makes one.
func (k *talk) call(c template.Call) {
	if n := len(k.messages); n == 0 || k.messages[n-1].Role != template.Assistant {
		k.say(template.Assistant, "")
	}
	last := &k.messages[len(k.messages)-1]
	if thought := k.thoughts(); last.Reasoning == "" {
		last.Reasoning = thought
	}
	last.Calls = append(last.Calls, c)
}

// roleOf is the role that a template knows.
func roleOf(role string) string {
	if role == "developer" {
		return template.System
	}
	return role
}

// objectOr is raw, or an empty object.
func objectOr(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return "{}"
	}
	return string(raw)
}
