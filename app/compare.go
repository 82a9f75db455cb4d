package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
	"elenchus/engine"
)

// CompareOptions say what hosts were asked.
type CompareOptions struct {
	Prompt      string // content of the one message, of the user
	Seed        uint64
	Temperature uint32 // Q16
	MaxNew      uint32
	Threads     int    // 0: one for each processor
	Kernel      string // see CheckKernel
}

// HostAnswer is what a host answered.
type HostAnswer struct {
	URL, Text string
}

// Comparison is the exact run of a model beside the answers of hosts.
type Comparison struct {
	ModelID string           `json:"model_id"`
	Text    string           `json:"text"`
	Tokens  int              `json:"tokens"`
	Finish  string           `json:"finish"`
	Hosts   []HostComparison `json:"hosts"`
}

// HostComparison says where an answer leaves the exact run.
type HostComparison struct {
	URL        string      `json:"url"`
	Text       string      `json:"text"`
	Equal      bool        `json:"equal"`
	Difference *Difference `json:"difference,omitempty"`
}

// Difference is the first place at which a text is not that of the exact run. What follows it says
// nothing, since its input differs. A host sends text: its token there is taken to be the one, of
// those that its text can begin with, that the model likes best.
type Difference struct {
	Token    int      `json:"token"` // index in the output
	Byte     int      `json:"byte"`  // of the first different byte of the text
	Want     string   `json:"want"`  // text of the exact run's token; empty: end of the answer
	WantID   int32    `json:"want_id"`
	Got      string   `json:"got"`            // text of the host's token; empty: end of the answer
	GotID    *int32   `json:"got_id"`         // null if no token of the model begins the host's text
	Gap      *float64 `json:"gap,omitempty"`  // nats by which the exact run prefers its own; near 0 is a tie
	Rank     int      `json:"rank,omitempty"` // of the host's token among the logits, from 1
	HostText string   `json:"host_text"`      // at most 48 bytes of the host's text from the token on
}

// comparer is a run of the model, cut into the pieces of text that its tokens make.
type comparer struct {
	man    *manifest.Manifest
	tok    *tokenizer.Tokenizer
	job    decode.Job
	split  func(n int, part func(from, to int))
	out    []int32
	finish uint8
	starts []int // byte at which each token's text begins, and the length of the text
	text   string
	vocab  []string // text of each id in the middle of an answer
}

// Compare runs a model greedily, or with a seed, and finds the first token at which each answer
// leaves it. The prompt is rendered by the model's own template.
func Compare(ctx context.Context, man *manifest.Manifest, o CompareOptions, answers []HostAnswer) (*Comparison, error) {
	tok, err := textSide(man)
	if err != nil {
		return nil, err
	}
	pool := engine.NewPool(o.Threads)
	defer pool.Close()
	if man, err = ready(man, o.Kernel, pool); err != nil {
		return nil, err
	}
	c := &comparer{man: man, tok: tok, split: pool.Split}
	if err := c.run(ctx, o); err != nil {
		return nil, err
	}
	r := &Comparison{ModelID: man.ID().String(), Text: c.text, Tokens: len(c.out), Finish: finishNames[c.finish]}
	for _, a := range answers {
		h := HostComparison{URL: a.URL, Text: a.Text}
		if h.Difference, err = c.difference(a.Text); err != nil {
			return nil, err
		}
		h.Equal = h.Difference == nil
		r.Hosts = append(r.Hosts, h)
	}
	return r, nil
}

func (c *comparer) run(ctx context.Context, o CompareOptions) error {
	tmpl, err := template.Parse(c.man.Model.Template)
	if err != nil {
		return err
	}
	parts, err := tmpl.Render(template.Conversation{
		Messages: []template.Message{{Role: template.User, Content: o.Prompt}},
		Date:     template.FromUnix(uint64(max(0, time.Now().Unix()))), // hosts print their own
	})
	if err != nil {
		return err
	}
	c.job = decode.Job{Prompt: template.PromptOf(c.tok, parts), StopIDs: c.man.Model.EndIDs, MaxNew: o.MaxNew,
		Temperature: o.Temperature, Seed: o.Seed}
	a, finish, err := (&engine.Computer{Manifest: c.man, Split: c.split}).Generate(ctx, c.job, nil)
	if err != nil {
		return err
	}
	c.out, c.finish = a.Outputs, finish
	w := newTextWriter(c.tok, &c.job, nil)
	for _, id := range c.out {
		c.starts = append(c.starts, len(w.text))
		if err := w.write(id); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	c.text, c.starts = w.text, append(c.starts, len(w.text))
	return nil
}

// lookBack is how many tokens before the first different byte a longer token of a host may begin.
const lookBack = 8

// difference is nil if the text is that of the run, as far as both go.
func (c *comparer) difference(text string) (*Difference, error) {
	at := sharedPrefix(c.text, text)
	if at == len(text) && at == len(c.text) || at == len(c.text) && c.finish != 1 {
		return nil, nil // or the run was cut where it still agreed
	}
	i := 0
	for i+1 < len(c.out) && c.starts[i+1] <= at {
		i++
	}
	for i > 0 && at < len(c.text) && c.starts[i-1] == c.starts[i] {
		i-- // bytes of one letter, of which the last gave it
	}
	first := max(0, i-lookBack)
	logits, err := c.logits(first, i)
	if err != nil {
		return nil, err
	}
	best := c.at(i, at, text, logits[i-first])
	for p := first; p < i; p++ {
		if d := c.at(p, at, text, logits[p-first]); d.Gap != nil && (best.Gap == nil || *d.Gap < *best.Gap) {
			best = d
		}
	}
	return best, nil
}

// sharedPrefix is the length of the beginning that two texts share.
func sharedPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// logits are those from which the tokens first to last of the output were drawn.
func (c *comparer) logits(first, last int) ([][]int32, error) {
	ids := slices.Concat(c.job.Prompt, c.out[:last])
	out := make([][]int32, 0, last-first+1)
	err := decode.Teacher(c.man.Model, ids, c.split, func(t int, logits []int32) {
		if t >= len(c.job.Prompt)-1+first {
			out = append(out, slices.Clone(logits))
		}
	})
	return out, err
}

// at is the difference if the host left the run at token p, in the text's byte at or, with a longer
// token, before it.
func (c *comparer) at(p, at int, text string, logits []int32) *Difference {
	want := c.out[p]
	rest := text[min(c.starts[p], len(text)):]
	d := &Difference{Token: p, Byte: at, Want: c.piece(want), WantID: want, HostText: rest[:min(len(rest), 48)]}
	got := int32(-1)
	for id := range c.pieces() {
		if int32(id) != want && c.fits(int32(id), rest, at-c.starts[p], at == c.starts[p] || c.starts[p+1] > at) &&
			(got < 0 || logits[id] > logits[got]) {
			got = int32(id)
		}
	}
	if got < 0 {
		return d
	}
	d.GotID, d.Got = &got, c.piece(got)
	gap := float64(logits[want]-logits[got]) / (1 << decode.LogitBits)
	d.Gap, d.Rank = &gap, 1
	for _, l := range logits {
		if l > logits[got] {
			d.Rank++
		}
	}
	return d
}

// fits says whether a host whose text goes on with rest may have drawn id: nothing is left and id
// ends an answer, or the id's text begins rest and, unless this is the token of the difference,
// reaches over the byte at which the texts differ.
func (c *comparer) fits(id int32, rest string, differs int, here bool) bool {
	if rest == "" {
		return here && slices.Contains(c.job.StopIDs, id)
	}
	s := c.pieces()[id]
	return s != "" && strings.HasPrefix(rest, s) && (here || len(s) > differs)
}

// piece is the text of an id in an answer; ends have none.
func (c *comparer) piece(id int32) string {
	if slices.Contains(c.job.StopIDs, id) {
		return ""
	}
	return c.pieces()[id]
}

// pieces are the texts of all ids; those that are no whole letters have none.
func (c *comparer) pieces() []string {
	if c.vocab != nil {
		return c.vocab
	}
	c.vocab = make([]string, c.man.Vocab)
	for id := range c.vocab {
		d := c.tok.NewDecoder(tokenizer.Continuation)
		s, err := d.Next(int32(id))
		if err == nil && d.Flush() == "" {
			c.vocab[id] = s
		}
	}
	return c.vocab
}

// Summary is the comparison of a host in one line.
func (h *HostComparison) Summary() string {
	d := h.Difference
	switch {
	case d == nil:
		return "equal, as far as both go"
	case d.GotID == nil:
		return fmt.Sprintf("differs at token %d: %q instead of %q, which no token of the model begins", d.Token, d.HostText, d.Want)
	}
	return fmt.Sprintf("differs at token %d: %s instead of %s, which the exact run prefers by %.4f nats (rank %d)",
		d.Token, orEnd(d.Got), orEnd(d.Want), *d.Gap, d.Rank)
}

func orEnd(s string) string {
	if s == "" {
		return "the end"
	}
	return fmt.Sprintf("%q", s)
}
