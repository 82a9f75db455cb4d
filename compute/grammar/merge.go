package grammar

// merger finds which states of an automaton no text tells apart: it parts blocks of them until the symbols
// of each kind lead from a block to one block. State n stands for all that is refused.
type merger struct {
	kinds    int       // of symbols that no edge tells apart
	before   [][]int32 // by kind * (n + 1) + state: the states that lead there
	elements []int32   // states, those of a block together
	place    []int32   // of a state in elements
	block    []int32   // of a state
	first    []int32   // of a block in elements
	last     []int32   // one more than its last
	marked   []int32   // how many of a block, at its beginning, lead to the splitter
	waiting  []bool    // blocks that are to split others
	queue    []int32
}

func newMerger(w *widener) *merger {
	kind := make([]int, w.b.symbols())
	m := &merger{kinds: kindsOf(w, kind)}
	n := len(w.sets)
	m.before = make([][]int32, m.kinds*(n+1))
	for s := range n + 1 {
		to := make([]int32, m.kinds)
		for k := range to {
			to[k] = int32(n)
		}
		if s < n {
			for _, e := range w.rows[s] {
				for k := kind[e.lo]; k <= kind[e.hi]; k++ {
					to[k] = e.to
				}
			}
		}
		for k, t := range to {
			at := k*(n+1) + int(t)
			m.before[at] = append(m.before[at], int32(s))
		}
	}
	m.begin(w.accept)
	return m
}

// kindsOf numbers symbols so that those between two ends of edges have one number.
func kindsOf(w *widener, kind []int) int {
	cut := make([]bool, len(kind)+1)
	for _, row := range w.rows {
		for _, e := range row {
			cut[e.lo], cut[int(e.hi)+1] = true, true
		}
	}
	k := 0
	for b := range kind {
		if cut[b] && b > 0 {
			k++
		}
		kind[b] = k
	}
	return k + 1
}

// begin makes two blocks: states where a text may end, and others.
func (m *merger) begin(accept []bool) {
	n := len(accept) + 1
	m.place, m.block = make([]int32, n), make([]int32, n)
	for _, want := range []bool{true, false} {
		from := int32(len(m.elements))
		for s := range n {
			if s < n-1 && accept[s] == want || s == n-1 && !want {
				m.place[s], m.block[s] = int32(len(m.elements)), int32(len(m.first))
				m.elements = append(m.elements, int32(s))
			}
		}
		if to := int32(len(m.elements)); to > from {
			m.add(from, to, true)
		}
	}
}

func (m *merger) add(first, last int32, waits bool) {
	m.first, m.last, m.marked = append(m.first, first), append(m.last, last), append(m.marked, 0)
	m.waiting = append(m.waiting, waits)
	if waits {
		m.queue = append(m.queue, int32(len(m.first)-1))
	}
}

func (m *merger) run() {
	for len(m.queue) > 0 {
		b := m.queue[len(m.queue)-1]
		m.queue, m.waiting[b] = m.queue[:len(m.queue)-1], false
		splitter := append([]int32(nil), m.elements[m.first[b]:m.last[b]]...)
		for k := range m.kinds {
			m.split(splitter, k)
		}
	}
}

// split parts all blocks by whether a kind of symbol leads to the splitter.
func (m *merger) split(splitter []int32, kind int) {
	var touched []int32
	for _, t := range splitter {
		for _, s := range m.before[kind*len(m.block)+int(t)] {
			b := m.block[s]
			if m.marked[b] == 0 {
				touched = append(touched, b)
			}
			m.swap(s, m.first[b]+m.marked[b])
			m.marked[b]++
		}
	}
	for _, b := range touched {
		from, mid, to := m.first[b], m.first[b]+m.marked[b], m.last[b]
		m.marked[b] = 0
		if mid == to {
			continue
		}
		// The smaller part becomes a new block; of a block that waits both parts must.
		lo, hi := from, mid
		if m.first[b] = mid; mid-from > to-mid {
			lo, hi = mid, to
			m.first[b], m.last[b] = from, mid
		}
		for _, s := range m.elements[lo:hi] {
			m.block[s] = int32(len(m.first))
		}
		m.add(lo, hi, true)
	}
}

// swap puts a state at a place of elements.
func (m *merger) swap(s, to int32) {
	at, other := m.place[s], m.elements[to]
	m.elements[at], m.elements[to] = other, s
	m.place[other], m.place[s] = at, to
}
