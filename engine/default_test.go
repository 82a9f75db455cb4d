package engine_test

import (
	"context"
	"testing"

	"elenchus/engine"
	"elenchus/importer"
	"elenchus/models"
)

// TestNothingChangesABitOfTheDefaultModel is DESIGN law 1 on the model that everyone runs, for kernels,
// threads and batches:
// its rows are long enough to be shared, its prompt longer than the largest batch.
func TestNothingChangesABitOfTheDefaultModel(t *testing.T) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job := long(70, 4)
	want, err := engine.Digest(context.Background(), man, job, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range engine.Kernels() {
		fast := engine.Prepare(man, set, nil)
		for _, threads := range []int{1, 2, 3} {
			pool := engine.NewPool(threads)
			for i, batch := range []int{1, 3, 16, 64} {
				if i != threads {
					continue
				}
				if d, err := engine.Digest(context.Background(), fast, job, pool.Split, batch); err != nil || d != want {
					t.Errorf("%s, %d threads, batch %d: digest %x, %v, want %x", set.Name(), threads, batch, d, err, want)
				}
			}
			pool.Close()
		}
	}
}
