package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"elenchus/compute/template"
)

// roles maps the roles of the dialect to those of a template. "developer" is the newer name of "system".
var roles = map[string]string{"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}

// readMessages reads the conversation of a chat request.
func readMessages(r *request, m member) *failure {
	r.hasPrompt = true
	var t turns
	f := each(m, func(i int, raw json.RawMessage) *failure {
		msg, f := readMessage(r, &t, raw, fmt.Sprintf("messages[%d]", i))
		r.messages = append(r.messages, msg)
		return f
	})
	if f == nil && len(t.open) > 0 {
		f = badParam(m.name, fmt.Sprintf("messages end before the result of the call %q", clip(t.open[0], 40)))
	}
	if f == nil && len(r.messages) == 0 {
		return badParam(m.name, "messages must hold at least one message")
	}
	return f
}

// chatTurn is one message while its members are read.
type chatTurn struct {
	Message
	calls      []string // ids of its calls
	result     string   // id of the call that it answers
	hasContent bool
	routed     string // its reasoning under another name
}

// readMessage reads one turn; where is its path in the request.
func readMessage(r *request, t *turns, raw json.RawMessage, where string) (Message, *failure) {
	var turn chatTurn
	f := inside(raw, where, func(name string, m member) *failure { return turn.read(r, name, m) })
	if turn.Reasoning == "" {
		turn.Reasoning = turn.routed
	}
	switch {
	case f != nil:
		return turn.Message, f
	case turn.Reasoning != "" && turn.Role != template.Assistant:
		return turn.Message, badParam(where+".reasoning_content", where+".reasoning_content belongs to messages of the role assistant")
	case turn.Role == "":
		return turn.Message, badParam(where+".role", where+".role is missing")
	}
	if f := t.next(&turn.Message, turn.calls, turn.result, where); f != nil {
		return turn.Message, f
	}
	if !turn.hasContent && len(turn.calls) == 0 {
		return turn.Message, badParam(where+".content", where+".content must be a string or a list of text parts")
	}
	return turn.Message, nil
}

// read takes one member of a message.
func (t *chatTurn) read(r *request, name string, m member) (f *failure) {
	switch name {
	case "role":
		t.Role, f = readRole(m)
	case "content":
		t.hasContent = true
		t.Content, f = readContent(m)
	case "tool_calls":
		f = readCalls(&t.Message, &t.calls, m)
	case "tool_call_id":
		t.result, f = readString(m, maxCallID)
	case "reasoning_content":
		t.Reasoning, f = readString(m, maxBody)
	case "reasoning":
		t.routed, f = readString(m, maxBody)
	case "annotations":
		f = only("an empty list", `[]`)(r, m)
	case "function_call", "audio", "refusal":
		f = unsupported(m.name, "null")
	default:
		r.ignore("messages." + name)
	}
	return f
}

// ignore notes a field that had no effect, once.
func (r *request) ignore(name string) {
	if len(r.ignored) < maxIgnored && !slices.Contains(r.ignored, name) {
		r.ignored = append(r.ignored, name)
	}
}

func readRole(m member) (string, *failure) {
	given, f := readString(m, maxNameText)
	if f != nil {
		return "", f
	}
	role, ok := roles[given]
	switch {
	case ok:
		return role, nil
	case given == "function":
		return "", unsupported(m.name, "the roles system, developer, user, assistant and tool")
	}
	return "", badParam(m.name, m.name+" must be system, developer, user, assistant or tool, not "+strconv.Quote(clip(given, 40)))
}

// readContent reads a string, or a list of text parts, which are joined without a separator.
func readContent(m member) (string, *failure) { return readTexts(m, "text") }

// readTexts reads a string, or a list of parts of the given types.
func readTexts(m member, types ...string) (string, *failure) {
	if kind(m.value) == '"' {
		return readString(m, maxBody)
	}
	if kind(m.value) != '[' {
		return "", badParam(m.name, m.name+" must be a string or a list of text parts")
	}
	var text strings.Builder
	f := each(m, func(i int, raw json.RawMessage) *failure {
		piece, f := readPart(raw, fmt.Sprintf("%s[%d]", m.name, i), types)
		text.WriteString(piece)
		return f
	})
	return text.String(), f
}

// readPart reads {"type":"text","text":"..."}.
func readPart(raw json.RawMessage, where string, types []string) (string, *failure) {
	fields, f := members(raw, where)
	if f != nil {
		f.Param = &where
		return "", f
	}
	text, hasText, isText := "", false, false
	for _, m := range fields {
		switch m.name {
		case "type":
			given, _ := readString(m, maxNameText)
			if isText = slices.Contains(types, given); !isText {
				return "", noText(where, given, "a part of type "+strconv.Quote(types[0]))
			}
		case "text":
			m.name = where + ".text"
			if text, f = readString(m, maxBody); f != nil {
				return "", f
			}
			hasText = true
		}
	}
	if !isText || !hasText {
		return "", badParam(where, where+` must be {"type":"`+types[0]+`","text":"..."}`)
	}
	return text, nil
}
