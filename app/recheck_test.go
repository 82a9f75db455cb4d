package app

import "testing"

// A share of answers is computed again, up to a step of theirs.
func TestRecheckPicksAShareOfAnswers(t *testing.T) {
	var drawn []float64
	draw := func() float64 {
		v := drawn[0]
		drawn = drawn[1:]
		return v
	}
	at := recheckAt(0.25, draw)
	for _, c := range []struct {
		numbers []float64
		want    int
	}{{[]float64{0.25}, -1}, {[]float64{0.99}, -1}, {[]float64{0.2499, 0}, 0}, {[]float64{0, 0.5}, 20}, {[]float64{0, 0.9999}, 39}} {
		drawn = c.numbers
		if got := at(40); got != c.want || len(drawn) != 0 {
			t.Errorf("numbers %v: step %d, want %d; %d left", c.numbers, got, c.want, len(drawn))
		}
	}
}
