package engine_test

import (
	"context"
	"testing"

	"elenchus/engine"
	"elenchus/importer"
	"elenchus/models"
)

// TestThreadsAndBatchesChangeNoBitOfTheDefaultModel is DESIGN law 1 on the model that everyone runs:
// its rows are long enough to be shared, its prompt longer than the largest batch.
func TestThreadsAndBatchesChangeNoBitOfTheDefaultModel(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job := long(70, 4)
	want, err := engine.Digest(context.Background(), man, job, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{1, 2, 3} {
		pool := engine.NewPool(threads)
		for i, batch := range []int{1, 3, 16, 64} {
			if testing.Short() && i != threads {
				continue
			}
			if d, err := engine.Digest(context.Background(), man, job, pool.Split, batch); err != nil || d != want {
				t.Errorf("%d threads, batch %d: digest %x, %v, want %x", threads, batch, d, err, want)
			}
		}
		pool.Close()
	}
}
