// Package template renders a conversation into the text that a model reads.
//
// It stands on the compute floor beside tokenizer: the template is part of the model id, so that
// whoever checks a receipt obtains the same prompt. A template is data, not a program: literals
// before and after the turns of each role, where a system message goes, and how tools are shown.
// Importers derive it from a model's own template and check it against that. SPEC 04 §4.
//
//	t, err := template.Parse(m.Template)
//	parts, err := t.Render(template.Conversation{Messages: []template.Message{{Role: "user", Content: "Hi"}}})
//	ids := template.Prompt(tok, parts)
package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrTemplate marks bytes that are no canonical template.
var ErrTemplate = errors.New("invalid template")

// ErrConversation marks a conversation that the template has no form for; the error says which
// message and what to do.
var ErrConversation = errors.New("conversation does not fit the model's template")

const tag = "elenchus/template/1"

// MaxBytes is the most that an encoded template may take.
const MaxBytes = 1 << 16

// Form is how messages become text.
type Form uint8

// Forms. Concat joins the contents, whatever their roles. Chat is a Turns, with or without tools.
// Vectors is of an encoder: it renders no conversations. Dated is Chat with the date in its literals.
// Reasoned is of a model that reasons before it answers: Chat or Dated for each effort.
const (
	Concat   Form = 1
	Chat     Form = 2
	Vectors  Form = 3
	Dated    Form = 4
	Reasoned Form = 5
)

// Template is an immutable template; the zero value is illegal.
type Template struct {
	form  Form
	turns *Turns
	tools *Tools
	unit  bool
	dates []string // formats

	ways      []Way // of a template that reasons; the fields above are those of the first
	reasoning *Reasoning
}

// New makes a concatenating template.
func New() Template { return Template{form: Concat} }

// NewVectors makes the template of an encoder; unit says that users get vectors scaled to length 1.
func NewVectors(unit bool) Template { return Template{form: Vectors, unit: unit} }

// Unit says whether vectors are to be scaled to length 1 after they left the program. SPEC 04 §4.2.
func (t Template) Unit() bool { return t.unit }

// NewChat makes a chat template; tools may be nil. It fails with ErrTemplate for what Parse refuses.
func NewChat(turns Turns, tools *Tools) (Template, error) {
	return Parse(Template{form: Chat, turns: &turns, tools: tools}.Encode())
}

// NewDated makes a chat template whose literals have blanks for the date, in formats of strftime; tools
// may be nil. It fails with ErrTemplate for what Parse refuses.
func NewDated(turns Turns, tools *Tools, formats []string) (Template, error) {
	return Parse(Template{form: Dated, turns: &turns, tools: tools, dates: formats}.Encode())
}

// HasBlanks says whether blanks stand in the literals of a chat template.
func (t Template) HasBlanks() bool {
	if t.turns == nil {
		return false
	}
	all := t.turns.strings()
	if t.tools != nil {
		all = append(all, t.tools.Turns.strings()...)
	}
	return slices.ContainsFunc(all, func(s *string) bool { return strings.ContainsRune(*s, 0) })
}

// HasDate says whether the date stands in the prompt: a conversation needs one.
func (t Template) HasDate() bool { return len(t.dates) > 0 }

// Form is the template's form.
func (t Template) Form() Form { return t.form }

// HasTools says whether tools can be shown to the model.
func (t Template) HasTools() bool { return t.tools != nil }

// Roles of messages.
const (
	System    = "system"
	User      = "user"
	Assistant = "assistant"
	Tool      = "tool"
)

// Call is a call of a function that the assistant asked for.
type Call struct {
	Name      string
	Arguments string // a JSON object
}

// Message is one turn of a conversation. A message of the role tool is the result of a call.
type Message struct {
	Role, Content string
	Calls         []Call // of an assistant
	Reasoning     string // of an assistant, before what it says
}

// Conversation is what a model is to go on with.
type Conversation struct {
	Messages []Message
	Tools    []string // JSON of each tool, as the API has it: {"type": "function", "function": {...}}
	Date     Date     // where the template prints one; others do without
	Effort   Effort
}

// Part is a piece of a prompt. Special tokens are recognised in literals only: what a user wrote
// never becomes one.
type Part struct {
	Text    string
	Literal bool
}

// Text is the prompt as people would read it.
func Text(parts []Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

// Encode is the canonical form.
func (t Template) Encode() []byte {
	b := append([]byte(tag), byte(t.form))
	if t.form == Dated {
		b = append(b, byte(len(t.dates)))
		for i := range t.dates {
			b = appendStrings(b, []*string{&t.dates[i]})
		}
	}
	if t.form == Chat || t.form == Dated {
		b = t.turns.append(b)
		b = t.tools.append(b)
	}
	if t.form == Vectors {
		b = append(b, flag(t.unit))
	}
	if t.form == Reasoned {
		b = t.appendReasoned(b)
	}
	return b
}

// Parse reads canonical bytes.
func Parse(b []byte) (Template, error) {
	if len(b) <= len(tag) || len(b) > MaxBytes || string(b[:len(tag)]) != tag {
		return Template{}, fmt.Errorf("%w: %d bytes without the tag %q", ErrTemplate, len(b), tag)
	}
	r := &reader{b: b[len(tag)+1:]}
	t := Template{form: Form(b[len(tag)])}
	switch t.form {
	case Concat:
	case Chat:
		t.turns = r.turns()
		t.tools = r.tools()
	case Dated:
		t.dates = r.formats()
		t.turns = r.turns()
		t.tools = r.tools()
		r.blanks(&t)
	case Vectors:
		t.unit = r.flag("unit")
	case Reasoned:
		r.reasoned(&t)
	default:
		return Template{}, fmt.Errorf("%w: form %d, this version knows %d to %d", ErrTemplate, t.form, Concat, Reasoned)
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes follow the template", len(r.b))
	}
	if r.err != nil {
		return Template{}, r.err
	}
	return t, nil
}

// Render is the prompt of a conversation, up to where the assistant begins to speak. It fails with
// ErrConversation.
func (t Template) Render(c Conversation) ([]Part, error) {
	way := t.way(c.Effort)
	if way == nil {
		return nil, fmt.Errorf("%w: it has no form for this effort of reasoning: leave the effort out", ErrConversation)
	}
	if way.form == Chat || way.form == Dated {
		return way.chat(c, t.reasoning)
	}
	if t.form == Vectors {
		return nil, fmt.Errorf("%w: the model makes vectors of texts and goes on with none", ErrConversation)
	}
	if len(c.Tools) > 0 {
		return nil, fmt.Errorf("%w: it shows no tools: leave them out", ErrConversation)
	}
	var parts []Part
	for i, m := range c.Messages {
		if m.Role == Tool || len(m.Calls) > 0 {
			return nil, fmt.Errorf("%w: messages[%d] is about tools, which it does not show", ErrConversation, i)
		}
		parts = append(parts, Part{Text: m.Content})
	}
	return parts, nil
}

// HasCalls says that calls of tools and their results can stand in a conversation.
func (t Template) HasCalls() bool { return t.tools != nil && t.tools.HasCalls }
