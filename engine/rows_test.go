package engine

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
)

// Whatever comes at once, rows never take more than is allowed; who does not fit waits and gets the answer
// that it gets alone, with shared passes and second looks. All of the room is there again in the end.
func TestRowsOfAnswersStayBelowTheirLimit(t *testing.T) {
	man := Prepare(tinyModel(t, 1), Kernels()[0], nil)
	const n = 24
	most, want := int64(0), [n]*trace.Answer{}
	for i := range n {
		job := mixed(i % 8)
		most = max(most, RowBytes(man, &job))
		want[i], _ = answer(t, &Computer{Manifest: man}, job)
	}
	for _, limit := range []int64{most, 5 * most / 2} {
		rows := NewRows(limit)
		var used atomic.Int64
		shared := Computer{Manifest: man, Rows: rows, Together: &Together{}, Recheck: func(steps int) int { return steps / 2 }}
		var all sync.WaitGroup
		for i := range n {
			job, c, begun := mixed(i%8), shared, false
			size := RowBytes(man, &job)
			c.Report = func(decode.Work) { used.Add(-size) }
			all.Go(func() {
				got, _, err := c.Generate(context.Background(), job, func(int32) error {
					if begun {
						return nil
					}
					begun = true
					if now := used.Add(size); now > limit {
						t.Errorf("answers with %d bytes of rows at once, %d are allowed", now, limit)
					}
					return nil
				})
				if err != nil || !reflect.DeepEqual(got, want[i]) {
					t.Errorf("request %d with %d bytes of rows: another answer, %v", i, limit, err)
				}
			})
		}
		all.Wait()
		if !rows.sem.TryAcquire(limit) {
			t.Errorf("not all of %d bytes is given back", limit)
		}
	}
}

// A request that has no room even alone ends with an error that says so. What was claimed is computed all
// the same: an audit and a step take all the room there is.
func TestARequestTooLargeForItsRowsIsRefused(t *testing.T) {
	man := Prepare(tinyModel(t, 1), Kernels()[0], nil)
	job := mixed(3)
	want, _ := answer(t, &Computer{Manifest: man}, job)
	c := &Computer{Manifest: man, Rows: NewRows(RowBytes(man, &job) - 1)}
	if _, _, err := c.Generate(context.Background(), job, nil); !errors.Is(err, ErrRows) {
		t.Errorf("%v, want ErrRows", err)
	}
	if got, _, err := c.Audit(context.Background(), job, want.Outputs); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("an audit: another answer, %v", err)
	}
	if s, err := c.Step(job, 2, want.Outputs); err != nil || s.Now != want.States[3] {
		t.Errorf("a step: another state, %v", err)
	}
}

// Who waits for room goes when its context ends, and those behind it have their turn.
func TestWhoWaitsForRowsMayLeave(t *testing.T) {
	man := tinyModel(t, 1)
	job := mixed(1)
	rows := NewRows(RowBytes(man, &job))
	free, err := rows.take(context.Background(), man, &job)
	if err != nil {
		t.Fatal(err)
	}
	c := &Computer{Manifest: man, Rows: rows}
	ctx, cancel := context.WithCancel(context.Background())
	left, stayed := make(chan error), make(chan error)
	go func() { _, _, err := c.Generate(ctx, job, nil); left <- err }()
	go func() { _, _, err := c.Generate(context.Background(), job, nil); stayed <- err }()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("who left: %v", err)
	}
	select {
	case err := <-stayed:
		t.Fatalf("there is no room, and yet: %v", err)
	default:
	}
	free()
	if err := <-stayed; err != nil {
		t.Error(err)
	}
}

// Of eight requests that share passes, seven that are cancelled cost the eighth not one pass or position,
// are computed no further than they were asked for, and leave no rows in memory.
func TestCancelledRequestsAreNotComputedAndLeaveNothing(t *testing.T) {
	man := Prepare(tinyModel(t, 1), Kernels()[0], nil)
	job := conversation(20, 2, 1)
	job.MaxNew = 40
	_, alone := answer(t, &Computer{Manifest: man, Plain: true}, job)
	const n, cut = 8, 3
	var rows [n]weak.Pointer[machine.Cache]
	c := &Computer{Manifest: man, Together: &Together{patience: time.Hour}, Plain: true, Rows: NewRows(1 << 20)}
	leave := make([]func(), n)
	for i := range n {
		leave[i] = c.Together.join() // all are there before the first pass
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, err := c.begin(ctx, job, c.Rows.take)
			if err != nil {
				t.Error(err)
				return
			}
			run := r.run
			rows[i] = weak.Make(run.Cache())
			leave[i]() // finish joins by itself
			sent := 0
			_, _, err = r.finish(ctx, func(int32) error {
				if sent++; sent == cut && i > 0 {
					cancel()
				}
				return nil
			})
			w := run.Work()
			switch {
			case i == 0 && (err != nil || w != alone):
				t.Errorf("the one that stayed: %+v, alone %+v, %v", w, alone, err)
			case i > 0 && (!errors.Is(err, context.Canceled) || w.Positions > len(job.Prompt)+cut):
				t.Errorf("request %d, cancelled after %d tokens: %d positions, %v", i, cut, w.Positions, err)
			}
		})
	}
	all.Wait()
	if !c.Rows.sem.TryAcquire(1 << 20) {
		t.Error("room is not given back")
	}
	runtime.GC()
	for i := range rows {
		if rows[i].Value() != nil {
			t.Errorf("the rows of request %d are still in memory", i)
		}
	}
	runtime.KeepAlive(c)
}

// A step is computed while all room is taken: games have clocks. A second look has the room of the answer that
// it is about, which keeps no rows meanwhile.
func TestStepsWaitForNoRoom(t *testing.T) {
	man := tinyModel(t, 1)
	job := mixed(1)
	rows := NewRows(RowBytes(man, &job))
	c := &Computer{Manifest: man, Rows: rows, Recheck: func(int) int { return 2 }}
	r, err := c.begin(context.Background(), job, rows.take)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := c.Step(job, 1, nil); err != nil || s == nil {
		t.Errorf("a step while an answer has all room: %v", err)
	}
	if _, _, err := r.finish(context.Background(), nil); err != nil || r.run != nil {
		t.Errorf("an answer that is looked at again: %v, its rows are kept: %v", err, r.run != nil)
	}
	if !rows.sem.TryAcquire(RowBytes(man, &job)) {
		t.Error("the room was not given back")
	}
}
