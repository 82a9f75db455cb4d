package grammar

import (
	"fmt"
	"slices"

	"elenchus/compute/opset"
)

// Table is the token table of an automaton over a vocabulary, where an answer ends with one of the ids
// ends; the zeros behind it are left out. Entries are those of SPEC 02 §4.11:
//
//   - classes: tokens are of one class if they lead from every state to the same one; classes are
//     numbered by their first tokens,
//   - rows: of the states from which some answer can be completed with tokens, in their order; the first
//     is that of state 0. An id of ends is allowed where a text may end, leaves the state as it is, and
//     is allowed nowhere else; other ids without bytes are allowed where an edge has them.
//
// The error is ErrGrammar: if nothing can be said in this vocabulary, if an edge has an id that is not of
// it, has bytes or is one of ends, or if the table has more than opset.GrammarCount elements.
func (v *Vocabulary) Table(a *Automaton, ends []int32) ([]int32, error) {
	b := &binding{v: v, a: a, t: a.steps(), end: make([]bool, v.size)}
	for _, id := range ends {
		if id >= 0 && int(id) < v.size {
			b.end[id] = true
			b.ends = append(b.ends, id)
		}
	}
	if err := b.checkPieces(); err != nil {
		return nil, err
	}
	if err := b.findLive(); err != nil {
		return nil, err
	}
	class, first := b.classes()
	return b.fill(class, first)
}

// binding is an automaton on its way to a table.
type binding struct {
	v    *Vocabulary
	a    *Automaton
	t    steps
	end  []bool // by token
	ends []int32
	live []bool // by state: it is reached, and an answer can be completed from it
	work int    // nodes visited

	group   []*group  // by state: those that look like it
	targets [][]int16 // by state: where tokens lead, in the order of its group
}

// checkPieces refuses edges by ids that cannot be kept to.
func (b *binding) checkPieces() error {
	for i := range b.a.States {
		for _, p := range b.a.States[i].Pieces {
			if int(p.ID) >= b.v.size || b.end[p.ID] || len(b.v.bytes(int(p.ID))) > 0 {
				return fmt.Errorf("%w: state %d has an edge with id %d; want one of %d tokens that has no bytes and ends no answer", ErrGrammar, i, p.ID, b.v.size)
			}
		}
	}
	return nil
}

// maxWork bounds the nodes that a table may visit: about a second.
const maxWork = 1 << 26

// next calls visit for what a state allows that is not an end.
func (b *binding) next(s int, visit func(token int32, next int16)) {
	if b.work > maxWork {
		return
	}
	b.work += b.v.walk(b.t, s, func(tokens []int32, next int16) {
		for _, id := range tokens {
			if !b.end[id] {
				visit(id, next)
			}
		}
	})
	for _, p := range b.a.States[s].Pieces {
		visit(p.ID, int16(p.Next))
	}
}

// after is the state after a token that is no end, refused if the automaton has none.
func (b *binding) after(s int, id int32) int16 {
	if len(b.v.bytes(int(id))) == 0 {
		return b.a.States[s].piece(id)
	}
	return b.v.after(b.t, s, id)
}

// findLive marks the states that tokens reach and from which tokens reach an end.
func (b *binding) findLive() error {
	n := len(b.a.States)
	before := make([][]int32, n) // states from which a token leads here
	reached, queue := make([]bool, n), []int32{0}
	reached[0] = true
	b.group, b.targets = make([]*group, n), make([][]int16, n)
	like := newAlike(b.a, b.v.longest)
	for len(queue) > 0 {
		if b.work > maxWork/2 {
			return fmt.Errorf("%w: binding it to the model's tokens takes more than %d steps; use fewer long strings", ErrGrammar, maxWork/2)
		}
		s := queue[0]
		queue = queue[1:]
		b.lead(like, int16(s))
		for _, next := range b.targets[s] {
			before[next] = append(before[next], s)
			if !reached[next] {
				reached[next] = true
				queue = append(queue, int32(next))
			}
		}
	}
	b.live = make([]bool, n)
	for s := range b.live {
		if reached[s] && b.a.States[s].Accept && len(b.ends) > 0 {
			b.live[s] = true
			queue = append(queue, int32(s))
		}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, s := range before[queue[0]] {
			if !b.live[s] {
				b.live[s] = true
				queue = append(queue, s)
			}
		}
	}
	if !b.live[0] {
		return fmt.Errorf("%w: no answer that it allows can be written with the tokens of the model", ErrGrammar)
	}
	return nil
}

// lead finds where tokens lead from a state: by what a state that looks alike has shown, if one came before.
func (b *binding) lead(like *alike, s int16) {
	g, made := like.group(s)
	if made {
		b.next(int(s), func(_ int32, next int16) {
			if at := like.meet(next, 0); int(at) >= len(g.met) || !g.met[at] {
				g.met = append(g.met, make([]bool, max(0, int(at)+1-len(g.met)))...)
				g.met[at] = true
				g.hits = append(g.hits, at)
			}
		})
		g.met = nil
	}
	b.group[s] = g
	for _, at := range g.hits {
		b.targets[s] = append(b.targets[s], like.near[at])
	}
}

// told says whether a state that looks alike, and from which the same tokens lead to live states, parts the
// tokens as this one does; it notes the state.
func (b *binding) told(known map[aspect]bool, s int) bool {
	live := make([]byte, len(b.targets[s]))
	for i, next := range b.targets[s] {
		if b.live[next] {
			live[i] = 1
		}
	}
	at := aspect{b.group[s], string(live)}
	was := known[at]
	known[at] = true
	return was
}

// aspect is how a state looks to tokens once it is known which states are live.
type aspect struct {
	group *group
	live  string
}

// pair is a class of tokens as far as states were looked at, and where its tokens lead from the next one.
type pair struct {
	class int32
	next  int16
}

// classes gives the class of each token, numbered by first tokens, and these. State by state it parts
// tokens that lead to different ones; a token that is refused keeps its class.
func (b *binding) classes() (class, first []int32) {
	class = make([]int32, b.v.size)
	names := int32(1)
	part := func(s int, visit func(func(int32, int16))) {
		parts := map[pair]int32{}
		last, to := pair{-1, refused}, int32(0) // neighbours are often alike
		visit(func(id int32, next int16) {
			if p := (pair{class[id], next}); p != last {
				c, ok := parts[p]
				if !ok {
					c = names
					names++
					parts[p] = c
				}
				last, to = p, c
			}
			class[id] = to
		})
	}
	known := map[aspect]bool{}
	for s := range b.live {
		if !b.live[s] || b.told(known, s) {
			continue
		}
		part(s, func(visit func(int32, int16)) {
			b.next(s, func(id int32, next int16) {
				if b.live[next] {
					visit(id, next)
				}
			})
		})
	}
	for _, id := range b.ends {
		class[id] = names // some state allows them, and others without bytes only by edges of their own
	}
	number := make([]int32, names+1)
	for id := range class {
		c := &number[class[id]]
		if *c == 0 {
			first = append(first, int32(id))
			*c = int32(len(first))
		}
		class[id] = *c - 1
	}
	return class, first
}

// fill writes classes and rows.
func (b *binding) fill(class, first []int32) ([]int32, error) {
	rows := 0
	row := make([]int, len(b.live))
	for s, live := range b.live {
		if live {
			row[s] = rows
			rows++
		}
	}
	if n := len(class) + rows*len(first); n > opset.GrammarCount {
		return nil, fmt.Errorf("%w: its table has %d elements (%d tokens, %d states of %d classes of tokens), at most %d", ErrGrammar,
			n, len(class), rows, len(first), opset.GrammarCount)
	}
	table := slices.Grow(slices.Clone(class), rows*len(first))
	for s, live := range b.live {
		if !live {
			continue
		}
		for _, id := range first {
			table = append(table, b.entry(s, id, row, len(first)))
		}
	}
	for len(table) > 0 && table[len(table)-1] == 0 {
		table = table[:len(table)-1]
	}
	return table, nil
}

// entry is that of a token in the row of a state.
func (b *binding) entry(s int, id int32, row []int, classes int) int32 {
	to := b.after(s, id)
	switch {
	case b.end[id] && b.a.States[s].Accept:
		to = int16(s)
	case b.end[id] || to == refused || !b.live[to]:
		return 0
	}
	return int32(row[to]*classes) + 1
}
