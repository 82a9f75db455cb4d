package elenchus

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"elenchus/commitment/receipt"
	"elenchus/compute/template"
)

// responses reads the body of POST /v1/responses; limit is the field that bounds the answer. SPEC 16 §6.
func (f fields) responses(a *receipt.Asked) (limit string, err error) {
	if f.has("previous_response_id") {
		return "", errors.New("it goes on from an earlier response, whose turns are not in it: send and keep the whole conversation")
	}
	var k talk
	var text, instructions string
	var items []json.RawMessage
	if json.Unmarshal(f["input"], &text) == nil {
		k.say(template.User, text)
	} else if err := f.read("input", &items); err != nil {
		return "", err
	}
	for i, raw := range items {
		if err := readItem(&k, raw); err != nil {
			return "", fmt.Errorf("input[%d]: %w", i, err)
		}
	}
	if err := f.read("instructions", &instructions); err != nil {
		return "", err
	}
	if instructions != "" {
		for len(k.messages) > 0 && k.messages[0].Role == template.System {
			instructions, k.messages = instructions+"\n\n"+k.messages[0].Content, k.messages[1:]
		}
		k.messages = append([]template.Message{{Role: template.System, Content: instructions}}, k.messages...)
	}
	a.Messages = k.messages
	var config fields
	if err := f.read("text", &config); err != nil {
		return "", err
	}
	if err := f.flatFormat(config["format"]); err != nil {
		return "", err
	}
	return "max_output_tokens", f.functions(a, func(name string) string {
		if name == "type" || name == "strict" {
			return ""
		}
		return name
	})
}

// readItem reads one item of an input.
func readItem(k *talk, raw json.RawMessage) error {
	it := struct {
		Type, Role, Name, Arguments string
		Content, Output, Summary    json.RawMessage
	}{Type: "message", Arguments: "{}"}
	if err := json.Unmarshal(raw, &it); err != nil {
		return err
	}
	switch it.Type {
	case "reasoning":
		k.reason(thoughtParts(it.Content, it.Summary))
		return nil
	case "function_call":
		k.call(template.Call{Name: it.Name, Arguments: it.Arguments})
		return nil
	case "function_call_output":
		text, err := content(it.Output)
		k.say(template.Tool, text)
		return err
	}
	text, err := content(it.Content)
	k.say(roleOf(it.Role), text)
	return err
}

// anthropic reads the body of POST /v1/messages. SPEC 16 §7.
func (f fields) anthropic(a *receipt.Asked) (limit string, err error) {
	var k talk
	var turns []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if f.has("system") {
		text, err := content(f["system"])
		if err != nil {
			return "", fmt.Errorf("system: %w", err)
		}
		if text != "" {
			k.say(template.System, text)
		}
	}
	if err := f.read("messages", &turns); err != nil {
		return "", err
	}
	for i, t := range turns {
		if err := readBlocks(&k, t.Role, t.Content); err != nil {
			return "", fmt.Errorf("messages[%d]: %w", i, err)
		}
	}
	a.Messages = k.messages
	var config fields
	if err := f.read("output_config", &config); err != nil {
		return "", err
	}
	if err := f.flatFormat(config["format"]); err != nil {
		return "", err
	}
	delete(f, "parallel_tool_calls") // a word of other dialects
	if f.has("stop_sequences") {
		f["stop"] = f["stop_sequences"]
	}
	return "max_tokens", f.functions(a, func(name string) string {
		switch name {
		case "input_schema":
			return "parameters"
		case "name", "description":
			return name
		}
		return ""
	})
}

// block is one block of a message.
type block struct {
	Type, Text, Name, Thinking string

	Input, Content json.RawMessage
}

// readBlocks reads a message of text or of blocks: results before the text of a user, calls after that of an assistant.
func readBlocks(k *talk, role string, raw json.RawMessage) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		k.say(role, text)
		return nil
	}
	var blocks []block
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return err
	}
	said, rest := false, false
	flush := func() {
		if !rest || text != "" {
			k.say(role, text)
		}
		text, said = "", true
	}
	for _, b := range blocks {
		switch b.Type {
		case "text":
			text += b.Text
		case "thinking", "redacted_thinking":
			k.reason(b.Thinking)
		case "tool_use":
			if !said {
				flush()
			}
			rest = true
			k.call(template.Call{Name: b.Name, Arguments: objectOr(b.Input)})
		case "tool_result":
			rest = true
			result := ""
			if len(b.Content) > 0 {
				var err error
				if result, err = content(b.Content); err != nil {
					return err
				}
			}
			k.say(template.Tool, result)
		default:
			return fmt.Errorf("a block of type %q is not known", b.Type)
		}
	}
	if !said {
		flush()
	}
	return nil
}

// ollamaChat reads the body of POST /api/chat. SPEC 16 §8.
func (f fields) ollamaChat(a *receipt.Asked) (limit string, err error) {
	var turns []struct {
		Role     string `json:"role"`
		Content  string `json:"content"`
		Thinking string `json:"thinking"`
		Calls    []struct {
			Function struct {
				Name      string          `json:"name"`
				Arguments json.RawMessage `json:"arguments"`
			} `json:"function"`
		} `json:"tool_calls"`
	}
	if err := f.read("messages", &turns); err != nil {
		return "", err
	}
	var k talk
	for _, t := range turns {
		k.reason(t.Thinking)
		k.say(roleOf(t.Role), t.Content)
		for _, c := range t.Calls {
			k.call(template.Call{Name: c.Function.Name, Arguments: objectOr(c.Function.Arguments)})
		}
	}
	a.Messages = k.messages
	delete(f, "tool_choice") // this dialect has neither
	delete(f, "parallel_tool_calls")
	if err := f.tools(a); err != nil {
		return "", err
	}
	return "max_tokens", f.options()
}

// ollamaGenerate reads the body of POST /api/generate. SPEC 16 §8.
func (f fields) ollamaGenerate(a *receipt.Asked) (limit string, err error) {
	var prompt string
	var raw bool
	if err := errors.Join(f.read("prompt", &prompt), f.read("raw", &raw)); err != nil {
		return "", err
	}
	if raw {
		a.Text = &prompt
		return "max_tokens", f.options()
	}
	var k talk
	if f.has("system") {
		text, err := content(f["system"])
		if err != nil {
			return "", fmt.Errorf("system: %w", err)
		}
		if text != "" {
			k.say(template.System, text)
		}
	}
	k.say(template.User, prompt)
	a.Messages = k.messages
	return "max_tokens", f.options()
}

// options puts the options of Ollama, and the format, where the other dialects have them.
func (f fields) options() error {
	f.ollamaFormat()
	var o fields
	if err := f.read("options", &o); err != nil {
		return err
	}
	for _, name := range []string{"temperature", "seed", "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "stop", "max_tokens",
		"repetition_penalty", "logit_bias", "max_completion_tokens"} {
		delete(f, name) // beside the options they mean nothing
		if o.has(name) && !strings.HasPrefix(name, "max_") && name != "repetition_penalty" && name != "logit_bias" {
			f[name] = o[name]
		}
	}
	if o.has("repeat_penalty") {
		f["repetition_penalty"] = o["repeat_penalty"]
	}
	if o.has("num_predict") && o["num_predict"][0] != '-' {
		f["max_tokens"] = o["num_predict"]
	}
	return nil
}

// flatFormat puts a format whose schema stands beside its type where chat completions have it.
func (f fields) flatFormat(raw json.RawMessage) error {
	delete(f, "response_format")
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var format struct{ Type, Schema json.RawMessage }
	if err := json.Unmarshal(raw, &format); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	f.setFormat(format.Type, format.Schema)
	return nil
}

// setFormat makes a format of chat completions from its type and its schema, either of which may be missing.
func (f fields) setFormat(kind, schema json.RawMessage) {
	if len(kind) == 0 {
		kind = json.RawMessage(`"text"`)
	}
	text := append([]byte(`{"type":`), kind...)
	if len(schema) > 0 {
		text = append(append(append(text, `,"json_schema":{"schema":`...), schema...), '}')
	}
	f["response_format"] = append(text, '}')
}

// ollamaFormat puts a format where chat completions have it.
func (f fields) ollamaFormat() {
	raw := f["format"]
	delete(f, "response_format")
	switch {
	case string(raw) == `"json"`:
		f.setFormat(json.RawMessage(`"json_object"`), nil)
	case len(raw) > 0 && raw[0] == '{':
		f.setFormat(json.RawMessage(`"json_schema"`), raw)
	}
}
