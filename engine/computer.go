// Package engine serves models at speed: it owns the threads that operations are spread over.
//
// It stands above the pure floors, which start nothing, and below services; it knows no chain and
// no sockets. Invariant: threads, batches and the number of runs at once change no bit of what is
// computed or committed to. SPEC 02, 06.
//
//	pool := engine.NewPool(0)
//	defer pool.Close()
//	c := &engine.Computer{Manifest: man, Split: pool.Split}
//	answer, finish, err := c.Generate(ctx, job, emit)
package engine

import (
	"context"

	"elenchus/commitment/manifest"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
)

// Computer runs one model for a node or a challenger and commits to what it did. The zero value
// of everything but Manifest is the honest, single-threaded one. It is safe for concurrent use if
// Split is.
type Computer struct {
	Manifest *manifest.Manifest
	Split    machine.Split // nil: one thread
	Batch    int           // prompt positions per pass; 0: 16

	// Tamper and Flip disturb the computation on purpose (adversaries, fault injection); both are
	// functions of their arguments, so that Step repeats what Generate did.
	Tamper trace.Tamper
	Flip   func(job decode.Job, t int, kv *machine.Cache)
}

// Generate answers a job, handing each id to emit as it is drawn (emit may be nil), and returns
// the commitment to the whole run and the finish code. It ends with ctx or with emit's error.
func (c *Computer) Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (*trace.Answer, uint8, error) {
	if err := job.Check(c.Manifest.Model); err != nil {
		return nil, 0, err
	}
	chain := trace.NewChain(&c.Manifest.Header, job.Prompt[0])
	hooks := decode.Hooks{Tensor: c.Tamper, Step: func(t int, y, f int32, kv *machine.Cache) {
		chain.Append(y, f, kv)
		if c.Flip != nil {
			c.Flip(job, t, kv)
		}
	}}
	run, err := decode.New(c.Manifest.Model, job, c.Split, hooks)
	if err != nil {
		return nil, 0, err
	}
	batch := c.Batch
	if batch == 0 {
		batch = 16
	}
	if c.Flip != nil {
		batch = 1 // a later position of the batch must see the disturbed cache, as in Step
	}
	for sent := 0; !run.Done(); {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if err := run.Advance(batch); err != nil {
			return nil, 0, err
		}
		for ; sent < len(run.Output()); sent++ {
			if emit == nil {
				continue
			}
			if err := emit(run.Output()[sent]); err != nil {
				return nil, 0, err
			}
		}
	}
	return chain.Answer(run.Output()), uint8(run.Finish()), nil
}

// Step re-executes a job up to step t and keeps that step for openings.
func (c *Computer) Step(job decode.Job, t int) (*trace.Step, error) {
	var flip func(t int, kv *machine.Cache)
	if c.Flip != nil {
		flip = func(t int, kv *machine.Cache) { c.Flip(job, t, kv) }
	}
	return trace.Replay(c.Manifest, job, t, c.Split, c.Tamper, flip)
}
