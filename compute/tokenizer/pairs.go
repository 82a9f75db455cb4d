package tokenizer

// pair is a possible merge of the symbols left and right into size bytes.
type pair struct {
	score       int32
	left, right int
	size        int
}

// before orders pairs: larger score first, then leftmost. Two pairs that agree
// in both start at the same symbol, and at most one of them is not stale, so
// their order does not matter.
func (p pair) before(q pair) bool {
	return p.score > q.score || p.score == q.score && p.left < q.left
}

// pairs is a binary heap with the first pair on top.
type pairs []pair

func (h *pairs) push(p pair) {
	*h = append(*h, p)
	a := *h
	i := len(a) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !p.before(a[up]) {
			break
		}
		a[i] = a[up]
		i = up
	}
	a[i] = p
}

// pop removes and returns the first pair of a heap that is not empty.
func (h *pairs) pop() pair {
	a := *h
	top, last := a[0], a[len(a)-1]
	a = a[:len(a)-1]
	*h = a
	if len(a) == 0 {
		return top
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= len(a) {
			break
		}
		if down+1 < len(a) && a[down+1].before(a[down]) {
			down++
		}
		if !a[down].before(last) {
			break
		}
		a[i] = a[down]
		i = down
	}
	a[i] = last
	return top
}
