package elenchus

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"elenchus/compute/template"
)

// Answer is what a gateway answered.
type Answer struct {
	Text string
	// Reasoning is what came apart from the text, before it.
	Reasoning string
	Calls     []template.Call // of tools
	Receipt   string          // canonical text; empty if there was none
	// Request and Response are the bodies as they were sent; Client sets them.
	Request, Response []byte

	odds   []logprob
	parsed bool // the arguments of calls came as values of JSON, not as the text that the model wrote
	choice int  // which one this is
}

// errNoChoices marks a response of another dialect of the gateway.
var errNoChoices = fmt.Errorf("%w: response: it has no choices: only chat completions and completions are read here", ErrInput)

// chunk is a response, or one event of a streamed one.
type chunk struct {
	Choices *[]answerChoice `json:"choices"`
	Receipt string          `json:"elenchus_receipt"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// answerChoice is one of the answers, or a piece of it.
type answerChoice struct {
	Index    int       `json:"index"`
	Text     string    `json:"text"`
	Message  said      `json:"message"`
	Delta    said      `json:"delta"`
	Logprobs *logprobs `json:"logprobs"`
	Receipt  string    `json:"elenchus_receipt"`
}

// said is the assistant's turn, or a piece of it.
type said struct {
	Content string     `json:"content"`
	Calls   []toolCall `json:"tool_calls"`
	thoughts
}

// thoughts are reasoning under the two names that it goes by.
type thoughts struct {
	Named  string `json:"reasoning_content"`
	Routed string `json:"reasoning"`
}

func (t thoughts) text() string { return cmp.Or(t.Named, t.Routed) }

// add reads one chunk and returns its text.
func (a *Answer) add(b []byte) (string, error) {
	var c chunk
	if err := json.Unmarshal(b, &c); err != nil {
		return "", fmt.Errorf("%w: response: %w", ErrInput, err)
	}
	if c.Error != nil {
		return "", fmt.Errorf("the gateway answers: %s", c.Error.Message)
	}
	if c.Choices == nil {
		return "", errNoChoices
	}
	if c.Receipt != "" {
		a.Receipt = c.Receipt
	}
	text := ""
	for i := range *c.Choices {
		k := &(*c.Choices)[i]
		if k.Index != a.choice {
			continue
		}
		a.Reasoning += k.Message.text() + k.Delta.text()
		text += k.Text + k.Message.Content + k.Delta.Content
		for _, c := range slices.Concat(k.Message.Calls, k.Delta.Calls) {
			a.Calls = append(a.Calls, c.Function)
		}
		if k.Receipt != "" {
			a.Receipt = k.Receipt
		}
		if k.Logprobs == nil {
			continue
		}
		odds, err := k.Logprobs.list()
		if err != nil {
			return "", err
		}
		a.odds = append(a.odds, odds...)
	}
	a.Text += text
	return text, nil
}

// readResponse reads one choice of a response: a JSON object or the lines of a stream.
func readResponse(b []byte, choice int) (*Answer, error) {
	a := &Answer{Response: b, choice: choice}
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] == '{' {
		_, err := a.add(b)
		return a, err
	}
	events := 0
	for line := range bytes.Lines(b) {
		data, ok := eventData(line)
		if !ok {
			continue
		}
		events++
		if _, err := a.add(data); err != nil {
			return nil, err
		}
	}
	if events == 0 {
		return nil, fmt.Errorf("%w: response: neither a JSON object nor a stream of events", ErrInput)
	}
	return a, nil
}

// eventData is the JSON text of a line of a stream.
func eventData(line []byte) (data []byte, ok bool) {
	data, ok = bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:"))
	data = bytes.TrimSpace(data)
	return data, ok && string(data) != "[DONE]"
}

// FindReceipt returns the text of the receipt in b: b itself, or the last field elenchus_receipt of a
// response in any dialect of the gateway, whole or streamed; of a response with several choices that
// of the first one. The text is not checked.
func FindReceipt(b []byte) (string, error) { return FindChoice(b, 0) }

// FindChoice is FindReceipt for one of several choices.
func FindChoice(b []byte, choice int) (string, error) {
	text := strings.TrimSpace(string(b))
	if !strings.Contains(text, "{") { // no letter of base64url
		return text, nil
	}
	if a, err := readResponse(b, choice); err == nil && a.Receipt != "" {
		return a.Receipt, nil
	}
	if text, ok := vectorReceipt(b, choice); ok {
		return text, nil
	}
	const name = `"elenchus_receipt"` // in a text of the model its quotes would be escaped
	if i := strings.LastIndex(text, name); i >= 0 {
		if value, ok := strings.CutPrefix(strings.TrimLeft(text[i+len(name):], " :\t\r\n"), `"`); ok {
			value, _, _ = strings.Cut(value, `"`)
			return value, nil
		}
	}
	if _, err := readResponse(b, choice); err != nil && !errors.Is(err, errNoChoices) {
		return "", err
	}
	return "", fmt.Errorf("%w: the response carries no elenchus_receipt", ErrInput)
}
