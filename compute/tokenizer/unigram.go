package tokenizer

import (
	"fmt"
	"slices"
)

// indexScores makes the search for the likeliest pieces ready.
func (t *Tokenizer) indexScores() error {
	c := &t.config
	if len(c.Scores) != len(c.Pieces) || c.Unknown == None {
		return fmt.Errorf("tokenizer: %d scores for %d pieces, unknown piece %d: want one each and an unknown piece", len(c.Scores), len(c.Pieces), c.Unknown)
	}
	var ids []int32
	for i, p := range c.Pieces {
		if !finiteScore(c.Scores[i]) {
			return fmt.Errorf("tokenizer: score %d is 0x%016x, want a number of magnitude below 2^64", i, c.Scores[i])
		}
		if p.Kind == Normal || p.Kind == UserDefined || p.Kind == Unused {
			ids = append(ids, int32(i))
		}
	}
	if !finiteScore(c.UnknownScore) {
		return fmt.Errorf("tokenizer: score of the unknown piece is 0x%016x, want a number of magnitude below 2^64", c.UnknownScore)
	}
	t.trie = newTrie(c.Pieces, ids)
	return nil
}

// best is the best way to a position: the last piece, where it begins, the sum of scores.
type best struct {
	id, from int32
	score    uint64
	reached  bool
}

// likeliest is the state of the search; its memory serves word after word.
type likeliest struct {
	t    *Tokenizer
	ways []best
	text []byte
	back []int32
}

// encode appends the ids of a word: the pieces with the largest sum of scores. Where two ways to a
// position have the same sum, the one whose last piece begins first wins.
func (l *likeliest) encode(ids []int32, w word) []int32 {
	l.text = appendRunes(l.text[:0], w.Runes)
	n := len(l.text)
	l.ways = slices.Grow(l.ways[:0], n+1)[:n+1]
	clear(l.ways)
	l.ways[0].reached = true
	for at := 0; at < n; {
		size := min(charBytes(l.text[at]), n-at)
		if !l.extend(at, size) {
			l.offer(at, at+size, l.t.config.Unknown, l.t.config.UnknownScore)
		}
		at += size
	}
	return l.collect(ids)
}

// extend offers every piece that begins at a position, and says whether one is just the character.
func (l *likeliest) extend(at, size int) (whole bool) {
	t := l.t.trie
	for node, i := int32(0), at; i < len(l.text); {
		if node = t.child(node, l.text[i]); node < 0 {
			return whole
		}
		i++
		if id := t.ids[node]; id != None {
			whole = whole || i-at == size
			l.offer(at, i, id, l.t.config.Scores[id])
		}
	}
	return whole
}

func (l *likeliest) offer(from, to int, id int32, score uint64) {
	sum := add(l.ways[from].score, score)
	if w := &l.ways[to]; !w.reached || order(sum) > order(w.score) {
		*w = best{id, int32(from), sum, true}
	}
}

// collect walks back, joins runs of unknown and appends the ids.
func (l *likeliest) collect(ids []int32) []int32 {
	l.back = l.back[:0]
	for at := len(l.text); at > 0; at = int(l.ways[at].from) {
		l.back = append(l.back, int32(at))
	}
	unknown := l.t.config.Unknown
	from := 0
	for i := len(l.back) - 1; i >= 0; i-- {
		w := l.ways[l.back[i]]
		if w.id != unknown {
			ids, from = append(ids, w.id), int(l.back[i])
			continue
		}
		if i > 0 && l.ways[l.back[i-1]].id == unknown {
			continue
		}
		ids = l.unknown(ids, l.text[from:l.back[i]])
		from = int(l.back[i])
	}
	return ids
}

// unknown appends the bytes of a stretch, if there is a piece for each, or one unknown.
func (l *likeliest) unknown(ids []int32, text []byte) []int32 {
	n := len(ids)
	if l.t.config.Options&ByteFallback == 0 {
		return append(ids, l.t.config.Unknown)
	}
	for _, b := range text {
		if l.t.bytes[b] == None {
			return append(ids[:n], l.t.config.Unknown)
		}
		ids = append(ids, l.t.bytes[b])
	}
	return ids
}
