package gateway

import (
	"container/list"
	"sync"
	"time"
)

// KeptFor is how long receipts and responses are kept at most.
const KeptFor = 24 * time.Hour

// shelf keeps the newest values in memory: at most count of them, bytes in all, for KeptFor; the oldest go first. Each value has
// an owner, and nobody else finds it. Many goroutines use a shelf.
type shelf[V any] struct {
	count, bytes int
	now          func() time.Time

	mu    sync.Mutex // guards what follows
	used  int        // bytes
	kept  map[string]*list.Element
	order list.List // of *shelved[V], the oldest first
}

type shelved[V any] struct {
	key   string
	value V
	size  int
	until time.Time
}

func newShelf[V any](count, bytes int, now func() time.Time) *shelf[V] {
	return &shelf[V]{count: count, bytes: bytes, now: now, kept: make(map[string]*list.Element)}
}

// put keeps v, which takes about size bytes, under an id in place of what was there. A value larger than the whole
// shelf is not kept.
func (s *shelf[V]) put(owner, id string, v V, size int) { s.putAt(owner, id, v, size, s.now()) }

// putAt is put of a value that is kept since a moment, none before the one of the value before.
func (s *shelf[V]) putAt(owner, id string, v V, size int, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := owner + "/" + id
	s.drop(s.kept[key])
	if size > s.bytes {
		return
	}
	s.expire()
	for s.order.Len() > 0 && (s.order.Len() == s.count || s.used+size > s.bytes) {
		s.drop(s.order.Front())
	}
	s.used += size
	s.kept[key] = s.order.PushBack(&shelved[V]{key, v, size, since.Add(KeptFor)})
}

// get finds a value.
func (s *shelf[V]) get(owner, id string) (v V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	e, ok := s.kept[owner+"/"+id]
	if ok {
		v = e.Value.(*shelved[V]).value
	}
	return v, ok
}

// remove forgets a value and says whether it was there.
func (s *shelf[V]) remove(owner, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drop(s.kept[owner+"/"+id])
}

// expire drops what was kept for its time; the caller holds the lock.
func (s *shelf[V]) expire() {
	for now := s.now(); s.order.Len() > 0 && now.After(s.order.Front().Value.(*shelved[V]).until); {
		s.drop(s.order.Front())
	}
}

// drop takes an element off; the caller holds the lock. nil is no element.
func (s *shelf[V]) drop(e *list.Element) bool {
	if e == nil {
		return false
	}
	v := s.order.Remove(e).(*shelved[V])
	delete(s.kept, v.key)
	s.used -= v.size
	return true
}
