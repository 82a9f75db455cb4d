package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/engine"
	"elenchus/service/node"
)

// residents are the models of a node, in memory while they are used and a while after. A model that
// needs room makes those leave that nobody uses, the one that rested longest first.
type residents struct {
	keep time.Duration // after the last use; below 0: for ever
	log  *slog.Logger
	room func(bytes int64) error // nil: checkRoom
	// loaded, when set, is called after each load.
	loaded func()

	mu  sync.Mutex // guards all and the fields of its elements that say so
	all []*resident
}

// whole is a model in memory with what runs it.
type whole struct {
	man *manifest.Manifest
	run node.Computer
	// check compares the next bytes of what is in memory with their checksums; nil: there are none.
	check func(bytes int64) (read int64, err error)
}

// resident is one model. It is a node.Computer that fetches the model when it is asked for.
type resident struct {
	set   *residents
	name  string
	bytes int64 // about what it takes; 0: unknown
	open  func(ctx context.Context) (whole, error)

	// guarded by set.mu
	here    *whole
	users   int
	loading chan struct{} // closed when the load that goes on is over
	rested  time.Time     // when the last user left
	retired bool          // it is in the set no more
	suspect bool          // its weights were spoilt in memory, and were not read since
	leave   *time.Timer
}

// add takes a model into the set; here is the model if it is in memory already.
func (s *residents) add(name string, bytes int64, here *whole, open func(context.Context) (whole, error)) *resident {
	r := &resident{set: s, name: name, bytes: bytes, open: open, here: here}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, r)
	if here != nil {
		r.rest()
	}
	return r
}

// retire takes a model out of the set: nobody will ask for it. It leaves when its last user does.
func (s *residents) retire(r *resident) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(x *resident) bool { return x == r })
	r.wake()
	if r.retired = true; r.here != nil && r.users == 0 {
		r.drop("replaced")
	}
}

// close stops the timers.
func (s *residents) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.all {
		r.wake()
	}
}

// here is the number of models in memory and about what they take.
func (s *residents) here() (models int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.all {
		if r.here != nil {
			models, bytes = models+1, bytes+r.bytes
		}
	}
	return models, bytes
}

// enter returns the model, which stays until leave is called. One caller loads it, the others wait.
func (r *resident) enter(ctx context.Context) (*whole, error) {
	s := r.set
	for {
		s.mu.Lock()
		if r.here != nil {
			r.users++
			r.wake()
			w := r.here
			s.mu.Unlock()
			return w, nil
		}
		wait := r.loading
		if wait == nil {
			r.loading = make(chan struct{})
			s.mu.Unlock()
			return r.load(ctx)
		}
		s.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// load brings the model into memory for its first user; the caller has set loading.
func (r *resident) load(ctx context.Context) (*whole, error) {
	s := r.set
	s.mu.Lock()
	suspect := r.suspect
	s.mu.Unlock()
	began := time.Now()
	err := s.makeRoom(r.bytes)
	var w whole
	if err == nil {
		w, err = r.reopen(ctx, suspect)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		r.here, r.suspect = &w, false
		r.users++ // beside those of a spoilt one who have not noticed yet
		if s.loaded != nil {
			s.loaded()
		}
		s.log.Info("model loaded", "model", r.name, "bytes", r.bytes, "took", time.Since(began))
	}
	close(r.loading)
	r.loading = nil
	if err != nil {
		return nil, fmt.Errorf("load model %s: %w", r.name, err)
	}
	return &w, nil
}

// makeRoom lets models go that nobody uses until there is room for so many bytes.
func (s *residents) makeRoom(bytes int64) error {
	room := s.room
	if room == nil {
		room = func(n int64) error { return checkRoom("the model", n, "", 0) }
	}
	for {
		err := room(bytes)
		if err == nil || !s.dropOldest() {
			return err
		}
		debug.FreeOSMemory() // or the system would not know
	}
}

// dropOldest lets the model go that has rested longest.
func (s *residents) dropOldest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var oldest *resident
	for _, r := range s.all {
		if r.here != nil && r.users == 0 && r.open != nil && (oldest == nil || r.rested.Before(oldest.rested)) {
			oldest = r
		}
	}
	if oldest == nil {
		return false
	}
	oldest.drop("for another one")
	return true
}

// leaves gives up one use.
func (r *resident) leaves() {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	if r.users--; r.users == 0 {
		r.rest()
	}
}

// rest begins the time after which the model goes; the caller holds mu.
func (r *resident) rest() {
	r.rested = time.Now()
	if r.retired {
		r.drop("replaced")
		return
	}
	if r.set.keep < 0 {
		return
	}
	r.wake()
	r.leave = time.AfterFunc(r.set.keep, func() {
		if r.goIfRested() {
			debug.FreeOSMemory()
		}
	})
}

// goIfRested lets the model go unless somebody came since.
func (r *resident) goIfRested() bool {
	r.set.mu.Lock()
	defer r.set.mu.Unlock()
	if r.here == nil || r.users > 0 || time.Since(r.rested) < r.set.keep {
		return false
	}
	r.drop("after a rest")
	return true
}

// wake stops the timer; the caller holds mu.
func (r *resident) wake() {
	if r.leave != nil {
		r.leave.Stop()
		r.leave = nil
	}
}

// drop lets the model go; the caller holds mu.
func (r *resident) drop(why string) {
	r.wake()
	r.here = nil
	r.set.log.Info("model unloaded", "model", r.name, "why", why)
}

// Generate is node.Computer.
func (r *resident) Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (*trace.Answer, uint8, error) {
	w, err := r.enter(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer r.leaves()
	a, finish, err := w.run.Generate(ctx, job, emit)
	return a, finish, refused(err)
}

// GenerateOdds is node.Assessor, as far as what runs the model is one: liars are none.
func (r *resident) GenerateOdds(ctx context.Context, job decode.Job, k int, emit func(int32, decode.Odds) error) (*trace.Answer, uint8, error) {
	w, err := r.enter(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer r.leaves()
	a, ok := w.run.(node.Assessor)
	if !ok {
		return nil, 0, fmt.Errorf("%w: this node gives no logprobs", node.ErrRefused)
	}
	answer, finish, err := a.GenerateOdds(ctx, job, k, emit)
	return answer, finish, refused(err)
}

// refused says of a request that is too large for this node that it is refused, not that the node failed.
func refused(err error) error {
	if errors.Is(err, engine.ErrRows) {
		return fmt.Errorf("%w: %w", node.ErrRefused, err)
	}
	return err
}

// Audit is node.Computer.
func (r *resident) Audit(ctx context.Context, job decode.Job, claimed []int32) (*trace.Answer, uint8, error) {
	w, err := r.enter(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer r.leaves()
	return w.run.Audit(ctx, job, claimed)
}

// Step is node.Computer. The step keeps what it needs of the model.
func (r *resident) Step(job decode.Job, t int, known []int32) (*trace.Step, error) {
	w, err := r.enter(context.Background())
	if err != nil {
		return nil, err
	}
	defer r.leaves()
	return w.run.Step(job, t, known)
}

// Run is node.Runner, of a graph model.
func (r *resident) Run(ctx context.Context, in []int32) (_ []int32, states merkle.Hash, err error) {
	w, err := r.enter(ctx)
	if err != nil {
		return nil, states, err
	}
	defer r.leaves()
	run, err := w.runner()
	if err != nil {
		return nil, states, err
	}
	return run.Run(ctx, in)
}

// Replay is node.Runner. The step keeps what it needs of the model.
func (r *resident) Replay(in []int32) (*trace.Step, error) {
	w, err := r.enter(context.Background())
	if err != nil {
		return nil, err
	}
	defer r.leaves()
	run, err := w.runner()
	if err != nil {
		return nil, err
	}
	return run.Replay(in)
}

// Hidden is node.Hider.
func (r *resident) Hidden(ctx context.Context, ids []int32) ([]int32, error) {
	w, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer r.leaves()
	h, ok := w.run.(node.Hider)
	if !ok {
		return nil, fmt.Errorf("%w: what computes here shows no hidden states", node.ErrRefused)
	}
	return h.Hidden(ctx, ids)
}

// runner is what runs a graph model.
func (w *whole) runner() (node.Runner, error) {
	run, ok := w.run.(node.Runner)
	if !ok {
		return nil, fmt.Errorf("%w: what computes here runs no graph models", node.ErrRefused)
	}
	return run, nil
}

// manifest is the whole manifest; whoever holds it keeps the model in memory.
func (r *resident) manifest(ctx context.Context) (*manifest.Manifest, error) {
	w, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer r.leaves()
	return w.man, nil
}

// outline is a manifest without weights and operations: enough to name the model and to check jobs.
func outline(h manifest.Header) *manifest.Manifest {
	return &manifest.Manifest{Header: h, Model: &model.Model{Kind: int(h.Kind), Vocab: int(h.Vocab), TMax: int(h.TMax), Layers: int(h.Layers)}}
}
