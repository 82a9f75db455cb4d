package engine

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
)

func tinyModel(t testing.TB, seed uint64) *manifest.Manifest {
	t.Helper()
	man, err := manifest.Bind(modeltest.Llama(seed, modeltest.Tiny()))
	if err != nil {
		t.Fatal(err)
	}
	return man
}

// conversation has a first part that all of its prompts share, and a second of its own.
func conversation(common, own int, seed uint64) decode.Job {
	j := decode.Job{MaxNew: 5, Temperature: 1 << 15, Seed: seed}
	for i := range common {
		j.Prompt = append(j.Prompt, int32(i*i*7+3)%300)
	}
	for i := range own {
		j.Prompt = append(j.Prompt, int32(uint64(i*31)+seed*77)%300)
	}
	return j
}

// answer is the answer and its cost.
func answer(t testing.TB, c *Computer, j decode.Job) (a *trace.Answer, w decode.Work) {
	t.Helper()
	one := *c
	one.Report = func(got decode.Work) { w = got }
	a, _, err := one.Generate(context.Background(), j, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a, w
}

// Rows of a common beginning are computed once: the second answer multiplies fewer, and is the one
// that no cache gives. Only ids and the model decide what is shared. SPEC 05 §3.2.
func TestSharedPrefixSavesRowsAndChangesNoBit(t *testing.T) {
	man, other := tinyModel(t, 1), tinyModel(t, 2)
	cache := NewPrefixCache(1 << 20)
	late := conversation(70, 9, 3)
	late.Prompt[5]++ // differs within the first block
	turn := conversation(70, 9, 1)
	first, _ := answer(t, &Computer{Manifest: man}, turn)
	turn.Prompt = slices.Concat(turn.Prompt, first.Outputs, []int32{7, 8, 9}) // the next turn
	for i, c := range []struct {
		man     *manifest.Manifest
		job     decode.Job
		adopted int
	}{
		{man, conversation(70, 9, 1), 0},
		{man, conversation(70, 9, 2), 64},
		{man, conversation(70, 30, 1), 64}, // a whole block, but the last position is computed
		{man, conversation(70, 30, 1), 96},
		{man, conversation(96, 0, 1), 64},
		{man, conversation(97, 0, 1), 96},
		{man, late, 0},
		{other, conversation(70, 9, 1), 0},
		{other, conversation(70, 9, 1), 64},
		{man, turn, 64},
		{man, conversation(1, 0, 1), 0},
	} {
		want, plain := answer(t, &Computer{Manifest: c.man}, c.job)
		got, work := answer(t, &Computer{Manifest: c.man, Prefix: cache}, c.job)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d: another answer with the cache", i)
		}
		if work.Adopted != c.adopted || work.Positions != plain.Positions-c.adopted {
			t.Errorf("%d: %d rows adopted, %d computed, want %d of %d adopted", i, work.Adopted, work.Positions, c.adopted, plain.Positions)
		}
	}
}

// A bit that flips in a kept row, or in its root, is found before the row is used; from there on rows
// are computed, and the spoilt block is replaced.
func TestSpoiltRowsAreComputedAgain(t *testing.T) {
	man, job := tinyModel(t, 1), conversation(100, 0, 1)
	want, _ := answer(t, &Computer{Manifest: man}, job)
	for _, spoil := range []struct {
		name  string
		block int
		flip  func(b *prefixBlock)
	}{
		{"first row", 0, func(b *prefixBlock) { b.rows[0] ^= 1 }},
		{"row in the middle", 1, func(b *prefixBlock) { b.rows[len(b.rows)/2+7] ^= 1 << 14 }},
		{"last row", 2, func(b *prefixBlock) { b.rows[len(b.rows)-1] ^= -1 << 15 }},
		{"root", 1, func(b *prefixBlock) { b.leaves[3][31] ^= 1 }},
	} {
		c := &Computer{Manifest: man, Prefix: NewPrefixCache(1 << 20)}
		answer(t, c, job)
		key := prefixKeys(man, job.Prompt)[spoil.block]
		spoil.flip(c.Prefix.find(key))
		got, work := answer(t, c, job)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: another answer", spoil.name)
		}
		if low := spoil.block * prefixIDs; work.Adopted < low || work.Adopted >= low+prefixIDs {
			t.Errorf("%s: %d rows adopted, the spoilt block begins at %d", spoil.name, work.Adopted, low)
		}
		if _, work = answer(t, c, job); work.Adopted != 96 {
			t.Errorf("%s: afterwards %d rows are adopted, want 96", spoil.name, work.Adopted)
		}
	}
}

// The cache never holds more than its limit, drops what was not used for the longest, and the ends
// of a sequence before its beginning.
func TestPrefixCacheHoldsItsLimit(t *testing.T) {
	man := tinyModel(t, 1)
	probe := &Computer{Manifest: man, Prefix: NewPrefixCache(1 << 30)}
	answer(t, probe, conversation(40, 0, 1))
	one := probe.Prefix.Size() // of one block
	c := &Computer{Manifest: man, Prefix: NewPrefixCache(4 * one)}
	for seed := range uint64(6) {
		answer(t, c, conversation(0, 70, seed+1))
		if n := c.Prefix.Size(); n > 4*one {
			t.Fatalf("%d bytes in a cache of %d", n, 4*one)
		}
	}
	for _, p := range []struct {
		seed    uint64
		adopted int
	}{{6, 64}, {5, 64}, {1, 0}, {5, 64}, {6, 0}} {
		if _, w := answer(t, c, conversation(0, 70, p.seed)); w.Adopted != p.adopted {
			t.Errorf("prompt %d: %d rows adopted, want %d", p.seed, w.Adopted, p.adopted)
		}
	}
	small := &Computer{Manifest: man, Prefix: NewPrefixCache(one - 1)}
	if answer(t, small, conversation(0, 70, 1)); small.Prefix.Size() != 0 {
		t.Errorf("a cache smaller than a block holds %d bytes", small.Prefix.Size())
	}
}

// Answers that share and replace blocks at the same time are those that come alone.
func TestConcurrentAnswersShareRows(t *testing.T) {
	man := tinyModel(t, 1)
	pool := NewPool(3)
	defer pool.Close()
	c := &Computer{Manifest: man, Split: pool.Split, Prefix: NewPrefixCache(60 << 10)}
	var all sync.WaitGroup
	for seed := range uint64(6) {
		job := conversation(64+int(seed%2)*16, 20, seed%3)
		want, _ := answer(t, &Computer{Manifest: man}, job)
		all.Go(func() {
			for range 4 {
				if got, _, err := c.Generate(context.Background(), job, nil); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("seed %d: another answer, %v", seed, err)
				}
			}
		})
	}
	all.Wait()
}

// Who disturbs his computation on purpose neither takes rows nor leaves any.
func TestDisturbedRunsShareNothing(t *testing.T) {
	man, job := tinyModel(t, 1), conversation(70, 9, 1)
	c := &Computer{Manifest: man, Prefix: NewPrefixCache(1 << 20)}
	lie := *c
	lie.Tamper = func(stage int, _ *opset.Context, i int, x *tensor.Tensor) {
		if stage == 0 && i == 1 {
			x.I32[0]++
		}
	}
	if _, w := answer(t, &lie, job); w.Adopted != 0 || c.Prefix.Size() != 0 {
		t.Errorf("%d rows adopted, %d bytes left", w.Adopted, c.Prefix.Size())
	}
	answer(t, c, job)
	if _, w := answer(t, &lie, job); w.Adopted != 0 {
		t.Errorf("%d rows adopted", w.Adopted)
	}
}

// BenchmarkPrefix is the time to the first token of a prompt of 512 ids of which 480 are kept, as a
// part of the time without; one thread, medians in turns.
func BenchmarkPrefix(b *testing.B) {
	man, err := manifest.Bind(modeltest.Llama(1, modeltest.Config{Vocab: 4096, TMax: 600, Dim: 1024, Heads: 16, KVHeads: 4, HeadDim: 64, FF: 2816, Layers: 4}))
	if err != nil {
		b.Fatal(err)
	}
	c := &Computer{Manifest: Prepare(man, Kernels()[0], nil), Prefix: NewPrefixCache(1 << 30)}
	job := conversation(480, 32, 0)
	job.MaxNew = 1
	answer(b, c, job)
	var took [2][]time.Duration
	for b.Loop() {
		job = conversation(480, 32, uint64(len(took[0])+1))
		job.MaxNew = 1
		for i, p := range []*PrefixCache{nil, c.Prefix} {
			one := *c
			one.Prefix = p
			start := time.Now()
			answer(b, &one, job)
			took[i] = append(took[i], time.Since(start))
		}
	}
	b.ReportMetric(float64(median(took[0]).Microseconds()), "computed-us")
	b.ReportMetric(float64(median(took[1]).Microseconds()), "kept-us")
	b.ReportMetric(100*float64(median(took[1]))/float64(median(took[0])), "kept-%")
}
