package template_test

import (
	"slices"
	"strings"
	"testing"

	"elenchus/compute/template"
)

// tagged is a layout whose calls stand between tags, as JSON objects or as a name and arguments.
func tagged(t *testing.T, object bool) *template.Syntax {
	t.Helper()
	turns := template.Turns{User: template.Pair{Before: "<u>", After: "\n"}, Generation: "<a>\n"}
	tools := &template.Tools{Turns: turns, HasCalls: true, CallsBefore: "<a>\n<call>\n{\"name\": \"", CallMiddle: "\", \"arguments\": ",
		CallSep: "}\n</call>\n<call>\n{\"name\": \"", CallsEnd: "}\n</call><end>\n<u><r>"}
	if !object {
		tools.CallsBefore, tools.CallMiddle, tools.CallSep, tools.CallsEnd = "<a>\n<fn=", ">", "</fn>\n<fn=", "</fn>\n<r>"
	}
	for i := range tools.At {
		tools.At[i] = template.Nowhere
	}
	tp, err := template.NewChat(turns, tools)
	if err != nil {
		t.Fatal(err)
	}
	s := tp.Syntax()
	if s == nil {
		t.Fatal("the layout has no syntax of calls")
	}
	return s
}

// Calls are told from content, whatever white space the model puts; what is none stays content.
func TestParseCalls(t *testing.T) {
	call := func(name, arguments string) template.Call { return template.Call{Name: name, Arguments: arguments} }
	for _, c := range []struct {
		object  bool
		text    string
		content string
		calls   []template.Call
	}{
		{true, "plain", "plain", nil},
		{true, `<call>{"name":"f","arguments":{"a": [1,2]}}</call>`, "", []template.Call{call("f", `{"a": [1,2]}`)}},
		{true, "I look.\n<call>\n{\"arguments\": {}, \"name\": \"f\"}\n</call>\n<call>{\"name\":\"g\",\"arguments\":{}}", "I look.", []template.Call{call("f", "{}"), call("g", "{}")}},
		{true, `<call>{"name":"f","arguments":{"a":`, `<call>{"name":"f","arguments":{"a":`, nil},
		{true, `<call>{"name":"f","arguments":[]}</call>`, `<call>{"name":"f","arguments":[]}</call>`, nil},
		{true, `<call>{"arguments":{}}</call>`, `<call>{"arguments":{}}</call>`, nil},
		{true, `<call>{"name":"f","arguments":{}}</call> so`, `<call>{"name":"f","arguments":{}}</call> so`, nil},
		{false, `<fn=f>{"a":1}</fn> <fn=g>{}</fn>`, "", []template.Call{call("f", `{"a":1}`), call("g", "{}")}},
		{false, `<fn=f`, `<fn=f`, nil},
	} {
		content, calls := tagged(t, c.object).Parse(c.text)
		if content != c.content || !slices.Equal(calls, c.calls) {
			t.Errorf("%q: content %q, calls %+v", c.text, content, calls)
		}
	}
	var none *template.Syntax
	if content, calls := none.Parse("<call>"); content != "<call>" || calls != nil {
		t.Error("a template without calls finds some")
	}
	if template.New().Syntax() != nil {
		t.Error("the template without roles has calls")
	}
}

// What is let go before the end is never part of a call, however the text comes in.
func TestPendingHoldsCallsBack(t *testing.T) {
	s := tagged(t, true)
	for _, text := range []string{"a < b and <ca", "So:\n <call>\n{\"name\":\"f\",\"arguments\":{}}\n</call>", "x <call", "  ", "<calm>"} {
		content, _ := s.Parse(text)
		for i := range len(text) {
			if free := text[:i+1-s.Pending(text[:i+1])]; !strings.HasPrefix(content, free) {
				t.Errorf("%q: after %d bytes %q is let go, the content is %q", text, i+1, free, content)
			}
		}
	}
	if n := s.Pending("a <calm>"); n != 0 {
		t.Errorf("%d bytes are held back of a text without a tag", n)
	}
}
