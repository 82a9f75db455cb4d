package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elenchus/compute/template"
)

// messageReaders are the fields of POST /v1/messages.
func messageReaders() map[string]reader {
	fields := commonFields()
	for name, read := range map[string]reader{
		"messages":           readTurns,
		"system":             readSystem,
		"tools":              readSchemaTools,
		"tool_choice":        readChoice,
		"stop_sequences":     fields["stop"],
		"thinking":           readThinking,
		"service_tier":       only(`"auto" or "standard_only"`, `"auto"`, `"standard_only"`),
		"mcp_servers":        only("an empty list", `[]`),
		"output_config":      readOutputConfig,
		"container":          only("null"),
		"context_management": only("null"),
	} {
		fields[name] = read
	}
	return fields
}

func readSystem(r *request, m member) (f *failure) {
	r.system, f = readTexts(m, "text")
	return f
}

// readChoice reads who decides: the model, or the client, who wants a call of any tool or of one; or the model sees none.
func readChoice(r *request, m member) *failure {
	f := inside(m.value, m.name, func(name string, m member) (f *failure) {
		switch name {
		case "type":
			return readPlainChoice(r, m)
		case "name":
			r.called, f = readToolName(m)
			return f
		case "disable_parallel_tool_use":
			r.oneCall, f = readBool(m)
			return f
		}
		return unsupported(m.name, "null")
	})
	if f == nil && (r.called != "") != (typeOf(m.value) == "tool") {
		f = badParam(m.name, m.name+" of the type tool, and no other, names a tool")
	}
	return f
}

// readPlainChoice reads auto, none, any or tool.
func readPlainChoice(r *request, m member) *failure {
	if kind(m.value) != '"' {
		return unsupported(m.name, `"none", "auto", "any" or "tool"`)
	}
	switch compact(m.value) {
	case `"any"`, `"tool"`:
		r.forced = true
		return nil
	case `"required"`:
		return unsupported(m.name, `"none", "auto", "any" or "tool"`)
	}
	return readToolChoice(r, m)
}

// readSchemaTools reads [{"name":...,"input_schema":{...}}].
func readSchemaTools(r *request, m member) *failure {
	return each(m, func(i int, raw json.RawMessage) *failure {
		tool := member{fmt.Sprintf("%s[%d]", m.name, i), raw}
		var function []member
		named, schema, strict, toolName := false, false, false, ""
		f := inside(raw, tool.name, func(name string, m member) (f *failure) {
			switch name {
			case "type":
				return only(`"custom"`, `"custom"`)(r, m)
			case "strict":
				strict, f = readBool(m)
				return f
			case "cache_control": // of a cache that does not change the answer
				return nil
			case "name":
				toolName, f = readToolName(m)
				named = true
			case "description":
				_, f = readString(m, maxBody)
			case "input_schema":
				if name, schema = "parameters", kind(m.value) == '{'; !schema {
					f = badParam(m.name, m.name+" must be a JSON object")
				}
			default:
				r.ignore("tools." + name)
				return nil
			}
			function = append(function, member{name, m.value})
			return f
		})
		switch {
		case f != nil:
			return f
		case !schema:
			return badParam(tool.name+".input_schema", tool.name+".input_schema is missing")
		}
		if strict {
			r.strict = append(r.strict, toolName)
		}
		return r.addTool(tool, function, named)
	})
}

// readTurns reads the messages of users and assistants.
func readTurns(r *request, m member) *failure {
	r.hasPrompt = true
	t := talk{id: "tool_use_id"}
	f := each(m, func(i int, raw json.RawMessage) *failure {
		return readTurn(r, &t, raw, fmt.Sprintf("%s[%d]", m.name, i))
	})
	if f == nil {
		f = t.end(m.name)
	}
	if f == nil && t.messages[len(t.messages)-1].Role == template.Assistant {
		f = badParam(m.name, m.name+" end with the assistant's: no template goes on with a turn that has begun, so end with the user's")
	}
	r.messages = t.messages
	return f
}

// checkMessage has no reasoning where the client asks for none, which is what the dialect says of leaving it out.
func checkMessage(r *request) *failure {
	r.quiet = true
	return checkSystem(r)
}

// checkSystem puts the system message in its place.
func checkSystem(r *request) *failure {
	if r.system != "" {
		r.messages = append([]Message{{Role: template.System, Content: r.system}}, r.messages...)
	}
	return nil
}

func readTurn(r *request, t *talk, raw json.RawMessage, where string) *failure {
	role, content := "", member{name: where + ".content"}
	f := inside(raw, where, func(name string, m member) (f *failure) {
		switch name {
		case "role":
			role, f = readString(m, maxNameText)
		case "content":
			content = m
		default:
			r.ignore("messages." + name)
		}
		return f
	})
	switch {
	case f != nil:
		return f
	case role != template.User && role != template.Assistant:
		return badParam(where+".role", where+".role must be user or assistant")
	case kind(content.value) == '"':
		text, f := readString(content, maxBody)
		if f != nil {
			return f
		}
		return t.say(role, text, where)
	case kind(content.value) != '[':
		return badParam(content.name, content.name+" must be a string or a list of blocks")
	}
	return readBlocks(r, t, role, content)
}

// turn is a message while its blocks are read.
type turn struct {
	*talk
	role string
	text strings.Builder
	had  bool // blocks
	rest bool // what stands after the text has begun
}

// readBlocks reads the blocks of one message: results before the text of a user, calls after that of an assistant.
func readBlocks(r *request, k *talk, role string, content member) *failure {
	t := &turn{talk: k, role: role}
	f := each(content, func(i int, raw json.RawMessage) *failure {
		b := block{where: fmt.Sprintf("%s[%d]", content.name, i), input: "{}"}
		if f := inside(raw, b.where, func(name string, m member) *failure { return b.read(r, name, m) }); f != nil {
			return f
		}
		t.had = true
		return t.add(&b)
	})
	switch {
	case f != nil:
		return f
	case !t.had:
		return badParam(content.name, content.name+" must hold at least one block")
	}
	return t.flush(content.name)
}

// flush says the text that has come together, unless the message is nothing but results or calls.
func (t *turn) flush(where string) *failure {
	if t.rest && t.text.Len() == 0 {
		return nil
	}
	text := t.text.String()
	t.text.Reset()
	return t.say(t.role, text, where)
}

func (t *turn) add(b *block) *failure {
	switch {
	case b.kind == "text" && b.text != nil && t.role == template.Assistant && t.rest:
		return badParam(b.where, b.where+" is text after a tool_use: no template has a place for it, so send the text first")
	case b.kind == "text" && b.text != nil:
		t.text.WriteString(*b.text)
		return nil
	case (b.kind == "thinking" || b.kind == "redacted_thinking") && t.role == template.Assistant:
		if t.rest || t.text.Len() > 0 {
			return badParam(b.where, b.where+" is thinking after text or a tool_use: no template has a place for it, so send it first")
		}
		t.reason(b.thought)
		return nil
	case b.kind == "tool_use" && t.role == template.Assistant:
		if !t.rest {
			if f := t.flush(b.where); f != nil {
				return f
			}
		}
		t.rest = true
		return t.call(b.id, template.Call{Name: b.name, Arguments: b.input}, b.where)
	case b.kind == "tool_result" && t.role == template.User:
		if t.text.Len() > 0 {
			return badParam(b.where, b.where+" is a tool_result after text: send results first")
		}
		t.rest = true
		return t.answered(b.id, b.result, b.where)
	}
	return badParam(b.where, b.where+` must be {"type":"text","text":"..."}, a tool_use of the assistant, or a tool_result of the user`)
}

// block is one block of a message; which members it has depends on its type.
type block struct {
	where, kind, id, name, input, result, thought string

	text *string
}

func (b *block) read(r *request, name string, m member) (f *failure) {
	var text string
	switch name {
	case "type":
		b.kind, f = readString(m, maxNameText)
		if f == nil && !slices.Contains([]string{"text", "tool_use", "tool_result", "thinking", "redacted_thinking"}, b.kind) {
			f = noText(b.where, b.kind, `a block of type "text"`)
		}
	case "text":
		text, f = readString(m, maxBody)
		b.text = &text
	case "thinking":
		b.thought, f = readString(m, maxBody)
	case "signature": // receipts are what is signed
	case "data": // of thinking that another server has hidden
		if b.kind != "redacted_thinking" {
			r.ignore("messages." + name)
		}
	case "id", "tool_use_id":
		b.id, f = readString(m, maxCallID)
	case "name":
		b.name, f = readToolName(m)
	case "input":
		if b.input = string(m.value); kind(m.value) != '{' {
			f = badParam(m.name, m.name+" must be a JSON object")
		}
	case "content":
		b.result, f = readTexts(m, "text")
	case "cache_control": // of a cache that does not change the answer
	default:
		r.ignore("messages." + name) // also is_error, which no template shows
	}
	return f
}
