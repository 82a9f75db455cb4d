package node_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"elenchus/commitment/trace"
	"elenchus/compute/decode"
	"elenchus/engine"
	"elenchus/service/node"
)

// slow is a computer that waits for a word before it computes.
type slow struct {
	*engine.Computer
	began   chan uint64
	proceed chan struct{}
}

func (s slow) Generate(ctx context.Context, j decode.Job, emit func(int32) error) (*trace.Answer, uint8, error) {
	s.began <- j.Seed
	<-s.proceed
	return s.Computer.Generate(ctx, j, emit)
}

// A node computes as many answers at once as it was told, lets others wait in their order, and
// tells the rest at once that it is busy, as 503 before anything was sent.
func TestFullNodeSaysBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := slow{w.o.Models[0].Computer.(*engine.Computer), make(chan uint64, 8), make(chan struct{})}
		w.o.Models[0].Computer, w.o.Running, w.o.Waiting = c, 1, 2
		n := w.start()
		defer w.close(n)
		results := make(chan error, 8)
		for seed := range uint64(3) {
			go func() {
				_, err := n.Serve(t.Context(), w.job(seed), nil)
				results <- err
			}()
			synctest.Wait()
		}
		if len(c.began) != 1 {
			t.Fatalf("%d answers are computed at once, want 1", len(c.began))
		}
		if _, err := n.Serve(t.Context(), w.job(9), nil); !errors.Is(err, node.ErrBusy) {
			t.Errorf("a full node says %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.Serve(gone, w.job(9), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("an ended request gets %v", err)
		}
		if status, text := post(n, w.job(9)); status != http.StatusServiceUnavailable || !strings.Contains(text, "busy") {
			t.Errorf("HTTP status of a full node: %d %s", status, text)
		}
		for want := range uint64(3) {
			if got := <-c.began; got != want {
				t.Errorf("seed %d ran in turn %d", got, want)
			}
			c.proceed <- struct{}{}
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

// broken is a computer that panics.
type broken struct{ *engine.Computer }

func (broken) Generate(context.Context, decode.Job, func(int32) error) (*trace.Answer, uint8, error) {
	panic("broken")
}

// A computer that panics keeps no place: the node serves the next request.
func TestPanicsKeepNoPlace(t *testing.T) {
	w := newWorld(t)
	honest := w.o.Models[0].Computer.(*engine.Computer)
	w.o.Models[0].Computer, w.o.Running, w.o.Waiting = broken{honest}, 1, -1
	n := w.start()
	defer w.close(n)
	for range 2 {
		func() {
			defer func() {
				if r := recover(); r != "broken" {
					t.Errorf("recovered %v", r)
				}
			}()
			_, err := n.Serve(t.Context(), w.job(1), nil)
			t.Errorf("no panic, but %v", err)
		}()
	}
}
