package app

import (
	"context"
	"time"

	"elenchus/app/meter"
	"elenchus/commitment/manifest"
	"elenchus/engine"
	"elenchus/service/challenger"
)

// watchKeeps is how long a challenger keeps a model of the store after the last claim about it.
const watchKeeps = 10 * time.Minute

// watched has a challenger hold the models of a role: those with names now, those of the store when a
// claim about them is to be checked. release gives them up.
func (r *Role) watched(o *challenger.Options, named, stored *residents, pool *engine.Pool, m *meter.Set) (release func(), err error) {
	var held []func()
	release = func() {
		for _, f := range held {
			f()
		}
	}
	for _, name := range r.Models {
		man, title, err := LoadModel(name)
		if err != nil {
			return release, err
		}
		open := func(context.Context) (whole, error) { return checking(man, pool) }
		w, err := open(context.Background())
		if err != nil {
			return release, err
		}
		free, err := holdModel(man.ID().String())
		if err != nil {
			return release, err
		}
		held = append(held, free)
		o.Models = append(o.Models, challenger.Model{Manifest: man, Computer: timed{named.add(title, 0, &w, open), m}})
	}
	if !r.Store {
		return release, nil
	}
	store, err := OpenStore("")
	if err != nil {
		return release, err
	}
	books := &shelfOfModels{role: r, pool: pool}
	s := newShelf(store, stored, func(key, path string) (whole, error) {
		man, _, err := books.fetch(key, path)
		if err != nil {
			return whole{}, err
		}
		return checking(man, pool)
	}, r.Log.Warn)
	held = append(held, stored.close, s.close)
	o.Find = func(id [32]byte) *challenger.Model {
		x := s.model(id)
		if x == nil || x.run == nil {
			return nil
		}
		return &challenger.Model{Manifest: x.man, Computer: timed{x.run, m}, Whole: x.run.manifest}
	}
	return release, nil
}

// checking is a model as a challenger computes with it.
func checking(man *manifest.Manifest, pool *engine.Pool) (whole, error) {
	man, err := ready(man, "", pool)
	if err != nil {
		return whole{}, err
	}
	c := computer(man, pool)
	check := sealed(c, man)
	return whole{man, c, check}, nil
}
