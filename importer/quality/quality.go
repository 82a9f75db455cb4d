// Package quality measures what a model loses when it becomes integers: nats per token on a text,
// beside the float reference of the same file.
//
// It stands on the importer floor, above floatref and decode, and serves the choice of a class at
// import and the tests that hold the quality table. Losses are floats for people and thresholds;
// nothing of them enters a model. SPEC 04 §2.
//
//	nats, err := quality.Integer(man.Model, text)
package quality

import (
	"fmt"
	"math"
	"strings"

	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/importer/floatref"
)

// Text is token ids in pieces, each read from an empty context.
type Text [][]int32

// Separator stands between the pieces of a calibration text.
const Separator = "<|endoftext|>"

// Read turns a text into ids: pieces between separators, each cut to length tokens, tokens in all at
// most. Pieces of less than two tokens predict nothing and are left out.
func Read(tok *tokenizer.Tokenizer, text string, length, tokens int) Text {
	var out Text
	for _, s := range strings.Split(text, Separator) {
		if s = strings.TrimSpace(s); s == "" || tokens < 2 {
			continue
		}
		ids := template.Prompt(tok, s)
		ids = ids[:min(len(ids), length, tokens)]
		if len(ids) < 2 {
			continue
		}
		out, tokens = append(out, ids), tokens-len(ids)
	}
	return out
}

// Tokens is the number of tokens that the text predicts.
func (t Text) Tokens() int {
	n := 0
	for _, ids := range t {
		n += len(ids) - 1
	}
	return n
}

// Float is the negative log-likelihood of the text under the float model, in nats per token.
func Float(m *floatref.Model, t Text) (float64, error) {
	sum := 0.0
	for _, ids := range t {
		s := m.NewState()
		for i, id := range ids[:len(ids)-1] {
			if int(id) >= m.Vocab || id < 0 || int(ids[i+1]) >= m.Vocab || ids[i+1] < 0 {
				return 0, fmt.Errorf("token %d of a vocabulary of %d", id, m.Vocab)
			}
			sum += Surprise(s.Step(int(id)), int(ids[i+1]))
		}
	}
	return sum / float64(max(1, t.Tokens())), nil
}

// Integer is the same under the integer model.
func Integer(m *model.Model, t Text) (float64, error) {
	sum := 0.0
	var wide []float64
	for _, ids := range t {
		err := decode.Teacher(m, ids, nil, func(at int, logits []int32) {
			if at+1 >= len(ids) {
				return
			}
			wide = wide[:0]
			for _, l := range logits {
				wide = append(wide, math.Ldexp(float64(l), -16)) // SPEC 04 §2.2
			}
			sum += Surprise(wide, int(ids[at+1]))
		})
		if err != nil {
			return 0, err
		}
	}
	return sum / float64(max(1, t.Tokens())), nil
}

// Surprise is the negative log-likelihood of an id in nats.
func Surprise(logits []float64, id int) float64 {
	top := logits[0]
	for _, l := range logits {
		top = max(top, l)
	}
	z := 0.0
	for _, l := range logits {
		z += math.Exp(l - top)
	}
	return math.Log(z) - (logits[id] - top)
}
