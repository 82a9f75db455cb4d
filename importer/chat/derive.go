package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"elenchus/compute/template"
)

// ErrForm marks a program that prints conversations in a way that the declarative form cannot.
var ErrForm = errors.New("chat template without a declarative form")

// Derived is a template that was checked against its program.
type Derived struct {
	Template template.Template
	// Without says what the program does and the template refuses, for people.
	Without []string

	tools *template.Tools
}

// Derive finds the declarative template of a program and checks it on a battery of conversations.
// It fails with ErrSource if the program cannot be run, with ErrForm if it has no declarative form.
func Derive(ctx context.Context, s Source, run Runner) (*Derived, error) {
	d := &deriver{ctx: ctx, s: s, run: run}
	out, err := d.derive()
	if err != nil {
		return nil, err
	}
	if err := d.reasoned(out); err != nil {
		return nil, err
	}
	return out, ctx.Err()
}

// derive finds the template with the variables that are set.
func (d *deriver) derive() (*Derived, error) {
	turns, err := d.turns()
	if err != nil {
		return nil, err
	}
	t, err := template.NewChat(*turns, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	out := &Derived{Template: t}
	for _, flag := range []struct {
		bit  uint16
		text string
	}{{template.NoSystem, "system messages"}, {template.UserLast, "conversations that end with the assistant"}} {
		if turns.Flags&flag.bit != 0 {
			out.Without = append(out.Without, flag.text)
		}
	}
	tools, err := d.tools(turns)
	if err != nil {
		out.Without = append(out.Without, "tools ("+err.Error()+")")
		if out.Template, err = d.dates(t, turns, nil); err != nil {
			return nil, err
		}
		return out, d.ctx.Err()
	}
	if err := d.calls(turns, tools); err != nil {
		out.Without = append(out.Without, "calls of tools in the conversation ("+err.Error()+")")
	}
	out.tools = tools
	if out.Template, err = template.NewChat(*turns, tools); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	if out.Template, err = d.dates(out.Template, turns, tools); err != nil {
		return nil, err
	}
	return out, d.ctx.Err()
}

// Markers stand for contents: no template knows them.
const (
	mSystem = "zqsystemz"
	mUser   = "zquseroz"
	mReply  = "zqreplyz"
	mNext   = "zqusertz"
)

func system(s string) Message    { return Message{Role: template.System, Content: s} }
func user(s string) Message      { return Message{Role: template.User, Content: s} }
func assistant(s string) Message { return Message{Role: template.Assistant, Content: s} }

type deriver struct {
	ctx context.Context
	s   Source
	run Runner
	day string // of the probes; empty: blanks
	set map[string]any
}

// say runs the program on conversations with the same tools.
func (d *deriver) say(tools []any, conversations ...[]Message) ([]Result, error) {
	probes := make([]Probe, len(conversations))
	for i, c := range conversations {
		probes[i] = Probe{Messages: c, Tools: tools, Date: d.day, Set: d.set}
	}
	r, err := d.run(d.ctx, d.s, probes)
	if err == nil && len(r) != len(probes) {
		err = fmt.Errorf("%w: %d results of %d probes", ErrSource, len(r), len(probes))
	}
	return r, err
}

// cut is what stands before, between and after markers, which must each be there once, in order.
func cut(r Result, markers ...string) ([]string, bool) {
	if r.Error != "" {
		return nil, false
	}
	out, text := []string{}, r.Text
	for _, m := range markers {
		before, after, ok := strings.Cut(text, m)
		if !ok || strings.Count(r.Text, m) != 1 {
			return nil, false
		}
		out, text = append(out, before), after
	}
	return append(out, text), true
}

// seen is what the probes showed: the texts between neighbours of a conversation.
type seen struct {
	start, end   string   // before the first user content, after the last
	first        string   // before the first user content when there are two
	userReply    string   // from a user's content to the assistant's
	replyUser    string   // from the assistant's to a user's
	replyEnd     *string  // from the assistant's to the end; nil: refused
	userUser     *string  // from a user's to a user's; nil: refused
	systemUser   []string // before, between, after; nil: refused or not shown
	systemLater  bool     // with two user turns, the system message stands in the second
	systemInside bool     // a system message may stand between two user contents
}

func (d *deriver) look(tools []any) (*seen, error) {
	r, err := d.say(tools,
		[]Message{user(mUser)},
		[]Message{user(mUser), assistant(mReply), user(mNext)},
		[]Message{user(mUser), assistant(mReply)},
		[]Message{user(mUser), user(mNext)},
		[]Message{system(mSystem), user(mUser)},
		[]Message{system(mSystem), user(mUser), assistant(mReply), user(mNext)},
		[]Message{user(mUser), system(mSystem), user(mNext)})
	if err != nil {
		return nil, err
	}
	one, ok1 := cut(r[0], mUser)
	three, ok2 := cut(r[1], mUser, mReply, mNext)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%w: a plain conversation is not printed turn by turn (%q, %q)", ErrForm, clip(r[0].Text+r[0].Error, 200), clip(r[1].Text+r[1].Error, 200))
	}
	s := &seen{start: one[0], end: one[1], first: three[0], userReply: three[1], replyUser: three[2]}
	if three[3] != s.end {
		return nil, fmt.Errorf("%w: a conversation ends with %q or %q", ErrForm, clip(s.end, 200), clip(three[3], 200))
	}
	if v, ok := cut(r[2], mUser, mReply); ok && v[1] == s.userReply { // else a last turn of the assistant has marks of its own
		s.replyEnd = &v[2]
	}
	if v, ok := cut(r[3], mUser, mNext); ok {
		s.userUser = &v[1]
	}
	s.systemUser, _ = cut(r[4], mSystem, mUser)
	if strings.Count(r[5].Text, mSystem) == 1 {
		s.systemLater = strings.Index(r[5].Text, mSystem) > strings.Index(r[5].Text, mReply)
	}
	_, s.systemInside = cut(r[6], mUser, mSystem, mNext)
	return s, nil
}

// turns finds the layout of conversations without tools.
func (d *deriver) turns() (*template.Turns, error) {
	var found *template.Turns
	err := d.search(nil, func(t template.Turns) error {
		form, err := template.NewChat(t, nil)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrForm, err)
		}
		found = &t
		return d.battery(form, nil, t.Flags)
	})
	return found, err
}

// search tries layouts that agree with the probes, until one passes.
func (d *deriver) search(tools []any, try func(template.Turns) error) error {
	s, err := d.look(tools)
	if err != nil {
		return err
	}
	flags, reasoning, err := d.habits(tools, s)
	if err != nil {
		return err
	}
	why := fmt.Errorf("%w: its literals do not add up", ErrForm)
	for _, c := range s.candidates() {
		c.Flags |= flags
		c.Cut = reasoning
		for _, t := range s.withSystem(c) {
			if why = try(t); why == nil || d.ctx.Err() != nil {
				return why
			}
		}
	}
	return why
}

// candidates are the ways to divide what stands between contents, without system messages. Begin
// still holds everything before the first user turn.
func (s *seen) candidates() []template.Turns {
	var out []template.Turns
	add := func(after, before string, flags uint16) {
		t := template.Turns{Flags: flags, User: template.Pair{Before: before, After: after}}
		reply, ok1 := strings.CutPrefix(s.userReply, after)
		end, ok2 := strings.CutPrefix(s.end, after)
		begin, ok3 := s.start, true
		if flags&template.Opened == 0 {
			begin, ok3 = strings.CutSuffix(s.start, before)
		}
		afterReply, ok4 := strings.CutSuffix(s.replyUser, before)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			return
		}
		t.Assistant, t.Generation, t.Begin = template.Pair{Before: reply, After: afterReply}, end, begin
		if s.userUser == nil {
			t.Flags |= template.Alternate
		}
		if s.replyEnd == nil || *s.replyEnd != afterReply+end {
			t.Flags |= template.UserLast
		}
		out = append(out, t)
	}
	for _, flags := range []uint16{0, template.Opened} {
		if s.userUser != nil {
			for n := len(*s.userUser); n >= 0; n-- {
				add((*s.userUser)[:n], (*s.userUser)[n:], flags)
			}
			continue
		}
		after := s.end[:prefix(s.end, s.userReply)]
		before := s.replyUser[len(s.replyUser)-suffix(s.start, s.replyUser):]
		if flags&template.Opened != 0 {
			before = s.replyUser
		}
		for n := len(before); n >= 0; n-- {
			add(after, before[len(before)-n:], flags)
		}
		for n := len(after) - 1; n >= 0; n-- {
			add(after[:n], before, flags)
		}
	}
	// A form in which the assistant may come last is better than one in which it may not.
	best := out[:0:0]
	for _, t := range out {
		if t.Flags&template.UserLast == 0 {
			best = append(best, t)
		}
	}
	return append(best, out...)
}

// prefix and suffix are the lengths of what both begin, or end, with.
func prefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func suffix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

// withSystem are the ways in which a layout can place a system message.
func (s *seen) withSystem(t template.Turns) []template.Turns {
	if s.systemUser == nil {
		t.Flags |= template.NoSystem
		return []template.Turns{t}
	}
	var out []template.Turns
	before, between := s.systemUser[0], s.systemUser[1]
	after, ok := between, true
	if t.Flags&template.Opened == 0 {
		after, ok = strings.CutSuffix(between, t.User.Before)
	}
	if ok {
		own := t
		own.System.After = after
		if s.systemInside && t.Flags&template.Opened == 0 {
			own.Flags |= template.Anywhere
		}
		if rest, ok := strings.CutPrefix(before, t.Begin); ok {
			own.System.Before = rest
			out = append(out, own)
		}
		own.System.Before = before
		own.Flags |= template.Replaces
		out = append(out, own)
		own.Flags &^= template.Anywhere
		out = append(out, own)
	}
	if rest, ok := strings.CutPrefix(before, t.Begin+t.User.Before); ok && t.Flags&template.Opened == 0 {
		t.System = template.Pair{Before: rest, After: between}
		t.Flags |= template.MergeFirst
		if s.systemLater {
			t.Flags ^= template.MergeFirst | template.MergeLast
		}
		together := t
		together.Flags = together.Flags&^template.TrimSystem | template.TrimMerged
		out = append(out, t, together)
	}
	return out
}

// habits are what a program does to contents: cutting white space, and reasoning, off.
func (d *deriver) habits(tools []any, s *seen) (flags uint16, reasoning string, err error) {
	const thought = "zqthoughtz"
	r, err := d.say(tools,
		[]Message{system(" \n" + mSystem + "\n "), user(mUser)},
		[]Message{user(" \n" + mUser + "\n ")},
		[]Message{user(mUser), assistant(" \n" + mReply + "\n "), user(mNext)},
		[]Message{user(mUser), assistant("<think>\n" + thought + "\n</think>\n\n" + mReply), user(mNext)})
	if err != nil {
		return 0, "", err
	}
	if s.systemUser != nil && !strings.Contains(r[0].Text, " \n"+mSystem+"\n ") {
		flags |= template.TrimSystem
	}
	if !strings.Contains(r[1].Text, " \n"+mUser+"\n ") {
		flags |= template.TrimUser
	}
	if !strings.Contains(r[2].Text, " \n"+mReply+"\n ") {
		flags |= template.TrimAssistant
	}
	if !strings.Contains(r[3].Text, thought) && strings.Contains(r[3].Text, mReply) {
		reasoning = "</think>"
		if strings.Contains(r[3].Text, "\n\n"+mReply) && !strings.HasSuffix(s.userReply, "\n\n") && flags&template.TrimAssistant == 0 {
			flags |= template.CutKeeps
		}
	}
	return flags, reasoning, nil
}
