package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/importer"
	"elenchus/models"
)

// mixed is job i of requests that differ in length, temperature, settings and end.
func mixed(i int) decode.Job {
	j := conversation(3+7*i, 2, uint64(i))
	j.MaxNew, j.Temperature = uint32(9+5*(i%3)), uint32(i%3)<<15
	if i%2 == 1 {
		j.Sampler = decode.Sampler{TopK: 20, TopP: 1 << 29}
	}
	if i%4 > 1 {
		j.Sampler.Repetition, j.Sampler.Frequency = 3<<15, 1<<14
	}
	return j
}

// Requests that share passes get the answers that they get alone, for kernels and threads, with rows
// of prompts shared and guesses made. SPEC 05 §3.1.
func TestSharedPassesChangeNoBit(t *testing.T) {
	man := tinyModel(t, 1)
	pool := NewPool(3)
	defer pool.Close()
	const n = 20 // more than go into one pass
	var want [n]*trace.Answer
	for i := range n {
		want[i], _ = answer(t, &Computer{Manifest: man, Plain: true}, mixed(i))
	}
	for _, set := range Kernels() {
		c := &Computer{Manifest: Prepare(man, set, nil), Split: pool.Split, Together: &Together{}, Prefix: NewPrefixCache(1 << 20)}
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				got, _, err := c.Generate(context.Background(), mixed(i), nil)
				if err != nil || !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%s, request %d: another answer, %v", set.Name(), i, err)
				}
				if got, _, err = c.Audit(context.Background(), mixed(i), want[(i+1)%n].Outputs); err != nil || !reflect.DeepEqual(got, want[i]) {
					t.Errorf("%s, request %d: another audit, %v", set.Name(), i, err)
				}
			})
		}
		all.Wait()
		if g := c.Together; g.members != 0 || g.leading || len(g.waiting) != 0 {
			t.Errorf("%s: %d members, %d wait, led %v when all is done", set.Name(), g.members, len(g.waiting), g.leading)
		}
	}
}

// Where the maker of a pass waits for all, eight requests take the passes of the longest one.
func TestSharedPassesAreFewer(t *testing.T) {
	man := tinyModel(t, 1)
	g := &Together{patience: time.Hour}
	c := &Computer{Manifest: man, Together: g, Plain: true}
	const n = 8
	leave := make([]func(), n)
	for i := range n {
		leave[i] = g.join() // so that the first waits for the others
	}
	var all sync.WaitGroup
	most := uint64(0)
	for i := range n {
		_, alone := answer(t, &Computer{Manifest: man, Plain: true}, mixed(i))
		most = max(most, uint64(alone.Passes))
		r, err := c.begin(context.Background(), mixed(i), c.Rows.take)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer leave[i]()
			for !r.run.Done() {
				if err := g.advance(c, r.run, passSize); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := g.Passes(); got != most {
		t.Errorf("%d passes, the longest request alone takes %d", got, most)
	}
}

// An answer that ends early, by its context or by its reader, keeps nobody waiting.
func TestWhoLeavesKeepsNobodyWaiting(t *testing.T) {
	c := &Computer{Manifest: tinyModel(t, 1), Together: &Together{}}
	var all sync.WaitGroup
	for i := range 6 {
		ctx, cancel := context.WithCancel(context.Background())
		all.Go(func() {
			defer cancel()
			sent := 0
			_, _, err := c.Generate(ctx, mixed(i), func(int32) error {
				if sent++; sent == 3 && i%2 == 0 {
					cancel()
				}
				return nil
			})
			if (err != nil) != (i%2 == 0) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// A pass that panics takes the answers of that pass with it, and nobody else.
func TestBrokenPassKeepsNobodyWaiting(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	split := func(n int, work func(lo, hi int)) {
		if broken.Load() {
			panic("a broken split")
		}
		work(0, n)
	}
	c := &Computer{Manifest: Prepare(tinyModel(t, 1), Kernels()[0], nil), Split: split, Together: &Together{}}
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			defer func() { _ = recover() }()
			if _, _, err := c.Generate(context.Background(), mixed(i), nil); !errors.Is(err, ErrPass) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	all.Wait()
	broken.Store(false)
	want, _ := answer(t, &Computer{Manifest: c.Manifest}, mixed(1))
	if got, _ := answer(t, c, mixed(1)); !reflect.DeepEqual(got, want) {
		t.Error("another answer after a broken pass")
	}
}

// BenchmarkTogether is tokens per second of 1, 4 and 8 requests at once, that share passes and that
// do not, with all processors and without guesses; medians over the turns.
func BenchmarkTogether(b *testing.B) {
	small, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		b.Fatal(err)
	}
	large, err := manifest.Bind(modeltest.Llama(1, modeltest.Config{Vocab: 32768, TMax: 600, Dim: 1024, Heads: 16, KVHeads: 4, HeadDim: 64, FF: 2816, Layers: 12}))
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range []struct {
		name string
		man  *manifest.Manifest
	}{{"default", Prepare(small, Kernels()[0], nil)}, {"large", Prepare(large, Kernels()[0], nil)}} {
		for _, requests := range []int{1, 4, 8} {
			b.Run(fmt.Sprintf("%s/requests=%d", m.name, requests), func(b *testing.B) { togetherShare(b, m.man, requests) })
		}
	}
}

func togetherShare(b *testing.B, man *manifest.Manifest, requests int) {
	b.Helper()
	pool := NewPool(0)
	defer pool.Close()
	var took [2][]time.Duration
	const tokens = 32
	for b.Loop() {
		for i, g := range []*Together{nil, {}} {
			c := &Computer{Manifest: man, Split: pool.Split, Plain: true, Together: g}
			start := time.Now()
			var all sync.WaitGroup
			for r := range requests {
				job := conversation(4, 4, uint64(r))
				job.MaxNew = tokens
				all.Go(func() {
					if _, _, err := c.Generate(context.Background(), job, nil); err != nil {
						b.Error(err)
					}
				})
			}
			all.Wait()
			took[i] = append(took[i], time.Since(start))
		}
	}
	for i, name := range []string{"alone", "together"} {
		b.ReportMetric(float64(requests*tokens)/median(took[i]).Seconds(), name+"-tokens/s")
	}
}
