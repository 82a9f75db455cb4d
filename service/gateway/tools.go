package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elenchus/compute/template"
)

const (
	maxTools    = 128
	maxCalls    = 128
	maxToolName = 64 // bytes
	maxCallID   = 128
)

// readTools keeps the JSON of each tool, as the template is to show it.
func readTools(r *request, m member) *failure {
	return each(m, func(i int, raw json.RawMessage) *failure {
		if i == maxTools {
			return badParam(m.name, fmt.Sprintf("tools must be at most %d", maxTools))
		}
		where := fmt.Sprintf("tools[%d]", i)
		if f := checkTool(raw, where); f != nil {
			return f
		}
		r.tools = append(r.tools, string(raw))
		return nil
	})
}

// checkTool wants {"type":"function","function":{"name":...}}.
func checkTool(raw json.RawMessage, where string) *failure {
	var function json.RawMessage
	isFunction := false
	f := inside(raw, where, func(name string, m member) *failure {
		switch name {
		case "type":
			isFunction = string(m.value) == `"function"`
		case "function":
			function = m.value
		}
		return nil
	})
	switch {
	case f != nil:
		return f
	case !isFunction || function == nil:
		return badParam(where, where+` must be {"type":"function","function":{...}}`)
	}
	return checkFunction(function, where+".function")
}

// checkFunction wants a name.
func checkFunction(raw json.RawMessage, where string) *failure {
	named := false
	f := inside(raw, where, func(name string, m member) (f *failure) {
		switch name {
		case "name":
			named = true
			_, f = readToolName(m)
		case "strict":
			_, f = readBool(m)
		}
		return f
	})
	if f == nil && !named {
		f = badParam(where+".name", where+".name is missing")
	}
	return f
}

func readToolName(m member) (string, *failure) {
	name, f := readString(m, maxToolName)
	if f != nil {
		return "", f
	}
	odd := strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-')
	})
	if name == "" || odd {
		return "", badParam(m.name, m.name+" must be letters, digits, _ and -")
	}
	return name, nil
}

// readParallel reads whether the model may call several tools at once.
func readParallel(r *request, m member) *failure {
	many, f := readBool(m)
	r.oneCall = !many
	return f
}

// readCalls reads the calls of an assistant's message and their ids.
func readCalls(msg *Message, ids *[]string, m member) *failure {
	return each(m, func(i int, raw json.RawMessage) *failure {
		if i == maxCalls {
			return badParam(m.name, fmt.Sprintf("%s must be at most %d", m.name, maxCalls))
		}
		where := fmt.Sprintf("%s[%d]", m.name, i)
		call, id, f := readCall(raw, where)
		msg.Calls = append(msg.Calls, call)
		*ids = append(*ids, id)
		return f
	})
}

// readCall reads {"id":...,"type":"function","function":{"name":...,"arguments":"..."}}.
func readCall(raw json.RawMessage, where string) (call template.Call, id string, f *failure) {
	fields, f := members(raw, where)
	if f != nil {
		f.Param = &where
		return call, "", f
	}
	for _, m := range fields {
		name := m.name
		m.name = where + "." + name
		switch name {
		case "id":
			id, f = readString(m, maxCallID)
		case "type":
			if string(m.value) != `"function"` {
				f = unsupported(m.name, `"function"`)
			}
		case "function":
			call, f = readFunction(m)
		}
		if f != nil {
			return call, id, f
		}
	}
	if id == "" || call.Name == "" {
		return call, id, badParam(where, where+` must have an "id" and a "function" with a name`)
	}
	return call, id, nil
}

func readFunction(m member) (call template.Call, f *failure) {
	fields, f := members(m.value, m.name)
	if f != nil {
		f.Param = &m.name
		return call, f
	}
	call.Arguments = "{}"
	for _, p := range fields {
		name := p.name
		p.name = m.name + "." + name
		switch name {
		case "name":
			call.Name, f = readToolName(p)
		case "arguments":
			call.Arguments, f = readArguments(p)
		}
		if f != nil {
			return call, f
		}
	}
	return call, nil
}

// readArguments reads a JSON object in a string.
func readArguments(m member) (string, *failure) {
	text, f := readString(m, maxBody)
	if f == nil && (kind([]byte(text)) != '{' || !json.Valid([]byte(text))) {
		f = badParam(m.name, m.name+" must be a JSON object, as a string")
	}
	return text, f
}

// turns checks that each result answers one call of the message before it, in the order of the calls,
// and each call has its result.
type turns struct{ open []string }

// next takes one message into account.
func (t *turns) next(msg *Message, calls []string, result, where string) *failure {
	switch {
	case msg.Role == template.Tool:
		return t.result(result, where, "tool_call_id")
	case result != "":
		return badParam(where+".tool_call_id", where+".tool_call_id belongs to messages of the role tool")
	case len(calls) > 0 && msg.Role != template.Assistant:
		return badParam(where+".tool_calls", where+".tool_calls belong to messages of the role assistant")
	}
	return t.calls(calls, where)
}

// calls opens the calls of a message.
func (t *turns) calls(ids []string, where string) *failure {
	if len(t.open) > 0 {
		return badParam(where, fmt.Sprintf("%s comes before the result of the call %q", where, clip(t.open[0], 40)))
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return badParam(where, fmt.Sprintf("%s has the call id %q twice", where, clip(id, 40)))
		}
	}
	t.open = ids
	return nil
}

// result closes a call, which field names.
func (t *turns) result(id, where, field string) *failure {
	if len(t.open) == 0 || t.open[0] != id {
		want := "no call is open"
		if len(t.open) > 0 {
			want = fmt.Sprintf("the next result is that of %q: send results in the order of the calls", clip(t.open[0], 40))
		}
		return badParam(where+"."+field, fmt.Sprintf("%s.%s is %q, and %s", where, field, clip(id, 40), want))
	}
	t.open = t.open[1:]
	return nil
}

// toolCall is a call of the answer; Index in streams alone.
type toolCall struct {
	Index    *int         `json:"index,omitempty"`
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function callFunction `json:"function"`
}

type callFunction struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// splitter holds back what may belong to calls and hands the rest on.
type splitter struct {
	outlet
	syntax *template.Syntax
	held   string
}

func (s *splitter) text(piece string) error {
	s.held += piece
	n := len(s.held) - s.syntax.Pending(s.held)
	piece, s.held = s.held[:n], s.held[n:]
	return put(s.outlet, piece)
}

// end hands on what was held back in vain, and gives the calls.
func (s *splitter) end() ([]template.Call, error) {
	content, calls := s.syntax.Parse(s.held)
	return calls, put(s.outlet, content)
}
