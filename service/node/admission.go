package node

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// ErrBusy says that too many others wait already; whoever asked may ask another node, or later.
var ErrBusy = errors.New("this node is busy")

// admission lets a number of computations go on at once and a number of others wait for their
// turn, in the order in which they came. What a node does in its own defence passes no admission.
type admission struct {
	places  chan struct{}
	waiting atomic.Int64
	most    int64
}

func newAdmission(running, waiting int) *admission {
	return &admission{places: make(chan struct{}, running), most: int64(waiting)}
}

// enter takes a place, or fails with ErrBusy or ctx's error. leave gives the place back.
func (a *admission) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case a.places <- struct{}{}:
		return nil
	default:
	}
	if n := a.waiting.Add(1); n > a.most {
		a.waiting.Add(-1)
		return fmt.Errorf("%w: %d requests run and %d wait", ErrBusy, cap(a.places), a.most)
	}
	defer a.waiting.Add(-1)
	select {
	case a.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *admission) leave() { <-a.places }
