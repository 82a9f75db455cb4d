package grammar

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of what a grammar may unfold to before it is made small. SPEC 16 §3.8.
const (
	maxParts = 1 << 17 // states of the automaton that guesses
	maxWide  = 1 << 15 // states of the one that does not
	maxMoves = 1 << 26 // steps of making the second from the first
)

// builder writes an automaton that guesses: several edges of a state may take one symbol, and free ones none.
type builder struct {
	edges  [][]move
	free   [][]int32
	pieces []int32 // ids of control pieces; that of index i is symbol 256 + i
	err    error
}

// move leads to a state with the symbols lo to hi: a byte, or 256 and above for a control piece.
type move struct {
	lo, hi uint16
	to     int32
}

// bytesEnd is the number of symbols that are bytes.
const bytesEnd = 256

// symbols is how many there are.
func (b *builder) symbols() int { return bytesEnd + len(b.pieces) }

// part writes itself behind a state and returns the state behind it.
type part func(b *builder, from int32) int32

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: "+format, append([]any{ErrGrammar}, args...)...)
	}
}

// state makes a state that nothing leads to yet.
func (b *builder) state() int32 {
	if len(b.edges) >= maxParts {
		b.fail("it unfolds to more than %d parts", maxParts)
	}
	if b.err != nil {
		return 0
	}
	b.edges, b.free = append(b.edges, nil), append(b.free, nil)
	return int32(len(b.edges) - 1)
}

func (b *builder) link(from, to int32) {
	if b.err == nil && from != to {
		b.free[from] = append(b.free[from], to)
	}
}

// span is one byte from lo to hi.
func span(lo, hi byte) part {
	return func(b *builder, from int32) int32 { return b.move(from, uint16(lo), uint16(hi)) }
}

// move makes a state behind one with the symbols lo to hi.
func (b *builder) move(from int32, lo, hi uint16) int32 {
	to := b.state()
	if b.err == nil {
		b.edges[from] = append(b.edges[from], move{lo, hi, to})
	}
	return to
}

// control is the control piece of an id.
func control(id int32) part {
	return func(b *builder, from int32) int32 {
		i := slices.Index(b.pieces, id)
		if i < 0 {
			i = len(b.pieces)
			b.pieces = append(b.pieces, id)
		}
		symbol := uint16(bytesEnd + i)
		return b.move(from, symbol, symbol)
	}
}

func literal(text string) part {
	return func(b *builder, from int32) int32 {
		for i := range len(text) {
			from = span(text[i], text[i])(b, from)
		}
		return from
	}
}

func nothing(_ *builder, from int32) int32 { return from }

// never is what no text is.
func never(b *builder, _ int32) int32 { return b.state() }

func seq(parts ...part) part {
	return func(b *builder, from int32) int32 {
		for _, p := range parts {
			if b.err == nil {
				from = p(b, from)
			}
		}
		return from
	}
}

func either(parts ...part) part {
	return func(b *builder, from int32) int32 {
		end := b.state()
		for _, p := range parts {
			if b.err != nil {
				break
			}
			start := b.state()
			b.link(from, start)
			b.link(p(b, start), end)
		}
		return end
	}
}

func maybe(p part) part { return either(nothing, p) }

// many is p any number of times.
func many(p part) part {
	return func(b *builder, from int32) int32 {
		loop := b.state()
		b.link(from, loop)
		b.link(p(b, loop), loop)
		end := b.state()
		b.link(loop, end)
		return end
	}
}

// times is p least to most times; most below 0 is any number.
func times(p part, least, most int) part {
	return func(b *builder, from int32) int32 {
		for i := 0; i < least && b.err == nil; i++ {
			from = p(b, from)
		}
		if most < 0 {
			return many(p)(b, from)
		}
		end := b.state()
		b.link(from, end)
		for i := least; i < most && b.err == nil; i++ {
			from = p(b, from)
			b.link(from, end)
		}
		return end
	}
}

// oneOf is one of the bytes of a text.
func oneOf(bytes string) part {
	return func(b *builder, from int32) int32 {
		end := b.state()
		for i := range len(bytes) {
			if b.err == nil {
				b.edges[from] = append(b.edges[from], move{uint16(bytes[i]), uint16(bytes[i]), end})
			}
		}
		return end
	}
}

// digits is a digit from lo to hi.
func digits(lo, hi byte) part { return span('0'+lo, '0'+hi) }

// automaton is the smallest automaton of the texts of a part.
func automaton(p part) (*Automaton, error) {
	b := &builder{}
	start := b.state()
	end := p(b, start)
	if b.err != nil {
		return nil, b.err
	}
	w := &widener{b: b, end: end, number: map[string]int32{}, seen: make([]int32, len(b.edges))}
	if err := w.run(start); err != nil {
		return nil, err
	}
	a := w.smallest()
	switch {
	case len(a.States) == 0:
		return nil, fmt.Errorf("%w: no text satisfies it", ErrGrammar)
	case len(a.States) > MaxStates:
		return nil, fmt.Errorf("%w: it has %d states, at most %d", ErrGrammar, len(a.States), MaxStates)
	}
	if n := len(a.Encode()); n > MaxSource {
		return nil, fmt.Errorf("%w: its automaton has %d bytes, at most %d", ErrGrammar, n, MaxSource)
	}
	return a, nil
}

// quote names a text of a schema in an error.
func quote(text string) string { return fmt.Sprintf("%.40q", strings.ToValidUTF8(text, "\ufffd")) }
