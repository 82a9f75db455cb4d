package grammar

import "encoding/binary"

// States that count, as those of a string of at most so many characters do, look alike to tokens: each
// token that one refuses the other refuses, and two tokens that lead from one to the same state do so from
// the other. So the tokens are gone through once for all that look alike.

// maxLooks bounds the edges that are followed to see which states look alike; those that come then are taken
// to look like no other.
const maxLooks = 1 << 26

// alike finds states that tokens do not tell apart but by where they are.
type alike struct {
	a       *Automaton
	longest int     // bytes of a token
	place   []int32 // by state: its place in near, plus 1, in the round that seen says
	seen    []int32
	round   int32
	near    []int16 // the states around one, in the order in which bytes reach them
	away    []int   // of each in bytes
	looks   int
	groups  map[string]*group
}

// group are states that look alike: the places, in what is around them, to which tokens lead.
type group struct {
	hits []int32
	met  []bool // by place, while hits are collected
}

func newAlike(a *Automaton, longest int) *alike {
	n := len(a.States)
	return &alike{a: a, longest: longest, place: make([]int32, n), seen: make([]int32, n), groups: map[string]*group{}}
}

// group is that of a state, and whether it is new; near has the states around it.
func (l *alike) group(s int16) (g *group, made bool) {
	key := l.look(s)
	if l.looks > maxLooks {
		return &group{}, true
	}
	if g = l.groups[key]; g == nil {
		g, made = &group{}, true
		l.groups[key] = g
	}
	return g, made
}

// look writes down what tokens can meet from a state on, with states by their order.
func (l *alike) look(s int16) string {
	l.round++
	l.near, l.away = l.near[:0], l.away[:0]
	l.meet(s, 0)
	var out []byte
	for i := 0; i < len(l.near) && l.looks <= maxLooks; i++ {
		if l.away[i] == l.longest {
			break // and all behind it, since nearer ones come first
		}
		edges := l.a.States[l.near[i]].Edges
		out = append(out, byte(len(edges)))
		for _, e := range edges {
			at := l.meet(int16(e.Next), l.away[i]+1)
			out = append(out, e.Lo, e.Hi, byte(at>>8), byte(at))
		}
		l.looks += len(edges)
	}
	for _, p := range l.a.States[s].Pieces { // behind the rest: what follows a piece is of another token
		at := l.meet(int16(p.Next), l.longest)
		out = binary.BigEndian.AppendUint32(out, uint32(p.ID))
		out = append(out, byte(at>>8), byte(at))
	}
	return string(out)
}

// meet is the place of a state in near.
func (l *alike) meet(s int16, away int) int32 {
	if l.seen[s] != l.round {
		l.seen[s], l.place[s] = l.round, int32(len(l.near))
		l.near, l.away = append(l.near, s), append(l.away, away)
	}
	return l.place[s]
}
