package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"

	"elenchus/compute/template"
)

// ollamaReaders are the fields that chat and generate share. Their streams are whole only when asked to be.
func ollamaReaders() map[string]reader {
	return map[string]reader{
		"model":        readModel,
		"stream":       readUnstreamed,
		"options":      readOptions(),
		"provider":     readProvider,
		"verification": readVerification,
		"format":       readOllamaFormat,
		"think":        readThink,
		"logprobs":     readLogprobs,
		"top_logprobs": readTopLogprobs,
		"keep_alive":   func(*request, member) *failure { return nil }, // nodes keep models as they will
	}
}

// ollamaChat is POST /api/chat.
func ollamaChat() *dialect {
	fields := ollamaReaders()
	fields["messages"] = readOllamaMessages
	fields["tools"] = readTools
	return &dialect{fields: fields, check: checkOllama, missing: "messages", load: loadChat, encode: encodeChat, whole: alone(wholeChatLine), stream: chatLines, thinks: true}
}

// ollamaGenerate is POST /api/generate.
func ollamaGenerate() *dialect {
	fields := ollamaReaders()
	fields["prompt"] = readPromptString
	fields["system"] = readSystem
	fields["raw"] = readRaw
	fields["suffix"] = only("an empty string", `""`)
	fields["template"] = only("an empty string", `""`)
	fields["context"] = only("an empty list", `[]`)
	fields["images"] = noImages
	return &dialect{fields: fields, check: checkGenerate, missing: "prompt", load: loadText, encode: encodeGenerate, whole: alone(wholeTextLine), stream: textLines, thinks: true}
}

func readUnstreamed(r *request, m member) *failure {
	wanted, f := readBool(m)
	r.whole = !wanted
	return f
}

func readPromptString(r *request, m member) (f *failure) {
	r.hasPrompt = true
	r.prompt, f = readString(m, maxBody)
	return f
}

func readRaw(r *request, m member) (f *failure) {
	r.raw, f = readBool(m)
	return f
}

// checkOllama streams unless the client said no.
func checkOllama(r *request) *failure {
	r.stream = !r.whole
	return checkLogprobs(r)
}

func checkGenerate(r *request) *failure {
	switch {
	case r.raw && r.system != "":
		return badParam("system", "system has no place before a raw prompt")
	}
	return checkOllama(r)
}

// encodeGenerate renders a prompt as the message of a user, unless it is raw.
func encodeGenerate(c Codec, r *request) ([][]int32, error) {
	if r.raw {
		return one(c.EncodeText(r.prompt))
	}
	r.messages = []Message{{Role: template.User, Content: r.prompt}}
	if f := checkSystem(r); f != nil {
		return nil, f
	}
	return encodeChat(c, r)
}

// readOptions reads the options of a request. Those about memory and speed have no effect on the answer.
func readOptions() reader {
	common := commonFields()
	fields := map[string]reader{
		"num_predict":    readPredict,
		"repeat_penalty": common["repetition_penalty"],
		"repeat_last_n":  onlyNumber(-1), // all of the context; another window is of no operation
		"mirostat":       onlyNumber(0),
		"tfs_z":          onlyNumber(1),
		"typical_p":      onlyNumber(1),
	}
	for _, name := range []string{"temperature", "seed", "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty", "stop"} {
		fields[name] = common[name]
	}
	for _, name := range []string{"numa", "num_batch", "num_gpu", "main_gpu", "low_vram", "f16_kv", "use_mmap", "use_mlock", "num_thread"} {
		fields[name] = func(*request, member) *failure { return nil }
	}
	return func(r *request, m member) *failure {
		return inside(m.value, m.name, func(name string, m member) *failure {
			if read, ok := fields[name]; ok {
				return read(r, m)
			}
			r.ignore("options." + name)
			return nil
		})
	}
}

// readPredict reads the most tokens of an answer; -1 and -2 are no limit but the context.
func readPredict(r *request, m member) *failure {
	n, f := readInt(m, -2, maxTokens)
	if f == nil && n == 0 {
		f = badParam(m.name, m.name+" must be at least 1, or -1 for no limit but the context")
	}
	r.maxNew = int(max(n, 0))
	return f
}

func readOllamaMessages(r *request, m member) *failure {
	r.hasPrompt = true
	t := talk{id: "tool_call_id"}
	f := each(m, func(i int, raw json.RawMessage) *failure {
		msg := ollamaTurn{where: fmt.Sprintf("%s[%d]", m.name, i)}
		if f := inside(raw, msg.where, func(name string, m member) *failure { return msg.read(r, name, m) }); f != nil {
			return f
		}
		return msg.add(&t)
	})
	if f == nil && len(t.messages) > 0 {
		f = t.end(m.name)
	}
	r.messages = t.messages
	return f
}

// ollamaTurn is one message. Its calls need no ids: their results follow in their order.
type ollamaTurn struct {
	where, role, text, result, thought string
	calls                              []template.Call
	ids                                []string
}

func (t *ollamaTurn) read(r *request, name string, m member) (f *failure) {
	switch name {
	case "role":
		t.role, f = readRole(m)
	case "content":
		t.text, f = readString(m, maxBody)
	case "tool_calls":
		f = each(m, func(i int, raw json.RawMessage) *failure { return t.readCall(r, raw, fmt.Sprintf("%s[%d]", m.name, i)) })
	case "tool_call_id":
		t.result, f = readString(m, maxCallID)
	case "tool_name": // the result is that of the next call
	case "images":
		f = noImages(r, m)
	case "thinking":
		t.thought, f = readString(m, maxBody)
	default:
		r.ignore("messages." + name)
	}
	return f
}

// readCall reads {"function":{"name":...,"arguments":{...}}}.
func (t *ollamaTurn) readCall(r *request, raw json.RawMessage, where string) *failure {
	call, id := template.Call{Arguments: "{}"}, fmt.Sprintf("call %d of %s", len(t.ids), t.where)
	f := inside(raw, where, func(name string, m member) (f *failure) {
		switch name {
		case "id":
			id, f = readString(m, maxCallID)
		case "type":
			f = only(`"function"`, `"function"`)(r, m)
		case "function":
			f = inside(m.value, m.name, func(name string, m member) (f *failure) {
				switch name {
				case "name":
					call.Name, f = readToolName(m)
				case "arguments":
					if call.Arguments = string(m.value); kind(m.value) != '{' {
						f = badParam(m.name, m.name+" must be a JSON object")
					}
				case "index":
				default:
					r.ignore("messages.tool_calls.function." + name)
				}
				return f
			})
		default:
			r.ignore("messages.tool_calls." + name)
		}
		return f
	})
	t.calls, t.ids = append(t.calls, call), append(t.ids, id)
	return f
}

func (t *ollamaTurn) add(k *talk) *failure {
	switch {
	case t.role == "":
		return badParam(t.where+".role", t.where+".role is missing")
	case len(t.calls) > 0 && t.role != template.Assistant:
		return badParam(t.where+".tool_calls", t.where+".tool_calls belong to messages of the role assistant")
	case t.role == template.Tool:
		if t.result == "" && len(k.open) > 0 {
			t.result = k.open[0]
		}
		return k.answered(t.result, t.text, t.where)
	}
	k.reason(t.thought)
	if f := k.say(t.role, t.text, t.where); f != nil {
		return f
	}
	for i, c := range t.calls {
		if f := k.call(t.ids[i], c, t.where); f != nil {
			return f
		}
	}
	return nil
}

// noImages accepts an empty list of images alone.
func noImages(_ *request, m member) *failure {
	if compact(m.value) == "[]" {
		return nil
	}
	return failed(http.StatusBadRequest, "invalid_request_error", m.name, "unsupported_parameter",
		m.name+" is given, and models here read text alone: leave it out, or send what they say as text")
}
