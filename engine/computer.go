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
	"errors"
	"runtime/debug"
	"slices"

	"elenchus/commitment/manifest"
	"elenchus/commitment/merkle"
	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/opset"
)

// Computer runs one model for a node or a challenger and commits to what it did. The zero value
// of everything but Manifest is the honest, single-threaded one. It is safe for concurrent use if
// Split is.
type Computer struct {
	Manifest *manifest.Manifest
	Split    machine.Split // nil: one thread
	Batch    int           // positions per pass; 0: 16

	// Prefix, when set, keeps the rows of prompts for later ones. It may be shared by the computers
	// of several models, but not by different weights under one model id.
	Prefix *PrefixCache
	// Together, when set, lets answers of this computer that are made at the same time share passes.
	Together *Together
	// Grammars, when set, keeps the tables of grammars; others may share it.
	Grammars *Grammars
	// Plain turns guesses off: every step is computed when its token is known.
	Plain bool
	// Report, when set, is told what each answer cost.
	Report func(decode.Work)

	// Rows, when set, bounds the rows of answers, audits and steps in the making; several computers may share it.
	Rows *Rows
	// Seals, when set, are of the manifest's packed weights: once they are found to be spoilt, every answer
	// that is not complete ends with ErrSpoilt.
	Seals *Seals
	// Recheck, when set, is told how many steps an answer has and names one up to which it is computed
	// again before it is handed out as done; below 0: none. A difference is ErrRecheck.
	Recheck func(steps int) int

	// Tamper and Flip disturb the computation on purpose (adversaries, fault injection); both are
	// functions of their arguments, so that Step repeats what Generate did. With them no rows and
	// passes are shared and nothing is guessed.
	Tamper trace.Tamper
	Flip   func(job decode.Job, t int, kv *machine.Cache)
}

// passSize is the number of positions that one pass computes.
const passSize = 16

// Generate answers a job, handing each id to emit as it is drawn (emit may be nil), and returns
// the commitment to the whole run and the finish code. It ends with ctx or with emit's error; where that is
// decode.ErrCut, the ids handed out before are the answer, which was cancelled.
func (c *Computer) Generate(ctx context.Context, job decode.Job, emit func(id int32) error) (_ *trace.Answer, _ uint8, err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	r, err := c.prepare(ctx, job)
	if err != nil {
		return nil, 0, err
	}
	return r.finish(ctx, emit)
}

// GenerateOdds is Generate that tells of each id how likely it was, and which k ids were most likely.
// SPEC 05 §6.2.
func (c *Computer) GenerateOdds(ctx context.Context, job decode.Job, k int, emit func(id int32, o decode.Odds) error) (_ *trace.Answer, _ uint8, err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	r, err := c.prepare(ctx, job)
	if err != nil {
		return nil, 0, err
	}
	var odds []decode.Odds // of the ids that were not handed out yet
	r.run.Logits = func(_ int, logits []int32) {
		out := r.run.Output()
		odds = append(odds, decode.OddsOf(logits, out[len(out)-1], k))
	}
	return r.finish(ctx, func(id int32) error {
		o := odds[0]
		odds = odds[1:]
		return emit(id, o)
	})
}

// prepare begins an answer with the guesses and the rows of prompts that the computer has.
func (c *Computer) prepare(ctx context.Context, job decode.Job) (*running, error) {
	r, err := c.begin(ctx, job, c.Rows.take)
	if err != nil {
		return nil, err
	}
	if !c.Plain && c.Tamper == nil {
		r.run.Draft = newLookup(job.Prompt).guess
	}
	if c.Prefix != nil && c.Tamper == nil && c.Flip == nil {
		r.prefix = c.Prefix
		if err := r.adopt(); err != nil {
			r.free()
			return nil, err
		}
	}
	return r, nil
}

// Audit is Generate of a job whose output is claimed to be known: several steps of the answer are
// computed in one pass as long as the claim is what is drawn. The result is that of Generate,
// whatever is claimed. It shares no rows: whoever checks computes for himself.
func (c *Computer) Audit(ctx context.Context, job decode.Job, claimed []int32) (_ *trace.Answer, _ uint8, err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	r, err := c.begin(ctx, job, c.Rows.insist)
	if err != nil {
		return nil, 0, err
	}
	r.run.Draft = decode.Known(claimed)
	return r.finish(ctx, nil)
}

// running is one answer on its way.
type running struct {
	c      *Computer
	job    decode.Job
	run    *decode.Run
	chain  *trace.Chain
	batch  int
	prefix *PrefixCache
	leaves []merkle.Hash // of adopted positions
	free   func()        // gives back the room of the rows
}

// begin makes an answer that waits for its first pass, once there is room for its rows. Who gets it calls finish.
func (c *Computer) begin(ctx context.Context, job decode.Job, room taking) (*running, error) {
	if err := job.Check(c.Manifest.Model); err != nil {
		return nil, err
	}
	job, err := c.Grammars.Bind(c.Manifest, job)
	if err != nil {
		return nil, err
	}
	r := &running{c: c, job: job, chain: trace.NewChain(c.Manifest, &job), batch: c.Batch}
	hooks := decode.Hooks{Tensor: c.Tamper, Step: func(t int, y decode.Yield, kv *machine.Cache) {
		if t < len(r.leaves) {
			r.chain.AppendLeaf(y, r.leaves[t])
			return
		}
		r.chain.Append(y, kv)
		if c.Flip != nil {
			c.Flip(job, t, kv)
		}
	}}
	if r.batch == 0 {
		r.batch = passSize
	}
	if c.Flip != nil {
		r.batch = 1 // a later position of the batch must see the disturbed cache, as in Step
	}
	free, err := room(ctx, c.Manifest, &job)
	if err != nil {
		return nil, err
	}
	r.free = free
	if r.run, err = decode.New(c.Manifest.Model, job, c.Split, hooks); err != nil {
		r.free()
		return nil, err
	}
	return r, nil
}

// adopt takes the rows of the prompt that the cache has.
func (r *running) adopt() error {
	r.leaves = r.prefix.load(r.c.Manifest, r.job.Prompt, r.run.Cache(), r.chain)
	return r.run.Adopt(len(r.leaves))
}

// share hands the rows that are known to the cache.
func (r *running) share() {
	if r.prefix != nil {
		ids := append(slices.Clone(r.job.Prompt), r.run.Output()...)
		r.prefix.keep(r.c.Manifest, ids[:r.run.Next()], r.run.Cache(), r.chain.Positions())
		if r.c.Seals.Err() != nil { // found meanwhile: Check may have emptied the cache before
			r.prefix.Clear()
		}
	}
}

// finish advances the run to its end.
func (r *running) finish(ctx context.Context, emit func(id int32) error) (*trace.Answer, uint8, error) {
	defer r.free()
	advance := r.run.Advance
	if g := r.c.Together; g != nil && r.c.Tamper == nil && r.c.Flip == nil {
		defer g.join()()
		advance = func(batch int) error { return g.advance(r.c, r.run, batch) }
	}
	for sent := 0; !r.run.Done(); {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		if err := errors.Join(advance(r.batch), r.c.Seals.Err()); err != nil {
			return nil, 0, err
		}
		if sent == 0 && len(r.run.Output()) > 0 {
			r.share() // others may want the prompt before this answer is complete
		}
		for ; sent < len(r.run.Output()); sent++ {
			if emit == nil {
				continue
			}
			if err := emit(r.run.Output()[sent]); errors.Is(err, decode.ErrCut) && sent > 0 {
				return r.complete(r.chain.Answer(r.run.Output()).Cut(sent), opset.FinishCancelled)
			} else if err != nil {
				return nil, 0, err
			}
		}
	}
	return r.complete(r.chain.Answer(r.run.Output()), uint8(r.run.Finish()))
}

// complete hands out what the run came to.
func (r *running) complete(a *trace.Answer, finish uint8) (*trace.Answer, uint8, error) {
	r.share()
	if r.c.Report != nil {
		r.c.Report(r.run.Work())
	}
	r.run = nil // the rows of a second look have the room of these
	if err := errors.Join(r.recheck(a), r.c.Seals.Err()); err != nil {
		return nil, 0, err
	}
	return a, finish, nil
}

// Step re-executes a job up to step t and keeps that step for openings; see trace.Replay. It waits for no room
// for rows: what was claimed is defended in time, by one step after the other.
func (c *Computer) Step(job decode.Job, t int, known []int32) (_ *trace.Step, err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	defer c.Seals.sound(&err)
	var flip func(t int, kv *machine.Cache)
	if c.Flip != nil {
		flip = func(t int, kv *machine.Cache) { c.Flip(job, t, kv) }
	}
	if job, err = c.Grammars.Bind(c.Manifest, job); err != nil {
		return nil, err
	}
	return trace.Replay(c.Manifest, job, t, known, c.Split, c.Tamper, flip)
}
