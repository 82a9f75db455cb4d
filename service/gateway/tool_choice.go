package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
)

// choices are the forms of tool_choice.
const choices = `"none", "auto", "required", a function or allowed_tools`

// readToolChoice reads who decides: the model, about all tools or some of them, or the client, who wants a call of any
// or of one; or the model sees none.
func readToolChoice(r *request, m member) *failure {
	switch compact(m.value) {
	case `"none"`:
		r.noTools = true
		return nil
	case `"auto"`:
		return nil
	case `"required"`:
		r.forced = true
		return nil
	}
	if kind(m.value) != '{' {
		return unsupported(m.name, choices)
	}
	if typeOf(m.value) == "function" {
		return r.call(m)
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
		f = unsupported(m.name, choices)
	}
	return f
}

// typeOf is the type of an object, "" if it has none.
func typeOf(raw json.RawMessage) string {
	var v struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	return v.Type
}

// call reads the tool that is to be called.
func (r *request) call(m member) (f *failure) {
	r.forced = true
	r.called, f = nameOfTool(m.value, m.name)
	return f
}

// allow reads a member of a choice of allowed tools.
func (r *request) allow(name string, m member) *failure {
	switch name {
	case "mode":
		r.forced = compact(m.value) == `"required"`
		return only(`"auto" or "required"`, `"auto"`, `"required"`)(r, m)
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
