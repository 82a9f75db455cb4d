package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"

	"elenchus/compute/decode"
	"elenchus/compute/template"
)

const (
	maxNameText = 256            // bytes of a model name
	oneQ16      = int64(1) << 16 // temperature 1, the default of the dialect
	maxTokens   = math.MaxInt32  // of max_tokens; the context bounds it further
	maxUserText = 4096           // bytes of user and its relatives
)

// usageChoice is what a client said about the usage chunk of a stream.
type usageChoice uint8

const (
	usageUnsaid usageChoice = iota
	usageRefused
	usageWanted
)

// request is a decoded request of either endpoint. Text is copied out of the body, so that the body can be freed.
type request struct {
	model          string
	messages       []Message // chat only
	tools          []string  // chat only; JSON of each
	noTools        bool      // tool_choice "none"
	allowed        []string  // names of the tools that the model may call; nil: all
	oneCall        bool      // parallel_tool_calls false
	forced         bool      // the answer is a call
	called         string    // of the tool that is named; "": any
	strict         []string  // names of tools that are strict, where templates do not see it
	prompt         string    // generate only
	prompts        []prompt  // completions only
	echo           bool      // completions only: the text begins with the prompt
	choices        int       // answers to each prompt; 0: 1
	bestOf         int       // 0: unsaid
	logprobs       bool
	topLogprobs    int
	route          Route
	level          string // that was asked for; "": the model's own
	unsigned       bool   // the answer comes without its receipt
	dataClass      uint8  // who is shown request and answer
	system         string // before the messages; of dialects that name it apart
	raw            bool   // the prompt is not to be rendered
	whole          bool   // stream was false
	hasPrompt      bool   // messages or prompt was given
	maxNew         int    // 0: until the context is full
	temperatureQ16 int64
	seed           uint64
	hasSeed        bool
	date           template.Date // that the template may print; the gateway's own where the client names none
	sampler        decode.Sampler
	format         format
	effort         template.Effort
	effortField    string // that named it
	effortNamed    bool   // by a word: a switch says no more than whether
	quiet          bool   // no effort named is none, where the model can be asked for that
	stream         bool
	usage          usageChoice
	ignored        []string // fields that had no effect
	owner          string   // record.owner
	purse          purse
	maxPrice       *big.Rat // of a request; nil: unsaid
	response       responseFields
}

// shown are the tools that the model sees.
func (r *request) shown() []string {
	if r.noTools {
		return nil
	}
	return r.tools
}

// reader decodes the value of one field, which is never null, into r.
type reader func(r *request, m member) *failure

// decodeRequest reads a body with the fields of one endpoint.
func decodeRequest(body []byte, fields map[string]reader) (*request, *failure) {
	if f := checkText(body); f != nil {
		return nil, f
	}
	all, f := members(body, "the body")
	if f != nil {
		return nil, f
	}
	r := &request{temperatureQ16: oneQ16}
	for _, m := range all {
		read, known := fields[m.name]
		switch {
		case !known:
			r.ignore(m.name)
		case !m.null():
			if f := read(r, m); f != nil {
				return nil, f
			}
		}
	}
	if f := r.keepAllowed(); f != nil {
		return nil, f
	}
	if r.forced && len(r.shown()) == 0 {
		return nil, badParam("tool_choice", "tool_choice wants a call and there are no tools")
	}
	if r.model == "" {
		return nil, badParam("model", "model must name a model: GET /v1/models lists them")
	}
	return r, nil
}

// commonFields are the fields that mean the same to both endpoints.
func commonFields() map[string]reader {
	return map[string]reader{
		"model":          readModel,
		"max_tokens":     readMaxTokens,
		"temperature":    readTemperature,
		"seed":           readSeed,
		"stream":         readStream,
		"stream_options": readStreamOptions,

		"user":              readLabel,
		"safety_identifier": readLabel,
		"prompt_cache_key":  readLabel,
		"metadata":          func(*request, member) *failure { return nil },
		"provider":          readProvider,
		"elenchus_date":     readDate,
		"verification":      readVerification,

		"top_p":              readTopP,
		"top_k":              readTopK,
		"min_p":              readMinP,
		"n":                  onlyNumber(1),
		"presence_penalty":   readPresence,
		"frequency_penalty":  readFrequency,
		"repetition_penalty": readRepetition,
		"logit_bias":         readBias,
		"stop":               readStops,
	}
}

// readDate reads the date that a template prints.
func readDate(r *request, m member) *failure {
	text, f := readString(m, maxNameText)
	if f != nil {
		return f
	}
	d, err := template.ParseDate(text)
	if err != nil {
		return badParam(m.name, m.name+" must be a date like 2006-01-02: "+err.Error())
	}
	r.date = d
	return nil
}

// chatFields are the fields of POST /v1/chat/completions.
func chatFields() map[string]reader {
	fields := commonFields()
	fields["messages"] = readMessages
	fields["max_completion_tokens"] = readMaxTokens
	fields["tools"] = readTools
	fields["tool_choice"] = readToolChoice
	fields["functions"] = only("an empty list", `[]`)
	fields["function_call"] = only(`"none" or "auto"`, `"none"`, `"auto"`)
	fields["parallel_tool_calls"] = readParallel
	fields["response_format"] = readResponseFormat
	fields["n"] = readChoices
	fields["logprobs"] = readLogprobs
	fields["top_logprobs"] = readTopLogprobs
	fields["modalities"] = only(`["text"]`, `["text"]`)
	fields["audio"] = only("null")
	fields["reasoning_effort"] = readEffort
	fields["reasoning"] = readRoutedReasoning
	fields["chat_template_kwargs"] = readKwargs
	fields["verbosity"] = only(`"medium"`, `"medium"`)
	fields["web_search_options"] = only("null")
	return fields
}

// completionFields are the fields of POST /v1/completions.
func completionFields() map[string]reader {
	fields := commonFields()
	fields["prompt"] = readPrompt
	fields["n"] = readChoices
	fields["best_of"] = readBestOf
	fields["echo"] = readEcho
	fields["suffix"] = only("an empty string", `""`)
	fields["logprobs"] = readLegacyLogprobs
	return fields
}

// only accepts the listed JSON texts, white space aside, and refuses all others as unsupported.
func only(accepted string, texts ...string) reader {
	return func(_ *request, m member) *failure {
		if !slices.Contains(texts, compact(m.value)) {
			return unsupported(m.name, accepted)
		}
		return nil
	}
}

// onlyNumber accepts one number in any spelling.
func onlyNumber(n int64) reader {
	return func(_ *request, m member) *failure {
		d, err := decode.ParseDecimal(string(m.value))
		if err != nil {
			return badParam(m.name, m.name+" must be a number: "+decode.ErrDecimal.Error())
		}
		if d.Compare(n) != 0 {
			return unsupported(m.name, strconv.FormatInt(n, 10))
		}
		return nil
	}
}

func readModel(r *request, m member) (f *failure) {
	r.model, f = readString(m, maxNameText)
	return f
}

func readStream(r *request, m member) (f *failure) {
	r.stream, f = readBool(m)
	return f
}

// readLabel checks a text that names the end user and has no effect on the answer.
func readLabel(_ *request, m member) *failure {
	_, f := readString(m, maxUserText)
	return f
}

// readMaxTokens reads max_tokens and max_completion_tokens, which must agree when both are given.
func readMaxTokens(r *request, m member) *failure {
	n, f := readInt(m, 1, maxTokens)
	if f != nil {
		return f
	}
	if r.maxNew != 0 && r.maxNew != int(n) {
		return badParam(m.name, fmt.Sprintf("max_tokens and max_completion_tokens differ: %d and %d", r.maxNew, n))
	}
	r.maxNew = int(n)
	return nil
}

// readTemperature reads 0..2 from its decimal text into Q16, rounding half up.
func readTemperature(r *request, m member) *failure {
	d, err := decode.ParseDecimal(string(m.value))
	if err != nil {
		return badParam(m.name, "temperature must be a number: "+decode.ErrDecimal.Error())
	}
	if d.Compare(0) < 0 || d.Compare(2) > 0 {
		return badParam(m.name, "temperature must be from 0 to 2, not "+clip(string(m.value), 40))
	}
	r.temperatureQ16 = d.Q16()
	return nil
}

// readSeed reads -2^63..2^64-1; a negative seed is taken modulo 2^64.
func readSeed(r *request, m member) *failure {
	text := string(m.value)
	unsigned, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		signed, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badParam(m.name, "seed must be an integer from -2^63 to 2^64-1, not "+clip(text, 40))
		}
		unsigned = uint64(signed)
	}
	r.seed, r.hasSeed = unsigned, true
	return nil
}

// readTopK reads the number of tokens to keep; 0 and -1, which some clients send, keep all.
func readTopK(r *request, m member) *failure {
	k, f := readInt(m, -1, math.MaxInt32)
	r.sampler.TopK = uint32(max(k, 0))
	return f
}

func readTopP(r *request, m member) *failure {
	return readSetting(m, &r.sampler.TopP, "a number above 0 and at most 1", decode.ParseTopP)
}

func readMinP(r *request, m member) *failure {
	return readSetting(m, &r.sampler.MinP, "a number from 0 to 1", decode.ParseFraction)
}

// readSetting reads a setting from its decimal text.
func readSetting[T uint32 | int32](m member, to *T, what string, parse func(string) (T, error)) *failure {
	v, err := parse(string(m.value))
	if err != nil {
		return badParam(m.name, fmt.Sprintf("%s must be %s, not %s", m.name, what, clip(string(m.value), 40)))
	}
	*to = v
	return nil
}

// readStops reads a stop string, or a list of them.
func readStops(r *request, m member) *failure {
	texts := []json.RawMessage{m.value}
	if kind(m.value) == '[' {
		texts = nil
		if f := each(m, func(_ int, raw json.RawMessage) *failure { texts = append(texts, raw); return nil }); f != nil {
			return f
		}
	}
	if len(texts) > decode.MaxStops {
		return badParam(m.name, fmt.Sprintf("%s must hold at most %d strings, not %d", m.name, decode.MaxStops, len(texts)))
	}
	r.sampler.Stops = nil
	for _, raw := range texts {
		text, f := readString(member{m.name, raw}, decode.MaxStopString)
		if f != nil {
			return f
		}
		if text == "" {
			return badParam(m.name, m.name+" must not hold an empty string")
		}
		if !slices.Contains(r.sampler.Stops, text) {
			r.sampler.Stops = append(r.sampler.Stops, text)
		}
	}
	return nil
}

func readStreamOptions(r *request, m member) *failure {
	options, f := members(m.value, m.name)
	if f != nil {
		f.Param = &m.name
		return f
	}
	for _, o := range options {
		if o.null() {
			continue
		}
		switch o.name {
		case "include_usage":
			wanted, f := readBool(o)
			if f != nil {
				return f
			}
			r.usage = usageRefused
			if wanted {
				r.usage = usageWanted
			}
		case "include_obfuscation": // padding against traffic analysis; none is added
		default:
			r.ignore("stream_options." + o.name)
		}
	}
	return nil
}

// compact removes the white space of a valid JSON text.
func compact(v json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	return b.String()
}
