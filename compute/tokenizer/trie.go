package tokenizer

import (
	"cmp"
	"slices"
)

// trie finds the pieces that begin at a position of a text. Node 0 is the root.
type trie struct {
	labels []byte  // of each node
	first  []int32 // its first child; children are neighbours, in order of their labels
	count  []int16 // number of children, at most 256
	ids    []int32 // the piece that ends here, or None
}

// newTrie holds the texts of the ids.
func newTrie(pieces []Piece, ids []int32) *trie {
	sorted := slices.Clone(ids)
	slices.SortFunc(sorted, func(a, b int32) int { return cmp.Compare(pieces[a].Text, pieces[b].Text) })
	t := &trie{}
	type span struct{ low, high, depth int }
	spans := []span{{0, len(sorted), 0}}
	t.add(0)
	for node := 0; node < len(spans); node++ {
		s := spans[node]
		if s.low < s.high && len(pieces[sorted[s.low]].Text) == s.depth {
			t.ids[node] = sorted[s.low]
			s.low++
		}
		t.first[node] = int32(len(t.labels))
		for s.low < s.high {
			label, end := pieces[sorted[s.low]].Text[s.depth], s.low+1
			for end < s.high && pieces[sorted[end]].Text[s.depth] == label {
				end++
			}
			t.add(label)
			t.count[node]++
			spans = append(spans, span{s.low, end, s.depth + 1})
			s.low = end
		}
	}
	return t
}

func (t *trie) add(label byte) {
	t.labels = append(t.labels, label)
	t.first = append(t.first, 0)
	t.count = append(t.count, 0)
	t.ids = append(t.ids, None)
}

// child is the node below a node by a byte, or -1.
func (t *trie) child(node int32, label byte) int32 {
	low := t.first[node]
	high := low + int32(t.count[node])
	for high-low > 4 {
		mid := (low + high) >> 1
		if t.labels[mid] <= label {
			low = mid
		} else {
			high = mid
		}
	}
	for ; low < high; low++ {
		if t.labels[low] == label {
			return low
		}
	}
	return -1
}

// longest is the longest piece that text begins with, and its length; None if there is none.
func (t *trie) longest(text string) (id int32, size int) {
	id = None
	for node, i := int32(0), 0; ; i++ {
		if t.ids[node] != None {
			id, size = t.ids[node], i
		}
		if i == len(text) {
			return id, size
		}
		if node = t.child(node, text[i]); node < 0 {
			return id, size
		}
	}
}
