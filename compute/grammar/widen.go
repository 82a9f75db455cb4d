package grammar

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// widener makes an automaton that does not guess: its states are sets of states of one that does.
type widener struct {
	b      *builder
	end    int32
	number map[string]int32 // of sets
	sets   [][]int32        // ascending
	rows   [][]move         // by set, ascending
	accept []bool
	seen   []int32 // by state: the closure that it is in, counted by round
	round  int32
	moves  int
}

// run makes all sets that can be reached.
func (w *widener) run(start int32) error {
	w.set([]int32{start})
	for at := 0; at < len(w.sets); at++ {
		if len(w.sets) > maxWide {
			return fmt.Errorf("%w: it has more than %d states before it is made small", ErrGrammar, maxWide)
		}
		if w.moves > maxMoves {
			return fmt.Errorf("%w: making its automaton takes more than %d steps", ErrGrammar, maxMoves)
		}
		w.rows = append(w.rows, w.row(w.sets[at]))
	}
	return nil
}

// set is the number of the closure of states under free edges.
func (w *widener) set(states []int32) int32 {
	w.round++
	var all []int32
	accept := false
	for queue := states; len(queue) > 0; {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if w.seen[s] == w.round {
			continue
		}
		w.seen[s] = w.round
		w.moves++
		if accept = accept || s == w.end; len(w.b.edges[s]) > 0 || s == w.end {
			all = append(all, s)
		}
		queue = append(queue, w.b.free[s]...)
	}
	slices.Sort(all)
	key := make([]byte, 0, 4*len(all))
	for _, s := range all {
		key = binary.BigEndian.AppendUint32(key, uint32(s))
	}
	n, ok := w.number[string(key)]
	if !ok {
		n = int32(len(w.sets))
		w.number[string(key)] = n
		w.sets, w.accept = append(w.sets, all), append(w.accept, accept)
	}
	return n
}

// row are the moves of a set: for each stretch of symbols on which all its states agree one.
func (w *widener) row(set []int32) (out []move) {
	symbols := w.b.symbols()
	cut := make([]bool, symbols+1)
	n := 0
	for _, s := range set {
		for _, e := range w.b.edges[s] {
			cut[e.lo], cut[int(e.hi)+1] = true, true
			n++
		}
	}
	for lo := 0; lo < symbols; {
		hi := lo + 1
		for hi < symbols && !cut[hi] {
			hi++
		}
		var to []int32
		for _, s := range set {
			for _, e := range w.b.edges[s] {
				if int(e.lo) <= lo && lo <= int(e.hi) {
					to = append(to, e.to)
				}
			}
		}
		w.moves += n
		if len(to) > 0 {
			out = append(out, move{uint16(lo), uint16(hi - 1), w.set(to)})
		}
		lo = hi
	}
	return out
}

// smallest is the smallest automaton of the same texts: states without a way to an end are left out,
// others merged, and the rest numbered in the order in which symbols reach them.
func (w *widener) smallest() *Automaton {
	m := newMerger(w)
	m.run()
	dead := m.block[len(w.sets)]
	number := make([]int32, len(m.first))
	var order []int32 // blocks
	reach := func(block int32) int32 {
		if number[block] == 0 {
			order = append(order, block)
			number[block] = int32(len(order))
		}
		return number[block] - 1
	}
	a := &Automaton{}
	if m.block[0] == dead {
		return a
	}
	reach(m.block[0])
	for at := 0; at < len(order); at++ {
		s := m.elements[m.first[order[at]]]
		state := State{Accept: w.accept[s]}
		for _, e := range w.rows[s] {
			if m.block[e.to] == dead {
				continue
			}
			state.lead(w.b.pieces, e, uint16(reach(m.block[e.to])))
		}
		slices.SortFunc(state.Pieces, func(x, y Piece) int { return int(x.ID) - int(y.ID) })
		a.States = append(a.States, state)
	}
	return a
}

// lead adds the edges of a move to a state.
func (s *State) lead(pieces []int32, m move, to uint16) {
	if m.lo >= bytesEnd {
		for symbol := m.lo; symbol <= m.hi; symbol++ {
			s.Pieces = append(s.Pieces, Piece{pieces[symbol-bytesEnd], to})
		}
		return
	}
	if n := len(s.Edges); n > 0 && s.Edges[n-1].Next == to && int(s.Edges[n-1].Hi)+1 == int(m.lo) {
		s.Edges[n-1].Hi = byte(m.hi)
		return
	}
	s.Edges = append(s.Edges, Edge{byte(m.lo), byte(m.hi), to})
}
