package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"elenchus/commitment/manifest"
)

// SecretPath is where the secret of a private model lies: beside its file, with the ending .secret.
func SecretPath(model string) string {
	return strings.TrimSuffix(model, filepath.Ext(model)) + ".secret"
}

// ReadSecret reads the secret of a private model: 64 hex digits in a file that its owner alone can read.
// Errors do not quote the file.
func ReadSecret(path string) (*manifest.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600 it", path, mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, 128))
	if err != nil {
		return nil, fmt.Errorf("read the secret: %w", err)
	}
	s, err := manifest.ParseSecret(strings.TrimSpace(string(b)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// secretOf is the secret beside a model file, nil where the model is not private.
func secretOf(model string) (*manifest.Secret, error) {
	f, err := os.Open(model)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	_, h, err := manifest.Peek(f)
	if err != nil || h.Class != manifest.Private {
		return nil, nil // what is wrong with the file is found when it is read
	}
	s, err := ReadSecret(SecretPath(model))
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w: put it into %s", manifest.ErrSecret, SecretPath(model))
	}
	return s, err
}
