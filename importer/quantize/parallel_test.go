package quantize_test

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"elenchus/importer/quantize"
)

func threads(t *testing.T, n int) {
	t.Helper()
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

func TestEachDoesAllOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		threads(t, 5)
		done := make([]atomic.Int32, n)
		if err := quantize.Each(n, func(i int) error { done[i].Add(1); return nil }); err != nil {
			t.Fatal(err)
		}
		for i := range done {
			if done[i].Load() != 1 {
				t.Fatalf("%d of %d was done %d times", i, n, done[i].Load())
			}
		}
	}
}

// TestTheFirstOfSeveralErrorsIsTold whatever the number of threads, and nothing runs afterwards.
func TestTheFirstOfSeveralErrorsIsTold(t *testing.T) {
	for _, p := range []int{1, 2, 8} {
		threads(t, p)
		var running atomic.Int32
		err := quantize.Each(10_000, func(i int) error {
			running.Add(1)
			defer running.Add(-1)
			if i%100 == 41 {
				return fmt.Errorf("row %d", i)
			}
			return nil
		})
		if err == nil || err.Error() != "row 41" || running.Load() != 0 {
			t.Errorf("%d threads: %v, %d still running", p, err, running.Load())
		}
	}
}

// TestThreadsGiveTheSameRows for one thread and many, with rows of several batches.
func TestThreadsGiveTheSameRows(t *testing.T) {
	const rows, k = 301, 700
	gamma := make([]float32, k)
	for j := range gamma {
		gamma[j] = 1 + float32(j)/k
	}
	read := func(first int, dst []float32) error {
		for i := range dst {
			dst[i] = float32(math.Sin(float64(first*k + i)))
		}
		return nil
	}
	for _, bits := range []int{8, 16} {
		var want *quantize.Rows
		for _, p := range []int{1, 2, 7} {
			threads(t, p)
			got, err := quantize.Matrix(rows, k, bits, read, gamma)
			if err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = got
			}
			same := slices.Equal(got.W.I8, want.W.I8) && slices.Equal(got.Scale, want.Scale) && got.MaxRow == want.MaxRow
			if same && bits == 16 {
				same = slices.Equal(got.Low.I8, want.Low.I8)
			}
			if !same {
				t.Errorf("%d bits: %d threads give other rows than one", bits, p)
			}
		}
	}
}

// TestAnErrorOfAReaderIsTold and the rows are not used.
func TestAnErrorOfAReaderIsTold(t *testing.T) {
	bad := errors.New("bad")
	if _, err := quantize.Matrix(1000, 400, 8, func(first int, _ []float32) error {
		if first > 300 {
			return bad
		}
		return nil
	}, nil); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
}

// TestThreadsGiveTheSameAngles for one thread and many.
func TestThreadsGiveTheSameAngles(t *testing.T) {
	threads(t, 1)
	want := quantize.Rotary(64, 32, 10000, nil)
	threads(t, 7)
	if got := quantize.Rotary(64, 32, 10000, nil); !slices.Equal(got.I32, want.I32) {
		t.Error("seven threads give other angles than one")
	}
}
