package app

import (
	"time"

	"elenchus/app/meter"
	"elenchus/engine"
	"elenchus/service/challenger"
)

// watchKeeps is how long a challenger keeps a model of the store after the last claim about it.
const watchKeeps = 10 * time.Minute

// watched has a challenger hold the models of a role: those with names now, those of the store when a
// claim about them is to be checked. release gives them up.
func (r *Role) watched(o *challenger.Options, pool *engine.Pool, m *meter.Set) (release func(), err error) {
	var held []func()
	release = func() {
		for _, f := range held {
			f()
		}
	}
	for _, name := range r.Models {
		man, _, err := LoadModel(name)
		if err == nil {
			man, err = ready(man, "", pool)
		}
		if err != nil {
			return release, err
		}
		free, err := holdModel(man.ID().String())
		if err != nil {
			return release, err
		}
		held = append(held, free)
		o.Models = append(o.Models, challenger.Model{Manifest: man, Computer: timed{computer(man, pool), m}})
	}
	if !r.Store {
		return release, nil
	}
	store, err := OpenStore("")
	if err != nil {
		return release, err
	}
	set := &residents{keep: watchKeeps, log: r.Log}
	books := &shelfOfModels{role: r, pool: pool}
	s := newShelf(store, set, func(key, path string) (whole, error) {
		man, _, err := books.fetch(key, path)
		if err == nil {
			man, err = ready(man, "", pool)
		}
		if err != nil {
			return whole{}, err
		}
		return whole{man, computer(man, pool)}, nil
	}, r.Log.Warn)
	held = append(held, set.close, s.close)
	o.Find = func(id [32]byte) *challenger.Model {
		x := s.model(id)
		if x == nil || x.run == nil {
			return nil
		}
		return &challenger.Model{Manifest: x.man, Computer: timed{x.run, m}, Whole: x.run.manifest}
	}
	return release, nil
}
