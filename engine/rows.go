package engine

import (
	"context"
	"errors"
	"fmt"

	"elenchus/commitment/manifest"
	"elenchus/compute/decode"

	"golang.org/x/sync/semaphore"
)

// ErrRows marks a request whose rows alone are more than the engine may keep.
var ErrRows = errors.New("the rows of this request do not fit the memory that this engine may use for rows")

// Rows bounds the memory of K and V rows that answers and audits in the making have together; the few steps
// that a role computes again for its games and its peers, one after the other, come on top.
// Each takes what it may need in all before it begins, so none stops in the middle; those that do not fit
// wait in the order in which they came. Several computers may share one. A nil Rows bounds nothing. It is safe
// for concurrent use. Create it with NewRows.
type Rows struct {
	limit int64
	sem   *semaphore.Weighted
}

// NewRows allows so many bytes.
func NewRows(limit int64) *Rows { return &Rows{limit, semaphore.NewWeighted(limit)} }

// RowBytes is the most that the rows of a job take.
func RowBytes(man *manifest.Manifest, job *decode.Job) int64 {
	m := man.Model
	return int64(4*m.Layers*m.DKV) * min(int64(m.TMax), int64(len(job.Prompt))+int64(job.MaxNew))
}

// taking is take or insist.
type taking func(ctx context.Context, man *manifest.Manifest, job *decode.Job) (free func(), err error)

// take waits for the room of a job until ctx ends; free gives it back and must be called once. A job that
// has no room even alone is ErrRows.
func (r *Rows) take(ctx context.Context, man *manifest.Manifest, job *decode.Job) (free func(), err error) {
	if n := RowBytes(man, job); r != nil && n > r.limit {
		return nil, fmt.Errorf("%w: %d ids and %d new ones take %d KiB, %d KiB are allowed: ask for fewer", ErrRows,
			len(job.Prompt), job.MaxNew, n>>10, r.limit>>10)
	}
	return r.insist(ctx, man, job)
}

// insist is take of an audit, which has to be made however large it is, alone if need be: what was claimed is
// defended, also with less memory than it was claimed with.
func (r *Rows) insist(ctx context.Context, man *manifest.Manifest, job *decode.Job) (free func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	n := min(RowBytes(man, job), r.limit)
	if err := r.sem.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { r.sem.Release(n) }, nil
}
