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
	man, err := s.loadHidden(path, o)
	hidden := man
	switch {
	case err != nil:
	case man.Class == manifest.Private && o.Private:
		err = isSecret(o.Secret, man.Secret())
	case man.Class == manifest.Private:
		err = errors.New("the model is private: import what it was made of")
	case o.Private:
		var secret *manifest.Secret
		if secret, err = secretFor(o.Secret); err == nil {
			hidden, err = manifest.BindPrivate(man.Model, secret)
		}
	default:
		hidden, err = manifest.BindAs(man.Model, manifest.Confidential)
	}
	if err != nil {
		return StoredModel{}, fmt.Errorf("import %s: %w", path, err)
	}
	hidden.Backing = man.Backing
	return s.Add(hidden, o.Name)
}

// loadHidden reads what is to be imported; a private model's file takes the secret that was named, if there is one.
func (s Store) loadHidden(path string, o ImportOptions) (man *manifest.Manifest, err error) {
	_, missing := os.Stat(path)
	file := missing == nil && filepath.Ext(path) == modelExt
	if file && o.Secret != "" {
		secret, err := engine.ReadSecret(o.Secret)
		if err == nil {
			man, _, err = engine.OpenSecret(path, secret)
			return man, err
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if file || missing != nil {
		man, _, err = s.Load(path)
		return man, err
	}
	return s.importSource(path, o)
}

// isSecret compares the file of a secret, if one was named, with that of a model that is private already.
func isSecret(path string, own *manifest.Secret) error {
	if path == "" {
		return nil
	}
	named, err := engine.ReadSecret(path)
	if err != nil {
		return fmt.Errorf("the model is private and has a secret already: %w", err)
	}
	if *named != *own {
		return fmt.Errorf("the model is private, and %s holds another secret than its own: leave --secret out", path)
	}
	return nil
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

// SecretPath is where the secret of a private model lies, also when the model itself was removed.
func (m StoredModel) SecretPath() string { return engine.SecretPath(m.Path) }
