package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elenchus/compute/template"
)

// inside visits the members of an object that are not null, with their own names and with their paths in the request.
func inside(raw json.RawMessage, where string, visit func(name string, m member) *failure) *failure {
	fields, f := members(raw, where)
	if f != nil {
		f.Param = &where
		return f
	}
	for _, m := range fields {
		name := m.name
		if m.name = where + "." + name; m.null() {
			continue
		}
		if f := visit(name, m); f != nil {
			return f
		}
	}
	return nil
}

// talk puts a conversation together from messages, calls and results that come one by one.
type talk struct {
	turns
	messages []Message
	id       string   // the field that names the call of a result
	thought  []string // reasoning of the assistant's message that follows
}

// say adds a message of text.
func (k *talk) say(role, text, where string) *failure {
	m := Message{Role: role, Content: text}
	if thought := k.thoughts(); role == template.Assistant {
		m.Reasoning = thought
	}
	k.messages = append(k.messages, m)
	return k.calls(nil, where)
}

// reason keeps reasoning for the assistant's message that follows.
func (k *talk) reason(text string) {
	if text != "" {
		k.thought = append(k.thought, text)
	}
}

// thoughts are the texts that were kept, which are then forgotten.
func (k *talk) thoughts() string {
	text := strings.Join(k.thought, "\n\n")
	k.thought = nil
	return text
}

// call adds a call to the assistant's message, or makes one.
func (k *talk) call(id string, c template.Call, where string) *failure {
	switch {
	case id == "" || c.Name == "":
		return badParam(where, where+" must have an id and a name")
	case len(k.open) == maxCalls:
		return badParam(where, fmt.Sprintf("%s is one call too many: at most %d before their results", where, maxCalls))
	case slices.Contains(k.open, id):
		return badParam(where, fmt.Sprintf("%s has the call id %q, as one before it", where, clip(id, 40)))
	}
	n := len(k.messages)
	if n == 0 || k.messages[n-1].Role != template.Assistant {
		if f := k.say(template.Assistant, "", where); f != nil {
			return f
		}
		n++
	}
	last := &k.messages[n-1]
	if thought := k.thoughts(); last.Reasoning == "" {
		last.Reasoning = thought
	}
	last.Calls = append(slices.Clip(last.Calls), c) // the slice may be shared with a kept response
	k.open = append(slices.Clip(k.open), id)
	return nil
}

// answered adds the result of a call.
func (k *talk) answered(id, text, where string) *failure {
	k.messages = append(k.messages, Message{Role: template.Tool, Content: text})
	return k.result(id, where, k.id)
}

// end checks that the conversation, the value of field, is whole.
func (k *talk) end(field string) *failure {
	switch {
	case len(k.open) > 0:
		return badParam(field, fmt.Sprintf("%s ends before the result of the call %q", field, clip(k.open[0], 40)))
	case len(k.messages) == 0:
		return badParam(field, field+" must hold at least one message")
	}
	return nil
}

// functionTool is the JSON of a tool as chat completions have it, from the members of its function.
func functionTool(function []member) string {
	out := []byte(`{"type":"function","function":{`)
	for i, m := range function {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, marshal(m.name)...), ':'), m.value...)
	}
	return string(append(out, "}}"...))
}

// addTool keeps a tool for the template to show.
func (r *request) addTool(m member, function []member, named bool) *failure {
	switch {
	case !named:
		return badParam(m.name+".name", m.name+".name is missing")
	case len(r.tools) == maxTools:
		return badParam(m.name, fmt.Sprintf("tools must be at most %d", maxTools))
	}
	r.tools = append(r.tools, functionTool(function))
	return nil
}
