package engine_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/model"
	"elenchus/compute/model/modeltest"
	"elenchus/compute/opset"
	"elenchus/compute/tensor"
	"elenchus/engine"
	"elenchus/importer"
	"elenchus/models"
)

// settings are jobs over the settings of the sampler.
func settings(n, out int) []decode.Job {
	base := long(n, out)
	var jobs []decode.Job
	for _, temperature := range []uint32{0, 1 << 16} {
		for _, s := range []decode.Sampler{{}, {TopK: 5}, {TopP: 1 << 29}, {TopK: 40, TopP: 1 << 29, MinP: 1 << 20},
			{Repetition: 1 << 17, Presence: 1 << 15, Frequency: 1 << 14, Bias: []opset.TokenBias{{ID: 8, Value: 1 << 18}}}} {
			j := base
			j.Temperature, j.Sampler = temperature, s
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// An audit gives the answer of Generate, state by state, whatever is claimed, for kernels, threads
// and batches; a true claim takes fewer passes. SPEC 05 §3.
func TestAuditEqualsGenerate(t *testing.T) {
	man := tiny(t)
	pool := engine.NewPool(3)
	defer pool.Close()
	var fast []*manifest.Manifest
	for _, set := range engine.Kernels() {
		fast = append(fast, engine.Prepare(man, set, nil))
	}
	for at, job := range settings(11, 21) {
		plain := engine.Computer{Manifest: man, Batch: 1, Plain: true}
		want, finish, err := plain.Generate(context.Background(), job, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, set := range engine.Kernels() {
			for _, batch := range [][]int{{1, 16}, {2 + i, 64}}[(at+i)%2] {
				for name, claimed := range claims(want.Outputs) {
					var work decode.Work
					c := engine.Computer{Manifest: fast[i], Split: pool.Split, Batch: batch, Report: func(w decode.Work) { work = w }}
					got, f, err := c.Audit(context.Background(), job, claimed)
					if err != nil {
						t.Fatal(err)
					}
					if f != finish || !reflect.DeepEqual(got, want) {
						t.Errorf("%s, batch %d, %+v, %s: another answer", set.Name(), batch, job.Sampler, name)
					}
					if passes := (31 + batch - 1) / batch; name == "true" && work.Passes != passes {
						t.Errorf("batch %d: %d passes, want %d", batch, work.Passes, passes)
					}
				}
			}
		}
	}
}

// Audits, guesses, shared rows and shared passes keep every bit of every kind of model.
func TestEveryKindOfModelKeepsItsAnswer(t *testing.T) {
	for name, m := range map[string]*model.Model{
		"wide": modeltest.Llama(1, modeltest.Wide()), "blocks": modeltest.Llama(1, modeltest.Blocks()),
		"experts": modeltest.Llama(1, modeltest.Experts()), "family": modeltest.Family(1),
	} {
		man, err := manifest.Bind(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, job := range settings(70, 9)[3:5] {
			plain := engine.Computer{Manifest: man, Batch: 1, Plain: true}
			want, _, err := plain.Generate(context.Background(), job, nil)
			if err != nil {
				t.Fatal(err)
			}
			adopted := 0
			c := engine.Computer{Manifest: engine.Prepare(man, engine.Kernels()[0], nil), Prefix: engine.NewPrefixCache(1 << 22), Together: &engine.Together{},
				Report: func(w decode.Work) { adopted += w.Adopted }}
			for range 2 {
				if got, _, err := c.Generate(context.Background(), job, nil); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s: another answer, %v", name, err)
				}
			}
			if got, _, err := c.Audit(context.Background(), job, want.Outputs); err != nil || !reflect.DeepEqual(got, want) || adopted != 64 {
				t.Errorf("%s: another audit, or %d rows adopted, want 64; %v", name, adopted, err)
			}
		}
	}
}

// claims are a true claim and false ones: an id in each kind of place, what is no id, too short, too
// long, nothing.
func claims(out []int32) map[string][]int32 {
	c := map[string][]int32{"true": out, "none": nil, "short": out[:len(out)/2], "long": append(slices.Clone(out), 1, 2, 3)}
	for _, at := range []int{0, 1, len(out) / 2, len(out) - 1} {
		for name, id := range map[string]int32{"other": (out[at] + 1) % 300, "negative": -1, "beyond": 1 << 30} {
			c[fmt.Sprintf("%s id at %d", name, at)] = slices.Concat(out[:at], []int32{id}, out[at+1:])
		}
	}
	return c
}

// A lie in a row, in the residual stream, in logits, in a token and in a finish code is found at the
// step where it is, as by Generate: the audit's states agree with the liar's up to there.
func TestAuditFindsLiesWhereTheyAre(t *testing.T) {
	man := tiny(t)
	layer, head := 1, man.Emit()
	ops := func(stage int) int { return len(man.Model.Stages[stage].Ops) }
	for _, lie := range []struct {
		name         string
		stage, index int
		step         uint32
		change       func(x *tensor.Tensor)
	}{
		{"prompt row", layer, int(man.Model.Stages[layer].Ops[0].P[1]), 3, func(x *tensor.Tensor) { x.I16[1] ^= 64 }},
		{"row behind the prompt", layer, int(man.Model.Stages[layer].Ops[0].P[2]), 9, func(x *tensor.Tensor) { x.I16[1] ^= 64 }},
		{"token", head, ops(head) - 2, 8, func(x *tensor.Tensor) { x.I32[0] = (x.I32[0] + 1) % 300 }},
		{"finish", head, ops(head) - 1, 10, func(x *tensor.Tensor) { x.I32[0] = opset.FinishLength }},
	} {
		tamper := func(stage int, c *opset.Context, i int, x *tensor.Tensor) {
			if stage == lie.stage && i == lie.index && c.T == lie.step {
				lie.change(x)
			}
		}
		for _, job := range settings(7, 12) {
			liar, honest := engine.Computer{Manifest: man, Tamper: tamper}, engine.Computer{Manifest: man, Plain: true}
			theirs, _, err := liar.Generate(context.Background(), job, nil)
			if err != nil {
				t.Fatal(err)
			}
			mine, _, err := honest.Generate(context.Background(), job, nil)
			if err != nil {
				t.Fatal(err)
			}
			audit, _, err := honest.Audit(context.Background(), job, theirs.Outputs)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := liar.Audit(context.Background(), job, theirs.Outputs)
			if err != nil || !reflect.DeepEqual(again, theirs) {
				t.Errorf("%s: the liar's own audit gives another answer, %v", lie.name, err)
			}
			if !reflect.DeepEqual(audit, mine) || firstDifference(audit, theirs) != int(lie.step) {
				t.Errorf("%s: the first difference is state %d, want %d", lie.name, firstDifference(audit, theirs), lie.step)
			}
		}
	}
}

// firstDifference is the first step whose states differ, -1 if none.
func firstDifference(a, b *trace.Answer) int {
	for i := range min(len(a.States), len(b.States)) {
		if a.States[i] != b.States[i] {
			return i - 1
		}
	}
	return -1
}

// A step that is replayed with its output known is the one that is replayed without.
func TestStepEqualsItselfWhateverIsKnown(t *testing.T) {
	man, job := tiny(t), long(9, 9)
	a, _, err := (&engine.Computer{Manifest: man}).Generate(context.Background(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	fast := engine.Computer{Manifest: engine.Prepare(man, engine.Kernels()[0], nil)}
	for at := 1; at < len(a.States)-1; at += 3 {
		want, err := trace.Replay(man, job, at, nil, nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, known := range claims(a.Outputs) {
			got, err := fast.Step(job, at, known)
			if err != nil {
				t.Fatal(err)
			}
			if got.Now != want.Now || got.Prev != want.Prev || !slices.Equal(got.Boundaries(), want.Boundaries()) || got.PositionLeaf() != want.PositionLeaf() {
				t.Errorf("step %d, %s: another step", at, name)
			}
		}
	}
}

// BenchmarkAudit compares generation, without guesses, with the audit of its answer by one thread:
// ns/token of both and their ratio, measured in turns.
func BenchmarkAudit(b *testing.B) {
	large, err := manifest.Bind(modeltest.Llama(1, largeShape()))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		man  *manifest.Manifest
	}{{"default", defaultModel(b)}, {"large", large}} {
		for _, temperature := range []uint32{0, 1 << 16} {
			b.Run(fmt.Sprintf("%s/temperature=%d", c.name, temperature>>16), func(b *testing.B) {
				job := long(16, 64)
				job.Temperature = temperature
				auditShare(b, engine.Prepare(c.man, engine.Kernels()[0], nil), job)
			})
		}
	}
}

// largeShape is a decoder of 200 million weights, more than processors keep near.
func largeShape() modeltest.Config {
	return modeltest.Config{Vocab: 32768, TMax: 600, Dim: 1024, Heads: 16, KVHeads: 4, HeadDim: 64, FF: 2816, Layers: 12}
}

// auditShare reports medians over b.N turns, each of a generation and an audit.
func auditShare(b *testing.B, man *manifest.Manifest, job decode.Job) {
	b.Helper()
	c := engine.Computer{Manifest: man, Plain: true}
	var generate, audit []time.Duration
	tokens := 0
	for b.Loop() {
		start := time.Now()
		a, _, err := c.Generate(context.Background(), job, nil)
		if err != nil {
			b.Fatal(err)
		}
		generate = append(generate, time.Since(start))
		start = time.Now()
		again, _, err := c.Audit(context.Background(), job, a.Outputs)
		if err != nil || again.Hashes[len(again.Hashes)-1] != a.Hashes[len(a.Hashes)-1] {
			b.Fatal("another answer", err)
		}
		audit = append(audit, time.Since(start))
		tokens = len(a.Outputs)
	}
	slices.Sort(generate)
	slices.Sort(audit)
	g, u := generate[len(generate)/2], audit[len(audit)/2]
	b.ReportMetric(float64(g.Microseconds())/float64(tokens), "generate-us/token")
	b.ReportMetric(float64(u.Microseconds())/float64(tokens), "audit-us/token")
	b.ReportMetric(100*float64(u)/float64(g), "audit-%")
}

func defaultModel(tb testing.TB) *manifest.Manifest {
	tb.Helper()
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return man
}
