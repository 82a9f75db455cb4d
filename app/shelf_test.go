package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"elenchus/compute/decode"
	"elenchus/compute/model"
)

// shelfIn is a shelf over a store of the test, and the store.
func shelfIn(t *testing.T) (*shelf, Store) {
	t.Helper()
	store, err := OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set := &residents{keep: -1, log: slog.New(slog.DiscardHandler), room: func(int64) error { return nil }}
	s := newShelf(store, set, func(_, path string) (whole, error) {
		man, _, err := LoadModel(path)
		if err != nil {
			return whole{}, err
		}
		return whole{man: man, run: computer(man, nil)}, nil
	}, func(msg string, args ...any) { t.Log(append([]any{msg}, args...)...) })
	t.Cleanup(s.close)
	return s, store
}

var shelfJob = decode.Job{Prompt: []int32{1, 5}, StopIDs: []int32{2}, MaxNew: 2}

// TestShelfNoticesModels that come, are used, go, and come again, and one that is no model of its name.
func TestShelfNoticesModels(t *testing.T) {
	s, store := shelfIn(t)
	if got := s.offered(); len(got) != 0 {
		t.Fatalf("an empty store offers %v", got)
	}
	m, err := store.Import(drawnFile(t, 1), ImportOptions{Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	got := s.offered()
	if len(got) != 1 || got[0].id != m.ID || got[0].title != "one" || got[0].man.Kind != model.KindToken || got[0].run.here != nil {
		t.Fatalf("after an import it offers %+v", got)
	}
	one := got[0]
	if _, err := store.Remove("one"); err != nil { // nobody has used it
		t.Fatal(err)
	}
	if got := s.offered(); len(got) != 0 {
		t.Errorf("a removed model is offered: %+v", got)
	}
	if _, err := store.Import(drawnFile(t, 1), ImportOptions{Name: "again"}); err != nil {
		t.Fatal(err)
	}
	got = s.offered()
	if len(got) != 1 || got[0].title != "again" {
		t.Fatalf("a model that came again: %+v", got)
	}
	if a, _, err := got[0].run.Generate(t.Context(), shelfJob, func(int32) error { return nil }); err != nil || len(a.Outputs) == 0 {
		t.Fatalf("an answer: %v", err)
	}
	if _, err := store.Remove("again"); !errors.Is(err, ErrInUse) {
		t.Errorf("a model about which there are claims is removed: %v", err)
	}
	if err := os.Remove(m.Path); err != nil { // by other means
		t.Fatal(err)
	}
	if got := s.offered(); len(got) != 0 {
		t.Errorf("a file that is gone is offered: %+v", got)
	}
	held := s.model(one.man.ID())
	if held == nil {
		t.Fatal("who has answered with a model must know it to defend the answers")
	}
	if _, err := held.run.Step(shelfJob, 1, nil); err != nil {
		t.Errorf("a step of a model whose file is gone: %v", err)
	}
}

// TestShelfRefusesSpoiltFiles when they are noticed, or when they are read as a whole, until they are whole again.
func TestShelfRefusesSpoiltFiles(t *testing.T) {
	s, store := shelfIn(t)
	m, err := store.Import(drawnFile(t, 1), ImportOptions{Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(b []byte) {
		t.Helper()
		if err := writeWhole(m.Path, b); err != nil {
			t.Fatal(err)
		}
	}
	spoilt := append([]byte(nil), good...)
	spoilt[len(spoilt)/2] ^= 1
	put(spoilt)
	got := s.offered()
	if len(got) != 1 {
		t.Fatalf("its beginning is whole: %+v", got)
	}
	if _, _, err := got[0].run.Generate(t.Context(), shelfJob, func(int32) error { return nil }); err == nil {
		t.Error("an answer of a spoilt model")
	}
	if got := s.offered(); len(got) != 0 {
		t.Errorf("a model that could not be read is offered: %+v", got)
	}
	if _, err := store.Hold(m.ID); err != nil {
		t.Error(err)
	}
	put(good[:40])
	if got := s.offered(); len(got) != 0 {
		t.Errorf("a part of a file is offered: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(store.Dir(), "notes.elm"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	put(append(good[:len(good):len(good)], 0)) // another length, so that it is another file in any case
	_ = s.offered()
	put(good)
	got = s.offered()
	if len(got) != 1 {
		t.Fatalf("whole again: %+v", got)
	}
	if _, _, err := got[0].run.Generate(t.Context(), shelfJob, func(int32) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestShelfIsForManyAtOnce: who asks at once loads once.
func TestShelfIsForManyAtOnce(t *testing.T) {
	s, store := shelfIn(t)
	loads := 0
	open := s.open
	s.open = func(key, path string) (whole, error) { loads++; return open(key, path) }
	if _, err := store.Import(drawnFile(t, 1), ImportOptions{Name: "one"}); err != nil {
		t.Fatal(err)
	}
	var tasks []func(context.Context) error
	for range 8 {
		tasks = append(tasks, func(ctx context.Context) error {
			_, _, err := s.offered()[0].run.Generate(ctx, shelfJob, func(int32) error { return nil })
			return err
		})
	}
	if err := all(t.Context(), tasks...); err != nil || loads != 1 {
		t.Errorf("%d loads, %v", loads, err)
	}
}
