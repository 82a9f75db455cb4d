package template

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Effort is how much a model is to reason before it answers.
type Effort uint8

// Efforts. The zero value leaves it to the template; Quiet is NoEffort where the template has a form for that.
const (
	Unsaid Effort = iota
	NoEffort
	LowEffort
	MediumEffort
	HighEffort
	Quiet
)

// ParseEffort reads an effort in the words of OpenAI's dialects. Those that no template knows are the nearest of those
// that some do: exact says which. An effort without a word is Unsaid.
func ParseEffort(word string) (e Effort, exact bool) {
	switch word {
	case "none":
		return NoEffort, true
	case "low":
		return LowEffort, true
	case "medium":
		return MediumEffort, true
	case "high":
		return HighEffort, true
	case "minimal":
		return LowEffort, false
	case "xhigh", "max":
		return HighEffort, false
	}
	return Unsaid, false
}

const (
	maxWays    = 4
	allEfforts = 1<<4 - 1
)

// bit is that of an effort in Way.Efforts; 0 for one that names none.
func (e Effort) bit() uint8 {
	if e < NoEffort || e > HighEffort {
		return 0
	}
	return 1 << (e - NoEffort)
}

// Way is how conversations look with some of the efforts.
type Way struct {
	Efforts  uint8 // bits 0 to 3: none, low, medium, high
	Template Template
}

// Reasoning is how a model marks what it thinks before it answers.
type Reasoning struct {
	// Begin and End stand around reasoning; Bare, possibly empty, before an answer without any.
	Begin, End, Bare string
	// Shown says that the prompt holds the reasoning of messages with calls after the user's last message: Before stands
	// before it, in place of what stands before calls or content, ToCalls or ToContent after it. Other reasoning is left
	// out of the prompt.
	Shown                      bool
	Before, ToCalls, ToContent string
}

func (r *Reasoning) strings() []*string {
	return []*string{&r.Begin, &r.End, &r.Bare, &r.Before, &r.ToCalls, &r.ToContent}
}

// NewReasoned makes the template of a model that reasons, of chat templates with or without dates; the first way is that
// of requests that name no effort. It fails with ErrTemplate for what Parse refuses.
func NewReasoned(ways []Way, r Reasoning) (Template, error) {
	return Parse(Template{form: Reasoned, ways: ways, reasoning: &r}.Encode())
}

// appendReasoned appends what follows the form. SPEC 04 §4.2.8.
func (t *Template) appendReasoned(b []byte) []byte {
	b = append(b, byte(len(t.ways)))
	for _, w := range t.ways {
		inner := w.Template.Encode()
		b = binary.BigEndian.AppendUint32(append(b, w.Efforts), uint32(len(inner)))
		b = append(b, inner...)
	}
	return appendStrings(append(b, flag(t.reasoning.Shown)), t.reasoning.strings())
}

// reasoned reads what follows the form.
func (r *reader) reasoned(t *Template) {
	n := int(r.take(1)[0])
	if n < 1 || n > maxWays {
		r.fail("%d ways to reason, want 1..%d", n, maxWays)
		return
	}
	seen := uint8(0)
	for range n {
		w := r.way(seen)
		if r.err != nil {
			return
		}
		seen |= w.Efforts
		t.ways = append(t.ways, w)
	}
	t.reasoning = &Reasoning{Shown: r.flag("shown")}
	r.text(t.reasoning.strings())
	s := t.reasoning
	switch {
	case s.Begin == "" || s.End == "":
		r.fail("reasoning without a beginning or an end")
	case !s.Shown && s.Before+s.ToCalls+s.ToContent != "":
		r.fail("literals around reasoning that is not shown")
	}
	first := t.ways[0].Template
	t.turns, t.tools, t.dates = first.turns, first.tools, first.dates
}

// way reads one of the ways; seen are the efforts of those before it.
func (r *reader) way(seen uint8) Way {
	w := Way{Efforts: r.take(1)[0]}
	if w.Efforts == 0 || w.Efforts&^allEfforts != 0 || w.Efforts&seen != 0 {
		r.fail("efforts %#x after %#x: want some of four, each once", w.Efforts, seen)
	}
	size := binary.BigEndian.Uint32(r.take(4))
	if uint64(size) > uint64(len(r.b)) {
		r.fail("it ends %d bytes early", uint64(size)-uint64(len(r.b)))
	}
	if r.err != nil {
		return w
	}
	inner, err := Parse(r.take(int(size)))
	if err == nil && inner.form != Chat && inner.form != Dated {
		err = fmt.Errorf("%w: a way to reason of form %d", ErrTemplate, inner.form)
	}
	w.Template, r.err = inner, err
	return w
}

// way is the template of an effort, nil if there is none.
func (t *Template) way(e Effort) *Template {
	if t.form != Reasoned {
		if e == Unsaid || e == NoEffort || e == Quiet {
			return t
		}
		return nil
	}
	if e == Quiet {
		if quiet := t.way(NoEffort); quiet != nil {
			return quiet
		}
		e = Unsaid
	}
	if e == Unsaid {
		return &t.ways[0].Template
	}
	i := slices.IndexFunc(t.ways, func(w Way) bool { return w.Efforts&e.bit() != 0 })
	if i < 0 {
		return nil
	}
	return &t.ways[i].Template
}

// Effort says whether conversations with an effort can be rendered, and whether it is told from others: where a model is
// only made to reason or not to, low and high are reasoning, as medium is; where it decides, none is as good as any.
func (t Template) Effort(e Effort) (ok, own bool) {
	if t.way(e) == nil {
		return false, false
	}
	if t.form != Reasoned || e.bit() == 0 {
		return true, true
	}
	i := slices.IndexFunc(t.ways, func(w Way) bool { return w.Efforts&e.bit() != 0 })
	efforts := t.ways[i].Efforts
	if e == MediumEffort {
		return true, efforts&NoEffort.bit() == 0
	}
	return true, efforts == e.bit()
}

// Thoughts tell the reasoning in an answer from what it says.
type Thoughts struct {
	begin, end, bare string
	opened           bool
}

// Thoughts is how to read the answer to a conversation; nil where all of it is what the model says.
func (t Template) Thoughts(c Conversation) *Thoughts {
	if t.form != Reasoned {
		return nil
	}
	way := t.way(c.Effort)
	if way == nil {
		return nil
	}
	last := way.turns.Generation
	if len(c.Tools) > 0 && way.tools != nil {
		last = way.tools.Generation
	}
	return t.reasoning.after(last)
}

// Divisions are the ways to read an answer to a conversation that is not known: that of Thoughts for each generation
// that the template has, each once; none where all is what the model says.
func (t Template) Divisions() (out []*Thoughts) {
	for _, w := range t.ways {
		last := []string{w.Template.turns.Generation}
		if w.Template.tools != nil {
			last = append(last, w.Template.tools.Generation)
		}
		for _, generation := range last {
			if d := t.reasoning.after(generation); !slices.ContainsFunc(out, func(o *Thoughts) bool { return *o == *d }) {
				out = append(out, d)
			}
		}
	}
	return out
}

// after is how an answer is read that stands behind the last words of a prompt.
func (r *Reasoning) after(last string) *Thoughts {
	return &Thoughts{r.Begin, r.End, r.Bare, strings.HasSuffix(strings.TrimRightFunc(last, space), strings.TrimRightFunc(r.Begin, space))}
}

// Opened says that the prompt has begun the reasoning.
func (t *Thoughts) Opened() bool { return t != nil && t.opened }

// Words are the texts that stand around reasoning; none for nil.
func (t *Thoughts) Words() []string {
	if t == nil {
		return nil
	}
	return slices.DeleteFunc([]string{t.begin, t.end, t.bare}, func(s string) bool { return s == "" })
}

// Split divides an answer. For nil all of it is said.
func (t *Thoughts) Split(text string) (thought, said string) {
	if t == nil {
		return "", text
	}
	r := t.Reader()
	thought, said = r.Write(text)
	thought2, said2 := r.Flush()
	return thought + thought2, said + said2
}

// Reader divides an answer that comes in pieces.
func (t *Thoughts) Reader() *ThoughtReader { return &ThoughtReader{t: t} }

// ThoughtReader holds back what may belong to a mark, and white space that may stand at the end of reasoning. It is not
// safe for concurrent use; the zero value is illegal.
type ThoughtReader struct {
	t     *Thoughts
	phase phase
	held  string
	begun bool // something of the reasoning, or of what follows it, has been given
}

type phase uint8

const (
	opening  phase = iota // nothing tells yet
	thinking              // inside reasoning
	leading               // white space before what is said goes
	speaking
)

// Thinking says whether reasoning has begun and not ended; an answer whose prompt has opened it begins so.
func (r *ThoughtReader) Thinking() bool {
	return r.phase == thinking || r.phase == opening && r.t.opened
}

// Write takes a piece and returns what is certain now. It is valid UTF-8 if all pieces are.
func (r *ThoughtReader) Write(piece string) (thought, said string) {
	r.held += piece
	if r.phase == opening {
		r.open()
	}
	if r.phase == thinking {
		thought = r.think()
	}
	if r.phase == leading {
		if r.held = strings.TrimLeftFunc(r.held, space); r.held != "" {
			r.phase = speaking
		}
	}
	if r.phase == speaking {
		said, r.held = r.held, ""
	}
	return thought, said
}

// open looks for what tells whether an answer reasons. Where the prompt has begun the reasoning it may begin again.
func (r *ThoughtReader) open() {
	text := strings.TrimLeftFunc(r.held, space)
	rest, begins := strings.CutPrefix(text, r.t.begin)
	bare, plain := strings.CutPrefix(text, r.t.bare)
	switch {
	case begins:
		r.phase, r.held = thinking, rest
	case plain && r.t.bare != "":
		r.phase, r.held = leading, bare
	case strings.HasPrefix(r.t.begin, text), strings.HasPrefix(r.t.bare, text):
	case r.t.opened:
		r.phase = thinking
	default:
		r.phase = speaking
	}
}

// think gives what is certainly reasoning.
func (r *ThoughtReader) think() (thought string) {
	if before, after, ok := strings.Cut(r.held, r.t.end); ok {
		r.phase, r.held = leading, after
		return r.reasoning(strings.TrimRightFunc(before, space))
	}
	keep := 0
	for n := min(len(r.t.end)-1, len(r.held)); n > 0 && keep == 0; n-- {
		if strings.HasSuffix(r.held, r.t.end[:n]) {
			keep = n
		}
	}
	certain := strings.TrimRightFunc(r.held[:len(r.held)-keep], space)
	r.held = r.held[len(certain):]
	return r.reasoning(certain)
}

// reasoning gives a piece of it, without the white space that begins it.
func (r *ThoughtReader) reasoning(text string) string {
	if !r.begun {
		text = strings.TrimLeftFunc(text, space)
		r.begun = text != ""
	}
	return text
}

// Flush gives what was held back, once the answer is complete.
func (r *ThoughtReader) Flush() (thought, said string) {
	held := r.held
	r.held = ""
	switch {
	case r.Thinking():
		return r.reasoning(strings.TrimRightFunc(held, space)), ""
	case r.phase == leading:
		return "", ""
	}
	return "", held
}
