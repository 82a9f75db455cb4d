package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// maxChoices bounds the answers to one request: its prompts times n.
const maxChoices = 16

// prompt is what one answer of a completion goes on from.
type prompt struct {
	text string // used when ids is nil
	ids  []int32
}

// shown is the prompt as text.
func (p *prompt) shown(c Codec) string {
	if p.ids == nil {
		return p.text
	}
	var b strings.Builder
	d := c.NewDecoder(nil)
	for _, id := range p.ids {
		b.WriteString(d.Write(id))
	}
	return b.String() + d.Flush()
}

// encodePrompts gives the ids of each prompt of a completion.
func encodePrompts(c Codec, r *request) ([][]int32, error) {
	out := make([][]int32, len(r.prompts))
	for i, p := range r.prompts {
		if out[i] = p.ids; p.ids != nil {
			continue
		}
		var err error
		if out[i], err = c.EncodeText(p.text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// readPrompt reads the prompts of a completion: a text, a list of token ids, or a list of either.
func readPrompt(r *request, m member) *failure {
	r.hasPrompt = true
	if kind(m.value) != '[' {
		return readPromptText(r, m)
	}
	inside := bytes.TrimSpace(m.value[1 : len(m.value)-1])
	if k := kind(inside); k != '"' && k != '[' {
		return readPromptIDs(r, m.name, inside)
	}
	return each(m, func(i int, raw json.RawMessage) *failure {
		if i == maxChoices {
			return badParam(m.name, fmt.Sprintf("prompt must hold at most %d prompts: each gets an answer and a receipt of its own", maxChoices))
		}
		if kind(raw) == '[' {
			return readPromptIDs(r, m.name, bytes.TrimSpace(raw[1:len(raw)-1]))
		}
		return readPromptText(r, member{m.name, raw})
	})
}

func readPromptText(r *request, m member) *failure {
	if kind(m.value) != '"' {
		return badParam(m.name, "prompt must be a string, a list of token ids, or a list of either")
	}
	text, f := readString(m, maxBody)
	r.prompts = append(r.prompts, prompt{text: text})
	return f
}

// readPromptIDs reads the token ids between the brackets of a list, which is valid JSON. That they are below the
// vocabulary is checked once the model is known.
func readPromptIDs(r *request, name string, inside []byte) *failure {
	if len(inside) == 0 {
		return badParam(name, "prompt must not be an empty list")
	}
	var ids []int32
	for text := range bytes.SplitSeq(inside, []byte(",")) {
		text = bytes.TrimSpace(text)
		id, err := strconv.ParseInt(string(text), 10, 32)
		if err != nil || id < 0 {
			return badParam(name, fmt.Sprintf("prompt[%d] must be a token id, not %s", len(ids), clip(string(text), 40)))
		}
		ids = append(ids, int32(id))
	}
	r.prompts = append(r.prompts, prompt{ids: ids})
	return nil
}

// readChoices reads how many answers each prompt gets.
func readChoices(r *request, m member) *failure {
	n, f := readInt(m, 1, maxChoices)
	r.choices = int(n)
	return f
}

func readBestOf(r *request, m member) *failure {
	n, f := readInt(m, 1, maxChoices)
	r.bestOf = int(n)
	return f
}

func readEcho(r *request, m member) (f *failure) {
	r.echo, f = readBool(m)
	return f
}

// checkChoices bounds the answers of a request. All of them are sent: none is made to be thrown away.
func checkChoices(r *request) *failure {
	n := max(r.choices, 1)
	switch {
	case r.bestOf != 0 && r.bestOf != n:
		return unsupported("best_of", "the value of n")
	case len(r.prompts)*n > maxChoices:
		return badParam("n", fmt.Sprintf("%d prompts with n %d ask for %d answers, and one request gets at most %d", len(r.prompts), n, len(r.prompts)*n, maxChoices))
	case r.echo && r.logprobs:
		return unsupported("logprobs", "null where echo is true: the odds of a prompt are not computed")
	}
	return checkLogprobs(r)
}
