package template

import (
	"encoding/json"
	"strings"
)

// Syntax is how a model writes calls of tools, as its template prints those of earlier turns.
type Syntax struct {
	// Tag begins a call, End ends it; both without white space around them. Between them stands, with
	// Object, a JSON object of "name" and Member; else the name, Middle, and the arguments.
	Tag, Middle, End string
	Object           bool
	Member           string    // the name of the arguments in the object; "" is "arguments"
	Controls         []Control // in the words, by ascending ids; none before Of
}

// Syntax is nil for a template that shows no calls, or whose calls begin with nothing to tell them by.
func (t Template) Syntax() *Syntax {
	if !t.HasCalls() {
		return nil
	}
	open, ok := strings.CutPrefix(t.tools.CallsBefore, t.tools.Generation)
	if !ok {
		return nil
	}
	s := &Syntax{Middle: t.tools.CallMiddle}
	i := strings.IndexByte(open, '{')
	if i >= 0 {
		open = open[:i]
	}
	s.Tag = strings.TrimFunc(open, space)
	end, _, ok := strings.Cut(t.tools.CallSep, s.Tag)
	if s.Tag == "" || !ok {
		return nil
	}
	if rest, ok := strings.CutPrefix(end, "}"); ok && i >= 0 {
		s.Object, s.Member, end = true, member(s.Middle), rest
	}
	s.End = strings.TrimFunc(end, space)
	return s
}

// member is the name of a member of an object that begins at the end of a text: of `", "parameters": ` it is
// parameters; "" if none does that needs no escape.
func member(text string) string {
	text, ok := strings.CutSuffix(strings.TrimRightFunc(text, space), ":")
	name, quoted := strings.CutSuffix(strings.TrimRightFunc(text, space), `"`)
	at := strings.LastIndexByte(name, '"')
	if !ok || !quoted || at < 0 || strings.ContainsRune(name, '\\') {
		return ""
	}
	return name[at+1:]
}

// Arguments is the name of the arguments in the object of a call.
func (s *Syntax) Arguments() string {
	if s.Member == "" {
		return "arguments"
	}
	return s.Member
}

// Words are the texts between which the parts of calls stand; none for nil.
func (s *Syntax) Words() []string {
	if s == nil {
		return nil
	}
	return []string{s.Tag, s.Middle, s.End}
}

// Parse divides what a model wrote into content and calls. What is no complete call is content, as
// are calls that something but white space follows. Arguments are the model's own text.
func (s *Syntax) Parse(text string) (content string, calls []Call) {
	if s == nil {
		return text, nil
	}
	at := strings.Index(text, s.Tag)
	if at < 0 {
		return text, nil
	}
	rest := text[at:]
	for rest != "" {
		call, after, ok := s.call(rest)
		if !ok {
			return text, nil
		}
		calls, rest = append(calls, call), strings.TrimLeftFunc(after, space)
	}
	return strings.TrimRightFunc(text[:at], space), calls
}

// call reads one call off the front of a text.
func (s *Syntax) call(text string) (c Call, rest string, ok bool) {
	if text, ok = strings.CutPrefix(text, s.Tag); !ok {
		return c, "", false
	}
	if s.Object {
		c, text, ok = s.object(text)
	} else {
		c, text, ok = s.plain(text)
	}
	if !ok {
		return c, "", false
	}
	text = strings.TrimLeftFunc(text, space)
	if text == "" { // the end of the answer may stand for the end of the call
		return c, "", true
	}
	rest, ok = strings.CutPrefix(text, s.End)
	return c, rest, ok
}

// object reads {"name": "...", "arguments": {...}}.
func (s *Syntax) object(text string) (c Call, rest string, ok bool) {
	d := json.NewDecoder(strings.NewReader(text))
	var members map[string]json.RawMessage
	if d.Decode(&members) != nil {
		return c, "", false
	}
	var name *string
	arguments := members[s.Arguments()]
	if json.Unmarshal(members["name"], &name) != nil || name == nil || len(arguments) == 0 || arguments[0] != '{' {
		return c, "", false
	}
	return Call{*name, string(arguments)}, text[d.InputOffset():], true
}

// plain reads a name, Middle and arguments.
func (s *Syntax) plain(text string) (c Call, rest string, ok bool) {
	name, text, ok := strings.Cut(text, s.Middle)
	if !ok || s.Middle == "" {
		return c, "", false
	}
	d := json.NewDecoder(strings.NewReader(text))
	var arguments json.RawMessage
	if d.Decode(&arguments) != nil || len(arguments) == 0 || arguments[0] != '{' {
		return c, "", false
	}
	return Call{strings.TrimFunc(name, space), string(arguments)}, text[d.InputOffset():], true
}

// Pending is the length of the end of a text that may yet turn out to belong to calls: all from the
// first Tag on, or an end that a Tag begins with, and the white space before.
func (s *Syntax) Pending(text string) int {
	from := len(text)
	if i := strings.Index(text, s.Tag); i >= 0 {
		from = i
	} else {
		for n := min(len(s.Tag)-1, len(text)); n > 0; n-- {
			if strings.HasPrefix(s.Tag, text[len(text)-n:]) {
				from = len(text) - n
				break
			}
		}
	}
	return len(text) - len(strings.TrimRightFunc(text[:from], space))
}
