package elenchus

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxChoices bounds the choices of one request, as gateways do. SPEC 16 §4.7.
const maxChoices = 16

// chosenField is where fields keep which choice they are about; no name in JSON is like it.
const chosenField = "\x00choice"

// choose reduces a request to one of its choices: of its prompts the one that the choice answers.
func (f fields) choose(choice int) error {
	prompts, each := 1, 1
	var list []json.RawMessage
	if json.Unmarshal(f["prompt"], &list) == nil && len(list) > 0 && (list[0][0] == '"' || list[0][0] == '[') {
		prompts = len(list)
	}
	if err := f.read("n", &each); err != nil {
		return err
	}
	if each < 1 || each > maxChoices || prompts > maxChoices || choice < 0 || choice >= prompts*each {
		return fmt.Errorf("%w: request: it asks for %d answers to each of %d prompts: none is choice %d", ErrInput, each, prompts, choice)
	}
	if len(list) > 0 && (list[0][0] == '"' || list[0][0] == '[') {
		f["prompt"] = list[choice/each]
	}
	f[chosenField] = strconv.AppendInt(nil, int64(choice), 10)
	return nil
}

// chosen is the choice that choose was given.
func (f fields) chosen() uint32 {
	n, _ := strconv.ParseUint(string(f[chosenField]), 10, 32) // choose wrote it
	return uint32(n)
}

// answer reads the response. Where the request asked for an echo, the prompt is taken off.
func (o *Options) answer(d Dialect) (*Answer, error) {
	a, err := readAnswer(d, o.Response, o.Choice)
	if err != nil || o.Request == nil || d != Completions {
		return a, err
	}
	var f fields
	var echo bool
	if err := json.Unmarshal(o.Request, &f); err != nil {
		return nil, fmt.Errorf("%w: request: %w", ErrInput, err)
	}
	if err := f.read("echo", &echo); err != nil || !echo {
		return a, err
	}
	if err := f.choose(o.Choice); err != nil {
		return nil, err
	}
	var prompt string
	if json.Unmarshal(f["prompt"], &prompt) != nil {
		return nil, fmt.Errorf("%w: request: the echo of a prompt of token ids cannot be told from the answer", ErrInput)
	}
	text, ok := strings.CutPrefix(a.Text, prompt)
	if !ok {
		return nil, fmt.Errorf("%w: response: the text does not begin with the prompt, although its echo was asked for", ErrInput)
	}
	a.Text = text
	return a, nil
}

// Enclose takes file, which carried the receipt, for the response too, unless o has one: an answer that was edited is
// then found without being asked for. A bare receipt is none, nor is JSON of no dialect. Without the request two
// answers cannot be compared with their ids and are left alone: calls, whose form the tools that were shown decide,
// and texts of completions, which may begin with an echo of the prompt.
func (o *Options) Enclose(file []byte) {
	d := dialectOfResponse(file)
	if o.Response != nil || d == "" {
		return
	}
	if o.Dialect != "" {
		d = o.Dialect
	}
	if o.Request == nil && d != Embeddings {
		if a, err := readAnswer(d, file, o.Choice); err != nil || len(a.Calls) > 0 || d == Completions {
			return
		}
	}
	o.Response = file
}
