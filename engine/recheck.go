package engine

import (
	"errors"
	"fmt"

	"elenchus/commitment/trace"
)

// ErrRecheck marks an answer of which a step came out differently when it was computed again: this
// machine made a mistake in one of the two, and nobody should sign for either.
var ErrRecheck = errors.New("a step came out differently when it was computed again")

// recheck computes the job again, up to the step that Computer.Recheck names, with rows of its own, and
// compares the state behind it, in which all earlier tokens and rows are. SPEC 05 §3.3.
func (r *running) recheck(a *trace.Answer) error {
	if r.c.Recheck == nil {
		return nil
	}
	t := r.c.Recheck(len(a.States) - 1)
	if t < 0 {
		return nil
	}
	s, err := r.c.Step(r.job, t, a.Outputs)
	if errors.Is(err, trace.ErrTrace) {
		return fmt.Errorf("%w: step %d: %w", ErrRecheck, t, err) // the second run ended before it
	}
	if err != nil {
		return err
	}
	if s.Now != a.States[t+1] {
		return fmt.Errorf("%w: step %d of %d: check this machine's memory and processor before it signs again", ErrRecheck, t, len(a.States)-1)
	}
	return nil
}
