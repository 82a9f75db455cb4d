// Package template renders a conversation into the text that a model reads.
//
// It stands on the compute floor beside tokenizer: the template is part of the model id, so that
// whoever checks a receipt obtains the same prompt. Version 1 knows one form: the contents of the
// messages, concatenated; beginning-of-sequence is the tokenizer's flag. SPEC 04 §4.
//
//	t, err := template.Parse(m.Template)
//	text := t.Render([]template.Message{{Role: "user", Content: "Once upon a time"}})
package template

import (
	"errors"
	"fmt"
	"strings"

	"elenchus/compute/tokenizer"
)

// ErrTemplate marks bytes that are no canonical template.
var ErrTemplate = errors.New("invalid template")

const tag = "elenchus/template/1"

// Form is how messages become text.
type Form uint8

// Concat joins the contents, whatever their roles.
const Concat Form = 1

// Template is an immutable template; the zero value is illegal.
type Template struct{ form Form }

// New makes a template of a form.
func New(f Form) Template { return Template{f} }

// Message is one turn of a conversation.
type Message struct{ Role, Content string }

// Encode is the canonical form: tag and form byte.
func (t Template) Encode() []byte { return append([]byte(tag), byte(t.form)) }

// Parse reads canonical bytes.
func Parse(b []byte) (Template, error) {
	if len(b) != len(tag)+1 || string(b[:len(tag)]) != tag {
		return Template{}, fmt.Errorf("%w: %d bytes without the tag %q", ErrTemplate, len(b), tag)
	}
	if f := Form(b[len(tag)]); f != Concat {
		return Template{}, fmt.Errorf("%w: form %d, this version knows %d", ErrTemplate, f, Concat)
	}
	return Template{Concat}, nil
}

// Render is the prompt text of a conversation.
func (t Template) Render(messages []Message) string {
	var b strings.Builder
	for _, m := range messages {
		b.WriteString(m.Content)
	}
	return b.String()
}

// Prompt are the prompt ids of a text: BOS if the tokenizer asks for it, then the text.
func Prompt(t *tokenizer.Tokenizer, text string) []int32 {
	ids := t.Encode(text)
	if t.AddBOS() && t.BOS() >= 0 {
		ids = append([]int32{t.BOS()}, ids...)
	}
	return ids
}
