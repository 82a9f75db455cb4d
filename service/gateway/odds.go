package gateway

import (
	"strings"
	"unicode/utf8"

	"elenchus/compute/decode"
)

// maxLegacyOdds is the most alternatives of a completion, whose dialect knows no more.
const maxLegacyOdds = 5

// tokenOdds are the odds of one token with its bytes and those of the alternatives.
type tokenOdds struct {
	piece string
	odds  *decode.Odds
	top   []string
}

// note keeps the odds of a token for the next piece of text.
func (s *strand) note(ev Event) {
	if ev.Odds == nil {
		return
	}
	t := tokenOdds{piece: s.codec.Piece(ev.Token), odds: ev.Odds}
	for _, l := range ev.Odds.Top {
		t.top = append(t.top, s.codec.Piece(l.ID))
	}
	s.odds = append(s.odds, t)
}

// takeOdds gives the odds of the tokens since the last piece.
func (s *strand) takeOdds() []tokenOdds {
	taken := s.odds
	s.odds = nil
	return taken
}

// logprob is the odds of one token in chats, responses and Ollama's answers. No receipt binds them: SPEC 16 §4.8.
type logprob struct {
	Token   string    `json:"token"`
	Logprob float64   `json:"logprob"` // a multiple of 2^-16, which a float64 holds exactly
	Bytes   []int     `json:"bytes"`
	Top     []logprob `json:"top_logprobs,omitzero"`
}

func newLogprob(piece string, l decode.Likely) logprob {
	out := logprob{Token: strings.ToValidUTF8(piece, "\uFFFD"), Logprob: nats(l), Bytes: make([]int, len(piece))}
	for i := range len(piece) {
		out.Bytes[i] = int(piece[i])
	}
	return out
}

func nats(l decode.Likely) float64 { return float64(l.Log) / (1 << 16) }

// logprobsOf lists odds; nil if there are none.
func logprobsOf(all []tokenOdds) []logprob {
	var out []logprob
	for _, t := range all {
		l := newLogprob(t.piece, t.odds.Drawn)
		l.Top = []logprob{}
		for i, o := range t.odds.Top {
			l.Top = append(l.Top, newLogprob(t.top[i], o))
		}
		out = append(out, l)
	}
	return out
}

// chatLogprobs are the odds of a choice of a chat.
type chatLogprobs struct {
	Content []logprob `json:"content"`
	Refusal []logprob `json:"refusal"`
}

// textLogprobs are the odds of a choice of a completion.
type textLogprobs struct {
	Tokens  []string             `json:"tokens"`
	Odds    []float64            `json:"token_logprobs"`
	Top     []map[string]float64 `json:"top_logprobs"`
	Offsets []int                `json:"text_offset"`
}

// chatOdds is what a choice of a chat has as logprobs; nil if the request did not ask.
func chatOdds(h *head, all []tokenOdds, _ *int) any {
	if !h.request.logprobs {
		return nil
	}
	return &chatLogprobs{Content: append([]logprob{}, logprobsOf(all)...)}
}

// textOdds is what a choice of a completion has as logprobs. offset is where its text has come to, in characters.
func textOdds(h *head, all []tokenOdds, offset *int) any {
	if !h.request.logprobs {
		return nil
	}
	out := &textLogprobs{Tokens: []string{}, Odds: []float64{}, Top: []map[string]float64{}, Offsets: []int{}}
	for _, t := range all {
		out.Tokens = append(out.Tokens, strings.ToValidUTF8(t.piece, "\uFFFD"))
		out.Odds = append(out.Odds, nats(t.odds.Drawn))
		top := make(map[string]float64)
		for i, o := range t.odds.Top {
			top[strings.ToValidUTF8(t.top[i], "\uFFFD")] = nats(o)
		}
		out.Top = append(out.Top, top)
		out.Offsets = append(out.Offsets, *offset)
		for i := range len(t.piece) {
			if utf8.RuneStart(t.piece[i]) {
				*offset++
			}
		}
	}
	return out
}

func readLogprobs(r *request, m member) (f *failure) {
	r.logprobs, f = readBool(m)
	return f
}

func readTopLogprobs(r *request, m member) *failure {
	k, f := readInt(m, 0, decode.MaxOdds)
	r.topLogprobs = int(k)
	return f
}

// readLegacyLogprobs reads the number of alternatives, with which odds are asked for; some clients send false.
func readLegacyLogprobs(r *request, m member) *failure {
	if string(m.value) == "false" {
		return nil
	}
	k, f := readInt(m, 0, maxLegacyOdds)
	r.logprobs, r.topLogprobs = true, int(k)
	return f
}

// checkLogprobs wants odds where alternatives are.
func checkLogprobs(r *request) *failure {
	if r.topLogprobs > 0 && !r.logprobs {
		return badParam("top_logprobs", "top_logprobs needs logprobs to be true")
	}
	return nil
}
