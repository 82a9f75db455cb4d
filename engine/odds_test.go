package engine_test

import (
	"slices"
	"sync"
	"testing"

	"elenchus/compute/decode"
	"elenchus/engine"
)

// TestOddsChangeNothing: answers with odds are those without, and the odds do not depend on guesses and shared passes.
// SPEC 05 §6.2.
func TestOddsChangeNothing(t *testing.T) {
	man, job := tiny(t), long(20, 12)
	c := engine.Computer{Manifest: man, Plain: true}
	plain, want := collect(t, &c, job, 3)
	answer, _, err := c.Generate(t.Context(), job, nil)
	if err != nil || !slices.Equal(answer.Outputs, plain) {
		t.Fatalf("with odds %v, without %v, %v", plain, answer.Outputs, err)
	}
	shared := engine.Computer{Manifest: man, Together: &engine.Together{}, Prefix: engine.NewPrefixCache(1 << 20)}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			ids, got := collect(t, &shared, job, 3)
			if !slices.Equal(ids, plain) || !slices.EqualFunc(got, want, sameOdds) {
				t.Errorf("odds %v, alone %v", got, want)
			}
		})
	}
	all.Wait()
}

func sameOdds(a, b decode.Odds) bool { return a.Drawn == b.Drawn && slices.Equal(a.Top, b.Top) }

func collect(t *testing.T, c *engine.Computer, job decode.Job, k int) (ids []int32, odds []decode.Odds) {
	t.Helper()
	_, _, err := c.GenerateOdds(t.Context(), job, k, func(id int32, o decode.Odds) error {
		if o.Drawn.ID != id || len(o.Top) != k || o.Top[0].Log < o.Top[k-1].Log {
			t.Errorf("id %d has the odds %+v", id, o)
		}
		ids, odds = append(ids, id), append(odds, o)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return ids, odds
}
