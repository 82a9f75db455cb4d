package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/engine"
)

func tiny(t testing.TB) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(1, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// long has a prompt of more than one batch of 64.
func long(n, out int) decode.Job {
	r := rand.New(rand.NewPCG(3, 4))
	j := decode.Job{MaxNew: uint32(out), Temperature: 1 << 15, Seed: 9}
	for range n {
		j.Prompt = append(j.Prompt, int32(r.IntN(300)))
	}
	return j
}

// TestKernelsThreadsAndBatchesChangeNoBit is DESIGN law 1 for the engine: one digest and one
// commitment for all kernels, every number of threads and every batch.
func TestKernelsThreadsAndBatchesChangeNoBit(t *testing.T) {
	t.Run("dense", func(t *testing.T) { changesNoBit(t, tiny(t)) })
	for name, c := range map[string]modeltest.Config{"experts": modeltest.Experts(), "blocks": modeltest.Blocks(), "heads": modeltest.Heads()} {
		t.Run(name, func(t *testing.T) {
			man, err := manifest.Bind(modeltest.Llama(1, c))
			if err != nil {
				t.Fatal(err)
			}
			changesNoBit(t, man)
		})
	}
}

func changesNoBit(t *testing.T, man *manifest.Manifest) {
	t.Helper()
	job := long(70, 5)
	var want [32]byte
	var root string
	for _, set := range engine.Kernels() {
		fast := engine.Prepare(man, set, nil)
		for _, threads := range []int{1, 2, 3} {
			pool := engine.NewPool(threads)
			for _, batch := range []int{1, 3, 16, 64} {
				d, err := engine.Digest(context.Background(), fast, job, pool.Split, batch)
				if err != nil {
					t.Fatal(err)
				}
				c := engine.Computer{Manifest: fast, Split: pool.Split, Batch: batch}
				a, finish, err := c.Generate(context.Background(), job, nil)
				if err != nil {
					t.Fatal(err)
				}
				got := fmt.Sprintf("%x %d %v", a.StateTree().Root(), finish, a.Outputs)
				if want == ([32]byte{}) {
					want, root = d, got
				}
				if d != want || got != root {
					t.Errorf("%s, %d threads, batch %d: digest %x, commitment %s, want %x, %s", set.Name(), threads, batch, d, got, want, root)
				}
			}
			pool.Close()
		}
	}
}

// TestExchangedWeightsAreNotOvertaken: who changes the weights of a prepared model gets what a
// model with those weights gives, not what was packed.
func TestExchangedWeightsAreNotOvertaken(t *testing.T) {
	other, err := manifest.Bind(modeltest.Llama(2, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	want, err := engine.Digest(context.Background(), other, long(9, 3), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range engine.Kernels() {
		fast := engine.Prepare(tiny(t), set, nil)
		for s := range fast.Model.Stages {
			for i := range fast.Model.Stages[s].Ops {
				o, from := &fast.Model.Stages[s].Ops[i], &other.Model.Stages[s].Ops[i]
				o.A, o.B = from.A, from.B
			}
		}
		if got, err := engine.Digest(context.Background(), fast, long(9, 3), nil, 4); err != nil || got != want {
			t.Errorf("%s: digest %x, %v, want %x", set.Name(), got, err, want)
		}
	}
}

// TestKernelsAreChosenByName finds each set that this processor has, and no other.
func TestKernelsAreChosenByName(t *testing.T) {
	best, err := engine.Kernel("auto")
	if err != nil || best.Name() != engine.Kernels()[0].Name() {
		t.Errorf("auto is %s, %v, not the first of %d", best.Name(), err, len(engine.Kernels()))
	}
	have := map[string]bool{"auto": true}
	for _, s := range engine.Kernels() {
		have[s.Name()] = true
	}
	for _, name := range append(engine.KernelNames(), "avx9") {
		s, err := engine.Kernel(name)
		if have[name] != (err == nil) || err != nil && !errors.Is(err, engine.ErrKernel) {
			t.Errorf("kernel %s: %v", name, err)
		}
		if err == nil && name != "auto" && s.Name() != name {
			t.Errorf("kernel %s is %s", name, s.Name())
		}
	}
}

// TestDigestSeesEveryPart changes the seed, the prompt and the model: each changes the digest.
func TestDigestSeesEveryPart(t *testing.T) {
	man, seen := tiny(t), map[[32]byte]string{}
	other, err := manifest.Bind(modeltest.Llama(2, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	seed, prompt := long(5, 3), long(5, 3)
	seed.Seed, prompt.Prompt[0] = 10, 299
	for _, c := range []struct {
		name string
		man  *manifest.Manifest
		job  decode.Job
	}{{"base", man, long(5, 3)}, {"seed", man, seed}, {"prompt", man, prompt}, {"model", other, long(5, 3)}, {"length", man, long(5, 4)}} {
		d, err := engine.Digest(context.Background(), c.man, c.job, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if seen[d] != "" {
			t.Errorf("%s and %s have the same digest", seen[d], c.name)
		}
		seen[d] = c.name
	}
}

// TestSplitCoversEveryRowOnce wants each row once, for sizes around the pieces.
func TestSplitCoversEveryRowOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		pool := engine.NewPool(threads)
		for _, n := range []int{0, 1, 2, 3, 5, 15, 16, 17, 100, 1001} {
			rows := make([]atomic.Int32, n)
			pool.Split(n, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					rows[i].Add(1)
				}
			})
			for i := range rows {
				if got := rows[i].Load(); got != 1 {
					t.Fatalf("%d threads, %d rows: row %d is done %d times", threads, n, i, got)
				}
			}
		}
		pool.Close()
	}
}

// TestNestedAndConcurrentSplitsEnd runs splits within splits on several goroutines.
func TestNestedAndConcurrentSplitsEnd(t *testing.T) {
	pool := engine.NewPool(3)
	defer pool.Close()
	var sum atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				pool.Split(6, func(lo, hi int) {
					pool.Split(hi-lo, func(a, b int) { sum.Add(int64(b - a)) })
				})
			}
		})
	}
	all.Wait()
	if got := sum.Load(); got != 8*50*6 {
		t.Errorf("%d rows, want %d", got, 8*50*6)
	}
}

// TestCloseStopsTheThreads leaves no goroutine behind, and Split goes on alone.
func TestCloseStopsTheThreads(t *testing.T) {
	before := goleak.IgnoreCurrent()
	pool := engine.NewPool(4)
	pool.Split(100, func(int, int) {})
	pool.Close()
	pool.Close()
	goleak.VerifyNone(t, before)
	n := 0
	pool.Split(10, func(lo, hi int) { n += hi - lo })
	if n != 10 {
		t.Errorf("a closed pool does %d of 10 rows", n)
	}
}

// TestGenerateEndsWithItsContext stops between two steps, or before the first.
func TestGenerateEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := engine.Computer{Manifest: tiny(t)}
	n := 0
	_, _, err := c.Generate(ctx, long(3, 50), func(int32) error {
		if n++; n == 2 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n != 2 {
		t.Errorf("after %d tokens: %v", n, err)
	}
	if _, _, err := c.Generate(ctx, long(3, 2), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	broken := errors.New("client gone")
	if _, _, err := c.Generate(context.Background(), long(3, 2), func(int32) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("emit's error becomes %v", err)
	}
	if _, _, err := c.Generate(context.Background(), long(3, 2), nil); err != nil {
		t.Errorf("a run after broken ones: %v", err)
	}
}
