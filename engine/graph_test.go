package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/engine"
)

// A graph model runs to the output that its replay commits to, tampered or not; other inputs are refused.
func TestRunEqualsReplay(t *testing.T) {
	man, err := manifest.Bind(modeltest.Encoder(3, 5, 64))
	if err != nil {
		t.Fatal(err)
	}
	in, err := model.EncoderInput([]int32{3, 9}, nil, 5)
	if err != nil {
		t.Fatal(err)
	}
	var honest []int32
	for _, lie := range []func(int, *opset.Context, int, *tensor.Tensor){nil, func(stage int, _ *opset.Context, i int, x *tensor.Tensor) {
		if stage == 1 && i == 0 {
			x.Set(0, x.At(0)^1<<20)
		}
	}} {
		c := &engine.Computer{Manifest: man, Tamper: lie}
		out, states, err := c.Run(t.Context(), in.I32)
		if err != nil {
			t.Fatal(err)
		}
		step, err := c.Replay(in.I32)
		if err != nil || !slices.Equal(out, step.Output().I32) || states != trace.BoundaryTree(step.Boundaries()).Root() {
			t.Errorf("run %v, replay %v, %v", out, step.Output().I32, err)
		}
		if lie != nil && slices.Equal(out, honest) {
			t.Error("a lie changes nothing")
		}
		honest = out
	}
	c := &engine.Computer{Manifest: man}
	for _, bad := range [][]int32{nil, in.I32[1:], make([]int32, 11)} {
		if _, _, err := c.Run(t.Context(), bad); !errors.Is(err, model.ErrModel) {
			t.Errorf("input of %d: %v", len(bad), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Run(ctx, in.I32); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := c.Hidden(t.Context(), []int32{1}); !errors.Is(err, decode.ErrJob) {
		t.Errorf("hidden states of an encoder: %v", err)
	}
}

// The mean of hidden states is the mean of what the last layer gives, over more positions than a block.
func TestHiddenIsTheMean(t *testing.T) {
	man, err := manifest.Bind(modeltest.Llama(3, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int32, man.TMax)
	for i := range ids {
		ids[i] = int32(i * 7 % int(man.Vocab))
	}
	if len(ids) <= 64 {
		t.Fatalf("%d positions are no more than a block", len(ids))
	}
	last := int(man.Layers)
	ops := len(man.Model.Stages[last].Ops)
	var sum []int64
	run, err := decode.New(man.Model, decode.Job{Prompt: ids, MaxNew: 1}, nil, decode.Hooks{
		Tensor: func(stage int, _ *opset.Context, i int, x *tensor.Tensor) {
			if stage != last || i != ops-1 {
				return
			}
			if sum == nil {
				sum = make([]int64, x.Len())
			}
			for j := range sum {
				sum[j] += x.At(j)
			}
		}, Step: func(int, decode.Yield, *machine.Cache) {}})
	if err != nil {
		t.Fatal(err)
	}
	for !run.Done() {
		if err := run.Advance(1); err != nil {
			t.Fatal(err)
		}
	}
	got, err := (&engine.Computer{Manifest: man}).Hidden(t.Context(), ids)
	if err != nil || len(got) != len(sum) || len(sum) == 0 {
		t.Fatalf("%d elements, want %d, %v", len(got), len(sum), err)
	}
	for j, s := range sum {
		n := int64(len(ids))
		if r := s - n*int64(got[j]); r < 0 || r >= n {
			t.Errorf("element %d is %d, the sum %d", j, got[j], s)
		}
	}
	if _, err := (&engine.Computer{Manifest: man}).Hidden(t.Context(), nil); !errors.Is(err, decode.ErrJob) {
		t.Errorf("no ids: %v", err)
	}
}
