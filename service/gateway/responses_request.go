package gateway

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"elenchus/compute/template"
)

const maxResponseID = 128 // bytes

// responseFields are what POST /v1/responses has besides the fields of all endpoints.
type responseFields struct {
	input    json.RawMessage
	previous string
	unkept   bool                       // store false
	echo     map[string]json.RawMessage // fields that the answer repeats
	said     []Message                  // the conversation without instructions
}

// responseReaders are the fields of POST /v1/responses.
func responseReaders() map[string]reader {
	fields := commonFields()
	delete(fields, "max_tokens")
	for name, read := range map[string]reader{
		"input":                readInput,
		"instructions":         readInstructions,
		"previous_response_id": readPrevious,
		"store":                readStore,
		"max_output_tokens":    readMaxTokens,
		"tools":                readFlatTools,
		"tool_choice":          readToolChoice,
		"parallel_tool_calls":  readParallel,
		"metadata":             readMetadata,
		"include":              readInclude,
		"reasoning":            readReasoning,
		"text":                 readTextConfig,
		"truncation":           only(`"disabled"`, `"disabled"`),
		"service_tier":         only(`"auto" or "default"`, `"auto"`, `"default"`),
		"top_logprobs":         readTopLogprobs,
		"background":           only("false", `false`),
		"conversation":         only("null"),
		"prompt":               only("null"),
		"max_tool_calls":       only("null"),
		"context_management":   only("an empty list", `[]`),
	} {
		fields[name] = read
	}
	for _, name := range []string{"temperature", "top_p", "max_output_tokens", "tools", "tool_choice", "metadata", "instructions", "user", "presence_penalty", "frequency_penalty",
		"safety_identifier", "prompt_cache_key"} {
		fields[name] = echoed(fields[name])
	}
	return fields
}

// echoed keeps the value of a field for the answer, which repeats it.
func echoed(read reader) reader {
	return func(r *request, m member) *failure {
		if r.response.echo == nil {
			r.response.echo = make(map[string]json.RawMessage)
		}
		r.response.echo[m.name] = m.value
		return read(r, m)
	}
}

func readInput(r *request, m member) *failure {
	r.hasPrompt, r.response.input = true, m.value
	return nil
}

func readInstructions(r *request, m member) (f *failure) {
	r.system, f = readString(m, maxBody)
	return f
}

func readPrevious(r *request, m member) (f *failure) {
	r.response.previous, f = readString(m, maxResponseID)
	return f
}

func readStore(r *request, m member) *failure {
	keep, f := readBool(m)
	r.response.unkept = !keep
	return f
}

func readMetadata(_ *request, m member) *failure {
	return inside(m.value, m.name, func(_ string, m member) *failure {
		_, f := readString(m, maxUserText)
		return f
	})
}

// readInclude reads what the answer shall hold besides the text: odds, or the content of reasoning, of which there is none.
func readInclude(r *request, m member) *failure {
	return each(m, func(i int, raw json.RawMessage) *failure {
		switch string(raw) {
		case `"message.output_text.logprobs"`:
			r.logprobs = true
		case `"reasoning.encrypted_content"`:
		default:
			return unsupported(fmt.Sprintf("%s[%d]", m.name, i), `"message.output_text.logprobs"`)
		}
		return nil
	})
}

// readReasoning reads how much to reason. Nothing is summarised: what is reasoned is all in the answer.
func readReasoning(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		switch name {
		case "effort":
			return readEffort(r, m)
		case "summary", "generate_summary":
		default:
			r.ignore("reasoning." + name)
		}
		return nil
	})
}

func readTextConfig(r *request, m member) *failure {
	return inside(m.value, m.name, func(name string, m member) *failure {
		switch name {
		case "format":
			return readFlatFormat(r, m)
		case "verbosity":
			return only(`"medium"`, `"medium"`)(r, m)
		}
		r.ignore("text." + name)
		return nil
	})
}

// readFlatTools reads [{"type":"function","name":...}].
func readFlatTools(r *request, m member) *failure {
	return each(m, func(i int, raw json.RawMessage) *failure {
		tool := member{fmt.Sprintf("%s[%d]", m.name, i), raw}
		var function []member
		named, typed, strict, toolName := false, false, false, ""
		f := inside(raw, tool.name, func(name string, m member) (f *failure) {
			switch name {
			case "type":
				if typed = string(m.value) == `"function"`; !typed {
					f = unsupported(m.name, `"function"`)
				}
				return f
			case "strict":
				strict, f = readBool(m)
				return f
			case "name":
				toolName, f = readToolName(m)
				named = true
			}
			function = append(function, member{name, m.value})
			return f
		})
		switch {
		case f != nil:
			return f
		case !typed:
			return badParam(tool.name+".type", tool.name+`.type must be "function"`)
		}
		if strict {
			r.strict = append(r.strict, toolName)
		}
		return r.addTool(tool, function, named)
	})
}

// checkResponse puts the conversation together: what was said before, the input, and the instructions before both.
func (k *keeper) checkResponse(r *request) *failure {
	t := talk{id: "call_id"}
	if id := r.response.previous; id != "" {
		before, ok := k.shelf.get(r.owner, id)
		if !ok {
			return failed(http.StatusNotFound, "invalid_request_error", "previous_response_id", "previous_response_not_found",
				"the response "+strconv.Quote(clip(id, 40))+" is not kept here: send the whole conversation as input")
		}
		t.messages, t.open = append(t.messages, before.messages...), before.open
	}
	if f := readItems(r, &t, member{"input", r.response.input}); f != nil {
		return f
	}
	if f := t.end("input"); f != nil {
		return f
	}
	if f := checkLogprobs(r); f != nil {
		return f
	}
	r.response.input, r.response.said, r.messages = nil, t.messages, t.messages
	if text := r.system; text != "" {
		for len(r.messages) > 0 && r.messages[0].Role == template.System { // a template has one place for both
			text, r.messages = text+"\n\n"+r.messages[0].Content, r.messages[1:]
		}
		r.messages = append([]Message{{Role: template.System, Content: text}}, r.messages...)
	}
	return nil
}

// readItems reads a text of the user, or a list of items.
func readItems(r *request, t *talk, m member) *failure {
	if kind(m.value) == '"' {
		text, f := readString(m, maxBody)
		if f != nil {
			return f
		}
		return t.say(template.User, text, m.name)
	}
	if kind(m.value) != '[' {
		return badParam(m.name, m.name+" must be a string or a list of items")
	}
	return each(m, func(i int, raw json.RawMessage) *failure {
		return readItem(r, t, raw, fmt.Sprintf("%s[%d]", m.name, i))
	})
}

// item is one item of an input; which members it has depends on its type.
type item struct {
	kind, role, callID string
	raw                member // content
	content, output    *string
	thought, summary   string
	call               template.Call
}

func readItem(r *request, t *talk, raw json.RawMessage, where string) *failure {
	it := item{kind: "message", call: template.Call{Arguments: "{}"}}
	f := inside(raw, where, func(name string, m member) *failure { return it.read(r, name, m) })
	if f == nil {
		f = it.readContent()
	}
	switch {
	case f != nil:
		return f
	case it.kind == "reasoning":
		t.reason(cmp.Or(it.thought, it.summary))
		return nil
	case it.kind == "function_call":
		return t.call(it.callID, it.call, where)
	case it.kind == "function_call_output" && it.output != nil:
		return t.answered(it.callID, *it.output, where)
	case it.kind == "function_call_output":
		return badParam(where+".output", where+".output is missing")
	case it.role == "" || it.role == template.Tool:
		return badParam(where+".role", where+".role must be user, assistant, system or developer")
	case it.content == nil:
		return badParam(where+".content", where+".content is missing")
	}
	return t.say(it.role, *it.content, where)
}

// readContent reads what an item holds, once its type is known.
func (it *item) readContent() (f *failure) {
	switch {
	case it.raw.name == "":
	case it.kind == "reasoning":
		it.thought, f = readThoughtParts(it.raw)
	default:
		var text string
		text, f = readTexts(it.raw, "input_text", "output_text", "text")
		it.content = &text
	}
	return f
}

func (it *item) read(r *request, name string, m member) (f *failure) {
	var text string
	switch name {
	case "type":
		it.kind, f = readString(m, maxNameText)
		if f == nil && !slices.Contains([]string{"message", "reasoning", "function_call", "function_call_output"}, it.kind) {
			f = unsupported(m.name, `"message", "reasoning", "function_call" or "function_call_output"`)
		}
	case "role":
		it.role, f = readRole(m)
	case "content":
		it.raw = m
	case "summary":
		it.summary, f = readThoughtParts(m)
	case "encrypted_content": // there is none
	case "output":
		text, f = readTexts(m, "input_text", "output_text", "text")
		it.output = &text
	case "call_id":
		it.callID, f = readString(m, maxCallID)
	case "name":
		it.call.Name, f = readToolName(m)
	case "arguments":
		it.call.Arguments, f = readArguments(m)
	case "id", "status":
	default:
		r.ignore("input." + name)
	}
	return f
}
