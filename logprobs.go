package elenchus

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
	"elenchus/compute/tokenizer"
)

// logprob is the odds of one token in a response: of a chat, with those of its alternatives.
type logprob struct {
	Token   string      `json:"token"`
	Logprob json.Number `json:"logprob"`
	Top     []logprob   `json:"top_logprobs"`
}

// logprobs are the odds of a choice: of a chat or of a completion.
type logprobs struct {
	Content []logprob                `json:"content"`
	Tokens  []string                 `json:"tokens"`
	Odds    []json.Number            `json:"token_logprobs"`
	Top     []map[string]json.Number `json:"top_logprobs"`
}

// list are the odds in the form of a chat. Alternatives of a completion have no order.
func (l *logprobs) list() ([]logprob, error) {
	if len(l.Tokens) != len(l.Odds) || len(l.Tokens) != len(l.Top) {
		return nil, fmt.Errorf("%w: response: logprobs of %d tokens, %d odds, %d alternatives", ErrInput, len(l.Tokens), len(l.Odds), len(l.Top))
	}
	all := l.Content
	for i, token := range l.Tokens {
		p := logprob{Token: token, Logprob: l.Odds[i]}
		for t, o := range l.Top[i] {
			p.Top = append(p.Top, logprob{Token: t, Logprob: o})
		}
		all = append(all, p)
	}
	return all, nil
}

// alternatives is the most alternatives of a token; below 0 without odds.
func alternatives(all []logprob) int {
	n := -1
	for _, p := range all {
		n = max(n, len(p.Top), 0)
	}
	return n
}

// checkOdds compares the odds that a response states with those of an own computation. A claim does not bind them, so
// false odds cost no stake; but who computed the answer again knows. SPEC 16 §4.8.
func checkOdds(all []logprob, own []decode.Odds, stop []int32, man *manifest.Manifest) receipt.Check {
	check := func(o Outcome, format string, args ...any) receipt.Check {
		return receipt.Check{Name: "logprobs", Outcome: o, Detail: fmt.Sprintf(format, args...)}
	}
	if own == nil {
		return check(Cannot, "logprobs can be checked only by computing the answer again")
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		return check(Cannot, "%v", err)
	}
	kept := own[:0:0]
	for _, o := range own {
		if !slices.Contains(stop, o.Drawn.ID) {
			kept = append(kept, o)
		}
	}
	if len(kept) != len(all) {
		return check(False, "the response has odds of %d tokens, the answer has %d", len(all), len(kept))
	}
	for i, p := range all {
		if why := differs(p, kept[i], tok); why != "" {
			return check(False, "token %d: %s", i, why)
		}
	}
	return check(Holds, "the odds of %d tokens are what the model computes", len(all))
}

// differs says how the odds of a token differ from those that were computed, or nothing.
func differs(p logprob, own decode.Odds, tok *tokenizer.Tokenizer) string {
	if token, log := shown(own.Drawn, tok); p.Token != token || !same(p.Logprob, log) {
		return fmt.Sprintf("%q has %s, computed %q with %v", p.Token, p.Logprob, token, log)
	}
	have := make(map[string]float64) // pieces that show alike count once, as in a completion
	for _, l := range own.Top[:min(len(p.Top), len(own.Top))] {
		token, log := shown(l, tok)
		have[token] = log
	}
	for _, t := range p.Top {
		if log, ok := have[t.Token]; !ok || !same(t.Logprob, log) {
			return fmt.Sprintf("the alternative %q has %s, which is not what was computed", t.Token, t.Logprob)
		}
	}
	return ""
}

// shown is how a response shows an id and its odds.
func shown(l decode.Likely, tok *tokenizer.Tokenizer) (string, float64) {
	text, err := tok.Bytes(l.ID)
	if err != nil {
		text = "" // own computations stay inside the vocabulary
	}
	return strings.ToValidUTF8(text, "\uFFFD"), float64(l.Log) / (1 << 16)
}

// same compares a number of a response with odds, which every float64 holds exactly.
func same(n json.Number, log float64) bool {
	v, err := n.Float64()
	return err == nil && v == log
}
