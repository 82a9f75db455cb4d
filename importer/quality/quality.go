// Package quality measures what a model loses when it becomes integers: nats per token on a text,
// beside the float reference of the same file.
//
// It stands on the importer floor, above floatref and decode, and serves the choice of a class at
// import and the tests that hold the quality table. Losses are floats for people and thresholds;
// nothing of them enters a model. SPEC 04 §2.
//
//	ref, err := quality.Refer(floats, text)
//	loss, err := ref.Loss(man.Model)
package quality

import (
	"fmt"
	"math"
	"slices"
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

// Limit bounds the numbers that a Reference keeps: tokens times vocabulary.
const Limit = 1 << 26

// Reference is what the float model says of a text: a distribution at each position. It is immutable.
type Reference struct {
	Text Text
	Nats float64     // negative log-likelihood of the text, per token
	logs [][]float32 // log-probabilities, position by position, those that predict a token
}

// Refer reads the text with the float model. Ids outside its vocabulary and a text of more than Limit
// numbers are errors.
func Refer(m *floatref.Model, t Text) (*Reference, error) {
	if t.Tokens() > Limit/m.Vocab {
		return nil, fmt.Errorf("%d tokens of a vocabulary of %d: %d tokens can be compared", t.Tokens(), m.Vocab, Limit/m.Vocab)
	}
	r := &Reference{Text: t}
	for _, ids := range t {
		s := m.NewState()
		for i, id := range ids[:len(ids)-1] {
			if int(id) >= m.Vocab || id < 0 || int(ids[i+1]) >= m.Vocab || ids[i+1] < 0 {
				return nil, fmt.Errorf("token %d of a vocabulary of %d", id, m.Vocab)
			}
			l := logs(s.Step(int(id)))
			r.Nats -= l[ids[i+1]] / float64(t.Tokens())
			narrow := make([]float32, len(l))
			for j, v := range l {
				narrow[j] = float32(v)
			}
			r.logs = append(r.logs, narrow)
		}
	}
	return r, nil
}

// Loss is what an integer model loses against floats, in nats per token.
type Loss struct {
	// Nats is how much less likely the text is. On a text of n tokens it is off by about
	// sqrt(2 Divergence / n) by chance, in either direction.
	Nats float64
	// Divergence is the Kullback-Leibler divergence from the floats' distributions to the model's: what
	// is lost on text that the float model would write itself. It is not negative but for rounding.
	Divergence float64
}

// Loss compares an integer model with the reference. Both have one vocabulary.
func (r *Reference) Loss(m *model.Model) (Loss, error) {
	var out Loss
	var wide []float64
	at, n := 0, float64(max(1, r.Text.Tokens()))
	for _, ids := range r.Text {
		err := decode.Teacher(m, ids, nil, func(t int, logits []int32) {
			if t+1 >= len(ids) {
				return
			}
			wide = wide[:0]
			for _, l := range logits {
				wide = append(wide, math.Ldexp(float64(l), -decode.LogitBits)) // SPEC 04 §2.2
			}
			got, want := logs(wide), r.logs[at]
			at++
			out.Nats += (float64(want[ids[t+1]]) - got[ids[t+1]]) / n
			for j, w := range want {
				out.Divergence += math.Exp(float64(w)) * (float64(w) - got[j]) / n
			}
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// logs turns logits into log-probabilities, in place.
func logs(logits []float64) []float64 {
	top, z := slices.Max(logits), 0.0
	for _, l := range logits {
		z += math.Exp(l - top)
	}
	top += math.Log(z)
	for i := range logits {
		logits[i] -= top
	}
	return logits
}
