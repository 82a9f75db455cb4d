package grammar

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Regular expressions of schemas, of which texts are strings of JSON: literals, . and classes, \d \w \s
// and their complements, groups that are not looked back to, |, * + ? {m,n}, ^ at the beginning and $ at
// the end. A pattern that does not begin with ^ may have anything before it, and after it without $.

// maxTimes bounds the numbers of a quantifier.
const maxTimes = 1000

// maxGroups bounds how deep groups lie in each other.
const maxGroups = 32

// regex reads an expression.
type regex struct {
	source string
	at     int
	err    error
}

// pattern are the strings that match an expression somewhere.
func pattern(source string) (part, error) {
	r := &regex{source: source}
	if !utf8.ValidString(source) {
		r.fail("it is not UTF-8")
	}
	anything := many(runesOf([]stretch{{0, utf8.MaxRune}}))
	before, after := anything, anything
	body := r.source
	if strings.HasPrefix(body, "^") {
		r.at, before = 1, nothing
	}
	p := r.alternatives(0)
	if r.err == nil && r.at < len(body) && body[r.at] == '$' {
		r.at, after = r.at+1, nothing
	}
	if r.err == nil && r.at < len(body) {
		r.fail("%s is not supported", quote(body[r.at:]))
	}
	if (strings.HasPrefix(body, "^") || strings.HasSuffix(body, "$")) && r.outer() {
		r.fail("an anchor beside | needs a group, as in ^(a|b)$")
	}
	if r.err != nil {
		return nil, r.err
	}
	return seq(literal(`"`), before, p, after, literal(`"`)), nil
}

// outer says whether the expression has alternatives outside of groups and classes.
func (r *regex) outer() bool {
	depth, class := 0, false
	for i := 0; i < len(r.source); i++ {
		switch c := r.source[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|' && depth == 0:
			return true
		}
	}
	return false
}

func (r *regex) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("pattern %s: "+format, append([]any{quote(r.source)}, args...)...)
	}
}

func (r *regex) peek() byte {
	if r.err != nil || r.at >= len(r.source) {
		return 0
	}
	return r.source[r.at]
}

func (r *regex) take(text string) bool {
	if r.err == nil && strings.HasPrefix(r.source[r.at:], text) {
		r.at += len(text)
		return true
	}
	return false
}

func (r *regex) alternatives(depth int) part {
	out := []part{r.sequence(depth)}
	for r.take("|") {
		out = append(out, r.sequence(depth))
	}
	return either(out...)
}

func (r *regex) sequence(depth int) part {
	var out []part
	for {
		if c := r.peek(); c == 0 || c == '|' || c == ')' || c == '$' {
			return seq(out...)
		}
		out = append(out, r.quantified(r.atom(depth)))
	}
}

func (r *regex) atom(depth int) part {
	switch {
	case r.take("(?:"), !strings.HasPrefix(r.source[r.at:], "(?") && r.take("("):
		if depth >= maxGroups {
			r.fail("groups lie deeper than %d", maxGroups)
			return nothing
		}
		p := r.alternatives(depth + 1)
		if !r.take(")") {
			r.fail("a group without its end, or with $ in it")
		}
		return p
	case r.peek() == '[':
		return runesOf(r.class())
	case r.take("."):
		return runesOf(without([]stretch{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}))
	case strings.IndexByte("(*+?{}^]", r.peek()) >= 0:
		r.fail("%s is not supported", quote(r.source[r.at:]))
		return nothing
	}
	return runesOf(r.single())
}

// single is a character, or those that an escape stands for.
func (r *regex) single() []stretch {
	if r.err != nil || r.at >= len(r.source) {
		r.fail("it ends too early")
		return nil
	}
	c, n := utf8.DecodeRuneInString(r.source[r.at:])
	r.at += n
	if c != '\\' {
		return []stretch{{c, c}}
	}
	c = rune(r.peek())
	r.at++
	for _, k := range [...]struct {
		name rune
		set  []stretch
	}{
		{'d', []stretch{{'0', '9'}}}, {'w', []stretch{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
		{'s', []stretch{{'\t', '\r'}, {' ', ' '}, {0xa0, 0xa0}, {0x1680, 0x1680}, {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}}},
		{'n', []stretch{{'\n', '\n'}}}, {'r', []stretch{{'\r', '\r'}}}, {'t', []stretch{{'\t', '\t'}}},
		{'f', []stretch{{'\f', '\f'}}}, {'v', []stretch{{'\v', '\v'}}},
	} {
		if c == k.name {
			return k.set
		}
		if c == k.name-'a'+'A' && strings.ContainsRune("dws", k.name) {
			return without(k.set)
		}
	}
	if strings.ContainsRune(`^$\.*+?()[]{}|/-"'`, c) && c != 0 {
		return []stretch{{c, c}}
	}
	r.fail("the escape \\%c is not supported", c)
	return nil
}

// class is what stands in brackets.
func (r *regex) class() []stretch {
	r.take("[")
	not := r.take("^")
	var set []stretch
	for !r.take("]") {
		if r.peek() == 0 {
			r.fail("a class without its end")
			return nil
		}
		from := r.single()
		if len(from) == 1 && from[0].lo == from[0].hi && r.peek() == '-' && !strings.HasPrefix(r.source[r.at:], "-]") {
			r.at++
			to := r.single()
			if len(to) != 1 || to[0].lo != to[0].hi || to[0].lo < from[0].lo {
				r.fail("a class with a range that is none")
				return nil
			}
			from = []stretch{{from[0].lo, to[0].lo}}
		}
		set = append(set, from...)
	}
	if not {
		return without(set)
	}
	return set
}

// without are all characters but some.
func without(set []stretch) (out []stretch) {
	set = slices.Clone(set)
	slices.SortFunc(set, func(a, b stretch) int { return int(a.lo - b.lo) })
	next := rune(0)
	for _, s := range set {
		if s.lo > next {
			out = append(out, stretch{next, s.lo - 1})
		}
		next = max(next, s.hi+1)
	}
	if next <= utf8.MaxRune {
		out = append(out, stretch{next, utf8.MaxRune})
	}
	return out
}

func (r *regex) quantified(p part) part {
	least, most := 1, 1
	switch {
	case r.take("*"):
		least, most = 0, -1
	case r.take("+"):
		least, most = 1, -1
	case r.take("?"):
		least, most = 0, 1
	case r.take("{"):
		least = r.number()
		if most = least; r.take(",") {
			if most = -1; r.peek() != '}' {
				most = r.number()
			}
		}
		if !r.take("}") || most >= 0 && most < least {
			r.fail("a quantifier that is none")
		}
	default:
		return p
	}
	r.take("?") // as few as possible: the same texts
	if strings.IndexByte("*+?{", r.peek()) >= 0 && r.peek() != 0 {
		r.fail("a quantifier of a quantifier")
	}
	return times(p, least, most)
}

func (r *regex) number() (n int) {
	from := r.at
	for c := r.peek(); c >= '0' && c <= '9' && n <= maxTimes; c = r.peek() {
		n = 10*n + int(c-'0')
		r.at++
	}
	if r.at == from || n > maxTimes {
		r.fail("a quantifier wants numbers up to %d", maxTimes)
	}
	return n
}
