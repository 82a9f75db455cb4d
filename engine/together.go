package engine

import (
	"errors"
	"slices"
	"sync"
	"time"

	"elenchus/compute/decode"
)

// Together lets answers of one model that are computed at the same time share passes: each walk over
// the weights takes the next steps of all of them. What each yields is what it yields alone. It
// starts nothing: of those who wait for a pass, one makes it for all. The zero value is ready; it is
// safe for concurrent use and must not be copied. SPEC 05 §3.1.
type Together struct {
	pass     decode.Pass   // belongs to whoever leads
	patience time.Duration // to wait for others; 0: a part of the last pass

	mu      sync.Mutex // guards the fields below
	members int        // answers that are not complete
	leading bool       // somebody makes or prepares a pass
	waiting []*turn    // in the order in which they came
	full    chan struct{}
	last    time.Duration // of the last pass
	passes  uint64
}

// turn is one answer's wait for its next steps.
type turn struct {
	run  *decode.Run
	lead chan bool // true: make the pass yourself; false: it is made
	err  error
}

// Most answers in a pass, and the part of a pass that its maker waits for answers that are busy
// elsewhere, handing out what the last pass gave.
const (
	mostTogether = 16
	waitShare    = 16
)

// Passes is the number of passes so far.
func (g *Together) Passes() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passes
}

// join counts an answer that begins, and returns what ends it.
func (g *Together) join() (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.members--
		g.arrived()
	}
}

// arrived wakes who prepares a pass if nobody is missing. It needs the lock.
func (g *Together) arrived() {
	if g.full != nil && len(g.waiting) >= min(g.members, mostTogether) {
		close(g.full)
		g.full = nil
	}
}

// advance is run.Advance in a pass that others may share. c is the computer of all of them.
func (g *Together) advance(c *Computer, run *decode.Run, batch int) error {
	t := &turn{run: run, lead: make(chan bool, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, t)
	if g.leading {
		g.arrived()
		g.mu.Unlock()
		if !<-t.lead {
			return t.err
		}
	} else {
		g.leading = true
		g.mu.Unlock()
	}
	g.pass.Split = c.Split
	return g.make(g.gather(), t, batch)
}

// ErrPass marks an answer whose pass ended in a panic of another answer's goroutine.
var ErrPass = errors.New("the pass that this answer was part of broke")

// make makes a pass and tells everybody, also if it panics.
func (g *Together) make(turns []*turn, own *turn, batch int) (err error) {
	runs := make([]*decode.Run, len(turns))
	for i, o := range turns {
		runs[i] = o.run
	}
	start := time.Now()
	err = ErrPass
	defer func() {
		g.handOver(time.Since(start))
		for _, o := range turns {
			if o != own {
				o.err = err
				o.lead <- false
			}
		}
	}()
	return g.pass.Advance(runs, batch)
}

// gather returns who takes part in the next pass; the caller, who leads, has waited for the longest.
func (g *Together) gather() []*turn {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := g.patience
	if wait == 0 {
		wait = g.last / waitShare
	}
	if len(g.waiting) < min(g.members, mostTogether) && wait > 0 {
		full := make(chan struct{})
		g.full = full
		patience := time.NewTimer(wait)
		g.mu.Unlock()
		select {
		case <-full:
		case <-patience.C:
		}
		patience.Stop()
		g.mu.Lock()
		g.full = nil
	}
	n := min(len(g.waiting), mostTogether)
	turns := append([]*turn(nil), g.waiting[:n]...)
	g.waiting = slices.Delete(g.waiting, 0, n) // which clears what it leaves: a turn holds rows
	return turns
}

// handOver ends a pass: who waits for the longest makes the next one.
func (g *Together) handOver(took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last, g.passes = took, g.passes+1
	if g.leading = len(g.waiting) > 0; g.leading {
		g.waiting[0].lead <- true
	}
}
