package template

import (
	"fmt"
	"slices"
	"strings"
)

// printer collects the parts of a prompt.
type printer struct {
	parts []Part
	turns *Turns
	tools *Tools // how calls and results look; nil: the template has no form for them
	items []Part // the list of tools
	dates []string

	reasoning *Reasoning // nil: none is printed
}

// printer is ready to print a conversation, whose dates and tools it knows.
func (t *Template) printer(c Conversation, reasoning *Reasoning) (*printer, error) {
	p := &printer{turns: t.turns, tools: t.tools}
	if reasoning != nil && reasoning.Shown {
		p.reasoning = reasoning
	}
	if t.form == Dated && c.Date == (Date{}) {
		return nil, fmt.Errorf("%w: it prints the date, and the conversation has none", ErrConversation)
	}
	for _, f := range t.dates {
		text, err := c.Date.Format(f) // Parse has tried the format
		if err != nil {
			return nil, err
		}
		p.dates = append(p.dates, text)
	}
	if len(c.Tools) > 0 {
		if t.tools == nil {
			return nil, fmt.Errorf("%w: it shows no tools: leave them out", ErrConversation)
		}
		items, err := t.tools.list(c.Tools)
		if err != nil {
			return nil, err
		}
		p.turns, p.items = &t.tools.Turns, items
	}
	return p, nil
}

// chat lays a conversation out.
func (t *Template) chat(c Conversation, reasoning *Reasoning) ([]Part, error) {
	p, err := t.printer(c, reasoning)
	if err != nil {
		return nil, err
	}
	if err := p.turns.check(c.Messages); err != nil {
		return nil, err
	}
	rest, system := p.split(c.Messages)
	last, first := lastUser(rest), firstUser(rest)
	for i, m := range rest {
		if m.Role == User {
			merged := system
			if p.turns.Flags&MergeFirst != 0 && i != first || p.turns.Flags&MergeLast != 0 && i != last {
				merged = nil
			}
			u := &p.turns.User
			if p.items != nil && p.tools.LastUser && i != last {
				u = &t.turns.User
			}
			p.user(m.Content, merged, u, i == 0)
		} else if err := p.other(rest, i, i > last); err != nil {
			return nil, err
		}
	}
	p.literal(&p.turns.Generation)
	return p.parts, nil
}

// other prints a message that is not the user's; reasons says that its reasoning may be shown.
func (p *printer) other(all []Message, i int, reasons bool) error {
	m := all[i]
	switch m.Role {
	case System:
		p.content(&p.turns.System, m.Content, TrimSystem)
		return nil
	case Assistant:
		if len(m.Calls) > 0 && (i+1 == len(all) || all[i+1].Role != Tool) {
			return fmt.Errorf("%w: a message (%d) calls tools, and no result follows", ErrConversation, i)
		}
		if !reasons {
			m.Reasoning = ""
		}
		return p.assistant(m, i)
	case Tool:
		return p.result(all, i)
	}
	return fmt.Errorf("%w: messages[%d] has the role %q, want system, user, assistant or tool", ErrConversation, i, m.Role)
}

// check refuses what the layout has no place for.
func (t *Turns) check(messages []Message) error {
	want := User
	first := 0
	if len(messages) > 0 && messages[0].Role == System {
		first = 1
	}
	if t.Flags&Opened != 0 && (len(messages) == first || messages[first].Role != User) {
		return fmt.Errorf("%w: the first message after a system message must be the user's", ErrConversation)
	}
	for i, m := range messages {
		switch {
		case m.Role == System && t.Flags&NoSystem != 0:
			return fmt.Errorf("%w: it has no place for a system message (messages[%d]): put it into the user's", ErrConversation, i)
		case m.Role == System && i > 0 && t.Flags&Anywhere == 0:
			return fmt.Errorf("%w: messages[%d] is a system message, which may only be the first", ErrConversation, i)
		case m.Role == System, m.Role == Tool, t.Flags&Alternate == 0:
			continue
		case m.Role != want:
			return fmt.Errorf("%w: messages[%d] is the %s's, but user and assistant take turns and the user begins", ErrConversation, i, m.Role)
		case m.Role == Assistant && len(m.Calls) > 0: // its results follow, and then it speaks again
			continue
		}
		want = map[string]string{User: Assistant, Assistant: User}[want]
	}
	if n := len(messages); t.Flags&UserLast != 0 && n > 0 && messages[n-1].Role == Assistant {
		return fmt.Errorf("%w: the last message is the assistant's, and it goes on with nobody's", ErrConversation)
	}
	if t.Flags&(MergeFirst|MergeLast) != 0 && len(messages) > 0 && messages[0].Role == System && firstUser(messages) < 0 {
		return fmt.Errorf("%w: a system message stands in a user's turn, and there is none", ErrConversation)
	}
	return nil
}

// split prints what begins a conversation, with the system message if it is a turn of its own; else
// it gives the one that a user's turn is to hold.
func (p *printer) split(messages []Message) (rest []Message, merged *string) {
	t := p.turns
	system := len(messages) > 0 && messages[0].Role == System
	if !system || t.Flags&Replaces == 0 {
		p.literal(&t.Begin)
	}
	if !system {
		return messages, nil
	}
	if t.Flags&(MergeFirst|MergeLast) != 0 {
		return messages[1:], &messages[0].Content
	}
	p.content(&t.System, messages[0].Content, TrimSystem)
	return messages[1:], nil
}

func firstUser(messages []Message) int {
	for i, m := range messages {
		if m.Role == User {
			return i
		}
	}
	return -1
}

func lastUser(messages []Message) int {
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role == User {
			return i
		}
	}
	return -1
}

// literal prints a literal of the layout and, where they stand in it, the tools.
func (p *printer) literal(s *string) {
	if p.items == nil {
		p.fixed(*s)
		return
	}
	for i, l := range p.tools.Literals() {
		if at := p.tools.At[i]; l == s && at != Nowhere {
			p.fixed((*s)[:at])
			p.parts = append(p.parts, p.items...)
			p.fixed((*s)[at:])
			return
		}
	}
	p.fixed(*s)
}

func (p *printer) fixed(s string) {
	if len(p.dates) > 0 {
		s = fill(s, p.dates)
	}
	if s != "" {
		p.parts = append(p.parts, Part{s, true})
	}
}

func (p *printer) given(s string, trim uint16) {
	if p.turns.Flags&trim != 0 {
		s = strings.TrimFunc(s, space)
	}
	if s != "" {
		p.parts = append(p.parts, Part{Text: s})
	}
}

func (p *printer) content(around *Pair, s string, trim uint16) {
	p.literal(&around.Before)
	p.given(s, trim)
	p.literal(&around.After)
}

// user prints a user's turn, with the system message in it where the layout wants that.
func (p *printer) user(s string, system *string, u *Pair, first bool) {
	flags := p.turns.Flags
	if flags&Opened == 0 || !first {
		p.literal(&u.Before)
	}
	from := len(p.parts)
	if system != nil {
		p.content(&p.turns.System, *system, TrimSystem)
	}
	if system != nil && flags&TrimMerged != 0 {
		p.given(s, 0)
		p.trim(from)
	} else {
		p.given(s, TrimUser)
	}
	p.literal(&u.After)
}

// trim cuts white space off around the parts from one on, together.
func (p *printer) trim(from int) {
	for i := from; i < len(p.parts); i++ {
		if p.parts[i].Text = strings.TrimLeftFunc(p.parts[i].Text, space); p.parts[i].Text != "" {
			break
		}
	}
	for i := len(p.parts) - 1; i >= from; i-- {
		if p.parts[i].Text = strings.TrimRightFunc(p.parts[i].Text, space); p.parts[i].Text != "" {
			break
		}
	}
	p.parts = append(p.parts[:from], slices.DeleteFunc(slices.Clone(p.parts[from:]), func(x Part) bool { return x.Text == "" })...)
}

func (p *printer) assistant(m Message, at int) error {
	t := p.turns
	s := m.Content
	if i := strings.LastIndex(s, t.Cut); t.Cut != "" && i >= 0 {
		if s = s[i+len(t.Cut):]; t.Flags&CutKeeps == 0 {
			s = strings.TrimLeft(s, "\n")
		}
	}
	if len(m.Calls) == 0 {
		p.content(&t.Assistant, s, TrimAssistant)
		return nil
	}
	switch {
	case p.tools == nil || !p.tools.HasCalls:
		return fmt.Errorf("%w: an assistant's message (%d) calls tools, which it does not show", ErrConversation, at)
	case s != "" && p.tools.NoContentWithCalls:
		return fmt.Errorf("%w: an assistant's message (%d) has content and calls: it shows only one of them", ErrConversation, at)
	}
	p.untilCalls(s, strings.TrimFunc(m.Reasoning, space))
	for i, c := range m.Calls {
		arguments, err := reprint(c.Arguments, 0)
		if err != nil {
			return fmt.Errorf("%w: arguments of a call of %q: %w", ErrConversation, c.Name, err)
		}
		if i > 0 {
			p.fixed(p.tools.CallSep)
		}
		p.parts = append(p.parts, Part{Text: c.Name}, Part{p.tools.CallMiddle, true}, Part{Text: arguments})
	}
	p.fixed(p.tools.CallsEnd)
	return nil
}

// untilCalls prints what stands before the calls of a message with a content.
func (p *printer) untilCalls(content, thought string) {
	if p.reasoning == nil || thought == "" {
		if content == "" {
			p.fixed(p.tools.CallsBefore)
			return
		}
		p.literal(&p.turns.Assistant.Before)
	} else {
		p.fixed(p.reasoning.Before)
		p.given(thought, 0)
		if content == "" {
			p.fixed(p.reasoning.ToCalls)
			return
		}
		p.fixed(p.reasoning.ToContent)
	}
	p.given(content, TrimAssistant)
	p.fixed(p.tools.ContentToCalls)
}

// result prints the result of a call; results of one turn stand together.
func (p *printer) result(all []Message, i int) error {
	if p.tools == nil || !p.tools.HasCalls {
		return fmt.Errorf("%w: a message (%d) is the result of a tool, which it does not show", ErrConversation, i)
	}
	if i == 0 || all[i-1].Role != Tool && len(all[i-1].Calls) == 0 {
		return fmt.Errorf("%w: a message (%d) is the result of a tool that nobody called", ErrConversation, i)
	}
	p.given(all[i].Content, 0)
	if i+1 < len(all) && all[i+1].Role == Tool {
		p.fixed(p.tools.ResultSep)
	} else {
		p.fixed(p.tools.ResultsEnd)
	}
	return nil
}

// space is white space as most templates cut it off: the space separators, and the controls that
// separate.
func space(r rune) bool {
	switch {
	case r >= '\t' && r <= '\r', r >= 0x1c && r <= ' ', r == 0x85, r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a:
		return true
	}
	return r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000
}

// list prints the tools.
func (t *Tools) list(tools []string) ([]Part, error) {
	var parts []Part
	printed := 0
	for i, text := range tools {
		item, err := t.item(text)
		if printed += len(item); err == nil && printed > maxPrinted {
			err = errTooLong
		}
		if err != nil {
			return nil, fmt.Errorf("%w: tools[%d]: %w", ErrConversation, i, err)
		}
		if i > 0 && t.Separator != "" {
			parts = append(parts, Part{t.Separator, true})
		}
		parts = append(parts, Part{Text: item})
	}
	return parts, nil
}
