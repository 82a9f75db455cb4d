package tokenizer

import "fmt"

// Merge joins two pieces into the piece whose text is both of theirs; its rank is its position.
type Merge struct{ Left, Right int32 }

// merged is what a merge gives and when.
type merged struct{ rank, id int32 }

func key(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) }

// indexMerges makes merging by rank ready. Merges are distinct and name normal text.
func (t *Tokenizer) indexMerges() error {
	c := &t.config
	if len(c.Merges) > MaxMerges {
		return fmt.Errorf("tokenizer: %d merges, at most %d", len(c.Merges), MaxMerges)
	}
	for b := range t.letterIDs {
		t.letterIDs[b], _ = t.textID(appendRune(nil, letterOf(byte(b))))
	}
	t.merges = make(map[uint64]merged, len(c.Merges))
	for rank, m := range c.Merges {
		if m.Left < 0 || m.Right < 0 || int(m.Left) >= len(c.Pieces) || int(m.Right) >= len(c.Pieces) {
			return fmt.Errorf("tokenizer: merge %d of the pieces %d and %d, want 0..%d", rank, m.Left, m.Right, len(c.Pieces)-1)
		}
		text := c.Pieces[m.Left].Text + c.Pieces[m.Right].Text
		id, ok := t.ids[text]
		if !ok {
			return fmt.Errorf("tokenizer: merge %d gives %q, which is no piece", rank, text)
		}
		k := key(m.Left, m.Right)
		if _, twice := t.merges[k]; twice {
			return fmt.Errorf("tokenizer: merge %d of the pieces %d and %d is there already", rank, m.Left, m.Right)
		}
		t.merges[k] = merged{int32(rank), id}
	}
	return nil
}

// part is a symbol of a word being merged; id is None once its left neighbour took it.
type part struct {
	id         int32
	prev, next int32
}

// ranked is the state of merging by rank; its memory serves word after word.
type ranked struct {
	t     *Tokenizer
	parts []part
	queue pairs

	text, letters []byte
}

// encode appends the ids of a word.
func (m *ranked) encode(ids []int32, w word) []int32 {
	m.text = appendRunes(m.text[:0], w.Runes)
	if m.t.config.Options&Whole != 0 {
		if m.t.lettersLast {
			m.letters = appendLetters(m.letters[:0], m.text)
		} else {
			m.letters = append(m.letters[:0], m.text...)
		}
		if id, ok := m.t.textID(m.letters); ok {
			return append(ids, id)
		}
	}
	m.split()
	m.queue = m.queue[:0]
	for i := 1; i < len(m.parts); i++ {
		m.propose(int32(i-1), int32(i))
	}
	for len(m.queue) > 0 {
		m.apply(m.queue.pop())
	}
	for i := int32(0); i >= 0 && int(i) < len(m.parts); i = m.parts[i].next {
		ids = append(ids, m.parts[i].id)
	}
	return ids
}

// appendLetters appends the letters of bytes.
func appendLetters(out, text []byte) []byte {
	for _, b := range text {
		out = appendRune(out, letterOf(b))
	}
	return out
}

// textID finds the piece of a word; the names of control pieces are text, which is no piece.
func (t *Tokenizer) textID(text []byte) (int32, bool) {
	id, ok := t.ids[string(text)]
	if !ok || special(t.config.Pieces[id].Kind) {
		return None, false
	}
	return id, true
}

// split makes a part of each character, or of each byte.
func (m *ranked) split() {
	m.parts = m.parts[:0]
	for at := 0; at < len(m.text); {
		if m.t.lettersLast {
			if id := m.t.letterIDs[m.text[at]]; id != None {
				m.parts = append(m.parts, part{id: id})
			} else {
				m.character(appendRune(nil, letterOf(m.text[at])))
			}
			at++
			continue
		}
		size := min(charBytes(m.text[at]), len(m.text)-at)
		m.character(m.text[at : at+size])
		at += size
	}
	for i := range m.parts {
		m.parts[i].prev, m.parts[i].next = int32(i-1), int32(i+1)
	}
	if n := len(m.parts); n > 0 {
		m.parts[n-1].next = -1
	}
}

// character appends the part of a character: its piece, its bytes, unknown, or nothing.
func (m *ranked) character(text []byte) {
	t := m.t
	if id, ok := t.textID(text); ok {
		m.parts = append(m.parts, part{id: id})
		return
	}
	if t.config.Options&ByteFallback != 0 {
		n := len(m.parts)
		for _, b := range text {
			if t.bytes[b] == None {
				m.parts = m.parts[:n]
				break
			}
			m.parts = append(m.parts, part{id: t.bytes[b]})
		}
		if len(m.parts) > n {
			return
		}
	}
	u := t.config.Unknown
	if u == None || t.config.Options&Fuse != 0 && len(m.parts) > 0 && m.parts[len(m.parts)-1].id == u {
		return
	}
	m.parts = append(m.parts, part{id: u})
}

// propose queues the merge of two neighbours.
func (m *ranked) propose(left, right int32) {
	if left < 0 || right < 0 {
		return
	}
	if to, ok := m.t.merges[key(m.parts[left].id, m.parts[right].id)]; ok {
		m.queue.push(pair{-to.rank, int(left), int(right), 0})
	}
}

// apply merges a pair unless one of its parts has changed since it was queued.
func (m *ranked) apply(p pair) {
	left, right := &m.parts[p.left], &m.parts[p.right]
	if left.id == None || right.id == None || int(left.next) != p.right {
		return
	}
	to, ok := m.t.merges[key(left.id, right.id)]
	if !ok || to.rank != -p.score {
		return
	}
	left.id, right.id = to.id, None
	left.next = right.next
	if right.next >= 0 {
		m.parts[right.next].prev = int32(p.left)
	}
	m.propose(left.prev, int32(p.left))
	m.propose(int32(p.left), left.next)
}
