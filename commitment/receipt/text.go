package receipt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elenchus/commitment/claim"
	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/grammar"
	program "elenchus/compute/model"
	"elenchus/compute/opset"
	"elenchus/compute/template"
	"elenchus/compute/tokenizer"
)

// Asked is what a user asked for, in the user's words. Exactly one of Messages, Text and IDs is
// set. What is nil was left to the gateway, except Temperature, whose default is 1.
type Asked struct {
	Messages    []template.Message
	Tools       []string    // JSON of each, with messages
	Use         grammar.Use // of tools, with messages
	Text        *string
	IDs         []int32
	MaxNew      *uint32
	Temperature *uint32 // Q16
	Seed        *uint64
	Sampler     decode.Sampler
	Date        *template.Date // that the template prints; nil: of the claim's issue, give or take a day
	Effort      template.Effort
}

// conversation is what the model was to go on with. An answer that keeps to a grammar from its first token on asks for
// no reasoning by itself. SPEC 16 §3.12.
func (a *Asked) conversation(date template.Date) template.Conversation {
	c := template.Conversation{Messages: a.Messages, Tools: a.Tools, Date: date, Effort: a.Effort}
	if c.Effort == template.Unsaid && a.constrained() {
		c.Effort = template.Quiet
	}
	return c
}

func (a *Asked) constrained() bool { return a.Use.Format != nil || a.Use.Forced }

// side is the text side of a model.
type side struct {
	tok  *tokenizer.Tokenizer
	tmpl template.Template
	man  *manifest.Manifest
}

// textSide is nil without a model that has a tokenizer, or when the receipt is about another one.
func textSide(r *Receipt, man *manifest.Manifest) (*side, error) {
	if man == nil || len(man.Model.Tokenizer) == 0 || merkle.Hash(man.ID()) != r.Request.Model {
		return nil, nil
	}
	tok, err := tokenizer.Parse(man.Model.Tokenizer)
	if err != nil {
		return nil, err
	}
	tmpl, err := template.Parse(man.Model.Template)
	if err != nil {
		return nil, err
	}
	return &side{tok, tmpl, man}, nil
}

// AnswerText is the text of the ids that answer a job: what stands for the end of the answer is left out, a
// stop string and what follows it too, broken characters are replaced. It fails with tokenizer.ErrID.
func AnswerText(t *tokenizer.Tokenizer, job decode.Job, output []int32) (string, error) {
	text, _, err := answer(t, &job, output, nil)
	return text, err
}

// answer is AnswerText in which control pieces of the words say theirs, and the id that completes the first
// stop string; len(output) if none does.
func answer(t *tokenizer.Tokenizer, job *decode.Job, output []int32, words []string) (_ string, last int, err error) {
	at := tokenizer.Continuation
	if len(job.Prompt) <= 1 {
		at = tokenizer.Start // nothing but the beginning-of-sequence id stands before
	}
	d, ends := t.NewDecoder(at), map[int32]bool{}
	d.Until(job.Sampler.Stops)
	d.Aloud(words...)
	for _, id := range job.StopIDs {
		ends[id] = true
	}
	last = len(output)
	var text strings.Builder
	for i, id := range output {
		if ends[id] {
			continue
		}
		s, err := d.Next(id)
		if err != nil {
			return "", 0, err
		}
		text.WriteString(s)
		if last == len(output) && d.Stopped() != "" {
			last = i
		}
	}
	text.WriteString(d.Flush())
	return text.String(), last, nil
}

func (s *side) prompt(r *Receipt) string {
	ids := r.Prompt
	if rows, _, ok := s.man.Model.EncoderRows(); ok {
		ids = ids[:min(rows, len(ids))]
		ids = ids[:len(ids)-absent(ids)]
	}
	text, err := s.tok.Decode(ids)
	if err != nil {
		return ""
	}
	return text
}

// absent counts the places without a piece at the end of an encoder's ids. SPEC 04 §1.4c.
func absent(ids []int32) (n int) {
	for n < len(ids) && ids[len(ids)-1-n] < 0 {
		n++
	}
	return n
}

// ids are the prompt ids of what was asked, or why there are none.
func (s *side) ids(a *Asked, date template.Date) ([]int32, error) {
	switch {
	case a.IDs != nil:
		return a.IDs, nil
	case a.Text != nil:
		return template.Prompt(s.tok, *a.Text), nil
	}
	parts, err := s.tmpl.Render(a.conversation(date))
	if err != nil {
		return nil, err
	}
	return template.PromptOf(s.tok, parts), nil
}

// promptOf are the prompt ids of what was asked. Where the template prints a date that the user left to
// the gateway, it is that of the claim's issue, the day before or the day after, whichever gives the
// prompt of the receipt; dated says so.
func (s *side) promptOf(r *Receipt, a *Asked) (ids []int32, dated string, err error) {
	if !s.tmpl.HasDate() || a.Messages == nil {
		ids, err = s.ids(a, template.Date{})
		return ids, "", err
	}
	if a.Date != nil {
		ids, err = s.ids(a, *a.Date)
		return ids, " on " + a.Date.String(), err
	}
	const day = 86400
	for _, at := range []uint64{r.Claim.Issued, r.Claim.Issued - min(day, r.Claim.Issued), r.Claim.Issued + day} {
		date := template.FromUnix(at)
		other, err := s.ids(a, date)
		if err != nil {
			return nil, "", err
		}
		if slices.Equal(other, r.Prompt) {
			return other, " on " + date.String(), nil
		}
		if ids == nil {
			ids = other
		}
	}
	return ids, "", nil
}

// withoutText says why text cannot be compared.
func withoutText(f *Facts, err error) (Outcome, string) {
	switch {
	case err != nil:
		return Cannot, err.Error()
	case f.Model == nil && f.NoModel != "":
		return Cannot, f.NoModel
	}
	return Cannot, "text and ids are compared by the model's tokenizer, and the model of the claim is not at hand"
}

// request compares what the user asked with what the node was asked. The most new tokens are those
// of the user, or else as many as the context holds.
func request(r *Receipt, f *Facts, s *side, err error) (Outcome, string) {
	a := f.Asked
	if a == nil {
		return Unasked, "no request to compare with"
	}
	if s == nil {
		return withoutText(f, err)
	}
	ids, dated, err := s.promptOf(r, a)
	if err != nil {
		return False, "the node was given a prompt, and " + err.Error()
	}
	if rows, _, ok := s.man.Model.EncoderRows(); ok {
		in, err := program.EncoderInput(ids, nil, rows)
		if err != nil {
			return False, "the node was given an input, and " + err.Error()
		}
		if why := sameIDs("input", r.Prompt, in.I32); why != "" {
			return False, "the node was given another text: " + why
		}
		return Holds, "the node was asked for the vector of what the user sent"
	}
	if why := sameIDs("prompt", r.Prompt, ids); why != "" {
		return False, "the node was given another prompt: " + why
	}
	if why := sameIDs("stop", r.Stop, s.man.Model.EndIDs); why != "" {
		return False, "the node was told to end at other tokens than the model's: " + why
	}
	most, temperature := s.man.TMax, uint32(1<<16)
	if a.MaxNew != nil {
		most = min(most, *a.MaxNew)
	}
	if a.Temperature != nil {
		temperature = *a.Temperature
	}
	q := &r.Request
	switch {
	case q.MaxNew != most:
		return False, fmt.Sprintf("the node was asked for at most %d tokens, the user wanted %d", q.MaxNew, most)
	case q.Temperature != temperature:
		return False, fmt.Sprintf("the node was given temperature %s, the user wanted %s", degrees(q.Temperature), degrees(temperature))
	case a.Seed != nil && q.Seed != *a.Seed:
		return False, fmt.Sprintf("the node was given seed %d, the user wanted %d", q.Seed, *a.Seed)
	}
	wanted, why := s.wanted(r, a)
	switch {
	case why != "":
		return False, why
	case !r.Sampler.Equal(&wanted):
		return False, fmt.Sprintf("the node was given the sampler settings %s; the user wanted %s", r.Sampler.Words(), wanted.Words())
	}
	return Holds, "the node was asked what the user asked" + dated
}

// degrees is a temperature as people write it, with its exact value where that is shorter than it seems.
func degrees(q16 uint32) string {
	return fmt.Sprintf("%s (%d/65536)", decode.Fixed(int64(q16), 16), q16)
}

// wanted are the settings that the user asked for. A grammar has the root that its table has over the tokens of
// the model; one that was not asked for, or not kept to, is told in words, since its bytes say little.
func (s *side) wanted(r *Receipt, a *Asked) (wanted decode.Sampler, why string) {
	wanted = a.Sampler
	if wanted.Grammar == nil && a.Use.Needed() {
		calls, err := a.Use.Automaton(s.tmpl.Syntax().Of(s.tok, s.man.Model.EndIDs))
		if err != nil {
			return wanted, "the calls or the format that the user asked for: " + err.Error()
		}
		wanted.Grammar = &grammar.Grammar{Source: calls.Encode()}
	}
	switch got := r.Sampler.Grammar; {
	case got == nil && wanted.Grammar == nil:
		return wanted, ""
	case got == nil:
		return wanted, "the node was given no grammar, the user asked for one"
	case wanted.Grammar == nil || !bytes.Equal(got.Source, wanted.Grammar.Source):
		return wanted, "the node was given another grammar than the user asked for"
	}
	job, err := trace.Bound(s.man.Model, decode.Job{StopIDs: r.Stop, Sampler: wanted})
	if err != nil {
		return wanted, "the grammar: " + err.Error()
	}
	if job.Sampler.Grammar.Root != r.Sampler.Grammar.Root {
		return wanted, "the root in the request is not that of the table of the grammar that the user asked for"
	}
	return job.Sampler, ""
}

// wrongEnd says how the finish of a claim and the id that completes a stop string contradict, "" if
// they do not. SPEC 06 §4.
func wrongEnd(r *Receipt, last int) string {
	switch n := len(r.Output); {
	case last < n-1:
		return fmt.Sprintf("output id %d completes a stop string, and %d ids follow it", last, n-1-last)
	case last == n-1 && r.Claim.Finish != opset.FinishString:
		return fmt.Sprintf("the last output id completes a stop string, and the claim says finish %d", r.Claim.Finish)
	case last == n && r.Claim.Finish == opset.FinishString:
		return "no output id completes a stop string, and the claim says that one ended the answer"
	}
	return ""
}

// text compares the answers that the user was given with the ids, and these with the finish; ending
// says how the latter contradict, or nothing. Without the request any way to read the ids will do.
func text(r *Receipt, f *Facts, s *side, err error, ending string) (Outcome, string) {
	switch {
	case ending != "":
		return False, ending
	case len(f.Answers) == 0:
		return Unasked, "no answer to compare with"
	case s == nil:
		return withoutText(f, err)
	case err != nil:
		return False, err.Error()
	case f.Asked == nil && len(f.Calls) > 0:
		return Cannot, "the answer calls tools: how calls are written is compared with the request alone"
	}
	why := ""
	for _, t := range s.divisions(f) {
		detail, err := s.differs(r, f, t)
		if err != nil {
			return False, err.Error()
		}
		if detail == "" {
			return Holds, "the answer is the text of the output ids"
		}
		if why == "" {
			why = detail
		}
	}
	return False, why
}

// differs says how what the user was given is not the ids' text, divided; "" if it is.
func (s *side) differs(r *Receipt, f *Facts, t *template.Thoughts) (string, error) {
	job := r.Job()
	text, _, err := answer(s.tok, &job, r.Output, s.words(f, t))
	if err != nil {
		return "", err
	}
	cut := r.Claim.Finish == claim.FinishCancelled // who left may have read less than was taken
	thought, output := t.Split(text)
	if f.Reasoning != nil && *f.Reasoning != thought && !(cut && strings.HasPrefix(thought, *f.Reasoning)) {
		return "the reasoning is not that of the output ids: " + part(*f.Reasoning, thought), nil
	}
	if f.Asked != nil && len(f.Asked.Tools) > 0 {
		var calls []template.Call
		if output, calls = s.tmpl.Syntax().Parse(output); !sameCalls(calls, f.Calls, f.Parsed) {
			return fmt.Sprintf("the answer calls tools %d times, the output ids do so %d times, or otherwise", len(f.Calls), len(calls)), nil
		}
	}
	for _, a := range f.Answers {
		if a != output && !(cut && strings.HasPrefix(output, a)) {
			return "the answer is not the text of the output ids: " + part(a, output), nil
		}
	}
	return "", nil
}

// sameCalls compares calls; of parsed ones white space between the parts of their arguments does not count.
func sameCalls(own, given []template.Call, parsed bool) bool {
	return slices.EqualFunc(own, given, func(x, y template.Call) bool {
		if !parsed {
			return x == y
		}
		var a, b bytes.Buffer
		return x.Name == y.Name && json.Compact(&a, []byte(x.Arguments)) == nil && json.Compact(&b, []byte(y.Arguments)) == nil &&
			bytes.Equal(a.Bytes(), b.Bytes())
	})
}

// part shows where two texts part.
func part(got, want string) string {
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	cut := func(s string) string { return s[i:min(len(s), i+32)] }
	return fmt.Sprintf("from byte %d on it is %q, the ids say %q", i, cut(got), cut(want))
}

// words are the texts around reasoning, and those between which calls stand if the user showed tools.
func (s *side) words(f *Facts, t *template.Thoughts) []string {
	if f.Asked == nil || len(f.Asked.Tools) == 0 {
		return t.Words()
	}
	return append(t.Words(), s.tmpl.Syntax().Words()...)
}

// divisions are the ways to read the answer; nil is one that the model says all of. Without the request they are those
// of the template, and none: what was asked under a format, or as raw text, is not divided.
func (s *side) divisions(f *Facts) []*template.Thoughts {
	switch {
	case f.Asked == nil:
		return append(s.tmpl.Divisions(), nil)
	case f.Asked.Messages == nil || f.Asked.constrained():
		return []*template.Thoughts{nil}
	}
	return []*template.Thoughts{s.tmpl.Thoughts(f.Asked.conversation(template.Date{}))}
}
