package pattern

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"elenchus/compute/ucd"
)

// Bounds of an expression.
const (
	maxSource = 1 << 14 // bytes
	maxSteps  = 1 << 13
	maxDepth  = 20
	maxCount  = 1 << 10 // of a quantifier
)

// ErrSyntax is returned, wrapped, for what this package does not know.
var ErrSyntax = errors.New("not a pattern of a tokenizer that is known here")

// Compile reads an expression. Errors match ErrSyntax.
func Compile(source string) (*Pattern, error) {
	if len(source) > maxSource || !utf8.ValidString(source) {
		return nil, fmt.Errorf("pattern: %w: %d bytes, want valid UTF-8 of at most %d", ErrSyntax, len(source), maxSource)
	}
	c := compiler{src: []rune(source)}
	err := c.alternatives(0)
	if err == nil && c.at < len(c.src) {
		err = c.fail("a group is closed that is not open")
	}
	if err != nil {
		return nil, fmt.Errorf("pattern: %w: %q: %w", ErrSyntax, source, err)
	}
	return &Pattern{append(c.code, step{op: opMatch})}, nil
}

// compiler reads src from at on and appends to code.
type compiler struct {
	src  []rune
	at   int
	code []step
	fold bool // inside (?i:
}

func (c *compiler) fail(format string, args ...any) error {
	return fmt.Errorf("character %d: %s", c.at, fmt.Sprintf(format, args...))
}

func (c *compiler) peek(s string) bool {
	r := []rune(s)
	if len(c.src)-c.at < len(r) {
		return false
	}
	for i := range r {
		if c.src[c.at+i] != r[i] {
			return false
		}
	}
	return true
}

func (c *compiler) take(s string) bool {
	if !c.peek(s) {
		return false
	}
	c.at += utf8.RuneCountInString(s)
	return true
}

// alternatives compiles up to the end or a closing bracket, which it leaves.
func (c *compiler) alternatives(depth int) error {
	if depth > maxDepth {
		return c.fail("groups in more than %d groups", maxDepth)
	}
	var exits []int
	for {
		start := len(c.code)
		if err := c.sequence(depth); err != nil {
			return err
		}
		if !c.take("|") {
			break
		}
		c.insert(start, step{op: opSplit, x: start + 1, y: len(c.code) + 2})
		exits = append(exits, len(c.code))
		c.code = append(c.code, step{op: opJump})
	}
	for _, e := range exits {
		c.code[e].x = len(c.code)
	}
	return nil
}

// insert puts a step before others, whose targets move with them.
func (c *compiler) insert(at int, s step) {
	c.code = append(c.code, step{})
	copy(c.code[at+1:], c.code[at:])
	for i := at + 1; i < len(c.code); i++ {
		c.code[i] = moved(c.code[i], at, 1)
	}
	c.code[at] = s
}

// moved is a step whose targets from at on stand by later.
func moved(s step, at, by int) step {
	if s.op == opSplit || s.op == opJump || s.op == opLook {
		if s.x >= at {
			s.x += by
		}
		if s.op == opSplit && s.y >= at {
			s.y += by
		}
	}
	return s
}

func (c *compiler) sequence(depth int) error {
	for c.at < len(c.src) && c.src[c.at] != '|' && c.src[c.at] != ')' {
		if len(c.code) > maxSteps {
			return c.fail("more than %d steps", maxSteps)
		}
		start := len(c.code)
		if err := c.atom(depth); err != nil {
			return err
		}
		if err := c.quantify(start); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) atom(depth int) error {
	switch {
	case c.take("(?="):
		return c.look(depth, 1)
	case c.take("(?!"):
		return c.look(depth, 0)
	case c.take("(?i:"):
		return c.group(depth, true)
	case c.take("(?:"):
		return c.group(depth, c.fold)
	case c.peek("(?"):
		return c.fail("unknown group %q", string(c.src[c.at:min(c.at+3, len(c.src))]))
	case c.take("("):
		return c.group(depth, c.fold)
	case c.take("$"):
		c.code = append(c.code, step{op: opEnd})
		return nil
	case c.take(`\b`):
		c.code = append(c.code, step{op: opBorder})
		return nil
	}
	s, err := c.characters()
	if err != nil {
		return err
	}
	if c.fold {
		foldCase(&s)
	}
	s.fill()
	c.code = append(c.code, step{op: opSet, set: s, least: 1, most: 1})
	return nil
}

func (c *compiler) group(depth int, fold bool) error {
	outer := c.fold
	c.fold = fold
	err := c.alternatives(depth + 1)
	c.fold = outer
	if err == nil && !c.take(")") {
		err = c.fail("a group is not closed")
	}
	return err
}

func (c *compiler) look(depth, want int) error {
	start := len(c.code)
	c.code = append(c.code, step{op: opLook, y: want})
	if err := c.group(depth, c.fold); err != nil {
		return err
	}
	c.code = append(c.code, step{op: opMatch})
	c.code[start].x = len(c.code)
	return nil
}

// characters reads one set: a literal, an escape or a bracket.
func (c *compiler) characters() (set, error) {
	r := c.src[c.at]
	switch r {
	case '[':
		c.at++
		return c.bracket(0)
	case '\\':
		var s set
		err := c.escape(&s)
		return s, err
	case '*', '+', '?', '{', '.', '^', ']', '}':
		if r != ']' && r != '}' {
			return set{}, c.fail("%q here", r)
		}
	}
	c.at++
	return set{ranges: []rune{r, r}}, nil
}

// foldCase adds the other case of ASCII letters, and what folds to s and k beyond them.
func foldCase(s *set) {
	for i, n := 0, len(s.ranges); i < n; i += 2 {
		for r := s.ranges[i]; r <= s.ranges[i+1] && r < 0x80; r++ {
			lower := r | 0x20
			if lower < 'a' || lower > 'z' {
				continue
			}
			s.ranges = append(s.ranges, lower, lower, lower&^0x20, lower&^0x20)
			switch lower {
			case 's':
				s.ranges = append(s.ranges, 0x17F, 0x17F)
			case 'k':
				s.ranges = append(s.ranges, 0x212A, 0x212A)
			}
		}
	}
}

// property is what a name between \p{ and } stands for.
func property(name string) (ucd.Set, bool) {
	for _, p := range properties {
		if p.name == name {
			return p.cats, true
		}
	}
	return 0, false
}

var properties = [...]struct {
	name string
	cats ucd.Set
}{
	{"L", ucd.L}, {"M", ucd.M}, {"N", ucd.N}, {"P", ucd.P}, {"S", ucd.S}, {"Z", ucd.Z}, {"C", ucd.C},
	{"Lu", 1 << ucd.Lu}, {"Ll", 1 << ucd.Ll}, {"Lt", 1 << ucd.Lt}, {"Lm", 1 << ucd.Lm}, {"Lo", 1 << ucd.Lo},
	{"Mn", 1 << ucd.Mn}, {"Mc", 1 << ucd.Mc}, {"Me", 1 << ucd.Me}, {"Nd", 1 << ucd.Nd}, {"Nl", 1 << ucd.Nl}, {"No", 1 << ucd.No},
	{"Sc", 1 << ucd.Sc}, {"Sm", 1 << ucd.Sm}, {"Sk", 1 << ucd.Sk}, {"So", 1 << ucd.So},
}

// escape reads \x into a set that may hold other things already.
func (c *compiler) escape(s *set) error {
	if c.at+1 >= len(c.src) {
		return c.fail("nothing after the backslash")
	}
	r := c.src[c.at+1]
	c.at += 2
	literal := func(r rune) error { s.ranges = append(s.ranges, r, r); return nil }
	switch r {
	case 's':
		s.space = true
	case 'S':
		s.nspace = true
	case 'd':
		s.cats |= 1 << ucd.Nd
	case 'D':
		s.cats |= all &^ (1 << ucd.Nd)
	case 'w':
		s.word = true
	case 'W':
		s.nword = true
	case 'p', 'P':
		return c.named(s, r == 'P')
	case 'x':
		return c.number16(s)
	case 'n':
		return literal('\n')
	case 'r':
		return literal('\r')
	case 't':
		return literal('\t')
	default:
		if r >= 0x80 || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return c.fail("unknown escape %q", r)
		}
		return literal(r)
	}
	return nil
}

// number16 reads a code point in braces after \x.
func (c *compiler) number16(s *set) error {
	if !c.take("{") {
		return c.fail(`no number in braces after \x`)
	}
	r, digits := rune(0), 0
	for ; c.at < len(c.src) && digits < 6; digits++ {
		d := strings.IndexRune("0123456789ABCDEF", c.src[c.at])
		if d < 0 {
			break
		}
		r, c.at = r<<4|rune(d), c.at+1
	}
	if digits == 0 || r > utf8.MaxRune || !c.take("}") {
		return c.fail(`no code point in braces after \x`)
	}
	s.ranges = append(s.ranges, r, r)
	return nil
}

// all is every category.
const all = ucd.L | ucd.M | ucd.N | ucd.P | ucd.S | ucd.Z | ucd.C

func (c *compiler) named(s *set, not bool) error {
	end := c.at
	for end < len(c.src) && c.src[end] != '}' {
		end++
	}
	if !c.take("{") || end == len(c.src) {
		return c.fail(`no name in braces after \p`)
	}
	name := string(c.src[c.at:end])
	c.at = end + 1
	if name == "Han" && !not {
		s.ranges = append(s.ranges, ucd.HanRanges()...)
		return nil
	}
	cats, ok := property(name)
	if !ok {
		return c.fail("unknown property %q", strings.ToValidUTF8(name, "?"))
	}
	if not {
		cats = all &^ cats
	}
	s.cats |= cats
	return nil
}
