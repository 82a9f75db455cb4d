package grammar

import "slices"

// TokenBytes is how many bytes a token has less than: what a longer piece adds to a text is not wholly
// known (SPEC 04 §1.6), so no grammar allows it.
const TokenBytes = 128

// Vocabulary are the tokens of a model by their bytes. It is made once for a model and is safe for
// concurrent use.
type Vocabulary struct {
	size    int
	bytes   func(id int) []byte
	nodes   []node
	tokens  []int32 // by node: those whose bytes end there, ascending
	longest int     // bytes of a token
}

// node is a node of the tree of bytes, in the order of a walk that visits children after their parent.
type node struct {
	end    int32 // the first node that is not below this one
	lo, hi int32 // in tokens
	depth  uint8
	b      byte
}

// NewVocabulary arranges n tokens. bytes gives what a token adds to a text; it is called again later
// and must not change. Tokens without bytes, and those of TokenBytes and more, are in no grammar.
func NewVocabulary(n int, bytes func(id int) []byte) *Vocabulary {
	v := &Vocabulary{size: n, bytes: bytes}
	ids := make([]int32, 0, n)
	for id := range n {
		if b := bytes(id); len(b) > 0 && len(b) < TokenBytes {
			ids = append(ids, int32(id))
		}
	}
	slices.SortFunc(ids, func(a, b int32) int {
		if c := slices.Compare(bytes(int(a)), bytes(int(b))); c != 0 {
			return c
		}
		return int(a - b)
	})
	var path []int32 // nodes that lead to the last token
	var last []byte
	for i, id := range ids {
		b := bytes(int(id))
		v.longest = max(v.longest, len(b))
		same := common(last, b)
		v.close(path[same:])
		for path = path[:same]; len(path) < len(b); {
			path = append(path, int32(len(v.nodes)))
			v.nodes = append(v.nodes, node{lo: int32(i), hi: int32(i), depth: uint8(len(path)), b: b[len(path)-1]})
		}
		v.nodes[path[len(path)-1]].hi = int32(i) + 1
		last = b
	}
	v.close(path)
	v.tokens = ids
	return v
}

// close ends the nodes of a path, below which no more come.
func (v *Vocabulary) close(path []int32) {
	for _, p := range path {
		v.nodes[p].end = int32(len(v.nodes))
	}
}

// common is the length of the longest common beginning.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// walk calls visit for the tokens that the automaton allows in a state, with the state after them, and
// returns how many nodes it came to.
func (v *Vocabulary) walk(t steps, from int, visit func(tokens []int32, next int16)) (work int) {
	var states [TokenBytes + 1]int16
	states[0] = int16(from)
	for i := int32(0); int(i) < len(v.nodes); {
		work++
		n := &v.nodes[i]
		next := t[states[n.depth-1]][n.b]
		if next == refused {
			i = n.end
			continue
		}
		states[n.depth] = next
		if n.lo < n.hi {
			visit(v.tokens[n.lo:n.hi], next)
		}
		i++
	}
	return work
}

// after is the state after the bytes of a token.
func (v *Vocabulary) after(t steps, from int, id int32) int16 {
	at := int16(from)
	b := v.bytes(int(id))
	if len(b) == 0 || len(b) >= TokenBytes {
		return refused
	}
	for _, c := range b {
		if at = t[at][c]; at == refused {
			break
		}
	}
	return at
}
