package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
)

// choicesWithoutGrammar are the forms of tool_choice that need none.
const choicesWithoutGrammar = `"none", "auto" or allowed_tools with the mode "auto"`

// readToolChoice accepts what needs no grammar: the model decides, about all tools or some of them, or sees none.
func readToolChoice(r *request, m member) *failure {
	switch compact(m.value) {
	case `"none"`:
		r.noTools = true
		return nil
	case `"auto"`:
		return nil
	}
	if kind(m.value) != '{' {
		return unsupported(m.name, choicesWithoutGrammar)
	}
	typed := false
	f := inside(m.value, m.name, func(name string, at member) *failure {
		switch name {
		case "type":
			typed = string(at.value) == `"allowed_tools"`
			return only(`"allowed_tools"`, `"allowed_tools"`)(r, member{m.name, at.value})
		case "allowed_tools": // chats have the rest one level below
			return inside(at.value, at.name, func(name string, at member) *failure { return r.allow(name, at) })
		}
		return r.allow(name, at)
	})
	if f == nil && (!typed || r.allowed == nil) {
		f = unsupported(m.name, choicesWithoutGrammar)
	}
	return f
}

// allow reads a member of a choice of allowed tools.
func (r *request) allow(name string, m member) *failure {
	switch name {
	case "mode":
		return only(`"auto"`, `"auto"`)(r, m)
	case "tools":
		r.allowed = []string{}
		return each(m, func(i int, raw json.RawMessage) *failure {
			if i == maxTools {
				return badParam(m.name, fmt.Sprintf("%s must be at most %d", m.name, maxTools))
			}
			tool, f := nameOfTool(raw, fmt.Sprintf("%s[%d]", m.name, i))
			r.allowed = append(r.allowed, tool)
			return f
		})
	}
	return unsupported(m.name, "null")
}

// nameOfTool reads {"type":"function","function":{"name":...}}, or the same without the inner object.
func nameOfTool(raw json.RawMessage, where string) (tool string, f *failure) {
	take := func(name string, m member) *failure {
		if name == "name" {
			tool, f = readToolName(m)
		}
		return f
	}
	f = inside(raw, where, func(name string, m member) *failure {
		switch name {
		case "type":
			return only(`"function"`, `"function"`)(nil, m)
		case "function":
			return inside(m.value, m.name, take)
		}
		return take(name, m)
	})
	if f == nil && tool == "" {
		f = badParam(where, where+" must name a function")
	}
	return tool, f
}

// keepAllowed shows the model the allowed tools alone; each of them must be there.
func (r *request) keepAllowed() *failure {
	if r.allowed == nil {
		return nil
	}
	var kept, names []string
	for _, raw := range r.tools {
		name, f := nameOfTool(json.RawMessage(raw), "tools")
		if f != nil {
			return f
		}
		if slices.Contains(r.allowed, name) {
			kept, names = append(kept, raw), append(names, name)
		}
	}
	for _, name := range r.allowed {
		if !slices.Contains(names, name) {
			return badParam("tool_choice", fmt.Sprintf("tool_choice allows %q, which is not among tools", name))
		}
	}
	r.tools = kept
	return nil
}
