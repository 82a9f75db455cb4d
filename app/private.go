package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"elenchus/commitment/manifest"
	"elenchus/engine"
)

// importHidden takes a file or a model that is here already, as a confidential or private one.
func (s Store) importHidden(path string, o ImportOptions) (StoredModel, error) {
	if o.Confidential && o.Private {
		return StoredModel{}, errors.New("a model is confidential or private, not both")
	}
	var hidden *manifest.Manifest
	man, secret, err := s.loadHidden(path, o)
	switch {
	case err != nil:
	case man.Class == manifest.Private && o.Private:
		hidden = man
	case man.Class == manifest.Private:
		err = fmt.Errorf("the model is private: import what it was made of")
	case o.Private:
		hidden, err = manifest.BindPrivate(man.Model, secret)
	default:
		hidden, err = manifest.BindAs(man.Model, manifest.Confidential)
	}
	if err != nil {
		return StoredModel{}, fmt.Errorf("import %s: %w", path, err)
	}
	hidden.Backing = man.Backing
	return s.Add(hidden, o.Name)
}

// loadHidden reads what is to be imported, and the secret that it gets, or has.
func (s Store) loadHidden(path string, o ImportOptions) (*manifest.Manifest, *manifest.Secret, error) {
	var secret *manifest.Secret
	var err error
	if o.Private {
		if secret, err = secretFor(o.Secret); err != nil {
			return nil, nil, err
		}
	}
	_, missing := os.Stat(path)
	file := missing == nil && filepath.Ext(path) == modelExt
	var man *manifest.Manifest
	switch {
	case file && o.Secret != "":
		man, _, err = engine.OpenSecret(path, secret)
	case file || missing != nil:
		man, _, err = s.Load(path)
	default:
		man, err = s.importSource(path, o)
	}
	return man, secret, err
}

// secretFor reads the secret of a file; where there is none it is a new one, kept there.
func secretFor(path string) (*manifest.Secret, error) {
	if path != "" {
		if s, err := engine.ReadSecret(path); !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
	}
	var s manifest.Secret
	if _, err := rand.Read(s[:]); err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	if path == "" {
		return &s, nil
	}
	return &s, writeNewKeyFile(path, []byte(s.Text()+"\n"))
}

// keepSecret writes the secret of a model of the store, for its owner alone; the same may be there already.
func keepSecret(path string, s *manifest.Secret) error {
	switch there, err := engine.ReadSecret(path); {
	case errors.Is(err, os.ErrNotExist):
		return writeNewKeyFile(path, []byte(s.Text()+"\n"))
	case err != nil:
		return err
	case *there != *s:
		return fmt.Errorf("%s holds another secret: move it away", path)
	}
	return nil
}
