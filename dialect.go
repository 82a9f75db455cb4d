package elenchus

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
	"elenchus/compute/template"
)

// ParseTemperature reads 0..2 from its decimal text into Q16, rounding half up; no float is involved.
func ParseTemperature(text string) (uint32, error) {
	q, err := decode.ParseTemperature(text)
	if err != nil {
		return 0, fmt.Errorf("%w: temperature %.64q: %w", ErrInput, text, err)
	}
	return q, nil
}

// fields are the members of a JSON object; null counts as absent.
type fields map[string]json.RawMessage

func (f fields) has(name string) bool {
	v, ok := f[name]
	return ok && string(v) != "null"
}

func (f fields) read(name string, into any) error {
	if !f.has(name) {
		return nil
	}
	if err := json.Unmarshal(f[name], into); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrInput, name, err)
	}
	return nil
}

// readRequest reads what the body of POST /v1/chat/completions or /v1/completions asks for as one of its choices.
func readRequest(b []byte, choice int) (*receipt.Asked, error) {
	var f fields
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInput, err)
	}
	if err := f.choose(choice); err != nil {
		return nil, err
	}
	a := &receipt.Asked{}
	if err := f.prompt(a); err != nil {
		return nil, err
	}
	if err := f.limit(a, "max_tokens", "max_completion_tokens"); err != nil {
		return nil, err
	}
	if f.has("elenchus_date") {
		var text string
		if err := f.read("elenchus_date", &text); err != nil {
			return nil, err
		}
		date, err := template.ParseDate(text)
		if err != nil {
			return nil, fmt.Errorf("%w: request: elenchus_date: %w", ErrInput, err)
		}
		a.Date = &date
	}
	if err := f.effort(ChatCompletions, a); err != nil {
		return nil, err
	}
	return a, f.sampler(a)
}

// limit reads the most tokens of the answer from the fields that say so, which must agree.
func (f fields) limit(a *receipt.Asked, names ...string) error {
	for _, name := range names {
		var n json.Number
		if err := f.read(name, &n); err != nil {
			return err
		}
		if n == "" {
			continue
		}
		v, err := strconv.ParseUint(n.String(), 10, 32)
		if err != nil || v < 1 || v > math.MaxInt32 || a.MaxNew != nil && uint64(*a.MaxNew) != v {
			return fmt.Errorf("%w: request: %s is %s", ErrInput, name, n)
		}
		most := uint32(v)
		a.MaxNew = &most
	}
	return nil
}

func (f fields) sampler(a *receipt.Asked) error {
	if f.has("temperature") {
		q, err := ParseTemperature(string(f["temperature"]))
		if err != nil {
			return err
		}
		a.Temperature = &q
	}
	if f.has("seed") {
		seed, err := ParseSeed(string(f["seed"]))
		if err != nil {
			return err
		}
		seed = decode.ChoiceSeed(seed, f.chosen())
		a.Seed = &seed
	}
	if err := f.settings(&a.Sampler); err != nil {
		return err
	}
	return f.format(a)
}

// settings reads what else changes the draw.
func (f fields) settings(s *decode.Sampler) error {
	if f.has("top_k") {
		k, err := strconv.ParseInt(string(f["top_k"]), 10, 32)
		if err != nil || k < -1 {
			return fmt.Errorf("%w: request: top_k is %.64s", ErrInput, f["top_k"])
		}
		s.TopK = uint32(max(k, 0))
	}
	for _, err := range []error{
		setting(f, "top_p", &s.TopP, decode.ParseTopP), setting(f, "min_p", &s.MinP, decode.ParseFraction),
		setting(f, "repetition_penalty", &s.Repetition, decode.ParseRepetition),
		setting(f, "presence_penalty", &s.Presence, decode.ParsePenalty),
		setting(f, "frequency_penalty", &s.Frequency, decode.ParsePenalty),
	} {
		if err != nil {
			return err
		}
	}
	if err := f.stops(s); err != nil {
		return err
	}
	if err := f.bias(s); err != nil {
		return err
	}
	return nil
}

// stops reads stop: a text or a list of them, of which one that is named twice counts once. SPEC 16 §3.7.
func (f fields) stops(s *decode.Sampler) error {
	var list []string
	var one string
	if f.has("stop") && f["stop"][0] == '"' {
		if err := f.read("stop", &one); err != nil {
			return err
		}
		list = []string{one}
	} else if err := f.read("stop", &list); err != nil {
		return err
	}
	for _, text := range list {
		if !slices.Contains(s.Stops, text) {
			s.Stops = append(s.Stops, text)
		}
	}
	if err := s.Check(); err != nil {
		return fmt.Errorf("%w: request: stop: %w", ErrInput, err)
	}
	return nil
}

// setting reads a number that changes the draw.
func setting[T uint32 | int32](f fields, name string, to *T, parse func(string) (T, error)) error {
	if !f.has(name) {
		return nil
	}
	v, err := parse(string(f[name]))
	if err != nil {
		return fmt.Errorf("%w: request: %s: %w", ErrInput, name, err)
	}
	*to = v
	return nil
}

// bias reads logit_bias.
func (f fields) bias(s *decode.Sampler) (err error) {
	var all map[string]json.RawMessage
	if err := f.read("logit_bias", &all); err != nil {
		return err
	}
	var pairs [][2]string
	for id, v := range all {
		pairs = append(pairs, [2]string{id, string(v)})
	}
	if s.Bias, err = decode.ParseBias(pairs); err != nil {
		return fmt.Errorf("%w: request: logit_bias: %w", ErrInput, err)
	}
	return nil
}

// ParseSeed reads -2^63..2^64-1; a negative seed is taken modulo 2^64.
func ParseSeed(text string) (uint64, error) {
	if v, err := strconv.ParseUint(text, 10, 64); err == nil {
		return v, nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: seed %.64q is not an integer from -2^63 to 2^64-1", ErrInput, text)
	}
	return uint64(v), nil
}

// prompt reads messages, or a prompt as text, as ids, or as a list of one text or one list of ids.
func (f fields) prompt(a *receipt.Asked) error {
	if f.has("messages") == f.has("prompt") {
		return fmt.Errorf("%w: request: it must have either messages or a prompt", ErrInput)
	}
	if f.has("messages") {
		return f.messages(a)
	}
	raw := f["prompt"]
	var text string
	if json.Unmarshal(raw, &text) == nil {
		a.Text = &text
		return nil
	}
	if err := json.Unmarshal(raw, &a.IDs); err != nil || len(a.IDs) == 0 {
		return fmt.Errorf("%w: request: prompt is neither a text nor a list of token ids", ErrInput)
	}
	return nil
}

func (f fields) messages(a *receipt.Asked) error {
	var turns []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
		Calls   []toolCall      `json:"tool_calls"`
		thoughts
	}
	if err := f.read("messages", &turns); err != nil {
		return err
	}
	a.Messages = []template.Message{}
	for i, t := range turns {
		if t.Role == "developer" {
			t.Role = "system"
		}
		m := template.Message{Role: t.Role, Reasoning: t.text()}
		for _, c := range t.Calls {
			m.Calls = append(m.Calls, c.Function)
		}
		if len(m.Calls) == 0 || len(t.Content) > 0 && string(t.Content) != "null" {
			text, err := content(t.Content)
			if err != nil {
				return fmt.Errorf("%w: request: messages[%d]: %w", ErrInput, i, err)
			}
			m.Content = text
		}
		a.Messages = append(a.Messages, m)
	}
	return f.tools(a)
}

// toolCall is a call of a tool, in a request or a response.
type toolCall struct {
	Function template.Call `json:"function"`
}

// content is a text, or text parts that are joined.
func content(raw json.RawMessage) (string, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err == nil {
		return text, nil
	}
	var parts []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", err
	}
	for _, p := range parts {
		if p.Type != "text" && p.Type != "input_text" && p.Type != "output_text" {
			return "", fmt.Errorf("a part of type %q, only text is known", p.Type)
		}
		text += p.Text
	}
	return text, nil
}
