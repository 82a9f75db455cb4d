package chat

import (
	"fmt"
	"strings"

	"elenchus/compute/template"
)

// tool is a probe's tool; its keys stand in the order that the API's examples have.
func tool(name, about, property string) any {
	return map[string]any{"type": "function", "function": map[string]any{
		"name": name, "description": about,
		"parameters": map[string]any{
			"type": "object", "properties": map[string]any{property: map[string]any{"type": "string", "description": "The \"" + property + "\" <b>&"}},
			"required": []any{property},
		},
	}}
}

func probeTools() []any {
	return []any{tool("zqtoola", "Gets a.", "zqproperty"), tool("zqtoolb", "Gets b & c.", "zqother"), tool("zqtoolc", "\u00e4", "zqthird")}
}

// tools finds the layout of conversations with tools, given the one without.
func (d *deriver) tools(plain *template.Turns) (*template.Tools, error) {
	all := probeTools()
	var found *template.Tools
	err := d.search(all[:2], func(t template.Turns) error {
		tools, err := locate(t, all[:2])
		if err != nil {
			return err
		}
		tools.LastUser = tools.At[template.InUserBefore] != template.Nowhere
		for range 2 {
			if err = d.tryTools(plain, tools); err == nil {
				found = tools
				return nil
			}
			tools.LastUser = false
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// tryTools compares on lists of one, two and three tools.
func (d *deriver) tryTools(plain *template.Turns, tools *template.Tools) error {
	form, err := template.NewChat(*plain, tools)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForm, err)
	}
	for n := range probeTools() {
		if err := d.battery(form, probeTools()[:n+1], tools.Flags); err != nil {
			return err
		}
	}
	return nil
}

// locate cuts the list of two tools out of the literals of a layout.
func locate(t template.Turns, list []any) (*template.Tools, error) {
	for _, whole := range []bool{true, false} {
		for _, indent := range []uint8{0, 2, 3, 4} {
			out := &template.Tools{Turns: t, Whole: whole, Indent: indent}
			items := make([]string, len(list))
			for i, v := range list {
				if !whole {
					v = v.(map[string]any)["function"]
				}
				var b strings.Builder
				writeJSON(&b, v, int(indent), 1)
				items[i] = b.String()
			}
			if found := cutTools(out, items); found {
				return out, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: it does not print tools as JSON of their own", ErrForm)
}

// cutTools takes the items out of each literal and notes their place.
func cutTools(t *template.Tools, items []string) bool {
	found := false
	for i, s := range t.Literals() {
		t.At[i] = template.Nowhere
		before, rest, ok := strings.Cut(*s, items[0])
		if !ok {
			continue
		}
		between, after, ok := strings.Cut(rest, items[1])
		if !ok || found && between != t.Separator {
			return false
		}
		found, t.Separator, t.At[i], *s = true, between, uint16(len(before)), before+after
	}
	return found
}

// Markers of calls.
const (
	mName   = "zqcalla"
	mOther  = "zqcallb"
	mResult = "zqresultz"
	mSecond = "zqanotherz"
)

// valueFor is the argument of a call by name, which it does not repeat: each marker stands in a prompt once.
func valueFor(name string) string { return "zqvalue" + name[len(name)-1:] }

func calling(content string, names ...string) Message {
	m := Message{Role: template.Assistant, Content: content}
	for _, n := range names {
		m.Calls = append(m.Calls, Call{Name: n, Arguments: map[string]any{"zqargument": valueFor(n)}})
	}
	return m
}

func result(s string) Message { return Message{Role: template.Tool, Content: s} }

// calls finds how calls and results look, and checks it. Without success tools stay without calls.
func (d *deriver) calls(plain *template.Turns, t *template.Tools) error {
	list := probeTools()[:1]
	r, err := d.say(list,
		[]Message{user(mUser), calling("", mName), result(mResult), user(mNext)},
		[]Message{user(mUser), calling("", mName, mOther), result(mResult), result(mSecond), user(mNext)},
		[]Message{user(mUser), calling("", mName), result(mResult)},
		[]Message{user(mUser), calling(mReply, mName), result(mResult), user(mNext)})
	if err != nil {
		return err
	}
	of := func(name string) string { return `{"zqargument": "` + valueFor(name) + `"}` }
	one, ok1 := cut(r[0], mUser, mName, of(mName), mResult, mNext)
	two, ok2 := cut(r[1], mUser, mName, of(mName), mOther, of(mOther), mResult, mSecond, mNext)
	end, ok3 := cut(r[2], mUser, mName, of(mName), mResult)
	if !ok1 || !ok2 || !ok3 {
		return fmt.Errorf("%w: it does not print calls as a name and arguments", ErrForm)
	}
	c := *t
	c.HasCalls, c.CallMiddle, c.CallSep, c.CallsEnd, c.ResultSep = true, one[2], two[3], one[3], two[6]
	if at := c.At[template.InUserBefore]; at != template.Nowhere && !c.LastUser {
		return fmt.Errorf("%w: every user's turn shows the tools", ErrForm)
	}
	var ok bool
	if c.CallsBefore, ok = strings.CutPrefix(one[1], c.User.After); !ok {
		return fmt.Errorf("%w: what stands before calls", ErrForm)
	}
	if c.ResultsEnd, ok = strings.CutSuffix(end[4], c.Generation); !ok {
		return fmt.Errorf("%w: what stands after results", ErrForm)
	}
	said, ok := cut(r[3], mUser, mReply, mName, of(mName), mResult, mNext)
	if ok {
		c.ContentToCalls = said[2]
	}
	c.NoContentWithCalls = !ok
	if err := d.tryCalls(plain, &c); err != nil {
		return err
	}
	*t = c
	return nil
}

// tryCalls compares on conversations with calls.
func (d *deriver) tryCalls(plain *template.Turns, t *template.Tools) error {
	form, err := template.NewChat(*plain, t)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForm, err)
	}
	all := [][]Message{
		{user("a"), calling("", "f"), result("1")},
		{user("a"), calling("", "f"), result("1"), assistant("b"), user("c")},
		{user("a"), calling("", "f"), result("1"), user("c")},
		{system("S"), user("a"), calling("", "f", "g"), result("1"), result(" {\"x\": 2} \n")},
		{user("a"), calling("", "f", "g"), result("1"), result("2"), assistant("b"), user("c"), calling("", "h"), result("")},
		{user("a"), calling("I look", "f"), result("1")},
		{system("S"), user("a"), calling("I look", "f", "g"), result("1"), result("2"), assistant("b"), user("c")},
	}
	for _, n := range []int{1, 2} {
		list := probeTools()[:n]
		want, err := d.say(list, all...)
		if err != nil {
			return err
		}
		for i, c := range all {
			if err := compare(form, c, list, want[i], d.day, i == 0); err != nil {
				return err
			}
		}
	}
	return nil
}
