package app

import (
	"context"
	"time"

	"elenchus/commitment/manifest"
	"elenchus/engine"
)

// patrolBytes is about what is checked at once.
const patrolBytes = 1 << 20

// patrol compares the packed weights of models in memory with their checksums until ctx ends, so many
// bytes of each a second; 0: none. A model whose weights changed leaves memory; it is made anew, from
// weights that still hash to its id, when it is asked for. ADR 0073.
func (s *residents) patrol(rate int64) func(context.Context) error {
	return func(ctx context.Context) error {
		if rate <= 0 {
			<-ctx.Done()
			return nil
		}
		tick := time.NewTicker(max(time.Millisecond, patrolBytes*time.Second/time.Duration(rate)))
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				s.look(patrolBytes)
			}
		}
	}
}

// look checks the next so many bytes of each model that is in memory.
func (s *residents) look(bytes int64) {
	for r, w := range s.checked() {
		if _, err := w.check(bytes); err != nil {
			s.expel(r, w, err)
		}
	}
}

// checked are the models in memory that can be checked.
func (s *residents) checked() map[*resident]*whole {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[*resident]*whole{}
	for _, r := range s.all {
		if r.here != nil && r.here.check != nil && r.open != nil {
			out[r] = r.here
		}
	}
	return out
}

// expel lets a model go whose weights in memory are wrong.
func (s *residents) expel(r *resident, w *whole, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.here != w {
		return // it has left meanwhile
	}
	r.suspect = true
	s.log.Error("a model's weights changed in memory: answers in the making end, earlier ones since its last whole check may be wrong; it is read again when it is asked for",
		"model", r.name, "err", why)
	r.drop("spoilt")
}

// reopen opens the model; once its weights were spoilt in memory, what they are made of is hashed first.
func (r *resident) reopen(ctx context.Context, suspect bool) (whole, error) {
	w, err := r.open(ctx)
	if err == nil && suspect {
		err = w.man.Intact()
	}
	return w, err
}

// sealed makes the checksums of a computer's packed weights and returns how they are checked.
func sealed(c *engine.Computer, man *manifest.Manifest) func(bytes int64) (int64, error) {
	c.Seals = engine.Seal(man)
	return c.Check
}
