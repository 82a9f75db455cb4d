package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/service/node"
)

// counted computes nothing and counts how often it is loaded.
type counted struct{ loads atomic.Int64 }

func (c *counted) open(context.Context) (whole, error) {
	c.loads.Add(1)
	return whole{man: &manifest.Manifest{}, run: c}, nil
}

func (c *counted) Generate(context.Context, decode.Job, func(int32) error) (*trace.Answer, uint8, error) {
	return nil, 0, nil
}

func (c *counted) Audit(context.Context, decode.Job, []int32) (*trace.Answer, uint8, error) {
	return nil, 0, nil
}

func (c *counted) Step(decode.Job, int, []int32) (*trace.Step, error) { return nil, nil }

func newResidents(keep time.Duration) *residents {
	return &residents{keep: keep, log: slog.New(slog.DiscardHandler), room: func(int64) error { return nil }}
}

// TestModelIsLoadedOnceForAllWhoWait, when it is first asked for.
func TestModelIsLoadedOnceForAllWhoWait(t *testing.T) {
	s, c := newResidents(-1), &counted{}
	r := s.add("m", 10, nil, c.open)
	if n, _ := s.here(); n != 0 || c.loads.Load() != 0 {
		t.Fatal("loaded before anybody asked")
	}
	var all sync.WaitGroup
	for range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			if _, _, err := r.Generate(t.Context(), decode.Job{}, nil); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	if n, bytes := s.here(); n != 1 || bytes != 10 || c.loads.Load() != 1 {
		t.Errorf("%d models, %d bytes, %d loads", n, bytes, c.loads.Load())
	}
}

// TestModelLeavesAfterItsRest, not while it is used, and comes back.
func TestModelLeavesAfterItsRest(t *testing.T) {
	s, c := newResidents(0), &counted{}
	r := s.add("m", 10, nil, c.open)
	if _, err := r.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 100 { // another user comes and goes
		if _, _, err := r.Audit(t.Context(), decode.Job{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n, _ := s.here(); n != 1 || c.loads.Load() != 1 {
		t.Fatalf("%d models, %d loads while it is used", n, c.loads.Load())
	}
	r.leaves()
	for n := 1; n != 0; n, _ = s.here() { // a timer of no time at all
		time.Sleep(time.Millisecond)
	}
	if _, err := r.Step(decode.Job{}, 0, nil); err != nil || c.loads.Load() != 2 {
		t.Errorf("%d loads, %v", c.loads.Load(), err)
	}
	s.close()
}

// TestModelThatNeedsRoomMakesTheOldestLeave, and fails where everyone works.
func TestModelThatNeedsRoomMakesTheOldestLeave(t *testing.T) {
	s := newResidents(-1)
	s.room = func(need int64) error {
		if _, have := s.here(); have+need > 20 {
			return ErrNoRoom
		}
		return nil
	}
	var c [3]counted
	var r [3]*resident
	for i := range r {
		r[i] = s.add(string(rune('a'+i)), 10, nil, c[i].open)
	}
	for i, rested := range []int64{2, 1} { // 1 has rested longest when 2 comes
		if _, _, err := r[i].Generate(t.Context(), decode.Job{}, nil); err != nil {
			t.Fatal(err)
		}
		r[i].rested = time.Unix(rested, 0)
	}
	if _, _, err := r[2].Generate(t.Context(), decode.Job{}, nil); err != nil {
		t.Fatal(err)
	}
	if r[0].here == nil || r[1].here != nil || r[2].here == nil {
		t.Errorf("here: %v %v %v", r[0].here != nil, r[1].here != nil, r[2].here != nil)
	}
	for _, i := range []int{0, 2} {
		if _, err := r[i].enter(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r[1].Generate(t.Context(), decode.Job{}, nil); !errors.Is(err, ErrNoRoom) {
		t.Errorf("with all at work: %v", err)
	}
}

// TestFailedLoadIsTriedAgain by the next one who asks.
func TestFailedLoadIsTriedAgain(t *testing.T) {
	s, c := newResidents(-1), &counted{}
	bad := errors.New("bad disk")
	fail := true
	r := s.add("m", 10, nil, func(ctx context.Context) (whole, error) {
		if fail {
			return whole{}, bad
		}
		return c.open(ctx)
	})
	if _, _, err := r.Generate(t.Context(), decode.Job{}, nil); !errors.Is(err, bad) {
		t.Fatal(err)
	}
	fail = false
	if _, _, err := r.Generate(t.Context(), decode.Job{}, nil); err != nil {
		t.Fatal(err)
	}
}

// TestOutlineChecksJobsAsTheModelDoes: what a node refuses does not depend on what is in memory.
func TestOutlineChecksJobsAsTheModelDoes(t *testing.T) {
	man, err := importer.File(drawnFile(t, 1), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	thin := outline(man.Header)
	if thin.ID() != man.ID() {
		t.Error("another id")
	}
	for _, j := range []decode.Job{
		{Prompt: []int32{1}, MaxNew: 1}, {MaxNew: 1}, {Prompt: []int32{1}}, {Prompt: []int32{int32(man.Vocab)}, MaxNew: 1},
		{Prompt: make([]int32, man.TMax+1), MaxNew: 1}, {Prompt: []int32{1}, MaxNew: 1, Temperature: 1 << 30},
	} {
		a, b := j.Check(man.Model), j.Check(thin.Model)
		if (a == nil) != (b == nil) || a != nil && a.Error() != b.Error() {
			t.Errorf("%v and %v", a, b)
		}
	}
}

// A request whose rows do not fit this node is refused, so that whoever asked asks another node or for less.
func TestARequestWithoutRoomForItsRowsIsRefused(t *testing.T) {
	man, err := manifest.Bind(modeltest.Llama(1, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	c := computer(man, nil)
	c.Rows = engine.NewRows(100)
	r := newResidents(-1).add("m", 0, &whole{man: man, run: c}, nil)
	job := decode.Job{Prompt: []int32{1, 2}, MaxNew: 8}
	_, _, plain := r.Generate(t.Context(), job, nil)
	_, _, odds := r.GenerateOdds(t.Context(), job, 1, nil)
	for _, err := range []error{plain, odds} {
		if !errors.Is(err, node.ErrRefused) || !errors.Is(err, engine.ErrRows) {
			t.Errorf("%v, want ErrRefused of ErrRows", err)
		}
	}
	if rowsOf(-1, 0) != nil {
		t.Error("rows are bounded that should not be")
	}
}
