//go:build !unix

package engine

import (
	"os"

	"elenchus/commitment/manifest"
)

// Maps says whether Open maps files on this system.
const Maps = false

func open(path string, secret *manifest.Secret) (*manifest.Manifest, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close() //nolint:errcheck // read only
	st, err := f.Stat()
	if err != nil {
		return nil, "", err
	}
	return manifest.DecodeSecret(f, st.Size(), secret)
}
