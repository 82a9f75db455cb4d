package chat

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"elenchus/compute/template"
)

// mark is what models write around reasoning, and before an answer without any.
type mark struct {
	template.Reasoning
	names []string // what a program names if its model reasons so: it prints nothing of what follows the prompt
}

func marks() []mark {
	plain := func(begin, end string) mark { return mark{template.Reasoning{Begin: begin, End: end}, []string{end}} }
	return []mark{
		plain("<think>", "</think>"),
		plain("[THINK]", "[/THINK]"),
		plain("<thought>", "</thought>"),
		plain("<reasoning>", "</reasoning>"),
		plain("<seed:think>", "</seed:think>"),
		plain("<|START_THINKING|>", "<|END_THINKING|>"),
		plain("◁think▷", "◁/think▷"),
		plain("Here is my thought process:", "Here is my response:"),
		{template.Reasoning{
			Begin: "<|channel|>analysis<|message|>", End: "<|end|><|start|>assistant<|channel|>final<|message|>", Bare: "<|channel|>final<|message|>",
		}, []string{"<|channel|>analysis<|message|>", "<|start|>assistant<|channel|>final<|message|>"}},
	}
}

// reasoningNames are the members of a message in which programs look for reasoning.
func reasoningNames() []string {
	return []string{"reasoning_content", "reasoning", "thinking", "thought"}
}

// marked is how the model of a program reasons, nil if it does not.
func marked(text string) *template.Reasoning {
	for _, m := range marks() {
		if !slices.ContainsFunc(m.names, func(name string) bool { return !strings.Contains(text, name) }) {
			return &m.Reasoning
		}
	}
	return nil
}

const (
	efforts   = 1<<4 - 1
	noEffort  = 1
	anyEffort = efforts &^ noEffort
)

// lever is a variable by which programs are told to reason, or how much, and what its values stand for.
type lever struct {
	name    *regexp.Regexp
	values  []any
	efforts []uint8
}

func levers() []lever {
	of := func(name string) *regexp.Regexp { return regexp.MustCompile(`\b` + name + `\b`) }
	return []lever{
		{of("reasoning_effort"), []any{"low", "medium", "high"}, []uint8{1 << 1, 1 << 2, 1 << 3}},
		{of("enable_thinking"), []any{false, true}, []uint8{noEffort, anyEffort}},
		{of("thinking"), []any{false, true}, []uint8{noEffort, anyEffort}},
	}
}

// reasoned makes a template of one that reasons, if the program is of such a model.
func (d *deriver) reasoned(out *Derived) error {
	r := marked(d.s.Text)
	if r == nil {
		return nil
	}
	ways, err := d.ways(out, r)
	if err != nil {
		return err
	}
	if err := d.shown(out, ways, r); err != nil {
		out.Without = append(out.Without, "reasoning beside calls in the conversation ("+err.Error()+")")
	}
	t, err := template.NewReasoned(ways, *r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForm, err)
	}
	out.Template = t
	return nil
}

// ways are the templates of the efforts that the program tells apart, that without any first.
func (d *deriver) ways(out *Derived, r *template.Reasoning) ([]template.Way, error) {
	ways, taken := []template.Way{{Template: out.Template}}, uint8(0)
	for _, l := range levers() {
		name := strings.Trim(l.name.String(), `\b`)
		if !l.name.MatchString(d.s.Text) {
			continue
		}
		found, err := d.pull(name, l.values)
		if errors.Is(err, ErrForm) && d.ctx.Err() == nil {
			out.Without = append(out.Without, fmt.Sprintf("the variable %s (%v)", name, err))
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(found, func(t template.Template) bool { return !same(t, found[0]) }) {
			continue // it changes nothing
		}
		for i, t := range found {
			at := slices.IndexFunc(ways, func(w template.Way) bool { return same(w.Template, t) })
			if at < 0 && l.efforts[i]&^taken != 0 {
				at, ways = len(ways), append(ways, template.Way{Template: t})
			}
			if at >= 0 {
				ways[at].Efforts |= l.efforts[i] &^ taken
			}
			taken |= l.efforts[i]
		}
	}
	return named(ways, r), nil
}

func same(a, b template.Template) bool { return bytes.Equal(a.Encode(), b.Encode()) }

// pull derives the template for each value of a variable.
func (d *deriver) pull(name string, values []any) ([]template.Template, error) {
	defer func() { d.set = nil }()
	out := make([]template.Template, len(values))
	for i, v := range values {
		d.set = map[string]any{name: v}
		t, err := d.derive()
		if err != nil {
			return nil, err
		}
		out[i] = t.Template
	}
	return out, nil
}

// named gives efforts to the template that a program prints without being told. Where it opens the reasoning the model
// reasons with any effort that no other way has; else nothing tells what the model does.
func named(ways []template.Way, r *template.Reasoning) []template.Way {
	taken := uint8(0)
	for _, w := range ways {
		taken |= w.Efforts
	}
	if ways[0].Efforts != 0 {
		return ways
	}
	if taken == efforts { // no effort gives what the program prints untold: nothing tells them apart then
		ways, taken = ways[:1], 0
	}
	ways[0].Efforts = efforts &^ taken
	t, err := template.NewReasoned(ways[:1], *r)
	if err == nil && t.Thoughts(template.Conversation{}).Opened() && taken&anyEffort != anyEffort {
		ways[0].Efforts = anyEffort &^ taken
	}
	return ways
}

// thinking is a message of an assistant that calls after some reasoning.
func thinking(thought, content string, names ...string) Message {
	m := calling(content, names...)
	m.Reasoning = thought
	return m
}

// shown finds how the prompt holds reasoning before calls, and compares.
func (d *deriver) shown(out *Derived, ways []template.Way, r *template.Reasoning) error {
	if !out.Template.HasCalls() {
		return nil
	}
	const thought = "zqthoughtz"
	list := probeTools()[:1]
	res, err := d.say(list,
		[]Message{user(mUser), calling("", mName), result(mResult)},
		[]Message{user(mUser), thinking(thought, "", mName), result(mResult)},
		[]Message{user(mUser), thinking(thought, mReply, mName), result(mResult)})
	if err != nil {
		return err
	}
	if !strings.Contains(res[1].Text, thought) {
		return d.tryReasoning(ways, r)
	}
	bare, ok := cut(res[1], mUser, thought, mName)
	if !ok {
		return fmt.Errorf("%w: reasoning is not printed once before calls", ErrForm)
	}
	found := *r
	found.Shown, found.ToCalls, found.ToContent = true, bare[2], bare[2]
	if found.Before, ok = strings.CutPrefix(bare[1], out.tools.User.After); !ok {
		return fmt.Errorf("%w: what stands before reasoning", ErrForm)
	}
	if with, ok := cut(res[2], mUser, thought, mReply, mName); ok {
		found.ToContent = with[2]
	}
	if err := d.tryReasoning(ways, &found); err != nil {
		return err
	}
	*r = found
	return nil
}

// tryReasoning compares on conversations with reasoning.
func (d *deriver) tryReasoning(ways []template.Way, r *template.Reasoning) error {
	form, err := template.NewReasoned(ways, *r)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForm, err)
	}
	said := assistant("b")
	said.Reasoning = "because"
	all := [][]Message{
		{user("a"), said, user("c")},
		{user("a"), thinking("why", "", "f"), result("1")},
		{user("a"), thinking("why", "", "f", "g"), result("1"), result("2")},
		{user("a"), thinking("why", "", "f"), result("1"), said, user("c")},
		{user("a"), said, user("c"), thinking("line\n\nline", "", "f"), result("1"), thinking("more", "", "g"), result("2")},
		{user("a"), thinking("why", "I look", "f"), result("1")},
	}
	list := probeTools()[:1]
	want, err := d.say(list, all...)
	if err != nil {
		return err
	}
	for i, c := range all {
		if err := compare(form, c, list, want[i], d.day, i < 2); err != nil {
			return err
		}
	}
	return nil
}
