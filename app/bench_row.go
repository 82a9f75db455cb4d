package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/kernel"
	"elenchus/compute/machine"
	"elenchus/engine"
)

// measure goes through kernels, then turns, threads and contexts; one packed model is held at a time.
func (s *Speed) measure(ctx context.Context, z *gasShape, man *manifest.Manifest, sets []kernel.Set, o *SpeedOptions) error {
	turns, each := max(1, o.Turns), len(o.Threads)*len(o.Contexts)
	digests, done := map[int]string{}, 0
	for _, set := range sets {
		pool := engine.NewPool(0)
		fast := engine.Prepare(man, set, pool.Split)
		pool.Close()
		rows := make([][]SpeedRow, each) // of each threads and context, those of all turns
		for i := range turns * each {
			at := i % each
			row := SpeedRow{Kernel: set.Name(), Threads: o.Threads[at/len(o.Contexts)], Context: o.Contexts[at%len(o.Contexts)]}
			if err := s.one(ctx, z, fast, &row, o); err != nil {
				return err
			}
			rows[at] = append(rows[at], row)
			if was := digests[row.Context]; was != "" && was != row.Digest {
				return fmt.Errorf("%w: %s with %d threads at %d gives %s, not %s", ErrDigest, row.Kernel, row.Threads, row.Context, row.Digest, was)
			}
			digests[row.Context] = row.Digest
			if done++; o.Progress != nil {
				o.Progress(done, len(sets)*turns*each)
			}
		}
		for _, r := range rows {
			s.Rows = append(s.Rows, middle(r))
		}
	}
	return nil
}

// one is one measurement, between Begin and End.
func (s *Speed) one(ctx context.Context, z *gasShape, man *manifest.Manifest, row *SpeedRow, o *SpeedOptions) error {
	if o.Begin != nil {
		if err := o.Begin(); err != nil {
			return err
		}
	}
	row.DRAM = s.readRate(row.Threads)
	if err := row.run(ctx, z, man, s.WeightBytes, o); err != nil {
		return err
	}
	if o.End != nil {
		return o.End(*row)
	}
	return nil
}

// middle are the medians of rows that differ in what was measured only.
func middle(rows []SpeedRow) SpeedRow {
	out := rows[0]
	for _, f := range []func(*SpeedRow) *float64{
		func(r *SpeedRow) *float64 { return &r.Rate }, func(r *SpeedRow) *float64 { return &r.CPURate },
		func(r *SpeedRow) *float64 { return &r.GBs }, func(r *SpeedRow) *float64 { return &r.DRAM },
		func(r *SpeedRow) *float64 { return &r.DRAMShare }, func(r *SpeedRow) *float64 { return &r.GOPs },
		func(r *SpeedRow) *float64 { return &r.Commit },
	} {
		var v []float64
		for i := range rows {
			v = append(v, *f(&rows[i]))
		}
		slices.Sort(v)
		*f(&out) = v[len(v)/2]
	}
	return out
}

// timing are runs that commit to what they do, in passes that they share, and what it took.
type timing struct {
	pass   decode.Pass
	runs   []*decode.Run
	logits [][]int32       // of each run, of all tokens drawn
	took   []time.Duration // of each pass that drew tokens after the first ones
	commit time.Duration   // commitments, from the first token drawn on or, of a prompt, in all
	wall   time.Duration   // as commit
	cpu    time.Duration   // as commit
}

// begin makes the runs of a row, whose prompts are as long as its context.
func (r *SpeedRow) begin(z *gasShape, man *manifest.Manifest, split machine.Split, o *SpeedOptions) (*timing, error) {
	t := &timing{pass: decode.Pass{Split: split}}
	for q := range max(1, o.Requests) {
		job := decode.Job{MaxNew: uint32(max(1, o.Tokens))}
		for i := range max(1, r.Context) {
			job.Prompt = append(job.Prompt, int32((i*7919+q)%z.vocab))
		}
		if o.Prefill {
			job.MaxNew = 1
		}
		if err := t.add(man, job, split); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// add begins one more run.
func (t *timing) add(man *manifest.Manifest, job decode.Job, split machine.Split) error {
	chain := trace.NewChain(man, &job)
	run, err := decode.New(man.Model, job, split, decode.Hooks{Step: func(_ int, y decode.Yield, kv *machine.Cache) {
		start := time.Now()
		chain.Append(y, kv)
		t.commit += time.Since(start)
	}})
	if err != nil {
		return err
	}
	q := len(t.runs)
	run.Logits = func(_ int, l []int32) { t.logits[q] = append(t.logits[q], l...) }
	room := make([]int32, int(job.MaxNew)*man.Model.Vocab) // so that nothing is made while time is taken
	for i := range room {
		room[i] = 1 // a page that nobody wrote to takes no memory
	}
	t.runs, t.logits = append(t.runs, run), append(t.logits, room[:0])
	return nil
}

// finish advances the runs, which are of one length, to their end.
func (t *timing) finish(ctx context.Context, o *SpeedOptions) error {
	begin, cpu, first := time.Now(), processorTime(), t.runs[0]
	for !first.Done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		start, drawn := time.Now(), len(first.Output())
		if err := t.pass.Advance(t.runs, o.Batch); err != nil {
			return err
		}
		switch {
		case drawn > 0:
			t.took = append(t.took, time.Since(start))
		case len(first.Output()) > 0 && !o.Prefill && !first.Done():
			t.commit, begin, cpu = 0, time.Now(), processorTime()
		}
	}
	t.wall, t.cpu = time.Since(begin), processorTime()-cpu
	return nil
}

// digest is of the logits of all runs.
func (t *timing) digest() string {
	sum := sha256.New()
	for _, run := range t.logits {
		for part := range slices.Chunk(run, 1<<16) {
			sum.Write(trace.IDBytes(part))
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// run measures one row of a model whose tokens read so many bytes of weights.
func (r *SpeedRow) run(ctx context.Context, z *gasShape, man *manifest.Manifest, weights int64, o *SpeedOptions) error {
	pool := engine.NewPool(r.Threads)
	defer pool.Close()
	t, err := r.begin(z, man, pool.Split, o)
	if err != nil {
		return err
	}
	if err := t.finish(ctx, o); err != nil {
		return err
	}
	r.Digest = t.digest()
	r.Commit = t.commit.Seconds() / t.wall.Seconds()
	requests := max(1, o.Requests)
	prompt := max(1, r.Context)
	if r.Tokens = requests * prompt; !o.Prefill && len(t.took) > 0 {
		r.Tokens = requests * len(t.took)
	}
	r.Rate = float64(r.Tokens) / t.wall.Seconds()
	if t.cpu > 0 {
		r.CPURate = float64(r.Tokens) / t.cpu.Seconds()
	}
	if !o.Prefill && len(t.took) > 0 {
		slices.Sort(t.took)
		passes := 1 / t.took[len(t.took)/2].Seconds()
		r.Rate = passes * float64(requests)
		row := int64(4 * z.kvHeads * z.headDim * z.layers)
		r.GBs = passes * float64(weights+int64(requests)*row*int64(prompt+len(t.took)/2)) / 1e9
		r.DRAMShare = r.GBs / r.DRAM
	}
	r.GOPs = r.Rate * 2 * float64(z.matrices()) / 1e9
	return nil
}
