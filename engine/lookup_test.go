package engine

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/importer"
	"elenchus/models"
)

// Guesses change no state of an answer, greedy or drawn, and cost at most what is promised; an answer
// that repeats itself takes a fraction of the passes. SPEC 05 §3.3.
func TestGuessesSavePassesAndChangeNoBit(t *testing.T) {
	man := tinyModel(t, 1)
	for _, temperature := range []uint32{0, 1 << 10, 1 << 16} {
		for seed := range uint64(3) {
			job := conversation(9, 9, seed)
			job.MaxNew, job.Temperature = 200, temperature
			want, plain := answer(t, &Computer{Manifest: man, Plain: true}, job)
			got, work := answer(t, &Computer{Manifest: man}, job)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("temperature %d, seed %d: another answer", temperature, seed)
			}
			lost := work.Drafted - work.Accepted
			if lost > lossFirst+len(want.Outputs)/lossShare+work.Accepted/2 || work.Positions != plain.Positions+lost {
				t.Errorf("%d of %d guesses were wrong, %d positions computed instead of %d", lost, work.Drafted, work.Positions, plain.Positions)
			}
			if work.Passes != plain.Passes-work.Accepted {
				t.Errorf("%d passes, %d without guesses, of which %d came true", work.Passes, plain.Passes, work.Accepted)
			}
			if temperature == 0 && work.Passes > plain.Passes/4 { // a drawn model falls into a cycle
				t.Errorf("seed %d: %d passes of %d for an answer that repeats itself", seed, work.Passes, plain.Passes)
			}
		}
	}
}

// A guess is what stood behind the same three ids last, and goes round in a cycle.
func TestLookupGuessesWhatFollowedLast(t *testing.T) {
	for _, c := range []struct {
		prompt, output []int32
		most           int
		want           []int32
	}{
		{[]int32{1, 2, 3, 4, 5, 6, 1, 2, 3}, nil, 9, []int32{4, 5, 6, 1}},
		{[]int32{1, 2, 3, 4, 1, 2, 3, 5, 1, 2}, []int32{3}, 2, []int32{5, 1}},
		{[]int32{7, 7, 7, 7}, nil, 3, []int32{7, 7, 7}},
		{[]int32{8, 9, 8, 9, 8}, []int32{9}, 4, []int32{8, 9, 8, 9}},
		{[]int32{1, 2, 3, 4, 5}, nil, 9, nil},
		{[]int32{1, 2}, nil, 9, nil},
		{[]int32{7, 7, 7, 7}, nil, 0, nil},
	} {
		if got := newLookup(c.prompt).guess(c.output, c.most); !slices.Equal(got, c.want) {
			t.Errorf("%v, %v: %v, want %v", c.prompt, c.output, got, c.want)
		}
	}
}

// BenchmarkGuess compares answers with and without guesses on the default model, one thread: medians
// of ns/token, measured in turns. drawn is text without repeats to speak of, greedy repeats itself.
func BenchmarkGuess(b *testing.B) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		b.Fatal(err)
	}
	man = Prepare(man, Kernels()[0], nil)
	b.Run("drawn", func(b *testing.B) { guessShare(b, man, 1<<16) })
	b.Run("greedy", func(b *testing.B) { guessShare(b, man, 0) })
}

func guessShare(b *testing.B, man *manifest.Manifest, temperature uint32) {
	b.Helper()
	c := [2]*Computer{{Manifest: man, Plain: true}, {Manifest: man}}
	var took [2][]time.Duration
	tokens, passes := 0, [2]int{}
	for b.Loop() {
		job := conversation(1, 0, 1)
		job.Seed, job.MaxNew, job.Temperature = uint64(len(took[0])), 256, temperature
		for i := range c {
			start := time.Now()
			a, w := answer(b, c[i], job)
			took[i] = append(took[i], time.Since(start))
			tokens, passes[i] = len(a.Outputs), passes[i]+w.Passes
		}
	}
	plain, guess := median(took[0]), median(took[1])
	b.ReportMetric(float64(plain.Microseconds())/float64(tokens), "plain-us/token")
	b.ReportMetric(float64(guess.Microseconds())/float64(tokens), "guess-us/token")
	b.ReportMetric(100*float64(guess)/float64(plain), "guess-%")
	b.ReportMetric(100*float64(passes[1])/float64(passes[0]), "passes-%")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
