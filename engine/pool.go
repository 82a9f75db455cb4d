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
		select {
		case <-p.quit:
			return
		case s := <-p.queue:
			s.help()
		}
	}
}

// parts is the number of pieces per thread: more than one, so that a thread that starts late finds
// less to do.
const parts = 2

// shared are rows that several threads take pieces of.
type shared struct {
	n, grain int
	do       func(lo, hi int)
	next     atomic.Int64 // first row that nobody has taken
	left     atomic.Int64 // rows that are not done
	done     chan struct{}
	broken   atomic.Pointer[broken]
}

// broken is a panic in a piece, which the caller of Split has in the end.
type broken struct {
	value any
	stack []byte
}

// help works until no piece is left. A thread that comes too late finds nothing and touches nothing.
func (s *shared) help() {
	for {
		hi := int(s.next.Add(int64(s.grain)))
		lo := hi - s.grain
		if lo >= s.n {
			return
		}
		s.piece(lo, min(hi, s.n))
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

// Split calls work on ranges that cover [0, n) and returns when all are done. The caller takes what
// no other thread does, so nested and concurrent calls never wait for each other.
func (p *Pool) Split(n int, work func(lo, hi int)) {
	if p.threads == 1 || n < 2 {
		work(0, n)
		return
	}
	grain := max(1, (n+p.threads*parts-1)/(p.threads*parts))
	s := &shared{n: n, grain: grain, do: work, done: make(chan struct{})}
	s.left.Store(int64(n))
	for range min(p.threads, (n+grain-1)/grain) - 1 {
		select {
		case p.queue <- s:
		default: // everybody is busy
		}
	}
	s.help()
	<-s.done
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
