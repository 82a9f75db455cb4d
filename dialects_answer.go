package elenchus

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"elenchus/commitment/receipt"
	"elenchus/compute/model"
	"elenchus/compute/template"
)

// readAnswer reads one choice of a response of any dialect but embeddings, whole or streamed.
func readAnswer(d Dialect, b []byte, choice int) (*Answer, error) {
	add := map[Dialect]func(*Answer, []byte) error{
		Responses: (*Answer).addResponse, Messages: (*Answer).addMessage, OllamaChat: (*Answer).addLine, OllamaGenerate: (*Answer).addLine,
	}[d]
	if add == nil {
		return readResponse(b, choice)
	}
	a := &Answer{Response: b}
	n := 0
	for _, object := range objects(b) {
		var e struct {
			Error json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(object, &e); err != nil {
			return nil, fmt.Errorf("%w: response: %w", ErrInput, err)
		}
		if len(e.Error) > 0 && string(e.Error) != "null" {
			return nil, fmt.Errorf("the gateway answers: %s", e.Error)
		}
		if err := add(a, object); err != nil {
			return nil, err
		}
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%w: response: neither a JSON object nor a stream", ErrInput)
	}
	return a, nil
}

// objects are the JSON objects of a response: itself, the data of its events, or its lines.
func objects(b []byte) (out [][]byte) {
	b = bytes.TrimSpace(b)
	if json.Valid(b) {
		return [][]byte{b}
	}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if data, ok := eventData(line); ok {
			out = append(out, data)
		} else if bytes.HasPrefix(line, []byte("{")) {
			out = append(out, line)
		}
	}
	return out
}

// addResponse reads a response, or an event of one: the last holds all of it, which the pieces must come to.
func (a *Answer) addResponse(b []byte) error {
	type response struct {
		Output []struct {
			Type, Name, Arguments string
			Content               []struct{ Text string }
		}
		Receipt string `json:"elenchus_receipt"`
		Status  string
	}
	var e struct {
		response
		Type, Delta string
		Response    *response
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("%w: response: %w", ErrInput, err)
	}
	whole, streamed := &e.response, e.Response != nil
	switch {
	case e.Type == "response.reasoning_text.delta":
		a.Reasoning += e.Delta
		return nil
	case e.Type == "response.output_text.delta":
		a.Text += e.Delta
		return nil
	case streamed && (e.Type == "response.completed" || e.Type == "response.incomplete"):
		whole = e.Response
	case e.Type != "":
		return nil
	}
	text, thought := "", ""
	for _, item := range whole.Output {
		for _, part := range item.Content {
			if item.Type == "reasoning" {
				thought += part.Text
			} else {
				text += part.Text
			}
		}
		if item.Type == "function_call" {
			a.Calls = append(a.Calls, template.Call{Name: item.Name, Arguments: item.Arguments})
		}
	}
	if streamed && (text != a.Text || thought != a.Reasoning) {
		return fmt.Errorf("%w: response: its pieces are not the text of its last event", ErrInput)
	}
	a.Text, a.Reasoning, a.Receipt = text, thought, whole.Receipt
	return nil
}

// addMessage reads a message, or an event of one.
func (a *Answer) addMessage(b []byte) error {
	var e struct {
		Type    string
		Content []block
		Block   *block `json:"content_block"`
		Delta   struct {
			Text     string
			Thinking string
			Partial  string `json:"partial_json"`
		}
		Receipt string `json:"elenchus_receipt"`
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("%w: response: %w", ErrInput, err)
	}
	for _, part := range e.Content {
		a.Text += part.Text
		a.Reasoning += part.Thinking
		if part.Type == "tool_use" {
			a.Calls = append(a.Calls, template.Call{Name: part.Name, Arguments: objectOr(part.Input)})
		}
	}
	if e.Block != nil && e.Block.Type == "tool_use" {
		a.Calls = append(a.Calls, template.Call{Name: e.Block.Name})
	}
	a.Text += e.Delta.Text
	a.Reasoning += e.Delta.Thinking
	if n := len(a.Calls); e.Delta.Partial != "" && n > 0 {
		a.Calls[n-1].Arguments += e.Delta.Partial
	}
	if e.Receipt != "" {
		a.Receipt = e.Receipt
	}
	a.parsed = true
	return nil
}

// addLine reads an answer of Ollama's API, or a line of one.
func (a *Answer) addLine(b []byte) error {
	var e struct {
		Response string
		Thinking string
		Message  struct {
			Content  string
			Thinking string
			Calls    []struct {
				Function struct {
					Name      string
					Arguments json.RawMessage
				}
			} `json:"tool_calls"`
		}
		Receipt string `json:"elenchus_receipt"`
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("%w: response: %w", ErrInput, err)
	}
	a.Text += e.Response + e.Message.Content
	a.Reasoning += e.Thinking + e.Message.Thinking
	for _, c := range e.Message.Calls {
		a.Calls = append(a.Calls, template.Call{Name: c.Function.Name, Arguments: objectOr(c.Function.Arguments)})
	}
	if e.Receipt != "" {
		a.Receipt = e.Receipt
	}
	a.parsed = true
	return nil
}

// embeddings is a response of vectors.
type embeddings struct {
	Object string `json:"object"`
	Data   []struct {
		Object    string          `json:"object"`
		Index     int             `json:"index"`
		Embedding json.RawMessage `json:"embedding"`
		Receipt   string          `json:"elenchus_receipt"`
	} `json:"data"`
}

// vectorReceipt is the receipt of one of several vectors.
func vectorReceipt(b []byte, choice int) (string, bool) {
	var list embeddings
	if json.Unmarshal(b, &list) != nil || list.Object != "list" {
		return "", false
	}
	for _, v := range list.Data {
		if v.Object == "embedding" && v.Index == choice {
			return v.Receipt, v.Receipt != ""
		}
	}
	return "", false
}

// checkVector compares a vector that the user was given with the output of the receipt. SPEC 16 §12.2.
func checkVector(r *receipt.Receipt, b []byte, choice int, man *Model) (receipt.Check, error) {
	got, err := readVector(b, choice)
	if err != nil {
		return receipt.Check{}, err
	}
	c := receipt.Check{Name: "vector", Outcome: receipt.Cannot, Detail: "whether vectors are scaled is said by the model, which is not at hand"}
	if man == nil || r.Request.Model != [32]byte(man.man.ID()) {
		return c, nil
	}
	tmpl, err := template.Parse(man.man.Model.Template)
	if err != nil {
		return c, nil //nolint:nilerr // a model without one has no text side; other checks say so
	}
	want := floats(r.Output, tmpl.Unit())
	if len(got) != len(want) {
		c.Outcome, c.Detail = receipt.False, fmt.Sprintf("the vector has %d elements, that of the receipt %d", len(got), len(want))
		return c, nil
	}
	for i := range want {
		if got[i] != want[i] {
			c.Outcome, c.Detail = receipt.False, fmt.Sprintf("element %d of the vector is %v, that of the receipt %v", i, got[i], want[i])
			return c, nil
		}
	}
	c.Outcome, c.Detail = receipt.Holds, "the vector is that of the receipt"
	return c, nil
}

// readVector reads one vector of a response: a list of numbers, or base64 of them.
func readVector(b []byte, choice int) ([]float32, error) {
	var list embeddings
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("%w: response: %w", ErrInput, err)
	}
	for _, v := range list.Data {
		if v.Index != choice {
			continue
		}
		var text string
		if json.Unmarshal(v.Embedding, &text) != nil {
			var out []float32
			if err := json.Unmarshal(v.Embedding, &out); err != nil {
				return nil, fmt.Errorf("%w: response: embedding %d: %w", ErrInput, choice, err)
			}
			return out, nil
		}
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw)%4 != 0 {
			return nil, fmt.Errorf("%w: response: embedding %d is no base64 of numbers of 4 bytes", ErrInput, choice)
		}
		out := make([]float32, len(raw)/4)
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return out, nil
	}
	return nil, fmt.Errorf("%w: response: it has no embedding %d", ErrInput, choice)
}

// floats are the numbers of an encoder's output as users get them. SPEC 16 §12.2.
func floats(v []int32, unit bool) []float32 {
	scale := math.Ldexp(1, -model.EncoderBits)
	if unit {
		square := 0.0
		for _, x := range v {
			square += float64(float64(x) * float64(x)) // rounded before it is added, on every machine
		}
		if scale = 0; square > 0 {
			scale = 1 / math.Sqrt(square)
		}
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(float64(x) * scale)
	}
	return out
}
