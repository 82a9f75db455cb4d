package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"elenchus/commitment/manifest"
)

// shelf is a store as a running role uses it: models that are pulled, imported, replaced or removed
// meanwhile are noticed when somebody asks. A model is read as a whole when its first job comes, and
// is held from then on, since claims about it have to be defended. It is safe for concurrent use.
type shelf struct {
	store Store
	set   *residents
	open  func(key, path string) (whole, error) // key tells one content of a path from another
	warn  func(msg string, args ...any)

	mu      sync.Mutex // guards what follows and the fields of shelved that say so
	found   map[string]*shelved
	release []func()
}

// shelved is a model of a shelf.
type shelved struct {
	id    string
	file  fileMark
	title string
	man   *manifest.Manifest // its header and its bounds
	run   *resident

	// guarded by shelf.mu
	gone error // why it takes no jobs; nil: it does
	held bool
}

// fileMark tells a file from the one that was there before.
type fileMark struct {
	bytes int64
	time  time.Time
}

// errSpoilt marks a file of the store that is not the model that it is named after.
var errSpoilt = errors.New("not the model of its name: remove the file and pull or import the model again")

func newShelf(store Store, set *residents, open func(key, path string) (whole, error), warn func(string, ...any)) *shelf {
	return &shelf{store: store, set: set, open: open, warn: warn, found: map[string]*shelved{}}
}

// close gives up what is held.
func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.release {
		f()
	}
	s.release = nil
}

// offered are the models that can be asked now, as the folder has them.
func (s *shelf) offered() []*shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	files := s.look()
	var out []*shelved
	for _, id := range files {
		if m := s.found[id]; m != nil && m.gone == nil {
			out = append(out, m)
		}
	}
	return out
}

// model is the model of an id, nil where there is none. One that was removed is still known by whoever
// has used it.
func (s *shelf) model(id [32]byte) *shelved {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look()
	return s.found[hex.EncodeToString(id[:])]
}

// look compares the folder with what is known and lists the ids that it has; the caller holds mu.
func (s *shelf) look() []string {
	files, err := s.store.files()
	if err != nil {
		s.warn("the store cannot be read", "dir", s.store.dir, "err", err)
	}
	here := map[string]bool{}
	var ids []string
	for _, f := range files {
		here[f.id] = true
		ids = append(ids, f.id)
		s.take(f)
	}
	for id, m := range s.found {
		if !here[id] && !errors.Is(m.gone, ErrNoModel) {
			m.gone = fmt.Errorf("%w: its file was removed", ErrNoModel)
			s.warn("model removed from the store", "model", m.title, "id", id)
		}
	}
	return ids
}

// take notes a file; the caller holds mu.
func (s *shelf) take(f storeFile) {
	old := s.found[f.id]
	if old != nil && old.file == f.mark && !errors.Is(old.gone, ErrNoModel) {
		return
	}
	m := &shelved{id: f.id, file: f.mark}
	p, err := peekFile(f.path)
	if err == nil && p.header.ID().String() != f.id {
		err = errSpoilt
	}
	if err != nil {
		s.warn("model of the store cannot be read", "file", f.path, "err", err)
		if old == nil || old.run == nil {
			s.found[f.id] = &shelved{id: f.id, file: f.mark, gone: err}
			return
		}
		old.file, old.gone = f.mark, err // who used it may still have it in memory
		return
	}
	m.title, m.man = p.title, outline(p.header)
	m.run = s.set.add(p.title, servingBytes(p.bytes), nil, func(context.Context) (whole, error) { return s.load(m, f.path) })
	if old != nil && old.run != nil {
		s.set.retire(old.run)
	}
	s.found[f.id] = m
}

// load reads a model as a whole and holds it. What is not the model of its name takes no more jobs.
func (s *shelf) load(m *shelved, path string) (whole, error) {
	release, err := s.hold(m)
	if err != nil {
		return whole{}, err
	}
	w, err := s.open(fmt.Sprint(m.id, m.file), path)
	if err == nil && w.man.ID().String() != m.id {
		err = fmt.Errorf("%s: %w", path, errSpoilt)
	}
	if err == nil || errors.Is(err, ErrNoRoom) {
		return w, err
	}
	release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.gone == nil {
		m.gone = err
		s.warn("model of the store takes no more jobs", "model", m.title, "err", err)
	}
	return whole{}, err
}

// hold keeps a model from being removed while the role runs; release undoes it.
func (s *shelf) hold(m *shelved) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.held {
		return func() {}, nil
	}
	unlock, err := s.store.Hold(m.id)
	if err != nil {
		return nil, err
	}
	m.held = true
	s.release = append(s.release, unlock)
	return func() {
		s.mu.Lock()
		m.held = false
		s.mu.Unlock()
		unlock()
	}, nil
}

// storeFile is a model file of a store by its name alone.
type storeFile struct {
	id, path string
	mark     fileMark
}

// files are the files of the store that are named by an id, sorted. A store without a folder is empty.
func (s Store) files() ([]storeFile, error) {
	if s.dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []storeFile
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), modelExt)
		if !ok || len(id) != 64 || !shortID.MatchString(id) {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() { // else it went away meanwhile
			out = append(out, storeFile{id, filepath.Join(s.dir, e.Name()), fileMark{info.Size(), info.ModTime()}})
		}
	}
	return out, err
}

// peekFile reads the beginning of a model file.
func peekFile(path string) (p peeked, err error) {
	f, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return p, err
	}
	p.bytes = info.Size()
	p.title, p.header, err = manifest.Peek(f)
	return p, err
}
