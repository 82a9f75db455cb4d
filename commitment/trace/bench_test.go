package trace_test

import (
	"testing"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/cputest"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/importer"
	"elenchus/models"
)

// defaultModel is the model that ships with the binary.
func defaultModel(b *testing.B) *manifest.Manifest {
	b.Helper()
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return man
}

// BenchmarkCommitToken is the cost of a state per token on the default model: rows, position leaf,
// append and S_t. DESIGN law 6.
func BenchmarkCommitToken(b *testing.B) {
	man := defaultModel(b)
	n := int(man.TMax)
	cache := machine.NewCache(int(man.Layers), n, man.Model.DKV)
	for l := range cache.K {
		for i := range cache.K[l] {
			cache.K[l][i], cache.V[l][i] = int16(i*7+l), int16(i*11-l)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	var c *trace.Chain
	defer cputest.Report(b)()
	for i := 0; b.Loop(); i++ {
		if i%n == 0 {
			b.StopTimer()
			c = trace.NewChain(man, &decode.Job{Prompt: []int32{1}})
			b.StartTimer()
		}
		c.Append(decode.Yield{Y: 5}, cache)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "us/token")
}

// BenchmarkDecodeToken is the cost of a drawn token on the default model, one thread, without and
// with the chain; share_% is the part of the time that the chain took, measured in the same run.
func BenchmarkDecodeToken(b *testing.B) {
	man := defaultModel(b)
	b.Run("plain", func(b *testing.B) { decodeTokens(b, man, nil) })
	b.Run("committed", func(b *testing.B) {
		var in time.Duration
		decodeTokens(b, man, func(c *trace.Chain, y decode.Yield, kv *machine.Cache) {
			start := time.Now()
			c.Append(y, kv)
			in += time.Since(start)
		})
		b.ReportMetric(100*float64(in)/float64(b.Elapsed()), "share_%")
	})
}

func decodeTokens(b *testing.B, man *manifest.Manifest, commit func(c *trace.Chain, y decode.Yield, kv *machine.Cache)) {
	b.Helper()
	job := decode.Job{Prompt: []int32{1, 30, 40, 50}, MaxNew: man.TMax - 4}
	var run *decode.Run
	defer cputest.Report(b)()
	for b.Loop() {
		if run == nil || run.Done() {
			b.StopTimer()
			hooks := decode.Hooks{}
			if commit != nil {
				c := trace.NewChain(man, &job)
				hooks.Step = func(_ int, y decode.Yield, kv *machine.Cache) { commit(c, y, kv) }
			}
			var err error
			if run, err = decode.New(man.Model, job, nil, hooks); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if err := run.Advance(1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "us/token")
}
