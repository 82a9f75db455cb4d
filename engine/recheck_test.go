package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/machine"
	"elenchus/engine"
)

// A bit that flips in a row after it was committed to changes what follows; computing the answer again up
// to any later step tells, before anybody signs. SPEC 05 §3.3.
func TestRecheckFindsABitThatFlipped(t *testing.T) {
	job, plain := long(20, 12), engine.Computer{Manifest: tiny(t)}
	want, _, err := plain.Generate(context.Background(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	for at := 22; at < len(want.States)-1; at++ {
		flipped := false
		c := engine.Computer{Manifest: tiny(t), Recheck: func(int) int { return at }}
		c.Flip = func(_ decode.Job, step int, kv *machine.Cache) {
			if step == 20 && !flipped { // once: memory is right the second time
				flipped = true
				kv.V[0][3*kv.DKV] ^= 1 << 13
			}
		}
		if _, _, err := c.Generate(context.Background(), job, nil); !errors.Is(err, engine.ErrRecheck) {
			t.Errorf("step %d computed again: %v, want ErrRecheck", at, err)
		}
		if !flipped {
			t.Fatal("nothing flipped: the test tests nothing")
		}
	}
	quiet := engine.Computer{Manifest: tiny(t), Recheck: func(int) int { return -1 }}
	once := false
	quiet.Flip = func(_ decode.Job, step int, kv *machine.Cache) {
		if step == 20 && !once {
			once = true
			kv.V[0][3*kv.DKV] ^= 1 << 13
		}
	}
	got, _, err := quiet.Generate(context.Background(), job, nil)
	if err != nil || slices.Equal(got.Hashes, want.Hashes) {
		t.Errorf("without a second look: %v, and the answer is the right one: the bit changes nothing", err)
	}
}

// Right answers pass, whichever step is computed again, and are told their number of steps.
func TestRecheckPassesRightAnswers(t *testing.T) {
	job := long(20, 6)
	want, _, err := (&engine.Computer{Manifest: tiny(t)}).Generate(context.Background(), job, nil)
	if err != nil {
		t.Fatal(err)
	}
	steps := len(want.States) - 1
	for at := range steps {
		told := 0
		c := engine.Computer{Manifest: engine.Prepare(tiny(t), engine.Kernels()[0], nil), Recheck: func(n int) int { told = n; return at }}
		got, _, err := c.Generate(context.Background(), job, nil)
		if err != nil || !slices.Equal(got.Hashes, want.Hashes) || told != steps {
			t.Errorf("step %d of %d (told %d): %v", at, steps, told, err)
		}
	}
}
