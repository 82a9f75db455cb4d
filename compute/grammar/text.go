package grammar

import "unicode/utf8"

// JSON as grammars write it: at most one space behind a colon and a comma, no other white space.

func space() part { return maybe(literal(" ")) }
func comma() part { return seq(literal(","), space()) }
func colon() part { return seq(literal(":"), space()) }

func natural() part { return either(literal("0"), seq(digits(1, 9), many(digits(0, 9)))) }
func whole() part   { return seq(maybe(literal("-")), natural()) }
func boolean() part { return either(literal("true"), literal("false")) }
func null() part    { return literal("null") }

// number is any number, of at most two digits of exponent.
func number() part {
	exponent := seq(oneOf("eE"), maybe(oneOf("+-")), digits(0, 9), maybe(digits(0, 9)))
	return seq(whole(), maybe(seq(literal("."), digits(0, 9), many(digits(0, 9)))), maybe(exponent))
}

// character is a character of a string in any of its forms, surrogates excepted.
func character() part { return either(runesOf([]stretch{{0x20, utf8.MaxRune}}), escaped()) }

// escaped are characters behind a backslash.
func escaped() part {
	hex := hexBut("")
	return seq(literal(`\`), either(oneOf(`"\/bfnrt`), seq(literal("u"), either(
		seq(hexBut("dD"), hex, hex, hex), seq(oneOf("dD"), digits(0, 7), hex, hex)))))
}

// hexBut is a hexadecimal digit that is none of some.
func hexBut(not string) part {
	var all []byte
	for _, c := range []byte("0123456789abcdefABCDEF") {
		if not == "" || c != not[0] && c != not[1] {
			all = append(all, c)
		}
	}
	return oneOf(string(all))
}

// text is a string of least to most characters; most below 0 is any number.
func text(least, most int) part {
	return seq(literal(`"`), times(character(), least, most), literal(`"`))
}

// stretch are characters from lo to hi.
type stretch struct{ lo, hi rune }

// runesOf is one of some characters as a string has it: those that may not stand for themselves are
// written in their shortest form.
func runesOf(set []stretch) part {
	var out []part
	for _, s := range set {
		for r := s.lo; r <= min(s.hi, 0x1f); r++ {
			out = append(out, literal(spelled(r)))
		}
		for _, r := range []rune{'"', '\\'} {
			if s.lo <= r && r <= s.hi {
				out = append(out, literal(spelled(r)))
			}
		}
		for _, part := range [...]stretch{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0xd7ff}, {0xe000, utf8.MaxRune}} {
			out = append(out, encoded(max(s.lo, part.lo), min(s.hi, part.hi))...)
		}
	}
	return either(out...)
}

// spelled is a character that a string has behind a backslash.
func spelled(r rune) string {
	const short = "\b\f\n\r\t\"\\"
	for i, c := range short {
		if r == c {
			return `\` + string(`bfnrt"\`[i])
		}
	}
	const digit = "0123456789abcdef"
	return `\u00` + string(digit[r>>4]) + string(digit[r&15])
}

// encoded are the characters from lo to hi in UTF-8, none if lo is above hi.
func encoded(lo, hi rune) (out []part) {
	for _, most := range []rune{0x7f, 0x7ff, 0xffff, utf8.MaxRune} {
		if lo > hi {
			break
		}
		if lo <= most {
			end := min(hi, most)
			out = append(out, sameLength([]byte(string(lo)), []byte(string(end))))
			lo = end + 1
		}
	}
	return out
}

// sameLength are the texts between two of one length, each of whose later bytes may be any that continues
// a character.
func sameLength(lo, hi []byte) part {
	if len(lo) == 1 {
		return span(lo[0], hi[0])
	}
	if lo[0] == hi[0] {
		return seq(span(lo[0], lo[0]), sameLength(lo[1:], hi[1:]))
	}
	first, last := lo[0], hi[0]
	var out []part
	if !all(lo[1:], 0x80) {
		out = append(out, seq(span(first, first), sameLength(lo[1:], filled(len(lo)-1, 0xbf))))
		first++
	}
	if !all(hi[1:], 0xbf) {
		out = append(out, seq(span(last, last), sameLength(filled(len(hi)-1, 0x80), hi[1:])))
		last--
	}
	if first <= last {
		out = append(out, seq(span(first, last), times(span(0x80, 0xbf), len(lo)-1, len(lo)-1)))
	}
	return either(out...)
}

func all(b []byte, want byte) bool {
	for _, c := range b {
		if c != want {
			return false
		}
	}
	return true
}

func filled(n int, with byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = with
	}
	return b
}

// exactly is a text as a string, in the shortest form of each character.
func exactly(s string) part {
	parts := []part{literal(`"`)}
	for _, r := range s {
		if r < 0x20 || r == '"' || r == '\\' {
			parts = append(parts, literal(spelled(r)))
		} else {
			parts = append(parts, literal(string(r)))
		}
	}
	return seq(append(parts, literal(`"`))...)
}

// object is members in braces, of which those that need not be there may be left out. They stand in their
// order.
func object(members []member) part {
	return func(b *builder, from int32) int32 {
		none, some := literal("{")(b, from), b.state() // whether a member was written
		for i := range members {
			m := &members[i]
			start := b.state()
			b.link(none, start)
			b.link(comma()(b, some), start)
			end := seq(exactly(m.name), colon(), m.value)(b, start)
			if m.needed {
				none, some = b.state(), end
				continue
			}
			after := b.state()
			b.link(some, after)
			b.link(end, after)
			some = after
		}
		last := b.state()
		b.link(none, last)
		b.link(some, last)
		return literal("}")(b, last)
	}
}

type member struct {
	name   string
	value  part
	needed bool
}

// list is elements in brackets: the first ones each by its own part, others by rest, which is nil if there
// are none; least to most of them, most below 0 is any number.
func list(first []part, rest part, least, most int) part {
	return func(b *builder, from int32) int32 {
		at, end := literal("[")(b, from), b.state()
		for i := 0; b.err == nil; i++ {
			if i >= least {
				b.link(at, end)
			}
			if i == most || i >= len(first) && rest == nil {
				break
			}
			value := rest
			if i < len(first) {
				value = first[i]
			}
			if i > 0 {
				value = seq(comma(), value)
			}
			if most < 0 && i > 0 && i >= len(first) && i >= least {
				b.link(many(value)(b, at), end)
				break
			}
			at = value(b, at)
		}
		return literal("]")(b, end)
	}
}

// anything is any value with at most depth levels of objects and lists in it.
func anything(depth int) part {
	scalars := []part{text(0, -1), number(), boolean(), null()}
	if depth <= 0 {
		return either(scalars...)
	}
	return either(append(scalars, anyObject(anything(depth-1)), seq(literal("["), separated(anything(depth-1)), literal("]")))...)
}

// anyObject has members of any name.
func anyObject(value part) part {
	return seq(literal("{"), separated(seq(text(0, -1), colon(), value)), literal("}"))
}

// separated is p any number of times, with commas between them.
func separated(p part) part {
	return func(b *builder, from int32) int32 {
		start, end := b.state(), b.state()
		b.link(from, start)
		b.link(from, end)
		after := p(b, start)
		b.link(comma()(b, after), start)
		b.link(after, end)
		return end
	}
}
