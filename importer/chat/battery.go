package chat

import (
	"encoding/json"
	"fmt"
	"strings"

	"elenchus/compute/template"
)

// conversations are what every template is tried on, beyond what it was derived from.
func conversations() [][]Message {
	long := []Message{system("Be brief. {{ no }} {% code %} <s> </s> <|im_end|>"), user("One?"), assistant("1"), user("Two?\n"), assistant("2"), user("Three?")}
	return [][]Message{
		{user("Hi")},
		{user("")},
		{user("  two  lines\n\n of \"text\" \\ <b>&amp;</b> \u00e4\u4e16\U0001f600 ")},
		{system("S"), user("U")},
		{system(""), user("U")},
		{system(" \t S \n"), user("\n U")},
		{user("a"), assistant("b"), user("c")},
		{user("a"), assistant(" b\n"), user("c"), assistant("d"), user("e")},
		{user("a"), assistant("<think>\nwhy\n</think>\n\nb"), user("c")},
		{user("a"), assistant("b")},
		{system("S"), user("a"), assistant("b")},
		{user("a"), user("b")},
		{user("a"), user("b"), assistant("c"), assistant("d"), user("e")},
		{assistant("a"), user("b")},
		{system("S"), assistant("a"), user("b")},
		{user("a"), system("S"), user("b")},
		{system("S"), system("T"), user("b")},
		{system("S"), user("a"), assistant("b"), user("c"), assistant("d"), user("e")},
		long,
	}
}

// basic is the number of the conversations above, from the first on, that a template must not refuse,
// but for what its flags say.
const basic = 8

// battery compares a template with the program on all conversations. Where the program refuses, the
// template must refuse; it may refuse more, but nothing basic.
func (d *deriver) battery(form template.Template, tools []any, flags uint16) error {
	all := conversations()
	want, err := d.say(tools, all...)
	if err != nil {
		return err
	}
	for i, c := range all {
		must := i < basic && (flags&template.NoSystem == 0 || c[0].Role != template.System)
		if err := compare(form, c, tools, want[i], d.day, must); err != nil {
			return err
		}
	}
	return nil
}

// compare prints a conversation with the template and compares it with what the program printed.
func compare(form template.Template, c []Message, tools []any, want Result, day string, must bool) error {
	conversation, err := asConversation(c, tools)
	if err != nil {
		return err
	}
	if day != "" {
		if conversation.Date, err = template.ParseDate(day); err != nil {
			return err
		}
	}
	parts, err := form.Render(conversation)
	got := template.Text(parts)
	switch {
	case err != nil && must && want.Error == "":
		return fmt.Errorf("%w: %s is printed as %q and refused by the form: %w", ErrForm, describe(c), clip(want.Text, 300), err)
	case err != nil:
		return nil
	case want.Error != "":
		return fmt.Errorf("%w: %s is refused (%s), and the form prints %q", ErrForm, describe(c), want.Error, clip(got, 300))
	case got != want.Text:
		return fmt.Errorf("%w: %s is printed as %q, by the form as %q", ErrForm, describe(c), clip(want.Text, 300), clip(got, 300))
	}
	return nil
}

func describe(c []Message) string {
	roles := make([]string, len(c))
	for i, m := range c {
		roles[i] = m.Role
	}
	return "a conversation of " + strings.Join(roles, ", ")
}

func asConversation(c []Message, tools []any) (template.Conversation, error) {
	var out template.Conversation
	for _, m := range c {
		turn := template.Message{Role: m.Role, Content: m.Content, Reasoning: m.Reasoning}
		for _, call := range m.Calls {
			text, err := json.Marshal(call.Arguments)
			if err != nil {
				return out, err
			}
			turn.Calls = append(turn.Calls, template.Call{Name: call.Name, Arguments: string(text)})
		}
		out.Messages = append(out.Messages, turn)
	}
	for _, t := range tools {
		var text strings.Builder
		writeJSON(&text, t, 0, 1)
		out.Tools = append(out.Tools, text.String())
	}
	return out, nil
}
