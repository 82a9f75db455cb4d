package template

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Flags of turns.
const (
	TrimSystem    = 1 << iota // white space around a system message is cut off
	TrimUser                  // around a user's
	TrimAssistant             // around an assistant's
	MergeFirst                // a system message stands in the first user turn
	MergeLast                 // in the last one
	NoSystem                  // there is no place for a system message
	Alternate                 // user and assistant take turns, the user first
	Replaces                  // a first system message stands in place of Begin, not after it
	Anywhere                  // a system message may also be a turn of its own later on
	UserLast                  // the last message is not the assistant's
	TrimMerged                // white space is cut off around a system message and the user's that holds it, together
	Opened                    // what stands before the first user's turn leads into it: it has no User.Before
	CutKeeps                  // what follows Cut keeps its newlines
	allFlags      = 1<<iota - 1
)

// Pair stands around something.
type Pair struct{ Before, After string }

// Turns is how a conversation is laid out: Begin, then the turns, then Generation.
type Turns struct {
	Flags     uint16
	Begin     string // with Replaces it may hold a system message of its own
	System    Pair   // with MergeFirst or MergeLast inside the user's turn, before its content
	User      Pair
	Assistant Pair
	// Cut, if not empty: of an assistant's content only what follows the last occurrence of it is
	// kept, without leading newlines unless CutKeeps is set (reasoning that is not shown again).
	Cut        string
	Generation string
}

// Literals of a layout in which a list of tools may stand.
const (
	InBegin = iota
	InSystemBefore
	InSystemAfter
	InUserBefore
	InUserAfter
	InGeneration
	LiteralCount
)

// Nowhere is the place of tools in a literal without them.
const Nowhere = 0xffff

// Tools is how a conversation with tools is laid out.
type Tools struct {
	Turns
	// At is, for each literal, the byte at which the list of tools stands, or Nowhere.
	At [LiteralCount]uint16
	// LastUser says that User is that of the last user's turn; the others look as without tools.
	LastUser  bool
	Whole     bool  // a tool is shown as the API has it; else its function alone
	Indent    uint8 // of the JSON; 0: one line, with ", " and ": "
	Separator string
	// HasCalls says that the rest is there. Calls of an assistant stand after its content: name,
	// CallMiddle, arguments, and CallSep between two; before the first CallsBefore, or with content
	// Assistant.Before, the content and ContentToCalls. CallsEnd leads from the last call to its
	// result, ResultSep from one result to the next, ResultsEnd from the last one to a turn.
	HasCalls                        bool
	NoContentWithCalls              bool // a message with calls has no content
	CallsBefore, ContentToCalls     string
	CallMiddle, CallSep             string
	CallsEnd, ResultSep, ResultsEnd string
}

func (t *Turns) strings() []*string {
	return []*string{
		&t.Begin, &t.System.Before, &t.System.After, &t.User.Before, &t.User.After,
		&t.Assistant.Before, &t.Assistant.After, &t.Cut, &t.Generation,
	}
}

func (t *Tools) strings() []*string {
	return []*string{
		&t.Separator, &t.CallsBefore, &t.ContentToCalls, &t.CallMiddle, &t.CallSep, &t.CallsEnd, &t.ResultSep, &t.ResultsEnd,
	}
}

// calls are the literals that belong to calls, joined.
func (t *Tools) calls() string {
	return t.CallsBefore + t.ContentToCalls + t.CallMiddle + t.CallSep + t.CallsEnd + t.ResultSep + t.ResultsEnd
}

// Literals are those that Tools.At speaks of, in its order.
func (t *Turns) Literals() [LiteralCount]*string {
	return [...]*string{
		InBegin: &t.Begin, InSystemBefore: &t.System.Before, InSystemAfter: &t.System.After,
		InUserBefore: &t.User.Before, InUserAfter: &t.User.After, InGeneration: &t.Generation,
	}
}

func appendStrings(b []byte, all []*string) []byte {
	for _, s := range all {
		b = binary.BigEndian.AppendUint16(b, uint16(len(*s)))
		b = append(b, *s...)
	}
	return b
}

func (t *Turns) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, t.Flags)
	return appendStrings(b, t.strings())
}

func (t *Tools) append(b []byte) []byte {
	if t == nil {
		return append(b, 0)
	}
	b = t.Turns.append(append(b, 1))
	for _, at := range t.At {
		b = binary.BigEndian.AppendUint16(b, at)
	}
	b = append(b, flag(t.LastUser), flag(t.Whole), t.Indent, flag(t.HasCalls), flag(t.NoContentWithCalls))
	return appendStrings(b, t.strings())
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// reader takes fields off the front of bytes and remembers the first fault.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrTemplate, fmt.Sprintf(format, args...))
	}
}

// take is the next n bytes; after a fault they are zeros.
func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.fail("it ends %d bytes early", n-len(r.b))
		r.b = nil
		return make([]byte, n)
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) flag(name string) bool {
	v := r.take(1)[0]
	if v > 1 {
		r.fail("%s is %d, want 0 or 1", name, v)
	}
	return v == 1
}

func (r *reader) text(all []*string) {
	for _, s := range all {
		v := r.take(int(binary.BigEndian.Uint16(r.take(2))))
		if *s = string(v); !utf8.Valid(v) {
			r.fail("a literal is not UTF-8: %q", v)
		}
	}
}

// formats are those of a dated template.
func (r *reader) formats() []string {
	n := int(r.take(1)[0])
	if n < 1 || n > maxFormats {
		r.fail("%d date formats, want 1..%d", n, maxFormats)
		return nil
	}
	out := make([]string, n)
	for i := range out {
		r.text([]*string{&out[i]})
		if _, err := (Date{1970, 1, 1}).Format(out[i]); err != nil && r.err == nil {
			r.err = err
		}
		if len(out[i]) > maxFormat || strings.ContainsRune(out[i], 0) {
			r.fail("a date format of %d bytes, at most %d and none a NUL", len(out[i]), maxFormat)
		}
	}
	return out
}

// blanks refuses literals of a dated template with a NUL that is no blank, and blanks where no date is
// printed.
func (r *reader) blanks(t *Template) {
	if r.err != nil {
		return
	}
	all := t.turns.strings()
	if t.tools != nil {
		all = append(all, t.tools.Turns.strings()...)
		for i, s := range t.tools.Literals() {
			if at := t.tools.At[i]; at != Nowhere && at > 0 && (*s)[at-1] == 0 {
				r.fail("the tools stand inside the date in %q", *s)
			}
		}
		for _, s := range t.tools.strings() {
			if strings.ContainsRune(*s, 0) {
				r.fail("a date among the literals of tools: %q", *s)
			}
		}
	}
	for _, s := range all {
		if err := checkBlanks(*s, len(t.dates)); err != nil && r.err == nil {
			r.err = err
		}
	}
	if strings.ContainsRune(t.turns.Cut, 0) || t.tools != nil && strings.ContainsRune(t.tools.Cut, 0) {
		r.fail("a date where reasoning ends")
	}
}

func (r *reader) turns() *Turns {
	t := &Turns{Flags: binary.BigEndian.Uint16(r.take(2))}
	r.text(t.strings())
	system := t.Flags & (MergeFirst | MergeLast | NoSystem)
	switch {
	case t.Flags&^allFlags != 0:
		r.fail("unknown flags %#x", t.Flags&^allFlags)
	case system&(system-1) != 0:
		r.fail("a system message has more than one place (flags %#x)", t.Flags)
	case t.Flags&TrimMerged != 0 && system&(MergeFirst|MergeLast) == 0:
		r.fail("white space around a system message and a user's that are apart (flags %#x)", t.Flags)
	case t.Flags&Opened != 0 && t.Flags&(MergeFirst|MergeLast|Anywhere) != 0:
		r.fail("a first user's turn that is opened and holds a system message (flags %#x)", t.Flags)
	case t.Flags&CutKeeps != 0 && t.Cut == "":
		r.fail("newlines are kept after a cut that is not made (flags %#x)", t.Flags)
	case t.Flags&Replaces != 0 && system != 0:
		r.fail("a system message replaces the beginning and has another place (flags %#x)", t.Flags)
	case system == NoSystem && t.System != Pair{}:
		r.fail("literals of a system message without a place")
	}
	return t
}

func (r *reader) tools() *Tools {
	if !r.flag("tools") {
		return nil
	}
	t := &Tools{Turns: *r.turns()}
	for i := range t.At {
		t.At[i] = binary.BigEndian.Uint16(r.take(2))
	}
	t.LastUser = r.flag("last user")
	t.Whole, t.Indent = r.flag("whole"), r.take(1)[0]
	t.HasCalls, t.NoContentWithCalls = r.flag("calls"), r.flag("content with calls")
	r.text(t.strings())
	for i, s := range t.Literals() {
		if int(t.At[i]) > len(*s) && t.At[i] != Nowhere {
			r.fail("the tools stand at byte %d of %q", t.At[i], *s)
		}
	}
	switch {
	case t.Indent > 8:
		r.fail("indent %d, want 0..8", t.Indent)
	case !t.HasCalls && (t.NoContentWithCalls || t.calls() != ""):
		r.fail("literals of calls that it does not show")
	case t.NoContentWithCalls && t.ContentToCalls != "":
		r.fail("a literal between content and calls that never stand together")
	}
	return t
}
