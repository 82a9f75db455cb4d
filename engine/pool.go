package engine

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// Pool is a set of goroutines that share the rows of operations: its Split is a machine.Split.
// Any number of runs may use it at once. The zero value is illegal: use NewPool.
type Pool struct {
	threads int
	awake   patience // of threads that wait for rows
	patient patience // of callers that wait for the rows of others
	queue   chan *shared
	quit    chan struct{}
	stop    sync.Once
	workers sync.WaitGroup
}

// NewPool starts threads-1 goroutines; who calls Split is the remaining one. 0 or less means one
// thread for each processor that Go may use.
func NewPool(threads int) *Pool {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := &Pool{threads: threads, queue: make(chan *shared, 4*threads), quit: make(chan struct{})}
	for range threads - 1 {
		p.workers.Go(p.work)
	}
	return p
}

// Threads is the number of threads that work on one Split, the caller's included.
func (p *Pool) Threads() int { return p.threads }

// Close stops the goroutines and returns when they have ended. Split goes on to work, on the
// caller's thread alone.
func (p *Pool) Close() {
	p.stop.Do(func() { close(p.quit) })
	p.workers.Wait()
}

func (p *Pool) work() {
	debug.SetPanicOnFault(true) // of this goroutine; see guard
	for {
		if s := p.soon(); s != nil {
			s.help()
			continue
		}
		select {
		case <-p.quit:
			return
		case s := <-p.queue:
			s.help()
		}
	}
}

// soon waits awake for rows: those of the next operation mostly come within microseconds, and to be
// woken takes longer, the more so on a processor that is a virtual one. Nil if none came in time.
func (p *Pool) soon() (s *shared) {
	p.awake.wait(func() bool {
		select {
		case s = <-p.queue:
			return true
		default:
			return false
		}
	})
	return s
}

// parts is the number of pieces per thread: more than one, so that a thread that starts late finds
// less to do.
const parts = 4

// A patience is how long a thread looks for something before it sleeps: while looking pays long, where
// others have the processors ever shorter.
type patience struct{ less atomic.Int32 } // by which power of two it looks less often than mostLooks

const (
	mostLooks = 1 << 10 // about 100 us where a pause takes 40 cycles
	leastLess = 4
	pauses    = 8 // between two looks
)

// wait looks until there is something or patience ends.
func (p *patience) wait(there func() bool) bool {
	less := p.less.Load()
	for range mostLooks >> less {
		if there() {
			if less > 0 {
				p.less.CompareAndSwap(less, less-1)
			}
			return true
		}
		pause(pauses)
	}
	if less < leastLess {
		p.less.CompareAndSwap(less, less+1)
	}
	return false
}

// shared are rows that several threads take pieces of: each from the front of a range of its own, and
// when that is done from the back of those of others. So a thread reads weights that lie side by side,
// and no core has fetched ahead what another one reads.
type shared struct {
	grain  int
	do     func(lo, hi int)
	ranges []atomic.Uint64 // rows that nobody has taken: first in the high half, end in the low half
	joined atomic.Int64    // threads that have a range
	left   atomic.Int64    // rows that are not done
	done   chan struct{}
	broken atomic.Pointer[broken]
}

func newShared(n, threads int, do func(lo, hi int)) *shared {
	s := &shared{grain: max(1, n/(threads*parts)), do: do, done: make(chan struct{}), ranges: make([]atomic.Uint64, min(threads, n))}
	for i, k := 0, len(s.ranges); i < k; i++ {
		s.ranges[i].Store(uint64(i*n/k)<<32 | uint64((i+1)*n/k))
	}
	s.left.Store(int64(n))
	return s
}

// broken is a panic in a piece, which the caller of Split has in the end.
type broken struct {
	value any
	stack []byte
}

// help works until no piece is left. A thread that comes too late finds nothing and touches nothing.
func (s *shared) help() {
	own := int(s.joined.Add(1)-1) % len(s.ranges)
	for i := range s.ranges {
		for {
			lo, hi := s.take((own+i)%len(s.ranges), i == 0)
			if lo == hi {
				break
			}
			s.piece(lo, hi)
		}
	}
}

// take takes a piece of range i, from its front or its back; lo = hi if it has none.
func (s *shared) take(i int, front bool) (lo, hi int) {
	for {
		v := s.ranges[i].Load()
		lo, hi = int(v>>32), int(uint32(v))
		if lo >= hi {
			return 0, 0
		}
		cut, rest := min(lo+s.grain, hi), uint64(0)
		if front {
			rest = uint64(cut)<<32 | uint64(hi)
		} else {
			cut = max(hi-s.grain, lo)
			rest = uint64(lo)<<32 | uint64(cut)
		}
		if s.ranges[i].CompareAndSwap(v, rest) {
			if front {
				return lo, cut
			}
			return cut, hi
		}
	}
}

// piece does rows and counts them, also if they panic.
func (s *shared) piece(lo, hi int) {
	defer func() {
		if v := recover(); v != nil {
			s.broken.CompareAndSwap(nil, &broken{v, debug.Stack()})
		}
		if s.left.Add(int64(lo-hi)) == 0 {
			close(s.done)
		}
	}()
	s.do(lo, hi)
}

// Split calls work on ranges that cover [0, n), n below 2^31, and returns when all are done. The caller takes what
// no other thread does, so nested and concurrent calls never wait for each other.
func (p *Pool) Split(n int, work func(lo, hi int)) {
	if p.threads == 1 || n < 2 {
		work(0, n)
		return
	}
	s := newShared(n, p.threads, work)
	for range len(s.ranges) - 1 {
		select {
		case p.queue <- s:
		default: // everybody is busy
		}
	}
	s.help()
	if !p.patient.wait(func() bool { return s.left.Load() == 0 }) {
		<-s.done
	}
	if b := s.broken.Load(); b != nil {
		b.rise()
	}
}

// rise panics again: with the value as it is where it is a fault that guard knows, else with where
// it came from.
func (b *broken) rise() {
	if _, ok := b.value.(fault); ok {
		panic(b.value)
	}
	panic(fmt.Sprintf("%v\n\non a thread of the pool:\n%s", b.value, b.stack))
}
