package gateway

import (
	"encoding/json"
	"net/http"
	"strings"

	"elenchus/compute/template"
)

// readEffort reads a word for how much to reason.
func readEffort(r *request, m member) *failure {
	word, f := readString(m, maxNameText)
	if f != nil {
		return f
	}
	e, exact := template.ParseEffort(word)
	if e == template.Unsaid {
		return badParam(m.name, m.name+" must be none, minimal, low, medium, high or xhigh")
	}
	if !exact {
		r.ignore(m.name)
	}
	return r.setEffort(e, true, m.name)
}

// readSwitch reads whether to reason.
func readSwitch(r *request, m member) *failure {
	on, f := readBool(m)
	if f != nil {
		return f
	}
	return r.setEffort(switched(on), false, m.name)
}

// switched is the effort of a field that says no more than whether to reason.
func switched(on bool) template.Effort {
	if on {
		return template.MediumEffort
	}
	return template.NoEffort
}

// setEffort notes an effort, named by a word or by a switch; fields that name one must agree, and a word says more.
func (r *request) setEffort(e template.Effort, word bool, field string) *failure {
	switch {
	case r.effort == template.Unsaid:
	case (r.effort == template.NoEffort) != (e == template.NoEffort), word && r.effortNamed && r.effort != e:
		return badParam(field, field+" and "+r.effortField+" ask for different efforts of reasoning")
	case !word:
		return nil
	}
	r.effort, r.effortField, r.effortNamed = e, field, word
	return nil
}

// effortWord is the effort that was named, in the words of OpenAI's dialects; nil if none was.
func (r *request) effortWord() *string {
	if r.effortField == "" {
		return nil
	}
	word := [...]string{template.NoEffort: "none", template.LowEffort: "low", template.MediumEffort: "medium", template.HighEffort: "high"}[r.effort]
	return &word
}

// readRoutedReasoning reads OpenRouter's {"effort", "enabled", "max_tokens", "exclude"} of chat completions.
func readRoutedReasoning(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		switch name {
		case "effort":
			return readEffort(r, m)
		case "enabled":
			return readSwitch(r, m)
		}
		r.ignore(m.name)
		return nil
	})
}

// readKwargs reads the variables of templates that say whether to reason; others are ignored.
func readKwargs(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		switch name {
		case "enable_thinking", "thinking":
			return readSwitch(r, m)
		case "reasoning_effort":
			return readEffort(r, m)
		}
		r.ignore(m.name)
		return nil
	})
}

// readThinking reads {"type": "enabled" or "disabled"}; no template counts the tokens of reasoning.
func readThinking(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		if name != "type" {
			r.ignore(m.name)
			return nil
		}
		switch string(m.value) {
		case `"disabled"`:
			return r.setEffort(switched(false), false, m.name)
		case `"enabled"`, `"adaptive"`:
			return r.setEffort(switched(true), false, m.name)
		}
		return unsupported(m.name, `"enabled", "adaptive" or "disabled"`)
	})
}

// readThink reads Ollama's switch, or an effort.
func readThink(r *request, m member) *failure {
	if kind(m.value) == '"' {
		return readEffort(r, m)
	}
	return readSwitch(r, m)
}

// constrained says that the answer keeps to a grammar from its first token on, which leaves no place for reasoning.
func (r *request) constrained() bool { return r.format.field != "" || r.forced }

// conversation is what the model is to go on with.
func (r *request) conversation() template.Conversation {
	return template.Conversation{Messages: r.messages, Tools: r.shown(), Date: r.date, Effort: r.effort}
}

// thoughts is how the answer is read; nil: all of it is said.
func (r *request) thoughts(codec Codec) *template.Thoughts {
	if r.raw || r.constrained() {
		return nil
	}
	return codec.Thoughts(r.conversation())
}

// reason settles how much the model is to reason. SPEC 16 §3.12.
func (g *Gateway) reason(w http.ResponseWriter, codec Codec, r *request) *failure {
	named := r.effort != template.Unsaid && r.effort != template.NoEffort
	if r.effort == template.Unsaid && (r.quiet || r.constrained()) {
		r.effort = template.Quiet
	}
	ok, own := codec.Effort(r.effort)
	switch {
	case !ok && named:
		return unsupported(r.effortField, "an effort that this model's template has a form for (none, where it has no form for reasoning)")
	case !ok:
		return unsupported(r.effortField, "an effort: this model always reasons, and nothing in its template stops it")
	case !own || named && r.constrained():
		r.ignore(r.effortField)
		return g.tellIgnored(w, r)
	}
	return nil
}

// tellIgnored lists the fields without effect, or refuses them where the gateway is strict.
func (g *Gateway) tellIgnored(w http.ResponseWriter, r *request) *failure {
	if len(r.ignored) == 0 {
		return nil
	}
	if g.options.Strict {
		return failed(http.StatusBadRequest, "invalid_request_error", r.ignored[0], "unknown_parameter",
			"this gateway is strict and does not know "+ignoredHeader(r.ignored))
	}
	w.Header().Set("X-Elenchus-Ignored", ignoredHeader(r.ignored))
	return nil
}

// put hands a piece on, reasoning apart.
func (s *strand) put(out outlet, piece string, end *ending) error {
	if s.reader == nil {
		return put(out, piece)
	}
	before := s.reader.Thinking()
	thought, said := s.reader.Write(piece)
	if before || s.reader.Thinking() || thought != "" {
		end.thought = end.tokens
	}
	return apart(out, thought, said)
}

// apart sends a piece of reasoning and one of text, unless they are empty.
func apart(out outlet, thought, said string) error {
	if thought != "" {
		if err := out.thought(thought); err != nil {
			return err
		}
	}
	return put(out, said)
}

// last hands on what was held back until the end of the answer.
func (s *strand) last(out outlet, end *ending) error {
	if err := s.put(out, s.decoder.Flush(), end); err != nil || s.reader == nil {
		return err
	}
	thought, said := s.reader.Flush()
	return apart(out, thought, said)
}

// thoughtPart is reasoning as responses have it in requests and answers.
type thoughtPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// readThoughtParts joins the texts of the content, or of the summary, of an item of reasoning.
func readThoughtParts(m member) (string, *failure) {
	var texts []string
	f := each(m, func(_ int, raw json.RawMessage) *failure {
		var p thoughtPart
		if json.Unmarshal(raw, &p) != nil || p.Type != "reasoning_text" && p.Type != "summary_text" && p.Type != "text" {
			return badParam(m.name, m.name+` must be a list of {"type":"reasoning_text","text":"..."} or of summary_text`)
		}
		texts = append(texts, p.Text)
		return nil
	})
	return strings.Join(texts, "\n\n"), f
}
