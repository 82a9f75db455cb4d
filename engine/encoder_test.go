package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
)

// Threads and kernels change no bit of a vector, and it is the one that a dispute would open.
// SPEC 04 §1.4c.
func TestVectorsAreTheSameOnThreadsAndKernels(t *testing.T) {
	man, err := manifest.Bind(modeltest.Encoder(6, 20, 48))
	if err != nil {
		t.Fatal(err)
	}
	ids, types := []int32{5, 69, 0, 12, 700, 3, 9}, []int32{0, 0, 0, 0, 1, 1, 1}
	in, err := model.EncoderInput(ids, types, 20)
	if err != nil {
		t.Fatal(err)
	}
	step, err := trace.ReplayGraph(man, in, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := engine.NewPool(3)
	defer pool.Close()
	for _, set := range engine.Kernels() {
		prepared := engine.Prepare(man, set, nil)
		for _, e := range []engine.Encoder{{Manifest: prepared}, {Manifest: prepared, Split: pool.Split}} {
			got, err := e.Embed(context.Background(), ids, types)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, step.Output().I32) || slices.Max(got) == 0 {
				t.Fatalf("%s gives %v, the trace %v", set.Name(), got, step.Output().I32)
			}
		}
	}
}

// A text that an encoder does not take is refused, as are other models and a context that is done.
func TestEncoderRefuses(t *testing.T) {
	encoder, err := manifest.Bind(modeltest.Encoder(6, 4, 8))
	if err != nil {
		t.Fatal(err)
	}
	other, err := manifest.Bind(modeltest.Toy())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name       string
		ctx        context.Context
		man        *manifest.Manifest
		ids, types []int32
		want       error
	}{
		{"empty", context.Background(), encoder, nil, nil, model.ErrModel},
		{"long", context.Background(), encoder, make([]int32, 5), nil, model.ErrModel},
		{"negative id", context.Background(), encoder, []int32{1, -1}, nil, model.ErrModel},
		{"types", context.Background(), encoder, []int32{1, 2}, []int32{0}, model.ErrModel},
		{"other model", context.Background(), other, []int32{1}, nil, model.ErrModel},
		{"context", ended, encoder, []int32{1}, nil, context.Canceled},
	} {
		if _, err := (&engine.Encoder{Manifest: c.man}).Embed(c.ctx, c.ids, c.types); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
