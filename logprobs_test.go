package elenchus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"elenchus"
	"elenchus/commitment/receipt"
	"elenchus/compute/decode"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
)

// TestLogprobsAreComputedAgain: odds of a response hold if the model computes them, in the form of chats and of
// completions; each change of one makes them false. SPEC 16 §4.8.
func TestLogprobsAreComputedAgain(t *testing.T) {
	man := drawn(t, 1)
	_, rec := answer(t, man, "abc")
	r, err := receipt.Parse(rec)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		t.Fatal(err)
	}
	show := func(l decode.Likely) (string, float64) {
		piece, err := tok.Bytes(l.ID)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ToValidUTF8(piece, "\uFFFD"), float64(l.Log) / 65536
	}
	type entry struct {
		Token   string  `json:"token"`
		Logprob float64 `json:"logprob"`
		Top     []entry `json:"top_logprobs"`
	}
	var chat []entry
	var tokens []string
	var odds []float64
	_, _, err = (&engine.Computer{Manifest: man}).GenerateOdds(context.Background(), r.Job(), 2, func(id int32, o decode.Odds) error {
		if slices.Contains(r.Stop, id) {
			return nil
		}
		e := entry{}
		e.Token, e.Logprob = show(o.Drawn)
		for _, l := range o.Top {
			piece, log := show(l)
			e.Top = append(e.Top, entry{Token: piece, Logprob: log})
		}
		chat, tokens, odds = append(chat, e), append(tokens, e.Token), append(odds, e.Logprob)
		return nil
	})
	if err != nil || len(chat) < 3 {
		t.Fatal(err, chat)
	}
	verdict := func(logprobs any, model *elenchus.Model) elenchus.Outcome {
		b, _ := json.Marshal(logprobs)
		o := elenchus.Options{Model: model, Response: fmt.Appendf(nil, `{"choices":[{"text":"","logprobs":%s}]}`, b)}
		rep, err := elenchus.Verify(t.Context(), rec, o)
		if err != nil {
			t.Fatal(err)
		}
		last := rep.Checks[len(rep.Checks)-1]
		if last.Name != "logprobs" {
			t.Fatalf("the last check is %+v", last)
		}
		return last.Outcome
	}
	m := elenchus.NewModel(man)
	content := func() map[string]any { return map[string]any{"content": chat} }
	text := map[string]any{"tokens": tokens, "token_logprobs": odds, "top_logprobs": make([]map[string]float64, len(tokens))}
	if got := verdict(content(), m); got != elenchus.Holds {
		t.Errorf("honest odds of a chat: %v", got)
	}
	if got := verdict(text, m); got != elenchus.Holds {
		t.Errorf("honest odds of a completion: %v", got)
	}
	if got := verdict(content(), nil); got != elenchus.Cannot {
		t.Errorf("odds without the model: %v", got)
	}
	for name, field := range map[string]*float64{"odds": &chat[1].Logprob, "an alternative": &chat[2].Top[1].Logprob} {
		*field -= 1.0 / 65536
		if got := verdict(content(), m); got != elenchus.False {
			t.Errorf("other %s: %v", name, got)
		}
		*field += 1.0 / 65536
	}
	if got := verdict(map[string]any{"content": chat[1:]}, m); got != elenchus.False {
		t.Errorf("odds of fewer tokens: %v", got)
	}
}
