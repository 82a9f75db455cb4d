package engine

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"elenchus/commitment/manifest"
	"elenchus/compute/cputest"
	"elenchus/compute/kernel"
	"elenchus/compute/machine"
	"elenchus/compute/model/modeltest"
)

// pieces are the packed memory of a model, piece by piece.
func pieces(man *manifest.Manifest) (weights [][]int8, narrow [][]int32, wide [][]int64) {
	machine.EachPacked(man.Model.Stages, func(p *kernel.Packed) {
		p.Memory(func(w []int8, n []int32, s []int64) {
			weights, narrow, wide = append(weights, w), append(narrow, n), append(wide, s)
		})
	})
	return weights, narrow, wide
}

// Any bit that changes in packed weights, their sums and their scales is found by a whole check, in every
// class and with every set of kernels; nothing is found where nothing changed.
func TestSealsFindEveryBit(t *testing.T) {
	for name, c := range map[string]modeltest.Config{"dense": modeltest.Tiny(), "blocks": modeltest.Blocks(), "experts": modeltest.Experts()} {
		plain, err := manifest.Bind(modeltest.Llama(1, c))
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range Kernels() {
			man := Prepare(plain, set, nil)
			if (Seal(man) == nil) != set.Plain() {
				t.Fatalf("%s, %s: sealed %v", name, set.Name(), Seal(man) != nil)
			}
			if set.Plain() {
				continue
			}
			flips := 0
			found := func(flip func()) {
				s := Seal(man)
				if n, err := s.Check(s.Size()); err != nil || n != s.Size() || n < 1000 {
					t.Fatalf("%s, %s: %d of %d bytes, %v before anything changed", name, set.Name(), n, s.Size(), err)
				}
				flip()
				if _, err := s.Check(s.Size()); !errors.Is(err, ErrSpoilt) || !errors.Is(s.Err(), ErrSpoilt) {
					t.Errorf("%s, %s: %v after flip %d", name, set.Name(), err, flips)
				}
				flip()
				flips++
			}
			weights, narrow, wide := pieces(man)
			for i := range weights {
				if n := len(weights[i]); n > 0 {
					found(func() { weights[i][i*31%n] ^= 1 << (i % 8) })
				}
				if n := len(narrow[i]); n > 0 {
					found(func() { narrow[i][i*31%n] ^= 1 << (i % 32) })
				}
				if n := len(wide[i]); n > 0 {
					found(func() { wide[i][i*31%n] ^= 1 << (i % 64) })
				}
			}
			if flips < 7*4 {
				t.Errorf("%s, %s: only %d flips", name, set.Name(), flips)
			}
		}
	}
}

// Checks of few bytes go on where the last one ended, and come around.
func TestSealsComeAround(t *testing.T) {
	man := Prepare(tinyModel(t, 1), Kernels()[0], nil)
	s := Seal(man)
	if s == nil {
		t.Skip("this processor has plain kernels alone")
	}
	weights, _, _ := pieces(man)
	last := weights[len(weights)-3] // the last ones are scales
	last[0] ^= 1
	calls := 1
	for {
		n, err := s.Check(1)
		if errors.Is(err, ErrSpoilt) {
			break
		}
		if calls++; n < 1 || calls > len(s.pages) {
			t.Fatalf("nothing found in %d calls for %d pieces", calls, len(s.pages))
		}
	}
	if calls < 2 {
		t.Error("the first call went to the end")
	}
}

// Once spoilt weights are found, answers in the making end with ErrSpoilt, as does whatever else reads
// them, and no row that was computed with them is kept.
func TestNothingIsHandedOutOfSpoiltWeights(t *testing.T) {
	man := Prepare(tinyModel(t, 1), Kernels()[0], nil)
	c := &Computer{Manifest: man, Seals: Seal(man), Prefix: NewPrefixCache(1 << 20), Together: &Together{}}
	if c.Seals == nil {
		t.Skip("this processor has plain kernels alone")
	}
	job := conversation(64, 2, 1)
	job.MaxNew = 20
	want, _ := answer(t, c, job)
	if c.Prefix.Size() == 0 {
		t.Fatal("no rows are kept: the test tests nothing")
	}
	weights, _, _ := pieces(man)
	handed := 0
	_, _, err := c.Generate(context.Background(), job, func(int32) error {
		if handed++; handed == 5 {
			weights[0][0] ^= 1 << 6
			_, _ = c.Check(c.Seals.Size())
		}
		return nil
	})
	if !errors.Is(err, ErrSpoilt) || handed >= 20 {
		t.Errorf("%v after %d tokens, want ErrSpoilt at the fifth", err, handed)
	}
	if c.Prefix.Size() != 0 {
		t.Error("rows are kept that may come of spoilt weights")
	}
	for what, f := range map[string]func() error{
		"generate": func() error { _, _, err := c.Generate(context.Background(), job, nil); return err },
		"audit":    func() error { _, _, err := c.Audit(context.Background(), job, want.Outputs); return err },
		"step":     func() error { _, err := c.Step(job, 3, want.Outputs); return err },
		"hidden":   func() error { _, err := c.Hidden(context.Background(), job.Prompt); return err },
	} {
		if err := f(); !errors.Is(err, ErrSpoilt) {
			t.Errorf("%s: %v, want ErrSpoilt", what, err)
		}
	}
	if c.Prefix.Size() != 0 {
		t.Error("rows are kept after the answers that failed")
	}
	weights[0][0] ^= 1 << 6
	c.Seals = Seal(man)
	if got, _ := answer(t, c, job); !reflect.DeepEqual(got, want) {
		t.Error("another answer with right weights")
	}
}

// BenchmarkSeals is the rate at which packed weights are checked.
func BenchmarkSeals(b *testing.B) {
	s, weights := &Seals{}, make([]byte, 64<<20)
	for i := range weights {
		weights[i] = byte(i * i >> 8) // a page that nobody wrote to is in the cache already
	}
	s.add(weights)
	b.SetBytes(s.size)
	defer cputest.Report(b)()
	for b.Loop() {
		if _, err := s.Check(s.size); err != nil {
			b.Fatal(err)
		}
	}
}
