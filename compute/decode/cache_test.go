package decode_test

import (
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"
)

// The cache has room for what was reached, not for what was asked for, and its rows stay when it grows:
// after each step they are those of the step before, and of a run whose cache was large from the start.
func TestCacheGrowsWithTheRun(t *testing.T) {
	m := modeltest.Llama(1, modeltest.Tiny())
	job := decode.Job{Prompt: []int32{5, 9, 2}, MaxNew: 1 << 20, Temperature: 1 << 16, Seed: 3}
	grown, last := 0, 0
	var seen [][]int16 // rows of the last layer
	r, err := decode.New(m, job, nil, decode.Hooks{Step: func(at int, _ decode.Yield, kv *machine.Cache) {
		row := kv.V[len(kv.V)-1][at*kv.DKV : (at+1)*kv.DKV]
		seen = append(seen, append([]int16(nil), row...))
		if n := kv.Positions(); n != last {
			grown, last = grown+1, n
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	first := r.Cache().Positions()
	for r.Next() < m.TMax && !r.Done() {
		if err := r.Advance(4); err != nil {
			t.Fatal(err)
		}
		if have := r.Cache().Positions(); have > r.Next()+r.Next()/2+80 || have > m.TMax || have < r.Next() {
			t.Fatalf("room for %d positions at %d", have, r.Next())
		}
	}
	if first >= m.TMax || grown < 3 || last <= first {
		t.Fatalf("the cache began with %d of %d positions and had %d sizes, the last %d: nothing grew", first, m.TMax, grown, last)
	}
	kv := r.Cache()
	for at, row := range seen {
		for i, v := range kv.V[len(kv.V)-1][at*kv.DKV : (at+1)*kv.DKV] {
			if v != row[i] {
				t.Fatalf("row %d changed when the cache grew", at)
			}
		}
	}
}
