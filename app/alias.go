package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"elenchus/commitment/manifest"
	"elenchus/importer"
	"elenchus/models"

	"github.com/gofrs/flock"
)

// aliasFile holds further names of models: an object of alias to model id.
const aliasFile = "aliases.json"

// maxAliases bounds them.
const maxAliases = 1024

// Aliases are the further names of models, each with the model id that it stands for.
func (s Store) Aliases() (map[string]string, error) {
	path := filepath.Join(s.dir, aliasFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	var out map[string]string
	if err := json.Unmarshal(b, &out); err != nil || len(out) > maxAliases {
		return nil, fmt.Errorf("%s is not an object of at most %d names and model ids: remove it or mend it: %w", path, maxAliases, err)
	}
	for name, id := range out {
		if !shortID.MatchString(id) || len(id) != 64 || checkName(name) != nil {
			return nil, fmt.Errorf("%s: %q: %q is not a name and a model id: remove the entry", path, name, id)
		}
	}
	return out, nil
}

// SetAlias gives a model one more name. A name of another model is refused; an alias moves.
func (s Store) SetAlias(name, model string) (string, error) {
	if err := checkName(name); err != nil {
		return "", err
	}
	id, err := s.idOf(model)
	if err != nil {
		return "", err
	}
	all, err := s.List()
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(all, func(m StoredModel) bool { return m.Name == name }) {
		return "", fmt.Errorf("%q is the name of a model: remove that one or give another alias", name)
	}
	return id, s.changeAliases(func(a map[string]string) error {
		if a[name] = id; len(a) > maxAliases {
			return fmt.Errorf("more than %d aliases: remove some with: elenchus model alias --remove NAME", maxAliases)
		}
		return nil
	})
}

// RemoveAlias forgets a further name.
func (s Store) RemoveAlias(name string) error {
	return s.changeAliases(func(a map[string]string) error {
		if _, ok := a[name]; !ok {
			return fmt.Errorf("%w: there is no alias %q; see: elenchus model list", ErrNoModel, name)
		}
		delete(a, name)
		return nil
	})
}

// idOf is the id of a model of the store, or of the default one, by any of its names.
func (s Store) idOf(model string) (string, error) {
	if model == models.Name {
		return defaultID()
	}
	m, err := s.Find(model)
	if err == nil {
		return m.ID, nil
	}
	if a, aerr := s.Aliases(); aerr == nil && a[model] != "" {
		return a[model], nil
	}
	return "", err
}

func defaultID() (string, error) {
	man, err := importer.Bytes(models.Default(), importer.Options{})
	if err != nil {
		return "", err
	}
	return man.ID().String(), nil
}

// changeAliases rewrites the file whole, one process at a time.
func (s Store) changeAliases(change func(map[string]string) error) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(s.dir, ".aliases.lock"))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // the lock goes with it
	all, err := s.Aliases()
	if err != nil {
		return err
	}
	if err := change(all); err != nil {
		return err
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return writeWhole(filepath.Join(s.dir, aliasFile), append(b, '\n'))
}

// writeWhole writes a small file whole or not at all.
func writeWhole(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone when all went well
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(f.Name(), path)
}

// namesOf are the aliases of a model id, sorted.
func namesOf(aliases map[string]string, id string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if aliases[name] == id {
			out = append(out, name)
		}
	}
	return out
}

// ErrInUse marks a model that a running program holds.
var ErrInUse = errors.New("the model is in use")

// lockExt ends the name of the file that says, by locks, who uses a model.
const lockExt = ".lock"

// Hold marks a model of the store as used until release is called: it is not removed meanwhile. Files
// and the default model need no mark.
func (s Store) Hold(id string) (release func(), err error) {
	if s.dir == "" {
		return func() {}, nil
	}
	if _, err := os.Stat(filepath.Join(s.dir, id+modelExt)); err != nil {
		return func() {}, nil //nolint:nilerr // not of this store
	}
	lock := flock.New(filepath.Join(s.dir, id+lockExt))
	ok, err := lock.TryRLock()
	if err == nil && !ok {
		err = fmt.Errorf("model %s is being removed", id)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return func() { _ = lock.Close() }, nil
}

// Remove deletes a model from the store, with its aliases. One that a program holds is ErrInUse.
func (s Store) Remove(name string) (StoredModel, error) {
	m, err := s.Find(name)
	if err != nil {
		return m, err
	}
	lock := flock.New(filepath.Join(s.dir, m.ID+lockExt))
	defer lock.Close() //nolint:errcheck // the lock goes with it
	ok, err := lock.TryLock()
	if err != nil {
		return m, err
	}
	if !ok {
		return m, fmt.Errorf("%w: %s (%s): stop the node, challenger or gateway that serves it, then remove it again", ErrInUse, m.Name, m.ID)
	}
	if len(m.Aliases) > 0 {
		err = s.changeAliases(func(a map[string]string) error {
			maps.DeleteFunc(a, func(_, id string) bool { return id == m.ID })
			return nil
		})
	}
	if err == nil {
		err = os.Remove(m.Path)
	}
	return m, errors.Join(err, removeIfThere(filepath.Join(s.dir, m.ID+lockExt)))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// aliased is the model id that a name stands for, or the name itself.
func (s Store) aliased(name string) (string, error) {
	if s.dir == "" || strings.ContainsAny(name, `/\`) {
		return name, nil
	}
	a, err := s.Aliases()
	if err != nil {
		return "", err
	}
	if id := a[name]; id != "" {
		return id, nil
	}
	return name, nil
}

// peeked is what the beginning of a stored model's file says.
type peeked struct {
	title  string
	header manifest.Header
	bytes  int64 // of the file
}

// peek reads the beginning of a stored model, by any of its names. A file that is none of the store's
// is ErrNoModel.
func (s Store) peek(name string) (p peeked, err error) {
	if s.dir == "" || fileLike(name) || name == models.Name {
		return p, fmt.Errorf("%w: %q is not in the store", ErrNoModel, name)
	}
	m, err := s.Find(name)
	if err != nil {
		return p, err
	}
	if p, err = peekFile(m.Path); err != nil {
		return p, err
	}
	if slices.Contains(m.Aliases, name) {
		p.title = name
	}
	return p, nil
}

// holdModel is Hold in the user's store.
func holdModel(id string) (release func(), err error) {
	store, _ := OpenStore("") // without a home directory there is nothing to hold
	return store.Hold(id)
}

// load makes a model known under its name and its aliases, and holds it.
func (b *Backend) load(name string) (release func(), err error) {
	man, title, err := LoadModel(name)
	if err != nil {
		return nil, err
	}
	id := man.ID().String()
	names := []string{title}
	store, _ := OpenStore("") // without a home directory there are no aliases
	if store.dir != "" {
		aliases, err := store.Aliases()
		if err != nil {
			return nil, err
		}
		names = append(names, slices.DeleteFunc(namesOf(aliases, id), func(a string) bool { return a == title })...)
	}
	for _, n := range names {
		if err := b.AddModel(n, man); err != nil {
			return nil, err
		}
	}
	return holdModel(id)
}
