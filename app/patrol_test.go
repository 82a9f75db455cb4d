package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/kernel"
	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
)

// first is the first packed byte of a model.
func first(man *manifest.Manifest) *int8 {
	var out *int8
	machine.EachPacked(man.Model.Stages, func(p *kernel.Packed) {
		p.Memory(func(w []int8, _ []int32, _ []int64) {
			if out == nil && len(w) > 0 {
				out = &w[0]
			}
		})
	})
	return out
}

// A bit that flips in packed weights is found by the patrol, said loudly, and gone with the next load:
// the answer is the right one again, by weights that were hashed before. Where these are wrong, too, the
// model is refused. ADR 0073.
func TestABitThatFlipsInPackedWeightsIsFoundAndMended(t *testing.T) {
	if engine.Kernels()[0].Plain() {
		t.Skip("this processor has plain kernels alone, which read the weights as they are")
	}
	plain, err := manifest.Bind(modeltest.Llama(1, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &residents{keep: -1, log: slog.New(slog.NewTextHandler(&log, nil)), room: func(int64) error { return nil }}
	r := s.add("m", 10, nil, func(context.Context) (whole, error) {
		man := engine.Prepare(plain, engine.Kernels()[0], nil)
		c := computer(man, nil)
		check := sealed(c, man)
		return whole{man, c, check}, nil
	})
	job := decode.Job{Prompt: []int32{1, 5, 9}, MaxNew: 8}
	want, _, err := r.Generate(t.Context(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.look(1 << 30)
	if r.here == nil || log.Len() > 0 && strings.Contains(log.String(), "ERROR") {
		t.Fatalf("right weights were expelled: %s", &log)
	}
	old := r.here
	*first(r.here.man) ^= 1 << 6
	s.look(1 << 30)
	if r.here != nil || !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "packed weights changed in memory") {
		t.Fatalf("spoilt weights stayed, or nobody said so: %s", &log)
	}
	if _, _, err := old.run.Generate(t.Context(), job, nil); !errors.Is(err, engine.ErrSpoilt) {
		t.Errorf("who still holds them gets %v, want ErrSpoilt", err)
	}
	got, _, err := r.Generate(t.Context(), job, nil)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after loading again: another answer, %v", err)
	}
	*first(r.here.man) ^= 1
	plain.Model.Stages[1].Ops[weighted(t, plain)].A.I8[0] ^= 4
	s.look(1 << 30)
	if _, _, err := r.Generate(t.Context(), job, nil); err == nil || !strings.Contains(err.Error(), "do not hash to their root any more") {
		t.Errorf("packed from weights that are wrong themselves: %v", err)
	}
}

// weighted is the first operation of stage 1 that has int8 weights.
func weighted(t *testing.T, man *manifest.Manifest) int {
	t.Helper()
	for i, o := range man.Model.Stages[1].Ops {
		if o.A != nil && len(o.A.I8) > 0 {
			return i
		}
	}
	t.Fatal("stage 1 has no weights")
	return 0
}

// Who uses a model while it is spoilt and loaded again is counted as one who uses it.
func TestUsersOfSpoiltModelsAreCounted(t *testing.T) {
	s, bad := newResidents(-1), errors.New("spoilt")
	r := s.add("m", 10, nil, func(context.Context) (whole, error) {
		return whole{man: &manifest.Manifest{}, check: func(int64) (int64, error) { return 1, bad }}, nil
	})
	if _, err := r.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.look(1)
	r.suspect = false // there are no weights to hash
	if _, err := r.enter(t.Context()); err != nil || r.users != 2 {
		t.Fatalf("%d users, %v", r.users, err)
	}
	r.leaves()
	if r.users != 1 || r.here == nil {
		t.Errorf("%d users, here %v", r.users, r.here != nil)
	}
}

// The patrol ends with its context, whether it has something to do or not.
func TestPatrolEnds(t *testing.T) {
	for _, rate := range []int64{0, 1, 1 << 40} {
		looked := make(chan struct{}, 1)
		s := newResidents(-1)
		s.add("m", 0, &whole{check: func(int64) (int64, error) {
			select {
			case looked <- struct{}{}:
			default:
			}
			return 1, nil
		}}, (&counted{}).open)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.patrol(rate)(ctx) }()
		if rate > 1<<20 {
			<-looked
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
