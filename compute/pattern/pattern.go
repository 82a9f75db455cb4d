// Package pattern finds the matches of the regular expressions by which tokenizers cut text.
//
// It stands on the compute floor between ucd and tokenizer: a model id binds how text becomes ids,
// so the matcher is ours, works on code points, and takes its character classes from pinned tables.
// It knows what the patterns of published tokenizers use, with their meaning of leftmost match and
// first alternative: literals, sets with ranges, negation and && intersection, \s \S \d \D \w \W
// \p{..} \P{..} \x{..}, groups (also (?i:), alternatives, the quantifiers ? * + {n} {n,} {n,m} (greedy or
// possessive), the lookaheads (?= (?!, the anchors $ \b. Anything else is an error. SPEC 04 §4.
//
// Matching backtracks; each pattern that a tokenizer can name is tested to need few steps.
//
//	p, err := pattern.Compile(`\p{L}+|\s+(?!\S)|\s`)
//	start, end, ok := p.Find(pattern.NewText([]rune("two words")), 0, 9)
package pattern

import "elenchus/compute/ucd"

// Text is what is matched: code points and their categories.
type Text struct {
	Runes []rune
	cats  []ucd.Category
}

// NewText looks the categories up. It keeps the slice.
func NewText(runes []rune) Text {
	t := Text{runes, make([]ucd.Category, len(runes))}
	for i, r := range runes {
		if r < 0x80 && r >= 0 {
			t.cats[i] = asciiCategory[r]
			continue
		}
		t.cats[i] = ucd.Of(r)
	}
	return t
}

// Slice is the stretch of a text from one position to another.
func (t Text) Slice(from, to int) Text { return Text{t.Runes[from:to:to], t.cats[from:to:to]} }

// Category is the category of the character at a position.
func (t Text) Category(at int) ucd.Category { return t.cats[at] }

// Word says whether the character at a position is one of a word: \w. Outside the text none is.
func (t Text) Word(at int) bool {
	return at >= 0 && at < len(t.cats) && ucd.Word(t.Runes[at], t.cats[at])
}

// asciiCategory saves most searches.
var asciiCategory = func() (out [0x80]ucd.Category) {
	for i := range out {
		out[i] = ucd.Of(rune(i))
	}
	return out
}()

// Pattern is a compiled expression, immutable and safe for concurrent use. The zero value is
// illegal: use Compile.
type Pattern struct{ code []step }

// op is what a step does.
type op uint8

const (
	opSet    op = iota // least to most characters of the set
	opSplit            // go on at x, and if that fails at y
	opJump             // go on at x
	opLook             // the steps from here to x match (y = 1) or do not match (y = 0); go on at x
	opEnd              // the end of the stretch
	opBorder           // between a word character and another, or the end
	opMatch            // done
)

// many stands for no upper bound.
const many = 1 << 30

// step is one instruction.
type step struct {
	op          op
	possessive  bool
	x, y        int
	least, most int
	set         set
}

// set is a set of characters: those below 128 as bits, the others by rule.
type set struct {
	ascii  [2]uint64
	cats   ucd.Set
	ranges []rune // pairs: first, last
	space  bool   // White_Space too
	nspace bool   // everything but White_Space too
	word   bool   // word characters too
	nword  bool   // everything but word characters too
	not    bool   // the complement of all this
	but    *set   // intersection: in this too
}

func (s *set) has(r rune, c ucd.Category) bool {
	if r < 0x80 {
		return s.ascii[r>>6]>>(r&63)&1 != 0
	}
	return s.rule(r, c)
}

// rule is the definition of has.
func (s *set) rule(r rune, c ucd.Category) bool {
	in := s.cats.Has(c) || s.space && ucd.Space(r) || s.nspace && !ucd.Space(r) || s.word && ucd.Word(r, c) || s.nword && !ucd.Word(r, c)
	for i := 0; i < len(s.ranges) && !in; i += 2 {
		in = s.ranges[i] <= r && r <= s.ranges[i+1]
	}
	if in == s.not {
		return false
	}
	return s.but == nil || s.but.rule(r, c)
}

// fill computes the bits from the rule.
func (s *set) fill() {
	for r := rune(0); r < 0x80; r++ {
		if s.rule(r, ucd.Of(r)) {
			s.ascii[r>>6] |= 1 << (r & 63)
		}
	}
}

// Matcher finds matches in one text. It is not safe for concurrent use.
type Matcher struct {
	p     *Pattern
	text  Text
	stack []choice
	steps int
}

// choice is a way not yet taken: at step pc, from any position in low..high, the highest first.
type choice struct{ pc, low, high int }

// On returns a matcher of the pattern on a text.
func (p *Pattern) On(t Text) *Matcher { return &Matcher{p: p, text: t} }

// Steps is the work done so far: steps taken and characters looked at.
func (m *Matcher) Steps() int { return m.steps }

// Find returns the first match in text[from:end] that begins at from or later; nothing outside
// [.., end) is looked at. ok is false if there is none. A match may be empty.
func (m *Matcher) Find(from, end int) (start, stop int, ok bool) {
	for start = from; start <= end; start++ {
		if stop, ok = m.match(0, start, end); ok {
			return start, stop, true
		}
	}
	return 0, 0, false
}

// match runs the steps from pc at a position.
func (m *Matcher) match(pc, at, end int) (stop int, ok bool) {
	ground := len(m.stack)
	for {
		m.steps++
		s := &m.p.code[pc]
		ok = true
		switch s.op {
		case opMatch:
			m.stack = m.stack[:ground]
			return at, true
		case opSet:
			at, ok = m.run(s, pc+1, at, end)
			pc++
		case opSplit:
			if m.refuses(&m.p.code[s.x], at, end) {
				pc = s.y
				continue
			}
			m.stack = append(m.stack, choice{s.y, at, at})
			pc = s.x
		case opJump:
			pc = s.x
		case opLook:
			_, found := m.match(pc+1, at, end)
			ok = found == (s.y == 1)
			pc = s.x
		default:
			ok = m.anchor(s.op, at, end)
			pc++
		}
		if ok {
			continue
		}
		if len(m.stack) == ground {
			return 0, false
		}
		top := &m.stack[len(m.stack)-1]
		pc, at = top.pc, top.high
		top.high--
		if top.high < top.low {
			m.stack = m.stack[:len(m.stack)-1]
		}
	}
}

// refuses says whether a step takes a character, and not this one.
func (m *Matcher) refuses(s *step, at, end int) bool {
	return s.op == opSet && s.least > 0 && (at >= end || !s.set.has(m.text.Runes[at], m.text.cats[at]))
}

// run takes as many characters of the set as it can and leaves the shorter ways as choices.
func (m *Matcher) run(s *step, next, at, end int) (int, bool) {
	low := at + s.least
	last := end
	if s.most < end-at {
		last = at + s.most
	}
	start := at
	for at < last && s.set.has(m.text.Runes[at], m.text.cats[at]) {
		at++
	}
	m.steps += at - start
	if at < low {
		return 0, false
	}
	if at > low && !s.possessive {
		m.stack = append(m.stack, choice{next, low, at - 1})
	}
	return at, true
}

func (m *Matcher) anchor(o op, at, end int) bool {
	if o == opEnd {
		return at == end
	}
	return m.text.Word(at-1) != (at < end && m.text.Word(at))
}
