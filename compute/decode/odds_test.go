package decode_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"elenchus/compute/decode"
)

// TestOddsAreThoseOfTheSoftmax compares the integers with floats: SPEC 05 §6.2 promises 2^-14.
func TestOddsAreThoseOfTheSoftmax(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		logits := make([]int32, 1+rng.IntN(3000))
		spread := 1 << (4 + rng.IntN(18))
		for i := range logits {
			logits[i] = int32(rng.IntN(2*spread) - spread)
		}
		drawn, k := int32(rng.IntN(len(logits))), rng.IntN(decode.MaxOdds+1)
		got := decode.OddsOf(logits, drawn, k)
		if want := min(k, len(logits)); len(got.Top) != want {
			t.Fatalf("round %d: %d alternatives, want %d", round, len(got.Top), want)
		}
		order := make([]int32, len(logits))
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortStableFunc(order, func(a, b int32) int { return int(logits[b]) - int(logits[a]) })
		sum := 0.0
		for _, l := range logits {
			sum += math.Exp(float64(l-logits[order[0]]) / 65536)
		}
		check := func(l decode.Likely) {
			want := float64(logits[l.ID]-logits[order[0]])/65536 - math.Log(sum)
			if got := float64(l.Log) / 65536; math.Abs(got-want) > 1.0/(1<<14) || got > 0 {
				t.Fatalf("round %d: id %d has %v, want %v", round, l.ID, got, want)
			}
		}
		check(got.Drawn)
		for i, l := range got.Top {
			if l.ID != order[i] {
				t.Fatalf("round %d: alternative %d is id %d, want %d", round, i, l.ID, order[i])
			}
			check(l)
		}
	}
}

// TestOddsAtTheEnds pins logits at the ends of their range.
func TestOddsAtTheEnds(t *testing.T) {
	o := decode.OddsOf([]int32{math.MinInt32, math.MaxInt32, math.MaxInt32}, 0, 3)
	if o.Drawn.Log != math.MinInt32 || o.Top[0].ID != 1 || o.Top[1].ID != 2 || o.Top[2].ID != 0 {
		t.Errorf("odds are %+v", o)
	}
	if half := o.Top[0].Log; half != -45426 { // ln 1/2
		t.Errorf("one of two has %d, want -45426", half)
	}
	if one := decode.OddsOf([]int32{5}, 0, 0); one.Drawn.Log != 0 || len(one.Top) != 0 {
		t.Errorf("the only one has %+v", one)
	}
}

// TestChoiceSeed pins the seeds that receipts of several choices carry. SPEC 05 §6.1.
func TestChoiceSeed(t *testing.T) {
	for i, want := range []uint64{7, 3003532909885379094, 8961153754531005453} {
		if got := decode.ChoiceSeed(7, uint32(i)); got != want {
			t.Errorf("choice %d has seed %d, want %d", i, got, want)
		}
	}
}
